//! Global Privacy Control (W3C, Global Privacy Control): the signal, what it does, what answers say of it, and
//! `GET /.well-known/gpc.json`.

use actix_web::{HttpRequest, HttpResponse, http::header};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    app::App,
    consent::GPC_NOTICE,
    domain::{
        UserId,
        consent::{ConsentRecord, Decision, Purpose, latest},
        profile::Mode,
    },
    feed::Served,
};

/// When the statement was last changed; RFC 3339 `full-date`.
const LAST_UPDATE: &str = "2026-11-25";

/// Says what the server does with the signal, not whether it was sent.
#[derive(Serialize, ToSchema)]
#[schema(as = GpcSupport)]
pub struct SupportBody {
    gpc: bool,
    #[serde(rename = "lastUpdate")]
    last_update: &'static str,
}

/// Global Privacy Control is honoured
#[utoipa::path(get, path = "/.well-known/gpc.json", tag = "operations", operation_id = "gpc_support",
    responses((status = 200, description = "The support resource", body = SupportBody)))]
pub async fn support() -> HttpResponse {
    let body = SupportBody { gpc: true, last_update: LAST_UPDATE };
    HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "public, max-age=86400")).json(body)
}

/// One `Sec-GPC` header of exactly `1` is enough; a proxy may have merged several. Every other value is no signal.
pub fn signals_opt_out(request: &HttpRequest) -> bool {
    let values = request.headers().get_all("sec-gpc").filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|value| value.trim() == "1")
}

/// Whether the request opts out of every profile here.
pub fn refuses_profile(app: &App, request: &HttpRequest) -> bool {
    app.settings.privacy.gpc_scope().purposes().contains(&Purpose::ProfileUse) && signals_opt_out(request)
}

/// What a request that asks for `asked` may use.
pub fn narrowed(app: &App, request: &HttpRequest, asked: Mode) -> Mode {
    if refuses_profile(app, request) { Mode::NoProfile.narrowed_by(asked) } else { asked }
}

/// Remembers the signal for the person, so that it holds when they come back without it (CCPA regulations, §7025(c)(1)).
/// What they expressly consented to stands: the signal suspends it for the request, and does not withdraw it.
///
/// `log`: the person's consents, where the request has read them already.
pub async fn remember(app: &App, request: &HttpRequest, user: Option<&UserId>, log: Option<&[ConsentRecord]>) {
    let Some(user) = user.filter(|_| signals_opt_out(request)) else { return };
    let purposes = app.settings.privacy.gpc_scope().purposes();
    let remembered = match log {
        Some(log) => app.consents.object(user, log, purposes).await,
        None => match app.consents.log(user).await {
            Ok(log) => app.consents.object(user, &log, purposes).await,
            Err(error) => Err(error.into()),
        },
    };
    // The request itself honours the signal all the same, and the next one brings it again.
    if let Err(error) = remembered {
        tracing::warn!(%error, "an opt-out signal was not remembered");
    }
}

/// How the person's privacy bears on the page.
#[derive(Serialize, ToSchema)]
#[schema(as = Privacy)]
pub struct PrivacyBody {
    /// What the page may be made from: `profile`, `explicit_only`, `no_profile`, `chronological` or `client_profile`.
    pub mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub opt_out: Option<OptOutBody>,
}

/// An opt-out in force.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[schema(as = OptOut)]
pub struct OptOutBody {
    /// Of selling data about the person and sharing it with others.
    sale_share: bool,
    /// `gpc`: by the signal, with this request or before; `choice`: said by the person.
    source: &'static str,
    honored: bool,
}

impl PrivacyBody {
    /// `by_signal`: the request carries the signal.
    pub fn new(by_signal: bool, served: &Served) -> Self {
        let kept = latest(&served.consents, Purpose::SaleShare).filter(|record| record.decision != Decision::Given);
        let source = match kept {
            _ if by_signal => Some("gpc"),
            Some(record) if record.notice == *GPC_NOTICE => Some("gpc"),
            Some(_) => Some("choice"),
            None => None,
        };
        Self { mode: served.mode.name(), opt_out: source.map(|source| OptOutBody { sale_share: true, source, honored: true }) }
    }

    /// `Feed-Privacy`, where there is an opt-out to tell.
    pub fn header(&self) -> Option<(&'static str, String)> {
        let opt_out = self.opt_out?;
        Some(("feed-privacy", format!("sale-share=optout; src={}", opt_out.source)))
    }
}
