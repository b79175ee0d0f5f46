//! A person's profile: bounded, decayed, and small. Never the raw history.
//!
//! Everything a feed may use about a person is in this one value, so one read serves a request and one delete forgets it.

use std::collections::{BTreeMap, BTreeSet};

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
/// Most facet values with an exposure kept per profile; the weakest goes first.
pub const MAX_EXPOSURES: usize = 256;
/// Most facet values with a dislike per profile. A full list refuses the next `less_like`: none is forgotten by accident.
pub const MAX_DISLIKES: usize = 1_024;
/// Most topics set by hand.
pub const MAX_PREFERRED_TOPICS: usize = 100;
/// Most categories of pushes a person agreed to.
pub const MAX_PUSH_CATEGORIES: usize = 32;
/// Most locked and removed topics per profile. A full list refuses the next one: what was removed stays so.
pub const MAX_LOCKED_TOPICS: usize = 256;
/// The longest snooze; what is to last longer is a mute.
pub const MAX_SNOOZE: Span = Span::days(365);
/// Most interests that come with a request.
pub const MAX_CLIENT_INTERESTS: usize = 8;
/// The strongest level of such an interest; 0 is none.
pub const MAX_CLIENT_LEVEL: u8 = 3;
/// Impressions of one item are counted up to this many.
pub const MAX_IMPRESSIONS: u8 = 15;
/// Most that one person adds to one item's popularity, in units of [`super::Use::weight`]: an open and a deliberate act.
pub const MAX_GIVEN_PER_ITEM: u8 = 3;
/// Most that one person adds to the popularity of all items in a day (UTC), likewise.
pub const MAX_GIVEN_PER_DAY: f32 = 200.0;
/// Most liking that opens, dwells, shares and replies to one item teach while it is remembered as seen.
pub const MAX_TAUGHT_PER_ITEM: f32 = 4.0;
/// Affinities and interests lose half their weight in this time.
pub const PROFILE_HALF_LIFE: Span = Span::days(30);
/// Exposures lose half their weight in this time: what was shown last week hardly counts today.
pub const EXPOSURE_HALF_LIFE: Span = Span::days(3);

/// How much a person takes to a facet value.
#[derive(Clone, Debug, PartialEq)]
pub struct Affinity {
    pub facet: Facet,
    pub value: FacetValue,
    /// ≥ 0, as of [`Profile::as_of`].
    pub liking: f32,
    /// ≥ 0: impressions of the value, as of [`Profile::as_of`]. They take back a bounded share of the liking.
    pub shown: f32,
}

impl Affinity {
    /// The most that impressions take back of a liking: they make it smaller beside others, never a dislike.
    const MAX_TAKEN_BACK: f32 = 0.3;
    /// With this many impressions per unit of liking, half of that is taken back.
    const IMPRESSIONS_PER_LIKING: f32 = 4.0;

    /// The liking less what being shown and passed by takes back: 0.7 to 1 times `liking`, the same at every moment.
    pub fn net_liking(&self) -> f32 {
        if self.liking <= 0.0 {
            return 0.0;
        }
        self.liking * (1.0 - Self::MAX_TAKEN_BACK * self.shown / (self.shown + Self::IMPRESSIONS_PER_LIKING * self.liking))
    }
}

/// What was said against a facet value with `less_like` or `report`. Kept as it was said; how fast it fades is the policy's.
#[derive(Clone, Debug, PartialEq)]
pub struct Dislike {
    pub facet: Facet,
    pub value: FacetValue,
    /// > 0, not decayed.
    pub weight: f32,
    /// When it was last said.
    pub at: Time,
}

/// How much of a facet value was shown lately: remembered to spread what is shown, never as a liking.
#[derive(Clone, Debug, PartialEq)]
pub struct Exposure {
    pub facet: Facet,
    pub value: FacetValue,
    /// ≥ 0: impressions, each weighted as the item weights the value, as of [`Profile::as_of`].
    pub shown: f32,
    /// ≥ 0: opens, likewise.
    pub opened: f32,
}

impl Exposure {
    /// An exposure that was taken up counts this share of one that was passed by.
    const OPENED_SHARE: f32 = 0.3;

    /// Exposure that weighs against showing more: what was passed by, and a share of what was opened. ≥ 0.
    pub fn weight(&self) -> f32 {
        (self.shown - self.opened).max(0.0) + Self::OPENED_SHARE * self.opened
    }
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
    /// How often `seen` was reported, at most [`MAX_IMPRESSIONS`].
    pub impressions: u8,
    /// What the person has added to the item's popularity, at most [`MAX_GIVEN_PER_ITEM`].
    pub given: u8,
    /// What using it has taught, in units of 1 / [`Self::TAUGHT_UNITS`] of a liking, at most [`MAX_TAUGHT_PER_ITEM`].
    pub taught: u8,
}

impl Seen {
    /// Parts of a liking that [`Self::taught`] counts.
    pub const TAUGHT_UNITS: f32 = 32.0;

