//! Where Redis is and how long it may take. The password never shows: not in `Debug`, not in a message.

use std::fmt;

use redis::{Client, IntoConnectionInfo, ProtocolVersion};

use crate::{
    domain::Span,
    store::{StoreError, StoreOptions},
};

/// Settings of a [`super::RedisStore`].
#[derive(Clone)]
pub struct RedisOptions {
    /// `redis://[[user]:password@]host[:port][/db]` or `redis+unix:///path[?db=0][&user=…][&pass=…]`.
    pub url: String,
    /// Begins every key; without `{` and `}`, which Redis Cluster reads as a hash tag.
    pub key_prefix: String,
    /// Longest a call for one person may take, in all.
    pub timeout: Span,
    /// Longest one round trip of a catalogue call may take.
    pub bulk_timeout: Span,
    /// Changes kept for instances that lag behind (Redis may keep a few more).
    pub change_log_max: usize,
    pub store: StoreOptions,
}

impl Default for RedisOptions {
    fn default() -> Self {
        Self {
            url: "redis://127.0.0.1:6379".into(),
            key_prefix: "pf:".into(),
            timeout: Span::millis(50),
            bulk_timeout: Span::secs(5),
            change_log_max: 100_000,
            store: StoreOptions::default(),
        }
    }
}

impl fmt::Debug for RedisOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, key_prefix, timeout, bulk_timeout, change_log_max, store } = self;
        f.debug_struct("RedisOptions")
            .field("url", &redacted_url(url))
            .field("key_prefix", key_prefix)
            .field("timeout", timeout)
            .field("bulk_timeout", bulk_timeout)
            .field("change_log_max", change_log_max)
            .field("store", store)
            .finish()
    }
}

impl RedisOptions {
    /// Where people's keys are, if not with everything else. Errors: as [`Self::client`].
    pub(super) fn key_client(&self) -> Result<Option<Client>, StoreError> {
        self.store.keys.redis_url.as_deref().map(client_of).transpose()
    }

    /// Errors: [`StoreError::Refused`] for a URL or prefix that cannot be used. Connects to nothing.
    pub(super) fn client(&self) -> Result<Client, StoreError> {
        if self.key_prefix.contains(['{', '}']) {
            let message = format!("key_prefix `{}` has a brace; it would break the hash tags of the keys", self.key_prefix);
            return Err(StoreError::Refused(message));
        }
        client_of(&self.url)
    }
}

fn client_of(url: &str) -> Result<Client, StoreError> {
    let wrong = |fault: redis::RedisError| {
        let shown = redacted_url(url);
        let fault = fault.to_string();
        StoreError::Refused(format!("`{shown}` is not a Redis URL ({fault}); write e.g. redis://user:password@host:6379/0"))
    };
    let info = url.into_connection_info().map_err(wrong)?;
    // RESP3 tells at once when the server closes a connection.
    let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
    Client::open(info.set_redis_settings(settings)).map_err(wrong)
}

/// `url` with everything secret replaced by `***`: the password, or all before the last `@` where that is unclear.
pub fn redacted_url(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").map_or(("", url), |(scheme, rest)| (scheme, rest));
    let separator = if scheme.is_empty() { "" } else { "://" };
    let (secret, rest) = rest.rsplit_once('@').map_or(("", rest), |(secret, rest)| (secret, rest));
    let user = match secret.split_once(':') {
        _ if secret.is_empty() => String::new(),
        Some((user, _)) if !user.contains(['/', '@']) => format!("{user}:***@"),
        _ => "***@".into(),
    };
    let (path, query) = rest.split_once('?').map_or((rest, None), |(path, query)| (path, Some(query)));
    let hide = |pair: &str| match pair.split_once('=') {
        Some((name, _)) if name.starts_with("pass") => format!("{name}=***"),
        _ => pair.to_owned(),
    };
    let query = query.map(|query| format!("?{}", query.split('&').map(hide).collect::<Vec<_>>().join("&")));
    format!("{scheme}{separator}{user}{path}{}", query.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_never_shows() {
        for (url, shown) in [
            ("redis://127.0.0.1:6379/0", "redis://127.0.0.1:6379/0"),
            ("redis://ann:s3cret@host:1/0", "redis://ann:***@host:1/0"),
            ("redis://:s3cret@host", "redis://:***@host"),
            ("redis://s3cret@host", "redis://***@host"),
            ("redis://:s3/cr@et@host", "redis://:***@host"),
            (":s3cret@host", ":***@host"),
            ("redis+unix:///run/r.sock?db=1&pass=s3cret", "redis+unix:///run/r.sock?db=1&pass=***"),
        ] {
            assert_eq!(redacted_url(url), shown);
            let options = RedisOptions { url: url.into(), ..RedisOptions::default() };
            assert!(!format!("{options:?}").contains("s3"), "{options:?}");
        }
    }

    #[test]
    fn what_cannot_be_used_is_refused_without_the_secret() {
        for url in ["", "nonsense", "http://:s3cret@host", "redis://:s3cret@host:notaport", "redis://:s3cret@"] {
            let options = RedisOptions { url: url.into(), ..RedisOptions::default() };
            let message = options.client().unwrap_err().to_string();
            assert!(message.contains("is not a Redis URL") && !message.contains("s3cret"), "{message}");
        }
        let options = RedisOptions { key_prefix: "a{b}".into(), ..RedisOptions::default() };
        assert!(options.client().unwrap_err().to_string().contains("hash tags"));
    }
}
