//! `GET /.well-known/gpc.json`: that this server honours Global Privacy Control (W3C, Global Privacy Control, "GPC Support
//! Resource").

use actix_web::{HttpResponse, http::header};
use serde::Serialize;
use utoipa::ToSchema;

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
