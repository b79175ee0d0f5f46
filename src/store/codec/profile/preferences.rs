//! The stored form of what a person set by hand.

use serde::{Deserialize, Serialize};

use crate::domain::{
    FacetValue, Span,
    profile::{Mode, Preferences},
};

/// By position: only append.
#[derive(Serialize, Deserialize)]
pub(super) enum ModeV1 {
    On,
    Paused,
    Off,
    ExplicitOnly,
    Chronological,
    ClientProfile,
}

#[derive(Serialize, Deserialize)]
pub(super) struct PreferencesV4<'a> {
    pub diversity: Option<f32>,
    pub source_mix: Option<f32>,
    pub viewpoint_mix: Option<f32>,
    #[serde(borrow)]
    pub topics: Vec<(&'a str, f32)>,
    pub languages: Vec<&'a str>,
    pub blocked_keywords: Vec<&'a str>,
    pub mode: ModeV1,
    pub lifts_caps: bool,
    pub pauses_ms: Vec<i64>,
    pub push_categories: Vec<&'a str>,
    pub time_zone: Option<&'a str>,
}

impl<'a> From<&'a Preferences> for PreferencesV4<'a> {
    fn from(preferences: &'a Preferences) -> Self {
        Self {
            diversity: preferences.diversity,
            source_mix: preferences.source_mix,
            viewpoint_mix: preferences.viewpoint_mix,
            topics: preferences.topics.iter().map(|(topic, weight)| (&**topic, *weight)).collect(),
            languages: preferences.languages.iter().map(|language| &**language).collect(),
            blocked_keywords: preferences.blocked_keywords.iter().map(String::as_str).collect(),
            mode: match preferences.mode {
                Mode::Profile => ModeV1::On,
                Mode::NoProfile => ModeV1::Off,
                Mode::ExplicitOnly => ModeV1::ExplicitOnly,
                Mode::Chronological => ModeV1::Chronological,
                Mode::ClientProfile => ModeV1::ClientProfile,
            },
            lifts_caps: preferences.lifts_caps,
            pauses_ms: preferences.pauses.iter().map(|pause| pause.as_millis()).collect(),
            push_categories: preferences.push_categories.iter().map(String::as_str).collect(),
            time_zone: preferences.time_zone.as_deref(),
        }
    }
}

impl From<PreferencesV4<'_>> for Preferences {
    fn from(stored: PreferencesV4<'_>) -> Self {
        Self {
            diversity: stored.diversity,
            source_mix: stored.source_mix,
            viewpoint_mix: stored.viewpoint_mix,
            topics: stored.topics.into_iter().map(|(topic, weight)| (FacetValue::from(topic), weight)).collect(),
            languages: stored.languages.into_iter().map(Into::into).collect(),
            blocked_keywords: stored.blocked_keywords.into_iter().map(Into::into).collect(),
            mode: match stored.mode {
                ModeV1::On => Mode::Profile,
                ModeV1::Paused | ModeV1::Off => Mode::NoProfile,
                ModeV1::ExplicitOnly => Mode::ExplicitOnly,
                ModeV1::Chronological => Mode::Chronological,
                ModeV1::ClientProfile => Mode::ClientProfile,
            },
            lifts_caps: stored.lifts_caps,
            pauses: stored.pauses_ms.into_iter().map(Span::millis).collect(),
            push_categories: stored.push_categories.into_iter().map(Into::into).collect(),
            time_zone: stored.time_zone.map(Into::into),
        }
    }
}
