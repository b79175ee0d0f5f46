//! `DELETE /v1/me`: everything about a person goes, and they get a receipt.

use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Subject, hex, private};
use crate::{
    app::App,
    consent::{Erased, ErasureReceipt},
    http::problem::Problem,
    wire::time::render,
};

/// What was done, signed. The same receipt however often it is asked for.
#[derive(Serialize, ToSchema)]
#[schema(as = ErasureReceipt)]
pub struct ErasureBody {
    /// When the person was erased first.
    erased_at: String,
    /// Events, feeds and imports that come late are refused until then, unless the person consents anew.
    refused_until: String,
    done: Vec<ErasedBody>,
    /// Ed25519 over the receipt and the person's id, in hex.
    signature: String,
    /// The key of the signature, in hex.
    public_key: String,
}

/// What was done with one kind of record.
#[derive(Serialize, ToSchema)]
#[schema(as = Erased)]
pub struct ErasedBody {
    /// `embedded` or `redis`, `keys`, `memory` or `journal`.
    place: &'static str,
    what: &'static str,
    /// `deleted`; `destroyed`: nobody can make it again; `unlinked`: it stays, and nothing tells any more whose it was.
    outcome: &'static str,
}

impl From<&Erased> for ErasedBody {
    fn from(erased: &Erased) -> Self {
        let Erased { place, what, outcome } = *erased;
        Self { place, what, outcome }
    }
}

/// Erase a person
///
/// Deletes their profile, consent log, event digests and feeds, and destroys their key: copies in backups cannot be read any more.
/// Safe to repeat, and repeating completes what a failure left. What comes late is refused for 30 days, unless the person consents
/// anew.
#[utoipa::path(delete, path = "/v1/me", tag = "me", operation_id = "erase",
    responses((status = 200, description = "The receipt", body = ErasureBody)))]
pub async fn delete(app: web::Data<App>, Subject(user): Subject) -> Result<HttpResponse, Problem> {
    let ErasureReceipt { at, refused_until, done, signature } = app.erase(&user).await?;
    Ok(private(&ErasureBody {
        erased_at: render(at),
        refused_until: render(refused_until),
        done: done.iter().map(ErasedBody::from).collect(),
        signature: hex(&signature),
        public_key: hex(&app.consents.public_key().await?),
    }))
}
