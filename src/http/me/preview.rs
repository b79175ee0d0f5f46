//! `POST /v1/me/preferences/preview`: the first page as it would be, beside the present one. Nothing is written.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    Subject,
    preferences::{PreferencesForm, read_preferences},
    private,
};
use crate::{
    app::App,
    auth::Caller,
    domain::{feed::MAX_PAGE_ITEMS, profile::Mode},
    feed::{
        FeedRequest,
        preview::{Move, Previewed, items},
    },
    http::{
        age,
        body::{Body, Takes},
        feed::{self, SURFACE_IN_QUERY},
        gpc,
        middleware::RequestId,
        params::Query,
        problem::Problem,
    },
    wire::Faults,
};

/// The present first page and the one the preferences would give, from the same draws.
#[derive(Serialize, ToSchema)]
#[schema(as = PreferencesPreview)]
pub struct PreviewBody {
    present: PageBody,
    preview: PageBody,
    /// Items of `preview` that are not in `present`.
    new: Vec<String>,
    /// Items of `present` that are not in `preview`.
    gone: Vec<String>,
    /// Items in both, at another position.
    moved: Vec<MovedBody>,
}

/// A first page.
#[derive(Serialize, ToSchema)]
#[schema(as = PreviewedPage)]
pub struct PageBody {
    /// What it may be made from.
    mode: &'static str,
    /// Item ids, in order.
    items: Vec<String>,
}

/// An item that stands elsewhere.
#[derive(Serialize, ToSchema)]
#[schema(as = MovedItem)]
pub struct MovedBody {
    id: String,
    /// Position in `present`, 0-based.
    from: usize,
    /// Position in `preview`, 0-based.
    to: usize,
}

/// Try preferences before they apply
///
/// Takes what `PUT /v1/me/preferences` takes. Nothing is kept, journaled or counted.
#[utoipa::path(post, path = "/v1/me/preferences/preview", tag = "me", operation_id = "preview_preferences",
    params(
        ("surface" = Option<String>, Query, description = "Where the feed is shown; `home` if left out", example = "home"),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 100, description = "Items on the page; the surface's page size if left out", example = 20),
        ("Age-Group" = Option<String>, Header, description = "`minor` or `adult`; a user token's claim `age_group` comes first. Of a minor nothing inferred is used")),
    request_body = PreferencesForm,
    responses((status = 200, description = "Both pages, and what differs", body = PreviewBody)))]
pub async fn post(
    app: web::Data<App>,
    caller: Caller,
    Subject(user): Subject,
    id: RequestId,
    request: HttpRequest,
    mut payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let mut params = Query::new("POST /v1/me/preferences/preview", request.query_string());
    let surface = params.optional("surface").unwrap_or_else(|| "home".to_owned());
    let limit = params.integer("limit", 1, MAX_PAGE_ITEMS as u32);
    params.finish()?;
    caller.require_surface(&surface)?;
    let body = Body::read(&request, &mut payload, Takes::Json, app.body_limit_bytes()).await?;
    let mut faults = Faults::default();
    let wanted = read_preferences(&body.value()?, "", &mut faults);
    faults.into_result().map_err(Problem::invalid_body)?;
    let is_minor = age::is_minor(&app, &request, &caller)?;
    let asked = FeedRequest {
        request_id: id.as_str().to_owned(),
        surface,
        user: Some(user.clone()),
        is_minor,
        mode: age::narrowed(is_minor, gpc::narrowed(&app, &request, Mode::Profile)),
        limit: limit.map(|n| n as usize),
        ..FeedRequest::default()
    };
    let person = app.store.person(&user).await?.unwrap_or_default();
    let previewed = app.feed.preview_preferences(&asked, &user, person, wanted).await;
    let [present, preview] = previewed.map_err(|error| feed::problem(&app, error, SURFACE_IN_QUERY))?;
    Ok(private(&PreviewBody::new(&present, &preview)))
}

impl PreviewBody {
    fn new(present: &Previewed, preview: &Previewed) -> Self {
        let page = |of: &Previewed| PageBody { mode: of.served.mode.name(), items: items(&of.served).map(ToString::to_string).collect() };
        let (mut new, mut moved) = (Vec::new(), Vec::new());
        for ((to, id), change) in items(&preview.served).enumerate().zip(&preview.moves) {
            let from = match change {
                Move::In => {
                    new.push(id.to_string());
                    continue;
                }
                Move::Same => continue,
                Move::Up(by) => to + *by as usize,
                Move::Down(by) => to - *by as usize,
            };
            moved.push(MovedBody { id: id.to_string(), from, to });
        }
        let gone = preview.out.iter().map(|(id, _)| id.to_string()).collect();
        Self { present: page(present), preview: page(preview), new, gone, moved }
    }
}
