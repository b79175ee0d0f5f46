//! Items near the person's interests: by vector search around each interest, and the newest of the topics they like.

use std::sync::Arc;

use async_trait::async_trait;

use super::{CandidateSource, Found, Query, SourceError};
use crate::{
    catalogue::{self, NumberSet, Row},
    domain::{Facet, Profile, profile::Interest as InterestVector},
    rank::{SourceKind, relevance::prior_fade},
};

/// Interests searched per request: the strongest, and in the last place the weaker ones in turns, so that each gets its candidates.
const SEARCHED_INTERESTS: usize = 4;
/// Most liked topics read per request.
const READ_TOPICS: usize = 8;
/// Multiplications of exact scans above which the search leaves the async thread (about 100 µs of work). A search through
/// lists stays on it: a change of threads would cost as much.
const INLINE_MAX_PRODUCTS: usize = 4_000_000;

/// With this much of what was asked for, the vectors are not searched again for the rest.
const ENOUGH_PER_HUNDRED: usize = 75;

pub struct Interest;

#[async_trait]
impl CandidateSource for Interest {
    fn kind(&self) -> SourceKind {
        SourceKind::Interest
    }

    fn applies(&self, query: &Query) -> bool {
        let knows = |p: &Arc<Profile>| {
            let asks = p.preferences.topics.values().any(|level| *level > 0.0);
            asks || !p.interests.is_empty() || p.affinities.iter().any(|a| a.facet == Facet::Topic && a.liking > 0.0)
        };
        !query.policy.policy.score.prior.is_empty() || query.profile.as_ref().is_some_and(knows)
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

/// The interests to look around, of those that this catalogue can compare. A place counts by the square root of its interest's
/// weight: a minor interest gets less, but enough to be ranked.
fn searches(query: &Query) -> Vec<Search> {
    let Some(profile) = &query.profile else { return Vec::new() };
    let mut interests: Vec<_> = profile.interests.iter().filter(|i| i.vector.len() == query.snapshot.dimension()).collect();
    interests.sort_by(|a, b| b.weight.total_cmp(&a.weight).then_with(|| a.exemplar.cmp(&b.exemplar)));
    if let Some(weaker) = interests.len().checked_sub(SEARCHED_INTERESTS) {
        let last = SEARCHED_INTERESTS - 1;
        interests.swap(last, last + (query.seed % (weaker as u64 + 1)) as usize);
        interests.truncate(SEARCHED_INTERESTS);
    }
    let places = |i: &InterestVector| i.weight.max(f32::MIN_POSITIVE).sqrt();
    let total: f32 = interests.iter().map(|i| places(i)).sum();
    let search = |i: &InterestVector| Search { wanted: catalogue::Query::new(i.space, &i.vector), share: places(i) / total };
    interests.into_iter().map(search).collect()
}

/// Half by vectors, half by topics; what one cannot give the other may.
fn find(query: &Query, searches: &[Search], limit: usize) -> Found {
    let half = limit.div_ceil(2);
    let near = nearest(query, searches, half);
    let topical = by_topics(query, limit - near.len().min(half));
    let mut found = Found { rows: Vec::with_capacity(limit), removed: topical.removed };
    let mut taken = NumberSet::default();
    taken.reserve(limit);
    take_in_turns(near, topical.rows, &mut taken, &mut found.rows);
    if found.rows.len() < limit * ENOUGH_PER_HUNDRED / 100 && !searches.is_empty() {
        // Topics gave little, or the same as the vectors.
        let more = nearest(query, searches, limit);
        take_in_turns(more, Vec::new(), &mut taken, &mut found.rows);
    }
    found.rows.truncate(limit);
    found
}

/// Appends the rows of two lists in turns, each once.
fn take_in_turns(first: Vec<Row>, second: Vec<Row>, taken: &mut NumberSet<Row>, into: &mut Vec<Row>) {
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    loop {
        let next = [first.next(), second.next()];
        if next == [None, None] {
            return;
        }
        into.extend(next.into_iter().flatten().filter(|row| taken.insert(*row)));
    }
}

/// The rows nearest to each interest, in turns.
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

/// The newest items of the topics most liked, by the person or else by the surface; each gets places by its liking.
fn by_topics(query: &Query, limit: usize) -> Found {
    let profile = query.profile.as_deref();
    let mut topics: Vec<_> =
        profile.iter().flat_map(|p| &p.affinities).filter(|a| a.facet == Facet::Topic).map(|a| (&*a.value, a.liking)).collect();
    topics.extend(profile.iter().flat_map(|p| &p.preferences.topics).map(|(topic, level)| (&**topic, *level)));
    let fade = prior_fade(profile);
    let declined = |topic: &str| profile.is_some_and(|p| p.preferences.topics.get(topic).is_some_and(|level| *level < 0.0));
    let prior = query.policy.policy.score.prior.iter().filter(|prior| !declined(&prior.topic));
    topics.extend(prior.map(|prior| (prior.topic.as_str(), prior.weight * fade)));
    topics.retain(|(_, liking)| *liking > 0.0);
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
