//! The stored form of a [`Profile`].

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{
    FacetV1, as_bytes, corrupt, halves_from_bytes, halves_to_bytes,
    item::SpaceV1,
    preferences::{PreferencesV1, PreferencesV3, ReachV4},
};
use crate::{
    domain::{
        Facet, ItemId, Profile, Scope, Time,
        ids::IdError,
        profile::{Action, Affinity, Dislike, Exposure, Interest, MAX_IMPRESSIONS, Mute, MuteTarget, Seen},
    },
    store::StoreError,
};

const WHAT: &str = "profile";
const VERSION: u8 = 4;

pub fn encode(profile: &Profile) -> Result<Vec<u8>, StoreError> {
    let (before, reach) = (ProfileV3::from(profile), ReachV4::from(&profile.preferences));
    match reach.is_empty() {
        // As servers of the version before read it.
        true => super::encode(WHAT, VERSION - 1, &before),
        false => super::encode(WHAT, VERSION, &ProfileV4 { before, reach }),
    }
}

/// Errors: [`StoreError::Corrupt`].
pub fn decode(bytes: &[u8]) -> Result<Profile, StoreError> {
    let (version, payload) = super::payload(WHAT, bytes, VERSION)?;
    let (stored, reach): (ProfileV3, ReachV4) = match version {
        1 => (ProfileV2::from(super::read::<ProfileV1>(WHAT, payload)?).into(), ReachV4::default()),
        2 => (super::read::<ProfileV2>(WHAT, payload)?.into(), ReachV4::default()),
        3 => (super::read(WHAT, payload)?, ReachV4::default()),
        _ => {
            let ProfileV4 { before, reach } = super::read(WHAT, payload)?;
            (before, reach)
        }
    };
    let mut profile: Profile = stored.try_into().map_err(|detail: String| corrupt(WHAT, detail))?;
    reach.put_into(&mut profile.preferences);
    Ok(profile)
}

/// Dislikes stood with the affinities, and decayed with them; there were no exposures.
#[derive(Deserialize)]
struct ProfileV1<'a> {
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
struct ProfileV2<'a> {
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

#[derive(Serialize, Deserialize)]
struct ProfileV3<'a> {
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

/// What version 3 had, and after it what the person set about breaks and pushes.
#[derive(Serialize, Deserialize)]
struct ProfileV4<'a> {
    #[serde(borrow)]
    before: ProfileV3<'a>,
    reach: ReachV4<'a>,
}

/// A facet value with two weights.
#[derive(Serialize, Deserialize)]
struct WeightsV1<'a> {
    facet: FacetV1,
    value: &'a str,
    first: f32,
    /// `None` is zero, the common case: one byte instead of four.
    second: Option<f32>,
}

#[derive(Serialize, Deserialize)]
struct DislikeV2<'a> {
    facet: FacetV1,
    value: &'a str,
    weight: f32,
    at_ms: i64,
}

#[derive(Serialize, Deserialize)]
struct InterestV1<'a> {
    #[serde(borrow, serialize_with = "as_bytes")]
    vector: Cow<'a, [u8]>,
    space: SpaceV1,
    weight: f32,
    exemplar: &'a str,
}

#[derive(Deserialize)]
struct SeenV1 {
    #[serde(with = "postcard::fixint::le")]
    item_hash: u64,
    step_ms: i64,
    opened: bool,
}

#[derive(Serialize, Deserialize)]
struct SeenV2 {
    /// Eight bytes: a hash as a variable-length number would take ten.
    #[serde(with = "postcard::fixint::le")]
    item_hash: u64,
    /// Milliseconds after the entry before it (the first: after the epoch), wrapping. Small, because the oldest is first.
    step_ms: i64,
    /// Bit 0: opened. Above it: impressions.
    marks: u8,
}

// The impressions of `SeenV2::marks` take seven bits.
const _: () = assert!(MAX_IMPRESSIONS <= u8::MAX >> 1);

#[derive(Deserialize)]
struct MuteV1<'a> {
    #[serde(borrow)]
    target: TargetV1<'a>,
    since_ms: i64,
}

#[derive(Serialize, Deserialize)]
struct MuteV3<'a> {
    #[serde(borrow)]
    target: TargetV1<'a>,
    since_ms: i64,
    until_ms: Option<i64>,
}

