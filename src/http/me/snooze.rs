//! `POST /v1/me/snooze`: a mute that ends by itself.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{Subject, change_profile, private};
use crate::{
    app::App,
    domain::{Facet, FacetValue, Span, profile::MAX_SNOOZE},
    http::{
        body::{Body, Takes},
        problem::Problem,
    },
    learn::controls,
    wire::{Faults, read, time::render},
};

const FIELDS: [&str; 4] = ["creator", "for", "source", "topic"];
/// What can be snoozed.
const FACETS: [Facet; 3] = [Facet::Topic, Facet::Creator, Facet::Source];

/// What is not to be shown, and for how long. Exactly one of `topic`, `creator` and `source`.
#[derive(ToSchema)]
#[schema(as = SnoozeForm, example = json!({"topic": "politics", "for": "7d"}))]
#[allow(dead_code, reason = "documents the form; it is read by hand so that all faults are named at once")]
pub struct SnoozeForm {
    topic: Option<String>,
    creator: Option<String>,
    source: Option<String>,
    /// `90m`, `12h`, `7d` …, up to `365d`. `0s` ends a snooze before its time.
    r#for: String,
}

/// What is snoozed.
#[derive(Serialize, ToSchema)]
#[schema(as = Snooze)]
pub struct SnoozeBody {
    /// `topic`, `creator` or `source`.
    facet: &'static str,
    value: String,
    /// Shown again from then on. Absent: it is not snoozed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    until: Option<String>,
}

/// Mute for a while
///
/// Binds in every mode from the next page on, and ends by itself. What is muted for good stays so. Standing snoozes are in the
/// export's `mutes`, with their `until`.
#[utoipa::path(post, path = "/v1/me/snooze", tag = "me", operation_id = "snooze",
    request_body = SnoozeForm,
    responses((status = 200, description = "What is snoozed, and until when", body = SnoozeBody)))]
pub async fn post(
    app: web::Data<App>,
    Subject(user): Subject,
    request: HttpRequest,
    mut payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let body = Body::read(&request, &mut payload, Takes::Json, app.body_limit_bytes()).await?.value()?;
    let mut faults = Faults::default();
    let asked = read_snooze(&body, &mut faults);
    faults.into_result().map_err(Problem::invalid_body)?;
    let Some((facet, value, span)) = asked else { return Err(Problem::internal("a snooze without faults was not read")) };
    let now = app.now();
    let until = (span != Span::ZERO).then(|| now.plus(span));
    change_profile(&app, &user, |profile| match until {
        Some(until) => controls::snooze(profile, facet, &value, until, now),
        None => {
            controls::end_snooze(profile, facet, &value);
            Ok(())
        }
    })
    .await?;
    Ok(private(&SnoozeBody { facet: facet.name(), value: value.to_string(), until: until.map(render) }))
}

fn read_snooze(body: &Value, faults: &mut Faults) -> Option<(Facet, FacetValue, Span)> {
    let map = read::object(body, "", faults)?;
    read::unknown_keys(map, &FIELDS, "a snooze", "", faults);
    let named: Vec<(Facet, &Value)> = FACETS.into_iter().filter_map(|facet| Some((facet, read::optional(map, facet.name())?))).collect();
    let target = match named.as_slice() {
        [(facet, value)] => read::facet_value(value, &read::below("", facet.name()), faults).map(|value| (*facet, value)),
        several => {
            faults.add("", format!("names {} of topic, creator and source; expected exactly one", several.len()));
            None
        }
    };
    let span = read::required(map, "for", "a time such as `7d`", "", faults).and_then(|value| read_span(value, faults));
    let (facet, value) = target?;
    Some((facet, value, span?))
}

fn read_span(value: &Value, faults: &mut Faults) -> Option<Span> {
    let text = read::string(value, "/for", faults)?;
    let span = Span::parse(text).ok().filter(|span| span.as_millis() <= MAX_SNOOZE.as_millis());
    if span.is_none() {
        faults.add("/for", format!("is `{}`; expected a time such as `90m`, `12h` or `7d`, at most `{MAX_SNOOZE}`", read::shown(text)));
    }
    span
}
