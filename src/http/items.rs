//! The catalogue over HTTP: one item by id, many at once.

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    body::{Body, Takes},
    params::Query,
    problem::{Kind, Problem},
};
use crate::{
    app::App,
    auth::Caller,
    domain::{Item, ItemId},
    wire::{Fault, Faults, ItemForm, ItemInput, item, read},
};

/// Most items in one bulk call.
pub const MAX_ITEMS_PER_CALL: usize = 10_000;

/// Many items.
#[derive(ToSchema)]
#[schema(as = ItemBatch)]
#[allow(dead_code, reason = "documents the form; it is read by hand so that one bad item does not refuse the rest")]
pub struct ItemsForm {
    /// 1 to 10,000.
    items: Vec<ItemInput>,
}

/// Many items, with or without a name for the list.
#[derive(ToSchema)]
#[schema(as = ItemBatchOrList)]
#[serde(untagged)]
#[allow(dead_code, reason = "documents the form; it is read by hand so that one bad item does not refuse the rest")]
pub enum ItemsOrList {
    Named(ItemsForm),
    /// 1 to 10,000.
    Bare(Vec<ItemInput>),
}

/// What became of a bulk call.
#[derive(Serialize, ToSchema)]
#[schema(as = ItemsAnswer)]
pub struct AnswerBody {
    /// Inserted or replaced.
    pub accepted: usize,
    pub rejected: Vec<RejectedBody>,
}

/// One item that was not taken.
#[derive(Serialize, ToSchema)]
#[schema(as = RejectedItem)]
pub struct RejectedBody {
    /// 0-based, into `items`; with NDJSON the line is `index + 1` among the lines that are not blank.
    pub index: usize,
    /// As sent, when it was a string.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub id: Option<String>,
    pub errors: Vec<Fault>,
}

/// One item
#[utoipa::path(get, path = "/v1/items/{id}", tag = "items", operation_id = "get_item",
    params(("id" = String, Path, description = "The item's id", example = "itm_8c1f"),
        ("embedding" = Option<bool>, Query, description = "Adds the embedding, if it was given", example = false)),
    responses((status = 200, description = "The item", body = ItemForm)))]
pub async fn get(app: web::Data<App>, caller: Caller, request: HttpRequest, path: web::Path<String>) -> Result<HttpResponse, Problem> {
    let mut params = Query::new("GET /v1/items/{id}", request.query_string());
    let embedding = params.flag("embedding");
    params.finish()?;
    // Reading the catalogue is open to people's apps too: they read it in every feed.
    let _ = caller;
    let id = item_id(&path)?;
    let snapshot = app.feed.catalogue.snapshot();
    let ranked = snapshot.find(&id).and_then(|row| snapshot.item(row));
    let item = ranked.or_else(|| snapshot.find_sponsored(&id).map(|entry| Item::clone(&entry.item))).ok_or_else(|| unknown(&id))?;
    let form = if embedding { ItemForm::with_embedding(&item) } else { ItemForm::from(&item) };
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "private, no-cache")).json(form))
}

/// Insert or replace an item
///
/// The body's `id` may be left out; if it stands there it must be the path's.
#[utoipa::path(put, path = "/v1/items/{id}", tag = "items", operation_id = "put_item",
    params(("id" = String, Path, description = "The item's id", example = "itm_8c1f")),
    request_body = ItemInput,
    responses((status = 200, description = "Replaced", body = ItemForm), (status = 201, description = "Inserted", body = ItemForm)))]
pub async fn put(
    app: web::Data<App>,
    caller: Caller,
    request: HttpRequest,
    path: web::Path<String>,
    mut payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    caller.require_server()?;
    let id = item_id(&path)?;
    let body = Body::read(&request, &mut payload, Takes::Json, app.body_limit_bytes()).await?;
    let mut value = body.value()?;
    if let Some(map) = value.as_object_mut() {
        map.entry("id").or_insert_with(|| Value::from(id.as_str()));
    }
    let item = item::read(&value, app.dimension()).map_err(Problem::invalid_body)?;
    if item.id != id {
        let detail = format!("is `{}`, the path says `{id}`; leave it out or make them the same", item.id);
        return Err(Problem::invalid_body(vec![Fault::new("/id", detail)]));
    }
    let snapshot = app.feed.catalogue.snapshot();
    let created = snapshot.find(&id).is_none() && snapshot.find_sponsored(&id).is_none();
    let form = ItemForm::from(&item);
    app.ingest.put_items(vec![item]).await?;
    let mut answer = if created { HttpResponse::Created() } else { HttpResponse::Ok() };
    Ok(answer.json(form))
}

