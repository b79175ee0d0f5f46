//! What answers say of rate limits: `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10).

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};

use super::problem::Problem;
use crate::{
    app::App,
    limits::{Standing, WINDOW_SECS, Who},
};

const POLICY_HEADER: HeaderName = HeaderName::from_static("ratelimit-policy");
const STANDING_HEADER: HeaderName = HeaderName::from_static("ratelimit");

/// Where a request stands with every limit it counted for.
#[derive(Clone, Debug, Default)]
pub(super) struct Standings(Vec<Standing>);

/// Counts a request for `who`. Errors: it is one too many.
pub(super) fn count(app: &App, who: Who<'_>, standings: &mut Standings) -> Result<(), Problem> {
    match app.limits.count(who) {
        Ok(standing) => {
            standings.0.extend(standing);
            Ok(())
        }
        Err(exceeded) => {
            app.metrics.rate_limited(exceeded.standing.limit);
            Err(Problem::rate_limited(exceeded))
        }
    }
}

/// `"user_writes";q=600;w=60` and `"user_writes";r=599;t=1`; one member for each limit.
pub(super) fn tell(headers: &mut HeaderMap, standings: &[Standing]) {
    if standings.is_empty() {
        return;
    }
    let list = |member: fn(&Standing) -> String| standings.iter().map(member).collect::<Vec<_>>().join(", ");
    let policy = list(|standing| format!("\"{}\";q={};w={WINDOW_SECS}", standing.limit, standing.quota));
    let rest = list(|standing| format!("\"{}\";r={};t={}", standing.limit, standing.remaining, standing.reset_secs));
    for (name, value) in [(POLICY_HEADER, policy), (STANDING_HEADER, rest)] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
}

impl Standings {
    pub(super) fn tell(&self, headers: &mut HeaderMap) {
        tell(headers, &self.0);
    }
}
