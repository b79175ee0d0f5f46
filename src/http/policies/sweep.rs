//! `POST /v1/admin/policies/sweep`: what turning knobs gives and costs on the live catalogue.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{
    answer, beside_requests,
    drafts::{self, Drafts},
    forms::SlateMetricsBody,
};
use crate::{
    app::App,
    auth::Caller,
    domain::policy::{ActivePolicy, Guardrails},
    evaluate::sweep::{Bounds, Judgement, Point, Setting, Turn, as_written, settings, turn::MAX_VALUES_PER_KNOB, values},
    feed::supply::MAX_SAMPLED_READERS,
    http::{
        body::{Body, Takes},
        feed::{self, SURFACE_IN_BODY},
        problem::Problem,
    },
    rank::metrics::SlateMetrics,
    wire::{Faults, read, rerank},
};

const FIELDS: [&str; 5] = ["surface", "policy", "knobs", "readers", "floor"];
/// Readers of a sweep that does not say how many.
const DEFAULT_READERS: usize = 40;
/// Most knobs turned at once: a table of more is nothing anybody reads.
pub const MAX_KNOBS: usize = 4;
/// Most pages of one sweep: settings × readers.
const MAX_PAGES: usize = 8_000;
/// After this no further readers are asked.
const TIME_MAX: Duration = Duration::from_secs(8);

/// What `POST /v1/admin/policies/sweep` takes.
#[derive(ToSchema)]
#[schema(as = PolicySweepRequest, example = json!({ "knobs": { "diversify.diversity": "0:1:0.25", "diversify.method": ["mmr", "dpp"] } }))]
#[allow(dead_code, reason = "documents the form; it is read by hand so that all faults are named at once")]
pub struct SweepForm {
    /// `home` if left out.
    surface: Option<String>,
    /// `active` if left out; a preset's name, a file beside the server's own, or a draft as for a check.
    policy: Option<super::Written>,
    /// Key of a policy to the values it is to have: an array, or `FROM:TO:STEP` with both ends. 1 to 4 knobs, in all combinations
    /// at most 400.
    #[schema(value_type = BTreeMap<String, super::Written>)]
    knobs: BTreeMap<String, super::Written>,
    /// Made-up readers, 1 to 1000; 40 if left out. With all settings at most 8000 pages.
    #[schema(minimum = 1, maximum = 1000)]
    readers: Option<u32>,
    /// Least relevance kept that you would choose; the policy's `diversify.target.relevance_kept_min` if left out.
    #[schema(minimum = 0, maximum = 1)]
    floor: Option<f32>,
}

/// What came of a sweep. Indices are places in `points`.
#[derive(Serialize, ToSchema)]
#[schema(as = PolicySweep)]
pub struct SweepBody {
    #[schema(examples("home"))]
    pub surface: String,
    /// Made-up readers who got a page under every setting: fewer than asked for where time was up.
    pub readers: usize,
    /// What no setting may break.
    #[schema(value_type = BTreeMap<String, f64>)]
    pub guardrails: Guardrails,
    pub floor: f64,
    /// The policy as it is first, then every setting; the last knob turns fastest.
    pub points: Vec<PointBody>,
    /// The admissible setting at which more diversity begins to cost more than its share of relevance; absent where the front is too short
    /// for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub knee: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub knee_without_bounds: Option<usize>,
}

/// One setting.
#[derive(Serialize, ToSchema)]
#[schema(as = PolicySweepPoint)]
pub struct PointBody {
    /// Key to value; of the policy as it is, what it has.
    #[schema(value_type = BTreeMap<String, super::Written>)]
    pub settings: BTreeMap<String, Value>,
    /// Means over the readers' first pages, intra-list diversity with the similarity of the policy as it is.
    pub metrics: SlateMetricsBody,
    /// Within guardrails and floor.
    pub admissible: bool,
    /// No admissible setting beats it in both intra-list diversity and relevance kept.
    pub front: bool,
}

/// Sweep knobs of a policy
///
/// Turns knobs through their values on the live catalogue and says what each setting gives and costs: first pages for made-up readers, the
/// same under every setting. Which settings no other beats, and where the knee is. Nothing is served, kept, journaled or learned.
/// What people did later counts in `polyphony policy sweep`, which replays a log.
#[utoipa::path(post, path = "/v1/admin/policies/sweep", tag = "policies", operation_id = "sweep_policy",
    request_body = SweepForm,
    responses((status = 200, description = "What each setting gives and costs", body = SweepBody)))]
pub async fn sweep(app: web::Data<App>, caller: Caller, request: HttpRequest, mut payload: web::Payload) -> Result<HttpResponse, Problem> {
    caller.require_admin()?;
    let body = Body::read(&request, &mut payload, Takes::Json, app.body_limit_bytes()).await?.value()?;
    let asked = Asked::read(&app, &body)?;
    let Asked { surface, settings, policies, readers, bounds } = asked;
    let (feeds, of) = (app.clone(), surface.clone());
    let work = async move { feeds.feed.sample_each(&of, &policies, readers, TIME_MAX).await.map(|sampled| (sampled, policies)) };
    let ((means, readers), policies) = beside_requests(work).await?.map_err(|error| feed::problem(&app, error, SURFACE_IN_BODY))?;
    let keys: Vec<&str> = settings.first().map(|setting| setting.iter().map(|(key, _)| key).collect()).unwrap_or_default();
    let points: Vec<Point> = means.iter().map(|m: &SlateMetrics| Point { diversity: m.ild, relevance: m.relevance_kept }).collect();
    let judgement = Judgement::of(&points, |n| bounds.hold(&means[n]));
    let point = |(n, (policy, metrics)): (usize, (&Arc<ActivePolicy>, &SlateMetrics))| PointBody {
        settings: values(&policy.policy, &keys),
        metrics: metrics.into(),
        admissible: judgement.admissible.contains(&n),
        front: judgement.front.contains(&n),
    };
    Ok(answer(&SweepBody {
        surface,
        readers,
        guardrails: bounds.guardrails,
        floor: bounds.relevance_floor,
        points: policies.iter().zip(&means).enumerate().map(point).collect(),
        knee: judgement.knee,
        knee_without_bounds: judgement.knee_of_all,
    }))
}

