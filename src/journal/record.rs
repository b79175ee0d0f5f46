//! What a journal line holds. One JSON object per line, `kind` first.

use serde::{Deserialize, Serialize};

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
    pub diversity: f32,
    pub seed: u64,
    pub page: u32,
    /// Candidates in the pool, and BLAKE3 over their item hashes and relevances in order, little-endian (first 16 hex digits).
    pub pool_size: u32,
    pub pool_digest: String,
    pub items: Vec<ServedItem>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub degraded: Vec<String>,
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
