//! The stored form of a [`Profile`].

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{FacetV1, as_bytes, corrupt, halves_from_bytes, halves_to_bytes};
use crate::{
    domain::{
        FacetValue, ItemId, Profile, Scope, Time,
        ids::IdError,
        profile::{Action, Affinity, Interest, Mute, MuteTarget, Preferences, ProfileMode, Seen},
    },
    store::StoreError,
};

const WHAT: &str = "profile";

pub fn encode(profile: &Profile) -> Result<Vec<u8>, StoreError> {
    super::encode(WHAT, &ProfileV1::from(profile))
}

/// Errors: [`StoreError::Corrupt`].
pub fn decode(bytes: &[u8]) -> Result<Profile, StoreError> {
    super::decode::<ProfileV1>(WHAT, bytes)?.try_into().map_err(|detail: String| corrupt(WHAT, detail))
}

#[derive(Serialize, Deserialize)]
struct ProfileV1<'a> {
    as_of_ms: i64,
    #[serde(borrow)]
    affinities: Vec<AffinityV1<'a>>,
    interests: Vec<InterestV1<'a>>,
    seen: Vec<SeenV1>,
    mutes: Vec<MuteV1<'a>>,
    follows: Vec<&'a str>,
    preferences: PreferencesV1<'a>,
    actions: Vec<ActionV1<'a>>,
    events: u64,
}

#[derive(Serialize, Deserialize)]
struct AffinityV1<'a> {
    facet: FacetV1,
    value: &'a str,
    liking: f32,
    /// `None` is zero, the common case: one byte instead of four.
    dislike: Option<f32>,
}

#[derive(Serialize, Deserialize)]
struct InterestV1<'a> {
    #[serde(borrow, serialize_with = "as_bytes")]
    vector: Cow<'a, [u8]>,
    weight: f32,
    exemplar: &'a str,
}

#[derive(Serialize, Deserialize)]
struct SeenV1 {
    /// Eight bytes: a hash as a variable-length number would take ten.
    #[serde(with = "postcard::fixint::le")]
    item_hash: u64,
    /// Milliseconds after the entry before it (the first: after the epoch), wrapping. Small, because the oldest is first.
    step_ms: i64,
    opened: bool,
}

#[derive(Serialize, Deserialize)]
struct MuteV1<'a> {
    #[serde(borrow)]
    target: TargetV1<'a>,
    since_ms: i64,
}

/// By position: only append.
#[derive(Serialize, Deserialize)]
enum TargetV1<'a> {
    Item(&'a str),
    Facet(FacetV1, &'a str),
}

/// By position: only append.
#[derive(Serialize, Deserialize)]
enum ModeV1 {
    On,
    Paused,
    Off,
}

/// By position: only append.
#[derive(Serialize, Deserialize)]
enum ScopeV1 {
    Item,
    Topic,
    Creator,
    Source,
}

#[derive(Serialize, Deserialize)]
struct PreferencesV1<'a> {
    diversity: Option<f32>,
    #[serde(borrow)]
    topics: Vec<(&'a str, f32)>,
    languages: Vec<&'a str>,
    mode: ModeV1,
}

#[derive(Serialize, Deserialize)]
struct ActionV1<'a> {
    kind: &'a str,
    item: &'a str,
    scope: ScopeV1,
    at_ms: i64,
    #[serde(borrow)]
    added: Vec<(FacetV1, &'a str, f32, f32)>,
    muted: Vec<TargetV1<'a>>,
    followed: Option<&'a str>,
}

impl<'a> From<&'a Profile> for ProfileV1<'a> {
    fn from(profile: &'a Profile) -> Self {
        Self {
            as_of_ms: profile.as_of.0,
            affinities: profile.affinities.iter().map(AffinityV1::from).collect(),
            interests: profile.interests.iter().map(InterestV1::from).collect(),
            seen: seen_to_steps(&profile.seen),
            mutes: profile.mutes.iter().map(|m| MuteV1 { target: (&m.target).into(), since_ms: m.since.0 }).collect(),
            follows: profile.follows.iter().map(|creator| &**creator).collect(),
            preferences: (&profile.preferences).into(),
            actions: profile.actions.iter().map(ActionV1::from).collect(),
            events: profile.events,
        }
    }
}

impl TryFrom<ProfileV1<'_>> for Profile {
    type Error = String;

    fn try_from(stored: ProfileV1<'_>) -> Result<Self, String> {
        Ok(Self {
            as_of: Time(stored.as_of_ms),
            affinities: stored.affinities.into_iter().map(Affinity::from).collect(),
            interests: stored.interests.into_iter().map(Interest::try_from).collect::<Result<_, _>>()?,
            seen: seen_from_steps(&stored.seen),
            mutes: stored.mutes.into_iter().map(Mute::try_from).collect::<Result<_, _>>().map_err(in_a("mute"))?,
            follows: stored.follows.into_iter().map(Into::into).collect(),
            preferences: stored.preferences.into(),
            actions: stored.actions.into_iter().map(Action::try_from).collect::<Result<_, _>>().map_err(in_a("action"))?,
            events: stored.events,
        })
    }
}

fn in_a(part: &'static str) -> impl Fn(IdError) -> String {
    move |fault| format!("an item id in a {part} {fault}")
}

fn seen_to_steps(seen: &[Seen]) -> Vec<SeenV1> {
    let mut before_ms = 0i64;
    let step = |entry: &Seen| {
        let step_ms = entry.at.0.wrapping_sub(before_ms);
        before_ms = entry.at.0;
        SeenV1 { item_hash: entry.item_hash, step_ms, opened: entry.opened }
    };
    seen.iter().map(step).collect()
}

