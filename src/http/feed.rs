//! `GET /v1/feed`, its `POST` twin, and `POST /v1/rerank`.

use std::{collections::BTreeMap, time::Duration};

use actix_web::{
    HttpMessage, HttpRequest, HttpResponse,
    http::{Method, header},
    web,
};
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    age,
    body::{Body, Takes},
    feed_lists::{exclude_list, excluded, read_interests},
    gpc::{self, PrivacyBody},
    language::Language,
    middleware::{AccessNote, Pressed, RequestId},
    params::Query,
    problem::{Kind, Problem},
    session::SessionBody,
    slate::{Explain, FeedBody, Hydrate, View},
};
use crate::{
    app::App,
    auth::Caller,
    clock::Stopwatch,
    domain::{FacetValue, ItemId, SessionId, UserId, feed::MAX_PAGE_ITEMS, profile::Mode},
    feed::{FeedError, FeedRequest, RerankCandidate, RerankRequest, Served},
    telemetry::metrics::Stage,
    wire::{
        Faults,
        event::{flag, id_of, whole},
        read,
        rerank::{self, RerankCandidateForm},
    },
};

/// Pointers to the surface that a request names.
pub(super) const SURFACE_IN_QUERY: &str = "/query/surface";
pub(super) const SURFACE_IN_BODY: &str = "/surface";
/// Room for a page of twenty cards, so that it is written without being moved.
const BODY_BYTES_USUAL: usize = 16 * 1_024;
/// `Retry-After` while the catalogue is empty or not loaded yet.
const EMPTY_RETRY_AFTER_SECS: u32 = 2;

const FEED_FIELDS: [&str; 17] = [
    "continue",
    "cursor",
    "diversity",
    "exclude",
    "explain",
    "hydrate",
    "include",
    "interests",
    "limit",
    "mode",
    "profile",
    "seed",
    "session",
    "session_token",
    "strict",
    "surface",
    "user",
];
const RERANK_FIELDS: [&str; 13] = [
    "candidates",
    "diversity",
    "exclude",
    "explain",
    "hydrate",
    "include",
    "limit",
    "mode",
    "profile",
    "seed",
    "session",
    "surface",
    "user",
];

/// What `POST /v1/feed` takes.
#[derive(ToSchema)]
#[schema(as = FeedRequest, example = json!({"surface": "home", "user": "ana", "limit": 20, "diversity": 0.4}))]
#[allow(dead_code, reason = "documents the form; it is read by hand so that all faults are named at once")]
pub struct FeedForm {
    surface: Option<String>,
    user: Option<String>,
    #[schema(minimum = 1, maximum = 100)]
    limit: Option<u32>,
    cursor: Option<String>,
    #[schema(minimum = 0, maximum = 1)]
    diversity: Option<f32>,
    /// `none`, `card` or `full`.
    hydrate: Option<String>,
    /// `none`, `reasons` or `full`.
    explain: Option<String>,
    /// `metrics`.
    include: Option<String>,
    /// At most 1000 item ids.
    exclude: Option<Vec<String>>,
    /// `profile`, `explicit_only`, `no_profile`, `chronological` or `client_profile`: the most of the person that may be used. What they chose narrows it.
    mode: Option<String>,
    /// `off` is short for `mode` = `no_profile`.
    profile: Option<String>,
    /// What the reader keeps of themselves, with `mode` = `client_profile` (or none) and without `user`: at most 8. Not kept.
    interests: Option<Vec<InterestForm>>,
    seed: Option<u64>,
    /// Names the visit, for experiments that count visits. Not kept.
    #[schema(max_length = 128)]
    session: Option<String>,
    /// `session.token` of an earlier answer: this first page goes on with that session.
    session_token: Option<String>,
    /// Asks for more past the end of a feed, or past a break.
    r#continue: Option<bool>,
    strict: Option<bool>,
}

