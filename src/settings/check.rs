//! What the types cannot say: ranges, lengths, and what must hold between keys.

use std::{collections::BTreeSet, fmt, net::IpAddr};

use super::{Fault, Faults, Place, Secret, Settings, surfaces::is_surface_name};
use crate::domain::{
    Span,
    consent::ConsentDefault,
    facet::MAX_FACET_VALUE_BYTES,
    privacy::{GpcScope, Pack},
};

/// Most worker threads.
pub const WORKERS_MAX: usize = 1_024;
/// Most requests served at once.
pub const INFLIGHT_REQUESTS_MAX: usize = 100_000;
pub const BROWNOUT_SHARE_MIN: f32 = 0.1;
/// Bounds of both body limits, in bytes.
pub const BODY_LIMIT_BYTES_MIN: usize = 1_024;
pub const BODY_LIMIT_BYTES_MAX: usize = 1024 * 1024 * 1024;
/// RFC 5322 lets a header's line have 998 characters; the link has a path and a token besides.
pub const PUBLIC_URL_MAX_BYTES: usize = 256;
pub const KEEP_ALIVE_MIN: Span = Span::secs(1);
pub const KEEP_ALIVE_MAX: Span = Span::hours(1);
pub const DRAIN_DELAY_MAX: Span = Span::minutes(5);
pub const SHUTDOWN_GRACE_MIN: Span = Span::secs(1);
pub const SHUTDOWN_GRACE_MAX: Span = Span::minutes(10);
/// Most keys of one kind: enough for every caller and a rotation.
pub const KEYS_MAX: usize = 64;
/// Shortest API key in bytes: beyond guessing over the network.
pub const KEY_BYTES_MIN: usize = 16;
pub const KEY_BYTES_MAX: usize = 512;
/// Greatest rate: more than one server serves.
pub const LIMIT_PER_MINUTE_MAX: u32 = 10_000_000;
/// Most origins whose pages may call.
pub const CORS_ORIGINS_MAX: usize = 64;
/// Longest text about the controller.
pub const CONTROLLER_TEXT_MAX_BYTES: usize = 512;
/// Shortest HMAC secret in bytes: the output size of SHA-256 (RFC 7518, 3.2).
pub const SECRET_BYTES_MIN: usize = 32;
pub const PROFILE_TTL_MIN: Span = Span::days(1);
pub const PROFILE_TTL_MAX: Span = Span::days(3_650);
pub const DIMENSION_MIN: usize = 8;
pub const DIMENSION_MAX: usize = 4_096;
pub const JOURNAL_QUEUE_RECORDS_MIN: usize = 100;
pub const JOURNAL_QUEUE_RECORDS_MAX: usize = 1_000_000;
pub const JOURNAL_ROTATE_BYTES_MIN: u64 = 1024 * 1024;
pub const JOURNAL_ROTATE_BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;
pub const JOURNAL_RETENTION_MIN: Span = Span::hours(1);
/// Most surfaces: each is a label value of several metrics.
pub const SURFACES_MAX: usize = 64;
pub const SURFACE_NAME_MAX_BYTES: usize = 64;

/// One that wraps, and those that are on their way out.
const MASTER_KEYS_MAX: usize = 16;
const MASTER_KEY_DIGITS: usize = 64;
/// Most topics of one special category.
const SENSITIVE_TOPICS_MAX: usize = 200;
pub(super) const REDIS_SCHEMES: [&str; 4] = ["redis://", "rediss://", "redis+unix://", "unix://"];
const LOG_LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

impl Settings {
    /// Every fault the types let through. The place is set by the caller who knows the layers.
    pub(super) fn check(&self) -> Vec<Fault> {
        let mut found = Found::default();
        self.check_server(&mut found);
        self.check_origins(&mut found);
        self.check_controller(&mut found);
        self.check_auth(&mut found);
        self.check_limits(&mut found);
        self.check_privacy(&mut found);
        self.check_pack(&mut found);
        self.check_store(&mut found);
        self.check_journal(&mut found);
        self.check_telemetry(&mut found);
        self.check_policies(&mut found);
        found.0
    }

