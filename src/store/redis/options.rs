//! Where Redis is and how long it may take. The password never shows: not in `Debug`, not in a message.

use std::{fmt, path::PathBuf};

use redis::{ClientTlsConfig, ConnectionInfo, IntoConnectionInfo, TlsCertificates};

use super::dial::{Dialer, Place, Watched};
use crate::{
    domain::Span,
    settings::{RedisMode, Sentinel},
    store::{StoreError, StoreOptions},
};

/// Files in PEM that a `rediss://` URL goes with. Read when the store is made.
#[derive(Clone, Debug, Default)]
pub struct TlsFiles {
    /// Who signs the servers' certificates; `None`: whoever the machine trusts.
    pub ca: Option<PathBuf>,
    /// The certificate to show, and its key.
    pub client: Option<(PathBuf, PathBuf)>,
}

/// Settings of a [`super::RedisStore`].
#[derive(Clone)]
pub struct RedisOptions {
    /// `redis[s]://[[user]:password@]host[:port][,host[:port]…][/db]` or `redis+unix:///path[?db=0][&user=…][&pass=…]`.
    pub url: String,
    pub mode: RedisMode,
    pub sentinel: Sentinel,
    pub tls: TlsFiles,
    /// Begins every key; without `{` and `}`, which Redis Cluster reads as a hash tag.
    pub key_prefix: String,
    /// Longest a call for one person may take, in all.
    pub timeout: Span,
    /// Longest one round trip of a catalogue call may take.
    pub bulk_timeout: Span,
    /// Changes kept for instances that lag behind (Redis may keep a few more).
    pub change_log_max: usize,
    /// Memory for the people this process read last; 0: none are remembered.
    pub person_cache_bytes: u64,
    pub store: StoreOptions,
}

impl Default for RedisOptions {
    fn default() -> Self {
        Self {
            url: "redis://127.0.0.1:6379".into(),
            mode: RedisMode::Single,
            sentinel: Sentinel::default(),
            tls: TlsFiles::default(),
            key_prefix: "pf:".into(),
            timeout: Span::millis(50),
            bulk_timeout: Span::secs(5),
            change_log_max: 100_000,
            person_cache_bytes: 64 << 20,
            store: StoreOptions::default(),
        }
    }
}

impl fmt::Debug for RedisOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, mode, sentinel, tls, key_prefix, timeout, bulk_timeout, change_log_max, person_cache_bytes, store } = self;
        f.debug_struct("RedisOptions")
            .field("url", &redacted_url(url))
            .field("mode", mode)
            .field("sentinel", sentinel)
            .field("tls", tls)
            .field("key_prefix", key_prefix)
            .field("timeout", timeout)
            .field("bulk_timeout", bulk_timeout)
            .field("change_log_max", change_log_max)
            .field("person_cache_bytes", person_cache_bytes)
            .field("store", store)
            .finish()
    }
}

impl RedisOptions {
    /// Where people's keys are, if not with everything else: one server. Errors: as [`Self::dialer`].
    pub(super) fn key_dialer(&self) -> Result<Option<Dialer>, StoreError> {
        self.store.keys.redis_url.as_deref().map(|url| self.dialer_of(url, Place::Single)).transpose()
    }

    /// Errors: [`StoreError::Refused`] for a URL, prefix or file that cannot be used. Connects to nothing.
    pub(super) fn dialer(&self) -> Result<Dialer, StoreError> {
        if self.key_prefix.contains(['{', '}']) {
            let message = format!("key_prefix `{}` has a brace; it would break the hash tags of the keys", self.key_prefix);
            return Err(StoreError::Refused(message));
        }
        let place = match self.mode {
            RedisMode::Single => Place::Single,
            RedisMode::Cluster => Place::Cluster,
            RedisMode::Sentinel => Place::Sentinel(Watched {
                primary: self.sentinel.primary.clone(),
                username: self.sentinel.username.clone(),
                password: self.sentinel.password.expose().to_owned(),
            }),
        };
        self.dialer_of(&self.url, place)
    }

