//! The OpenAPI 3.1 document, made from the handlers. `openapi.json` in the repository is its committed copy.

use std::sync::LazyLock;

use actix_web::{HttpResponse, web};
use utoipa::{
    OpenApi,
    openapi::{
        Components, ContentBuilder, InfoBuilder, LicenseBuilder, ObjectBuilder, OpenApiVersion, PathItem, Ref, RefOr, Required,
        ResponseBuilder, ServerBuilder, Type,
        path::{Operation, ParameterBuilder, ParameterIn},
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};

use super::{
    decisions, events, feed, gpc, health, inventory, items, me, openapi_live, policies,
    problem::{self, Problem},
    reach, rollout,
    schema_limits::{self, operations_mut},
    sponsored, transparency,
};
use crate::{
    app::{App, VERSION},
    wire,
};

#[derive(OpenApi)]
#[openapi(
    paths(
        feed::get, feed::post, feed::rerank, decisions::get, sponsored::decision, events::post,
        reach::digest::post, reach::push::plan, reach::unsubscribe::get, reach::unsubscribe::post,
        me::erasure::delete, me::export::get, me::import::post, me::preferences::get, me::preferences::put,
        me::preview::post, me::presets::get, me::interests::get, me::interests::put, me::interests::delete, me::reset::post, me::snooze::post,
        me::consent::get, me::consent::put, me::consent::receipts, me::consent::forms, me::consent::notice,
        inventory::get, transparency::get,
        items::post, items::get, items::put, items::delete,
        policies::check, policies::explain_key, policies::diff, policies::preview, policies::sweep::sweep,
        policies::schema_document,
        rollout::get, rollout::activate, rollout::log, rollout::roll_back, rollout::reload, rollout::results,
        sponsored::ads, gpc::support, health::livez, health::readyz, health::version, health::metrics, openapi_json),
    components(schemas(problem::Body, wire::Fault)),
    tags(
        (name = "feed", description = "Feeds and re-ranking"),
        (name = "events", description = "What people did"),
        (name = "reach", description = "Digests and pushes to those who agreed to them, never more for being away"),
        (name = "me", description = "What a person set and decided: `/v1/me/…` with their user token, `/v1/users/{id}/…` with a server key"),
        (name = "consent", description = "What people are asked"),
        (name = "items", description = "The catalogue"),
        (name = "policies", description = "Policies before they are shown to anybody; for operators (admin key)"),
        (name = "rollout", description = "Which policy serves whom: activation in stages, rollback, experiments; for operators (admin key)"),
        (name = "operations", description = "Probes, metrics and this document"))
)]
struct Document;

const DESCRIPTION: &str = "A content feed server that ranks by relevance and opens the feed: diversity, exploration, explanation.\n\n\
    Clients must ignore response fields they do not know. Absent means absent: no field is ever `null`. Times are RFC 3339 in UTC. \
    Every error is a `Problem` (RFC 9457) that names all faults at once.";
const PROBLEM_RESPONSE: &str = "Problem";

static JSON: LazyLock<String> = LazyLock::new(|| document().to_pretty_json().unwrap_or_default());

/// The document, as `polyphony openapi` prints it.
pub fn json() -> &'static str {
    &JSON
}

/// The document.
pub fn document() -> utoipa::openapi::OpenApi {
    let mut document = Document::openapi();
    document.openapi = OpenApiVersion::Version31;
    // The derived block would name the author of whatever crate it is expanded in.
    document.info = InfoBuilder::new()
        .title("Polyphony")
        .version(VERSION)
        .description(Some(DESCRIPTION))
        .license(Some(LicenseBuilder::new().name("MIT OR Apache-2.0").identifier(Some("MIT OR Apache-2.0")).build()))
        .build();
    document.servers = Some(vec![ServerBuilder::new().url("/").build()]);
    let components = document.components.get_or_insert_with(Components::new);
    let problem = ResponseBuilder::new()
        .description("The request was not served; `type` says why, `errors` names every fault")
        .content(problem::CONTENT_TYPE, ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build())
        .build();
    components.responses.insert(PROBLEM_RESPONSE.to_owned(), RefOr::T(problem));
    for (name, scheme) in security_schemes() {
        components.security_schemes.insert(name.to_owned(), RefOr::T(scheme));
    }
    name_users(&mut document);
    for operation in document.paths.paths.values_mut().flat_map(operations_mut) {
        complete(operation);
    }
    schema_limits::tighten(&mut document);
    document
}

/// What is there for a token's subject is there for whom a server key names.
fn name_users(document: &mut utoipa::openapi::OpenApi) {
    let twins: Vec<(String, PathItem)> = document
        .paths
        .paths
        .iter()
        .filter_map(|(path, item)| {
            let rest = path.strip_prefix(me::ME).filter(|rest| rest.is_empty() || rest.starts_with('/'))?;
            Some((format!("{}{rest}", me::USERS), item.clone()))
        })
        .collect();
    for (path, mut item) in twins {
        for operation in operations_mut(&mut item) {
            operation.operation_id = operation.operation_id.take().map(|id| format!("{id}_of_user"));
            let id = ParameterBuilder::new()
                .name("id")
                .parameter_in(ParameterIn::Path)
                .required(Required::True)
                .description(Some("Who it is about"))
                .schema(Some(ObjectBuilder::new().schema_type(Type::String).build()))
                .build();
            operation.parameters.get_or_insert_default().push(id.into());
        }
        document.paths.paths.insert(path, item);
    }
}

/// Every operation may answer with a problem; the API's own are authenticated.
fn complete(operation: &mut Operation) {
    operation.responses.responses.entry("default".to_owned()).or_insert_with(|| RefOr::Ref(Ref::from_response_name(PROBLEM_RESPONSE)));
    let is_open = operation.tags.iter().flatten().any(|tag| tag == "operations");
    if !is_open && operation.security.is_none() {
        let none: [&str; 0] = [];
        operation.security = Some(["server_key", "api_key", "user_token"].map(|name| SecurityRequirement::new(name, none)).to_vec());
    }
}

fn security_schemes() -> [(&'static str, SecurityScheme); 3] {
    let bearer = |description: &str| HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(description));
    let token = bearer("User token: HS256, with `sub`, `exp` and perhaps `surfaces`. Speaks for its subject only.").bearer_format("JWT");
    let key = ApiKeyValue::with_description("X-API-Key", "A server or admin key, for clients that cannot set `Authorization`.");
    [
        ("server_key", SecurityScheme::Http(bearer("A server or admin key. A server key speaks for any user.").build())),
        ("api_key", SecurityScheme::ApiKey(ApiKey::Header(key))),
        ("user_token", SecurityScheme::Http(token.build())),
    ]
}

/// This document
///
/// With the surfaces that are served here, and the length of the catalogue's embeddings.
#[utoipa::path(get, path = "/openapi.json", tag = "operations", operation_id = "openapi",
    responses((status = 200, description = "OpenAPI 3.1", body = Object)))]
pub async fn openapi_json(app: web::Data<App>) -> Result<HttpResponse, Problem> {
    let document = openapi_live::of(&app, json()).map_err(Problem::internal)?;
    Ok(HttpResponse::Ok().content_type("application/json").insert_header(("cache-control", "no-cache")).body(document))
}