    /// Faults of listening beyond this machine without knowing who calls. Nobody should do that by accident, so `serve`
    /// refuses it unless told `--insecure`.
    pub fn check_exposure(&self) -> Result<(), Faults> {
        let mut found = Found::default();
        if !is_loopback(self.server.listen.ip()) {
            let address = self.server.listen;
            if self.auth.server_keys.is_empty() && self.auth.jwt_secret.is_empty() {
                found.add(
                    "auth.server_keys",
                    format!("neither `auth.server_keys` nor `auth.jwt_secret` is set and `server.listen` is {address}: anyone who reaches it could read and change every profile; set one of them, listen on 127.0.0.1, or pass --insecure"),
                );
            }
            if self.auth.admin_keys.is_empty() {
                found.add(
                    "auth.admin_keys",
                    format!(
                        "`auth.admin_keys` is empty and `server.listen` is {address}: set one, listen on 127.0.0.1, or pass --insecure"
                    ),
                );
            }
        }
        Faults(found.0).into_result()
    }

    fn check_server(&self, found: &mut Found) {
        let server = &self.server;
        let url = &server.public_url;
        let is_open = url.strip_prefix("https://").is_some_and(|rest| !rest.is_empty());
        let is_plain = url.len() <= PUBLIC_URL_MAX_BYTES && url.bytes().all(|b| b.is_ascii_graphic() && !b"<>\"?#".contains(&b));
        let is_address = is_open && is_plain && !url.ends_with('/');
        if !url.is_empty() && !is_address {
            found.is(
                "server.public_url",
                format!("is \"{url}\"; expected \"\" or an address that begins with https://, such as \"https://feeds.example.org\", without a slash at its end"),
            );
        }
        found.range("server.workers", server.workers, 0, WORKERS_MAX);
        found.range("server.max_inflight_requests", server.max_inflight_requests, 1, INFLIGHT_REQUESTS_MAX);
        found.range("server.brownout_share", server.brownout_share, BROWNOUT_SHARE_MIN, 1.0);
        found.range("server.body_limit_bytes", server.body_limit_bytes, BODY_LIMIT_BYTES_MIN, BODY_LIMIT_BYTES_MAX);
        found.range("server.bulk_body_limit_bytes", server.bulk_body_limit_bytes, BODY_LIMIT_BYTES_MIN, BODY_LIMIT_BYTES_MAX);
        if server.bulk_body_limit_bytes < server.body_limit_bytes {
            found.is(
                "server.bulk_body_limit_bytes",
                format!("is {}; expected at least `server.body_limit_bytes` ({})", server.bulk_body_limit_bytes, server.body_limit_bytes),
            );
        }
        found.range("server.keep_alive", server.keep_alive, KEEP_ALIVE_MIN, KEEP_ALIVE_MAX);
        found.range("server.drain_delay", server.drain_delay, Span::ZERO, DRAIN_DELAY_MAX);
        found.range("server.shutdown_grace", server.shutdown_grace, SHUTDOWN_GRACE_MIN, SHUTDOWN_GRACE_MAX);
    }

    fn check_origins(&self, found: &mut Found) {
        let origins = &self.server.cors_origins;
        if origins.len() > CORS_ORIGINS_MAX {
            found.is("server.cors_origins", format!("has {} origins; expected at most {CORS_ORIGINS_MAX}", origins.len()));
        }
        for (index, origin) in origins.iter().enumerate().filter(|(_, origin)| !is_origin(origin)) {
            found.is(
                &format!("server.cors_origins[{index}]"),
                format!("is \"{origin}\"; expected scheme, host and port as browsers send them, e.g. \"https://www.example.org\", without a path or a slash at the end"),
            );
        }
    }

    fn check_controller(&self, found: &mut Found) {
        let consent = &self.consent;
        let is_mail = |text: &str| {
            text.split_once('@').is_some_and(|(name, host)| !name.is_empty() && host.contains('.')) && !text.contains(char::is_whitespace)
        };
        let is_plain = |text: &str| text.len() <= CONTROLLER_TEXT_MAX_BYTES && !text.chars().any(char::is_control);
        if !is_plain(&consent.controller) {
            found.is(
                "consent.controller",
                format!("is too long or has control characters; expected at most {CONTROLLER_TEXT_MAX_BYTES} bytes of text"),
            );
        }
        let contact = &consent.contact;
        let is_reachable = is_plain(contact) && (is_mail(contact) || is_url(contact));
        if !contact.is_empty() && !is_reachable {
            found.is("consent.contact", format!("is \"{contact}\"; expected a mail address or an http(s) URL"));
        }
        let url = &consent.withdrawal_url;
        let is_page = is_plain(url) && is_url(url);
        if !url.is_empty() && !is_page {
            found.is("consent.withdrawal_url", format!("is \"{url}\"; expected an http(s) URL, e.g. \"https://www.example.org/privacy\""));
        }
        let place = &consent.jurisdiction;
        if !place.is_empty() && !is_place(place) {
            found.is("consent.jurisdiction", format!("is \"{place}\"; expected an ISO 3166 code such as \"DE\" or \"US-CA\", or \"EU\""));
        }
        let stated = [&consent.controller, contact, place, url].iter().filter(|text| !text.is_empty()).count();
        if stated > 0 && consent.controller.is_empty() {
            found.is(
                "consent.controller",
                "is empty, but others of the controller's settings are set: expected the controller's name".into(),
            );
        }
        if stated > 0 && contact.is_empty() {
            found.is("consent.contact", "is empty, but others of the controller's settings are set: expected a mail address or URL".into());
        }
    }

