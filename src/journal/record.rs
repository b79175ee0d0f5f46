//! What a journal line holds. One JSON object per line, `kind` first.

use serde::{Deserialize, Serialize};

use crate::domain::{
    feed::{Arm, Draw},
    policy::{Explore, ExploreMethod},
};

/// A journal line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum JournalRecord {
    Served(ServedRecord),
    Event(EventRecord),
}

/// A page as it was served: the logging policy and, per item, the probability with which it was put there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServedRecord {
    /// Milliseconds since the epoch.
    pub at: i64,
    pub request_id: String,
    pub feed_id: String,
    pub surface: String,
    /// Absent in a non-personalised feed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    pub policy: String,
    pub policy_version: u32,
    pub policy_digest: String,
    /// `Policy::ranking_digest`. Empty: written by an earlier version.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub ranking_digest: String,
    /// How the policy drew. Absent where the page has no draws.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub explore: Option<ExploreRecord>,
    pub diversity: f32,
    pub seed: u64,
    pub page: u32,
    /// Candidates in the pool, and BLAKE3 over their item hashes and relevances in order, little-endian (first 16 hex digits).
    pub pool_size: u32,
    pub pool_digest: String,
    pub items: Vec<ServedItem>,
    /// What the page was measured to have. Absent: written by an earlier version.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub metrics: Option<MetricsRecord>,
    /// The experiment whose arm's policy made the page.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub experiment: Option<Box<ExposureRecord>>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub degraded: Vec<String>,
}

/// `rank::metrics::SlateMetrics`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricsRecord {
    pub ild: f32,
    pub topics: u32,
    pub topic_entropy: f32,
    pub exploration_share: f32,
    pub relevance_kept: f32,
}

/// Somebody in an experiment in which it matters which arm they are in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExposureRecord {
    pub layer: String,
    /// Absent: held out of every experiment of the layer.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub id: Option<String>,
    pub arm: String,
    /// `Experiment::allocation`; empty for a holdout.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub allocation: String,
    /// Pseudonym of the visit, where visits are counted; absent where people are.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub session: Option<String>,
}

/// One position of a served page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServedItem {
    pub id: String,
    pub position: u32,
    pub slot: String,
    pub propensity: f64,
    pub relevance: f32,
    /// 0-based rank by relevance alone.
    pub rank_before: u32,
    /// What an exploration slot was drawn from, when `journal.draws` is on and the page was made for this request.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub draw: Option<DrawRecord>,
}

/// How a policy draws: what the chances of a draw depend on besides its candidates.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExploreRecord {
    pub method: ExploreMethod,
    pub epsilon: f32,
    pub temperature: f32,
}

impl From<&Explore> for ExploreRecord {
    fn from(explore: &Explore) -> Self {
        Self { method: explore.method, epsilon: explore.epsilon, temperature: explore.temperature }
    }
}

/// What an exploration slot was drawn from. No item is named: chances depend on numbers alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DrawRecord {
    /// Index into `arms` of the item that came.
    pub taken: u32,
    pub arms: Vec<ArmRecord>,
}

/// `[relevance, mean, deviation]` of a candidate in whole millionths: fewer bytes and less work than decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArmRecord(pub u32, pub u32, pub u32);

/// Units of an [`ArmRecord`] in 1.
const UNITS: f64 = 1_000_000.0;

impl From<&Draw> for DrawRecord {
    fn from(draw: &Draw) -> Self {
        Self { taken: draw.taken, arms: draw.arms.iter().map(ArmRecord::from).collect() }
    }
}

impl From<&Arm> for ArmRecord {
    fn from(arm: &Arm) -> Self {
        let units = |value: f64| (value * UNITS).round() as u32;
        Self(units(f64::from(arm.relevance)), units(arm.mean), units(arm.deviation).max(1))
    }
}

impl From<ArmRecord> for Arm {
    fn from(ArmRecord(relevance, mean, deviation): ArmRecord) -> Self {
        let value = |units: u32| f64::from(units) / UNITS;
        Self { relevance: value(relevance) as f32, mean: value(mean), deviation: value(deviation) }
    }
}

/// An accepted event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventRecord {
    pub at: i64,
    pub id: String,
    pub user: String,
    #[serde(rename = "type")]
    pub event_type: String,
    pub item: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feed_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<u32>,
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub undo: bool,
}
