//! The edge: the only module that speaks HTTP. [`routes`] is the whole API at a glance.
//!
//! To add a route: write the handler with its `#[utoipa::path]`, add a line to [`routes`] and its name to
//! `openapi::Document`. A test compares the two.

mod age;
mod auth;
mod backlog;
pub mod body;
mod cors;
pub mod counterfactuals;
pub mod decisions;
pub mod docs_page;
pub mod events;
pub mod feed;
mod feed_lists;
#[doc(hidden)]
pub mod fuzz;
pub mod gpc;
pub mod health;
pub mod inventory;
pub mod items;
pub mod language;
mod limits;
pub mod local_rank;
pub mod me;
pub mod middleware;
pub mod openapi;
mod openapi_live;
pub mod params;
pub mod policies;
pub mod problem;
pub mod reach;
pub mod reasons;
pub mod rollout;
mod schema_limits;
mod schema_patterns;
pub mod server;
pub mod session;
pub mod slate;
pub mod sponsored;
mod stray_query;
pub mod transparency;

use actix_web::{
    FromRequest, Handler, HttpRequest, HttpResponse, Responder, Route, guard,
    http::Method,
    web::{self, ServiceConfig},
};

use self::problem::{Kind, Problem};
use crate::domain::suggest;

/// Every route. The first matching pattern of a path wins.
pub fn routes() -> Vec<Entry> {
    let mut table = of_a_person();
    table.extend(of_all());
    table
}

/// One person: the token's subject, or whom a server key names.
fn of_a_person() -> Vec<Entry> {
    vec![
        delete("/v1/me", me::erasure::delete),
        get("/v1/me/export", me::export::get),
        post("/v1/me/import", me::import::post),
        get("/v1/me/preferences", me::preferences::get),
        put("/v1/me/preferences", me::preferences::put),
        get("/v1/me/interests", me::interests::get),
        put("/v1/me/interests/{topic}", me::interests::put),
        delete("/v1/me/interests/{topic}", me::interests::delete),
        post("/v1/me/preferences/preview", me::preview::post),
        post("/v1/me/reset", me::reset::post),
        post("/v1/me/snooze", me::snooze::post),
        get("/v1/me/consent", me::consent::get),
        put("/v1/me/consent", me::consent::put),
        get("/v1/me/consent/receipts", me::consent::receipts),
        delete("/v1/users/{id}", me::erasure::delete),
        get("/v1/users/{id}/export", me::export::get),
        post("/v1/users/{id}/import", me::import::post),
        get("/v1/users/{id}/preferences", me::preferences::get),
        put("/v1/users/{id}/preferences", me::preferences::put),
        get("/v1/users/{id}/interests", me::interests::get),
        put("/v1/users/{id}/interests/{topic}", me::interests::put),
        delete("/v1/users/{id}/interests/{topic}", me::interests::delete),
        post("/v1/users/{id}/preferences/preview", me::preview::post),
        post("/v1/users/{id}/reset", me::reset::post),
        post("/v1/users/{id}/snooze", me::snooze::post),
        get("/v1/users/{id}/consent", me::consent::get),
        put("/v1/users/{id}/consent", me::consent::put),
        get("/v1/users/{id}/consent/receipts", me::consent::receipts),
    ]
}

