//! Which pages of other origins may call from a browser: those in `server.cors_origins`, and no cookie ever goes along.

use actix_web::{
    HttpResponse,
    http::{
        Method,
        header::{self, HeaderMap, HeaderName, HeaderValue},
    },
};

/// Everything that some route takes.
const METHODS: &str = "GET, HEAD, POST, PUT, DELETE";
const REQUEST_HEADERS: &str = "Age-Group, Authorization, Content-Type, X-API-Key, Idempotency-Key, If-None-Match, traceparent";
/// What a page may read besides the body; browsers hide the rest.
const ANSWER_HEADERS: &str = "ETag, Feed-Privacy, RateLimit, RateLimit-Policy, Retry-After, Server-Timing, X-Request-Id";
/// Browsers ask again after this long. Two hours is the most that Chromium keeps.
const MAX_AGE_SECS: &str = "7200";

/// What an answer says to the browser.
pub(super) struct Cors {
    /// The caller's origin, if it may read the answer.
    origin: Option<HeaderValue>,
    /// A question before the real call.
    is_preflight: bool,
}

impl Cors {
    /// `None`: no page of another origin may call, and answers do not depend on who asks.
    pub fn of(method: &Method, headers: &HeaderMap, allowed: &[String]) -> Option<Self> {
        if allowed.is_empty() {
            return None;
        }
        let origin = headers.get(header::ORIGIN).filter(|origin| allowed.iter().any(|one| one.as_bytes() == origin.as_bytes())).cloned();
        let is_preflight = *method == Method::OPTIONS && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        Some(Self { origin, is_preflight })
    }

    /// The answer to a question before the real call, which nobody else needs to see; another origin's goes its way and is refused.
    pub fn preflight(&self) -> Option<HttpResponse> {
        (self.is_preflight && self.origin.is_some()).then(|| {
            HttpResponse::NoContent()
                .insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, METHODS))
                .insert_header((header::ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS))
                .insert_header((header::ACCESS_CONTROL_MAX_AGE, MAX_AGE_SECS))
                .finish()
        })
    }

    /// Every answer says it, so that no cache gives one origin what was made for another.
    pub fn dress(&self, headers: &mut HeaderMap) {
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
        if let Some(origin) = &self.origin {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(ANSWER_HEADERS));
            // Pages of other origins may embed what they may read.
            headers.insert(HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("cross-origin"));
        }
    }
}
