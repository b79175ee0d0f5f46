//! Reasons: why an item is at its position, from the numbers that put it there. A closed list of codes.

mod counterfactual;
mod standing;

pub use counterfactual::{Change, Counterfactual, MAX_PARTS_TRIED, MAX_POSITION_TRIED, STEP, TOLERANCE, counterfactuals};
pub use standing::{Flip, Standing, flip};

use super::{Feature, SourceKind, Sources};
use crate::domain::{
    FacetValue, ItemId,
    feed::{Placed, PoolEntry, Slot, StoredFeed},
};

/// Most reasons per item.
pub const MAX_REASONS: usize = 3;
/// A feature is named when it gives at least this share of the item's positive relevance.
const SHARE_TO_BE_NAMED: f32 = 0.2;

/// Why an item is here. Each code names the control that changes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReasonCode {
    MatchesTopic,
    FollowsCreator,
    LikesCreator,
    SimilarTo,
    Fresh,
    Popular,
    /// The caller's own relevance put it here.
    CallerRelevance,
    /// Few have seen it yet: it gets a start.
    NewItem,
    /// A topic of the surface, for readers little is known of.
    SurfaceTopic,
    /// Diversity moved it up.
    Breadth,
    /// An exploration slot: drawn by chance.
    NewToYou,
    /// Nothing is known that could rank it: served so that the feed is not empty.
    Fallback,
}

impl ReasonCode {
    pub const ALL: [ReasonCode; 12] = [
        Self::MatchesTopic,
        Self::FollowsCreator,
        Self::LikesCreator,
        Self::SimilarTo,
        Self::Fresh,
        Self::Popular,
        Self::CallerRelevance,
        Self::NewItem,
        Self::SurfaceTopic,
        Self::Breadth,
        Self::NewToYou,
        Self::Fallback,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::MatchesTopic => "matches_topic",
            Self::FollowsCreator => "follows_creator",
            Self::LikesCreator => "likes_creator",
            Self::SimilarTo => "similar_to",
            Self::Fresh => "fresh",
            Self::Popular => "popular",
            Self::CallerRelevance => "caller_relevance",
            Self::NewItem => "new_item",
            Self::SurfaceTopic => "surface_topic",
            Self::Breadth => "breadth",
            Self::NewToYou => "new_to_you",
            Self::Fallback => "fallback",
        }
    }
}

/// One reason with the value it speaks of.
#[derive(Clone, Debug, PartialEq)]
pub struct Reason {
    pub code: ReasonCode,
    /// The topic, for `matches_topic`.
    pub topic: Option<FacetValue>,
    /// The item the person used, for `similar_to`.
    pub item: Option<ItemId>,
    /// Share of the item's positive relevance this reason stands for, in [0, 1]; `None` for chance and breadth.
    pub share: Option<f32>,
    /// Of a draw the probability that it came to this item, in (0, 1].
    pub chance: Option<f64>,
}

impl Reason {
    fn plain(code: ReasonCode) -> Self {
        Self { code, topic: None, item: None, share: None, chance: None }
    }
}

/// The reasons of a placed item, strongest first; never empty, at most [`MAX_REASONS`].
///
/// `position` is 0-based. `breadth` is said when relevance alone would have put the item lower.
pub fn reasons(feed: &StoredFeed, placed: &Placed, position: usize) -> Vec<Reason> {
    if placed.slot == Slot::Exploration {
        return vec![Reason { chance: Some(placed.propensity), ..Reason::plain(ReasonCode::NewToYou) }];
    }
    let Some(entry) = feed.pool.get(placed.pool_index as usize) else {
        return vec![Reason::plain(ReasonCode::Fallback)];
    };
    let mut reasons = from_contributions(feed, entry, placed);
    if placed.pool_index as usize > position {
        reasons.truncate(MAX_REASONS - 1);
        reasons.push(Reason::plain(ReasonCode::Breadth));
    }
    if reasons.is_empty() {
        reasons.push(Reason::plain(ReasonCode::Fallback));
    }
    reasons
}

fn from_contributions(feed: &StoredFeed, entry: &PoolEntry, placed: &Placed) -> Vec<Reason> {
    let positive: f32 = entry.contributions.iter().filter(|c| **c > 0.0).sum();
    let mut named: Vec<(f32, Feature)> = Feature::ALL
        .into_iter()
        .map(|feature| (entry.contributions[feature as usize] / positive, feature))
        .filter(|(share, _)| *share >= SHARE_TO_BE_NAMED)
        .collect();
    named.sort_by(|a, b| b.0.total_cmp(&a.0));
    named.truncate(MAX_REASONS);
    named
        .into_iter()
        .filter_map(|(share, feature)| Some(Reason { share: Some(share), ..reason_of(feed, entry, placed, feature)? }))
        .collect()
}

fn reason_of(feed: &StoredFeed, entry: &PoolEntry, placed: &Placed, feature: Feature) -> Option<Reason> {
    Some(match feature {
        Feature::Interest => {
            let named = entry.interest.filter(|_| placed.is_like_exemplar);
            let exemplar = named.and_then(|at| feed.exemplars.get(at as usize)).cloned();
            Reason { item: Some(exemplar?), ..Reason::plain(ReasonCode::SimilarTo) }
        }
        Feature::Topic => {
            let topic = entry.topic.and_then(|at| feed.topics.get(at as usize)).cloned();
            Reason { topic: Some(topic?), ..Reason::plain(ReasonCode::MatchesTopic) }
        }
        Feature::Creator => Reason::plain(ReasonCode::LikesCreator),
        Feature::Follow => Reason::plain(ReasonCode::FollowsCreator),
        Feature::Recency => Reason::plain(ReasonCode::Fresh),
        Feature::Popularity => Reason::plain(ReasonCode::Popular),
        Feature::Relevance => Reason::plain(ReasonCode::CallerRelevance),
        Feature::Uncertainty => Reason::plain(ReasonCode::NewItem),
        Feature::Prior => Reason::plain(ReasonCode::SurfaceTopic),
        Feature::LessLike | Feature::Repetition | Feature::Impressions => return None,
    })
}

/// The candidate sources by name, for `explain=full`.
pub fn source_names(sources: u8) -> impl Iterator<Item = &'static str> {
    Sources(sources).iter().map(SourceKind::name)
}
