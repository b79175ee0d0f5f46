//! The stored form of a [`Profile`].

mod earlier;
mod preferences;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use self::{
    earlier::{ProfileV1, ProfileV2, ProfileV3},
    preferences::PreferencesV4,
};
use super::{FacetV1, as_bytes, corrupt, halves_from_bytes, halves_to_bytes, item::SpaceV1};
use crate::{
    domain::{
        Facet, ItemId, Profile, Scope, Time,
        ids::IdError,
        profile::{Action, Affinity, Dislike, Exposure, Given, Interest, MAX_IMPRESSIONS, Mute, MuteTarget, Seen},
    },
    store::StoreError,
};

const WHAT: &str = "profile";
const VERSION: u8 = 4;

pub fn encode(profile: &Profile) -> Result<Vec<u8>, StoreError> {
    super::encode(WHAT, VERSION, &ProfileV4::from(profile))
}

/// Errors: [`StoreError::Corrupt`].
pub fn decode(bytes: &[u8]) -> Result<Profile, StoreError> {
    let (version, payload) = super::payload(WHAT, bytes, VERSION)?;
    let stored: ProfileV4 = match version {
        1 => ProfileV3::from(ProfileV2::from(super::read::<ProfileV1>(WHAT, payload)?)).into(),
        2 => ProfileV3::from(super::read::<ProfileV2>(WHAT, payload)?).into(),
        3 => super::read::<ProfileV3>(WHAT, payload)?.into(),
        _ => super::read(WHAT, payload)?,
    };
    stored.try_into().map_err(|detail: String| corrupt(WHAT, detail))
}

#[derive(Serialize, Deserialize)]
struct ProfileV4<'a> {
    as_of_ms: i64,
    /// Liking and shown.
    #[serde(borrow)]
    affinities: Vec<WeightsV1<'a>>,
    dislikes: Vec<DislikeV2<'a>>,
    /// Shown and opened.
    exposures: Vec<WeightsV1<'a>>,
    interests: Vec<InterestV1<'a>>,
    seen: Vec<SeenV4>,
    mutes: Vec<MuteV3<'a>>,
    follows: Vec<&'a str>,
    locked_topics: Vec<&'a str>,
    preferences: PreferencesV4<'a>,
    actions: Vec<ActionV1<'a>>,
    events: u64,
    since_ms: i64,
    given_day: i64,
    given_weight: f32,
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

#[derive(Serialize, Deserialize)]
struct SeenV4 {
    /// Eight bytes: a hash as a variable-length number would take ten.
    #[serde(with = "postcard::fixint::le")]
    item_hash: u64,
    /// Milliseconds after the entry before it (the first: after the epoch), wrapping. Small, because the oldest is first.
    step_ms: i64,
    /// Bit 0: opened. Above it: impressions.
    marks: u8,
    given: u8,
    taught: u8,
}

// The impressions of `SeenV4::marks` take seven bits.
const _: () = assert!(MAX_IMPRESSIONS <= u8::MAX >> 1);

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

impl<'a> From<&'a Profile> for ProfileV4<'a> {
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
            since_ms: profile.since.0,
            given_day: profile.given.day,
            given_weight: profile.given.weight,
        }
    }
}

impl TryFrom<ProfileV4<'_>> for Profile {
    type Error = String;

    fn try_from(stored: ProfileV4<'_>) -> Result<Self, String> {
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
            since: Time(stored.since_ms),
            given: Given { day: stored.given_day, weight: stored.given_weight },
        })
    }
}

fn in_a(part: &'static str) -> impl Fn(IdError) -> String {
    move |fault| format!("an item id in a {part} {fault}")
}

fn seen_to_steps(seen: &[Seen]) -> Vec<SeenV4> {
    let mut before_ms = 0i64;
    let step = |entry: &Seen| {
        let step_ms = entry.at.0.wrapping_sub(before_ms);
        before_ms = entry.at.0;
        let marks = entry.impressions.min(MAX_IMPRESSIONS) << 1 | u8::from(entry.opened);
        SeenV4 { item_hash: entry.item_hash, step_ms, marks, given: entry.given, taught: entry.taught }
    };
    seen.iter().map(step).collect()
}

fn seen_from_steps(steps: &[SeenV4]) -> Vec<Seen> {
    let mut at_ms = 0i64;
    let seen = |step: &SeenV4| {
        at_ms = at_ms.wrapping_add(step.step_ms);
        let impressions = (step.marks >> 1).min(MAX_IMPRESSIONS);
        let opened = step.marks & 1 == 1;
        Seen { item_hash: step.item_hash, at: Time(at_ms), opened, impressions, given: step.given, taught: step.taught }
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
