//! Feeds asked of the real pipeline in process: the server's own sources, scoring and placing, without server and store.

use std::{collections::HashSet, io, sync::Arc, time::Duration};

use tokio::{
    runtime::{Builder, Runtime},
    time::Instant,
};

use crate::{
    catalogue::{Row, Snapshot},
    domain::{
        Policy, Profile, Time,
        feed::{Dials, Page},
        policy::{ActivePolicy, TargetMetric},
    },
    rank::{self, Pool, place::PoolCandidate},
    source::{self, CandidateSource, Query},
};

/// So far away that no source is ever late: lateness would not be repeatable.
const DEADLINE: Duration = Duration::from_secs(3_600);

/// One feed that is asked for: a person as they were known at a moment, and the catalogue as it was.
pub struct Asked {
    /// Whose it is: feeds of one person are no independent evidence.
    pub person: u32,
    pub snapshot: Arc<Snapshot>,
    pub now: Time,
    pub profile: Arc<Profile>,
    /// What the person turned out to like and the profile was not told of: the truth of accuracy.
    pub liked: HashSet<Row>,
    pub seed: u64,
}

impl Asked {
    /// What scoring and placing may know under `policy`.
    pub fn context<'a>(&'a self, policy: &'a Policy) -> rank::Context<'a> {
        rank::Context { snapshot: &self.snapshot, profile: Some(&self.profile), policy, now: self.now }
    }

    /// The first `count` positions from a scored pool, with the dial at `diversity`.
    pub fn page(&self, candidates: &[PoolCandidate], policy: &Policy, diversity: f32, count: usize) -> Page {
        rank::place(
            &Pool { candidates, diversity, seed: self.seed, exemplars: &[], dials: Dials::default() },
            &[],
            count,
            &self.context(policy),
        )
    }

    /// The same with the dial where the policy has it: its `diversity`, or what reaches its target.
    pub fn page_of_policy(&self, candidates: &[PoolCandidate], policy: &Policy, count: usize) -> Page {
        if policy.diversify.target.metric == TargetMetric::None {
            return self.page(candidates, policy, policy.diversify.diversity, count);
        }
        let pool = Pool { candidates, diversity: policy.diversify.diversity, seed: self.seed, exemplars: &[], dials: Dials::default() };
        rank::target::aim(&pool, count, policy.user_control.diversity_range, &self.context(policy)).0
    }
}

/// The sources, and what they run on.
pub struct Pipeline {
    sources: Vec<Box<dyn CandidateSource>>,
    runtime: Runtime,
}

impl Pipeline {
    /// Errors: the machine gives no thread.
    pub fn new() -> io::Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_time().build()?;
        Ok(Self { sources: source::in_process(), runtime })
    }

    /// Gathers and scores the candidates of a feed, best first. Blocks; several threads may at once.
    pub fn pool(&self, asked: &Asked, policy: &Arc<ActivePolicy>) -> Vec<PoolCandidate> {
        let profile = Some(Arc::clone(&asked.profile));
        let query = Query::new(Arc::clone(&asked.snapshot), profile, Arc::clone(policy), asked.now, asked.seed, Vec::new());
        let query = Arc::new(query);
        let gathered = self.runtime.block_on(async { source::gather(&self.sources, &query, Instant::now() + DEADLINE).await });
        let scored = rank::score(gathered.candidates, &[], &query.context()).scored;
        scored.iter().map(PoolCandidate::from).collect()
    }
}
