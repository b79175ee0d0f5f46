//! Policies over HTTP, for operators: check, explain, compare, preview, and the schema of their files. Nothing here changes anything.

pub(super) mod drafts;
pub mod forms;
pub mod sweep;

use std::{future::Future, sync::Arc, time::Duration};

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use serde_json::Value;
use utoipa::ToSchema;

use self::{
    drafts::{Drafts, draft_text},
    forms::{CheckBody, PreviewBody, SampledBody},
};
use super::{
    body::{Body, Takes},
    feed::{self, SURFACE_IN_BODY},
    middleware::RequestId,
    params::Query,
    problem::Problem,
};
use crate::{
    app::App,
    auth::Caller,
    domain::UserId,
    feed::{FeedRequest, supply::MAX_SAMPLED_READERS, verdict},
    policy::{self, diff::Diff, explain, report::Report, schema},
    wire::{Faults, read},
};

/// Readers sampled by a check that does not say how many.
const DEFAULT_SAMPLED_READERS: usize = 40;
/// After this no further readers are sampled.
const SAMPLE_TIME_MAX: Duration = Duration::from_secs(5);
/// Most policies in one preview.
pub const MAX_PREVIEWED_POLICIES: usize = 4;
const CHECK_FIELDS: [&str; 2] = ["policy", "readers"];
const DIFF_FIELDS: [&str; 2] = ["from", "to"];
const PREVIEW_FIELDS: [&str; 6] = ["surface", "user", "policies", "limit", "diversity", "seed"];

/// What `POST /v1/admin/policies/check` takes.
#[derive(ToSchema)]
#[schema(as = PolicyCheckRequest, example = json!({ "policy": { "id": "home-breadth", "version": 1, "diversify": { "diversity": 0.5 } } }))]
#[allow(dead_code, reason = "documents the form; it is read by hand so that all faults are named at once")]
pub struct CheckForm {
    /// A draft: an object with the keys of a policy file, or `{"toml": "…"}` with its text and perhaps `files`, by name, that it extends
    /// or whose policies its experiments use. What it leaves out of `schema`, `id`
    /// and `version` is filled in where it is an object.
    policy: Written,
    /// Readers that pages are made for, 0 to 1000; 0 asks nothing of the catalogue. 40 if left out.
    #[schema(minimum = 0, maximum = 1000)]
    readers: Option<u32>,
}

/// What `POST /v1/admin/policies/diff` takes.
#[derive(ToSchema)]
#[schema(as = PolicyDiffRequest, example = json!({ "from": "active", "to": "discovery" }))]
#[allow(dead_code, reason = "documents the form; it is read by hand so that all faults are named at once")]
pub struct DiffForm {
    /// `active`, a preset's name, a file beside the server's own, or a draft as for a check.
    from: Written,
    to: Written,
}

/// What `POST /v1/admin/policies/preview` takes.
#[derive(ToSchema)]
#[schema(as = PolicyPreviewRequest, example = json!({ "user": "ana", "surface": "home",
    "policies": ["active", { "extends": "active", "diversify": { "diversity": 0.6 } }] }))]
#[allow(dead_code, reason = "documents the form; it is read by hand so that all faults are named at once")]
pub struct PreviewForm {
    /// `home` if left out.
    surface: Option<String>,
    /// Whose profile; nobody's if left out. It is read and not changed.
    user: Option<String>,
    /// 1 to 4: each `active`, a preset's name, a file beside the server's own, or a draft. The first is what the others are
    /// compared with.
    policies: Vec<Written>,
    /// 1 to 100; each policy's own page size if left out.
    #[schema(minimum = 1, maximum = 100)]
    limit: Option<u32>,
    /// As if the reader had asked for it.
    #[schema(minimum = 0, maximum = 1)]
    diversity: Option<f32>,
    /// Repeats the draws of another preview.
    seed: Option<u64>,
}

/// Any JSON value, as forms document it.
#[derive(ToSchema)]
#[schema(as = PolicyDraft, value_type = Value)]
#[allow(dead_code, reason = "documents the form")]
struct Written(Value);

