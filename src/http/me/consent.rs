//! `GET` and `PUT /v1/me/consent`, its receipts, and the notices they name.

use std::{collections::BTreeMap, sync::Arc};

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    Subject, change_profile, hex, private,
    receipt::{ReceiptBody, Receipts},
};
use crate::{
    app::App,
    consent::{ConsentError, GPC_NOTICE, GPC_TEXT, Notice, UNSUBSCRIBE_NOTICE, UNSUBSCRIBE_TEXT, form::Form},
    domain::{
        Time,
        consent::{ConsentRecord, Decision, Purpose, latest, prompt_not_before, standing},
        sensitive::Category,
    },
    http::{
        body::{Body, Takes},
        params::shown,
        problem::{Kind, Problem},
    },
    wire::{Faults, read, time::render},
};

const FIELDS: [&str; 2] = ["decisions", "notice"];
pub const DECISIONS: [&str; 3] = ["given", "refused", "withdrawn"];

impl From<ConsentError> for Problem {
    fn from(error: ConsentError) -> Self {
        match error {
            ConsentError::Store(error) => error.into(),
            ConsentError::LogFull => Self::new(Kind::Conflict, error.to_string()),
        }
    }
}

/// What a person decides. A purpose that is left out stays as it is.
#[derive(ToSchema)]
#[schema(as = ConsentForm, example = json!({"decisions": {"profile_create": "given", "profile_use": "given", "email": "refused"}}))]
#[allow(dead_code, reason = "documents the form; it is read by hand so that all faults are named at once")]
pub struct ConsentForm {
    /// Purpose to `given`, `refused` or `withdrawn`.
    decisions: BTreeMap<String, String>,
    /// The notice the person was shown; the current one if left out.
    notice: Option<String>,
}

/// What holds for a person.
#[derive(Serialize, ToSchema)]
#[schema(as = Consent)]
pub struct ConsentBody {
    /// Every purpose, each on its own.
    purposes: BTreeMap<&'static str, StandingBody>,
    /// The notice to show where no language is chosen: `GET /v1/consent/notices/{hash}`; all of them: `GET /v1/consent/forms`.
    notice: String,
}

/// What holds for one purpose.
#[derive(Serialize, ToSchema)]
#[schema(as = ConsentStanding)]
pub struct StandingBody {
    /// `unasked`, `given`, `refused`, `withdrawn` or `expired`.
    standing: &'static str,
    /// Whether it is allowed now. Where the operator may assume so, also without being asked.
    allowed: bool,
    /// When it was decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    since: Option<String>,
    /// Do not ask before this.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    ask_not_before: Option<String>,
}

/// A person's consent log, to keep.
#[derive(Serialize, ToSchema)]
#[schema(as = ConsentReceipts)]
pub struct ReceiptsBody {
    /// Oldest first.
    receipts: Vec<ReceiptBody>,
    /// The Ed25519 key of the signatures, in hex.
    public_key: String,
}

/// One record of the log, as the export has it.
#[derive(Serialize, ToSchema)]
#[schema(as = ConsentRecord)]
pub struct RecordBody {
    purpose: &'static str,
    /// `given`, `refused` or `withdrawn`.
    decision: &'static str,
    at: String,
    /// The notice that was shown.
    notice: String,
    /// Over this record and the one before it, in hex.
    signature: String,
}

impl From<&ConsentRecord> for RecordBody {
    fn from(record: &ConsentRecord) -> Self {
        Self {
            purpose: record.purpose.name(),
            decision: record.decision.name(),
            at: render(record.at),
            notice: record.notice.clone(),
            signature: hex(&record.signature),
        }
    }
}

/// What the person consented to
#[utoipa::path(get, path = "/v1/me/consent", tag = "me", operation_id = "get_consent",
    responses((status = 200, description = "What holds now, purpose by purpose", body = ConsentBody)))]
pub async fn get(app: web::Data<App>, Subject(user): Subject) -> Result<HttpResponse, Problem> {
    let log = app.consents.log(&user).await?;
    Ok(private(&told(&app, &log, app.now())))
}

/// Give, refuse or withdraw consent
///
/// One call for any number of purposes; withdrawing takes as many calls as giving. Counts from the next request on.
#[utoipa::path(put, path = "/v1/me/consent", tag = "me", operation_id = "put_consent",
    request_body = ConsentForm,
    responses((status = 200, description = "What holds now, purpose by purpose", body = ConsentBody)))]
pub async fn put(
    app: web::Data<App>,
    Subject(user): Subject,
    request: HttpRequest,
    mut payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let body = Body::read(&request, &mut payload, Takes::Json, app.body_limit_bytes()).await?;
    let mut faults = Faults::default();
    let (decisions, notice) = read_form(&app, &body.value()?, &mut faults);
    faults.into_result().map_err(Problem::invalid_body)?;
    let log = app.consents.decide(&user, &decisions, &notice).await?;
    let withdraws = Category::ALL.iter().any(|category| decisions.get(&category.purpose()) == Some(&false));
    // Not used from now on, whatever becomes of this: what is kept goes as well.
    if withdraws && app.store.profile(&user).await?.is_some() {
        change_profile(&app, &user, |profile| {
            *profile = Arc::unwrap_or_clone(app.feed.usable(Arc::new(profile.clone()), &log));
            Ok(())
        })
        .await?;
    }
    Ok(private(&told(&app, &log, app.now())))
}

/// Receipts of every decision
///
/// One for each record of the log, as JSON-LD with the fields of ISO/IEC TS 27560, to keep and to show. Each is signed as a whole;
/// `docs/rights.md` shows how anybody verifies one.
#[utoipa::path(get, path = "/v1/me/consent/receipts", tag = "me", operation_id = "get_consent_receipts",
    responses((status = 200, description = "The whole log, signed", body = ReceiptsBody)))]
