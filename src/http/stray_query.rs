//! A query where nobody reads one: `profile=off` beside a body that does not say so must not look as if it were obeyed.

use super::{params::Query, problem::Problem};

/// Routes of which an operation reads its query, and refuses by itself what it does not know; and the methods of those that do not.
const READERS: [(&str, &[&str]); 11] = [
    ("/v1/feed", &["POST"]),
    ("/v1/items/{id}", &["PUT", "DELETE"]),
    ("/v1/preferences/presets", &[]),
    ("/v1/transparency", &[]),
    ("/v1/decisions/{feed_id}/items/{id}", &[]),
    ("/v1/decisions/{feed_id}/sponsored/{id}", &[]),
    ("/v1/admin/policies/activations", &["POST"]),
    ("/v1/admin/policies/explain", &[]),
    ("/v1/me/preferences/preview", &[]),
    ("/v1/users/{id}/preferences/preview", &[]),
    // What mail systems hang on a link is theirs.
    ("/v1/unsubscribe/{token}", &[]),
];

/// Why a request of the API cannot be served with `query`; `None`: it has none, or the operation reads it.
pub(super) fn refused(method: &str, route: &str, query: &str) -> Option<Problem> {
    if query.is_empty() || !route.starts_with("/v1/") {
        return None;
    }
    let others = READERS.iter().find(|(reader, _)| *reader == route).map(|(_, others)| others);
    if others.is_some_and(|others| !others.contains(&method)) {
        return None;
    }
    Query::new(&format!("{method} {route}"), query).finish().err()
}
