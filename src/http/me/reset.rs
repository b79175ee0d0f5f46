//! `POST /v1/me/reset`: start again, with or without what one said.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Subject, change_profile, private};
use crate::{
    app::App,
    http::{
        body::{Body, Takes},
        problem::Problem,
    },
    learn::controls,
    wire::{Faults, read},
};

const INFERRED: &str = "inferred";
const EVERYTHING: &str = "everything";

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
        let what = read::required(map, "what", &read::one_of(&[INFERRED, EVERYTHING]), "", &mut faults)?;
        match read::string(what, "/what", &mut faults)? {
            INFERRED => Some(INFERRED),
            EVERYTHING => Some(EVERYTHING),
            other => {
                let expected = read::one_of(&[INFERRED, EVERYTHING]);
                faults.add("/what", format!("is `{}`; expected {expected}", read::shown(other)));
                None
            }
        }
    });
    faults.into_result().map_err(Problem::invalid_body)?;
    let what = what.unwrap_or(INFERRED);
    change_profile(&app, &user, |profile| {
        match what {
            EVERYTHING => controls::forget_all(profile),
            _ => controls::forget_inferred(profile),
        }
        Ok(())
    })
    .await?;
    Ok(private(&ResetBody { what }))
}
