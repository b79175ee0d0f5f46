//! Rollouts over HTTP, for operators: activate a policy in stages, roll it back, read the log; results of experiments.

pub mod forms;

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, http::header, web};

use self::forms::{ActivationForm, DoneBody, ReloadBody, ResultsBody, RollbackForm, RolloutBody};
use super::{
    auth::Operator,
    body::{Body, Takes},
    params::Query,
    policies::drafts::{Drafts, invalid},
    problem::{Kind, Problem},
};
use crate::{
    app::App,
    experiment,
    feed::FeedError,
    journal::JournalReader,
    policy::PolicySet,
    rollout::{
        By, Done, Order, RolloutError, Stage,
        entry::{Cause, Step, Tried},
        file::Reload,
        preview,
    },
};

/// Entries in an answer that does not say how many.
const DEFAULT_ENTRIES: u32 = 20;
/// Most entries in one answer.
pub const MAX_ENTRIES: u32 = 100;

/// Where the rollout stands
///
/// What everybody gets, the canary if one runs with what this server has seen of it, and the newest entries of the activation
/// log.
#[utoipa::path(get, path = "/v1/admin/policies/activations", tag = "rollout", operation_id = "get_activations",
    params(("limit" = Option<u32>, Query, minimum = 1, maximum = 100, description = "Entries; 20 if left out", example = 20),
        ("before" = Option<u32>, Query, minimum = 1, description = "Only entries before this one", example = 12)),
    responses((status = 200, description = "The rollout", body = RolloutBody)))]
pub async fn get(app: web::Data<App>, _operator: Operator, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let mut params = Query::new("GET /v1/admin/policies/activations", request.query_string());
    let limit = params.integer("limit", 1, MAX_ENTRIES).unwrap_or(DEFAULT_ENTRIES);
    let before = params.integer("before", 1, u32::MAX);
    params.finish()?;
    app.rollout.follow().await.map_err(problem)?;
    let state = app.rollout.state();
    Ok(answer(&RolloutBody::new(&state, app.rollout.base(), app.rollout.evidence(), limit as usize, before.map(u64::from))))
}

/// The activation log as it is kept
///
/// One line per entry, oldest first: the hash of everything up to it, a blank, the entry's JSON. `polyphony policy log verify`
/// checks the chain without trusting the server.
#[utoipa::path(get, path = "/v1/admin/policies/activations/log", tag = "rollout", operation_id = "get_activation_log",
    responses((status = 200, description = "The lines", body = String, content_type = "text/plain")))]
pub async fn log(app: web::Data<App>, _operator: Operator) -> Result<HttpResponse, Problem> {
    let mut text = String::new();
    for line in app.rollout.lines().await? {
        text += &line;
        text.push('\n');
    }
    let mut response = HttpResponse::Ok();
    response.insert_header((header::CACHE_CONTROL, "no-store"));
    Ok(response.content_type("text/plain; charset=utf-8").body(text))
}

/// Activate a policy
///
/// First a share of people (`stage: "canary"`), who keep it while the share grows, then everybody (`stage: "all"`). Before the
/// first stage pages are made for made-up readers: they must keep the policy's guardrails. While a canary runs, every server
/// compares it with what all others get and rolls it back by itself when a guardrail is violated. Asking for what is so
/// already changes nothing.
#[utoipa::path(post, path = "/v1/admin/policies/activations", tag = "rollout", operation_id = "activate_policy",
    request_body = ActivationForm,
    responses((status = 201, description = "It is written and served", body = DoneBody),
        (status = 200, description = "It was so already", body = DoneBody)))]
pub async fn activate(
    app: web::Data<App>,
    operator: Operator,
    request: HttpRequest,
    mut payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let body = Body::read(&request, &mut payload, Takes::Json, app.body_limit_bytes()).await?;
    let asked = forms::activation(&body.value()?)?;
    app.rollout.follow().await.map_err(problem)?;
    let set = match asked.policy {
        forms::Named::Draft(draft) => {
            let mut drafts = Drafts::new(&app);
            let set = drafts.set(&draft, "/policy");
            drafts.finish()?;
            set.ok_or_else(|| Problem::internal("a checked policy is missing"))?
        }
        forms::Named::Digest(digest) => {
            let known = app.rollout.set(&digest).await.map_err(problem)?;
            known.ok_or_else(|| {
                Problem::not_found(format!("No policy of the digest `{}` was ever activated here.", super::params::shown(&digest)))
            })?
        }
    };
    let preview = match asked.skip.contains(&Step::Preview) {
        true => Vec::new(),
        false => previewed(&app, &set).await?,
    };
    let by = By { actor: operator.named(asked.actor.as_deref()), reason: asked.reason, cause: Cause::Operator, expected: asked.expected };
    let order = Order { set, stage: asked.stage, by, preview, skip: asked.skip };
    Ok(done(app.rollout.activate(&order).await.map_err(problem)?))
}