/// A sweep that can be run.
pub(in crate::http) struct Asked {
    surface: String,
    settings: Vec<Setting>,
    /// The policy as it is, then one per setting.
    policies: Vec<Arc<ActivePolicy>>,
    readers: usize,
    bounds: Bounds,
}

impl Asked {
    /// Problem: all that is wrong with the body, or else with any setting.
    pub(in crate::http) fn read(app: &App, body: &Value) -> Result<Self, Problem> {
        let mut drafts = Drafts::new(app);
        let active = Value::from("active");
        let (mut surface, mut readers, mut floor) = ("home".to_owned(), Some(DEFAULT_READERS), None);
        let (mut set, mut turns) = (None, Vec::new());
        if let Some(map) = read::object(body, "", &mut drafts.faults) {
            let get = |key: &str| read::optional(map, key);
            read::unknown_keys(map, &FIELDS, "a policy sweep", "", &mut drafts.faults);
            if let Some(given) = get("surface").and_then(|v| read::text(v, 1, 64, "/surface", &mut drafts.faults)) {
                surface = given.to_owned();
            }
            if let Some(given) = get("readers") {
                readers = drafts::whole(given, 1, MAX_SAMPLED_READERS as u64, "/readers", &mut drafts.faults).map(|n| n as usize);
            }
            floor = get("floor").and_then(|v| rerank::unit(v, "/floor", &mut drafts.faults));
            set = drafts.set(get("policy").unwrap_or(&active), "/policy");
            let knobs = read::required(map, "knobs", "an object of keys and values", "", &mut drafts.faults);
            turns = knobs.map(|knobs| read_turns(knobs, &mut drafts.faults)).unwrap_or_default();
        }
        drafts.finish()?;
        let (Some(set), Some(readers)) = (set, readers) else { return Err(Problem::internal("a checked body lacks a field")) };
        let names = || set.surfaces.names();
        let Some(base) = set.surface(&surface) else { return Err(Problem::unknown_surface(&surface, SURFACE_IN_BODY, names())) };
        let mut faults = Faults::default();
        let settings = settings(&turns).unwrap_or_else(|message| {
            faults.add("/knobs", message);
            Vec::new()
        });
        if settings.len().saturating_add(1).saturating_mul(readers) > MAX_PAGES {
            faults.add(
                "/readers",
                format!("{} settings and the policy as it is are more than {MAX_PAGES} pages for {readers} readers", settings.len()),
            );
        }
        let mut policies = vec![Arc::clone(base)];
        let mut told = std::collections::BTreeSet::new();
        for setting in &settings {
            match setting.apply(&base.policy) {
                Ok(policy) => policies.push(Arc::new(ActivePolicy::new(policy))),
                Err(messages) => told.extend(messages),
            }
        }
        told.into_iter().for_each(|message| faults.add("/knobs", message));
        faults.into_result().map_err(Problem::invalid_body)?;
        let floor = floor.unwrap_or(base.policy.diversify.target.relevance_kept_min);
        let bounds = Bounds { guardrails: set.guardrails, relevance_floor: as_written(floor) };
        Ok(Self { surface, settings, policies, readers, bounds })
    }
}

fn read_turns(knobs: &Value, faults: &mut Faults) -> Vec<Turn> {
    let Some(map) = read::object(knobs, "/knobs", faults) else { return Vec::new() };
    if !(1..=MAX_KNOBS).contains(&map.len()) {
        faults.add("/knobs", format!("has {} knobs; expected 1 to {MAX_KNOBS}", map.len()));
        return Vec::new();
    }
    map.iter().filter_map(|(key, values)| read_turn(key, values, faults)).collect()
}

fn read_turn(key: &str, values: &Value, faults: &mut Faults) -> Option<Turn> {
    let at = read::below("/knobs", key);
    match values {
        Value::String(range) => Turn::parse(&format!("{key}={range}")).map_err(|message| faults.add(&at, message)).ok(),
        Value::Array(list) if (1..=MAX_VALUES_PER_KNOB).contains(&list.len()) => {
            let of = |(n, value): (usize, &Value)| {
                let value = toml::Value::try_from(value).ok().filter(|value| !value.is_table() && !value.is_array());
                if value.is_none() {
                    faults.add(read::below(&at, &n.to_string()), "expected a number, a text or a truth value");
                }
                value
            };
            Some(Turn { key: key.to_owned(), values: list.iter().enumerate().filter_map(of).collect() })
        }
        _ => {
            faults.add(&at, format!("expected 1 to {MAX_VALUES_PER_KNOB} values, or \"FROM:TO:STEP\""));
            None
        }
    }
}
