//! What happens around every request: id, limit, problems in one shape, security headers, metrics, the access line.

use std::{borrow::Cow, panic::AssertUnwindSafe, rc::Rc, time::Duration};

use actix_web::{
    Error, FromRequest, HttpMessage, HttpRequest, HttpResponse, ResponseError,
    body::{BoxBody, MessageBody},
    dev::{Payload, ServiceRequest, ServiceResponse},
    http::{
        Method, StatusCode,
        header::{self, HeaderMap, HeaderName, HeaderValue},
    },
    middleware::Next,
    web,
};
use futures_util::FutureExt;
use tracing::Instrument;

use super::{
    backlog::{Backlog, Step, Waiting},
    cors::Cors,
    limits::Standings,
    problem::{Kind, Problem},
    stray_query,
};
use crate::{
    app::{App, Place},
    clock::Stopwatch,
    domain::Time,
};

/// The header that names a request in answers and logs.
pub const REQUEST_ID_HEADER: &str = "x-request-id";
/// This server's part of a trace, as W3C Trace Context writes it: the way out of what `traceparent` brings in.
const TRACE_RESPONSE_HEADER: &str = "traceresponse";
/// Routes that answer whatever the load: probes and scrapes.
const ALWAYS_SERVED: [&str; 4] = ["/livez", "/readyz", "/version", "/metrics"];
/// Routes that rank for somebody who has no page yet: each costs many times what a next page does, and can be asked for again.
const RANKS_ANEW: [&str; 8] = [
    "/v1/feed",
    "/v1/rerank",
    "/v1/digests",
    "/v1/push/plan",
    "/v1/me/preferences/preview",
    "/v1/users/{id}/preferences/preview",
    "/v1/admin/policies/preview",
    "/v1/admin/policies/sweep",
];
/// The route label of a path that no route has.
const UNMATCHED: &str = "unmatched";
/// Answers of the API depend on these.
const API_VARY: &str = "Authorization, X-API-Key, Sec-GPC, Accept-Encoding, Accept-Language";
/// For answers that are data: nothing in them may run or be framed.
const DATA_CONTENT_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";

/// The id of this request: `rq_` + 32 hex digits of a UUIDv7. Never taken from the client.
#[derive(Clone, Debug)]
pub struct RequestId(String);

