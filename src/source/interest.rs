//! Items near the person's interests: by vector search around each interest, and the newest of the topics they like.

use std::{hash::BuildHasher, sync::Arc};

use async_trait::async_trait;
use foldhash::fast::FixedState;
use quick_cache::sync::Cache;

use super::{CandidateSource, Engine, Found, Query, SourceError};
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
pub struct Interest {
    engine: Engine,
    near: Cache<u64, Arc<Near>>,
}

impl Interest {
    pub fn new(engine: Engine) -> Self {
        Self { engine, near: Cache::new(NEAR_KEPT) }
    }

    /// What is near the vector, if it was asked for lately.
    fn kept(&self, wanted: &catalogue::Query, snapshot: &Snapshot) -> Option<Arc<Near>> {
        let key = key(wanted);
        let near = self.near.get(&key).filter(|near| near.query() == wanted)?;
        if snapshot.is_current(&near) {
            return Some(near);
        }
        let near = Arc::new(snapshot.caught_up(&near)?);
        self.near.insert(key, Arc::clone(&near));
        Some(near)
    }

    /// Searches for what is not known, and keeps it. Returns why something is still not known.
    async fn make_up(&self, searches: &mut Vec<Search>, query: &Query) -> Result<Option<SourceError>, SourceError> {
        let missing: Vec<usize> = (0..searches.len()).filter(|at| searches[*at].near.is_none()).collect();
        if missing.is_empty() {
            return Ok(None);
        }
        match &self.engine {
            Engine::InProcess => make_up_here(searches, &query.snapshot).await?,
            #[cfg(feature = "qdrant")]
            Engine::Qdrant(engine) => {
                let wanted = missing.iter().map(|at| searches[*at].wanted.clone()).collect();
                let deadline = query.policy.policy.retrieve.deadline.as_std();
                match engine.near(&query.snapshot, wanted, deadline).await {
                    Ok(near) => missing.iter().zip(near).for_each(|(at, near)| searches[*at].near = Some(Arc::new(near))),
                    Err(error) => return Ok(Some(error.into())),
                }
            }
        }
        let found = missing.iter().filter_map(|at| searches[*at].near.as_ref());
        found.for_each(|near| self.near.insert(key(near.query()), Arc::clone(near)));
        Ok(None)
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
        let lacks = self.make_up(&mut searches, &query).await?;
        Ok(Found { lacks, ..find(&query, &searches, self.engine.is_in_process(), limit) })
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

/// Searches in this process, on a thread that may block where it takes long.
async fn make_up_here(searches: &mut Vec<Search>, snapshot: &Arc<Snapshot>) -> Result<(), SourceError> {
    let missing = searches.iter().filter(|search| search.near.is_none());
    let scanned: usize = missing.map(|search| snapshot.rows_scanned(&search.wanted)).sum();
    if scanned * snapshot.dimension() <= INLINE_MAX_PRODUCTS {
        search_all(searches, snapshot);
        return Ok(());
    }
    let (snapshot, mut moved) = (Arc::clone(snapshot), std::mem::take(searches));
    let made_up = tokio::task::spawn_blocking(move || {
        search_all(&mut moved, &snapshot);
        moved
    });
    *searches = made_up.await.map_err(|_| SourceError::Stopped)?;
    Ok(())
}

fn search_all(searches: &mut [Search], snapshot: &Snapshot) {
    for search in searches.iter_mut().filter(|search| search.near.is_none()) {
        search.near = Some(Arc::new(snapshot.near(search.wanted.clone())));
    }
}

/// Half by vectors, half by topics; what one cannot give the other may. `widens`: whether a search here makes up for what
/// filters take.
fn find(query: &Query, searches: &[Search], widens: bool, limit: usize) -> Found {
    let half = limit.div_ceil(2);
    let near = nearest(query, searches, widens, half);
    let topical = by_topics(query, limit - near.len().min(half));
    let mut found = Found { rows: Vec::with_capacity(limit), removed: topical.removed, lacks: None };
    let mut taken = NumberSet::default();
    taken.reserve(limit);
    take_in_turns(near, topical.rows, &mut taken, &mut found.rows);
    if found.rows.len() < limit * ENOUGH_PER_HUNDRED / 100 && !searches.is_empty() {
        // Topics gave little, or the same as the vectors.
        let more = nearest(query, searches, widens, limit);
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
fn nearest(query: &Query, searches: &[Search], widens: bool, limit: usize) -> Vec<Row> {
    let rules = query.rules();
    let mut lists: Vec<std::vec::IntoIter<Row>> = searches
        .iter()
        .map(|search| {
            let places = (limit as f32 * search.share).ceil() as usize;
            let showable = |entry: &Entry| rules.check(entry).is_none();
            let known = search.near.as_ref().map_or_else(|| Err(Vec::new()), |near| query.snapshot.nearest_of(near, places, showable));
            let wider = |few| if widens { query.snapshot.nearest(&search.wanted, places, showable) } else { few };
            known.unwrap_or_else(wider).into_iter()
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
