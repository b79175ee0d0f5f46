//! Reads the caller off a request. A handler asks by taking a [`Caller`]; a route whose handler does not is open to all.

use std::future::{Ready, ready};

use actix_web::{
    FromRequest, HttpMessage, HttpRequest,
    dev::Payload,
    http::{Method, header},
    web,
};

use super::{
    limits::{Standings, count},
    me,
    problem::{Kind, Problem},
};
use crate::{
    app::App,
    auth::{AuthError, Caller},
    limits::Who,
};

/// Hex digits of a key's hash in the activation log: enough to tell keys apart, too few to tell anything of them.
const KEY_NAME_DIGITS: usize = 8;
/// Paths that are read by `POST`.
const ASKED_BY_POST: [&str; 2] = ["/v1/feed", "/v1/rerank"];

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
pub(super) fn credential(request: &HttpRequest) -> Result<Option<&str>, Problem> {
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

/// An operator: somebody with an admin key, or anybody where no keys are set.
pub struct Operator {
    /// Tells keys apart without saying anything about them.
    key: String,
}

impl Operator {
    /// Who it is, for the log: what it says of itself, and its key.
    pub fn named(&self, actor: Option<&str>) -> String {
        actor.map_or_else(|| self.key.clone(), |actor| format!("{actor} ({})", self.key))
    }
}

impl FromRequest for Operator {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let operator = Caller::from_request(request, payload).into_inner().and_then(|caller| {
            caller.require_admin()?;
            let key = match credential(request)?.filter(|_| caller == Caller::Admin) {
                Some(key) => format!("key {}", &blake3::hash(key.as_bytes()).to_hex()[..KEY_NAME_DIGITS]),
                None => "no key".to_owned(),
            };
            Ok(Self { key })
        });
        ready(operator)
    }
}

impl FromRequest for Caller {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let known = request.extensions().get::<Self>().cloned();
        ready(known.map_or_else(|| identified(request), Ok))
    }
}

/// Anybody: who calls a route that is open to all is counted all the same, without a valid key or token among the anonymous.
pub struct Visitor;

impl FromRequest for Visitor {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let known = Caller::from_request(request, payload).into_inner();
        ready(match known {
            Err(problem) if problem.kind() == Kind::RateLimited => Err(problem),
            _ => Ok(Self),
        })
    }
}

/// Who calls, counted against their limits. Once per request, however many parts of a handler ask.
fn identified(request: &HttpRequest) -> Result<Caller, Problem> {
    let Some(app) = request.app_data::<web::Data<App>>() else {
        return Err(Problem::internal("the application state is not there"));
    };
    let given = credential(request);
    let caller = given.clone().and_then(|credential| Ok(app.auth.caller(credential, app.clock.now())?));
    let mut standings = Standings::default();
    // A wrong key counts too, so that guessing has its limit.
    let anonymous = || count(app, Who::Anonymous, &mut Standings::default());
    let caller = match caller {
        Ok(caller) => caller,
        Err(problem) => return Err(anonymous().err().unwrap_or(problem)),
    };
    match (&caller, given.ok().flatten()) {
        (Caller::User { id, .. }, _) => count(app, Who::User { id: id.as_str(), writes: writes(request) }, &mut standings)?,
        (Caller::Server | Caller::Admin, Some(key)) => count(app, Who::Key(key), &mut standings)?,
        _ => count(app, Who::Anonymous, &mut standings)?,
    }
    // A token counts for its subject alone: with another's path it is refused, and must not use up what is theirs.
    if !matches!(caller, Caller::User { .. })
        && let Some(id) = me::named(request)
    {
        count(app, Who::User { id: &id, writes: writes(request) }, &mut standings)?;
    }
    let mut extensions = request.extensions_mut();
    extensions.insert(standings);
    extensions.insert(caller.clone());
    Ok(caller)
}

/// Whether a request changes anything. Those that ask in a body do not.
fn writes(request: &HttpRequest) -> bool {
    let asks_in_a_body = ASKED_BY_POST.contains(&request.path());
    !matches!(*request.method(), Method::GET | Method::HEAD) && !asks_in_a_body
}
