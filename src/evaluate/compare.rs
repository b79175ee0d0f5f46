//! Policies side by side on the same replay: the same people at the same moments, the same seeds.

use std::{collections::HashMap, sync::Arc};

use serde::Serialize;

use super::{
    intervals::{Estimate, bootstrap::Columns},
    measure::{Measure, OfAll, OfPage, Ruler},
    pipeline::{Asked, Pipeline},
    replay::Replay,
    threads::over_threads,
};
use crate::{
    catalogue::Row,
    domain::{
        Policy,
        policy::{ActivePolicy, Explore, SimilarityWeights},
    },
    rank::place::PoolCandidate,
};

/// Seed of the bootstrap: an interval is the same each time.
const BOOTSTRAP_SEED: u64 = 1;
/// Most candidates, over all people, whose pools are kept for the next policy: 12 bytes each.
const MAX_KEPT_CANDIDATES: usize = 20_000_000;

/// What a policy gave, with 95 % intervals over people.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Measured {
    /// By [`Measure`], in its order.
    values: Vec<Estimate>,
    /// The same less the first policy's; empty for the first itself.
    differences: Vec<Estimate>,
    pub all: OfAll,
}

impl Measured {
    pub fn value(&self, measure: Measure) -> Estimate {
        self.values.get(measure as usize).copied().unwrap_or_default()
    }

    /// How much more than the first policy; `None` for the first itself.
    pub fn difference(&self, measure: Measure) -> Option<Estimate> {
        self.differences.get(measure as usize).copied()
    }
}

type Candidates = Arc<Vec<Vec<PoolCandidate>>>;

/// Measures policies one after another on one replay.
pub struct Comparison<'a> {
    replay: &'a Replay,
    pipeline: &'a Pipeline,
    similarity: SimilarityWeights,
    positions: usize,
    /// Scored pools by what made them: most knobs do not change the candidates.
    pools: HashMap<String, Candidates>,
    pages: Vec<(Vec<OfPage>, OfAll)>,
}

impl<'a> Comparison<'a> {
    /// The first `positions` (≥ 1) of every feed, alike as `similarity` says.
    pub fn new(replay: &'a Replay, pipeline: &'a Pipeline, similarity: SimilarityWeights, positions: usize) -> Self {
        Self { replay, pipeline, similarity, positions, pools: HashMap::new(), pages: Vec::new() }
    }

    /// Makes everybody's page under `policy`, on all cores; `done` is called after each.
    pub fn add(&mut self, policy: &Policy, done: impl Fn() + Sync) {
        let pools = self.pools(policy);
        let ruler = Ruler {
            similarity: &self.similarity,
            met_by: &self.replay.met_by,
            people: self.replay.summary.people as u64,
            positions: self.positions,
        };
        let feeds: Vec<(&Asked, &Vec<PoolCandidate>)> = self.replay.asked.iter().zip(&*pools).collect();
        let pages: Vec<(OfPage, Vec<Row>)> = over_threads(&feeds, |(asked, candidates)| {
            let placed = asked.page_of_policy(candidates, policy, self.positions).placed;
            let rows = placed.iter().filter_map(|placed| candidates.get(placed.pool_index as usize)?.row).collect();
            let page = ruler.measure(asked, candidates, &placed);
            done();
            (page, rows)
        });
        let (pages, rows): (Vec<OfPage>, Vec<Vec<Row>>) = pages.into_iter().unzip();
        self.pages.push((pages, OfAll::measure(&self.replay.asked, &rows, self.replay.summary.items)));
    }

    fn pools(&mut self, policy: &Policy) -> Candidates {
        let key = pool_digest(policy);
        if let Some(pools) = self.pools.get(&key) {
            return Arc::clone(pools);
        }
        let active = Arc::new(ActivePolicy::new(policy.clone()));
        let pools = Arc::new(over_threads(&self.replay.asked, |asked| self.pipeline.pool(asked, &active)));
        let candidates = |pools: &Candidates| pools.iter().map(Vec::len).sum::<usize>();
        if self.pools.values().map(candidates).sum::<usize>() + candidates(&pools) > MAX_KEPT_CANDIDATES {
            self.pools.clear();
        }
        self.pools.insert(key, Arc::clone(&pools));
        pools
    }

    /// What each policy gave, in the order they were added.
    pub fn finish(self) -> Vec<Measured> {
        let mut columns = Columns::new(self.replay.asked.len());
        let mut differences = Vec::new();
        for (pages, _) in &self.pages {
            for measure in Measure::ALL {
                let of = |(asked, page): (&Asked, &OfPage)| Some((asked.person, page.get(measure)?));
                let column = columns.push(self.replay.asked.iter().zip(pages).filter_map(of));
                differences.push((column, measure as usize));
            }
        }
        let (values, differences) = columns.intervals(&differences, BOOTSTRAP_SEED);
        let of_policy = values.chunks(Measure::ALL.len()).zip(differences.chunks(Measure::ALL.len())).zip(&self.pages).enumerate();
        let measured = of_policy.map(|(n, ((values, differences), (_, all)))| Measured {
            values: values.to_vec(),
            differences: if n == 0 { Vec::new() } else { differences.to_vec() },
            all: *all,
        });
        measured.collect()
    }
}

/// Names what a pool depends on: everything in a policy but how the page is placed.
fn pool_digest(policy: &Policy) -> String {
    let Policy { page_size, diversify, constraint, explore, user_control, .. } = Policy::default();
    let explore = Explore { max_item_age: policy.explore.max_item_age, ..explore };
    let id = String::new();
    Policy { id, version: 1, page_size, diversify, constraint, explore, user_control, ..policy.clone() }.digest()
}
