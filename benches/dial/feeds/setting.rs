//! The policies that are compared.

use polyphony::domain::{
    Facet, FacetValue, Policy,
    policy::{Aggregate, Calibrate, Constraint, EditorialShare, Method, Toward},
};

use super::{EMBEDDING_ONLY, PAGE};

/// A way to diversify.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    pub name: &'static str,
    method: Method,
    aggregate: Aggregate,
    window: u32,
}

const fn setting(name: &'static str, method: Method, aggregate: Aggregate, window: u32) -> Setting {
    Setting { name, method, aggregate, window }
}

/// The default first.
pub const SETTINGS: [Setting; 8] = [
    setting("mmr mean", Method::Mmr, Aggregate::Mean, 0),
    setting("mmr max", Method::Mmr, Aggregate::Max, 0),
    setting("mmr mean, window 5", Method::Mmr, Aggregate::Mean, 5),
    setting("dpp", Method::Dpp, Aggregate::Mean, 0),
    setting("msd", Method::Msd, Aggregate::Mean, 0),
    setting("ssd", Method::Ssd, Aggregate::Mean, 0),
    setting("coverage", Method::Coverage, Aggregate::Mean, 0),
    setting("calibrated", Method::Calibrated, Aggregate::Mean, 0),
];

impl Setting {
    /// The shipped policy with this method, without exploration and constraints: the dial alone is seen.
    pub fn policy(self) -> Policy {
        let mut policy = bare();
        policy.diversify.method = self.method;
        policy.diversify.aggregate = self.aggregate;
        policy.diversify.window = self.window;
        policy
    }
}

/// The shipped policy without exploration and constraints.
pub fn bare() -> Policy {
    let mut policy = Policy::default();
    policy.explore.share = 0.0;
    policy.constraint.clear();
    policy
}

/// MMR by the embeddings alone.
pub fn embedding_only(aggregate: Aggregate) -> Policy {
    let mut policy = bare();
    policy.diversify.aggregate = aggregate;
    policy.diversify.similarity = EMBEDDING_ONLY;
    policy
}

/// Calibrated toward equal shares of `viewpoints`.
pub fn balanced(viewpoints: &[FacetValue]) -> Policy {
    let mut policy = bare();
    policy.diversify.method = Method::Calibrated;
    let share = 1.0 / viewpoints.len() as f32;
    let editorial = viewpoints.iter().map(|value| EditorialShare { value: value.to_string(), share }).collect();
    policy.diversify.calibrate = Calibrate { facet: Facet::Viewpoint, toward: Toward::Editorial, editorial };
    policy
}

/// Relevance order in which each of `viewpoints` has at least its even share of every page, rounded down.
pub fn at_least_even(viewpoints: &[FacetValue]) -> Policy {
    let mut policy = bare();
    let (min, per) = ((PAGE / viewpoints.len()) as u32, PAGE as u32);
    let rule = |value: &FacetValue| Constraint::MinShare { facet: Facet::Viewpoint, value: value.clone(), min, per, top: None };
    policy.constraint = viewpoints.iter().map(rule).collect();
    policy
}
