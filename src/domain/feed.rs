//! A feed as it is kept: the pool it was ranked from, and the pages served so far.
//!
//! The pool never changes after the first page. A page is frozen when first served, so the same cursor always returns
//! the same items. Whatever comes next is placed against the frozen prefix, so no id repeats and constraints hold
//! across page boundaries.

use super::{FacetValue, FeedId, ItemId, Time, UserId};

/// Most candidates a stored feed keeps.
pub const MAX_POOL: usize = 5_000;
/// Most items on one page.
pub const MAX_PAGE_ITEMS: usize = 100;
/// Most pages cut from one feed (≥ [`MAX_POOL`] pages of one item).
pub const MAX_PAGES: usize = 5_000;

/// Number of relevance features; the order is `rank::relevance::Feature`.
pub const FEATURES: usize = 12;

/// Whose feed it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    User(UserId),
    /// A non-personalised feed: belongs to nobody and is kept without any person's id.
    Nobody,
}

impl Owner {
    pub fn user(&self) -> Option<&UserId> {
        match self {
            Self::User(user) => Some(user),
            Self::Nobody => None,
        }
    }
}

/// A feed's pool and the settings it was made with.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredFeed {
    pub id: FeedId,
    pub owner: Owner,
    pub surface: String,
    /// `Policy::digest` of the policy that made it; later pages use the same policy.
    pub policy_digest: String,
    /// The `diversity` in force, in [0, 1].
    pub diversity: f32,
    pub dials: Dials,
    pub seed: u64,
    pub created_at: Time,
    /// After this a cursor restarts with a new feed (the record itself is kept longer, to exclude what was served).
    pub expires_at: Time,
    /// Topic values that [`PoolEntry::topic`] points into.
    pub topics: Vec<FacetValue>,
    /// Items that [`PoolEntry::interest`] points into: the evidence of the profile's interests at the time.
    pub exemplars: Vec<ItemId>,
    /// Sorted by relevance, highest first, then id.
    pub pool: Vec<PoolEntry>,
}

/// What the reader had turned besides `diversity` when the feed began; its later pages keep to it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Dials {
    /// `Preferences::source_mix`.
    pub source_mix: Option<f32>,
    /// `Preferences::viewpoint_mix`.
    pub viewpoint_mix: Option<f32>,
    /// The policy's caps on rabbit holes that can be lifted are.
    pub lifts_caps: bool,
}

/// One candidate of a stored feed.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolEntry {
    /// [`ItemId::hash64`]: most entries are never shown, and ids are ten times as long.
    pub item_hash: u64,
    /// Normalised per feed, in [0, 1].
    pub relevance: f32,
    /// Contribution of each feature to the raw relevance (`rank::relevance::Feature` order).
    pub contributions: [f32; FEATURES],
    /// Bit set of `rank::SourceKind`.
    pub sources: u8,
    /// The topic that contributed most: index into [`StoredFeed::topics`].
    pub topic: Option<u16>,
    /// The interest it is nearest to, below [`super::profile::MAX_INTERESTS`]: index into [`StoredFeed::exemplars`].
    pub interest: Option<u8>,
}

/// Why an item has its position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// By relevance, diversity and constraints.
    Ranked,
    /// By a seeded draw.
    Exploration,
}

impl Slot {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ranked => "ranked",
            Self::Exploration => "exploration",
        }
    }
}

/// One position of the slate: the record that response, explanation, journal and audit all read.
#[derive(Clone, Debug, PartialEq)]
pub struct Placed {
    pub item: ItemId,
    /// Index into [`StoredFeed::pool`], which is also the 0-based rank by relevance alone.
    pub pool_index: u32,
    /// Whether it is like the evidence of the interest it is nearest to, so that a reason may name that.
    pub is_like_exemplar: bool,
    pub slot: Slot,
    /// Probability of this item at this position given the positions before it: 1 for ranked slots, in (0, 1] for draws.
    pub propensity: f64,
    /// Greatest similarity to an item placed before it, in [0, 1]; 0 at position 0.
    pub max_similarity: f32,
    /// The objective's value when it was chosen.
    pub objective: f32,
    /// Index into `Policy::constraint` of the first constraint that kept a better-scored candidate out here.
    pub bound_by: Option<u8>,
}

/// A constraint that could not be met at a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relaxed {
    /// Index into `Policy::constraint`.
    pub constraint: u8,
    /// Upper bound or pin: the item here breaks it. Lower bound: from here on its block cannot reach it any more.
    pub position: u32,
    pub why: RelaxedWhy,
}

/// Why a constraint was relaxed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelaxedWhy {
    /// What is left of the pool cannot meet it, even with no other constraint.
    Supply,
    /// It could be met alone, but not together with those declared before it.
    Conflict,
    /// The search for a way to meet it ended at its limit.
    Budget,
}

impl RelaxedWhy {
    pub const ALL: [Self; 3] = [Self::Supply, Self::Conflict, Self::Budget];

    /// The one name in API, metrics and docs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Supply => "supply",
            Self::Conflict => "conflict",
            Self::Budget => "budget",
        }
    }
}

/// One served page. Frozen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    pub placed: Vec<Placed>,
    pub relaxed: Vec<Relaxed>,
    /// Whether candidates may remain after it.
    pub has_next: bool,
    /// What stands between its items, which count as if it did not.
    pub sponsored: Vec<SponsoredSlot>,
    /// What its exploration slots were drawn from. For the journal, when the page is made: not kept with it.
    pub draws: Vec<Draw>,
}

/// A sponsored item beside the feed.
#[derive(Clone, Debug, PartialEq)]
pub struct SponsoredSlot {
    pub item: ItemId,
    /// 0-based position in the feed of the item it stands before.
    pub before: u32,
    /// It was chosen by the request's language.
    pub by_language: bool,
    /// Topics of the page it was chosen by.
    pub topics: Vec<FacetValue>,
}

/// What an exploration slot was drawn from.
#[derive(Clone, Debug, PartialEq)]
pub struct Draw {
    /// 0-based position in the feed.
    pub position: u32,
    /// The candidates that could have come here, in pool order.
    pub arms: Vec<Arm>,
    /// Index into `arms` of the one that did.
    pub taken: u32,
}

/// One candidate of a draw: all that its chance depends on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Arm {
    /// In [0, 1].
    pub relevance: f32,
    /// Posterior of its open rate: mean in [0, 1] and standard deviation > 0.
    pub mean: f64,
    pub deviation: f64,
}