/// Pages under the policy for made-up readers, unless it serves already. Problem: they do not keep its guardrails.
async fn previewed(app: &App, set: &PolicySet) -> Result<Vec<Tried>, Problem> {
    let state = app.rollout.state();
    let serves = |known: Option<&str>| known == Some(&set.digest);
    if serves(state.active.as_ref().map(|set| set.digest.as_str()))
        || serves(state.canary.as_ref().map(|running| running.set.digest.as_str()))
    {
        return Ok(Vec::new());
    }
    let before = Arc::clone(&app.feed.serving.load().set);
    let preview = preview::preview(&app.feed, &before, set).await.map_err(|error| match error {
        FeedError::EmptyCatalogue => Problem::new(
            Kind::Conflict,
            "There are no items to preview the policy with. Put some in, or skip the step (`skip`: \"preview\").",
        ),
        error => Problem::internal(error),
    })?;
    if preview.findings.has_errors() {
        return Err(invalid(&preview.findings, "/policy"));
    }
    Ok(preview.tried)
}

/// Roll back
///
/// The canary, if one runs; otherwise everybody gets what was before the policy they have.
#[utoipa::path(post, path = "/v1/admin/policies/rollback", tag = "rollout", operation_id = "roll_back_policy",
    request_body = RollbackForm,
    responses((status = 201, description = "It is written and served", body = DoneBody),
        (status = 200, description = "It was so already", body = DoneBody)))]
pub async fn roll_back(
    app: web::Data<App>,
    operator: Operator,
    request: HttpRequest,
    mut payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let body = Body::read(&request, &mut payload, Takes::Json, app.body_limit_bytes()).await?;
    let asked = forms::rollback(&body.value()?)?;
    let by = By { actor: operator.named(asked.actor.as_deref()), reason: asked.reason, cause: Cause::Operator, expected: asked.expected };
    Ok(done(app.rollout.roll_back(&by).await.map_err(problem)?))
}

/// Read the policy file again
///
/// The file that `policies.file` names. Servers look at it by themselves twice a second; a file with errors changes nothing.
#[utoipa::path(post, path = "/v1/admin/policies/reload", tag = "rollout", operation_id = "reload_policy",
    responses((status = 200, description = "What came of it", body = ReloadBody)))]
pub async fn reload(app: web::Data<App>, _operator: Operator) -> Result<HttpResponse, Problem> {
    match app.reload_policy().await {
        Reload::NoFile => {
            Err(Problem::new(Kind::Conflict, "The settings name no policy file (`policies.file`), so there is none to read."))
        }
        Reload::Invalid(findings) => Err(invalid(&findings, "")),
        Reload::Failed(error) => Err(problem(error)),
        Reload::Unchanged => Ok(answer(&ReloadBody::new(None))),
        Reload::Applied(done) => Ok(answer(&ReloadBody::new(Some(done)))),
    }
}

/// Results of an experiment
///
/// From this server's journal: per arm who was exposed and what they did, and what their pages were like, with intervals that
/// hold however often one looks; and whether people came into arms as they should. `polyphony experiment results` reads
/// the journals of several servers.
#[utoipa::path(get, path = "/v1/admin/experiments/{id}", tag = "rollout", operation_id = "experiment_results",
    params(("id" = String, Path, description = "The experiment", example = "home-breadth-2026w42")),
    responses((status = 200, description = "The results so far", body = ResultsBody)))]
pub async fn results(app: web::Data<App>, _operator: Operator, path: web::Path<String>) -> Result<HttpResponse, Problem> {
    let serving = app.feed.serving.load_full();
    let set = Arc::clone(&serving.set);
    let id = path.into_inner();
    let Some(index) = set.experiments.iter().position(|experiment| experiment.id == id) else {
        let known: Vec<&str> = set.experiments.iter().map(|experiment| experiment.id.as_str()).collect();
        let hint = crate::domain::suggest::hint(&id, known.iter().copied());
        return Err(Problem::not_found(format!("No experiment `{}` runs here.{hint}", super::params::shown(&id))));
    };
    let (directory, now) = (app.settings.journal.path.clone(), app.now());
    let _turn = app.journal_turn.acquire().await.map_err(Problem::internal)?;
    let read = web::block(move || experiment::results(&set.experiments[index], &set, now, || JournalReader::open(&directory))).await;
    let results = read.map_err(Problem::internal)?.map_err(|error| {
        let detail = format!("The journal cannot be read: {error}. Results need `journal.enabled`.");
        Problem::new(Kind::Conflict, detail)
    })?;
    Ok(answer(&ResultsBody(results)))
}

fn done(done: Done) -> HttpResponse {
    let mut response = match done {
        Done::Written(_) => HttpResponse::Created(),
        Done::Unchanged => HttpResponse::Ok(),
    };
    response.insert_header((header::CACHE_CONTROL, "no-store")).json(DoneBody::from(done))
}

fn answer(body: &impl serde::Serialize) -> HttpResponse {
    HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(body)
}

fn problem(error: RolloutError) -> Problem {
    match error {
        RolloutError::Store(error) => error.into(),
        // An operator can do something about these, and nobody else sees them.
        error => Problem::new(Kind::Conflict, sentence(&error.to_string())),
    }
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
    format!("{first}{}.", letters.as_str())
}

/// The share as it is named, for `stage: "canary"`.
pub(super) fn stage(name: &str, share: Option<f32>) -> Option<Stage> {
    match name {
        "all" => Some(Stage::All),
        // 0.1 as an `f32` is not 0.1 as an `f64`.
        "canary" => Some(Stage::Canary((f64::from(share.unwrap_or(forms::DEFAULT_CANARY_SHARE)) * 1e6).round() / 1e6)),
        _ => None,
    }
}
