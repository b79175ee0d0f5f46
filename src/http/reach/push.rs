//! `POST /v1/push/plan`: whether a push may be sent to a person now, and what.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{Asked, Form, note, page, reached, rules};
use crate::{
    app::App,
    auth::Caller,
    domain::{
        consent::Purpose,
        reach::{Against, Refused},
    },
    http::{
        age,
        gpc::PrivacyBody,
        language::Language,
        me::preferences::{read_category, read_time_zone},
        middleware::RequestId,
        problem::Problem,
        slate::{FeedBody, View},
    },
    wire::{Faults, read, time},
};

const SURFACE: &str = "push";
const FORM: Form =
    Form { fields: &["category", "exclude", "last_seen_at", "surface", "time_zone", "user"], what: "a push", surface: SURFACE };

/// Who is to be reached, and with what kind of push.
#[derive(ToSchema)]
#[schema(as = PushForm, example = json!({"user": "ana", "category": "breaking", "time_zone": "Europe/Berlin"}))]
#[allow(dead_code, reason = "documents the form; it is read by hand so that all faults are named at once")]
pub struct PushForm {
    user: String,
    /// Sent only to people who asked for it (`push_categories` in their preferences).
    category: String,
    /// `push` if left out.
    surface: Option<String>,
    /// IANA name; that of their preferences if left out.
    time_zone: Option<String>,
    /// When the person was last there, if you know of a later time than the server does (RFC 3339).
    last_seen_at: Option<String>,
    /// Items that must not come; at most 1000.
    exclude: Option<Vec<String>>,
}

/// Whether to send, and what.
#[derive(Serialize, ToSchema)]
#[schema(as = PushPlan)]
pub struct PlanBody {
    /// Send it now: it has been counted.
    send: bool,
    /// Why not: `no_consent`, `category_off`, `away`, `cap`, `fading`, `time_zone_unknown`, `quiet_hours` or `nothing_new`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    because: Option<&'static str>,
    /// It is no use asking before.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime)]
    not_before: Option<String>,
    /// What to send, with the reasons.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    feed: Option<FeedBody>,
}

impl PlanBody {
    fn refused((against, until): Refused) -> Self {
        Self { send: false, because: Some(against.name()), not_before: until.map(time::render), feed: None }
    }
}

/// May a push be sent now, and what
///
/// For the sender's own clockwork; what it answers with `send` is counted. Off unless the person consented to pushes and asked for
/// the category. The cap is the policy's (`reach`), is the same for everybody and never rises with absence: who was away for long
/// gets less, and then nothing.
#[utoipa::path(post, path = "/v1/push/plan", tag = "reach", operation_id = "plan_push",
    params(("Age-Group" = Option<String>, Header, description = "`minor` or `adult`; a user token's claim `age_group` comes first. Of a minor nothing inferred is used, and their nights are quiet")),
    request_body = PushForm,
    responses((status = 200, description = "Whether, and what", body = PlanBody)))]
pub async fn plan(
    app: web::Data<App>,
    caller: Caller,
    id: RequestId,
    request: HttpRequest,
    mut payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    caller.require_server()?;
    let (asked, own) = FORM.read(&app, &request, &mut payload, Own::read).await?;
    let body = planned(&app, &id, &request, &asked, own, age::is_minor(&app, &request, &caller)?).await?;
    app.metrics.reach(SURFACE, body.because.unwrap_or("sent"));
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "private, no-store")).json(body))
}

/// What a push is asked with alone.
struct Own {
    category: String,
    /// Where the reader's day is, if the form says.
    zone: Option<String>,
}

impl Own {
    fn read(map: &Map<String, Value>, faults: &mut Faults) -> Option<Self> {
        let category = read::required(map, "category", "a category of pushes", "", faults);
        let category = category.and_then(|v| read_category(v, "/category", faults));
        let zone = read::optional(map, "time_zone").and_then(|v| read_time_zone(v, "/time_zone", faults));
        Some(Self { category: category?, zone })
    }
}

async fn planned(
    app: &App,
    id: &RequestId,
    request: &HttpRequest,
    asked: &Asked,
    Own { category, zone }: Own,
    is_minor: bool,
) -> Result<PlanBody, Problem> {
    let user = &asked.user;
    let mut rules = rules(app, &asked.surface)?;
    if is_minor {
        rules = rules.for_minors();
    }
    let (person, seen) = reached(app, user, Purpose::Push, asked.last_seen_at).await?;
    let seen = match seen {
        Ok(seen) => seen,
        Err(refused) => return Ok(PlanBody::refused(refused)),
    };
    let preferences = person.profile.map(Arc::unwrap_or_clone).unwrap_or_default().preferences;
    if !preferences.push_categories.contains(&category) {
        return Ok(PlanBody::refused((Against::CategoryOff, None)));
    }
    let now = app.now();
    let Some(hour) = zone.or(preferences.time_zone).and_then(|zone| time::local_hour(now, &zone)) else {
        return Ok(PlanBody::refused((Against::TimeZoneUnknown, None)));
    };
    // Looked at before a page is made for it, and again when it is counted.
    if let Err(refused) = app.store.pace(user).await?.push(&rules, seen, now, hour) {
        return Ok(PlanBody::refused(refused));
    }
    let served = page(app, id, asked, is_minor, None).await?;
    if served.page.placed.is_empty() {
        return Ok(PlanBody::refused((Against::NothingNew, None)));
    }
    if let Err(refused) = note(app, user, &rules, |pace| pace.push(&rules, seen, now, hour)).await? {
        return Ok(PlanBody::refused(refused));
    }
    let view = View { language: Language::of(request), ..View::default() };
    let feed = FeedBody::new(&served, id.as_str().to_owned(), view, PrivacyBody::new(false, &served), &app.feed.signer);
    Ok(PlanBody { send: true, because: None, not_before: None, feed: Some(feed) })
}