/// An interest that is kept by the client.
#[derive(ToSchema)]
#[schema(as = ClientInterest, example = json!({"topic": "science", "level": 3}))]
#[allow(dead_code, reason = "documents the form; it is read by hand so that all faults are named at once")]
pub struct InterestForm {
    topic: String,
    /// 0 = none … 3 = strong.
    #[schema(maximum = 3)]
    level: u8,
}

/// What `POST /v1/rerank` takes: the same without cursors, and candidates.
#[derive(ToSchema)]
#[schema(as = RerankRequest, example = json!({"candidates": [
    {"id": "a", "relevance": 0.9, "topics": ["politics"]}, {"id": "b", "relevance": 0.8, "topics": ["science"]}], "diversity": 0.5}))]
#[allow(dead_code, reason = "documents the form; it is read by hand so that all faults are named at once")]
pub struct RerankForm {
    /// 1 to 1000, ids unique.
    candidates: Vec<RerankCandidateForm>,
    surface: Option<String>,
    user: Option<String>,
    #[schema(minimum = 1, maximum = 100)]
    limit: Option<u32>,
    #[schema(minimum = 0, maximum = 1)]
    diversity: Option<f32>,
    /// `none`, `card` or `full`.
    hydrate: Option<String>,
    /// `none`, `reasons` or `full`.
    explain: Option<String>,
    /// `metrics`.
    include: Option<String>,
    exclude: Option<Vec<String>>,
    /// `profile`, `explicit_only`, `no_profile`, `chronological` or `client_profile`, as for a feed.
    mode: Option<String>,
    /// `off` is short for `mode` = `no_profile`.
    profile: Option<String>,
    seed: Option<u64>,
    /// Names the visit, for experiments that count visits. Not kept.
    #[schema(max_length = 128)]
    session: Option<String>,
}

/// A read request, before the caller is asked whether it may.
#[derive(Default)]
pub(super) struct Asked {
    surface: Option<String>,
    user: Option<UserId>,
    limit: Option<u32>,
    diversity: Option<f32>,
    seed: Option<u64>,
    session: Option<SessionId>,
    cursor: Option<String>,
    session_token: Option<String>,
    goes_on: bool,
    strict: bool,
    mode: Mode,
    interests: BTreeMap<FacetValue, f32>,
    exclude: Vec<ItemId>,
    view: View,
}

/// A page of a feed
///
/// The first page, or the one a cursor names. Pages of one `feed_id` never repeat an item, and a cursor always answers
/// the same items. An expired cursor restarts the feed without what it served, unless `strict`.
#[utoipa::path(get, path = "/v1/feed", tag = "feed", operation_id = "get_feed",
    params(
        ("surface" = Option<String>, Query, description = "Where the feed is shown; `home` if left out", example = "home"),
        ("user" = Option<String>, Query, description = "Who it is for (with a server key; a user token names its subject)", example = "ana"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 100, description = "Items on the page; the surface's page size if left out", example = 20),
        ("cursor" = Option<String>, Query, description = "`page.next` of the page before"),
        ("diversity" = Option<f32>, Query, minimum = 0, maximum = 1, description = "0 = relevance only … 1 = most varied; clamped to what the policy allows; counts on a first page", example = 0.4),
        ("hydrate" = Option<String>, Query, description = "`none` (ids), `card` or `full`", example = "card"),
        ("explain" = Option<String>, Query, description = "`none`, `reasons` or `full`", example = "reasons"),
        ("include" = Option<String>, Query, description = "`metrics`", example = "metrics"),
        ("exclude" = Option<String>, Query, description = "Item ids that must not come, separated by commas; at most 1000"),
        ("mode" = Option<String>, Query, description = "`profile`, `explicit_only` (what the person said, nothing inferred), `no_profile`, `chronological` (newest first) or `client_profile`: the most of the person that may be used; what they chose narrows it", example = "profile"),
        ("profile" = Option<String>, Query, description = "`off` is short for `mode=no_profile`", example = "on"),
        ("seed" = Option<u64>, Query, description = "Repeats a draw (admin key)"),
        ("session" = Option<String>, Query, description = "Names the visit, for experiments that count visits; not kept", example = "v-4711"),
        ("session_token" = Option<String>, Query, description = "`session.token` of an earlier answer: this first page goes on with that session"),
        ("continue" = Option<bool>, Query, description = "Asks for more past the end of a feed, or past a break", example = false),
        ("strict" = Option<bool>, Query, description = "An expired cursor answers 410 instead of restarting", example = false),
        ("Age-Group" = Option<String>, Header, description = "`minor` or `adult`; a user token's claim `age_group` comes first. A minor's feed uses nothing inferred"),
        ("Sec-GPC" = Option<String>, Header, description = "`1`: Global Privacy Control. Opts out of sale and sharing, and with `privacy.gpc_scope` = `all_profiling` of every profile"),
        ("Accept-Language" = Option<String>, Header, description = "Language of the reasons: English, German or French", example = "de"),
    ),
    responses((status = 200, description = "The page", body = FeedBody)))]
