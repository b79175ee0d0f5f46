//! Off-policy estimates: what other chances for the exploration slots would have brought, from what the journal recorded.
//!
//! ```text
//! journal ─► decisions   a slot, what it was drawn from, by which chance, and whether it was rewarded
//!              ▼
//!            chances     how likely the target policy had drawn the same: weight w = π_target / π_logged
//!              ▼
//!            estimators  IPS, clipped IPS, SNIPS, doubly robust; or a refusal that says what is missing
//! ```
//!
//! **What is estimated.** The mean reward of an exploration slot if the target policy drew it, all positions before it being as
//! they were served: the slots of a page count one by one (independent slots; IIPS in Open Bandit Pipeline, Saito et al.,
//! NeurIPS 2021). How a draw changes what is ranked after it, and what people come back for, is not in it.
//!
//! **For which target policies.** Those with the same `Policy::ranking_digest` as the policy that was served: another
//! `explore.method`, `epsilon` or `temperature` on the same pools, slots and ranking. Ranked slots are placed without chance:
//! they have support only where they acted, so up to a feed's first exploration slot the target's are the same and their
//! observed mean is its value, and for any other ranking nothing can be said.

pub mod chances;
pub mod decisions;
pub mod estimators;
mod reward_model;

#[cfg(test)]
mod tests;

use serde::Serialize;

pub use decisions::{Collector, REWARD_WINDOW};
pub use estimators::{Decision, Estimates, estimates};

use super::{
    intervals::{Estimate, clustered},
    replay::Reward,
};

/// With fewer people the intervals cannot be trusted: they count people, not slots.
pub const MIN_PEOPLE: usize = 30;
/// With a smaller effective sample a handful of draws decides the result.
pub const MIN_EFFECTIVE_SAMPLE: f64 = 50.0;
/// Mean chance that the target policy gives to what the logging policy could not draw: above it support is missing.
pub const MAX_UNSUPPORTED: f64 = 1e-6;
/// A candidate with a smaller chance than this was as good as never drawn.
pub const MIN_SUPPORTING_CHANCE: f64 = 1e-9;
/// Of the draws so many may have another chance than their policy gives them: rounding on the edge of what is recorded.
pub const MAX_DISAGREEING_SHARE: f64 = 0.01;

/// Why nothing is estimated. Each says what would help.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Refusal {
    #[error("the journal has no such slots")]
    Nothing,
    #[error(
        "the pages were ranked by another policy (ranking digest {logged}; the target's is {target}): a ranked slot is placed \
         without chance and has support only where it acted. Only explore.method, explore.epsilon and explore.temperature may \
         differ from what was served; compare other policies by replay, or in an experiment"
    )]
    OtherRanking { logged: String, target: String },
    #[error(
        "the journal does not say what its {draws} draws were made from: switch `journal.draws` on (it is by default), or read \
         pages served by this version"
    )]
    NoArms { draws: usize },
    #[error(
        "support is missing: in {share_percent:.1} % of the draws the target policy may take candidates that the logging policy never \
         took, on average {mass_percent:.1} % of its chance. Nothing is known of what they would have brought; serve a policy that \
         may draw them first, e.g. `explore.method = \"epsilon\"` with epsilon above 0"
    )]
    NoSupport { share_percent: f64, mass_percent: f64 },
    #[error(
        "the weights average {mean:.2} where 1 is expected ({deviations:.0} standard errors off): the target policy prefers what the \
         logging policy hardly ever drew. Log more, or choose a target closer to what was served"
    )]
    WeightsOff { mean: f64, deviations: f64 },
    #[error(
        "the effective sample is {effective:.0} draws of {draws}; at least {MIN_EFFECTIVE_SAMPLE:.0} are needed: log more, or choose a target closer to what was served"
    )]
    TooFewDraws { effective: f64, draws: usize },
    #[error("the slots are of {people} people; at least {MIN_PEOPLE} are needed for an interval")]
    TooFewPeople { people: usize },
    #[error(
        "in {share_percent:.1} % of the draws the recorded chance is not that of the recorded policy: the journal was changed or mixed up"
    )]
    Disagreeing { share_percent: f64 },
}

