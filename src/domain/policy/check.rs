//! Holding a policy to its ranges: every fault at once.

use std::fmt;

use super::{Policy, constraint};
use crate::domain::{Span, feed::MAX_PAGE_ITEMS, feed::MAX_POOL};

/// One thing wrong with a policy: the key below the policy's own table, and what is expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyFault {
    pub key: String,
    pub detail: String,
}

/// What is found while checking.
#[derive(Default)]
pub(super) struct Faults(Vec<PolicyFault>);

impl Faults {
    pub fn add(&mut self, key: &str, detail: String) {
        self.0.push(PolicyFault { key: key.into(), detail });
    }

    /// Not-a-number compares false and is a fault too.
    pub fn range<T: PartialOrd + fmt::Display>(&mut self, key: &str, value: T, low: T, high: T) {
        let within = value >= low && value <= high;
        if !within {
            self.add(key, format!("is {value}; expected {low} to {high}"));
        }
    }
}

impl Policy {
    /// Every fault at once; empty means the policy is sound.
    pub fn check(&self) -> Vec<PolicyFault> {
        let mut faults = Faults::default();
        let id_fits =
            (1..=64).contains(&self.id.len()) && self.id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !id_fits {
            faults.add("id", format!("is `{}`; expected 1 to 64 of a-z, 0-9 and -", self.id));
        }
        faults.range("version", self.version, 1, u32::MAX);
        faults.range("page_size", self.page_size, 1, MAX_PAGE_ITEMS as u32);
        self.check_retrieve(&mut faults);
        self.score.check(&mut faults);
        self.diversify.check(&mut faults);
        constraint::check(&self.constraint, &mut faults);
        self.explore.check(&mut faults);
        self.repeat.check(&mut faults);
        faults.range("feed.ttl", self.feed.ttl, Span::minutes(1), Span::hours(24));
        faults.range("feed.length", self.feed.length, 20, MAX_POOL as u32);
        let [low, high] = self.user_control.diversity_range;
        if !(0.0..=1.0).contains(&low) || !(0.0..=1.0).contains(&high) || low > high {
            faults.add("user_control.diversity_range", format!("is [{low}, {high}]; expected [low, high] with 0 ≤ low ≤ high ≤ 1"));
        }
        faults.0
    }

    fn check_retrieve(&self, faults: &mut Faults) {
        faults.range("retrieve.candidates", self.retrieve.candidates, 50, MAX_POOL as u32);
        faults.range("retrieve.deadline", self.retrieve.deadline, Span::millis(5), Span::millis(500));
        let s = &self.retrieve.sources;
        let shares =
            [("interest", s.interest), ("followed", s.followed), ("trending", s.trending), ("fresh", s.fresh), ("outside", s.outside)];
        for (name, share) in shares {
            faults.range(&format!("retrieve.sources.{name}"), share, 0.0, 1.0);
        }
        if s.trending + s.fresh + s.outside <= 0.0 {
            faults.add(
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