pub async fn receipts(app: web::Data<App>, Subject(user): Subject) -> Result<HttpResponse, Problem> {
    let log = app.consents.log(&user).await?;
    let public_key = hex(&app.consents.public_key().await?);
    let mut told = ReceiptsBody { receipts: Vec::with_capacity(log.len()), public_key };
    if !log.is_empty() {
        let receipts = Receipts::new(&app, &app.store.pseudonym(&user).await?);
        for record in &log {
            told.receipts.push(receipts.of(record).await?);
        }
    }
    Ok(private(&told))
}

/// A notice, as it was shown
#[utoipa::path(get, path = "/v1/consent/notices/{hash}", tag = "consent", operation_id = "get_consent_notice", security(()),
    params(("hash" = String, Path, description = "`b3:` and 64 hex digits, as a receipt names it")),
    responses((status = 200, description = "The text", body = String, content_type = "text/plain")))]
pub async fn notice(app: web::Data<App>, hash: web::Path<String>) -> Result<HttpResponse, Problem> {
    let found = app.notices.at(&hash).map(|notice| (notice.form.language.clone(), notice.text.clone()));
    let without_form = [(&*GPC_NOTICE, GPC_TEXT), (&*UNSUBSCRIBE_NOTICE, UNSUBSCRIBE_TEXT)];
    let by_signal = || without_form.iter().find(|(at, _)| **at == *hash).map(|(_, text)| ("en".to_owned(), (*text).to_owned()));
    let (language, text) = found.or_else(by_signal).ok_or_else(|| Problem::not_found(format!("There is no notice `{}`.", shown(&hash))))?;
    let mut answer = HttpResponse::Ok();
    answer.content_type("text/plain; charset=utf-8").insert_header((header::CONTENT_LANGUAGE, language));
    Ok(answer.insert_header((header::CACHE_CONTROL, "public, max-age=31536000, immutable")).body(text))
}

/// The forms to ask with
///
/// One per language, to be drawn as they are: what each control says, and that none is easier than another. Consent given with
/// a form names its `notice`.
#[utoipa::path(get, path = "/v1/consent/forms", tag = "consent", operation_id = "get_consent_forms", security(()),
    responses((status = 200, description = "Every form that is shown now", body = FormsBody)))]
pub async fn forms(app: web::Data<App>) -> HttpResponse {
    let body = FormsBody { forms: app.notices.shown().map(FormBody::from).collect() };
    HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "public, no-cache")).json(body)
}

/// What people are asked.
#[derive(Serialize, ToSchema)]
#[schema(as = ConsentForms)]
pub struct FormsBody {
    forms: Vec<FormBody>,
}

/// A form in one language: `language`, `title`, `intro`, `closing`, the switches (`toggle`: `purposes`, `label`, `text`) and the
/// ways to end it (`action`: `does` `accept_all`, `refuse_all` or `save_choices`, `label`, `component`, `screen`, `emphasis`).
#[derive(Serialize, ToSchema)]
#[schema(as = ConsentFormShown)]
pub struct FormBody {
    /// For `PUT /v1/me/consent`, so that the record names what was shown.
    notice: String,
    #[serde(flatten)]
    #[schema(value_type = BTreeMap<String, serde_json::Value>)]
    form: Form,
}

impl From<&Notice> for FormBody {
    fn from(notice: &Notice) -> Self {
        Self { notice: notice.hash.clone(), form: notice.form.clone() }
    }
}

fn told(app: &App, log: &[ConsentRecord], now: Time) -> ConsentBody {
    let one = |purpose: Purpose| StandingBody {
        standing: standing(log, purpose, now).name(),
        allowed: app.settings.consent.default.allows(log, purpose, now),
        since: latest(log, purpose).map(|record| render(record.at)),
        ask_not_before: prompt_not_before(log, purpose).map(render),
    };
    ConsentBody {
        purposes: Purpose::ALL.into_iter().map(|purpose| (purpose.name(), one(purpose))).collect(),
        notice: app.notices.current(None).hash.clone(),
    }
}

pub(in crate::http) fn read_form(app: &App, value: &Value, faults: &mut Faults) -> (BTreeMap<Purpose, bool>, String) {
    let mut decisions = BTreeMap::new();
    let mut notice = app.notices.current(None).hash.clone();
    let Some(map) = read::object(value, "", faults) else { return (decisions, notice) };
    read::unknown_keys(map, &FIELDS, "a consent", "", faults);
    if let Some(hash) = read::optional(map, "notice").and_then(|v| read::string(v, "/notice", faults)) {
        match app.notices.at(hash) {
            Some(found) => notice.clone_from(&found.hash),
            None => {
                faults.add("/notice", format!("is `{}`, which no notice has; GET /v1/me/consent names the current one", read::shown(hash)))
            }
        }
    }
    let expected = "expected an object of purposes";
    let stated = read::required(map, "decisions", expected, "", faults).and_then(|v| read::object(v, "/decisions", faults));
    let names = Purpose::ALL.map(Purpose::name);
    if let Some(stated) = stated {
        read::unknown_keys(stated, &names, "consent", "/decisions", faults);
        for purpose in Purpose::ALL {
            let Some(word) = read::optional(stated, purpose.name()) else { continue };
            let at = read::below("/decisions", purpose.name());
            if let Some(word) = read::named(word, &DECISIONS, &at, faults) {
                decisions.insert(purpose, word == Decision::Given.name());
            }
        }
    }
    (decisions, notice)
}
