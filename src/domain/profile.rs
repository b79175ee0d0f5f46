//! A person's profile: bounded, decayed, and small. Never the raw history.
//!
//! Everything a feed may use about a person is in this one value, so one read serves a request and one delete forgets it.

use std::collections::BTreeMap;

use half::f16;
use serde::{Deserialize, Serialize};

use super::{EmbeddingSpace, Facet, FacetValue, ItemId, Scope, Span, Time, time::decay};

/// Most affinities kept per profile; the weakest goes first.
pub const MAX_AFFINITIES: usize = 256;
/// Most interest vectors per profile.
pub const MAX_INTERESTS: usize = 8;
/// Most items remembered as seen; the oldest goes first.
pub const MAX_SEEN: usize = 1_024;
/// Most mutes per profile. A full list refuses the next one: an old mute never silently ends.
pub const MAX_MUTES: usize = 1_024;
/// Most follows per profile. A full list refuses the next one.
pub const MAX_FOLLOWS: usize = 1_024;
/// Most undoable actions remembered; the oldest goes first.
pub const MAX_ACTIONS: usize = 256;
/// Affinities, interests and dislikes lose half their weight in this time.
pub const PROFILE_HALF_LIFE: Span = Span::days(30);

/// How much a person takes to a facet value.
#[derive(Clone, Debug, PartialEq)]
pub struct Affinity {
    pub facet: Facet,
    pub value: FacetValue,
    /// ≥ 0, as of [`Profile::as_of`].
    pub liking: f32,
    /// ≥ 0: the weight of `less_like`, as of [`Profile::as_of`].
    pub dislike: f32,
}

/// One of a person's interests as a direction in embedding space.
#[derive(Clone, Debug, PartialEq)]
pub struct Interest {
    /// Unit vector of the configured dimension.
    pub vector: Vec<f16>,
    /// The space of `vector`: compared only with items of the same space.
    pub space: EmbeddingSpace,
    /// > 0, as of [`Profile::as_of`].
    pub weight: f32,
    /// The item that last moved it: the evidence in explanations.
    pub exemplar: ItemId,
}

/// An item the person saw or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// [`ItemId::hash64`].
    pub item_hash: u64,
    pub at: Time,
    /// Opened, liked, saved …: more than visible.
    pub opened: bool,
}

/// A hard exclusion chosen by the person. Never decays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mute {
    pub target: MuteTarget,
    pub since: Time,
}

/// What is muted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MuteTarget {
    Item(ItemId),
    Facet(Facet, FacetValue),
}

/// A deliberate act that can be undone.
#[derive(Clone, Debug, PartialEq)]
pub struct Action {
    /// [`super::EventKind::name`].
    pub kind: String,
    pub item: ItemId,
    pub scope: Scope,
    pub at: Time,
    /// What the act added, so that undo takes away just that: `(facet, value, liking, dislike)` at `at`.
    pub added: Vec<(Facet, FacetValue, f32, f32)>,
    /// The mutes and follows the act made (not those that stood before it).
    pub muted: Vec<MuteTarget>,
    pub followed: Option<FacetValue>,
}

/// Whether the person wants a profile used at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProfileMode {
    #[default]
    On,
    /// Kept, not used, not added to.
    Paused,
    /// Not used, not added to.
    Off,
}

/// What the person set by hand.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Preferences {
    /// 0 = relevance only … 1 = most varied; `None` follows the policy.
    pub diversity: Option<f32>,
    /// Topic → −1 (never by choice) … 1 (more of it).
    pub topics: BTreeMap<FacetValue, f32>,
    /// Only items in these languages (items without a language pass); empty means any.
    pub languages: Vec<FacetValue>,
    pub mode: ProfileMode,
}

/// Everything kept about one person. Bounded by the constants of this module.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Profile {
    /// The time the decayed weights are as of: the latest event learned.
    pub as_of: Time,
    /// Sorted by `(facet, value)`.
    pub affinities: Vec<Affinity>,
    pub interests: Vec<Interest>,
    /// Oldest first, one entry per item.
    pub seen: Vec<Seen>,
    pub mutes: Vec<Mute>,
    /// Creators followed, oldest first.
    pub follows: Vec<FacetValue>,
    pub preferences: Preferences,
    /// Oldest first.
    pub actions: Vec<Action>,
    /// Events learned so far, ever: 0 means a cold profile.
    pub events: u64,
}

impl Profile {
    /// Factor that brings the stored weights to `now`, in (0, 1].
    pub fn decay_to(&self, now: Time) -> f64 {
        decay(now.since(self.as_of), PROFILE_HALF_LIFE)
    }

    pub fn affinity(&self, facet: Facet, value: &str) -> Option<&Affinity> {
        self.affinities.binary_search_by(|a| (a.facet, &*a.value).cmp(&(facet, value))).ok().map(|at| &self.affinities[at])
    }

    pub fn follows(&self, creator: &str) -> bool {
        self.follows.iter().any(|c| &**c == creator)
    }

    pub fn mutes(&self, target: &MuteTarget) -> bool {
        self.mutes.iter().any(|m| m.target == *target)
    }

    /// Whether nothing is known that could personalise a feed.
    pub fn is_cold(&self) -> bool {
        self.affinities.is_empty() && self.interests.is_empty() && self.follows.is_empty() && self.preferences.topics.is_empty()
    }
}
