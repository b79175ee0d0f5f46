//! The estimators, pure: decisions in, the target policy's value with its interval out.

use serde::Serialize;

use super::{
    super::intervals::{Estimate, clustered, student_t_975},
    Refusal,
    reward_model::{self, Features, Moments},
};
use crate::rank::explore::Arm;

/// Parts that the reward model is fitted without, one after another: people in one part do not shape its predictions.
const FOLDS: usize = 5;
/// Standard errors by which the mean weight may miss 1.
const MAX_WEIGHT_DEVIATIONS: f64 = 4.0;

/// One slot that was drawn by chance, as a target policy is judged by it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decision {
    /// Whose feed: decisions of one person are no independent evidence.
    pub cluster: u32,
    /// π_target / π_logged of what was drawn, ≥ 0.
    pub weight: f64,
    /// 1 if it was rewarded, else 0.
    pub reward: f64,
    /// Features of what was drawn, and their mean under the target policy.
    taken: Features,
    expected: Features,
}

/// A draw as it was logged.
#[derive(Clone, Copy, Debug)]
pub struct LoggedDraw<'a> {
    pub cluster: u32,
    pub position: u32,
    pub arms: &'a [Arm],
    /// Index into `arms`.
    pub taken: usize,
    /// Its chance under the logging policy, in (0, 1].
    pub propensity: f64,
}

impl Decision {
    /// Judges a draw by `chances`, the target policy's of every arm. `None`: it names an arm that is not there.
    pub fn new(draw: &LoggedDraw, chances: &[f64], reward: f64) -> Option<Self> {
        let (arm, chance) = (draw.arms.get(draw.taken)?, chances.get(draw.taken)?);
        let is_chance = draw.propensity > 0.0 && draw.propensity <= 1.0;
        is_chance.then(|| Self {
            cluster: draw.cluster,
            weight: chance / draw.propensity,
            reward,
            taken: reward_model::features(arm, draw.position),
            expected: reward_model::expected(draw.arms, chances, draw.position),
        })
    }
}

/// The target policy's mean reward per slot, four ways, each with a 95 % interval.
///
/// Intervals: normal approximation by the influence of each decision, summed over people
/// ([`clustered::interval`]); those of ratios by the delta method. r reward, w weight, q̂ the reward model.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Estimates {
    /// Inverse propensity score: `mean(w·r)`. Unbiased, wide. Horvitz & Thompson, JASA 1952.
    pub ips: Estimate,
    /// `mean(min(w, √n)·r)`: narrower, too low by what is cut. Ionides, Journal of Computational and Graphical Statistics 2008.
    pub clipped_ips: Estimate,
    /// Self-normalised: `Σ w·r / Σ w`. Swaminathan & Joachims, NeurIPS 2015.
    pub snips: Estimate,
    /// Doubly robust: `mean(Σ_a π(a)·q̂(a) + w·(r − q̂))`. Dudík, Langford & Li, ICML 2011; q̂ fitted on the other people's draws
    /// (cross-fitting: Chernozhukov et al., Econometrics Journal 2018).
    pub dr: Estimate,
}

impl Estimates {
    pub fn named(&self) -> [(&'static str, Estimate); 4] {
        [("ips", self.ips), ("clipped_ips", self.clipped_ips), ("snips", self.snips), ("dr", self.dr)]
    }
}

/// Estimates from at least two people's decisions.
pub fn estimates(decisions: &[Decision]) -> Estimates {
    let clusters: Vec<u32> = decisions.iter().map(|decision| decision.cluster).collect();
    let clip = (decisions.len() as f64).sqrt();
    let weighted = |of: &dyn Fn(&Decision) -> f64| {
        let values: Vec<f64> = decisions.iter().map(of).collect();
        clustered::mean(&clusters, &values)
    };
    let models = models(decisions);
    let robust = |decision: &Decision| {
        let model = &models[fold(decision.cluster)];
        let left = decision.reward - reward_model::value(model, &decision.taken);
        reward_model::value(model, &decision.expected) + decision.weight * left
    };
    Estimates {
        ips: weighted(&|decision| decision.weight * decision.reward),
        clipped_ips: weighted(&|decision| decision.weight.min(clip) * decision.reward),
        snips: self_normalised(decisions, &clusters),
        dr: weighted(&robust),
    }
}

fn self_normalised(decisions: &[Decision], clusters: &[u32]) -> Estimate {
    let sum: f64 = decisions.iter().map(|decision| decision.weight).sum();
    let rewards: f64 = decisions.iter().map(|decision| decision.weight * decision.reward).sum();
    let value = if sum > 0.0 { rewards / sum } else { 0.0 };
    let mean_weight = sum / decisions.len().max(1) as f64;
    let influence = decisions.iter().map(|decision| decision.weight / mean_weight * (decision.reward - value));
    clustered::interval(value, clusters, influence)
}

const fn fold(cluster: u32) -> usize {
    cluster as usize % FOLDS
}

/// The reward model for each fold, fitted on all the others.
fn models(decisions: &[Decision]) -> [Features; FOLDS] {
    let (mut all, mut parts) = (Moments::default(), [Moments::default(); FOLDS]);
    for decision in decisions {
        all.add(&decision.taken, decision.reward);
        parts[fold(decision.cluster)].add(&decision.taken, decision.reward);
    }
    parts.map(|part| all.without(&part).fit())
}

/// `(Σw)² / Σw²`; 0 of nothing.
pub fn effective_sample(weights: impl Iterator<Item = f64>) -> f64 {
    let (sum, squares) = weights.fold((0.0, 0.0), |(sum, squares), weight| (sum + weight, squares + weight * weight));
    if squares > 0.0 { sum * sum / squares } else { 0.0 }
}

/// With support everywhere weights average 1; where they do not, the target's mass lies where hardly anything was drawn.
pub fn weights_off(decisions: &[Decision]) -> Option<Refusal> {
    let clusters: Vec<u32> = decisions.iter().map(|decision| decision.cluster).collect();
    let weights: Vec<f64> = decisions.iter().map(|decision| decision.weight).collect();
    let mean = clustered::mean(&clusters, &weights);
    let error = mean.half() / student_t_975(clustered::groups(&clusters).saturating_sub(1));
    let deviations = (mean.value - 1.0).abs() / error.max(f64::MIN_POSITIVE);
    // Rounding of what is recorded moves the mean by less than this.
    let is_off = deviations > MAX_WEIGHT_DEVIATIONS && (mean.value - 1.0).abs() > 0.01;
    is_off.then_some(Refusal::WeightsOff { mean: mean.value, deviations })
}

/// Of the target's chance, how much lies on arms that the logging policy could not draw.
pub fn unsupported(target: &[f64], logged: &[f64]) -> f64 {
    let beyond = target.iter().zip(logged).filter(|(_, logged)| **logged < super::MIN_SUPPORTING_CHANCE);
    beyond.map(|(target, _)| target).sum()
}
