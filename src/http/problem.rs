//! The one table of problems, and how one becomes an answer (RFC 9457). `docs/problems.md` documents each.
//!
//! Handlers return `Err(Problem)`. What is written for the caller goes into `detail` and `errors`; what only operators
//! may know goes into [`Problem::caused_by`] and reaches the log once, with the request id.

use std::{borrow::Cow, fmt};

use actix_web::{
    HttpResponse, ResponseError,
    http::{
        StatusCode,
        header::{self, HeaderValue},
    },
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    domain::suggest::hint,
    limits::{Exceeded, Standing},
    store::StoreError,
    wire::Fault,
};

/// What the `type` of every problem begins with.
pub const TYPE_BASE: &str = "https://polyphony.dev/problems/";
pub const CONTENT_TYPE: &str = "application/problem+json";
/// Most faults listed in one answer; more are counted in `detail`.
pub const FAULTS_PER_PROBLEM_MAX: usize = 100;
/// `Retry-After` of an overloaded server: it refuses before working, so a second is enough to come back.
pub const OVERLOADED_RETRY_AFTER_SECS: u32 = 1;
/// `Retry-After` when the store is away: its client reconnects within this.
pub const STORE_RETRY_AFTER_SECS: u32 = 5;

macro_rules! problems {
    ($($kind:ident $slug:literal $code:literal $status:literal $title:literal;)+) => {
        /// Every kind of problem. Slug, code and title never change their meaning.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Kind {
            $($kind),+
        }

        impl Kind {
            pub const ALL: &[Kind] = &[$(Self::$kind),+];

            pub const fn slug(self) -> &'static str {
                match self { $(Self::$kind => $slug),+ }
            }
            pub const fn code(self) -> &'static str {
                match self { $(Self::$kind => $code),+ }
            }
            pub const fn status(self) -> u16 {
                match self { $(Self::$kind => $status),+ }
            }
            pub const fn title(self) -> &'static str {
                match self { $(Self::$kind => $title),+ }
            }
        }
    };
}

problems! {
    BadRequest           "bad-request"            "E0100" 400 "Bad request";
    InvalidBody          "invalid-body"           "E0101" 400 "Invalid body";
    InvalidParameter     "invalid-parameter"      "E0102" 400 "Invalid parameter";
    InvalidCursor        "invalid-cursor"         "E0103" 400 "Invalid cursor";
    CursorExpired        "cursor-expired"         "E0104" 410 "Cursor expired";
    UnknownSurface       "unknown-surface"        "E0105" 400 "Unknown surface";
    Unauthorized         "unauthorized"           "E0110" 401 "Not authenticated";
    Forbidden            "forbidden"              "E0111" 403 "Not allowed";
    NotFound             "not-found"              "E0120" 404 "Not found";
    MethodNotAllowed     "method-not-allowed"     "E0121" 405 "Method not allowed";
    UnsupportedMediaType "unsupported-media-type" "E0122" 415 "Unsupported media type";
    PayloadTooLarge      "payload-too-large"      "E0123" 413 "Body too large";
    Conflict             "conflict"               "E0124" 409 "Conflict";
    RateLimited          "rate-limited"           "E0130" 429 "Too many requests";
    Overloaded           "overloaded"             "E0131" 503 "Overloaded";
    StoreUnavailable     "store-unavailable"      "E0132" 503 "Store unavailable";
    EmptyCatalogue       "empty-catalogue"        "E0133" 503 "Empty catalogue";
    NothingToUndo        "nothing-to-undo"        "E0140" 422 "Nothing to undo";
    InvalidEvent         "invalid-event"          "E0141" 422 "Invalid event";
    UnknownItem          "unknown-item"           "E0142" 422 "Unknown item";
    UnknownType          "unknown-type"           "E0143" 422 "Unknown event type";
    PolicyInvalid        "policy-invalid"         "E0150" 422 "Invalid policy";
    Internal             "internal"               "E0190" 500 "Internal error";
}

