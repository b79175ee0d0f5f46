//! `POST /v1/me/reset`: start again, with or without what one said.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Subject, change_profile, private};
use crate::{
    app::App,
    domain::Profile,
    http::{
        body::{Body, Takes},
        problem::Problem,
    },
    learn::controls,
    wire::{Faults, read},
};

const INFERRED: &str = "inferred";
const EVERYTHING: &str = "everything";
/// What a reset takes away.
pub const RESETS: [&str; 2] = [INFERRED, EVERYTHING];

/// What is to go.
#[derive(ToSchema)]
#[schema(as = ResetForm, example = json!({"what": "inferred"}))]
#[allow(dead_code, reason = "documents the form; it is read by hand so that all faults are named at once")]
pub struct ResetForm {
    /// `inferred`: all that was observed and concluded; preferences, mutes, follows, dislikes, locked and removed interests stay.
    /// `everything`: those too. Consent and the mode stay in both: an opt-out ends only where the person ends it.
    what: String,
}

/// What went.
#[derive(Serialize, ToSchema)]
#[schema(as = Reset)]
pub struct ResetBody {
    /// `inferred` or `everything`.
    what: &'static str,
}

/// Start again
///
/// From the next first page on, the feed is that of somebody new with the same settings, or without any. Ids of events stay known
/// for 48 hours: what is sent again is not learned again.
#[utoipa::path(post, path = "/v1/me/reset", tag = "me", operation_id = "reset",
    request_body = ResetForm,
    responses((status = 200, description = "It is gone", body = ResetBody)))]
pub async fn post(
    app: web::Data<App>,
    Subject(user): Subject,
    request: HttpRequest,
    mut payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let body = Body::read(&request, &mut payload, Takes::Json, app.body_limit_bytes()).await?.value()?;
    let mut faults = Faults::default();
    let what = read::object(&body, "", &mut faults).and_then(|map| {
        read::unknown_keys(map, &["what"], "a reset", "", &mut faults);
        let what = read::required(map, "what", &read::one_of(&RESETS), "", &mut faults)?;
        read::named(what, &RESETS, "/what", &mut faults)
    });
    faults.into_result().map_err(Problem::invalid_body)?;
    let (what, reset): (_, fn(&mut Profile)) =
        if what == Some(EVERYTHING) { (EVERYTHING, controls::forget_all) } else { (INFERRED, controls::forget_inferred) };
    change_profile(&app, &user, |profile| {
        reset(profile);
        Ok(())
    })
    .await?;
    Ok(private(&ResetBody { what }))
}
