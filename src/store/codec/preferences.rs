//! The stored form of what a person set by hand, about feeds, and about breaks and pushes.

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

#[derive(Deserialize)]
pub(super) struct PreferencesV1<'a> {
    pub diversity: Option<f32>,
    #[serde(borrow)]
    pub topics: Vec<(&'a str, f32)>,
    pub languages: Vec<&'a str>,
    pub mode: ModeV1,
}

#[derive(Serialize, Deserialize)]
pub(super) struct PreferencesV3<'a> {
    pub diversity: Option<f32>,
    #[serde(borrow)]
    pub topics: Vec<(&'a str, f32)>,
    pub languages: Vec<&'a str>,
    pub blocked_keywords: Vec<&'a str>,
    pub mode: ModeV1,
}

impl<'a> From<&'a Preferences> for PreferencesV3<'a> {
    fn from(preferences: &'a Preferences) -> Self {
        Self {
            diversity: preferences.diversity,
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
        }
    }
}

impl From<PreferencesV3<'_>> for Preferences {
    fn from(stored: PreferencesV3<'_>) -> Self {
        Self {
            diversity: stored.diversity,
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
            // Written after all else: see `ProfileV4`.
            ..Self::default()
        }
    }
}

/// Stored after all else of a profile of version 4.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct ReachV4<'a> {
    pauses_ms: Vec<i64>,
    #[serde(borrow)]
    push_categories: Vec<&'a str>,
    time_zone: Option<&'a str>,
}

impl<'a> From<&'a Preferences> for ReachV4<'a> {
    fn from(preferences: &'a Preferences) -> Self {
        Self {
            pauses_ms: preferences.pauses.iter().map(|pause| pause.as_millis()).collect(),
            push_categories: preferences.push_categories.iter().map(String::as_str).collect(),
            time_zone: preferences.time_zone.as_deref(),
        }
    }
}

impl ReachV4<'_> {
    /// Nothing of it is set.
    pub fn is_empty(&self) -> bool {
        self.pauses_ms.is_empty() && self.push_categories.is_empty() && self.time_zone.is_none()
    }

    pub fn put_into(self, preferences: &mut Preferences) {
        preferences.pauses = self.pauses_ms.into_iter().map(Span::millis).collect();
        preferences.push_categories = self.push_categories.into_iter().map(Into::into).collect();
        preferences.time_zone = self.time_zone.map(Into::into);
    }
}
