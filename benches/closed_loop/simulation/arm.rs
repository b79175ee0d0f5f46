//! The arms: the shipped policy, its parts one by one, and what it is compared with.

use polyphony::{
    catalogue::Row,
    domain::{
        Policy,
        policy::{Method, Normalize},
    },
    rank::{self, Candidate, Pool, place::PoolCandidate},
    source::Query,
};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::SLATE;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arm {
    /// No diversity, no exploration, no constraints.
    Relevance,
    /// The same without the memory of what was shown: no repetition, no start for new items, no impression discount.
    Forgetful,
    /// Relevance under the shipped constraints.
    Constraints,
    /// Relevance with the shipped diversity.
    Mmr,
    /// Relevance with the shipped exploration.
    Quota,
    /// What a server without settings does.
    Shipped,
    /// The shipped policy, calibrated to the reader's history instead of MMR.
    Calibrated,
    /// The shipped policy with `diversity` 0.2.
    LessDiversity,
    /// The shipped policy with relevance stretched, not ranked, into [0, 1].
    Minmax,
    /// Relevance with as much noise as gives the shipped policy's intra-list diversity.
    Placebo,
    /// Any items of the catalogue.
    Random,
}

impl Arm {
    /// In this order a placebo comes after what it imitates.
    pub const ALL: [Arm; 11] = [
        Self::Relevance,
        Self::Forgetful,
        Self::Constraints,
        Self::Mmr,
        Self::Quota,
        Self::Shipped,
        Self::Calibrated,
        Self::LessDiversity,
        Self::Minmax,
        Self::Placebo,
        Self::Random,
    ];

    pub fn policy(self) -> Policy {
        let shipped = Policy::default();
        let mut policy = shipped.clone();
        policy.diversify.diversity = 0.0;
        policy.explore.share = 0.0;
        policy.constraint.clear();
        match self {
            Self::Relevance | Self::Placebo => {}
            Self::Forgetful => {
                policy.score.weights.repetition = 0.0;
                policy.score.weights.uncertainty = 0.0;
                policy.repeat.impression_discount = 1.0;
            }
            Self::Constraints => policy.constraint = shipped.constraint,
            Self::Mmr => policy.diversify = shipped.diversify,
            Self::Quota => policy.explore = shipped.explore,
            Self::Shipped => return shipped,
            Self::Calibrated => {
                policy = shipped;
                policy.diversify.method = Method::Calibrated;
            }
            Self::LessDiversity => {
                policy = shipped;
                policy.diversify.diversity = 0.2;
            }
            Self::Minmax => {
                policy = shipped;
                policy.score.normalize = Normalize::Minmax;
            }
            // Every item of the catalogue is a candidate.
            Self::Random => policy.retrieve.candidates = 5_000,
        }
        policy
    }

    /// A slate from the gathered candidates. `noise` is how much of a placebo's order is chance, in [0, 1].
    pub fn place(self, candidates: Vec<Candidate>, query: &Query, noise: f64, rng: &mut ChaCha8Rng) -> Vec<Row> {
        let context = query.context();
        let scored = rank::score(candidates, &query.excluded, &context).scored;
        let noise = match self {
            Self::Placebo => noise,
            Self::Random => 1.0,
            _ => {
                let candidates: Vec<PoolCandidate> = scored.iter().map(PoolCandidate::from).collect();
                let pool = Pool {
                    candidates: &candidates,
                    diversity: context.policy.diversify.diversity,
                    seed: query.seed,
                    exemplars: &[],
                    dials: Default::default(),
                };
                let page = rank::place(&pool, &[], SLATE, &context);
                return page.placed.iter().filter_map(|placed| candidates[placed.pool_index as usize].row).collect();
            }
        };
        let mut mixed: Vec<(f64, Row)> =
            scored.iter().map(|s| ((1.0 - noise) * f64::from(s.relevance) + noise * rng.random::<f64>(), s.row)).collect();
        mixed.sort_by(|a, b| b.0.total_cmp(&a.0));
        mixed.into_iter().take(SLATE).map(|(_, row)| row).collect()
    }
}