    fn dialer_of(&self, url: &str, place: Place) -> Result<Dialer, StoreError> {
        let mut nodes = node_urls(url).into_iter().map(|node| connection_info(&node));
        let first = nodes.next().unwrap_or_else(|| connection_info(url))?;
        let others = nodes.collect::<Result<Vec<_>, _>>()?;
        if matches!(place, Place::Single) && !others.is_empty() {
            let shown = redacted_url(url);
            return Err(StoreError::Refused(format!(
                "`{shown}` names several servers; set store.redis.mode to \"cluster\" or \"sentinel\""
            )));
        }
        let certificates = if url.starts_with(TLS_SCHEME) { self.tls.read()? } else { None };
        Ok(Dialer::new(place, first, others, certificates))
    }
}

impl TlsFiles {
    /// `None` where the machine's own certificates are to be used, and none is shown.
    fn read(&self) -> Result<Option<TlsCertificates>, StoreError> {
        let read = |path: &PathBuf| {
            std::fs::read(path).map_err(|fault| StoreError::Refused(format!("cannot read {} of store.redis.tls: {fault}", path.display())))
        };
        let root_cert = self.ca.as_ref().map(read).transpose()?;
        let client = |(cert, key): &(PathBuf, PathBuf)| Ok(ClientTlsConfig { client_cert: read(cert)?, client_key: read(key)? });
        let client_tls = self.client.as_ref().map(client).transpose()?;
        if root_cert.is_none() && client_tls.is_none() {
            return Ok(None);
        }
        Ok(Some(TlsCertificates { client_tls, root_cert }))
    }
}

/// What the URL of a server with TLS begins with.
const TLS_SCHEME: &str = "rediss://";

/// One URL for each host that `url` lists.
fn node_urls(url: &str) -> Vec<String> {
    let Some((scheme @ ("redis" | "rediss"), rest)) = url.split_once("://") else { return vec![url.to_owned()] };
    let (access, rest) = rest.rsplit_once('@').map_or((String::new(), rest), |(access, rest)| (format!("{access}@"), rest));
    let (hosts, tail) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    hosts.split(',').map(|host| format!("{scheme}://{access}{}{tail}", host.trim())).collect()
}

fn connection_info(url: &str) -> Result<ConnectionInfo, StoreError> {
    url.into_connection_info().map_err(|fault| {
        let shown = redacted_url(url);
        StoreError::Refused(format!("`{shown}` is not a Redis URL ({fault}); write e.g. redis://user:password@host:6379/0"))
    })
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
            let message = options.dialer().err().unwrap().to_string();
            assert!(message.contains("is not a Redis URL") && !message.contains("s3cret"), "{message}");
        }
        let options = RedisOptions { key_prefix: "a{b}".into(), ..RedisOptions::default() };
        assert!(options.dialer().err().unwrap().to_string().contains("hash tags"));
    }

    #[test]
    fn a_url_lists_hosts() {
        assert_eq!(node_urls("redis://u:p,w@a:1,b,[::1]:3/2"), ["redis://u:p,w@a:1/2", "redis://u:p,w@b/2", "redis://u:p,w@[::1]:3/2"]);
        assert_eq!(node_urls("unix:///a,b.sock"), ["unix:///a,b.sock"]);
        let mut options = RedisOptions { url: "redis://a,b".into(), ..RedisOptions::default() };
        assert!(options.dialer().err().unwrap().to_string().contains("several servers"));
        options.mode = RedisMode::Cluster;
        assert!(options.dialer().is_ok());
    }

    #[test]
    fn files_that_cannot_be_read_are_named() {
        let tls = TlsFiles { ca: Some("/nowhere/ca.pem".into()), client: None };
        let options = RedisOptions { url: "rediss://a".into(), tls, ..RedisOptions::default() };
        assert!(options.dialer().err().unwrap().to_string().contains("/nowhere/ca.pem"));
    }
}