fn of_all() -> Vec<Entry> {
    vec![
        // Reading
        get("/v1/feed", feed::get),
        post("/v1/feed", feed::post),
        post("/v1/rerank", feed::rerank),
        get("/v1/decisions/{feed_id}/items/{id}", decisions::get),
        get("/v1/decisions/{feed_id}/sponsored/{id}", sponsored::decision),
        // Reaching those who are not there
        post("/v1/digests", reach::digest::post),
        post("/v1/push/plan", reach::push::plan),
        get("/v1/unsubscribe/{token}", reach::unsubscribe::get),
        post("/v1/unsubscribe/{token}", reach::unsubscribe::post),
        // Learning
        post("/v1/events", events::post),
        // What readers are asked and can choose from
        get("/v1/preferences/presets", me::presets::get),
        get("/v1/consent/forms", me::consent::forms),
        get("/v1/consent/notices/{hash}", me::consent::notice),
        get("/v1/data-inventory", inventory::get),
        get("/v1/transparency", transparency::get),
        // The catalogue
        post("/v1/items", items::post),
        get("/v1/items/{id}", items::get),
        put("/v1/items/{id}", items::put),
        delete("/v1/items/{id}", items::delete),
        // Policies
        post("/v1/admin/policies/check", policies::check),
        get("/v1/admin/policies/explain", policies::explain_key),
        post("/v1/admin/policies/diff", policies::diff),
        post("/v1/admin/policies/preview", policies::preview),
        post("/v1/admin/policies/sweep", policies::sweep::sweep),
        get("/v1/admin/policies/schema", policies::schema_document),
        // Rollouts and experiments
        get("/v1/admin/policies/activations", rollout::get),
        post("/v1/admin/policies/activations", rollout::activate),
        get("/v1/admin/policies/activations/log", rollout::log),
        post("/v1/admin/policies/rollback", rollout::roll_back),
        post("/v1/admin/policies/reload", rollout::reload),
        get("/v1/admin/experiments/{id}", rollout::results),
        // Operations
        get("/v1/admin/ads", sponsored::ads),
        get("/.well-known/gpc.json", gpc::support),
        get("/livez", health::livez),
        get("/readyz", health::readyz),
        get("/version", health::version),
        get("/metrics", health::metrics),
        // Documentation
        get("/openapi.json", openapi::openapi_json),
        page("/docs", docs_page::redirect),
        page("/docs/{file:.*}", docs_page::file),
    ]
}

/// One line of the route table.
pub struct Entry {
    pub method: Method,
    pub path: &'static str,
    /// Whether it is in the OpenAPI document: pages for people are not.
    pub documented: bool,
    route: Route,
}

fn get<F, Args>(path: &'static str, handler: F) -> Entry
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    // HEAD is answered like GET; the server leaves out the body.
    let route = web::route().guard(guard::Any(guard::Get()).or(guard::Head())).to(handler);
    Entry { method: Method::GET, path, documented: true, route }
}

macro_rules! method {
    ($name:ident, $method:ident) => {
        fn $name<F, Args>(path: &'static str, handler: F) -> Entry
        where
            F: Handler<Args>,
            Args: FromRequest + 'static,
            F::Output: Responder + 'static,
        {
            Entry { method: Method::$method, path, documented: true, route: web::$name().to(handler) }
        }
    };
}
method!(post, POST);
method!(put, PUT);
method!(delete, DELETE);

/// A page for people.
fn page<F, Args>(path: &'static str, handler: F) -> Entry
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    Entry { documented: false, ..get(path, handler) }
}

/// Registers the whole table, and an answer that names the methods of a path for any other method.
pub fn mount(config: &mut ServiceConfig) {
    mount_table(config, routes());
}

fn mount_table(config: &mut ServiceConfig, table: Vec<Entry>) {
    let mut by_path: Vec<(&'static str, Vec<Entry>)> = Vec::new();
    for entry in table {
        match by_path.iter_mut().find(|(path, _)| *path == entry.path) {
            Some((_, entries)) => entries.push(entry),
            None => by_path.push((entry.path, vec![entry])),
        }
    }
    // A path without parameters is compared, one with them is matched, and the first that fits is taken.
    by_path.sort_by_key(|(path, _)| path.contains('{'));
    for (path, entries) in by_path {
        let methods = allowed(&entries);
        let mut resource = web::resource(path);
        for entry in entries {
            resource = resource.route(entry.route);
        }
        config.service(resource.default_service(web::to(move |request: HttpRequest| {
            let problem = method_not_allowed(&request, &methods);
            async move { Err::<HttpResponse, Problem>(problem) }
        })));
    }
}

fn allowed(entries: &[Entry]) -> String {
    let mut methods: Vec<&str> = Vec::new();
    for entry in entries {
        methods.push(entry.method.as_str());
        if entry.method == Method::GET {
            methods.push("HEAD");
        }
    }
    methods.join(", ")
}

fn method_not_allowed(request: &HttpRequest, methods: &str) -> Problem {
    let detail = format!("{} takes {methods}; this was {}.", params::shown(request.path()), params::shown(request.method().as_str()));
    Problem::new(Kind::MethodNotAllowed, detail).allowing(methods.to_owned())
}

/// The answer for a path that no route has.
pub(crate) async fn no_route(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let path = request.path();
    let table = routes();
    let hint = suggest::hint(path, table.iter().map(|entry| entry.path));
    Err(Problem::not_found(format!("There is no {} {}.{hint}", params::shown(request.method().as_str()), params::shown(path))))
}