impl Refusal {
    /// A closed list, for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Nothing => "nothing_logged",
            Self::OtherRanking { .. } => "other_ranking",
            Self::NoArms { .. } => "no_arms",
            Self::NoSupport { .. } => "no_support",
            Self::WeightsOff { .. } => "weights_off",
            Self::TooFewDraws { .. } => "too_few_draws",
            Self::TooFewPeople { .. } => "too_few_people",
            Self::Disagreeing { .. } => "chances_disagree",
        }
    }
}

/// What is known of one kind of slot under a target policy.
#[derive(Clone, Debug, PartialEq)]
pub struct SlotReport {
    /// `exploration` or `ranked`.
    pub slot: &'static str,
    pub slots: usize,
    pub people: usize,
    /// Rewards per slot under the policy that was served.
    pub logged: Estimate,
    /// (Σw)² / Σw²: as many draws of the target policy itself would tell as much. Kong, technical report, Chicago 1992.
    pub effective_sample: f64,
    pub greatest_weight: f64,
    /// Rewards per slot under the target policy.
    pub estimates: Result<Estimates, Refusal>,
}

/// What the journal says of one target policy.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    pub reward: Reward,
    /// Left out: pages of a policy that ranks otherwise.
    pub pages_ranked_otherwise: usize,
    /// Left out: draws that do not say what they were made from.
    pub draws_without_arms: usize,
    pub exploration: SlotReport,
    /// Up to each feed's first exploration slot.
    pub ranked: SlotReport,
}

/// What was read and left out, whatever the target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Read {
    pub pages: usize,
    /// Served again as they were: they count once.
    pub repeated_pages: usize,
    pub events: usize,
    /// Rewards that name no feed and so no slot.
    pub rewards_without_feed: usize,
    /// Rewards whose page is not in the journal, or not with this item.
    pub rewards_without_page: usize,
    /// Slots beyond [`decisions::MAX_SLOTS`].
    pub slots_left_out: usize,
}

/// Draws with what a target policy would have done.
#[derive(Default)]
struct Exploration {
    decisions: Vec<Decision>,
    /// Of each draw, the target's chance of what the logging policy could not draw.
    unsupported: Vec<f64>,
    /// Draws whose recorded chance is not that of the recorded policy.
    disagreeing: usize,
}

impl Exploration {
    /// `nothing`: why, if there are no draws.
    fn report(&self, nothing: Refusal) -> SlotReport {
        let clusters: Vec<u32> = self.decisions.iter().map(|decision| decision.cluster).collect();
        let rewards: Vec<f64> = self.decisions.iter().map(|decision| decision.reward).collect();
        let weights = || self.decisions.iter().map(|decision| decision.weight);
        let (people, effective_sample) = (clustered::groups(&clusters), estimators::effective_sample(weights()));
        let obstacle = if self.decisions.is_empty() { Some(nothing) } else { self.obstacle(people, effective_sample) };
        SlotReport {
            slot: "exploration",
            slots: self.decisions.len(),
            people,
            logged: clustered::mean(&clusters, &rewards),
            effective_sample,
            greatest_weight: weights().fold(0.0, f64::max),
            estimates: obstacle.map_or_else(|| Ok(estimates(&self.decisions)), Err),
        }
    }

    /// The first thing that stands against an estimate from at least one draw.
    fn obstacle(&self, people: usize, effective: f64) -> Option<Refusal> {
        let draws = self.decisions.len();
        let percent = |part: f64| 100.0 * part / draws as f64;
        if self.disagreeing as f64 > MAX_DISAGREEING_SHARE * draws as f64 {
            return Some(Refusal::Disagreeing { share_percent: percent(self.disagreeing as f64) });
        }
        let mass: f64 = self.unsupported.iter().sum();
        if mass > MAX_UNSUPPORTED * draws as f64 {
            let touched = self.unsupported.iter().filter(|mass| **mass > MAX_UNSUPPORTED).count();
            return Some(Refusal::NoSupport { share_percent: percent(touched as f64), mass_percent: percent(mass) });
        }
        if people < MIN_PEOPLE {
            return Some(Refusal::TooFewPeople { people });
        }
        if effective < MIN_EFFECTIVE_SAMPLE {
            return Some(Refusal::TooFewDraws { effective, draws });
        }
        estimators::weights_off(&self.decisions)
    }
}
