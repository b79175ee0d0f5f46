//! What a policy must keep, whatever its knobs say: held by checks, previews, sweeps and canaries alike.

use serde::{Deserialize, Serialize};

use super::check::Faults;

/// Bounds on what pages are measured to have, as means over pages. A bound at the end of its range holds nobody back.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guardrails {
    /// Least relevance kept, 0 (no bound) to 1.
    pub relevance_kept_min: f32,
    /// Least intra-list diversity, 0 (no bound) to 1.
    pub ild_min: f32,
    /// Least entropy of the topics in bits, 0 (no bound) to 10.
    pub topic_entropy_min: f32,
    /// Greatest share of positions filled by chance, 0 to 1 (no bound).
    pub exploration_share_max: f32,
}

impl Default for Guardrails {
    /// Those of the `balanced` preset.
    fn default() -> Self {
        Self { relevance_kept_min: 0.8, ild_min: 0.4, topic_entropy_min: 0.5, exploration_share_max: 0.2 }
    }
}

impl Guardrails {
    pub(super) fn hold(&self, faults: &mut Faults) {
        faults.held("guardrails.relevance_kept_min", self.relevance_kept_min);
        faults.held("guardrails.ild_min", self.ild_min);
        faults.held("guardrails.topic_entropy_min", self.topic_entropy_min);
        faults.held("guardrails.exploration_share_max", self.exploration_share_max);
    }
}
