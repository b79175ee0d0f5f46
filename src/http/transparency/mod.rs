//! `GET /v1/transparency`: what decides the order of feeds, and what readers can do about it (DSA, Regulation (EU) 2022/2065,
//! article 27). Made from the policies that serve, the settings and the OpenAPI document: nothing here is written twice.

mod options;
mod parameters;

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, HeaderValue},
    web,
};
use serde::Serialize;
use utoipa::ToSchema;

pub use options::{CallBody, OptionBody};
pub use parameters::{NotUsedBody, ParameterBody, ParametersBody};

use super::{auth::Visitor, feed::SURFACE_IN_QUERY, params::Query, problem::Problem};
use crate::{
    app::{App, VERSION},
    domain::{
        Time,
        consent::{ConsentDefault, Purpose},
        policy::ActivePolicy,
        privacy::GpcScope,
        profile::Mode,
    },
    policy::{PolicySet, Serving},
    settings::Settings,
};

/// A cache may keep the document this long; then it asks whether the policies are still the same.
const CACHE_CONTROL: &str = "public, max-age=60";
/// Hex digits of the document's tag.
const TAG_DIGITS: usize = 16;

/// What decides the order of feeds, and what readers can do about it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Transparency)]
pub struct TransparencyBody {
    surfaces: Vec<SurfaceBody>,
    profiling: ProfilingBody,
    options: Vec<OptionBody>,
}

/// One place a feed is shown.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TransparentSurface)]
pub struct SurfaceBody {
    surface: String,
    /// First the one that everybody gets who is in no canary and no experiment.
    policies: Vec<PolicyBody>,
}

/// A policy that serves.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TransparentPolicy)]
pub struct PolicyBody {
    id: String,
    version: u32,
    /// Names exactly these values; feeds say it in `policy.digest`.
    digest: String,
    /// `everybody`, or `some`: those in a canary or in an arm of an experiment.
    served_to: &'static str,
    /// What the operator says it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    description: Option<String>,
    #[serde(flatten)]
    parameters: ParametersBody,
}

/// What may be known of a reader, and when.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TransparentProfiling)]
pub struct ProfilingBody {
    /// `required`: nothing before a person consents; `assumed`: a profile until they refuse.
    consent_default: &'static str,
    purposes: Vec<PurposeBody>,
    modes: Vec<ModeBody>,
    /// Purposes that the header `Sec-GPC: 1` refuses.
    gpc_refuses: Vec<&'static str>,
    /// Where every field that is kept about people is listed.
    data: &'static str,
}

/// What data about a person may be used for.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TransparentPurpose)]
pub struct PurposeBody {
    name: &'static str,
    /// Whether it is allowed for a person who was never asked.
    allowed_unasked: bool,
}

/// What of a person a feed may be made from.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TransparentMode)]
pub struct ModeBody {
    name: &'static str,
    /// Whether more of what is kept about the person counts than their blocks, languages and diversity dial.
    personalises: bool,
}

/// What decides feeds
///
/// For each surface the parameters that serve now, with their shares and what they trade; what may be known of readers; and each of their
/// options with the call that takes it. Made from the live policies. Calls read `/v1/me/…`, for a user token; a server key says
/// `/v1/users/{id}/…`.
#[utoipa::path(get, path = "/v1/transparency", tag = "consent", operation_id = "transparency", security(()),
    params(("surface" = Option<String>, Query, description = "Only this one; all of them if left out", example = "home")),
    responses((status = 200, description = "The document", body = TransparencyBody), (status = 304, description = "It is still the same")))]
