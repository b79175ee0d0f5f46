//! `POST /v1/events`: what people did, in batches, partly accepted.

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    age,
    body::{Body, Takes},
    problem::{Kind, Problem},
};
use crate::{
    app::App,
    auth::Caller,
    domain::{Event, Time, UserId, event::MAX_EVENTS_PER_CALL, privacy::AgeGroup},
    ingest::{Outcome, Refusal},
    learn::LearnError,
    wire::{
        Fault, Faults,
        event::{self, EventForm, ReadEvent, id_of},
        read,
    },
};

/// A batch of events.
#[derive(ToSchema)]
#[schema(as = EventBatch)]
#[allow(dead_code, reason = "documents the form; it is read by hand so that one bad event does not refuse the rest")]
pub struct BatchForm {
    /// 1 to 1000.
    events: Vec<EventForm>,
    /// Who did all of it. Only with a server key.
    user: Option<String>,
}

/// What became of a batch.
#[derive(Serialize, ToSchema)]
#[schema(as = EventsAnswer)]
pub struct AnswerBody {
    /// Kept, and learned from.
    pub accepted: usize,
    /// Their ids were learned within the last 48 h.
    pub duplicates: usize,
    /// Not kept. The others are.
    pub rejected: Vec<RejectedBody>,
    /// Events whose clock lay too far ahead; they count as 5 minutes ahead.
    #[serde(skip_serializing_if = "is_zero")]
    pub clamped: usize,
    /// Events that were not kept because the person does not want it.
    #[serde(skip_serializing_if = "is_zero")]
    pub ignored: usize,
    /// `false` when nothing of the batch was kept because the person does not want it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub stored: Option<bool>,
    /// Why events were ignored: `no_consent`, `no_profile` when the person chose feeds without a profile, or `erased` where they
    /// were erased within the last 30 days.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub reason: Option<&'static str>,
}

fn is_zero(n: &usize) -> bool {
    *n == 0
}

/// One event that was not kept.
#[derive(Serialize, ToSchema)]
#[schema(as = RejectedEvent)]
pub struct RejectedBody {
    /// 0-based, into `events`.
    pub index: usize,
    /// As sent, when it was a string.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub id: Option<String>,
    #[schema(examples("https://polyphony.dev/problems/unknown-item"))]
    pub r#type: String,
    pub detail: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<Fault>,
}

/// Say what people did
///
/// Taken one by one: what is sound is kept, the rest is listed. 202 only when everything accepted is safe in the store;
/// repeating a call is safe, ids are de-duplicated for 48 hours. `text/plain` bodies are read as JSON, for `sendBeacon`.
#[utoipa::path(post, path = "/v1/events", tag = "events", operation_id = "post_events",
    params(("Age-Group" = Option<String>, Header, description = "`minor` or `adult`; a user token's claim `age_group` comes first. What a minor does is not kept, what they say is")),
    request_body = BatchForm,
    responses((status = 202, description = "What became of each event", body = AnswerBody)))]
pub async fn post(app: web::Data<App>, caller: Caller, request: HttpRequest, mut payload: web::Payload) -> Result<HttpResponse, Problem> {
    let body = Body::read(&request, &mut payload, Takes::JsonOrText, app.body_limit_bytes()).await?;
    let mut value = body.value()?;
    let (values, user) = batch(&mut value, &caller)?;
    let count = values.len();
    let mut answer = AnswerBody { accepted: 0, duplicates: 0, rejected: Vec::new(), clamped: 0, ignored: 0, stored: None, reason: None };
    super::gpc::remember(&app, &request, user.as_ref(), None).await;
    if super::gpc::refuses_profile(&app, &request) {
        answer.ignored = count;
        answer.stored = Some(false);
        answer.reason = Some("no_consent");
        return Ok(accepted(&answer));
    }
    let (events, indices) = sound(&app, &values, user.as_ref(), &caller, &mut answer);
    let age_group = if age::is_minor(&app, &request, &caller)? { AgeGroup::Minor } else { AgeGroup::Adult };
    let outcomes = app.ingest.learn_of(&events, age_group).await?;
    for ((event, index), outcome) in events.iter().zip(indices).zip(outcomes) {
        app.record_event(event, &outcome);
        match outcome {
            Outcome::Accepted => answer.accepted += 1,
            Outcome::Duplicate => answer.duplicates += 1,
            Outcome::Ignored(unwanted) => {
                answer.ignored += 1;
                answer.reason = Some(unwanted.name());
            }
            Outcome::Refused(refusal) => answer.rejected.push(refused(index, event, &refusal)),
        }
    }
    answer.stored = (answer.ignored > 0 && answer.accepted == 0).then_some(false);
    answer.rejected.sort_by_key(|rejected| rejected.index);
    Ok(accepted(&answer))
}