    fn check_limits(&self, found: &mut Found) {
        for (name, per_minute) in self.limits.named() {
            found.range(&format!("limits.{name}"), per_minute, 0, LIMIT_PER_MINUTE_MAX);
        }
    }

    fn check_auth(&self, found: &mut Found) {
        let auth = &self.auth;
        for (key, keys) in [("auth.server_keys", &auth.server_keys), ("auth.admin_keys", &auth.admin_keys)] {
            if keys.len() > KEYS_MAX {
                found.is(key, format!("has {} keys; expected at most {KEYS_MAX}", keys.len()));
            }
            let fits = |secret: &Secret| {
                let text = secret.expose();
                (KEY_BYTES_MIN..=KEY_BYTES_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
            };
            for (index, _) in keys.iter().enumerate().filter(|(_, secret)| !fits(secret)) {
                let expected = format!(
                    "expected {KEY_BYTES_MIN} to {KEY_BYTES_MAX} printable ASCII characters without spaces, e.g. the output of `openssl rand -hex 32`"
                );
                found.is(&format!("{key}[{index}]"), format!("is too short, too long or has other characters; {expected}"));
            }
        }
        let server: BTreeSet<&str> = auth.server_keys.iter().map(Secret::expose).collect();
        if auth.admin_keys.iter().any(|key| server.contains(key.expose())) {
            found.is("auth.admin_keys", "has a key that is also in `auth.server_keys`; every server could then administrate".into());
        }
        for (key, secret) in [("auth.jwt_secret", &auth.jwt_secret), ("auth.cursor_secret", &auth.cursor_secret)] {
            let length = secret.expose().len();
            if length != 0 && length < SECRET_BYTES_MIN {
                found.is(
                    key,
                    format!("is {length} bytes long; expected \"\" or {SECRET_BYTES_MIN} bytes or more, e.g. the output of `openssl rand -hex 32`"),
                );
            }
        }
    }

    fn check_privacy(&self, found: &mut Found) {
        let keys = &self.privacy.master_keys;
        if keys.len() > MASTER_KEYS_MAX {
            found.is("privacy.master_keys", format!("has {} keys; expected at most {MASTER_KEYS_MAX}", keys.len()));
        }
        let fits = |secret: &Secret| secret.expose().len() == MASTER_KEY_DIGITS && secret.expose().bytes().all(|b| b.is_ascii_hexdigit());
        for (index, _) in keys.iter().enumerate().filter(|(_, secret)| !fits(secret)) {
            let expected = format!("is not {MASTER_KEY_DIGITS} hex digits; expected the output of `openssl rand -hex 32`");
            found.is(&format!("privacy.master_keys[{index}]"), expected);
        }
        let mut known = BTreeSet::new();
        for (category, topics) in self.privacy.sensitive.named() {
            let key = format!("privacy.sensitive.{}", category.name());
            if topics.len() > SENSITIVE_TOPICS_MAX {
                found.is(&key, format!("has {} topics; expected at most {SENSITIVE_TOPICS_MAX}", topics.len()));
            }
            for (index, topic) in topics.iter().enumerate() {
                if topic.trim().is_empty() || topic.len() > MAX_FACET_VALUE_BYTES {
                    found.is(
                        &format!("{key}[{index}]"),
                        format!("is empty or too long; expected a topic of 1 to {MAX_FACET_VALUE_BYTES} bytes"),
                    );
                } else if !known.insert(topic.to_lowercase()) {
                    found.is(&format!("{key}[{index}]"), format!("is \"{topic}\", which is listed before; expected each topic once"));
                }
            }
        }
        let url = self.privacy.keys.redis.url.expose();
        if !url.is_empty() && !REDIS_SCHEMES.iter().any(|scheme| url.starts_with(scheme)) {
            found.is(
                "privacy.keys.redis.url",
                "has another scheme; expected \"redis://host:6379/0\", \"unix:///path/to.sock\" or \"\"".into(),
            );
        }
        if !url.is_empty() && self.store.redis.url.is_empty() {
            found.is("privacy.keys.redis.url", "is set, but `store.redis.url` is not: the embedded store keeps keys in a file".into());
        }
    }

    fn check_pack(&self, found: &mut Found) {
        if self.privacy.pack != Pack::Strict {
            return;
        }
        if self.privacy.gpc_scope() != GpcScope::AllProfiling {
            found.is(
                "privacy.gpc_scope",
                "is \"sale_share\" and `privacy.pack` is \"strict\"; expected \"pack\" or \"all_profiling\"".into(),
            );
        }
        if self.consent.default != ConsentDefault::Required {
            found.is("consent.default", "is \"assumed\" and `privacy.pack` is \"strict\"; expected \"required\"".into());
        }
    }

    fn check_store(&self, found: &mut Found) {
        let store = &self.store;
        found.range("store.profile_ttl", store.profile_ttl, PROFILE_TTL_MIN, PROFILE_TTL_MAX);
        if store.embedded.path.as_os_str().is_empty() {
            found.is("store.embedded.path", "is empty; expected the path of a file, e.g. \"data/polyphony.redb\"".into());
        }
        store.redis.check(found);
        found.range("catalogue.dimension", self.catalogue.dimension, DIMENSION_MIN, DIMENSION_MAX);
        self.catalogue.search.check(found);
    }

    fn check_journal(&self, found: &mut Found) {
        let journal = &self.journal;
        if journal.path.as_os_str().is_empty() {
            found.is("journal.path", "is empty; expected the path of a directory, e.g. \"data/journal\"".into());
        }
        found.range("journal.queue_records", journal.queue_records, JOURNAL_QUEUE_RECORDS_MIN, JOURNAL_QUEUE_RECORDS_MAX);
        found.range("journal.rotate_bytes", journal.rotate_bytes, JOURNAL_ROTATE_BYTES_MIN, JOURNAL_ROTATE_BYTES_MAX);
        found.range("journal.retention", journal.retention, JOURNAL_RETENTION_MIN, Span::FOREVER);
        found.range("journal.ad_retention", journal.ad_retention, JOURNAL_RETENTION_MIN, Span::FOREVER);
    }

    fn check_telemetry(&self, found: &mut Found) {
        let level = &self.telemetry.log_level;
        let is_target = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b':');
        let is_directive = |directive: &str| match directive.split_once('=') {
            Some((target, level)) => is_target(target) && LOG_LEVELS.contains(&level),
            None => LOG_LEVELS.contains(&directive),
        };
        if !level.split(',').all(is_directive) {
            found.is(
                "telemetry.log_level",
                format!("is \"{level}\"; expected one of {} or directives such as \"info,polyphony::store=debug\"", LOG_LEVELS.join(", ")),
            );
        }
        let endpoint = &self.telemetry.otlp_endpoint;
        if !endpoint.is_empty() && !["http://", "https://"].iter().any(|scheme| endpoint.starts_with(scheme)) {
            found.is(
                "telemetry.otlp_endpoint",
                format!("is \"{endpoint}\"; expected \"\" or a URL such as \"http://localhost:4318/v1/traces\""),
            );
        }
    }