pub async fn get(app: web::Data<App>, caller: Caller, id: RequestId, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let asked = from_query(request.query_string())?;
    answer(&app, &caller, id, &request, asked).await
}

/// A page of a feed, asked in a body
///
/// As `GET /v1/feed`, with the parameters as JSON: for a long `exclude`, and for ids that should not stand in a URL.
#[utoipa::path(post, path = "/v1/feed", tag = "feed", operation_id = "post_feed",
    params(("Age-Group" = Option<String>, Header, description = "`minor` or `adult`; a user token's claim `age_group` comes first. A minor's feed uses nothing inferred")),
    request_body = FeedForm,
    responses((status = 200, description = "The page", body = FeedBody)))]
pub async fn post(
    app: web::Data<App>,
    caller: Caller,
    id: RequestId,
    request: HttpRequest,
    mut payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let body = Body::read(&request, &mut payload, Takes::Json, app.body_limit_bytes()).await?;
    let mut faults = Faults::default();
    let asked = read_body(&body.value()?, &mut faults);
    faults.into_result().map_err(Problem::invalid_body)?;
    answer(&app, &caller, id, &request, asked).await
}

/// Rank your own candidates
///
/// Relevance is yours; diversity, constraints, exploration and reasons are the surface's policy. One page, no cursor.
#[utoipa::path(post, path = "/v1/rerank", tag = "feed", operation_id = "rerank",
    params(("Age-Group" = Option<String>, Header, description = "`minor` or `adult`; a user token's claim `age_group` comes first. Of a minor nothing inferred is used")),
    request_body = RerankForm,
    responses((status = 200, description = "The slate", body = FeedBody)))]
pub async fn rerank(
    app: web::Data<App>,
    caller: Caller,
    id: RequestId,
    request: HttpRequest,
    mut payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let body = Body::read(&request, &mut payload, Takes::Json, app.bulk_body_limit_bytes()).await?;
    let mut value = body.value()?;
    let mut faults = Faults::default();
    let candidates = value.as_object_mut().and_then(|map| map.get_mut("candidates")).map(Value::take);
    let asked = from_json(&value, &RERANK_FIELDS, "a rerank request", &mut faults);
    let candidates = match candidates {
        Some(candidates) => rerank::read_candidates(candidates, app.dimension(), &mut faults),
        None => {
            faults.add("/candidates", format!("is missing; expected an array of 1 to {} candidates", rerank::MAX_CANDIDATES));
            Vec::new()
        }
    };
    faults.into_result().map_err(Problem::invalid_body)?;
    let view = View { language: Language::of(&request), ..asked.view };
    let feed_request = admitted(&app, &caller, &id, &request, asked)?;
    let user = feed_request.user.clone();
    let candidates = candidates.into_iter().map(|(item, relevance)| RerankCandidate { item, relevance }).collect();
    let served = app.feed.rerank(RerankRequest { request: feed_request, candidates }).await;
    let served = served.map_err(|error| problem(&app, error, SURFACE_IN_BODY))?;
    gpc::remember(&app, &request, user.as_ref(), Some(&served.consents)).await;
    Ok(ok(&app, &request, &served, (id.as_str(), user.as_ref()), view))
}