pub async fn get(request: HttpRequest, app: web::Data<App>, _: Visitor) -> Result<HttpResponse, Problem> {
    let mut query = Query::new("GET /v1/transparency", request.query_string());
    let surface = query.optional("surface");
    query.finish()?;
    let serving = app.feed.serving.load_full();
    if let Some(surface) = surface.as_deref().filter(|surface| !serving.knows(surface)) {
        return Err(Problem::unknown_surface(surface, SURFACE_IN_QUERY, serving.surfaces().0.keys().map(String::as_str)));
    }
    let made = app.transparency.of(&serving, surface.as_deref().unwrap_or_default(), || {
        let body = serde_json::to_vec(&document(&app.settings, &serving, surface.as_deref())).unwrap_or_default();
        (tag(&app.settings, &serving, surface.as_deref()), body)
    });
    let has_it = request.headers().get(header::IF_NONE_MATCH).is_some_and(|known| matches(known, &made.tag));
    let mut answer = if has_it { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    answer.insert_header((header::ETAG, made.tag.as_str())).insert_header((header::CACHE_CONTROL, CACHE_CONTROL));
    // The same for everybody who asks.
    answer.insert_header((header::VARY, "Accept-Encoding"));
    Ok(if has_it { answer.finish() } else { answer.content_type("application/json").body(made.body.clone()) })
}

/// Whether an `If-None-Match` names `tag` (RFC 9110, 13.1.2).
fn matches(known: &HeaderValue, tag: &str) -> bool {
    let known = known.to_str().unwrap_or_default();
    known.split(',').map(|one| one.trim().trim_start_matches("W/")).any(|one| one == tag || one == "*")
}

/// A tag of all that the document is made from: program, policies, settings, surface.
fn tag(settings: &Settings, serving: &Serving, surface: Option<&str>) -> String {
    let mut hash = blake3::Hasher::new();
    let mut add = |part: &str| {
        hash.update(part.as_bytes());
        hash.update(b"\n");
    };
    add(VERSION);
    add(surface.unwrap_or_default());
    add(&format!("{:?} {:?}", settings.consent.default, settings.privacy.gpc_scope()));
    for (surface, policy) in serving.by_surface() {
        add(&format!("{surface} {} {:?}", policy.digest, set_of(serving, surface, policy).and_then(|set| set.description.as_deref())));
    }
    format!("\"{}\"", &hash.finalize().to_hex()[..TAG_DIGITS])
}

/// The document of what `serving` serves; with `surface` of that one only.
pub fn document(settings: &Settings, serving: &Serving, surface: Option<&str>) -> TransparencyBody {
    let mut surfaces: Vec<SurfaceBody> = Vec::new();
    for (name, policy) in serving.by_surface().filter(|(name, _)| surface.is_none_or(|surface| surface == *name)) {
        let index = surfaces.iter().position(|body| body.surface == name).unwrap_or_else(|| {
            surfaces.push(SurfaceBody { surface: name.to_owned(), policies: Vec::new() });
            surfaces.len() - 1
        });
        let policies = &mut surfaces[index].policies;
        if policies.iter().all(|known| known.digest != policy.digest) {
            policies.push(policy_body(serving, name, policy));
        }
    }
    TransparencyBody { surfaces, profiling: profiling(settings), options: options::all() }
}

/// The policy file that `policy` is of, where it is not an arm's own.
fn set_of<'a>(serving: &'a Serving, surface: &str, policy: &ActivePolicy) -> Option<&'a PolicySet> {
    let canary = serving.canary.as_ref().map(|canary| &canary.set);
    let mut sets = [Some(&serving.set), canary].into_iter().flatten();
    sets.find(|set| set.surface(surface).is_some_and(|own| own.digest == policy.digest)).map(AsRef::as_ref)
}

fn policy_body(serving: &Serving, surface: &str, active: &ActivePolicy) -> PolicyBody {
    let is_everybodys = serving.set.surface(surface).is_some_and(|own| own.digest == active.digest);
    PolicyBody {
        id: active.policy.id.clone(),
        version: active.policy.version,
        digest: active.digest.clone(),
        served_to: if is_everybodys { "everybody" } else { "some" },
        description: set_of(serving, surface, active).and_then(|set| set.description.clone()),
        parameters: parameters::of(&active.policy),
    }
}

fn profiling(settings: &Settings) -> ProfilingBody {
    let default = settings.consent.default;
    let purpose = |purpose: Purpose| PurposeBody { name: purpose.name(), allowed_unasked: default.allows(&[], purpose, Time(0)) };
    let mode = |name: &'static str| Some(ModeBody { name, personalises: Mode::parse(name)?.personalises() });
    let scope: GpcScope = settings.privacy.gpc_scope();
    ProfilingBody {
        consent_default: match default {
            ConsentDefault::Required => "required",
            ConsentDefault::Assumed => "assumed",
        },
        purposes: Purpose::ALL.map(purpose).into(),
        modes: Mode::NAMES.into_iter().filter_map(mode).collect(),
        gpc_refuses: scope.purposes().iter().map(|purpose| purpose.name()).collect(),
        data: "/v1/data-inventory",
    }
}
