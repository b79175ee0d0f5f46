//! Diversity by outcome: the least diversity with which the first page reaches what the policy asks for.

use super::{Context, Pool, metrics, metrics::SlateMetrics, place};
use crate::{
    catalogue::Row,
    domain::{
        feed::{Page, Slot},
        policy::{Target, TargetMetric},
    },
};

/// Most slates made to find one weight: the ends of the range and six halvings, a precision of 1/64 of it.
pub const MAX_RUNS: u32 = 8;

/// What was asked for and what the page has.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    pub target: Target,
    /// The metric on the page: bits, share or count.
    pub achieved: f64,
    /// Of the page, in [0, 1].
    pub relevance_kept: f64,
    /// The weight found, in [0, 1].
    pub diversity: f32,
    /// Slates made, at most [`MAX_RUNS`].
    pub runs: u32,
    /// `None`: reached.
    pub missed: Option<Missed>,
}

/// Why an outcome was not reached. The page is the closest one that keeps enough relevance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Missed {
    /// No diversity in the range gets there: the candidates do not have it.
    Unreachable,
    /// It could be reached only by giving up more relevance than allowed.
    RelevanceKept,
}

impl Missed {
    pub const ALL: [Missed; 2] = [Self::Unreachable, Self::RelevanceKept];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::RelevanceKept => "relevance_kept",
        }
    }
}

impl TargetMetric {
    fn of(self, metrics: &SlateMetrics) -> f64 {
        match self {
            Self::None => 0.0,
            Self::Entropy => metrics.topic_entropy,
            Self::Ild => metrics.ild,
            Self::Distinct => metrics.topics as f64,
        }
    }
}

/// One slate that was tried.
pub(super) struct Attempt {
    pub diversity: f32,
    page: Page,
    pub achieved: f64,
    pub relevance_kept: f64,
}

impl Attempt {
    pub fn new(pool: &Pool, diversity: f32, count: usize, context: &Context) -> Self {
        let page = place(&Pool { diversity, ..*pool }, &[], count, context);
        let metrics = measure(pool, &page, context);
        let achieved = context.policy.diversify.target.metric.of(&metrics);
        Self { diversity, page, achieved, relevance_kept: metrics.relevance_kept }
    }
}

/// Makes the first page with the least diversity in `range` that reaches the policy's target; where that cannot be, or would
/// keep too little relevance, the page nearest to it that keeps enough. `pool.diversity` is not looked at.
///
/// More diversity is taken to give more of the metric and less relevance; where a pool does otherwise, the best slate tried wins.
pub fn aim(pool: &Pool, count: usize, range: [f32; 2], context: &Context) -> (Page, Outcome) {
    let target = &context.policy.diversify.target;
    let reached = |attempt: &Attempt| attempt.achieved >= f64::from(target.at_least);
    let keeps = |attempt: &Attempt| attempt.relevance_kept >= f64::from(target.relevance_kept_min);
    let [mut low, mut high] = range;
    let mut attempts = Vec::with_capacity(MAX_RUNS as usize);
    let mut best = Attempt::new(pool, low, count, context);
    if !reached(&best) {
        let last = Attempt::new(pool, high, count, context);
        let ends_fit = reached(&last) || !keeps(&last);
        attempts.push(last);
        while ends_fit && attempts.len() + 1 < MAX_RUNS as usize {
            let attempt = Attempt::new(pool, f32::midpoint(low, high), count, context);
            let too_far = reached(&attempt) || !keeps(&attempt);
            *(if too_far { &mut high } else { &mut low }) = attempt.diversity;
            attempts.push(attempt);
        }
    }
    let runs = attempts.len() as u32 + 1;
    let reachable = reached(&best) || attempts.iter().any(&reached);
    // Both hold, then relevance is kept; among those that reach it the least diversity, among the others the nearest to it.
    let rank = |a: &Attempt| {
        let nearness = if reached(a) { 1.0 - f64::from(a.diversity) } else { a.achieved };
        (reached(a) && keeps(a), keeps(a), if keeps(a) { nearness } else { a.relevance_kept })
    };
    for attempt in attempts {
        if rank(&attempt) > rank(&best) {
            best = attempt;
        }
    }
    let missed = match (reached(&best) && keeps(&best), reachable) {
        (true, _) => None,
        (false, false) => Some(Missed::Unreachable),
        (false, true) => Some(Missed::RelevanceKept),
    };
    let Attempt { diversity, page, achieved, relevance_kept } = best;
    (page, Outcome { target: target.clone(), achieved, relevance_kept, diversity, runs, missed })
}

fn measure(pool: &Pool, page: &Page, context: &Context) -> SlateMetrics {
    let candidate = |index: u32| pool.candidates.get(index as usize);
    let rows: Vec<Row> = page.placed.iter().filter_map(|placed| candidate(placed.pool_index)?.row).collect();
    let relevance = page.placed.iter().filter_map(|placed| Some(candidate(placed.pool_index)?.relevance));
    let kept = metrics::relevance_kept(relevance, pool.candidates.iter().map(|candidate| candidate.relevance));
    let explored = page.placed.iter().filter(|placed| placed.slot == Slot::Exploration).count();
    metrics::measure(&rows, explored, kept, context.snapshot, &context.policy.diversify.similarity)
}