async fn answer(app: &App, caller: &Caller, id: RequestId, request: &HttpRequest, asked: Asked) -> Result<HttpResponse, Problem> {
    let view = View { language: Language::of(request), ..asked.view };
    let feed_request = admitted(app, caller, &id, request, asked)?;
    let surface_at = if request.method() == Method::GET { SURFACE_IN_QUERY } else { SURFACE_IN_BODY };
    let served = app.feed.serve(&feed_request).await.map_err(|error| problem(app, error, surface_at))?;
    gpc::remember(app, request, feed_request.user.as_ref(), Some(&served.consents)).await;
    Ok(ok(app, request, &served, (id.as_str(), feed_request.user.as_ref()), view))
}

/// What the caller may ask, as the use case takes it.
fn admitted(app: &App, caller: &Caller, id: &RequestId, request: &HttpRequest, asked: Asked) -> Result<FeedRequest, Problem> {
    let surface = asked.surface.unwrap_or_else(|| "home".to_owned());
    caller.require_surface(&surface)?;
    if asked.seed.is_some() {
        caller.require_admin()?;
    }
    let is_minor = age::is_minor(app, request, caller)?;
    // Interests that come with a request are nobody's: also where a token says who asks.
    let user = if asked.mode == Mode::ClientProfile && !asked.interests.is_empty() { None } else { caller.user_for(asked.user)? };
    Ok(FeedRequest {
        request_id: id.as_str().to_owned(),
        surface,
        user,
        is_minor,
        mode: age::narrowed(is_minor, gpc::narrowed(app, request, asked.mode)),
        interests: asked.interests,
        limit: asked.limit.map(|n| n as usize),
        diversity: asked.diversity,
        seed: asked.seed,
        session: asked.session,
        cursor: asked.cursor,
        strict: asked.strict,
        exclude: asked.exclude,
        language: Some(Language::of(request).tag()),
        // Whatever they would be chosen by: none for minors.
        takes_sponsored: !is_minor,
        session_token: asked.session_token,
        goes_on: asked.goes_on,
        pressed: request.extensions().get::<Pressed>().is_some(),
    })
}

pub(super) fn from_query(query: &str) -> Result<Asked, Problem> {
    let mut params = Query::new("GET /v1/feed", query);
    let include = params.checked("include", includes);
    let mode = params.one_of("mode", &Mode::NAMES, Mode::parse);
    let profile = params.one_of("profile", &SWITCH, switched);
    let asked = Asked {
        surface: params.optional("surface"),
        user: params.checked("user", |text| UserId::new(text)),
        limit: params.integer("limit", 1, MAX_PAGE_ITEMS as u32),
        diversity: params.number("diversity", 0.0, 1.0),
        seed: params.checked("seed", |text| text.parse::<u64>().map_err(|_| format!("expected a whole number from 0 to {}", u64::MAX))),
        session: params.checked("session", |text| SessionId::new(text)),
        cursor: params.optional("cursor"),
        session_token: params.optional("session_token"),
        goes_on: params.flag("continue"),
        strict: params.flag("strict"),
        mode: profile.unwrap_or_default().narrowed_by(mode.unwrap_or_default()),
        interests: BTreeMap::new(),
        exclude: params.checked("exclude", excluded).unwrap_or_default(),
        view: View {
            hydrate: params.one_of("hydrate", &Hydrate::NAMES, Hydrate::parse).unwrap_or_default(),
            explain: params.one_of("explain", &Explain::NAMES, Explain::parse).unwrap_or_default(),
            metrics: include.unwrap_or(false),
            ..View::default()
        },
    };
    params.finish()?;
    Ok(asked)
}

