//! Consent forms as data: what a person is asked, and with which controls. Clients draw them; [`super::lint`] checks them.

use serde::{Deserialize, Serialize};

/// One form in one language.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Form {
    /// BCP 47, lower case: `en`, `de`, `pt-br`.
    pub language: String,
    pub title: String,
    pub intro: String,
    pub closing: String,
    pub toggle: Vec<Toggle>,
    pub action: Vec<Action>,
    /// Time to decide. No form may have one; it is here so that the check can say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub countdown_secs: Option<u32>,
}

/// One switch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Toggle {
    /// Names of [`crate::domain::consent::Purpose`]; one, or the form is refused.
    pub purposes: Vec<String>,
    pub label: String,
    pub text: String,
    /// Whether it is on before the person touches it. Never, or the form is refused.
    #[serde(default)]
    pub pre_ticked: bool,
}

/// One way to end the form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Action {
    pub does: Does,
    pub label: String,
    #[serde(default)]
    pub component: Component,
    /// The screen it is on: 1 is reached without a click.
    #[serde(default = "first_screen")]
    pub screen: u32,
    #[serde(default)]
    pub emphasis: Emphasis,
}

const fn first_screen() -> u32 {
    1
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Does {
    AcceptAll,
    RefuseAll,
    SaveChoices,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Component {
    #[default]
    Button,
    Link,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Emphasis {
    #[default]
    None,
    /// Set apart by shape or weight.
    Primary,
    /// Set apart by colour alone.
    Colour,
}

impl Form {
    /// Errors: what is wrong with the TOML, and where.
    pub fn read(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }

    /// The text that a person is shown: the notice that records name. The same form gives the same text.
    pub fn notice(&self) -> String {
        let toggles: Vec<String> = self.toggle.iter().map(|toggle| format!("{}: {}\n", toggle.label, toggle.text)).collect();
        format!("{}\n\n{}\n\n{}\n{}\n", self.title, self.intro, toggles.concat(), self.closing)
    }
}
