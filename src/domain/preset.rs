//! Named settings a reader can choose from instead of turning the dial by hand. A preset is exactly its published values.

/// A named setting.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Preset {
    pub name: &'static str,
    /// 0 to 1, before the operator's range.
    pub diversity: f32,
    /// What to say of it.
    pub description: &'static str,
}

/// From closest to home to furthest from it.
pub const PRESETS: [Preset; 3] = [
    Preset { name: "focused", diversity: 0.15, description: "Mostly what you know you like" },
    Preset { name: "balanced", diversity: 0.35, description: "What you like, and something else in between" },
    Preset { name: "broader", diversity: 0.65, description: "As many topics, makers and views as fit" },
];

impl Preset {
    pub const NAMES: [&'static str; 3] = [PRESETS[0].name, PRESETS[1].name, PRESETS[2].name];

    pub fn find(name: &str) -> Option<Self> {
        PRESETS.into_iter().find(|preset| preset.name == name)
    }
}
