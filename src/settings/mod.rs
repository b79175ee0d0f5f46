//! Settings, in layers; a later one wins, key by key:
//!
//! 1. `Default` in this module (the same values as `config/default.toml`, which documents every key)
//! 2. the file given by `--config FILE`
//! 3. environment variables `POLYPHONY__SECTION__KEY`
//! 4. command line flags
//!
//! [`Settings::load`] returns settings that are sound, or every fault at once. Lists are replaced whole, tables are merged.

pub mod check;
mod fault;
mod layers;
mod limits;
mod privacy;
mod redis;
mod reference;
mod search;
mod secret;
mod surfaces;
mod template;

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf};

use serde::{Deserialize, Deserializer, Serialize, de};

pub use fault::{Fault, Faults, Place};
pub use layers::{ENVIRONMENT_PREFIX, Layers, Override};
pub use limits::Limits;
pub use privacy::{GpcSetting, Keys, Privacy};
pub use redis::{RedisMode, RedisStore, RedisTls, Sentinel};
pub use search::{QdrantSearch, Search, SearchEngine};
pub use secret::Secret;
pub use surfaces::{is_surface_name, shipped as shipped_surfaces};

use crate::domain::{Policy, Span, consent::ConsentDefault};

/// How a shell starts this program again: its path, quoted where a shell would split it; the bare name if it cannot be told.
pub fn program() -> String {
    let Some(path) = std::env::current_exe().ok().and_then(|path| path.into_os_string().into_string().ok()) else {
        return env!("CARGO_PKG_NAME").to_owned();
    };
    let plain = path.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '+'));
    if plain { path } else { format!("'{}'", path.replace('\'', r"'\''")) }
}

/// Everything an operator can set. Sound when made by [`Settings::load`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub server: Server,
    pub auth: Auth,
    pub limits: Limits,
    pub consent: Consent,
    pub privacy: Privacy,
    pub store: Store,
    pub catalogue: Catalogue,
    pub journal: Journal,
    pub telemetry: Telemetry,
    pub policies: Policies,
    /// The policy of every surface, before its own overrides. Where `policies.file` names one, that file says it.
    pub policy: Policy,
    /// Surface name to overrides of `policy`'s keys.
    pub surface: BTreeMap<String, toml::Table>,
}

/// How the server listens, what it accepts and how it stops.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    #[serde(deserialize_with = "socket_address")]
    pub listen: SocketAddr,
    /// Where the server is reached from outside, for links in mails; empty: there are none.
    pub public_url: String,
    /// 0: one per core.
    pub workers: usize,
    pub max_inflight_requests: usize,
    /// Of `retrieve.candidates`, for new feeds while a worker has many waiting.
    pub brownout_share: f32,
    pub body_limit_bytes: usize,
    /// For routes that take many items at once.
    pub bulk_body_limit_bytes: usize,
    pub keep_alive: Span,
    /// Between "not ready" and closing the listener, so that load balancers can notice.
    pub drain_delay: Span,
    /// For requests in flight once the listener is closed.
    pub shutdown_grace: Span,
    /// Origins whose pages may call from a browser, exactly as browsers name them.
    pub cors_origins: Vec<String>,
}

/// Who may call. Nothing set: open mode, for a loopback address only.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Auth {
    pub server_keys: Vec<Secret>,
    pub admin_keys: Vec<Secret>,
    /// HS256 secret of user tokens. Empty: user tokens are not accepted.
    pub jwt_secret: Secret,
    /// Signs cursors. Empty: a secret shared through the store.
    pub cursor_secret: Secret,
}

/// What people must have agreed to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Consent {
    /// What holds for somebody who was never asked.
    pub default: ConsentDefault,
    /// Folder of the forms people are asked with; empty: those that are shipped.
    pub notices: PathBuf,
    /// Who decides why and how data is used, as receipts name them. Empty: not named.
    pub controller: String,
    /// Where the controller is reached about it: a mail address or URL.
    pub contact: String,
    /// Whose law the controller is under: ISO 3166 code, or `EU`.
    pub jurisdiction: String,
    /// Page on which people withdraw.
    pub withdrawal_url: String,
}

