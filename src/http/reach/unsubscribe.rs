//! `/v1/unsubscribe/{token}`: one click out of the mails (RFC 8058). No login; looking at it changes nothing.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, ContentType},
    web,
};

use super::render::{done, question};
use crate::{
    app::App,
    consent::{ConsentError, UNSUBSCRIBE_NOTICE},
    domain::{UserId, consent::Purpose},
    http::{
        body::{Body, Takes},
        language::Language,
        params::shown,
        problem::{Kind, Problem},
    },
    store::StoreError,
};

/// Longest body read, in bytes: a mail provider sends one short field.
const BODY_LIMIT_BYTES: usize = 4_096;
const FIELD: &str = "List-Unsubscribe";
const VALUE: &str = "One-Click";

/// The page behind the link of a mail
///
/// Changes nothing: mail scanners follow links. A button on it sends the `POST`.
#[utoipa::path(get, path = "/v1/unsubscribe/{token}", tag = "reach", operation_id = "get_unsubscribe", security(()),
    params(("token" = String, Path, description = "From the mail")),
    responses((status = 200, description = "A page with a button", body = String, content_type = "text/html")))]
pub async fn get(app: web::Data<App>, path: web::Path<String>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    subject(&app, &path)?;
    Ok(page(question(Language::of(&request))))
}

/// Unsubscribe with one click
///
/// Withdraws the consent to `email`, at once. No login, no question; sending it again changes nothing.
#[utoipa::path(post, path = "/v1/unsubscribe/{token}", tag = "reach", operation_id = "post_unsubscribe", security(()),
    params(("token" = String, Path, description = "From the mail")),
    request_body(content = String, content_type = "application/x-www-form-urlencoded",
        description = "`List-Unsubscribe=One-Click`, as `application/x-www-form-urlencoded` or `multipart/form-data`"),
    responses((status = 200, description = "Done", body = String, content_type = "text/html")))]
pub async fn post(
    app: web::Data<App>,
    path: web::Path<String>,
    request: HttpRequest,
    mut payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let user = subject(&app, &path)?;
    let body = Body::read(&request, &mut payload, Takes::Form, BODY_LIMIT_BYTES).await?;
    if !is_one_click(body.text()?) {
        return Err(Problem::new(Kind::BadRequest, format!("The body is not `{FIELD}={VALUE}`; nothing was changed.")));
    }
    let refused = [(Purpose::Email, false)].into();
    match app.consents.decide(&user, &refused, &UNSUBSCRIBE_NOTICE).await {
        // Of somebody erased nothing is kept, and nobody sends them anything.
        Ok(_) | Err(ConsentError::Store(StoreError::Erased)) => Ok(page(done(Language::of(&request)))),
        Err(error) => Err(error.into()),
    }
}

fn subject(app: &App, token: &str) -> Result<UserId, Problem> {
    app.unsubscribe.read(token).ok_or_else(|| Problem::not_found(format!("No mail has the link {}.", shown(token))))
}

/// Either of the two forms that RFC 8058, 3.1 names.
fn is_one_click(body: &str) -> bool {
    let urlencoded = || body.trim().split('&').any(|pair| pair.split_once('=') == Some((FIELD, VALUE)));
    let multipart = || {
        let named = format!("name=\"{FIELD}\"");
        let part = body.split_once(&named).and_then(|(_, rest)| rest.split_once("\r\n\r\n"));
        part.and_then(|(_, value)| value.lines().next()) == Some(VALUE)
    };
    urlencoded() || multipart()
}

fn page(html: String) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::CONTENT_SECURITY_POLICY, "default-src 'none'; form-action 'self'; frame-ancestors 'none'"))
        .insert_header((header::VARY, "Accept-Language"))
        .content_type(ContentType::html())
        .body(html)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_the_body_are_understood() {
        assert!(is_one_click("List-Unsubscribe=One-Click"));
        assert!(is_one_click("a=b&List-Unsubscribe=One-Click\r\n"));
        let multipart =
            |value: &str| format!("--x\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\n{value}\r\n--x--\r\n");
        assert!(is_one_click(&multipart("One-Click")));
        for other in ["", "List-Unsubscribe=", "List-Unsubscribe", "list-unsubscribe=one-click", "One-Click", &multipart("Two")] {
            assert!(!is_one_click(other), "{other}");
        }
    }
}