    /// Impressions that led to nothing: 0 once it was opened.
    pub const fn passed_by(&self) -> u8 {
        if self.opened { 0 } else { self.impressions }
    }
}

/// A hard exclusion chosen by the person. Never decays; ends only where they said when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mute {
    pub target: MuteTarget,
    pub since: Time,
    /// A snooze: over from this time on.
    pub until: Option<Time>,
}

impl Mute {
    pub fn binds(&self, now: Time) -> bool {
        self.until.is_none_or(|until| now < until)
    }
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

/// What of a person a feed may be made from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Everything in the profile.
    #[default]
    Profile,
    /// What the person said (preferences, follows, mutes, dislikes); nothing inferred, and nothing is inferred meanwhile.
    ExplicitOnly,
    /// Only what binds every feed (blocks, languages, the dial): catalogue, policy and time decide.
    NoProfile,
    /// As [`Self::NoProfile`], and by nothing but `published_at`, newest first.
    Chronological,
    /// By the interests that come with the request, from whoever keeps them; as [`Self::NoProfile`] where none do.
    ClientProfile,
}

impl Mode {
    pub const NAMES: [&'static str; 5] = ["profile", "explicit_only", "no_profile", "chronological", "client_profile"];

    /// As in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Profile => "profile",
            Self::ExplicitOnly => "explicit_only",
            Self::NoProfile => "no_profile",
            Self::Chronological => "chronological",
            Self::ClientProfile => "client_profile",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        [Self::Profile, Self::ExplicitOnly, Self::NoProfile, Self::Chronological, Self::ClientProfile]
            .into_iter()
            .find(|mode| mode.name() == name)
    }

    /// Whether a feed may be shaped by more of what is kept than what binds every feed.
    pub const fn personalises(self) -> bool {
        matches!(self, Self::Profile | Self::ExplicitOnly)
    }

    /// The one that uses less of the person: a request can narrow what the person chose, never widen it. Between two that
    /// use equally little, `other` counts.
    #[must_use]
    pub const fn narrowed_by(self, other: Self) -> Self {
        match (self, other) {
            (Self::NoProfile | Self::Chronological | Self::ClientProfile, Self::Profile | Self::ExplicitOnly)
            | (Self::ExplicitOnly, Self::Profile) => self,
            _ => other,
        }
    }
}

/// What the person set by hand.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Preferences {
    /// 0 = relevance only … 1 = most varied; `None` follows the policy.
    pub diversity: Option<f32>,
    /// What being of one source weighs in what is alike, 0 (nothing) … 1 (all there is); `None` follows the policy.
    pub source_mix: Option<f32>,
    /// What being of one viewpoint weighs, likewise.
    pub viewpoint_mix: Option<f32>,
    /// Topic → −1 (never by choice) … 1 (more of it).
    pub topics: BTreeMap<FacetValue, f32>,
    /// Only items in these languages (items without a language pass); empty means any.
    pub languages: Vec<FacetValue>,
    /// No item that says one of these ([`super::keyword`]); lower-case, each once.
    pub blocked_keywords: Vec<String>,
    pub mode: Mode,
    /// Lifts the policy's rabbit-hole caps, where the policy and the person's age let them.
    pub lifts_caps: bool,
    /// Times into a session at which they want a break; ascending, at most [`super::policy::MAX_PAUSES`].
    pub pauses: Vec<Span>,
    /// Categories of pushes they want; at most [`MAX_PUSH_CATEGORIES`], each once.
    pub push_categories: Vec<String>,
    /// IANA name of the zone their day is in.
    pub time_zone: Option<String>,
}

/// Everything kept about one person. Bounded by the constants of this module.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Profile {
    /// The time the decayed weights are as of: the latest event learned.
    pub as_of: Time,
    /// Sorted by `(facet, value)`.
    pub affinities: Vec<Affinity>,
    /// Sorted by `(facet, value)`. They fade as the policy says, not with [`PROFILE_HALF_LIFE`].
    pub dislikes: Vec<Dislike>,
    /// Sorted by `(facet, value)`: creators, sources, topics and viewpoints.
    pub exposures: Vec<Exposure>,
    pub interests: Vec<Interest>,
    /// Oldest first, one entry per item.
    pub seen: Vec<Seen>,
    pub mutes: Vec<Mute>,
    /// Creators followed, oldest first.
    pub follows: Vec<FacetValue>,
    /// Topics nothing is inferred about: what the person said of them is all that counts, and where they said nothing they
    /// removed the interest.
    pub locked_topics: BTreeSet<FacetValue>,
    pub preferences: Preferences,
    /// Oldest first.
    pub actions: Vec<Action>,
    /// Events learned so far, ever: 0 means a cold profile.
    pub events: u64,
    /// When the first event was taken in; means nothing while there is none.
    pub since: Time,
    /// What the person has added to items' popularity on one day.
    pub given: Given,
}