/// Where profiles, feeds and items are kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Store {
    /// A profile is deleted after this long without an event.
    pub profile_ttl: Span,
    pub embedded: EmbeddedStore,
    pub redis: RedisStore,
}

/// One file beside the server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmbeddedStore {
    pub path: PathBuf,
}

/// What every item has in common.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalogue {
    /// Numbers in every embedding.
    pub dimension: usize,
    pub search: Search,
}

/// The record of served slates and events.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Journal {
    pub path: PathBuf,
    pub enabled: bool,
    /// Records waiting for the writer; past it they are dropped and counted.
    pub queue_records: usize,
    pub rotate_bytes: u64,
    pub retention: Span,
    /// Of the ad log: how long after an item was last shown.
    pub ad_retention: Span,
    /// For each exploration slot also what it was drawn from.
    pub draws: bool,
}

/// What operators see.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Telemetry {
    pub log_format: LogFormat,
    /// A level, or directives such as `"info,polyphony::store=debug"`.
    pub log_level: String,
    /// Adds a `Server-Timing` header with the time of each stage.
    pub server_timing: bool,
    /// Collector of traces. Empty: none. Needs the cargo feature `otlp`.
    pub otlp_endpoint: String,
}

/// Where policies come from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policies {
    /// A preset's name or the path of a policy file. Empty: the sections `policy` and `surface` are the policy.
    pub file: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// Text on a terminal, JSON otherwise.
    Auto,
    Text,
    Json,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            server: Server::default(),
            auth: Auth::default(),
            limits: Limits::default(),
            consent: Consent::default(),
            privacy: Privacy::default(),
            store: Store {
                profile_ttl: Span::days(400),
                embedded: EmbeddedStore { path: PathBuf::from("data/polyphony.redb") },
                redis: RedisStore::default(),
            },
            catalogue: Catalogue { dimension: 384, search: Search::default() },
            journal: Journal {
                path: PathBuf::from("data/journal"),
                enabled: true,
                queue_records: 10_000,
                rotate_bytes: 64 * 1024 * 1024,
                retention: Span::days(30),
                ad_retention: Span::days(365),
                draws: true,
            },
            telemetry: Telemetry {
                log_format: LogFormat::Auto,
                log_level: "info".into(),
                server_timing: false,
                otlp_endpoint: String::new(),
            },
            policies: Policies::default(),
            policy: Policy::default(),
            surface: surfaces::shipped(),
        }
    }
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 7720)),
            public_url: String::new(),
            workers: 0,
            max_inflight_requests: 512,
            brownout_share: 0.4,
            body_limit_bytes: 1024 * 1024,
            bulk_body_limit_bytes: 32 * 1024 * 1024,
            keep_alive: Span::secs(75),
            drain_delay: Span::ZERO,
            shutdown_grace: Span::secs(20),
            cors_origins: Vec::new(),
        }
    }
}

impl Settings {
    /// Reads and checks every layer. Errors: all faults of all layers, each with its place.
    pub fn load(layers: &Layers) -> Result<Self, Faults> {
        layers::load(layers)
    }

    /// The reference page of every key: `docs/configuration.md`. Errors: the documented defaults and the settings differ.
    pub fn reference() -> Result<String, String> {
        reference::page()
    }

    /// The file that documents every key; its values are [`Settings::default`].
    pub const fn documented() -> &'static str {
        include_str!("../../config/default.toml")
    }
}

/// Whether a settings file sets a key whose value is secret.
pub fn secrets_in(text: &str) -> bool {
    template::names_secrets(text)
}

/// An address and port. No name is resolved: what is listened on must not depend on a name server.
fn socket_address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| {
        de::Error::custom(format!(
            "is \"{text}\"; expected an IP address and a port, e.g. \"127.0.0.1:7720\", \"0.0.0.0:7720\" or \"[::1]:7720\""
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_defaults_are_the_defaults() {
        let documented: Settings = toml::from_str(Settings::documented()).unwrap();
        assert_eq!(documented, Settings::default());
    }
}
