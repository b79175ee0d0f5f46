//! Where Redis is and how it is reached: [`RedisStore`], and what must hold between its keys.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{
    Secret,
    check::{Found, REDIS_SCHEMES},
};
use crate::domain::Span;

const TIMEOUT_MIN: Span = Span::millis(1);
const TIMEOUT_MAX: Span = Span::secs(10);
const KEY_PREFIX_MAX_BYTES: usize = 32;
const CHANGE_LOG_ENTRIES_MIN: u32 = 1_000;
const CHANGE_LOG_ENTRIES_MAX: u32 = 10_000_000;
const PERSON_CACHE_BYTES_MAX: u64 = 64 << 30;

/// How Redis is deployed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RedisMode {
    /// One primary, at the URL.
    #[default]
    Single,
    /// A Redis Cluster; the URL names some of its nodes.
    Cluster,
    /// The URL names Sentinels, which name the primary.
    Sentinel,
}

/// One store for several servers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedisStore {
    /// May hold a password. Empty: the embedded store is used.
    pub url: Secret,
    pub mode: RedisMode,
    pub key_prefix: String,
    /// For one command; later the answer is a degraded one.
    pub timeout: Span,
    /// Entries of the catalogue's change log.
    pub change_log_max: u32,
    /// Memory for the people read last, in bytes; 0: none.
    pub person_cache_bytes: u64,
    pub sentinel: Sentinel,
    pub tls: RedisTls,
}

/// The primary as Sentinels know it, and how they are asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sentinel {
    pub primary: String,
    pub username: String,
    pub password: Secret,
}

/// Files in PEM for `rediss://`. Empty: the machine's authorities, and no certificate of ours.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedisTls {
    pub ca_file: PathBuf,
    pub cert_file: PathBuf,
    pub key_file: PathBuf,
}

impl Default for RedisStore {
    fn default() -> Self {
        Self {
            url: Secret::default(),
            mode: RedisMode::Single,
            key_prefix: "pf".into(),
            timeout: Span::millis(50),
            change_log_max: 100_000,
            person_cache_bytes: 67_108_864,
            sentinel: Sentinel::default(),
            tls: RedisTls::default(),
        }
    }
}

impl Default for Sentinel {
    fn default() -> Self {
        Self { primary: "mymaster".into(), username: String::new(), password: Secret::default() }
    }
}

impl RedisStore {
    pub(super) fn check(&self, found: &mut Found) {
        self.check_url(found);
        let prefix = &self.key_prefix;
        let fits = (1..=KEY_PREFIX_MAX_BYTES).contains(&prefix.len())
            && prefix.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        if !fits {
            found.is("store.redis.key_prefix", format!("is \"{prefix}\"; expected 1 to {KEY_PREFIX_MAX_BYTES} of a-z, A-Z, 0-9, _ and -"));
        }
        found.range("store.redis.timeout", self.timeout, TIMEOUT_MIN, TIMEOUT_MAX);
        found.range("store.redis.person_cache_bytes", self.person_cache_bytes, 0, PERSON_CACHE_BYTES_MAX);
        found.range("store.redis.change_log_max", self.change_log_max, CHANGE_LOG_ENTRIES_MIN, CHANGE_LOG_ENTRIES_MAX);
        if self.sentinel.primary.is_empty() {
            found.is("store.redis.sentinel.primary", "is empty; expected the name Sentinels know the primary by".into());
        }
        if self.tls.cert_file.as_os_str().is_empty() != self.tls.key_file.as_os_str().is_empty() {
            found.is("store.redis.tls.cert_file", "and `store.redis.tls.key_file` go together; expected both or neither".into());
        }
        let files = [&self.tls.ca_file, &self.tls.cert_file, &self.tls.key_file];
        if files.iter().any(|file| !file.as_os_str().is_empty()) && !self.url.expose().starts_with("rediss://") {
            found.is("store.redis.tls", "names files, and `store.redis.url` has no TLS; expected a URL with \"rediss://\"".into());
        }
    }

    fn check_url(&self, found: &mut Found) {
        let url = self.url.expose();
        if !url.is_empty() && !REDIS_SCHEMES.iter().any(|scheme| url.starts_with(scheme)) {
            found.is(
                "store.redis.url",
                "has another scheme; expected \"redis://host:6379/0\", \"rediss://…\" for TLS, \"unix:///path/to.sock\" or \"\"".into(),
            );
        }
        let hosts = url.rsplit_once('@').map_or(url, |(_, hosts)| hosts);
        if self.mode == RedisMode::Single && !url.contains("unix://") && hosts.contains(',') {
            found.is("store.redis.url", "names several servers; expected `store.redis.mode` = \"cluster\" or \"sentinel\", or one".into());
        }
        if self.mode != RedisMode::Single && (url.is_empty() || url.contains("unix://")) {
            found.is("store.redis.mode", "is not \"single\"; expected a `store.redis.url` with the host of at least one node".into());
        }
        let database = hosts.trim_start_matches(|c| c != ':').rsplit_once('/').map_or("", |(_, database)| database);
        if self.mode == RedisMode::Cluster && database.parse::<u32>().is_ok_and(|database| database != 0) {
            found.is("store.redis.url", "has a database; expected none, because a Redis Cluster has only 0".into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    #[test]
    fn what_does_not_go_together_is_told() {
        let faults = |change: fn(&mut RedisStore)| -> Vec<String> {
            let mut settings = Settings::default();
            change(&mut settings.store.redis);
            settings.check().into_iter().map(|fault| fault.key).collect()
        };
        assert_eq!(faults(|redis| redis.url = Secret::new("redis://a,b")), ["store.redis.url"]);
        assert_eq!(faults(|redis| redis.url = Secret::new("redis://u:p,w@a/3")), [""; 0]);
        assert_eq!(faults(|redis| redis.mode = RedisMode::Cluster), ["store.redis.mode"]);
        let cluster = |url: &str| {
            let mut settings = Settings::default();
            settings.store.redis.mode = RedisMode::Cluster;
            settings.store.redis.url = Secret::new(url);
            settings.check().len()
        };
        assert_eq!((cluster("redis://u:p@a:1,b:2/3"), cluster("rediss://u:p@a:1,b:2/0"), cluster("redis://a")), (1, 0, 0));
        assert_eq!(faults(|redis| redis.tls.ca_file = "ca.pem".into()), ["store.redis.tls"]);
        assert_eq!(faults(|redis| redis.tls.key_file = "k.pem".into()), ["store.redis.tls.cert_file", "store.redis.tls"]);
        assert_eq!(faults(|redis| redis.sentinel.primary.clear()), ["store.redis.sentinel.primary"]);
    }
}