/// By position: only append.
#[derive(Serialize, Deserialize)]
enum TargetV1<'a> {
    Item(&'a str),
    Facet(FacetV1, &'a str),
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

impl<'a> From<&'a Profile> for ProfileV3<'a> {
    fn from(profile: &'a Profile) -> Self {
        Self {
            as_of_ms: profile.as_of.0,
            affinities: profile.affinities.iter().map(|a| weights(a.facet, &a.value, a.liking, a.shown)).collect(),
            dislikes: profile.dislikes.iter().map(DislikeV2::from).collect(),
            exposures: profile.exposures.iter().map(|e| weights(e.facet, &e.value, e.shown, e.opened)).collect(),
            interests: profile.interests.iter().map(InterestV1::from).collect(),
            seen: seen_to_steps(&profile.seen),
            mutes: profile.mutes.iter().map(MuteV3::from).collect(),
            follows: profile.follows.iter().map(|creator| &**creator).collect(),
            locked_topics: profile.locked_topics.iter().map(|topic| &**topic).collect(),
            preferences: (&profile.preferences).into(),
            actions: profile.actions.iter().map(ActionV1::from).collect(),
            events: profile.events,
        }
    }
}

impl TryFrom<ProfileV3<'_>> for Profile {
    type Error = String;

    fn try_from(stored: ProfileV3<'_>) -> Result<Self, String> {
        Ok(Self {
            as_of: Time(stored.as_of_ms),
            affinities: stored.affinities.into_iter().map(Affinity::from).collect(),
            dislikes: stored.dislikes.into_iter().map(Dislike::from).collect(),
            exposures: stored.exposures.into_iter().map(Exposure::from).collect(),
            interests: stored.interests.into_iter().map(Interest::try_from).collect::<Result<_, _>>()?,
            seen: seen_from_steps(&stored.seen),
            mutes: stored.mutes.into_iter().map(Mute::try_from).collect::<Result<_, _>>().map_err(in_a("mute"))?,
            follows: stored.follows.into_iter().map(Into::into).collect(),
            locked_topics: stored.locked_topics.into_iter().map(Into::into).collect(),
            preferences: stored.preferences.into(),
            actions: stored.actions.into_iter().map(Action::try_from).collect::<Result<_, _>>().map_err(in_a("action"))?,
            events: stored.events,
        })
    }
}

fn in_a(part: &'static str) -> impl Fn(IdError) -> String {
    move |fault| format!("an item id in a {part} {fault}")
}

fn seen_to_steps(seen: &[Seen]) -> Vec<SeenV2> {
    let mut before_ms = 0i64;
    let step = |entry: &Seen| {
        let step_ms = entry.at.0.wrapping_sub(before_ms);
        before_ms = entry.at.0;
        SeenV2 { item_hash: entry.item_hash, step_ms, marks: entry.impressions.min(MAX_IMPRESSIONS) << 1 | u8::from(entry.opened) }
    };
    seen.iter().map(step).collect()
}

fn seen_from_steps(steps: &[SeenV2]) -> Vec<Seen> {
    let mut at_ms = 0i64;
    let seen = |step: &SeenV2| {
        at_ms = at_ms.wrapping_add(step.step_ms);
        let impressions = (step.marks >> 1).min(MAX_IMPRESSIONS);
        Seen { item_hash: step.item_hash, at: Time(at_ms), opened: step.marks & 1 == 1, impressions }
    };
    steps.iter().map(seen).collect()
}

fn weights(facet: Facet, value: &str, first: f32, second: f32) -> WeightsV1<'_> {
    // By bits, so that −0 comes back as it went in.
    let second = (second.to_bits() != 0).then_some(second);
    WeightsV1 { facet: facet.into(), value, first, second }
}

impl From<WeightsV1<'_>> for Affinity {
    fn from(stored: WeightsV1<'_>) -> Self {
        Self { facet: stored.facet.into(), value: stored.value.into(), liking: stored.first, shown: stored.second.unwrap_or(0.0) }
    }
}

impl From<WeightsV1<'_>> for Exposure {
    fn from(stored: WeightsV1<'_>) -> Self {
        Self { facet: stored.facet.into(), value: stored.value.into(), shown: stored.first, opened: stored.second.unwrap_or(0.0) }
    }
}

impl<'a> From<&'a Dislike> for DislikeV2<'a> {
    fn from(dislike: &'a Dislike) -> Self {
        Self { facet: dislike.facet.into(), value: &dislike.value, weight: dislike.weight, at_ms: dislike.at.0 }
    }
}

impl From<DislikeV2<'_>> for Dislike {
    fn from(stored: DislikeV2<'_>) -> Self {
        Self { facet: stored.facet.into(), value: stored.value.into(), weight: stored.weight, at: Time(stored.at_ms) }
    }
}

impl<'a> From<&'a Interest> for InterestV1<'a> {
    fn from(interest: &'a Interest) -> Self {
        Self {
            vector: halves_to_bytes(&interest.vector).into(),
            space: interest.space.into(),
            weight: interest.weight,
            exemplar: interest.exemplar.as_str(),
        }
    }
}

impl TryFrom<InterestV1<'_>> for Interest {
    type Error = String;

    fn try_from(stored: InterestV1<'_>) -> Result<Self, String> {
        Ok(Self {
            vector: halves_from_bytes(&stored.vector)?.collect(),
            space: stored.space.into(),
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

impl<'a> From<&'a Mute> for MuteV3<'a> {
    fn from(mute: &'a Mute) -> Self {
        Self { target: (&mute.target).into(), since_ms: mute.since.0, until_ms: mute.until.map(|until| until.0) }
    }
}

impl TryFrom<MuteV3<'_>> for Mute {
    type Error = IdError;

    fn try_from(stored: MuteV3<'_>) -> Result<Self, IdError> {
        Ok(Self { target: stored.target.try_into()?, since: Time(stored.since_ms), until: stored.until_ms.map(Time) })
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
