//! Every metric, declared once. Base units, counters end in `_total`, no label holds a user's or an item's id.

use std::{
    borrow::Cow,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{counter::Counter, exemplar::HistogramWithExemplars, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

use crate::domain::policy::{ActivePolicy, Constraint, Policy};

/// The content type of [`Metrics::encode`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// OpenTelemetry's advice for request durations, with finer steps where a feed is.
const REQUEST_SECONDS: [f64; 20] =
    [0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.025, 0.03, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 10.0];
/// A stage of a feed takes tens of microseconds to its deadline.
const STAGE_SECONDS: [f64; 14] = [0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.5];
const CANDIDATES: [f64; 10] = [0.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1_000.0, 2_500.0, 5_000.0];
const RATIO: [f64; 13] = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0];
const TOPICS: [f64; 11] = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 7.0, 10.0, 15.0, 20.0, 30.0];
/// Offline queues bring events hours or days late.
const CATALOGUE_LAG_SECONDS: [f64; 9] = [0.005, 0.02, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 300.0];
const EVENT_LAG_SECONDS: [f64; 12] = [0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 1_800.0, 7_200.0, 21_600.0, 86_400.0, 604_800.0];

/// What became of a feed request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Ok,
    /// Something was missing, the slate is valid.
    Degraded,
    /// Nothing personal could be done: popular and fresh items only.
    Fallback,
    Error,
}

impl Outcome {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Degraded => "degraded",
            Self::Fallback => "fallback",
            Self::Error => "error",
        }
    }
}

/// A timed part of making a feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Candidates,
    Score,
    Diversify,
    Hydrate,
    Store,
}

impl Stage {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Candidates => "candidates",
            Self::Score => "score",
            Self::Diversify => "diversify",
            Self::Hydrate => "hydrate",
            Self::Store => "store",
        }
    }
}

macro_rules! labels {
    ($($name:ident { $($field:ident: $type:ty),+ })+) => { $(
        #[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
        struct $name { $($field: $type),+ }
    )+ };
}

