//! Sponsored items: where they stand beside the feed, and how often.

use serde::{Deserialize, Serialize};

use super::check::{Faults, Rule};

/// Most topics that sponsored items are never shown by.
pub const MAX_SENSITIVE_TOPICS: usize = 64;

/// Slots of sponsored items. They stand between the items of the feed and take the place of none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sponsored {
    /// Slots on a page, 0 to 10; 0 = none.
    pub max_per_page: u32,
    /// Items of a page before its first slot, 0 to 100.
    pub first_position: u32,
    /// Items between two slots, 1 to 100.
    pub every: u32,
    /// Times one sponsored item may come in a feed, 1 to 10.
    pub max_per_feed: u32,
    /// Topics by which no sponsored item is chosen (DSA, article 26(3); GDPR, article 9), besides those of `privacy.sensitive`; compared
    /// without regard to case.
    pub sensitive_topics: Vec<String>,
}

impl Default for Sponsored {
    fn default() -> Self {
        let sensitive = ["ethnicity", "gender", "health", "politics", "religion", "sexuality", "trade_unions"];
        Self {
            max_per_page: 0,
            first_position: 3,
            every: 8,
            max_per_feed: 1,
            sensitive_topics: sensitive.into_iter().map(str::to_owned).collect(),
        }
    }
}

impl Sponsored {
    pub(super) fn check(&self, faults: &mut Faults) {
        faults.held("sponsored.max_per_page", self.max_per_page);
        faults.held("sponsored.first_position", self.first_position);
        faults.held("sponsored.every", self.every);
        faults.held("sponsored.max_per_feed", self.max_per_feed);
        if self.sensitive_topics.len() > MAX_SENSITIVE_TOPICS {
            let detail = format!("has {} entries; expected at most {MAX_SENSITIVE_TOPICS}", self.sensitive_topics.len());
            faults.add(Rule::Count, "sponsored.sensitive_topics", detail);
        }
    }
}
