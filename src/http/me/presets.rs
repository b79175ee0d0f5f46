//! `GET /v1/preferences/presets`: named settings to choose from.

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    app::App,
    domain::preset::PRESETS,
    http::{feed::SURFACE_IN_QUERY, params::Query, problem::Problem},
};

/// What there is to choose from.
#[derive(Serialize, ToSchema)]
#[schema(as = Presets)]
pub struct PresetsBody {
    /// From closest to home to furthest from it.
    presets: Vec<PresetBody>,
}

/// A named setting: `"preset": name` in `PUT /v1/me/preferences`.
#[derive(Serialize, ToSchema)]
#[schema(as = Preset)]
pub struct PresetBody {
    name: &'static str,
    description: &'static str,
    /// What it sets `diversity` to: 0 = relevance only … 1 = most varied.
    diversity: f32,
    /// What that comes to on the surface, within what its policy allows readers.
    effective_diversity: f32,
}

/// Named settings
#[utoipa::path(get, path = "/v1/preferences/presets", tag = "me", operation_id = "presets", security(()),
    params(("surface" = Option<String>, Query, description = "Whose range counts; `home` if left out", example = "home")),
    responses((status = 200, description = "The presets", body = PresetsBody)))]
pub async fn get(app: web::Data<App>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let mut params = Query::new("GET /v1/preferences/presets", request.query_string());
    let surface = params.optional("surface").unwrap_or_else(|| "home".to_owned());
    params.finish()?;
    let serving = app.feed.serving.load();
    let policy = serving
        .set
        .surfaces
        .get(&surface)
        .ok_or_else(|| Problem::unknown_surface(&surface, SURFACE_IN_QUERY, serving.set.surfaces.names()))?;
    let [low, high] = policy.policy.user_control.diversity_range;
    let preset = |preset: crate::domain::preset::Preset| PresetBody {
        name: preset.name,
        description: preset.description,
        diversity: preset.diversity,
        effective_diversity: preset.diversity.clamp(low, high),
    };
    let body = PresetsBody { presets: PRESETS.into_iter().map(preset).collect() };
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-cache")).json(body))
}
