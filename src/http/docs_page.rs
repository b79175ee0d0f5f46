//! The API's documentation as a page that needs no network: Swagger UI, part of the binary.

use std::sync::{Arc, LazyLock};

use actix_web::{HttpResponse, http::header, web};
use utoipa_swagger_ui::Config;

use super::problem::Problem;

/// The page's own scripts and styles may run, nothing else.
const CONTENT_POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'";

/// The online validator would tell a third party about this server.
static CONFIG: LazyLock<Arc<Config<'static>>> =
    LazyLock::new(|| Arc::new(Config::from("/openapi.json").validator_url("none").try_it_out_enabled(true)));

/// `/docs` alone: relative links of the page need the slash.
pub async fn redirect() -> HttpResponse {
    HttpResponse::PermanentRedirect().insert_header((header::LOCATION, "/docs/")).finish()
}

/// A file of the page; `index.html` for `/docs/`.
pub async fn file(path: web::Path<String>) -> Result<HttpResponse, Problem> {
    match utoipa_swagger_ui::serve(&path, CONFIG.clone()) {
        Ok(Some(file)) => Ok(HttpResponse::Ok()
            .content_type(file.content_type)
            .insert_header((header::CONTENT_SECURITY_POLICY, CONTENT_POLICY))
            .insert_header((header::CACHE_CONTROL, "no-cache"))
            .body(file.bytes.into_owned())),
        Ok(None) => Err(Problem::not_found("The documentation has no such file.")),
        Err(error) => Err(Problem::internal(error)),
    }
}