impl RequestId {
    fn new(now: Time) -> Self {
        let millis = u64::try_from(now.0).unwrap_or_default();
        let id = uuid::Builder::from_unix_timestamp_millis(millis, &rand::random()).into_uuid();
        Self(format!("rq_{}", id.simple()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromRequest for RequestId {
    type Error = Problem;
    type Future = std::future::Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let id = request.extensions().get::<Self>().cloned();
        std::future::ready(id.ok_or_else(|| Problem::internal("the request has no id")))
    }
}

/// What a handler adds to its access line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessNote {
    pub surface: Option<String>,
    /// The policy's id.
    pub policy: Option<String>,
    /// Reasons of degradations.
    pub degraded: Vec<&'static str>,
    pub items: Option<usize>,
}

impl AccessNote {
    /// Puts the note on the request; the last one counts.
    pub fn attach(self, request: &HttpRequest) {
        request.extensions_mut().insert(self);
    }
}

/// On a request whose worker has many waiting: it should make do with less.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pressed;

/// A request's answer in the making: what the access line and the metrics need.
struct Passage {
    id: RequestId,
    route: Cow<'static, str>,
    method: &'static str,
    is_api: bool,
    cors: Option<Cors>,
    watch: Stopwatch,
    trace: Option<Trace>,
}

/// The trace a request is part of.
struct Trace {
    id: String,
    /// This server's part of it as a `traceresponse` header; `None` when none is exported.
    response: Option<String>,
}

/// The outermost middleware.
pub(crate) async fn edge<B>(request: ServiceRequest, next: Next<B>) -> Result<ServiceResponse<BoxBody>, Error>
where
    B: MessageBody + 'static,
{
    let Some(app) = request.app_data::<web::Data<App>>().cloned() else {
        return Err(Problem::internal("the application state is not there").into());
    };
    let Some(backlog) = request.app_data::<Rc<Backlog>>().cloned() else {
        return Err(Problem::internal("the worker's backlog is not there").into());
    };
    let mut passage = Passage {
        id: RequestId::new(app.clock.now()),
        route: request.match_pattern().map_or(Cow::Borrowed(UNMATCHED), Cow::Owned),
        method: method_name(request.method()),
        is_api: request.path().starts_with("/v1/"),
        cors: Cors::of(request.method(), request.headers(), &app.settings.server.cors_origins),
        watch: Stopwatch::start(),
        trace: None,
    };
    let preflight = passage.cors.as_ref().and_then(Cors::preflight);
    // Probes take no place: a scrape must not be what turns a reader away.
    let admission = if preflight.is_some() || ALWAYS_SERVED.contains(&passage.route.as_ref()) {
        Admission::default()
    } else {
        let place = app.inflight.enter();
        let Some(waiting) = place.as_ref().and_then(|_| backlog.enter(step(&passage.route, request.query_string()))) else {
            backlog.refuse();
            return Ok(refused(&app, &passage, request));
        };
        Admission { waiting: Some(waiting), _place: place }
    };
    request.extensions_mut().insert(passage.id.clone());
    let span = span(&mut passage, request.headers());
    let served = async {
        match preflight {
            Some(answer) => Ok(finish(&app, &passage, request.into_parts().0, Ok(answer))),
            None => pass(&app, &backlog, admission, passage, request, next).await,
        }
    };
    served.instrument(span).await
}

/// What a request holds while it is served; nothing of a probe.
#[derive(Default)]
struct Admission<'a> {
    waiting: Option<Waiting>,
    _place: Option<Place<'a>>,
}

fn step(route: &str, query: &str) -> Step {
    let goes_on = query.split('&').any(|pair| pair.starts_with("cursor="));
    if RANKS_ANEW.contains(&route) && !goes_on { Step::Begins } else { Step::GoesOn }
}

/// Turns a request away for as little as can be: no span, no line of its own. There are the more of them the less time there is.
fn refused(app: &App, passage: &Passage, request: ServiceRequest) -> ServiceResponse<BoxBody> {
    app.metrics.shed();
    let problem = Problem::overloaded("The server is asked for more than it can do in time. Try again in a moment.");
    let mut response = problem.respond(Some(passage.id.as_str()));
    dress(response.headers_mut(), passage);
    app.metrics.request(passage.route.clone(), passage.method, response.status().as_u16(), passage.watch.elapsed(), None);
    ServiceResponse::new(request.into_parts().0, response)
}

async fn pass<B>(
    app: &App,
    backlog: &Backlog,
    admission: Admission<'_>,
    passage: Passage,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error>
where
    B: MessageBody + 'static,
{
    let _serving = app.metrics.serving();
    let Admission { waiting, _place } = admission;
    // Whoever is there is taken in, or refused, before any of them is worked for: a refusal does not wait behind work.
    if let Some(waiting) = waiting {
        waiting.over().await;
    }
    if let Some(problem) = stray_query::refused(passage.method, &passage.route, request.query_string()) {
        return Ok(finish(app, &passage, request.into_parts().0, Err(problem)));
    }
    if backlog.is_pressed() {
        request.extensions_mut().insert(Pressed);
    }
    let outcome = backlog.measured(AssertUnwindSafe(next.call(request)).catch_unwind()).await;
    match outcome {
        Ok(Ok(response)) => {
            let (request, response) = response.into_parts();
            let answer = match problem_of(&response) {
                Some(problem) => Err(problem),
                None => Ok(response.map_into_boxed_body()),
            };
            Ok(finish(app, &passage, request, answer))
        }
        Ok(Err(error)) => Err(lost(app, passage, problem_of_error(&error, error.as_response_error().status_code()))),
        Err(panic) => Err(lost(app, passage, Problem::internal(format!("panicked: {}", panic_message(panic.as_ref()))))),
    }
}

/// Completes an answer: one shape for every problem, headers, log, metrics.
fn finish(app: &App, passage: &Passage, request: HttpRequest, answer: Result<HttpResponse, Problem>) -> ServiceResponse<BoxBody> {
    let mut response = answer.unwrap_or_else(|problem| {
        log_cause(&problem);
        problem.respond(Some(passage.id.as_str()))
    });
    dress(response.headers_mut(), passage);
    if let Some(standings) = request.extensions().get::<Standings>() {
        standings.tell(response.headers_mut());
    }
    let note = request.extensions().get::<AccessNote>().cloned().unwrap_or_default();
    conclude(app, passage, response.status(), &note);
    ServiceResponse::new(request, response)
}

/// The same when the request itself is gone.
fn lost(app: &App, passage: Passage, problem: Problem) -> Error {
    log_cause(&problem);
    conclude(app, &passage, problem.status_code(), &AccessNote::default());
    LostRequest { passage, problem }.into()
}

fn conclude(app: &App, passage: &Passage, status: StatusCode, note: &AccessNote) {
    let took = passage.watch.elapsed();
    app.metrics.request(
        passage.route.clone(),
        passage.method,
        status.as_u16(),
        took,
        passage.trace.as_ref().map(|trace| trace.id.as_str()),
    );
    access_line(&passage.route, passage.method, status.as_u16(), took, note);
}

/// One line per request. `ts`, `level`, `msg`, `target` come from the log format; `request_id` and `trace_id` from the span.
pub fn access_line(route: &str, method: &str, status: u16, took: Duration, note: &AccessNote) {
    let degraded = (!note.degraded.is_empty()).then(|| note.degraded.join(","));
    tracing::info!(
        target: "polyphony::access",
        route,
        method,
        status,
        dur_ms = (took.as_secs_f64() * 1e6).round() / 1e3,
        surface = note.surface,
        policy = note.policy,
        degraded,
        items = note.items,
        "request"
    );
}

/// A span at the highest level, so that no filter takes the request id out of the lines within it.
fn span(passage: &mut Passage, headers: &HeaderMap) -> tracing::Span {
    let span = tracing::error_span!("request", request_id = passage.id.as_str(), trace_id = tracing::field::Empty);
    let traceparent = headers.get("traceparent").and_then(|value| value.to_str().ok());
    let given = traceparent.and_then(trace_id);
    #[cfg(feature = "otlp")]
    if let Some(joined) = crate::telemetry::otlp::join(&span, given.and(traceparent), &passage.route, passage.method) {
        span.record("trace_id", joined.trace_id.as_str());
        passage.trace = Some(Trace { id: joined.trace_id, response: Some(joined.response) });
        return span;
    }
    if let Some(trace_id) = given {
        span.record("trace_id", trace_id);
        passage.trace = Some(Trace { id: trace_id.to_owned(), response: None });
    }
    span
}

/// The trace id of a W3C `traceparent`: `00-<32 hex>-<16 hex>-<2 hex>`.
pub(super) fn trace_id(traceparent: &str) -> Option<&str> {
    let mut parts = traceparent.split('-');
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let hex = |text: &str, length: usize| text.len() == length && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let sound = hex(version, 2) && version != "ff" && hex(trace, 32) && hex(parent, 16) && hex(flags, 2);
    (sound && trace.bytes().any(|b| b != b'0')).then_some(trace)
}

fn log_cause(problem: &Problem) {
    let Some(cause) = problem.cause() else { return };
    let code = problem.kind().code();
    if problem.kind().status() >= 500 {
        tracing::error!(code, cause, "request failed");
    } else {
        tracing::debug!(code, cause, "request refused");
    }
}

/// The problem an answer stands for, if it is not a success.
fn problem_of<B>(response: &HttpResponse<B>) -> Option<Problem> {
    if !response.status().is_client_error() && !response.status().is_server_error() {
        return None;
    }
    match response.error() {
        Some(error) => Some(problem_of_error(error, response.status())),
        // A handler's own answer, such as a probe's 503: its body says more than a problem could.
        None if response.headers().contains_key(header::CONTENT_TYPE) => None,
        None => Some(bare(response.status())),
    }
}

fn problem_of_error(error: &Error, status: StatusCode) -> Problem {
    if let Some(problem) = error.as_error::<Problem>() {
        return problem.clone();
    }
    if status.is_server_error() {
        return Problem::internal(error);
    }
    Problem::new(Kind::of_status(status), format!("The request cannot be read: {error}."))
}

fn bare(status: StatusCode) -> Problem {
    if status.is_server_error() {
        return Problem::internal(format!("a handler answered {status} without a reason"));
    }
    Problem::new(Kind::of_status(status), status.canonical_reason().unwrap_or("The request cannot be served."))
}

/// Headers of every answer.
fn dress(headers: &mut HeaderMap, passage: &Passage) {
    if let Ok(id) = HeaderValue::from_str(passage.id.as_str()) {
        headers.insert(HeaderName::from_static(REQUEST_ID_HEADER), id);
    }
    let response = passage.trace.as_ref().and_then(|trace| trace.response.as_deref());
    if let Some(value) = response.and_then(|text| HeaderValue::from_str(text).ok()) {
        headers.insert(HeaderName::from_static(TRACE_RESPONSE_HEADER), value);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    if !headers.contains_key(header::CONTENT_SECURITY_POLICY) {
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(DATA_CONTENT_POLICY));
    }
    // What says nothing of caches is kept by none.
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    if passage.is_api && !headers.contains_key(header::VARY) {
        headers.insert(header::VARY, HeaderValue::from_static(API_VARY));
    }
    if let Some(cors) = &passage.cors {
        cors.dress(headers);
    }
}

/// The method as a label: other methods are the client's own words.
fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "_OTHER",
    }
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&'static str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

/// A problem that has to carry its own headers, because no request is left to answer.
struct LostRequest {
    passage: Passage,
    problem: Problem,
}

impl std::fmt::Debug for LostRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl std::fmt::Display for LostRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.passage.id.as_str(), self.problem)
    }
}

