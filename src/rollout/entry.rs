//! What an entry of the activation log says. One JSON object; its fields never change their meaning.

use serde::{Deserialize, Serialize};

use crate::policy::PolicySet;

/// Longest `reason`, in bytes.
pub const REASON_BYTES_MAX: usize = 1_000;
/// Longest `actor`, in bytes.
pub const ACTOR_BYTES_MAX: usize = 64;
/// Most lines of a diff in an entry; more are counted.
pub const DIFF_LINES_MAX: usize = 50;

/// One entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// 1 for the first.
    pub seq: u64,
    /// Milliseconds since the epoch.
    pub at: i64,
    /// Who: what the caller said of itself, and which key it had. Never a person's name by itself: the log is for ever.
    pub actor: String,
    pub cause: Cause,
    pub action: Action,
    pub reason: String,
    /// What everybody got before; for the rollback of a canary, the canary.
    pub from: SetRef,
    /// What it was about to be given to: everybody, or a share of people.
    pub to: SetRef,
    /// Of people, for a canary.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub share: Option<f64>,
    /// What `to` serves otherwise than `from`, one knob a line.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub diff: Vec<String>,
    /// Means over pages for made-up readers, when the policy was tried before it was activated.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub preview: Vec<Tried>,
    /// What the canary's pages were like.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub evidence: Vec<Evidence>,
    /// Steps the operator chose to skip.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub skipped: Vec<Step>,
}

/// Who or what set it off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    Operator,
    /// The policy file changed.
    File,
    /// A guardrail was violated.
    Guardrail,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// A share of people get `to`, all others `from`.
    Canary,
    /// Everybody gets `to`.
    Activate,
    /// As [`Action::Activate`], with what was before.
    Rollback,
}

impl Action {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Canary => "canary",
            Self::Activate => "activate",
            Self::Rollback => "rollback",
        }
    }
}

/// A step that comes before a policy is everybody's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Pages for made-up readers from the live catalogue, which must keep the guardrails.
    Preview,
    /// A share of people first.
    Canary,
}

impl Step {
    pub const NAMES: [&'static str; 2] = ["preview", "canary"];

    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "preview" => Some(Self::Preview),
            "canary" => Some(Self::Canary),
            _ => None,
        }
    }
}

/// Which policy set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetRef {
    pub id: String,
    pub version: u32,
    /// [`PolicySet::digest`].
    pub digest: String,
}

impl From<&PolicySet> for SetRef {
    fn from(set: &PolicySet) -> Self {
        Self { id: set.id.clone(), version: set.version, digest: set.digest.clone() }
    }
}

impl std::fmt::Display for SetRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} v{} ({})", self.id, self.version, self.digest)
    }
}

/// One surface, before and after.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tried {
    pub surface: String,
    pub readers: usize,
    pub before: Means,
    pub after: Means,
}

/// Means over pages of what the guardrails bound.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Means {
    pub relevance_kept: f64,
    pub ild: f64,
    pub topic_entropy: f64,
    pub exploration_share: f64,
}

/// How one measure of a surface's first pages did among those who got the canary and those who did not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    pub surface: String,
    /// `relevance_kept`, `ild`, `topic_entropy` or `exploration_share`.
    pub measure: String,
    /// The bound the canary's policy sets.
    pub guardrail: f64,
    /// Whether the canary is beyond it with [`Evidence::confidence`].
    pub violated: bool,
    pub canary: Estimate,
    pub control: Estimate,
    /// Of each interval, at all times together.
    pub confidence: f64,
}

/// A mean over people, one page each.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    pub people: u64,
    pub mean: f64,
    pub lower: f64,
    pub upper: f64,
}