/// Check a policy
///
/// Everything that is wrong with a draft, at once; and whether this server's catalogue has what its constraints and guardrails
/// ask for, by making pages for sampled readers. Nothing is changed, kept or journaled.
#[utoipa::path(post, path = "/v1/admin/policies/check", tag = "policies", operation_id = "check_policy",
    request_body = CheckForm,
    responses((status = 200, description = "What was found; `sound` when no finding is an error", body = CheckBody<'static>)))]
pub async fn check(app: web::Data<App>, caller: Caller, request: HttpRequest, mut payload: web::Payload) -> Result<HttpResponse, Problem> {
    caller.require_admin()?;
    let body = Body::read(&request, &mut payload, Takes::Json, app.body_limit_bytes()).await?.value()?;
    let mut faults = Faults::default();
    let (mut text, mut readers) = (None, Some(DEFAULT_SAMPLED_READERS));
    if let Some(map) = read::object(&body, "", &mut faults) {
        read::unknown_keys(map, &CHECK_FIELDS, "a policy check", "", &mut faults);
        let draft = read::required(map, "policy", "a draft", "", &mut faults);
        text = draft.and_then(|draft| draft_text(draft, "/policy", &mut faults));
        if let Some(given) = read::optional(map, "readers") {
            readers = drafts::whole(given, 0, MAX_SAMPLED_READERS as u64, "/readers", &mut faults).map(|n| n as usize);
        }
    }
    faults.into_result().map_err(Problem::invalid_body)?;
    let (Some(text), Some(readers)) = (text, readers) else { return Err(Problem::internal("a checked body lacks a field")) };
    let mut checked = policy::check(&text, &drafts::library(&app));
    let mut sampled = Vec::new();
    if let Some(set) = checked.set.as_ref().filter(|_| readers > 0) {
        let (asked, set) = (app.clone(), set.clone());
        let work = async move { asked.feed.sample(&set, readers, SAMPLE_TIME_MAX).await };
        sampled = beside_requests(work).await?.map_err(|error| feed::problem(&app, error, SURFACE_IN_BODY))?;
        let Some(set) = &checked.set else { return Err(Problem::internal("a sound policy is not there")) };
        let found = verdict::findings(set, &sampled, checked.places.as_ref());
        checked = checked.and(found);
    }
    let body = CheckBody { report: Report::new(&text.name, &checked), sampled: sampled.iter().map(SampledBody::from).collect() };
    Ok(answer(&body))
}

/// Explain a key or code
///
/// What a policy's key means, which values it takes, its default, what is typical, what it trades; or what a finding's code is
/// about. Without `key`: every key.
#[utoipa::path(get, path = "/v1/admin/policies/explain", tag = "policies", operation_id = "explain_policy_key",
    params(("key" = Option<String>, Query, description = "A key, a section or a code", example = "diversify.diversity")),
    responses((status = 200, description = "The explanation, or a list of all keys", body = Value)))]
pub async fn explain_key(caller: Caller, request: HttpRequest) -> Result<HttpResponse, Problem> {
    caller.require_admin()?;
    let mut params = Query::new("GET /v1/admin/policies/explain", request.query_string());
    let key = params.optional("key");
    params.finish()?;
    match key {
        None => Ok(answer(&explain::all())),
        Some(key) => explain::explain(&key, None).map(|explanation| answer(&explanation)).map_err(|message| {
            let mut letters = message.chars();
            let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
            Problem::not_found(format!("{first}{}", letters.as_str()))
        }),
    }
}

/// Compare two policies
///
/// What is served differently, knob by knob and surface by surface; not how the files differ.
#[utoipa::path(post, path = "/v1/admin/policies/diff", tag = "policies", operation_id = "diff_policies",
    request_body = DiffForm,
    responses((status = 200, description = "The differences", body = Diff)))]
pub async fn diff(app: web::Data<App>, caller: Caller, request: HttpRequest, mut payload: web::Payload) -> Result<HttpResponse, Problem> {
    caller.require_admin()?;
    let body = Body::read(&request, &mut payload, Takes::Json, app.body_limit_bytes()).await?.value()?;
    let mut drafts = Drafts::new(&app);
    let mut sets = (None, None);
    if let Some(map) = read::object(&body, "", &mut drafts.faults) {
        read::unknown_keys(map, &DIFF_FIELDS, "a policy comparison", "", &mut drafts.faults);
        sets.0 = read::required(map, "from", "a policy", "", &mut drafts.faults).and_then(|value| drafts.set(value, "/from"));
        sets.1 = read::required(map, "to", "a policy", "", &mut drafts.faults).and_then(|value| drafts.set(value, "/to"));
    }
    drafts.finish()?;
    let (Some(from), Some(to)) = sets else { return Err(Problem::internal("a checked body lacks a field")) };
    Ok(answer(&policy::diff::diff(&from, &to)))
}