/// The values of `profile`, the short form of `mode`.
const SWITCH: [&str; 2] = ["on", "off"];

fn switched(name: &str) -> Option<Mode> {
    match name {
        "on" => Some(Mode::Profile),
        "off" => Some(Mode::NoProfile),
        _ => None,
    }
}

fn includes(text: &str) -> Result<bool, String> {
    if text == "metrics" { Ok(true) } else { Err("expected `metrics`".to_owned()) }
}

/// The body of `POST /v1/feed`.
pub(super) fn read_body(value: &Value, faults: &mut Faults) -> Asked {
    from_json(value, &FEED_FIELDS, "a feed request", faults)
}

fn from_json(value: &Value, fields: &[&str], what: &str, faults: &mut Faults) -> Asked {
    let mut asked = Asked::default();
    let Some(map) = read::object(value, "", faults) else { return asked };
    read::unknown_keys(map, fields, what, "", faults);
    let get = |key: &str| read::optional(map, key);
    asked.surface = get("surface").and_then(|v| read::text(v, 1, 64, "/surface", faults)).map(str::to_owned);
    asked.user = get("user").and_then(|v| id_of(v, "/user", faults, |text| UserId::new(text)));
    asked.limit = get("limit").and_then(|v| whole(v, MAX_PAGE_ITEMS as u64, "/limit", faults));
    if asked.limit == Some(0) {
        faults.add("/limit", format!("is 0; expected a whole number from 1 to {MAX_PAGE_ITEMS}"));
    }
    asked.diversity = get("diversity").and_then(|v| rerank::unit(v, "/diversity", faults));
    if let Some(seed) = get("seed") {
        asked.seed = read::unsigned(seed);
        if asked.seed.is_none() {
            faults.add("/seed", format!("expected a whole number from 0 to {}", u64::MAX));
        }
    }
    asked.session = get("session").and_then(|v| id_of(v, "/session", faults, |text| SessionId::new(text)));
    asked.cursor = get("cursor").and_then(|v| read::string(v, "/cursor", faults)).map(str::to_owned);
    asked.session_token = get("session_token").and_then(|v| read::string(v, "/session_token", faults)).map(str::to_owned);
    asked.goes_on = get("continue").and_then(|v| flag(v, "/continue", faults)).unwrap_or(false);
    asked.strict = get("strict").and_then(|v| flag(v, "/strict", faults)).unwrap_or(false);
    let mode = get("mode").and_then(|v| read::named(v, &Mode::NAMES, "/mode", faults)).and_then(Mode::parse);
    let profile = get("profile").and_then(|v| read::named(v, &SWITCH, "/profile", faults)).and_then(switched);
    asked.mode = profile.unwrap_or_default().narrowed_by(mode.unwrap_or_default());
    if let Some(interests) = get("interests") {
        asked.interests = read_interests(interests, faults);
        if asked.user.is_some() {
            faults.add("/user", "stands with `interests`, which are nobody's; leave out one of them".to_owned());
        }
        match mode {
            None | Some(Mode::ClientProfile) => asked.mode = Mode::ClientProfile,
            Some(other) => faults.add("/mode", format!("is `{}`; expected `client_profile` with `interests`", other.name())),
        }
    }
    asked.exclude = get("exclude").map(|v| exclude_list(v, faults)).unwrap_or_default();
    asked.view.hydrate =
        get("hydrate").and_then(|v| read::named(v, &Hydrate::NAMES, "/hydrate", faults)).and_then(Hydrate::parse).unwrap_or_default();
    asked.view.explain =
        get("explain").and_then(|v| read::named(v, &Explain::NAMES, "/explain", faults)).and_then(Explain::parse).unwrap_or_default();
    asked.view.metrics = get("include").and_then(|v| read::named(v, &["metrics"], "/include", faults)).is_some();
    asked
}