impl ResponseError for LostRequest {
    fn status_code(&self) -> StatusCode {
        self.problem.status_code()
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = self.problem.respond(Some(self.passage.id.as_str()));
        dress(response.headers_mut(), &self.passage);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_ids_are_ordered_in_time_and_unique() {
        let early = RequestId::new(Time::from_secs(1));
        let late = RequestId::new(Time::from_secs(2));
        assert!(early.as_str() < late.as_str());
        assert_eq!(early.as_str().len(), 3 + 32);
        assert_ne!(RequestId::new(Time::from_secs(1)).as_str(), early.as_str());
    }

    #[test]
    fn a_feed_without_a_cursor_begins_and_all_else_goes_on() {
        assert_eq!(step("/v1/feed", "user=ana&limit=20"), Step::Begins);
        assert_eq!(step("/v1/feed", "user=cursor%3D&x_cursor=1"), Step::Begins);
        assert_eq!(step("/v1/feed", "user=ana&cursor=c1.x"), Step::GoesOn);
        assert_eq!(step("/v1/events", ""), Step::GoesOn);
        let known: Vec<&str> = crate::http::routes().iter().map(|entry| entry.path).collect();
        assert!(RANKS_ANEW.iter().all(|route| known.contains(route)), "{RANKS_ANEW:?}");
    }

    #[test]
    fn only_sound_trace_parents_are_taken() {
        let trace = "0af7651916cd43dd8448eb211c80319c";
        assert_eq!(trace_id(&format!("00-{trace}-b7ad6b7169203331-01")), Some(trace));
        assert_eq!(trace_id("00-00000000000000000000000000000000-b7ad6b7169203331-01"), None);
        assert_eq!(trace_id(&format!("ff-{trace}-b7ad6b7169203331-01")), None);
        assert_eq!(trace_id("00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01"), None);
        assert_eq!(trace_id("nonsense"), None);
    }
}