/// Delete an item
///
/// No page is made with it from now on; pages that were served keep its id.
#[utoipa::path(delete, path = "/v1/items/{id}", tag = "items", operation_id = "delete_item",
    params(("id" = String, Path, description = "The item's id", example = "itm_8c1f")),
    responses((status = 204, description = "Deleted")))]
pub async fn delete(app: web::Data<App>, caller: Caller, path: web::Path<String>) -> Result<HttpResponse, Problem> {
    caller.require_server()?;
    let id = item_id(&path)?;
    let were_there = app.ingest.delete_items(vec![id.clone()]).await?;
    if were_there.first() == Some(&true) { Ok(HttpResponse::NoContent().finish()) } else { Err(unknown(&id)) }
}

/// Insert or replace many items
///
/// As `{"items": [...]}`, a JSON array, or one item per line (`application/x-ndjson`); 1 to 10,000 in a call. Sound items
/// are taken, the others are listed.
#[utoipa::path(post, path = "/v1/items", tag = "items", operation_id = "post_items",
    request_body(content((ItemsOrList = "application/json"), (String = "application/x-ndjson"))),
    responses((status = 200, description = "What became of each item", body = AnswerBody)))]
pub async fn post(app: web::Data<App>, caller: Caller, request: HttpRequest, mut payload: web::Payload) -> Result<HttpResponse, Problem> {
    caller.require_server()?;
    let body = Body::read(&request, &mut payload, Takes::NdJson, app.bulk_body_limit_bytes()).await?;
    let values = values(&body, is_lines(&request))?;
    if values.is_empty() || values.len() > MAX_ITEMS_PER_CALL {
        let detail = format!("has {} items; expected 1 to {MAX_ITEMS_PER_CALL} in one call", values.len());
        return Err(Problem::invalid_body(vec![Fault::new("/items", detail)]));
    }
    let mut items: Vec<Item> = Vec::with_capacity(values.len());
    let mut rejected = Vec::new();
    for (index, value) in values.into_iter().enumerate() {
        let id = value.as_ref().ok().and_then(|v| v.get("id")).and_then(Value::as_str).map(read::shown);
        match value.and_then(|value| item::read(&value, app.dimension())) {
            Ok(item) => items.push(item),
            Err(errors) => rejected.push(RejectedBody { index, id, errors }),
        }
    }
    let accepted = items.len();
    if accepted > 0 {
        app.ingest.put_items(items).await?;
    }
    Ok(HttpResponse::Ok().json(AnswerBody { accepted, rejected }))
}

/// Whether the body has one item per line.
fn is_lines(request: &HttpRequest) -> bool {
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    content_type.starts_with("application/x-ndjson") || content_type.starts_with("application/jsonl")
}

/// Every item of the body, or why its line is not JSON.
pub(super) fn values(body: &Body, is_lines: bool) -> Result<Vec<Result<Value, Vec<Fault>>>, Problem> {
    if is_lines {
        let lines = body.text()?.lines().filter(|line| !line.trim().is_empty());
        let parse = |line: &str| serde_json::from_str(line).map_err(|error| vec![Fault::new("", format!("is not JSON: {error}"))]);
        return Ok(lines.map(parse).collect());
    }
    let mut faults = Faults::default();
    let list = listed(body.value()?, &mut faults);
    faults.into_result().map_err(Problem::invalid_body)?;
    Ok(list.into_iter().map(Ok).collect())
}

/// The array a body is, or has in `items`.
fn listed(body: Value, faults: &mut Faults) -> Vec<Value> {
    let (list, at) = match body {
        Value::Object(mut map) => {
            read::unknown_keys(&map, &["items"], "a bulk call", "", faults);
            if read::required(&map, "items", "an array of items", "", faults).is_none() {
                return Vec::new();
            }
            (map.remove("items").unwrap_or_default(), "/items")
        }
        other => (other, ""),
    };
    match list {
        Value::Array(list) => list,
        other => {
            faults.add(at, format!("is {}; expected {{\"items\": [...]}}, an array, or NDJSON", read::kind(&other)));
            Vec::new()
        }
    }
}

pub(super) fn item_id(path: &str) -> Result<ItemId, Problem> {
    let refused = |why: String| Problem::new(Kind::InvalidParameter, format!("`id` {why}")).with_errors(vec![Fault::new("/path/id", why)]);
    // Decoding the path has put it in place of broken bytes: different ids would become one.
    if path.contains(char::REPLACEMENT_CHARACTER) {
        return Err(refused("is not UTF-8 when decoded".to_owned()));
    }
    ItemId::new(path).map_err(|error| refused(error.to_string()))
}

fn unknown(id: &ItemId) -> Problem {
    Problem::not_found(format!("There is no item `{}`.", read::shown(id.as_str())))
}
