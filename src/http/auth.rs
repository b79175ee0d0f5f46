//! Reads the caller off a request. A handler asks by taking a [`Caller`]; a route whose handler does not is open to all.

use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpRequest, dev::Payload, http::header, web};

use super::problem::{Kind, Problem};
use crate::{
    app::App,
    auth::{AuthError, Caller},
};

impl From<AuthError> for Problem {
    fn from(error: AuthError) -> Self {
        let kind = if error.is_about_identity() { Kind::Unauthorized } else { Kind::Forbidden };
        let problem = Self::new(kind, error.to_string());
        match error {
            AuthError::Invalid { reason } => problem.caused_by(reason),
            _ => problem,
        }
    }
}

/// The key or token of a request: `Authorization: Bearer …`, else `X-API-Key`.
fn credential(request: &HttpRequest) -> Result<Option<&str>, Problem> {
    let header = |name| request.headers().get(name).map(|value: &header::HeaderValue| value.to_str());
    if let Some(value) = header(header::AUTHORIZATION.as_str()) {
        let bearer = value.ok().and_then(|value| value.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        return match bearer {
            Some((_, credential)) => Ok(Some(credential.trim())),
            None => Err(Problem::unauthorized("The Authorization header must read `Bearer ` and a key or user token.")),
        };
    }
    match header("x-api-key") {
        Some(Ok(key)) => Ok(Some(key.trim())),
        Some(Err(_)) => Err(Problem::unauthorized("The X-API-Key header must be printable ASCII.")),
        None => Ok(None),
    }
}

impl FromRequest for Caller {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let caller = match request.app_data::<web::Data<App>>() {
            Some(app) => credential(request).and_then(|credential| Ok(app.auth.caller(credential, app.clock.now())?)),
            None => Err(Problem::internal("the application state is not there")),
        };
        ready(caller)
    }
}