fn seen_from_steps(steps: &[SeenV1]) -> Vec<Seen> {
    let mut at_ms = 0i64;
    let seen = |step: &SeenV1| {
        at_ms = at_ms.wrapping_add(step.step_ms);
        Seen { item_hash: step.item_hash, at: Time(at_ms), opened: step.opened }
    };
    steps.iter().map(seen).collect()
}

impl<'a> From<&'a Affinity> for AffinityV1<'a> {
    fn from(affinity: &'a Affinity) -> Self {
        // By bits, so that −0 comes back as it went in.
        let dislike = (affinity.dislike.to_bits() != 0).then_some(affinity.dislike);
        Self { facet: affinity.facet.into(), value: &affinity.value, liking: affinity.liking, dislike }
    }
}

impl From<AffinityV1<'_>> for Affinity {
    fn from(stored: AffinityV1<'_>) -> Self {
        Self { facet: stored.facet.into(), value: stored.value.into(), liking: stored.liking, dislike: stored.dislike.unwrap_or(0.0) }
    }
}

impl<'a> From<&'a Interest> for InterestV1<'a> {
    fn from(interest: &'a Interest) -> Self {
        Self { vector: halves_to_bytes(&interest.vector).into(), weight: interest.weight, exemplar: interest.exemplar.as_str() }
    }
}

impl TryFrom<InterestV1<'_>> for Interest {
    type Error = String;

    fn try_from(stored: InterestV1<'_>) -> Result<Self, String> {
        Ok(Self {
            vector: halves_from_bytes(&stored.vector)?.collect(),
            weight: stored.weight,
            exemplar: ItemId::new(stored.exemplar).map_err(in_a("interest"))?,
        })
    }
}

impl<'a> From<&'a MuteTarget> for TargetV1<'a> {
    fn from(target: &'a MuteTarget) -> Self {
        match target {
            MuteTarget::Item(id) => Self::Item(id.as_str()),
            MuteTarget::Facet(facet, value) => Self::Facet((*facet).into(), value),
        }
    }
}

impl TryFrom<TargetV1<'_>> for MuteTarget {
    type Error = IdError;

    fn try_from(stored: TargetV1<'_>) -> Result<Self, IdError> {
        Ok(match stored {
            TargetV1::Item(id) => Self::Item(ItemId::new(id)?),
            TargetV1::Facet(facet, value) => Self::Facet(facet.into(), value.into()),
        })
    }
}

impl TryFrom<MuteV1<'_>> for Mute {
    type Error = IdError;

    fn try_from(stored: MuteV1<'_>) -> Result<Self, IdError> {
        Ok(Self { target: stored.target.try_into()?, since: Time(stored.since_ms) })
    }
}

impl<'a> From<&'a Preferences> for PreferencesV1<'a> {
    fn from(preferences: &'a Preferences) -> Self {
        Self {
            diversity: preferences.diversity,
            topics: preferences.topics.iter().map(|(topic, weight)| (&**topic, *weight)).collect(),
            languages: preferences.languages.iter().map(|language| &**language).collect(),
            mode: match preferences.mode {
                ProfileMode::On => ModeV1::On,
                ProfileMode::Paused => ModeV1::Paused,
                ProfileMode::Off => ModeV1::Off,
            },
        }
    }
}

impl From<PreferencesV1<'_>> for Preferences {
    fn from(stored: PreferencesV1<'_>) -> Self {
        Self {
            diversity: stored.diversity,
            topics: stored.topics.into_iter().map(|(topic, weight)| (FacetValue::from(topic), weight)).collect(),
            languages: stored.languages.into_iter().map(Into::into).collect(),
            mode: match stored.mode {
                ModeV1::On => ProfileMode::On,
                ModeV1::Paused => ProfileMode::Paused,
                ModeV1::Off => ProfileMode::Off,
            },
        }
    }
}

impl<'a> From<&'a Action> for ActionV1<'a> {
    fn from(action: &'a Action) -> Self {
        let added = action.added.iter().map(|(facet, value, liking, dislike)| ((*facet).into(), &**value, *liking, *dislike));
        Self {
            kind: &action.kind,
            item: action.item.as_str(),
            scope: match action.scope {
                Scope::Item => ScopeV1::Item,
                Scope::Topic => ScopeV1::Topic,
                Scope::Creator => ScopeV1::Creator,
                Scope::Source => ScopeV1::Source,
            },
            at_ms: action.at.0,
            added: added.collect(),
            muted: action.muted.iter().map(TargetV1::from).collect(),
            followed: action.followed.as_deref(),
        }
    }
}

impl TryFrom<ActionV1<'_>> for Action {
    type Error = IdError;

    fn try_from(stored: ActionV1<'_>) -> Result<Self, IdError> {
        let added = stored.added.into_iter().map(|(facet, value, liking, dislike)| (facet.into(), value.into(), liking, dislike));
        Ok(Self {
            kind: stored.kind.into(),
            item: ItemId::new(stored.item)?,
            scope: match stored.scope {
                ScopeV1::Item => Scope::Item,
                ScopeV1::Topic => Scope::Topic,
                ScopeV1::Creator => Scope::Creator,
                ScopeV1::Source => Scope::Source,
            },
            at: Time(stored.at_ms),
            added: added.collect(),
            muted: stored.muted.into_iter().map(MuteTarget::try_from).collect::<Result<_, _>>()?,
            followed: stored.followed.map(Into::into),
        })
    }
}
