//! Whether a request is a minor's: by the user token's claim, else by the header `Age-Group`, else as the settings take it.

use actix_web::HttpRequest;

use super::{
    params::shown,
    problem::{Kind, Problem},
};
use crate::{
    app::App,
    auth::Caller,
    domain::{privacy::AgeGroup, profile::Mode},
    wire::Fault,
};

const HEADER: &str = "age-group";

/// A token's word counts, and the header may only narrow it: whoever signs tokens knows people's ages, an app in a minor's hand
/// may say anything. Errors: a header that says neither.
pub fn is_minor(app: &App, request: &HttpRequest, caller: &Caller) -> Result<bool, Problem> {
    let mut given = request.headers().get_all(HEADER).map(|value| value.to_str().unwrap_or_default().trim());
    let said = match given.next() {
        None => None,
        Some(_) if given.next().is_some() => {
            let why = "is given twice";
            return Err(
                Problem::new(Kind::InvalidParameter, format!("`Age-Group` {why}")).with_errors(vec![Fault::new("/header/Age-Group", why)])
            );
        }
        Some(name) => Some(AgeGroup::parse(name).ok_or_else(|| {
            let why = format!("is `{}`; expected {}", shown(name), AgeGroup::NAMES.join(" or "));
            Problem::new(Kind::InvalidParameter, format!("`Age-Group` {why}")).with_errors(vec![Fault::new("/header/Age-Group", why)])
        })?),
    };
    let known = match caller {
        Caller::User { age_group, .. } => match (age_group, said) {
            (_, Some(AgeGroup::Minor)) => said,
            (known, _) => *known,
        },
        Caller::Open | Caller::Server | Caller::Admin => said,
    };
    Ok(known.unwrap_or(app.settings.privacy.unknown_age) == AgeGroup::Minor)
}

/// What a minor's request that asks for `asked` may use: what they said, and nothing inferred.
pub fn narrowed(is_minor: bool, asked: Mode) -> Mode {
    if is_minor { asked.narrowed_by(Mode::ExplicitOnly) } else { asked }
}
