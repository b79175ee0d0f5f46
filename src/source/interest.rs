//! Items near the person's interests: by vector search around each interest, and the newest of the topics they like.

use std::{hash::BuildHasher, sync::Arc};

use async_trait::async_trait;
use foldhash::fast::FixedState;
use quick_cache::sync::Cache;

use super::{CandidateSource, Found, Query, SourceError};
use crate::{
    catalogue::{self, Entry, Near, NumberSet, Row, Snapshot},
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

/// Interests whose nearest items are kept: about 5 KB each.
const NEAR_KEPT: usize = 8_192;

/// See the module. Keeps what is near each interest, under its direction and without whose it is.
pub struct Interest(Cache<u64, Arc<Near>>);

impl Default for Interest {
    fn default() -> Self {
        Self(Cache::new(NEAR_KEPT))
    }
}

impl Interest {
    /// What is near the vector, if it was asked for lately.
    fn kept(&self, wanted: &catalogue::Query, snapshot: &Snapshot) -> Option<Arc<Near>> {
        let key = key(wanted);
        let near = self.0.get(&key).filter(|near| near.query() == wanted)?;
        if snapshot.is_current(&near) {
            return Some(near);
        }
        let near = Arc::new(snapshot.caught_up(&near)?);
        self.0.insert(key, Arc::clone(&near));
        Some(near)
    }
}

/// The same on every run: nothing else depends on it than which entry goes first when the cache is full.
fn key(wanted: &catalogue::Query) -> u64 {
    FixedState::default().hash_one((wanted.space(), wanted.bytes()))
}

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
        let mut searches: Vec<Search> = wanted(&query).collect();
        for search in &mut searches {
            search.near = self.kept(&search.wanted, &query.snapshot);
        }
        let missing = || searches.iter().filter(|search| search.near.is_none());
        let scanned: usize = missing().map(|search| query.snapshot.rows_scanned(&search.wanted)).sum();
        let missed = missing().count();
        if scanned * query.snapshot.dimension() <= INLINE_MAX_PRODUCTS {
            make_up(&mut searches, &query.snapshot);
        } else {
            let snapshot = Arc::clone(&query.snapshot);
            let made_up = tokio::task::spawn_blocking(move || {
                make_up(&mut searches, &snapshot);
                searches
            });
            searches = made_up.await.map_err(|_| SourceError::Stopped)?;
        }
        if missed > 0 {
            searches.iter().filter_map(|search| search.near.as_ref()).for_each(|near| self.0.insert(key(near.query()), Arc::clone(near)));
        }
        Ok(find(&query, &searches, limit))
    }
}

/// One interest to look around.
struct Search {
    wanted: catalogue::Query,
    near: Option<Arc<Near>>,
    /// Of the places of all searches, in (0, 1].
    share: f32,
}

/// The interests to look around, of those that this catalogue can compare. A place counts by the square root of its interest's
/// weight: a minor interest gets less, but enough to be ranked.
fn wanted(query: &Query) -> impl Iterator<Item = Search> {
    let interests = query.profile.iter().flat_map(|profile| &profile.interests);
    let mut interests: Vec<_> = interests.filter(|i| i.vector.len() == query.snapshot.dimension()).collect();
    interests.sort_by(|a, b| b.weight.total_cmp(&a.weight).then_with(|| a.exemplar.cmp(&b.exemplar)));
    if let Some(weaker) = interests.len().checked_sub(SEARCHED_INTERESTS) {
        let last = SEARCHED_INTERESTS - 1;
        interests.swap(last, last + (query.seed % (weaker as u64 + 1)) as usize);
        interests.truncate(SEARCHED_INTERESTS);
    }
    let places = |i: &InterestVector| i.weight.max(f32::MIN_POSITIVE).sqrt();
    let total: f32 = interests.iter().map(|i| places(i)).sum();
    let search =
        move |i: &InterestVector| Search { wanted: catalogue::Query::new(i.space, &i.vector), near: None, share: places(i) / total };
    interests.into_iter().map(search)
}

/// Searches for what is not known.
fn make_up(searches: &mut [Search], snapshot: &Snapshot) {
    for search in searches.iter_mut().filter(|search| search.near.is_none()) {
        search.near = Some(Arc::new(snapshot.near(search.wanted.clone())));
    }
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
            let showable = |entry: &Entry| rules.check(entry).is_none();
            let known = search.near.as_ref().and_then(|near| query.snapshot.nearest_of(near, places, showable));
            known.unwrap_or_else(|| query.snapshot.nearest(&search.wanted, places, showable)).into_iter()
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
    let mut topics: Vec<_> = profile.iter().flat_map(|p| p.inferred(Facet::Topic)).map(|a| (&*a.value, a.liking)).collect();
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