impl Kind {
    /// The problem's URI: the stable thing for clients to tell problems apart by.
    pub fn type_uri(self) -> String {
        format!("{TYPE_BASE}{}", self.slug())
    }

    fn status_code(self) -> StatusCode {
        StatusCode::from_u16(self.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The kind that stands for a status set by the HTTP layer itself.
    pub(super) fn of_status(status: StatusCode) -> Self {
        match status.as_u16() {
            401 => Self::Unauthorized,
            403 => Self::Forbidden,
            404 => Self::NotFound,
            405 => Self::MethodNotAllowed,
            409 => Self::Conflict,
            413 => Self::PayloadTooLarge,
            415 => Self::UnsupportedMediaType,
            429 => Self::RateLimited,
            503 => Self::Overloaded,
            400..=499 => Self::BadRequest,
            _ => Self::Internal,
        }
    }
}

/// An answer that is not a success.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    kind: Kind,
    detail: Cow<'static, str>,
    errors: Vec<Fault>,
    /// For the log only.
    cause: Option<String>,
    retry_after_secs: Option<u32>,
    /// The `Allow` header of a 405.
    allow: Option<String>,
    /// The `RateLimit` headers of a 429.
    limited: Option<Box<Standing>>,
}

/// The body of every answer that is not a success (`application/problem+json`, RFC 9457).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct Body<'a> {
    /// Tells problems apart; its page documents the problem.
    #[schema(format = "uri", examples("https://polyphony.dev/problems/invalid-parameter"))]
    r#type: String,
    /// The same for every problem of this type.
    #[schema(examples("Invalid parameter"))]
    title: &'static str,
    /// The HTTP status.
    #[schema(examples(400))]
    status: u16,
    /// Short code for logs and support.
    #[schema(examples("E0102"))]
    code: &'static str,
    /// What is wrong with this request and what to do about it.
    detail: &'a str,
    /// Also in the `X-Request-Id` header and in the server's log.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    request_id: Option<&'a str>,
    /// Every fault of the input, not only the first.
    #[serde(skip_serializing_if = "<[Fault]>::is_empty")]
    #[schema(value_type = Vec<Fault>)]
    errors: &'a [Fault],
}

