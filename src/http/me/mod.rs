//! Routes about one person. Each is there twice: `/v1/me/…` is the subject of a user token, `/v1/users/{id}/…` is whom a
//! server key names. Answers are for that person only and are never kept by a cache.

pub mod consent;
pub mod erasure;
pub mod export;
pub mod import;
pub mod interests;
pub mod preferences;
pub mod presets;
pub mod preview;
pub mod receipt;
pub mod reset;
pub mod snooze;

use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpRequest, HttpResponse, dev::Payload, http::header, web};
use serde::{Deserialize, Serialize};

use super::problem::{Kind, Problem};
use crate::{
    app::App,
    auth::Caller,
    domain::{Profile, UserId},
    learn::LearnError,
    store::{Commit, StoreError},
};

/// `/v1/me` in the paths of this folder; the OpenAPI document says each path for [`USERS`] too.
pub const ME: &str = "/v1/me";
/// The same for a server key.
pub const USERS: &str = "/v1/users/{id}";
/// What its paths begin with.
pub const USERS_PREFIX: &str = "/v1/users/";

/// Times a profile is read and written again when it changed meanwhile.
const MAX_COMMIT_TRIES: usize = 32;

/// The person a request is about: the path's `id`, else the user token's subject.
pub struct Subject(pub UserId);

impl FromRequest for Subject {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        ready(Caller::from_request(request, payload).into_inner().and_then(|caller| subject(request, &caller)))
    }
}

/// The `id` of a path about a person, wholly decoded: what the router hands out by name still has `%25`, `%2B` and `%2F` in it.
/// `None` where the path names nobody.
pub(super) fn named(request: &HttpRequest) -> Option<String> {
    #[derive(Deserialize)]
    struct Named {
        id: String,
    }
    let of_a_person = request.path().starts_with(USERS_PREFIX);
    let named = of_a_person.then(|| web::Path::<Named>::from_request(request, &mut Payload::None).into_inner());
    Some(named?.ok()?.into_inner().id)
}

fn user_id(named: &str) -> Result<UserId, Problem> {
    let unknown = |why: String| Problem::not_found(format!("The user id in the path {why}."));
    // Decoding has put it in place of broken bytes: different people would become one.
    if named.contains(char::REPLACEMENT_CHARACTER) {
        return Err(unknown("is not UTF-8 when decoded".to_owned()));
    }
    UserId::new(named).map_err(|error| unknown(error.to_string()))
}

fn subject(request: &HttpRequest, caller: &Caller) -> Result<Subject, Problem> {
    let named = named(request).map(|id| user_id(&id));
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

/// Changes the profile beside whatever else it learns meanwhile. Nothing is written when `change` refuses: a list is full.
async fn change_profile<T>(app: &App, user: &UserId, change: impl Fn(&mut Profile) -> Result<T, LearnError>) -> Result<T, Problem> {
    for _ in 0..MAX_COMMIT_TRIES {
        let mut learning = app.store.begin_learning(user, &[]).await?;
        let changed = change(&mut learning.profile).map_err(|full| Problem::new(Kind::Conflict, full.to_string()))?;
        match app.store.commit_profile(user, learning.revision, &learning.profile, &[], app.now()).await? {
            Commit::Done => return Ok(changed),
            Commit::Erased => return Err(StoreError::Erased.into()),
            Commit::Conflict => tokio::task::yield_now().await,
        }
    }
    Err(StoreError::Refused(format!("the profile changed {MAX_COMMIT_TRIES} times meanwhile")).into())
}
