//! `POST /v1/digests`: a mail as data, with the headers by which it is unsubscribed from (RFC 2369 and RFC 8058).

use std::collections::BTreeMap;

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{
    Asked, Form, note, page, reached,
    render::{Mail, html, text},
    rules,
};
use crate::{
    app::App,
    auth::Caller,
    domain::{
        consent::Purpose,
        feed::MAX_PAGE_ITEMS,
        reach::{Against, Refused},
    },
    http::{
        age,
        gpc::PrivacyBody,
        language::Language,
        middleware::RequestId,
        problem::{Kind, Problem},
        slate::{FeedBody, Hydrate, View},
    },
    wire::{Faults, event::whole, read, time::render},
};

const SURFACE: &str = "email_digest";
const FORM: Form = Form { fields: &["exclude", "last_seen_at", "limit", "surface", "user"], what: "a digest", surface: SURFACE };
/// RFC 8058, 3.1.
const ONE_CLICK: &str = "List-Unsubscribe=One-Click";

/// Whom the mail is for.
#[derive(ToSchema)]
#[schema(as = DigestForm, example = json!({"user": "ana", "limit": 10}))]
#[allow(dead_code, reason = "documents the form; it is read by hand so that all faults are named at once")]
pub struct DigestForm {
    user: String,
    /// `email_digest` if left out.
    surface: Option<String>,
    #[schema(minimum = 1, maximum = 100)]
    limit: Option<u32>,
    /// When the person was last there, if you know of a later time than the server does (RFC 3339).
    last_seen_at: Option<String>,
    /// Items that must not come; at most 1000.
    exclude: Option<Vec<String>>,
}

/// A mail, or why there is none.
#[derive(Serialize, ToSchema)]
#[schema(as = Digest)]
pub struct DigestBody {
    /// Why there is none: `no_consent`, `away`, `cap`, `fading` or `nothing_new`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    skipped: Option<&'static str>,
    /// It is no use asking before.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime)]
    not_before: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    mail: Option<MailBody>,
}

/// A mail. It has been counted: send it.
#[derive(Serialize, ToSchema)]
#[schema(as = DigestMail)]
pub struct MailBody {
    subject: SubjectBody,
    /// Put them in the mail as they are, and sign both with DKIM.
    headers: BTreeMap<&'static str, String>,
    /// The same link, for a button in a layout of your own.
    unsubscribe_url: String,
    /// Plain text, with why each item is in it.
    text: String,
    /// The same as HTML: no pictures, nothing that tells whether it was opened, links that lead straight to the items.
    html: String,
    /// The items with their reasons.
    feed: FeedBody,
}

/// What a subject can be made of.
#[derive(Serialize, ToSchema)]
#[schema(as = DigestSubject)]
pub struct SubjectBody {
    /// Title of the first item.
    lead: String,
    /// Items besides it.
    more: usize,
}

impl DigestBody {
    fn skipped((against, until): Refused) -> Self {
        Self { skipped: Some(against.name()), not_before: until.map(render), mail: None }
    }
}

/// A digest for a person
///
/// Only with consent to `email`, at most as often as the policy says (`reach`), never more often for being away, and after a long
/// absence not at all. The mail is data: you send it. Opens are not counted.
#[utoipa::path(post, path = "/v1/digests", tag = "reach", operation_id = "post_digest",
    params(("Age-Group" = Option<String>, Header, description = "`minor` or `adult`; a user token's claim `age_group` comes first. Of a minor nothing inferred is used")),
    request_body = DigestForm,
    responses((status = 200, description = "The mail, or why there is none", body = DigestBody)))]
pub async fn post(
    app: web::Data<App>,
    caller: Caller,
    id: RequestId,
    request: HttpRequest,
    mut payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    caller.require_server()?;
    let (asked, limit) = FORM.read(&app, &request, &mut payload, read_limit).await?;
    let is_minor = age::is_minor(&app, &request, &caller)?;
    let body = digest(&app, &id, &request, &asked, is_minor, limit).await?;
    app.metrics.reach(SURFACE, body.skipped.unwrap_or("sent"));
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "private, no-store")).json(body))
}

/// Items in the mail; `Some(None)`: as many as the policy says.
fn read_limit(map: &Map<String, Value>, faults: &mut Faults) -> Option<Option<usize>> {
    let Some(value) = read::optional(map, "limit") else { return Some(None) };
    let limit = whole(value, MAX_PAGE_ITEMS as u64, "/limit", faults)?;
    if limit == 0 {
        faults.add("/limit", format!("is 0; expected a whole number from 1 to {MAX_PAGE_ITEMS}"));
        return None;
    }
    Some(Some(limit as usize))
}

async fn digest(
    app: &App,
    id: &RequestId,
    request: &HttpRequest,
    asked: &Asked,
    is_minor: bool,
    limit: Option<usize>,
) -> Result<DigestBody, Problem> {
    let user = &asked.user;
    let rules = rules(app, &asked.surface)?;
    let base = app.settings.server.public_url.as_str();
    if base.is_empty() {
        let detail = "`server.public_url` is not set: a mail without a link to unsubscribe must not be sent. Set it to where this \
            server is reached from outside, e.g. \"https://feeds.example.org\".";
        return Err(Problem::new(Kind::Conflict, detail));
    }
    let (_, seen) = reached(app, user, Purpose::Email, asked.last_seen_at).await?;
    let seen = match seen {
        Ok(seen) => seen,
        Err(refused) => return Ok(DigestBody::skipped(refused)),
    };
    let now = app.now();
    if let Err(refused) = app.store.pace(user).await?.digest(&rules, seen, now) {
        return Ok(DigestBody::skipped(refused));
    }
    let token = app.unsubscribe.token(user);
    let token = token.ok_or_else(|| Problem::new(Kind::StoreUnavailable, "The store has not told its secret yet.").retry_after(1))?;
    let served = page(app, id, asked, is_minor, limit).await?;
    let view = View { language: Language::of(request), hydrate: Hydrate::Card, ..View::default() };
    let feed = FeedBody::new(&served, id.as_str().to_owned(), view, PrivacyBody::new(false, &served), &app.feed.signer);
    let unsubscribe_url = format!("{base}/v1/unsubscribe/{token}");
    let mail = Mail::new(&served, &feed, &unsubscribe_url, view.language);
    let Some(lead) = mail.items.first().map(|item| item.title.clone()) else {
        return Ok(DigestBody::skipped((Against::NothingNew, None)));
    };
    let (more, text, html) = (mail.items.len() - 1, text(&mail), html(&mail));
    if let Err(refused) = note(app, user, &rules, |pace| pace.digest(&rules, seen, now)).await? {
        return Ok(DigestBody::skipped(refused));
    }
    let headers =
        [("List-Unsubscribe", format!("<{unsubscribe_url}>")), ("List-Unsubscribe-Post", ONE_CLICK.to_owned())].into_iter().collect();
    let mail = MailBody { subject: SubjectBody { lead, more }, headers, unsubscribe_url, text, html, feed };
    Ok(DigestBody { skipped: None, not_before: None, mail: Some(mail) })
}