/// `surface_at`: the pointer to where the request named its surface.
pub(super) fn problem(app: &App, error: FeedError, surface_at: &str) -> Problem {
    match error {
        FeedError::UnknownSurface(surface) => Problem::unknown_surface(&surface, surface_at, app.feed.serving.load().set.surfaces.names()),
        FeedError::InvalidCursor => Problem::new(
            Kind::InvalidCursor,
            "The cursor was not made for this user and surface, or was changed on the way. Ask for the first page without a cursor.",
        ),
        FeedError::InvalidSession => Problem::new(
            Kind::InvalidCursor,
            "The `session_token` was not made for this user, or was changed on the way. Leave it out to begin a session.",
        ),
        FeedError::CursorExpired => Problem::new(
            Kind::CursorExpired,
            "The feed behind this cursor is over. Ask for a first page, or leave out `strict` to have it restarted without repeats.",
        ),
        FeedError::EmptyCatalogue => {
            Problem::new(Kind::EmptyCatalogue, "There are no items to serve yet. Import some, or wait until they are loaded.")
                .retry_after(EMPTY_RETRY_AFTER_SECS)
        }
    }
}

/// The answer, its cache rules, its metrics and its line in the log.
fn ok(app: &App, request: &HttpRequest, served: &Served, (request_id, user): (&str, Option<&UserId>), view: View) -> HttpResponse {
    if served.turn.is_none_or(|turn| turn.withheld.is_none()) {
        app.record_served(served);
    }
    let note = AccessNote {
        surface: Some(served.feed.surface.clone()),
        policy: Some(served.policy.policy.id.clone()),
        degraded: served.degraded.iter().map(|d| d.reason).collect(),
        items: Some(served.page.placed.len()),
    };
    note.attach(request);
    let watch = Stopwatch::start();
    let privacy = PrivacyBody::new(gpc::signals_opt_out(request), served);
    let privacy_header = privacy.header();
    let mut body = FeedBody::new(served, request_id.to_owned(), view, privacy, &app.feed.signer);
    body.session = served.turn.map(|turn| SessionBody::new(&turn, app.feed.signer.session_token(turn.session, user), view.language));
    // What is said of the session changes while the page does not.
    let frozen = served.page_number > 0 && served.degraded.is_empty() && served.turn.is_none();
    let by_client = served.mode == Mode::ClientProfile;
    let cache = if by_client {
        "no-store"
    } else if frozen {
        "private, max-age=300, immutable"
    } else {
        "private, no-cache"
    };
    let mut answer = HttpResponse::Ok();
    answer
        .insert_header((header::CACHE_CONTROL, cache))
        .insert_header((header::VARY, "Accept-Language, Age-Group, Authorization, Sec-GPC"));
    if let Some(header) = privacy_header {
        answer.insert_header(header);
    }
    let mut json = Vec::with_capacity(BODY_BYTES_USUAL);
    if tracing::info_span!("hydrate").in_scope(|| serde_json::to_writer(&mut json, &body)).is_err() {
        json.clear();
    }
    app.metrics.stage(Stage::Hydrate, watch.elapsed());
    if app.settings.telemetry.server_timing {
        answer.insert_header(("server-timing", server_timing(served, watch.elapsed())));
    }
    answer.content_type("application/json").body(json)
}

/// What browsers' developer tools show: each stage in milliseconds.
fn server_timing(served: &Served, hydrate: Duration) -> String {
    let timings = &served.timings;
    let stages = [
        (Stage::Candidates, timings.candidates),
        (Stage::Score, timings.score),
        (Stage::Diversify, timings.diversify),
        (Stage::Store, timings.store),
        (Stage::Hydrate, hydrate),
    ];
    let entries: Vec<String> = stages.iter().map(|(stage, took)| format!("{};dur={:.2}", stage.name(), took.as_secs_f64() * 1e3)).collect();
    entries.join(", ")
}