/// Preview policies
///
/// The first page of a surface under each policy, from the same catalogue, for the same reader and with the same draws: moves,
/// constraints that bind or give way, and metrics. It has no side effects: nothing is served, kept, journaled or learned.
#[utoipa::path(post, path = "/v1/admin/policies/preview", tag = "policies", operation_id = "preview_policies",
    request_body = PreviewForm,
    responses((status = 200, description = "The slates", body = PreviewBody)))]
pub async fn preview(
    app: web::Data<App>,
    caller: Caller,
    id: RequestId,
    request: HttpRequest,
    mut payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    caller.require_admin()?;
    let body = Body::read(&request, &mut payload, Takes::Json, app.body_limit_bytes()).await?.value()?;
    let mut drafts = Drafts::new(&app);
    let (asked, values) = preview_request(&body, id, &mut drafts.faults);
    let sets: Vec<_> = values.iter().enumerate().filter_map(|(n, value)| drafts.set(value, &format!("/policies/{n}"))).collect();
    drafts.finish()?;
    let known: Vec<String> = app.feed.serving.load().set.surfaces.names().map(str::to_owned).collect();
    let unknown = || Problem::unknown_surface(&asked.surface, SURFACE_IN_BODY, known.iter().map(String::as_str));
    let policies: Option<Vec<_>> = sets.iter().map(|set| set.surface(&asked.surface).map(Arc::clone)).collect();
    let policies = policies.ok_or_else(unknown)?;
    let user = asked.user.as_ref().map(ToString::to_string);
    let feeds = app.clone();
    let previewed = beside_requests(async move { feeds.feed.preview(&asked, &policies).await }).await?;
    let previewed = previewed.map_err(|error| feed::problem(&app, error, SURFACE_IN_BODY))?;
    Ok(answer(&PreviewBody::new(&previewed, user)))
}

/// Runs `work` on a thread of its own: constraints that contradict each other can take seconds, and requests do not wait for them.
async fn beside_requests<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> Result<T, Problem> {
    let runtime = tokio::runtime::Handle::current();
    web::block(move || runtime.block_on(work)).await.map_err(Problem::internal)
}

/// The request, and the policies as they were named; faults are added.
fn preview_request<'a>(body: &'a Value, id: RequestId, faults: &mut Faults) -> (FeedRequest, &'a [Value]) {
    let mut asked = FeedRequest { request_id: id.as_str().to_owned(), surface: "home".to_owned(), ..FeedRequest::default() };
    let mut policies: &[Value] = &[];
    let Some(map) = read::object(body, "", faults) else { return (asked, policies) };
    read::unknown_keys(map, &PREVIEW_FIELDS, "a policy preview", "", faults);
    let get = |key: &str| read::optional(map, key);
    if let Some(surface) = get("surface").and_then(|v| read::text(v, 1, 64, "/surface", faults)) {
        asked.surface = surface.to_owned();
    }
    if let Some(user) = get("user").and_then(|v| read::string(v, "/user", faults)) {
        match UserId::new(user) {
            Ok(user) => asked.user = Some(user),
            Err(error) => faults.add("/user", error.to_string()),
        }
    }
    asked.limit = get("limit").and_then(|v| drafts::whole(v, 1, 100, "/limit", faults)).map(|n| n as usize);
    asked.diversity = get("diversity").and_then(|v| crate::wire::rerank::unit(v, "/diversity", faults));
    asked.seed = get("seed").and_then(|v| drafts::whole(v, 0, u64::MAX, "/seed", faults));
    let expected = format!("an array of 1 to {MAX_PREVIEWED_POLICIES} policies");
    if let Some(value) = read::required(map, "policies", &expected, "", faults) {
        match value.as_array().filter(|list| (1..=MAX_PREVIEWED_POLICIES).contains(&list.len())) {
            Some(list) => policies = list,
            None => faults.add("/policies", format!("expected {expected}")),
        }
    }
    (asked, policies)
}

/// The schema of policy files
///
/// A JSON Schema (draft 4) that editors of TOML understand; `polyphony policy schema` prints the same.
#[utoipa::path(get, path = "/v1/admin/policies/schema", tag = "policies", operation_id = "policy_schema",
    responses((status = 200, description = "JSON Schema, draft 4", body = Written, content_type = "application/schema+json")))]
pub async fn schema_document(caller: Caller) -> Result<HttpResponse, Problem> {
    caller.require_admin()?;
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "private, no-cache"))
        .content_type("application/schema+json")
        .body(schema::json()))
}

fn answer(body: &impl serde::Serialize) -> HttpResponse {
    HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(body)
}
