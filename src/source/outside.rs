//! Items outside the person's profile, and not of what they asked less of: the pool that exploration slots draw from.
//!
//! A walk in item-hash order from a seeded start: a fair sample that depends on the items and the seed alone.

use std::sync::Arc;

use async_trait::async_trait;

use super::{CandidateSource, Found, Query, SourceError};
use crate::{
    catalogue::{Entry, FacetCode, NumberSet},
    domain::{Facet, Span},
    rank::{SourceKind, relevance::Demotion},
};

/// Items looked at per candidate wanted, at most: bounds the walk when nearly everything is inside the profile.
const LOOK_AT_MOST_PER_CANDIDATE: usize = 50;
/// A topic belongs to the profile when its liking is at least this share of the most liked topic's.
const INSIDE_SHARE: f32 = 0.1;

pub struct Outside;

#[async_trait]
impl CandidateSource for Outside {
    fn kind(&self) -> SourceKind {
        SourceKind::Outside
    }

    fn applies(&self, _: &Query) -> bool {
        true
    }

    async fn fetch(&self, query: Arc<Query>, limit: usize) -> Result<Found, SourceError> {
        let inside = inside(&query);
        let dislikes = Demotion::new(&query.context(), query.now);
        let eligible = |e: &Entry| is_outside(e, &inside) && is_young(e, &query) && !dislikes.turns_down(e);
        let outside = query.snapshot.walk_from(query.seed.wrapping_mul(SPREAD)).take(limit.saturating_mul(LOOK_AT_MOST_PER_CANDIDATE));
        let outside = query.snapshot.ahead(outside).filter(|(_, entry)| eligible(entry)).map(|(row, _)| row);
        Ok(Found::take(outside, limit, usize::MAX, &query))
    }
}

/// Spreads neighbouring seeds over the whole hash range (the 64-bit golden ratio).
const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;

/// Topics and creators that are the person's already.
fn inside(query: &Query) -> NumberSet<FacetCode> {
    let Some(profile) = &query.profile else { return NumberSet::default() };
    let codes = query.snapshot.codes();
    let most = profile.inferred(Facet::Topic).map(|a| a.liking).fold(0.0, f32::max);
    let liked = profile.inferred(Facet::Topic).filter(|a| a.liking > 0.0 && a.liking >= INSIDE_SHARE * most).map(|a| (a.facet, &a.value));
    let asked = profile.preferences.topics.iter().filter(|(_, level)| **level > 0.0).map(|(topic, _)| (Facet::Topic, topic));
    let followed = profile.follows.iter().map(|creator| (Facet::Creator, creator));
    liked.chain(asked).chain(followed).filter_map(|(facet, value)| codes.get(facet, value)).collect()
}

fn is_outside(entry: &Entry, inside: &NumberSet<FacetCode>) -> bool {
    let of_profile = |code: FacetCode| inside.contains(&code);
    !entry.primary_topic.is_some_and(of_profile) && !entry.creator.is_some_and(of_profile)
}

fn is_young(entry: &Entry, query: &Query) -> bool {
    let oldest = query.policy.policy.explore.max_item_age;
    oldest == Span::FOREVER || entry.published_at.is_some_and(|at| query.now.since(at) <= oldest.as_millis())
}
