//! A query where nobody reads one: `profile=off` beside a body that does not say so must not look as if it were obeyed.

use super::{params::Query, problem::Problem};

const READING: &[&str] = &["GET", "HEAD"];
/// Routes that read their query, and for which methods. Each refuses what it does not know by itself.
const READERS: [(&str, &[&str]); 11] = [
    ("/v1/feed", READING),
    ("/v1/items/{id}", READING),
    ("/v1/preferences/presets", READING),
    ("/v1/transparency", READING),
    ("/v1/decisions/{feed_id}/items/{id}", READING),
    ("/v1/decisions/{feed_id}/sponsored/{id}", READING),
    ("/v1/admin/policies/activations", READING),
    ("/v1/admin/policies/explain", READING),
    ("/v1/me/preferences/preview", &["POST"]),
    ("/v1/users/{id}/preferences/preview", &["POST"]),
    // What mail systems hang on a link is theirs.
    ("/v1/unsubscribe/{token}", &["GET", "HEAD", "POST"]),
];

/// Why a request of the API cannot be served with `query`; `None`: it has none, or the route reads it.
pub(super) fn refused(method: &str, route: &str, query: &str) -> Option<Problem> {
    let reads = || READERS.iter().any(|(reader, methods)| *reader == route && methods.contains(&method));
    if query.is_empty() || !route.starts_with("/v1/") || reads() {
        return None;
    }
    Query::new(&format!("{method} {route}"), query).finish().err()
}