impl Problem {
    pub fn new(kind: Kind, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, detail: detail.into(), errors: Vec::new(), cause: None, retry_after_secs: None, allow: None, limited: None }
    }

    /// Everything wrong with a body. `detail` is the first fault's, and how many more there are.
    pub fn invalid_body(errors: Vec<Fault>) -> Self {
        let detail = match errors.first() {
            Some(Fault { pointer, detail }) if pointer.is_empty() => format!("The body {detail}"),
            Some(Fault { pointer, detail }) => format!("`{pointer}` {detail}"),
            None => "The body cannot be used".to_owned(),
        };
        Self::new(Kind::InvalidBody, and_more(detail, errors.len())).with_errors(errors)
    }

    /// `at`: the pointer to where the surface was named.
    pub fn unknown_surface<'a>(surface: &str, at: &str, known: impl Iterator<Item = &'a str>) -> Self {
        let known: Vec<&str> = known.collect();
        let hint = hint(surface, known.iter().copied());
        let detail = format!("`{}` is not a surface of this server.{hint}", super::params::shown(surface));
        let fault = Fault { pointer: at.to_owned(), detail: format!("unknown; expected one of {}", known.join(", ")) };
        Self::new(Kind::UnknownSurface, detail).with_errors(vec![fault])
    }

    pub fn unauthorized(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Unauthorized, detail)
    }

    pub fn forbidden(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Forbidden, detail)
    }

    pub fn not_found(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::NotFound, detail)
    }

    pub fn overloaded(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Overloaded, detail).retry_after(OVERLOADED_RETRY_AFTER_SECS)
    }

    /// The caller sends more than its `limits.*` allow.
    pub fn rate_limited(exceeded: Exceeded) -> Self {
        let Exceeded { standing, retry_after_secs } = exceeded;
        let detail = format!(
            "More than {} requests a minute (`{}`); the next one is served in {retry_after_secs} s.",
            standing.quota, standing.limit
        );
        Self { limited: Some(Box::new(standing)), ..Self::new(Kind::RateLimited, detail) }.retry_after(retry_after_secs)
    }

    /// `cause` is for the log; the caller learns nothing of it.
    pub fn internal(cause: impl fmt::Display) -> Self {
        Self::new(Kind::Internal, "Something went wrong on the server; it has been logged under this request id.").caused_by(cause)
    }

    #[must_use]
    pub fn with_errors(mut self, errors: Vec<Fault>) -> Self {
        self.errors = errors;
        self.errors.truncate(FAULTS_PER_PROBLEM_MAX);
        self
    }

    /// What only operators may know; logged once.
    #[must_use]
    pub fn caused_by(mut self, cause: impl fmt::Display) -> Self {
        self.cause = Some(cause.to_string());
        self
    }

    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_secs = Some(seconds);
        self
    }

    #[must_use]
    pub(super) fn allowing(mut self, methods: String) -> Self {
        self.allow = Some(methods);
        self
    }

    pub const fn kind(&self) -> Kind {
        self.kind
    }

    pub fn detail(&self) -> &str {
        &self.detail
    }

    pub(super) fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    /// The answer. The middleware calls it with the request id; nobody else needs to.
    pub(super) fn respond(&self, request_id: Option<&str>) -> HttpResponse {
        let body = Body {
            r#type: self.kind.type_uri(),
            title: self.kind.title(),
            status: self.kind.status(),
            code: self.kind.code(),
            detail: &self.detail,
            request_id,
            errors: &self.errors,
        };
        let json = serde_json::to_vec(&body).unwrap_or_default();
        let mut response = HttpResponse::build(self.kind.status_code());
        response.insert_header((header::CONTENT_TYPE, CONTENT_TYPE)).insert_header((header::CACHE_CONTROL, "no-store"));
        if let Some(seconds) = self.retry_after_secs {
            response.insert_header((header::RETRY_AFTER, HeaderValue::from(seconds)));
        }
        if let Some(methods) = &self.allow {
            response.insert_header((header::ALLOW, methods.as_str()));
        }
        if self.kind == Kind::Unauthorized {
            response.insert_header((header::WWW_AUTHENTICATE, "Bearer realm=\"polyphony\""));
        }
        let mut response = response.body(json);
        super::limits::tell(response.headers_mut(), self.limited.as_deref().map_or(&[], std::slice::from_ref));
        response
    }
}

/// ` (and 2 more; see errors)` when there is more than one.
pub(super) fn and_more(first: String, count: usize) -> String {
    if count > 1 { format!("{first} (and {} more; see `errors`)", count - 1) } else { first }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.slug(), self.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.kind.status_code()
    }

    fn error_response(&self) -> HttpResponse {
        self.respond(None)
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        if matches!(error, StoreError::Erased) {
            return Self::new(Kind::Conflict, "The person was erased: nothing is kept about them until they consent anew.");
        }
        let detail = "The store cannot be reached or does not answer in time, and this request cannot do without it. Try again.";
        Self::new(Kind::StoreUnavailable, detail).retry_after(STORE_RETRY_AFTER_SECS).caused_by(error)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn slugs_and_codes_are_unique() {
        assert_eq!(Kind::ALL.iter().map(|kind| kind.slug()).collect::<HashSet<_>>().len(), Kind::ALL.len());
        assert_eq!(Kind::ALL.iter().map(|kind| kind.code()).collect::<HashSet<_>>().len(), Kind::ALL.len());
    }

    #[test]
    fn a_cause_never_reaches_the_caller() {
        let problem = Problem::internal("password=hunter2");
        assert!(!problem.to_string().contains("hunter2"));
        assert!(!problem.detail().contains("hunter2"));
        assert_eq!(problem.cause(), Some("password=hunter2"));
    }
}
