//! What would have kept an item from coming as early as it did. Each is found by search, and both its ends were run through
//! scoring and placing before it is said.

use super::flip;
use crate::{
    domain::feed::{Placed, Slot, StoredFeed},
    rank::{
        Context, Feature, Pool, Scored,
        place::{PoolCandidate, place},
        relevance::{Part, Rescorer},
    },
};

/// Parts of the score that are tried, greatest first.
pub const MAX_PARTS_TRIED: usize = 3;
/// Later positions are not tried: each run places all before them.
pub const MAX_POSITION_TRIED: usize = 100;
/// What is said has three decimals, and is run as it is said.
pub const STEP: f64 = 0.001;
/// How near the found end is to the one that changes nothing, as a share of the change.
pub const TOLERANCE: f32 = 0.01;

/// What would be different.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The value of one feature of the item.
    Part(Feature),
    /// The dial.
    Diversity,
}

impl Change {
    /// The one name in API and docs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Part(feature) => feature.name(),
            Self::Diversity => "diversity",
        }
    }
}

/// With `change` at `to` instead of `from`, the item would not have come at its position or before.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Counterfactual {
    pub change: Change,
    pub from: f64,
    pub to: f64,
    /// Here it still came as early: no further from `to` than [`TOLERANCE`] of the change and a [`STEP`].
    pub keeps: f64,
}

/// The counterfactuals of `placed`, at `position` (0-based) of `feed`; `parts` are those of its score. None for a draw, which owes
/// its place to chance, and none where the feed does not come out as it did.
pub fn counterfactuals(feed: &StoredFeed, placed: &Placed, position: usize, parts: &[Part], context: &Context) -> Vec<Counterfactual> {
    if placed.slot == Slot::Exploration || position >= MAX_POSITION_TRIED {
        return Vec::new();
    }
    let Some(rescorer) = Rescorer::new(feed, context).filter(|rescorer| rescorer.differing().is_empty()) else { return Vec::new() };
    let index = placed.pool_index as usize;
    let comes = |scored: &[Scored], diversity: f32| {
        let candidates: Vec<PoolCandidate> = scored.iter().map(PoolCandidate::from).collect();
        let pool = Pool { candidates: &candidates, diversity, seed: feed.seed, exemplars: &feed.exemplars, dials: feed.dials };
        place(&pool, &[], position + 1, context).placed.iter().any(|other| other.item == placed.item)
    };
    let tried = parts.iter().filter(|part| part.contribution > 0.0).take(MAX_PARTS_TRIED);
    let lowered = tried.filter_map(|part| {
        let comes = |share| comes(&rescorer.with(index, part.feature, share), feed.diversity);
        let found = flip(1.0, 0.0, TOLERANCE, comes)?;
        let share = (said(part.value, part.value * f64::from(found.flips)) / part.value) as f32;
        let at = |share: f32| part.value * f64::from(share);
        let said = Counterfactual { change: Change::Part(part.feature), from: part.value, to: at(share), keeps: at(found.keeps) };
        (!comes(share)).then_some(said)
    });
    let [low, high] = context.policy.user_control.diversity_range;
    let dialled = [low, high].into_iter().filter_map(|end| {
        let comes = |diversity| comes(rescorer.kept(), diversity);
        let found = flip(feed.diversity, end, TOLERANCE, comes)?;
        let diversity = (said(feed.diversity.into(), found.flips.into()) as f32).clamp(low, high);
        let [from, to, keeps] = [feed.diversity, diversity, found.keeps].map(f64::from);
        (!comes(diversity)).then_some(Counterfactual { change: Change::Diversity, from, to, keeps })
    });
    lowered.chain(dialled).collect()
}

/// `to` as it is said: the next number of three decimals that is no nearer to `from`.
fn said(from: f64, to: f64) -> f64 {
    let steps = to / STEP;
    (if to < from { steps.floor() } else { steps.ceil() }) * STEP
}