/// Popularity that one person gave within a day.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Given {
    /// Days since the epoch (UTC).
    pub day: i64,
    /// In units of [`super::Use::weight`], 0 to [`MAX_GIVEN_PER_DAY`].
    pub weight: f32,
}

impl Profile {
    /// Factor that brings the stored exposures to `now`, in (0, 1].
    pub fn exposure_decay_to(&self, now: Time) -> f64 {
        decay(now.since(self.as_of), EXPOSURE_HALF_LIFE)
    }

    pub fn affinity(&self, facet: Facet, value: &str) -> Option<&Affinity> {
        self.affinities.binary_search_by(|a| (a.facet, &*a.value).cmp(&(facet, value))).ok().map(|at| &self.affinities[at])
    }

    /// The affinities of a facet that count: of a topic the person set by hand, what they said counts and nothing else.
    pub fn inferred(&self, facet: Facet) -> impl Iterator<Item = &Affinity> {
        let is_said = move |a: &Affinity| facet == Facet::Topic && self.preferences.topics.contains_key(&a.value);
        self.affinities.iter().filter(move |a| a.facet == facet && !is_said(a))
    }

    pub fn dislike(&self, facet: Facet, value: &str) -> Option<&Dislike> {
        self.dislikes.binary_search_by(|d| (d.facet, &*d.value).cmp(&(facet, value))).ok().map(|at| &self.dislikes[at])
    }

    pub fn exposure(&self, facet: Facet, value: &str) -> Option<&Exposure> {
        self.exposures.binary_search_by(|e| (e.facet, &*e.value).cmp(&(facet, value))).ok().map(|at| &self.exposures[at])
    }

    pub fn follows(&self, creator: &str) -> bool {
        self.follows.iter().any(|c| &**c == creator)
    }

    pub fn mutes(&self, target: &MuteTarget) -> bool {
        self.mutes.iter().any(|m| m.target == *target)
    }

    /// What the person said, and nothing that was inferred: all a feed in [`Mode::ExplicitOnly`] knows.
    pub fn explicit(&self) -> Self {
        Self {
            dislikes: self.dislikes.clone(),
            mutes: self.mutes.clone(),
            follows: self.follows.clone(),
            locked_topics: self.locked_topics.clone(),
            preferences: self.preferences.clone(),
            ..Self::default()
        }
    }

    /// What binds every feed, in every mode: mutes, topics never wanted, blocked keywords, languages, the dials and breaks.
    /// `None`: nothing of it is set.
    pub fn binding(&self) -> Option<Self> {
        let set = &self.preferences;
        let never: BTreeMap<FacetValue, f32> =
            set.topics.iter().filter(|(_, level)| **level <= -1.0).map(|(t, level)| (t.clone(), *level)).collect();
        // Pushes are not feeds: what is said about them is read where they are planned.
        let preferences = Preferences { topics: never, push_categories: Vec::new(), time_zone: None, ..set.clone() };
        if self.mutes.is_empty() && preferences == (Preferences { mode: set.mode, ..Preferences::default() }) {
            return None;
        }
        Some(Self { mutes: self.mutes.clone(), preferences, ..Self::default() })
    }

    /// Whether nothing is known that could personalise a feed.
    pub fn is_cold(&self) -> bool {
        let likes = self.affinities.iter().any(|affinity| affinity.liking > 0.0);
        !likes && self.dislikes.is_empty() && self.interests.is_empty() && self.follows.is_empty() && self.preferences.topics.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_never_widens_a_choice() {
        let modes = || Mode::NAMES.into_iter().filter_map(Mode::parse);
        assert_eq!(modes().count(), Mode::NAMES.len());
        for chosen in modes() {
            for asked in modes() {
                let mode = chosen.narrowed_by(asked);
                assert!(mode == chosen || mode == asked);
                assert!(!mode.personalises() || chosen.personalises() && asked.personalises(), "{chosen:?} {asked:?}");
                assert!(mode != Mode::Profile || chosen == Mode::Profile && asked == Mode::Profile, "{chosen:?} {asked:?}");
            }
        }
        assert_eq!(Mode::NoProfile.narrowed_by(Mode::Chronological), Mode::Chronological);
    }

    #[test]
    fn what_binds_every_feed_is_what_was_set_and_nothing_else() {
        let mut profile = Profile { follows: vec!["crt".into()], ..Profile::default() };
        profile.preferences.topics = [("food".into(), 1.0), ("sport".into(), -0.5)].into();
        assert_eq!(profile.binding(), None);
        profile.preferences.topics.insert("war".into(), -1.0);
        let preferences = Preferences { topics: [("war".into(), -1.0)].into(), ..Preferences::default() };
        assert_eq!(profile.binding(), Some(Profile { preferences: preferences.clone(), ..Profile::default() }));
        profile.preferences.blocked_keywords = vec!["war games".into()];
        let preferences = Preferences { blocked_keywords: vec!["war games".into()], ..preferences };
        assert_eq!(profile.binding(), Some(Profile { preferences, ..Profile::default() }));
    }
}
