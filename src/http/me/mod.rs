//! Routes about one person. Each is there twice: `/v1/me/…` is the subject of a user token, `/v1/users/{id}/…` is whom a
//! server key names. Answers are for that person only and are never kept by a cache.

pub mod consent;
pub mod erasure;
pub mod preferences;

use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpRequest, HttpResponse, dev::Payload, http::header};
use serde::Serialize;

use super::problem::Problem;
use crate::{auth::Caller, domain::UserId};

/// `/v1/me` in the paths of this folder; the OpenAPI document says each path for [`USERS`] too.
pub const ME: &str = "/v1/me";
/// The same for a server key.
pub const USERS: &str = "/v1/users/{id}";

/// The person a request is about: the path's `id`, else the user token's subject.
pub struct Subject(pub UserId);

impl FromRequest for Subject {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        ready(Caller::from_request(request, payload).into_inner().and_then(|caller| subject(request, &caller)))
    }
}

fn subject(request: &HttpRequest, caller: &Caller) -> Result<Subject, Problem> {
    let named = request.match_info().get("id");
    let named = named.map(|id| UserId::new(id).map_err(|error| Problem::not_found(format!("The user id in the path {error}."))));
    let user = caller.user_for(named.transpose()?)?;
    user.map(Subject).ok_or_else(|| {
        Problem::forbidden("`/v1/me` is the subject of a user token; with a key, or without any, name the person: `/v1/users/{id}/…`.")
    })
}

/// An answer for the person alone.
fn private(body: &impl Serialize) -> HttpResponse {
    HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "private, no-store")).json(body)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
