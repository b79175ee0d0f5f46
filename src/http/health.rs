//! Probes, version and metrics. Ready means "can answer", also with less: a store that is down must not take every
//! server out of the load balancer at once.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::{params::Query, problem::Problem};
use crate::{
    app::{App, COMMIT, VERSION},
    telemetry::metrics::CONTENT_TYPE,
};

/// Whether the server can answer.
#[derive(Serialize, ToSchema)]
pub struct Readiness {
    status: Status,
    /// Every check, with `?verbose`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    checks: Option<Vec<Check>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Everything works.
    Ready,
    /// Feeds are served, with less than usual.
    Degraded,
    /// The catalogue is still being loaded.
    Starting,
    /// The server is about to stop.
    Draining,
}

/// One thing readiness looks at.
#[derive(Serialize, ToSchema)]
pub struct Check {
    #[schema(examples("store"))]
    name: &'static str,
    ok: bool,
    /// Whether the server cannot answer without it.
    required: bool,
    /// Which one, or what is wrong: a word of a closed list.
    #[schema(examples("embedded"))]
    detail: &'static str,
}

/// What runs here.
#[derive(Serialize, ToSchema)]
pub struct Version {
    #[schema(examples("polyphony"))]
    name: &'static str,
    #[schema(examples("0.1.0"))]
    version: &'static str,
    #[schema(examples("unknown"))]
    commit: &'static str,
}

/// Whether the process runs
///
/// Says nothing about what it needs: restart the process only when this fails.
#[utoipa::path(get, path = "/livez", tag = "operations", operation_id = "livez",
    responses((status = 200, description = "The process runs", body = String, content_type = "text/plain", example = "ok")))]
pub async fn livez() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; charset=utf-8").insert_header(("cache-control", "no-store")).body("ok\n")
}

/// Whether the server can answer
///
/// Also ready while the store is away: feeds are then served degraded. Not ready while the catalogue is being loaded and
/// from the moment the server is told to stop.
#[utoipa::path(get, path = "/readyz", tag = "operations", operation_id = "readyz",
    params(("verbose" = Option<bool>, Query, description = "Lists every check", example = true)),
    responses(
        (status = 200, description = "It can", body = Readiness, example = json!({"status": "ready"})),
        (status = 503, description = "It cannot yet, or no longer", body = Readiness, example = json!({"status": "starting"}))))]
pub async fn readyz(request: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, Problem> {
    let mut query = Query::new("GET /readyz", request.query_string());
    let verbose = query.flag("verbose");
    query.finish()?;
    let checks = checks(&app).await;
    let status = if app.health.is_draining() {
        Status::Draining
    } else if checks.iter().any(|check| check.required && !check.ok) {
        Status::Starting
    } else if checks.iter().all(|check| check.ok) {
        Status::Ready
    } else {
        Status::Degraded
    };
    let mut answer = match status {
        Status::Ready | Status::Degraded => HttpResponse::Ok(),
        Status::Starting | Status::Draining => HttpResponse::ServiceUnavailable(),
    };
    let body = Readiness { status, checks: verbose.then_some(checks) };
    Ok(answer.insert_header(("cache-control", "no-store")).json(body))
}

async fn checks(app: &App) -> Vec<Check> {
    let loaded = app.health.is_catalogue_loaded();
    let store = app.store.ping().await;
    let policy = app.policy_file.trouble().or_else(|| app.rollout.trouble());
    vec![
        Check { name: "catalogue", ok: loaded, required: true, detail: if loaded { "loaded" } else { "loading" } },
        Check {
            name: "store",
            ok: store.is_ok(),
            required: false,
            detail: store.as_ref().map_or_else(|error| error.reason(), |()| app.store.kind()),
        },
        // A policy that cannot be changed is served on.
        Check { name: "policy", ok: policy.is_none(), required: false, detail: policy.unwrap_or("current") },
    ]
}

/// What runs here
#[utoipa::path(get, path = "/version", tag = "operations", operation_id = "version",
    responses((status = 200, description = "Name, version and commit", body = Version)))]
pub async fn version() -> HttpResponse {
    HttpResponse::Ok().json(Version { name: "polyphony", version: VERSION, commit: COMMIT })
}

/// Metrics in OpenMetrics text
///
/// `docs/data.md` lists each of them. No label holds a person's or an item's id.
#[utoipa::path(get, path = "/metrics", tag = "operations", operation_id = "metrics",
    responses((status = 200, description = "OpenMetrics 1.0 text", body = String, content_type = "application/openmetrics-text",
        example = "# TYPE feed_shed counter\nfeed_shed_total 0\n# EOF\n")))]
pub async fn metrics(app: web::Data<App>) -> Result<HttpResponse, Problem> {
    let page = app.metrics.encode().map_err(Problem::internal)?;
    Ok(HttpResponse::Ok().content_type(CONTENT_TYPE).body(page))
}
