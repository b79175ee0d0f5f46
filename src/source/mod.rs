//! Candidate sources: where the pool comes from. All run under one deadline; a late or failed one is left out and said.

mod engine;
mod followed;
mod fresh;
mod interest;
mod outside;
#[cfg(feature = "qdrant")]
pub mod qdrant;
mod trending;

#[cfg(test)]
mod tests;

pub use engine::{Engine, SearchError};

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use futures_util::future::join_all;
use tokio::time::{Instant, timeout_at};

use crate::{
    catalogue::{NumberMap, Row, Snapshot},
    domain::{Profile, Time, policy::ActivePolicy},
    rank::{Candidate, Context, Removed, SourceKind, Sources, filter::Rules},
};

/// What a source may know. Shared by all sources of a request.
pub struct Query {
    pub snapshot: Arc<Snapshot>,
    /// `None` in a non-personalised feed.
    pub profile: Option<Arc<Profile>>,
    pub policy: Arc<ActivePolicy>,
    pub now: Time,
    pub seed: u64,
    /// Item hashes that must not come back.
    pub excluded: Vec<u64>,
    /// Wanted of all sources together: `policy.retrieve.candidates`, or fewer.
    pub candidates: usize,
    /// The request's filters, made once and by the first source that asks.
    rules: OnceLock<Rules>,
}

impl Query {
    pub fn new(
        snapshot: Arc<Snapshot>,
        profile: Option<Arc<Profile>>,
        policy: Arc<ActivePolicy>,
        now: Time,
        seed: u64,
        excluded: Vec<u64>,
    ) -> Self {
        let candidates = policy.policy.retrieve.candidates as usize;
        Self { snapshot, profile, policy, now, seed, excluded, candidates, rules: OnceLock::new() }
    }

    pub fn context(&self) -> Context<'_> {
        Context { snapshot: &self.snapshot, profile: self.profile.as_deref(), policy: &self.policy.policy, now: self.now }
    }

    fn rules(&self) -> &Rules {
        self.rules.get_or_init(|| Rules::new(&self.excluded, &self.context()))
    }
}

/// What a source found: rows that may be shown, and those its filters took out on the way.
#[derive(Debug, Default)]
pub struct Found {
    pub rows: Vec<Row>,
    pub removed: Vec<Removed>,
    /// Why a part of it could not be had.
    pub lacks: Option<SourceError>,
}

impl Found {
    /// Takes showable rows from `rows` until there are `limit`, looking at no more than `look_at_most`.
    fn take(rows: impl Iterator<Item = Row>, limit: usize, look_at_most: usize, query: &Query) -> Self {
        let rules = query.rules();
        let mut found = Self::default();
        for (row, entry) in query.snapshot.ahead(rows.take(look_at_most)) {
            if found.rows.len() >= limit {
                break;
            }
            match rules.check(entry) {
                None => found.rows.push(row),
                Some(why) => found.removed.push(Removed { row, why }),
            }
        }
        found
    }
}

/// A source that could not answer.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error("the source stopped unexpectedly")]
    Stopped,
    #[error("the nearest items were not found: {0}")]
    Search(#[from] SearchError),
}

impl SourceError {
    /// A closed list: `source_stopped` and [`SearchError::reason`].
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Stopped => "source_stopped",
            Self::Search(error) => error.reason(),
        }
    }
}

/// Why a source that did not answer by the deadline is left out.
pub const SOURCE_LATE: &str = "source_late";

/// One way to find candidates.
#[async_trait]
pub trait CandidateSource: Send + Sync {
    fn kind(&self) -> SourceKind;

    /// Whether it has anything to say for this request: a source for followed creators needs a profile that follows.
    fn applies(&self, query: &Query) -> bool;

    /// Up to `limit` showable rows, best first by the source's own measure. Each row once.
    async fn fetch(&self, query: Arc<Query>, limit: usize) -> Result<Found, SourceError>;
}

/// The gathered pool.
#[derive(Debug, Default)]
pub struct Gathered {
    /// Each row once, with all its sources.
    pub candidates: Vec<Candidate>,
    pub removed: Vec<Removed>,
    /// Sources that were late, or failed in part or whole, and why: [`SOURCE_LATE`] or [`SourceError::reason`].
    pub missing: Vec<(SourceKind, &'static str)>,
}

/// The sources of a server that searches by itself, in the order of [`SourceKind`].
pub fn in_process() -> Vec<Box<dyn CandidateSource>> {
    searching(Engine::InProcess)
}

/// The sources, with the nearest items found by `engine`.
pub fn searching(engine: Engine) -> Vec<Box<dyn CandidateSource>> {
    vec![
        Box::new(interest::Interest::new(engine)),
        Box::new(followed::Followed),
        Box::new(trending::Trending),
        Box::new(fresh::Fresh),
        Box::new(outside::Outside),
    ]
}

/// Asks every source that applies for its share of [`Query::candidates`], all at once, until `deadline`.
/// What the sources leave open is filled with the newest items.
pub async fn gather(sources: &[Box<dyn CandidateSource>], query: &Arc<Query>, deadline: Instant) -> Gathered {
    let wanted = query.candidates;
    let asked: Vec<_> = sources.iter().filter(|s| share(s.kind(), query) > 0.0 && s.applies(query)).collect();
    let shares: f32 = asked.iter().map(|s| share(s.kind(), query)).sum();
    let fetches = asked.iter().map(|source| {
        let limit = (wanted as f32 * share(source.kind(), query) / shares).ceil() as usize;
        timeout_at(deadline, source.fetch(Arc::clone(query), limit))
    });
    let answers = join_all(fetches).await;
    let mut pool = PoolBuilder::default();
    pool.places.reserve(wanted);
    pool.gathered.candidates.reserve(wanted);
    for (source, answer) in asked.iter().zip(answers) {
        match answer {
            Ok(Ok(found)) => {
                pool.gathered.missing.extend(found.lacks.iter().map(|error| (source.kind(), error.reason())));
                pool.add(source.kind(), found);
            }
            Ok(Err(error)) => pool.gathered.missing.push((source.kind(), error.reason())),
            Err(_) => pool.gathered.missing.push((source.kind(), SOURCE_LATE)),
        }
    }
    let open = wanted.saturating_sub(pool.gathered.candidates.len());
    if open > 0 {
        let more = query.snapshot.fresh().filter(|row| !pool.places.contains_key(row));
        let found = Found::take(more, open, usize::MAX, query);
        pool.add(SourceKind::Fresh, found);
    }
    pool.gathered
}

#[derive(Default)]
struct PoolBuilder {
    gathered: Gathered,
    places: NumberMap<Row, usize>,
}

impl PoolBuilder {
    fn add(&mut self, kind: SourceKind, found: Found) {
        let candidates = &mut self.gathered.candidates;
        for row in found.rows {
            let at = *self.places.entry(row).or_insert_with(|| {
                candidates.push(Candidate { row, sources: Sources::default(), relevance: 0.0 });
                candidates.len() - 1
            });
            candidates[at].sources = candidates[at].sources.with(Sources::of(kind));
        }
        self.gathered.removed.extend(found.removed);
    }
}

fn share(kind: SourceKind, query: &Query) -> f32 {
    let shares = &query.policy.policy.retrieve.sources;
    match kind {
        SourceKind::Interest => shares.interest,
        SourceKind::Followed => shares.followed,
        SourceKind::Trending => shares.trending,
        SourceKind::Fresh => shares.fresh,
        SourceKind::Outside => shares.outside,
        SourceKind::Caller => 0.0,
    }
}
