//! Holding a policy to its ranges: every fault at once.

use super::{
    Guardrails, Policy, constraint,
    knob::{Size, knob},
};

/// One thing wrong with a policy: the key below the policy's own table, and what is expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyFault {
    pub key: String,
    pub rule: Rule,
    pub detail: String,
}

/// What was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// A value within its knob's range.
    Range,
    /// Weights or shares that sum to 1.
    Sum,
    /// Sources for a reader without a profile.
    Sources,
    /// A range whose low end is not above its high end.
    Ends,
    /// A value that stands once in its list.
    Once,
    /// A list that is not too long.
    Count,
    /// A constraint whose numbers fit each other.
    Constraint,
}

/// What is found while checking.
#[derive(Default)]
pub(super) struct Faults(Vec<PolicyFault>);

impl Faults {
    pub fn add(&mut self, rule: Rule, key: &str, detail: String) {
        self.0.push(PolicyFault { key: key.into(), rule, detail });
    }

    /// Holds the value of a knob to its range. Not-a-number is a fault too.
    pub fn held(&mut self, key: &str, value: impl Into<Size>) {
        let size = value.into();
        if let Some(expected) = knob(key).and_then(|knob| knob.kind.fault(size)) {
            self.add(Rule::Range, key, format!("is {size}; expected {expected}"));
        }
    }

    /// Holds a share or weight that is a field of a list's table.
    pub fn share(&mut self, key: &str, value: f32) {
        if !(0.0..=1.0).contains(&value) {
            self.add(Rule::Range, key, format!("is {value}; expected 0 to 1"));
        }
    }
}

impl Guardrails {
    /// Every fault at once; empty means the guardrails are sound.
    pub fn check(&self) -> Vec<PolicyFault> {
        let mut faults = Faults::default();
        self.hold(&mut faults);
        faults.0
    }
}

impl Policy {
    /// Every fault at once; empty means the policy is sound.
    pub fn check(&self) -> Vec<PolicyFault> {
        let mut faults = Faults::default();
        let id_fits =
            (1..=64).contains(&self.id.len()) && self.id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !id_fits {
            faults.add(Rule::Range, "id", format!("is `{}`; expected 1 to 64 of a-z, 0-9 and -", self.id));
        }
        faults.held("version", self.version);
        faults.held("page_size", self.page_size);
        self.check_retrieve(&mut faults);
        self.score.check(&mut faults);
        self.diversify.check(&mut faults);
        constraint::check(&self.constraint, &mut faults);
        self.explore.check(&mut faults);
        self.repeat.check(&mut faults);
        faults.held("feed.ttl", self.feed.ttl);
        faults.held("feed.length", self.feed.length);
        self.session.check(&mut faults);
        self.sponsored.check(&mut faults);
        self.reach.check(&mut faults);
        let [low, high] = self.user_control.diversity_range;
        if !(0.0..=1.0).contains(&low) || !(0.0..=1.0).contains(&high) || low > high {
            faults.add(
                Rule::Ends,
                "user_control.diversity_range",
                format!("is [{low}, {high}]; expected [low, high] with 0 ≤ low ≤ high ≤ 1"),
            );
        }
        faults.0
    }

    fn check_retrieve(&self, faults: &mut Faults) {
        faults.held("retrieve.candidates", self.retrieve.candidates);
        faults.held("retrieve.deadline", self.retrieve.deadline);
        let s = &self.retrieve.sources;
        let shares =
            [("interest", s.interest), ("followed", s.followed), ("trending", s.trending), ("fresh", s.fresh), ("outside", s.outside)];
        for (name, share) in shares {
            faults.held(&format!("retrieve.sources.{name}"), share);
        }
        if s.trending + s.fresh + s.outside <= 0.0 {
            faults.add(
                Rule::Sources,
                "retrieve.sources",
                "trending, fresh and outside are all 0: a reader without a profile would get nothing; set at least one above 0".into(),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::policy::ExploreMethod;

    #[test]
    fn the_default_is_sound() {
        assert_eq!(Policy::default().check(), []);
    }

    #[test]
    fn all_faults_are_named_at_once() {
        let mut policy = Policy { page_size: 0, ..Policy::default() };
        policy.diversify.diversity = f32::NAN;
        policy.explore.share = 0.9;
        policy.diversify.similarity.topic = 0.9;
        let keys: Vec<String> = policy.check().into_iter().map(|f| f.key).collect();
        assert_eq!(keys, ["page_size", "diversify.diversity", "diversify.similarity", "explore.share"]);
    }

    #[test]
    fn the_digest_names_the_content() {
        let base = Policy::default();
        let mut other = base.clone();
        assert_eq!(base.digest(), other.digest());
        other.diversify.diversity += 0.01;
        assert_ne!(base.digest(), other.digest());
    }

    #[test]
    fn the_ranking_digest_leaves_out_the_name_and_the_chances_of_draws() {
        let base = Policy::default();
        let mut other = Policy { id: "other".into(), version: 9, ..base.clone() };
        other.explore.method = ExploreMethod::Softmax;
        (other.explore.epsilon, other.explore.temperature) = (0.5, 0.5);
        assert_eq!(base.ranking_digest(), other.ranking_digest());
        other.explore.share += 0.01;
        assert_ne!(base.ranking_digest(), other.ranking_digest());
        assert_ne!(base.ranking_digest(), Policy { page_size: 10, ..base }.ranking_digest());
    }
}