fn accepted(answer: &AnswerBody) -> HttpResponse {
    HttpResponse::Accepted().insert_header((header::CACHE_CONTROL, "no-store")).json(answer)
}

/// The events and the person the call names.
pub(super) fn batch(value: &mut Value, caller: &Caller) -> Result<(Vec<Value>, Option<UserId>), Problem> {
    let mut faults = Faults::default();
    let expected = format!("expected an array of 1 to {MAX_EVENTS_PER_CALL} events");
    let events = value.as_object_mut().and_then(|map| map.get_mut("events")).map(Value::take);
    let map = read::object(value, "", &mut faults);
    let user = map.and_then(|map| {
        read::unknown_keys(map, &["events", "user"], "an event batch", "", &mut faults);
        read::optional(map, "user").and_then(|v| id_of(v, "/user", &mut faults, |text| UserId::new(text)))
    });
    let events = match events {
        Some(Value::Array(events)) if (1..=MAX_EVENTS_PER_CALL).contains(&events.len()) => events,
        Some(Value::Array(events)) => {
            faults.add("/events", format!("has {} entries; {expected}", events.len()));
            Vec::new()
        }
        Some(other) => {
            faults.add("/events", format!("is {}; {expected}", read::kind(&other)));
            Vec::new()
        }
        None => {
            if map.is_some() {
                faults.add("/events", format!("is missing; {expected}"));
            }
            Vec::new()
        }
    };
    faults.into_result().map_err(Problem::invalid_body)?;
    Ok((events, caller.user_for(user)?))
}

/// The events that can be learned, with their places in the call; the others are noted as rejected.
fn sound(app: &App, values: &[Value], user: Option<&UserId>, caller: &Caller, answer: &mut AnswerBody) -> (Vec<Event>, Vec<usize>) {
    let now: Time = app.now();
    let may_name_user = !matches!(caller, Caller::User { .. });
    let (mut events, mut indices) = (Vec::with_capacity(values.len()), Vec::with_capacity(values.len()));
    for (index, value) in values.iter().enumerate() {
        let read = event::read(value, user, may_name_user, now).and_then(|read| tracked(app, read));
        match read {
            Ok((event, clamped)) => {
                answer.clamped += usize::from(clamped);
                events.push(event);
                indices.push(index);
            }
            Err(errors) => {
                app.record_invalid_event(value.get("type").and_then(Value::as_str));
                answer.rejected.push(invalid(index, value, errors));
            }
        }
    }
    (events, indices)
}

/// Where the item was served, if the event brings proof.
fn tracked(app: &App, read: ReadEvent) -> Result<(Event, bool), Vec<Fault>> {
    let ReadEvent { mut event, track, clamped } = read;
    if let Some(track) = track {
        let (feed, position) = app.feed.signer.read_track(&track, &event.item).ok_or_else(|| {
            vec![Fault::new("/track", "was not made by this server for this item; send it back as the feed gave it, or leave it out")]
        })?;
        event.feed = Some(feed);
        event.position = Some(position);
    }
    Ok((event, clamped))
}

fn invalid(index: usize, value: &Value, errors: Vec<Fault>) -> RejectedBody {
    let id = value.get("id").and_then(Value::as_str).map(read::shown);
    let unknown_type = errors.len() == 1 && errors[0].pointer == "/type";
    let kind = if unknown_type { Kind::UnknownType } else { Kind::InvalidEvent };
    let detail = errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    RejectedBody { index, id, r#type: kind.type_uri(), detail, errors }
}

fn refused(index: usize, event: &Event, refusal: &Refusal) -> RejectedBody {
    let kind = match refusal {
        Refusal::UnknownItem(_) => Kind::UnknownItem,
        // Counted as ignored; see `post`.
        Refusal::Learn(LearnError::NothingToUndo(_)) => Kind::NothingToUndo,
        Refusal::Learn(_) => Kind::InvalidEvent,
    };
    RejectedBody { index, id: Some(event.id.to_string()), r#type: kind.type_uri(), detail: refusal.to_string(), errors: Vec::new() }
}
