//! Profiles as earlier versions stored them.

use serde::Deserialize;

use super::{
    ActionV1, DislikeV2, InterestV1, MuteV3, ProfileV4, SeenV4, TargetV1, WeightsV1,
    preferences::{ModeV1, PreferencesV4},
};

/// Dislikes stood with the affinities, and decayed with them; there were no exposures.
#[derive(Deserialize)]
pub(super) struct ProfileV1<'a> {
    as_of_ms: i64,
    #[serde(borrow)]
    affinities: Vec<WeightsV1<'a>>,
    interests: Vec<InterestV1<'a>>,
    seen: Vec<SeenV1>,
    mutes: Vec<MuteV1<'a>>,
    follows: Vec<&'a str>,
    preferences: PreferencesV1<'a>,
    actions: Vec<ActionV1<'a>>,
    events: u64,
}

/// Mutes had no end; there were no locked topics and no blocked keywords.
#[derive(Deserialize)]
pub(super) struct ProfileV2<'a> {
    as_of_ms: i64,
    /// Liking and shown.
    #[serde(borrow)]
    affinities: Vec<WeightsV1<'a>>,
    dislikes: Vec<DislikeV2<'a>>,
    /// Shown and opened.
    exposures: Vec<WeightsV1<'a>>,
    interests: Vec<InterestV1<'a>>,
    seen: Vec<SeenV2>,
    mutes: Vec<MuteV1<'a>>,
    follows: Vec<&'a str>,
    preferences: PreferencesV1<'a>,
    actions: Vec<ActionV1<'a>>,
    events: u64,
}

/// Nothing was known of what the person had given to popularity, and there were no dials for sources and viewpoints.
#[derive(Deserialize)]
pub(super) struct ProfileV3<'a> {
    as_of_ms: i64,
    /// Liking and shown.
    #[serde(borrow)]
    affinities: Vec<WeightsV1<'a>>,
    dislikes: Vec<DislikeV2<'a>>,
    /// Shown and opened.
    exposures: Vec<WeightsV1<'a>>,
    interests: Vec<InterestV1<'a>>,
    seen: Vec<SeenV2>,
    mutes: Vec<MuteV3<'a>>,
    follows: Vec<&'a str>,
    locked_topics: Vec<&'a str>,
    preferences: PreferencesV3<'a>,
    actions: Vec<ActionV1<'a>>,
    events: u64,
}

#[derive(Deserialize)]
struct SeenV1 {
    #[serde(with = "postcard::fixint::le")]
    item_hash: u64,
    step_ms: i64,
    opened: bool,
}

#[derive(Deserialize)]
struct SeenV2 {
    #[serde(with = "postcard::fixint::le")]
    item_hash: u64,
    step_ms: i64,
    /// Bit 0: opened. Above it: impressions.
    marks: u8,
}

#[derive(Deserialize)]
struct MuteV1<'a> {
    #[serde(borrow)]
    target: TargetV1<'a>,
    since_ms: i64,
}

#[derive(Deserialize)]
struct PreferencesV1<'a> {
    diversity: Option<f32>,
    #[serde(borrow)]
    topics: Vec<(&'a str, f32)>,
    languages: Vec<&'a str>,
    mode: ModeV1,
}

#[derive(Deserialize)]
struct PreferencesV3<'a> {
    diversity: Option<f32>,
    #[serde(borrow)]
    topics: Vec<(&'a str, f32)>,
    languages: Vec<&'a str>,
    blocked_keywords: Vec<&'a str>,
    mode: ModeV1,
}

impl<'a> From<ProfileV1<'a>> for ProfileV2<'a> {
    fn from(old: ProfileV1<'a>) -> Self {
        let disliked = |weights: &WeightsV1<'a>| {
            let weight = weights.second.filter(|weight| *weight > 0.0)?;
            Some(DislikeV2 { facet: weights.facet, value: weights.value, weight, at_ms: old.as_of_ms })
        };
        let dislikes = old.affinities.iter().filter_map(disliked).collect();
        let liked = old.affinities.into_iter().filter(|weights| weights.first > 0.0);
        // What was not opened then was seen at least once.
        let seen = |seen: &SeenV1| SeenV2 { item_hash: seen.item_hash, step_ms: seen.step_ms, marks: if seen.opened { 1 } else { 1 << 1 } };
        Self {
            as_of_ms: old.as_of_ms,
            affinities: liked.map(|weights| WeightsV1 { second: None, ..weights }).collect(),
            dislikes,
            exposures: Vec::new(),
            interests: old.interests,
            seen: old.seen.iter().map(seen).collect(),
            mutes: old.mutes,
            follows: old.follows,
            preferences: old.preferences,
            actions: old.actions,
            events: old.events,
        }
    }
}

impl<'a> From<ProfileV2<'a>> for ProfileV3<'a> {
    fn from(old: ProfileV2<'a>) -> Self {
        let PreferencesV1 { diversity, topics, languages, mode } = old.preferences;
        let mute = |mute: MuteV1<'a>| MuteV3 { target: mute.target, since_ms: mute.since_ms, until_ms: None };
        Self {
            as_of_ms: old.as_of_ms,
            affinities: old.affinities,
            dislikes: old.dislikes,
            exposures: old.exposures,
            interests: old.interests,
            seen: old.seen,
            mutes: old.mutes.into_iter().map(mute).collect(),
            follows: old.follows,
            locked_topics: Vec::new(),
            preferences: PreferencesV3 { diversity, topics, languages, blocked_keywords: Vec::new(), mode },
            actions: old.actions,
            events: old.events,
        }
    }
}

impl<'a> From<ProfileV3<'a>> for ProfileV4<'a> {
    fn from(old: ProfileV3<'a>) -> Self {
        let PreferencesV3 { diversity, topics, languages, blocked_keywords, mode } = old.preferences;
        let seen = |seen: SeenV2| SeenV4 { item_hash: seen.item_hash, step_ms: seen.step_ms, marks: seen.marks, given: 0, taught: 0 };
        Self {
            as_of_ms: old.as_of_ms,
            affinities: old.affinities,
            dislikes: old.dislikes,
            exposures: old.exposures,
            interests: old.interests,
            seen: old.seen.into_iter().map(seen).collect(),
            mutes: old.mutes,
            follows: old.follows,
            locked_topics: old.locked_topics,
            preferences: PreferencesV4 {
                diversity,
                source_mix: None,
                viewpoint_mix: None,
                topics,
                languages,
                blocked_keywords,
                mode,
                lifts_caps: false,
                pauses_ms: Vec::new(),
                push_categories: Vec::new(),
                time_zone: None,
            },
            actions: old.actions,
            events: old.events,
            // Long ago: whoever is there already is no newcomer.
            since_ms: 0,
            given_day: 0,
            given_weight: 0.0,
        }
    }
}