    fn check_policies(&self, found: &mut Found) {
        if self.surface.is_empty() || self.surface.len() > SURFACES_MAX {
            found.is("surface", format!("has {} entries; expected 1 to {SURFACES_MAX}", self.surface.len()));
        }
        for name in self.surface.keys().filter(|name| !is_surface_name(name)) {
            found.is(
                &format!("surface.{name}"),
                format!("has a name that cannot be one; expected 1 to {SURFACE_NAME_MAX_BYTES} of a-z, 0-9 and _"),
            );
        }
        let shared = self.policy.check();
        for fault in &shared {
            found.is(&format!("policy.{}", fault.key), fault.detail.clone());
        }
        let Err(faults) = self.surfaces() else { return };
        // A fault of the shared policy shows up again in each surface that does not override the key: once is enough.
        let is_shared = |fault: &Fault| {
            shared.iter().any(|s| {
                let same_key =
                    fault.key.strip_prefix("surface.").and_then(|rest| rest.split_once('.')).is_some_and(|(_, key)| key == s.key);
                same_key && fault.message.ends_with(&s.detail)
            })
        };
        found.0.extend(faults.0.into_iter().filter(|fault| !is_shared(fault)));
    }
}

/// A sentence on a key from a detail such as "is 7; expected …".
pub(super) fn about(key: &str, detail: &str) -> String {
    let reads_on = detail.starts_with("is ") || detail.starts_with("has ");
    format!("`{key}`{} {detail}", if reads_on { "" } else { ":" })
}

fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// Scheme and authority, and nothing else.
fn is_origin(text: &str) -> bool {
    let host = ["https://", "http://"].iter().find_map(|scheme| text.strip_prefix(scheme)).unwrap_or_default();
    let is_host = |b: u8| b.is_ascii_digit() || b.is_ascii_lowercase() || matches!(b, b'.' | b'-' | b':' | b'[' | b']');
    !host.is_empty() && host.bytes().all(is_host)
}

/// An http(s) URL.
fn is_url(text: &str) -> bool {
    let rest = ["https://", "http://"].iter().find_map(|scheme| text.strip_prefix(scheme)).unwrap_or_default();
    !rest.is_empty() && !rest.starts_with('/') && rest.bytes().all(|b| b.is_ascii_graphic())
}

/// A country's code of two letters, with or without that of a part of it.
fn is_place(text: &str) -> bool {
    let (country, part) = text.split_once('-').map_or((text, None), |(country, part)| (country, Some(part)));
    let fits =
        |text: &str, low, high| (low..=high).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    fits(country, 2, 2) && part.is_none_or(|part| fits(part, 1, 3))
}

#[derive(Default)]
pub(super) struct Found(Vec<Fault>);

impl Found {
    fn add(&mut self, key: &str, message: String) {
        self.0.push(Fault { place: Place::BuiltIn, key: key.to_owned(), message });
    }

    /// `detail` is about the key: "is 7; expected …".
    pub(super) fn is(&mut self, key: &str, detail: String) {
        self.add(key, about(key, &detail));
    }

    pub(super) fn range<T: PartialOrd + fmt::Display>(&mut self, key: &str, value: T, low: T, high: T) {
        let within = value >= low && value <= high;
        if !within {
            self.is(key, format!("is {value}; expected {low} to {high}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_sound() {
        assert_eq!(Settings::default().check(), []);
        assert_eq!(Settings::default().check_exposure(), Ok(()));
    }

    #[test]
    fn a_shared_fault_is_told_once() {
        let mut settings = Settings::default();
        settings.policy.explore.share = 0.9;
        let keys: Vec<String> = settings.check().into_iter().map(|fault| fault.key).collect();
        assert_eq!(keys, ["policy.explore.share"]);
    }

    #[test]
    fn a_public_address_needs_keys() {
        let mut settings = Settings::default();
        settings.server.listen = "0.0.0.0:7720".parse().unwrap();
        let keys: Vec<String> = settings.check_exposure().unwrap_err().0.into_iter().map(|fault| fault.key).collect();
        assert_eq!(keys, ["auth.server_keys", "auth.admin_keys"]);
        settings.auth.jwt_secret = Secret::new("x".repeat(32));
        settings.auth.admin_keys = vec![Secret::new("y".repeat(32))];
        assert_eq!(settings.check_exposure(), Ok(()));
        for loopback in ["[::1]:1", "127.9.9.9:1", "[::ffff:127.0.0.1]:1"] {
            let mut settings = Settings::default();
            settings.server.listen = loopback.parse().unwrap();
            assert_eq!(settings.check_exposure(), Ok(()), "{loopback}");
        }
    }

    #[test]
    fn the_strictest_pack_takes_no_laxer_setting() {
        let mut settings = Settings::default();
        settings.privacy.pack = Pack::Strict;
        assert_eq!(settings.check(), []);
        settings.privacy.gpc_scope = crate::settings::GpcSetting::SaleShare;
        settings.consent.default = ConsentDefault::Assumed;
        let keys: Vec<String> = settings.check().into_iter().map(|fault| fault.key).collect();
        assert_eq!(keys, ["privacy.gpc_scope", "consent.default"]);
    }
}
