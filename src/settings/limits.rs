//! Settings of rate limits. Requests a minute, which may also come at once; 0 is no limit.

use serde::{Deserialize, Serialize};

/// How often whom is served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// By one server or admin key.
    pub key_requests_per_minute: u32,
    /// That write for one person: a user token's subject, or whom the path names.
    pub user_writes_per_minute: u32,
    /// That read for one person.
    pub user_reads_per_minute: u32,
    /// Without a valid key or token, all of them together.
    pub anonymous_requests_per_minute: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { key_requests_per_minute: 0, user_writes_per_minute: 600, user_reads_per_minute: 0, anonymous_requests_per_minute: 0 }
    }
}

impl Limits {
    pub(super) fn named(&self) -> [(&'static str, u32); 4] {
        [
            ("key_requests_per_minute", self.key_requests_per_minute),
            ("user_writes_per_minute", self.user_writes_per_minute),
            ("user_reads_per_minute", self.user_reads_per_minute),
            ("anonymous_requests_per_minute", self.anonymous_requests_per_minute),
        ]
    }
}
