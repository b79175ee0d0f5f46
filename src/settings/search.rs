//! Who looks for the items nearest to an interest: [`Search`].

use serde::{Deserialize, Serialize};

use super::{Secret, check::Found};
use crate::domain::Span;

const TIMEOUT_MIN: Span = Span::millis(1);
const TIMEOUT_MAX: Span = Span::secs(10);
const API_KEY_BYTES_MAX: usize = 512;
const COLLECTION_BYTES_MAX: usize = 255;
/// Whether this server was built with the client of Qdrant.
const HAS_QDRANT: bool = cfg!(feature = "qdrant");

/// The engine that finds the nearest items.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SearchEngine {
    /// This process, in its own memory.
    #[default]
    InProcess,
    /// A Qdrant server. Needs the cargo feature `qdrant`.
    Qdrant,
}

/// How the items nearest to an interest are found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Search {
    pub engine: SearchEngine,
    pub qdrant: QdrantSearch,
}

/// Where Qdrant is and how it is asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QdrantSearch {
    /// Its gRPC address.
    pub url: String,
    /// Empty: none is sent.
    pub api_key: Secret,
    /// Belongs to the servers over one store alone.
    pub collection: String,
    /// For one search; at most three quarters of the policy's `retrieve.deadline`.
    pub timeout: Span,
}

impl Default for QdrantSearch {
    fn default() -> Self {
        Self { url: "http://127.0.0.1:6334".into(), api_key: Secret::default(), collection: "polyphony".into(), timeout: Span::millis(25) }
    }
}

impl Search {
    pub(super) fn check(&self, found: &mut Found) {
        if self.engine == SearchEngine::Qdrant && !HAS_QDRANT {
            found.is(
                "catalogue.search.engine",
                "is \"qdrant\", which this server was built without: build it with `--features qdrant`; or expected \"in_process\"".into(),
            );
        }
        self.qdrant.check(found);
    }
}

impl QdrantSearch {
    fn check(&self, found: &mut Found) {
        if !is_address(&self.url) {
            // It is not repeated: somebody may have put a password in.
            found.is(
                "catalogue.search.qdrant.url",
                "is not an address; expected \"http://host:6334\" or \"https://host:6334\", without user, path or a slash at the end"
                    .into(),
            );
        }
        // The client repeats a key that it cannot send.
        let key = self.api_key.expose();
        if key.len() > API_KEY_BYTES_MAX || !key.bytes().all(|b| b.is_ascii_graphic()) {
            found.is(
                "catalogue.search.qdrant.api_key",
                format!("is too long or has other characters; expected \"\" or at most {API_KEY_BYTES_MAX} printable ASCII characters without spaces"),
            );
        }
        let name = &self.collection;
        let fits =
            (1..=COLLECTION_BYTES_MAX).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        if !fits {
            found.is(
                "catalogue.search.qdrant.collection",
                format!("is \"{name}\"; expected 1 to {COLLECTION_BYTES_MAX} of a-z, A-Z, 0-9, _ and -"),
            );
        }
        found.range("catalogue.search.qdrant.timeout", self.timeout, TIMEOUT_MIN, TIMEOUT_MAX);
    }
}

/// Scheme, host and perhaps a port, and nothing else.
fn is_address(url: &str) -> bool {
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    rest.is_some_and(|host| !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(not(feature = "qdrant"))]
    #[test]
    fn an_engine_that_was_not_built_in_is_refused_by_name() {
        let mut settings = crate::settings::Settings::default();
        settings.catalogue.search.engine = SearchEngine::Qdrant;
        let faults = settings.check();
        assert_eq!(faults.len(), 1);
        assert!(faults[0].message.contains("--features qdrant"), "{faults:?}");
    }

    #[test]
    fn an_address_has_no_user_and_no_path() {
        for good in ["http://h", "http://127.0.0.1:6334", "https://[::1]:6334", "https://a-b.example.org:6334"] {
            assert!(is_address(good), "{good}");
        }
        for bad in ["", "h:6334", "http://", "http://u:p@h", "http://h/", "http://h:6334/x", "ftp://h", "http://h h"] {
            assert!(!is_address(bad), "{bad}");
        }
    }
}
