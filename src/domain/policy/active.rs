//! The policies in force.

use std::{collections::BTreeMap, sync::Arc};

use super::Policy;

/// A checked policy with its digest: what a request holds from start to end.
#[derive(Clone, Debug, PartialEq)]
pub struct ActivePolicy {
    pub policy: Policy,
    pub digest: String,
    pub ranking_digest: String,
}

impl ActivePolicy {
    pub fn new(policy: Policy) -> Self {
        let (digest, ranking_digest) = (policy.digest(), policy.ranking_digest());
        Self { policy, digest, ranking_digest }
    }
}

/// The active policy of every surface: one snapshot, swapped whole.
#[derive(Clone, Debug, PartialEq)]
pub struct Surfaces(pub BTreeMap<String, Arc<ActivePolicy>>);

impl Surfaces {
    pub fn get(&self, surface: &str) -> Option<&Arc<ActivePolicy>> {
        self.0.get(surface)
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}
