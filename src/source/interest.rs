//! Items near the person's interests: by vector search around each interest, and the newest of the topics they like.

use std::sync::Arc;

use async_trait::async_trait;

use super::{CandidateSource, Found, Query, SourceError};
use crate::{
    catalogue::{self, NumberSet, Row},
    domain::{Facet, Profile, profile::Interest as InterestVector},
    rank::SourceKind,
};

/// Strongest interests searched per request.
const SEARCHED_INTERESTS: usize = 4;
/// Most liked topics read per request.
const READ_TOPICS: usize = 8;
/// Multiplications of exact scans above which the search leaves the async thread (about 100 µs of work). A search through
/// lists stays on it: a change of threads would cost as much.
const INLINE_MAX_PRODUCTS: usize = 4_000_000;

pub struct Interest;

#[async_trait]
impl CandidateSource for Interest {
    fn kind(&self) -> SourceKind {
        SourceKind::Interest
    }

    fn applies(&self, query: &Query) -> bool {
        query.profile.as_ref().is_some_and(|p| {
            let asks = p.preferences.topics.values().any(|level| *level > 0.0);
            asks || !p.interests.is_empty() || p.affinities.iter().any(|a| a.facet == Facet::Topic && a.liking > 0.0)
        })
    }

    async fn fetch(&self, query: Arc<Query>, limit: usize) -> Result<Found, SourceError> {
        let searches = searches(&query);
        let scanned: usize = searches.iter().map(|search| query.snapshot.rows_scanned(&search.wanted)).sum();
        if scanned * query.snapshot.dimension() <= INLINE_MAX_PRODUCTS {
            return Ok(find(&query, &searches, limit));
        }
        tokio::task::spawn_blocking(move || find(&query, &searches, limit)).await.map_err(|_| SourceError::Stopped)
    }
}

/// One interest to look around.
struct Search {
    wanted: catalogue::Query,
    /// Of the places of all searches, in (0, 1].
    share: f32,
}

/// The strongest interests that this catalogue can compare.
fn searches(query: &Query) -> Vec<Search> {
    let Some(profile) = &query.profile else { return Vec::new() };
    let mut interests: Vec<_> = profile.interests.iter().filter(|i| i.vector.len() == query.snapshot.dimension()).collect();
    interests.sort_by(|a, b| b.weight.total_cmp(&a.weight).then_with(|| a.exemplar.cmp(&b.exemplar)));
    interests.truncate(SEARCHED_INTERESTS);
    let total: f32 = interests.iter().map(|i| i.weight).sum();
    let search = |i: &InterestVector| Search { wanted: catalogue::Query::new(i.space, &i.vector), share: i.weight / total };
    interests.into_iter().map(search).collect()
}

/// Half by vectors, half by topics; what one cannot give the other may.
fn find(query: &Query, searches: &[Search], limit: usize) -> Found {
    let Some(profile) = &query.profile else { return Found::default() };
    let near = nearest(query, searches, limit);
    let topical = by_topics(query, profile, limit);
    let mut rows = Vec::with_capacity(limit);
    let mut taken = NumberSet::default();
    taken.reserve(limit);
    let mut near = near.into_iter();
    let mut topical_rows = topical.rows.into_iter();
    while rows.len() < limit {
        let next = [near.next(), topical_rows.next()];
        if next == [None, None] {
            break;
        }
        rows.extend(next.into_iter().flatten().filter(|row| taken.insert(*row)));
    }
    rows.truncate(limit);
    Found { rows, removed: topical.removed }
}

/// The rows nearest to each of the strongest interests, in turns. Each interest gets places by its weight.
fn nearest(query: &Query, searches: &[Search], limit: usize) -> Vec<Row> {
    let rules = query.rules();
    let mut lists: Vec<std::vec::IntoIter<Row>> = searches
        .iter()
        .map(|search| {
            let places = (limit as f32 * search.share).ceil() as usize;
            query.snapshot.nearest(&search.wanted, places, |entry| rules.check(entry).is_none()).into_iter()
        })
        .collect();
    let mut rows = Vec::with_capacity(limit);
    loop {
        let before = rows.len();
        rows.extend(lists.iter_mut().filter_map(Iterator::next));
        if rows.len() == before {
            return rows;
        }
    }
}

/// The newest items of the most liked topics; each topic gets places by its liking.
fn by_topics(query: &Query, profile: &Profile, limit: usize) -> Found {
    let mut topics: Vec<_> =
        profile.affinities.iter().filter(|a| a.facet == Facet::Topic && a.liking > 0.0).map(|a| (&a.value, a.liking)).collect();
    topics.extend(profile.preferences.topics.iter().filter(|(_, level)| **level > 0.0).map(|(topic, level)| (topic, *level)));
    topics.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(b.0)));
    topics.truncate(READ_TOPICS);
    let total: f32 = topics.iter().map(|(_, liking)| liking).sum();
    let mut found = Found::default();
    for (topic, liking) in topics {
        let Some(code) = query.snapshot.codes().get(Facet::Topic, topic) else { continue };
        let places = (limit as f32 * liking / total).ceil() as usize;
        let part = Found::take(query.snapshot.posting(code).iter().copied(), places, usize::MAX, query);
        found.rows.extend(part.rows);
        found.removed.extend(part.removed);
    }
    found
}