labels! {
    Request { http_route: Cow<'static, str>, http_request_method: &'static str, http_response_status_code: u16 }
    Response { surface: String, policy: String, outcome: &'static str }
    Degraded { surface: String, reason: &'static str }
    StageLabel { stage: &'static str }
    SurfacePolicy { surface: String, policy: String }
    SurfaceSlot { surface: String, slot: &'static str }
    SurfaceMissed { surface: String, why: &'static str }
    ChannelResult { channel: &'static str, result: &'static str }
    ConstraintRelaxed { constraint: &'static str, why: &'static str }
    EventLabels { r#type: Cow<'static, str>, result: &'static str }
    PolicyInfo { surface: String, policy: String, version: u32, digest: String }
    StoreCommand { store: &'static str, command: &'static str, result: &'static str }
    ResultLabel { result: &'static str }
    LimitLabel { limit: &'static str }
    CauseLabel { cause: &'static str }
    ExposureLabels { experiment: String, arm: String, surface: String }
    BuildInfo { version: &'static str, commit: &'static str }
    Group { surface: String, dimension: &'static str, group: String }
    GroupBound { surface: String, policy: String, dimension: &'static str, group: String, bound: &'static str }
    Exemplar { trace_id: String }
}

type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;
/// Each bucket names the trace of a request that fell into it, where there is one.
type TracedHistograms<L> = Family<L, HistogramWithExemplars<Exemplar>, fn() -> HistogramWithExemplars<Exemplar>>;

/// Declares a metric in one place: field, type, exposed name, help.
macro_rules! metrics {
    ($($field:ident: $type:ty = $make:expr, $name:literal, $help:literal;)+) => {
        /// The server's metrics. Cheap to record from any thread.
        #[derive(Debug)]
        pub struct Metrics {
            registry: Registry,
            $($field: $type,)+
        }

        impl Metrics {
            /// Every metric by its exposed name, in declared order.
            pub const NAMES: &[&str] = &[$($name),+];

            pub fn new() -> Self {
                let mut registry = Registry::default();
                $(
                    let $field: $type = $make;
                    // The encoder appends the suffix that names a counter.
                    registry.register($name.strip_suffix("_total").unwrap_or($name), $help, $field.clone());
                )+
                Self { registry, $($field),+ }
            }
        }
    };
}

metrics! {
    requests: TracedHistograms<Request> = Family::new_with_constructor(|| HistogramWithExemplars::new(REQUEST_SECONDS.into_iter())),
        "http_server_request_duration_seconds", "Time from the request's head to the answer";
    inflight: Gauge = Gauge::default(),
        "feed_http_inflight_requests", "Requests being served";
    shed: Counter = Counter::default(),
        "feed_shed_total", "Requests refused at once because more was asked than could be done in time";
    rate_limited: Family<LimitLabel, Counter> = Family::default(),
        "feed_rate_limited_total", "Requests refused because their caller sent more than it may";
    responses: Family<Response, Counter> = Family::default(),
        "feed_responses_total", "Feed answers";
    degraded: Family<Degraded, Counter> = Family::default(),
        "feed_degraded_total", "Things that were missing in feed answers";
    stages: Histograms<StageLabel> = Family::new_with_constructor(|| Histogram::new(STAGE_SECONDS)),
        "feed_stage_duration_seconds", "Time of each stage of making a feed";
    candidates: Histogram = Histogram::new(CANDIDATES),
        "feed_candidates", "Candidates gathered for a feed";
    ild: Histograms<SurfacePolicy> = Family::new_with_constructor(|| Histogram::new(RATIO)),
        "feed_ild_ratio", "Intra-list diversity of a page";
    relevance_kept: Histograms<SurfacePolicy> = Family::new_with_constructor(|| Histogram::new(RATIO)),
        "feed_relevance_kept_ratio", "Relevance of a page as a share of the most relevant page";
    distinct_topics: Histogram = Histogram::new(TOPICS),
        "feed_distinct_topics", "Distinct topics on a page";
    items_served: Family<SurfaceSlot, Counter> = Family::default(),
        "feed_items_served_total", "Items served by kind of slot";
    constraints_relaxed: Family<ConstraintRelaxed, Counter> = Family::default(),
        "feed_constraint_relaxed_total", "Positions at which a constraint could not be met";
    exposed: Family<Group, Counter> = Family::default(),
        "feed_exposures_total", "Positions given to the groups that a policy's constraints name";
    exposure_targets: Family<GroupBound, Gauge<f64, AtomicU64>> = Family::default(),
        "feed_exposure_target_ratio", "Share of positions that a constraint promises to a group or caps it at";
    targets_missed: Family<SurfaceMissed, Counter> = Family::default(),
        "feed_target_missed_total", "Feeds whose policy's target was not reached";
    reached: Family<ChannelResult, Counter> = Family::default(),
        "feed_reach_total", "Digests and pushes that were asked for, by what became of them";
    policies: Family<PolicyInfo, Gauge> = Family::default(),
        "feed_policy_info", "1 for each active policy";
    policy_reloads: Family<ResultLabel, Counter> = Family::default(),
        "feed_policy_reloads_total", "Changes of the policy: applied, and looks at the policy file";
    policy_rollbacks: Family<CauseLabel, Counter> = Family::default(),
        "feed_policy_rollbacks_total", "Policies that were rolled back by this server";
    activation_entries: Gauge = Gauge::default(),
        "feed_activation_log_entries", "Entries of the activation log that this server serves by";
    canary_share: Gauge<f64, AtomicU64> = Gauge::default(),
        "feed_canary_share_ratio", "Share of people who get a canary";
    exposures: Family<ExposureLabels, Counter> = Family::default(),
        "feed_experiment_exposures_total", "First pages served to people in an experiment, where it matters which arm they are in";
    events: Family<EventLabels, Counter> = Family::default(),
        "feed_events_total", "Events received";
    event_lag: Histogram = Histogram::new(EVENT_LAG_SECONDS),
        "feed_event_lag_seconds", "Time from an event to its arrival";
    store_commands: Histograms<StoreCommand> = Family::new_with_constructor(|| Histogram::new(STAGE_SECONDS)),
        "feed_store_command_duration_seconds", "Time of store commands";
    journal_records: Family<ResultLabel, Counter> = Family::default(),
        "feed_journal_records_total", "Journal records";
    catalogue_items: Gauge = Gauge::default(),
        "feed_catalogue_items", "Items in the catalogue";
    catalogue_lag: Histogram = Histogram::new(CATALOGUE_LAG_SECONDS),
        "feed_catalogue_lag_seconds", "Time from a change of the catalogue to its being served here";
    searches: Histograms<ResultLabel> = Family::new_with_constructor(|| Histogram::new(STAGE_SECONDS)),
        "feed_search_duration_seconds", "Time of searches in an engine outside this process";
    search_points: Family<ResultLabel, Counter> = Family::default(),
        "feed_search_points_total", "Changes of the catalogue brought to an engine outside this process";
    search_behind: Gauge<f64, AtomicU64> = Gauge::default(),
        "feed_search_behind_seconds", "Time since an engine outside this process had every change of the catalogue";
    build: Family<BuildInfo, Gauge> = Family::default(),
        "feed_build_info", "1, with the version of this server";
}

/// `x_*` kinds are the callers' own words: one label value for all of them.
const CUSTOM_EVENT: &str = "custom";

impl Metrics {
    /// A request was answered. `route` is a pattern of the route table, never a raw path; `trace_id` becomes an exemplar.
    pub fn request(&self, route: Cow<'static, str>, method: &'static str, status: u16, took: Duration, trace_id: Option<&str>) {
        let labels = Request { http_route: route, http_request_method: method, http_response_status_code: status };
        let exemplar = trace_id.map(|id| Exemplar { trace_id: id.to_owned() });
        self.requests.get_or_create(&labels).observe(took.as_secs_f64(), exemplar, None);
    }

    /// Counts a request as being served until the value is dropped, also when its client goes away.
    pub fn serving(&self) -> Serving {
        self.inflight.inc();
        Serving(self.inflight.clone())
    }

    /// A request was refused because too many were being served.
    pub fn shed(&self) {
        self.shed.inc();
    }

    /// A request was refused because its caller sent too many. `limit` is `Standing::limit`.
    pub fn rate_limited(&self, limit: &'static str) {
        self.rate_limited.get_or_create(&LimitLabel { limit }).inc();
    }

    /// A feed request had this outcome. `policy` is a policy's id; empty when none was reached.
    pub fn response(&self, surface: &str, policy: &str, outcome: Outcome) {
        let labels = Response { surface: surface.to_owned(), policy: policy.to_owned(), outcome: outcome.name() };
        self.responses.get_or_create(&labels).inc();
    }

    pub fn degraded(&self, surface: &str, reason: &'static str) {
        self.degraded.get_or_create(&Degraded { surface: surface.to_owned(), reason }).inc();
    }

    pub fn stage(&self, stage: Stage, took: Duration) {
        self.stages.get_or_create(&StageLabel { stage: stage.name() }).observe(took.as_secs_f64());
    }

    pub fn candidates(&self, count: usize) {
        self.candidates.observe(count as f64);
    }

    /// The quality of one served page, as the response states it.
    pub fn page(&self, surface: &str, policy: &str, ild: f64, relevance_kept: f64, distinct_topics: usize) {
        let labels = SurfacePolicy { surface: surface.to_owned(), policy: policy.to_owned() };
        self.ild.get_or_create(&labels).observe(ild);
        self.relevance_kept.get_or_create(&labels).observe(relevance_kept);
        self.distinct_topics.observe(distinct_topics as f64);
    }

    /// `slot` is `Slot::name`.
    pub fn items_served(&self, surface: &str, slot: &'static str, count: u64) {
        self.items_served.get_or_create(&SurfaceSlot { surface: surface.to_owned(), slot }).inc_by(count);
    }

    /// `constraint` is `Constraint::kind`, `why` is `RelaxedWhy::name`.
    pub fn constraint_relaxed(&self, constraint: &'static str, why: &'static str) {
        self.constraints_relaxed.get_or_create(&ConstraintRelaxed { constraint, why }).inc();
    }

    /// `count` positions of a page went to items whose `dimension` (a facet's name) is `group`, which a constraint names.
    pub fn exposed(&self, surface: &str, dimension: &'static str, group: &str, count: u64) {
        let labels = Group { surface: surface.to_owned(), dimension, group: group.to_owned() };
        self.exposed.get_or_create(&labels).inc_by(count);
    }

    /// `why` is `Missed::name`.
    pub fn target_missed(&self, surface: &str, why: &'static str) {
        self.targets_missed.get_or_create(&SurfaceMissed { surface: surface.to_owned(), why }).inc();
    }

    /// `result`: `sent`, or `Against::name`.
    pub fn reach(&self, channel: &'static str, result: &'static str) {
        self.reached.get_or_create(&ChannelResult { channel, result }).inc();
    }

    /// Replaces the active policies, each with its surface, and what their constraints ask for.
    pub fn set_policies<'a>(&self, active: impl Iterator<Item = (&'a str, &'a Arc<ActivePolicy>)>) {
        self.policies.clear();
        self.exposure_targets.clear();
        for (surface, active) in active {
            let labels = PolicyInfo {
                surface: surface.to_owned(),
                policy: active.policy.id.clone(),
                version: active.policy.version,
                digest: active.digest.clone(),
            };
            self.policies.get_or_create(&labels).set(1);
            self.set_targets(surface, &active.policy);
        }
    }

    fn set_targets(&self, surface: &str, policy: &Policy) {
        for named in policy.constraint.iter().filter_map(Constraint::share) {
            let labels = GroupBound {
                surface: surface.to_owned(),
                policy: policy.id.clone(),
                dimension: named.facet.name(),
                group: named.value.to_string(),
                bound: named.bound,
            };
            self.exposure_targets.get_or_create(&labels).set(named.ratio);
        }
    }

    /// A policy was to be changed. `result` is a closed list: `applied`, `ok` (nothing to do), `invalid`, `failed`.
    pub fn policy_reload(&self, result: &'static str) {
        self.policy_reloads.get_or_create(&ResultLabel { result }).inc();
    }

    /// `cause` is `operator` or `guardrail`.
    pub fn policy_rolled_back(&self, cause: &'static str) {
        self.policy_rollbacks.get_or_create(&CauseLabel { cause }).inc();
    }

    /// Entries of the activation log that this server serves by.
    pub fn activations(&self, entries: usize) {
        self.activation_entries.set(i64::try_from(entries).unwrap_or(i64::MAX));
    }

    /// Of people; 0 when no canary runs.
    pub fn canary_share(&self, share: f64) {
        self.canary_share.set(share);
    }

    /// A first page was served to somebody in an experiment.
    pub fn exposure(&self, experiment: &str, arm: &str, surface: &str) {
        let labels = ExposureLabels { experiment: experiment.to_owned(), arm: arm.to_owned(), surface: surface.to_owned() };
        self.exposures.get_or_create(&labels).inc();
    }

    /// `result` is a closed list: `accepted`, `duplicate`, `rejected`, `ignored`.
    pub fn event(&self, kind: &crate::domain::EventKind, result: &'static str) {
        let name = match kind {
            crate::domain::EventKind::Custom(_) => CUSTOM_EVENT,
            known => crate::domain::EventKind::NAMES.into_iter().find(|name| *name == known.name()).unwrap_or(CUSTOM_EVENT),
        };
        self.events.get_or_create(&EventLabels { r#type: Cow::Borrowed(name), result }).inc();
    }

    pub fn event_lag(&self, lag: Duration) {
        self.event_lag.observe(lag.as_secs_f64());
    }

    /// `result` is `ok` or `StoreError::reason`.
    pub fn store_command(&self, store: &'static str, command: &'static str, result: &'static str, took: Duration) {
        self.store_commands.get_or_create(&StoreCommand { store, command, result }).observe(took.as_secs_f64());
    }

    /// `result` is a closed list: `written`, `dropped`, `failed`.
    pub fn journal_records(&self, result: &'static str, count: u64) {
        self.journal_records.get_or_create(&ResultLabel { result }).inc_by(count);
    }

    pub fn catalogue_items(&self, count: usize) {
        self.catalogue_items.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// From its entry in the change log, by the store's clock.
    pub fn catalogue_lag(&self, lag: Duration) {
        self.catalogue_lag.observe(lag.as_secs_f64());
    }

    /// `result` is `ok` or `SearchError::reason`.
    pub fn search(&self, result: &'static str, took: Duration) {
        self.searches.get_or_create(&ResultLabel { result }).observe(took.as_secs_f64());
    }

    /// `result` is a closed list: `put`, `deleted`, `failed`.
    pub fn search_points(&self, result: &'static str, count: usize) {
        self.search_points.get_or_create(&ResultLabel { result }).inc_by(count as u64);
    }

    /// Zero while nothing is missing there.
    pub fn search_behind(&self, time: Duration) {
        self.search_behind.set(time.as_secs_f64());
    }

    pub fn build(&self, version: &'static str, commit: &'static str) {
        self.build.get_or_create(&BuildInfo { version, commit }).set(1);
    }

    /// OpenMetrics text of everything recorded so far.
    pub fn encode(&self) -> Result<String, std::fmt::Error> {
        let mut page = String::new();
        text::encode(&mut page, &self.registry)?;
        Ok(page)
    }
}

/// A request being served.
#[derive(Debug)]
#[must_use = "the request counts as served while this lives"]
pub struct Serving(Gauge);

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::EventKind;

    #[test]
    fn recorded_values_are_exposed_under_the_declared_names() {
        let metrics = Metrics::new();
        metrics.request(Cow::Borrowed("/v1/feed"), "GET", 200, Duration::from_millis(3), Some("0af7651916cd43dd8448eb211c80319c"));
        metrics.response("home", "balanced", Outcome::Degraded);
        metrics.event(&EventKind::Custom("x_party".into()), "accepted");
        metrics.page("home", "balanced", 0.6, 0.95, 7);
        metrics.constraint_relaxed("min_share", "supply");
        let page = metrics.encode().unwrap();
        for line in [
            "le=\"0.003\",http_route=\"/v1/feed\",http_request_method=\"GET\",http_response_status_code=\"200\"} 1 # {trace_id=\"0af7651916cd43dd8448eb211c80319c\"} 0.003",
            "http_server_request_duration_seconds_count{http_route=\"/v1/feed\",http_request_method=\"GET\",http_response_status_code=\"200\"} 1",
            "feed_responses_total{surface=\"home\",policy=\"balanced\",outcome=\"degraded\"} 1",
            "feed_events_total{type=\"custom\",result=\"accepted\"} 1",
            "feed_ild_ratio_count{surface=\"home\",policy=\"balanced\"} 1",
            "feed_constraint_relaxed_total{constraint=\"min_share\",why=\"supply\"} 1",
        ] {
            assert!(page.contains(line), "{line} is not in\n{page}");
        }
    }

    #[test]
    fn names_follow_the_rules() {
        for name in Metrics::NAMES {
            assert!(name.starts_with("feed_") || *name == "http_server_request_duration_seconds", "{name}");
            assert!(!name.contains("_ms") && !name.contains("milli"), "{name}: base units only");
        }
    }
}
