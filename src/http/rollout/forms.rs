//! JSON of the rollout routes.

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::super::{problem::Problem, slate::PolicyBody};
use crate::{
    domain::Time,
    experiment::Results,
    policy::PolicySet,
    rollout::{
        Done, Stage,
        entry::{ACTOR_BYTES_MAX, Entry, Estimate, Evidence, Means, REASON_BYTES_MAX, SetRef, Step, Tried},
        state::State,
    },
    wire::{Faults, read, time},
};

/// Share of people in a canary that does not say.
pub const DEFAULT_CANARY_SHARE: f32 = 0.1;
/// Least and greatest share of people in a canary.
const CANARY_SHARES: [f64; 2] = [0.001, 0.9];
const ACTIVATION_FIELDS: [&str; 8] = ["actor", "digest", "expected", "policy", "reason", "share", "skip", "stage"];
const ROLLBACK_FIELDS: [&str; 3] = ["actor", "expected", "reason"];
pub const STAGES: [&str; 2] = ["canary", "all"];

/// What `POST /v1/admin/policies/activations` takes.
#[derive(ToSchema)]
#[schema(as = ActivationRequest, example = json!({"policy": {"toml": "schema = 1\nextends = \"balanced\"\nid = \"home-breadth\"\nversion = 2\n"},
    "reason": "More breadth on home, ticket 4711", "stage": "canary", "share": 0.1}))]
#[allow(dead_code, reason = "documents the form; it is read by hand so that all faults are named at once")]
pub struct ActivationForm {
    /// A preset's name, a file beside the server's own, or a draft as for a check. Or `digest`.
    #[schema(value_type = Option<Object>)]
    policy: Option<Value>,
    /// Of a policy that is in the log.
    digest: Option<String>,
    /// Why: 1 to 1000 bytes, kept for ever. Name no persons.
    reason: String,
    /// `canary` (a share of people; if left out) or `all`.
    stage: Option<String>,
    /// Of people, 0.001 to 0.9, for `canary`; 0.1 if left out.
    #[schema(minimum = 0.001, maximum = 0.9)]
    share: Option<f32>,
    /// Steps to skip, which the log says: `preview`, `canary`.
    skip: Option<Vec<String>>,
    /// Who, in a word that names no person: a team, a tool. The log adds which key it was.
    #[schema(max_length = 64)]
    actor: Option<String>,
    /// Entries of the log when this was decided; with another number the answer is 409.
    expected: Option<u64>,
}

/// What `POST /v1/admin/policies/rollback` takes.
#[derive(ToSchema)]
#[schema(as = RollbackRequest, example = json!({"reason": "Complaints about home, ticket 4712"}))]
#[allow(dead_code, reason = "documents the form; it is read by hand so that all faults are named at once")]
pub struct RollbackForm {
    /// Why: 1 to 1000 bytes, kept for ever. Name no persons.
    reason: String,
    #[schema(max_length = 64)]
    actor: Option<String>,
    /// Entries of the log when this was decided; with another number the answer is 409.
    expected: Option<u64>,
}

/// An activation, read.
pub struct Activation {
    pub policy: Named,
    pub reason: String,
    pub stage: Stage,
    pub skip: Vec<Step>,
    pub actor: Option<String>,
    pub expected: Option<u64>,
}

/// Which policy.
pub enum Named {
    /// A name, or a draft as the other policy routes take it.
    Draft(Value),
    Digest(String),
}

/// A rollback, read.
pub struct Rollback {
    pub reason: String,
    pub actor: Option<String>,
    pub expected: Option<u64>,
}

/// Problem: every fault of the body.
pub fn activation(body: &Value) -> Result<Activation, Problem> {
    let mut faults = Faults::default();
    let read = read_activation(body, &mut faults);
    faults.into_result().map_err(Problem::invalid_body)?;
    read.ok_or_else(|| Problem::internal("a checked body lacks a field"))
}

fn read_activation(body: &Value, faults: &mut Faults) -> Option<Activation> {
    let map = read::object(body, "", faults)?;
    read::unknown_keys(map, &ACTIVATION_FIELDS, "an activation", "", faults);
    let policy = policy(map, faults);
    let rollback = common(map, faults);
    let [low, high] = CANARY_SHARES;
    let share = read::optional(map, "share").and_then(|value| read::ranged(value, low, high, "/share", faults));
    let name = read::optional(map, "stage").map_or(Some("canary"), |value| read::string(value, "/stage", faults))?;
    let stage = super::stage(name, share);
    if stage.is_none() {
        faults.add("/stage", format!("is `{}`; expected {}", read::shown(name), read::one_of(&STAGES)));
    }
    if share.is_some() && name == "all" {
        faults.add("/share", "is for a canary; everybody is everybody");
    }
    let skip = read::optional(map, "skip").map(|value| steps(value, faults)).unwrap_or_default();
    let Rollback { reason, actor, expected } = rollback?;
    Some(Activation { policy: policy?, reason, stage: stage?, skip, actor, expected })
}

fn policy(map: &Map<String, Value>, faults: &mut Faults) -> Option<Named> {
    match (read::optional(map, "policy"), read::optional(map, "digest")) {
        (Some(_), Some(_)) => {
            faults.add("/digest", "stands beside `policy`; expected one of the two");
            None
        }
        (None, Some(digest)) => read::text(digest, 1, 64, "/digest", faults).map(|digest| Named::Digest(digest.to_owned())),
        (Some(policy), None) => Some(Named::Draft(policy.clone())),
        (None, None) => {
            faults.add("/policy", "is missing; expected a policy, or `digest`");
            None
        }
    }
}

fn steps(value: &Value, faults: &mut Faults) -> Vec<Step> {
    let Value::Array(values) = value else {
        faults.add("/skip", format!("is {}; expected an array of steps", read::kind(value)));
        return Vec::new();
    };
    let mut steps = Vec::new();
    for (index, value) in values.iter().enumerate() {
        let at = format!("/skip/{index}");
        steps.extend(read::named(value, &Step::NAMES, &at, faults).and_then(Step::parse));
    }
    steps.sort_unstable();
    steps.dedup();
    steps
}

/// Problem: every fault of the body.
pub fn rollback(body: &Value) -> Result<Rollback, Problem> {
    let mut faults = Faults::default();
    let read = read::object(body, "", &mut faults).and_then(|map| {
        read::unknown_keys(map, &ROLLBACK_FIELDS, "a rollback", "", &mut faults);
        common(map, &mut faults)
    });
    faults.into_result().map_err(Problem::invalid_body)?;
    read.ok_or_else(|| Problem::internal("a checked body lacks a field"))
}

fn common(map: &Map<String, Value>, faults: &mut Faults) -> Option<Rollback> {
    let actor = read::optional(map, "actor").and_then(|value| plain(value, ACTOR_BYTES_MAX, "/actor", faults));
    let expected = read::optional(map, "expected").and_then(|value| {
        let number = read::unsigned(value);
        if number.is_none() {
            faults.add("/expected", format!("is {}; expected the number of entries of the log", read::kind(value)));
        }
        number
    });
    let reason = read::required(map, "reason", "why this is done", "", faults)?;
    let reason = plain(reason, REASON_BYTES_MAX, "/reason", faults)?;
    Some(Rollback { reason, actor, expected })
}

/// A text on one line.
fn plain(value: &Value, max: usize, at: &str, faults: &mut Faults) -> Option<String> {
    let text = read::text(value, 1, max, at, faults)?;
    if text.chars().any(char::is_control) || text.trim().is_empty() {
        faults.add(at, "is blank or has control characters; expected a line of text");
        return None;
    }
    Some(text.trim().to_owned())
}

/// Where the rollout stands.
#[derive(Serialize, ToSchema)]
#[schema(as = Rollout)]
pub struct RolloutBody {
    /// What everybody gets who does not get a canary.
    pub active: PolicyBody,
    /// `false`: nothing was activated yet, it is what the settings say.
    pub activated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub canary: Option<CanaryBody>,
    /// Entries of the log: what `expected` is compared with.
    pub log_entries: u64,
    /// Of the last entry, in hex: kept elsewhere, it shows a log that was cut.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub log_hash: Option<String>,
    /// Newest first.
    pub entries: Vec<EntryBody>,
}

/// A policy that a share of people get.
#[derive(Serialize, ToSchema)]
#[schema(as = Canary)]
pub struct CanaryBody {
    pub policy: PolicyBody,
    /// Of people.
    pub share: f64,
    /// Entry of the log it began with.
    pub since: u64,
    /// What this server has seen of it.
    pub evidence: Vec<EvidenceBody>,
}

/// A step of a rollout.
#[derive(Serialize, ToSchema)]
#[schema(as = ActivationEntry)]
pub struct EntryBody {
    pub seq: u64,
    #[schema(examples("2026-10-09T08:15:00Z"))]
    pub at: String,
    /// What the caller said of itself, and which key it had.
    pub actor: String,
    /// `operator`, `file` or `guardrail`.
    #[schema(value_type = String, examples("operator"))]
    pub cause: crate::rollout::entry::Cause,
    /// `canary`, `activate` or `rollback`.
    #[schema(examples("canary"))]
    pub action: &'static str,
    pub reason: String,
    pub from: PolicyBody,
    pub to: PolicyBody,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub share: Option<f64>,
    /// What `to` serves otherwise than `from`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub diff: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub preview: Vec<TriedBody>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<EvidenceBody>,
    /// `preview`, `canary`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>)]
    pub skipped: Vec<Step>,
}

/// Means over pages for made-up readers, before and after.
#[derive(Serialize, ToSchema)]
#[schema(as = ActivationPreview)]
pub struct TriedBody {
    pub surface: String,
    pub readers: usize,
    pub before: MeansBody,
    pub after: MeansBody,
}

/// Means over pages.
#[derive(Serialize, ToSchema)]
#[schema(as = PageMeans)]
pub struct MeansBody {
    pub relevance_kept: f64,
    pub ild: f64,
    /// Bits.
    pub topic_entropy: f64,
    pub exploration_share: f64,
}

/// How one measure did among those with the canary and those without.
#[derive(Serialize, ToSchema)]
#[schema(as = CanaryEvidence)]
pub struct EvidenceBody {
    pub surface: String,
    /// `relevance_kept`, `ild`, `topic_entropy` (bits) or `exploration_share`.
    pub measure: String,
    /// The bound that the canary's policy sets.
    pub guardrail: f64,
    /// Whether the canary's whole interval lies beyond it.
    pub violated: bool,
    pub canary: EstimateBody,
    pub control: EstimateBody,
    /// Of each interval, at all times together.
    pub confidence: f64,
}

/// A mean over people, one page each.
#[derive(Serialize, ToSchema)]
#[schema(as = CanaryEstimate)]
pub struct EstimateBody {
    pub people: u64,
    pub mean: f64,
    pub lower: f64,
    pub upper: f64,
}

/// What came of a step.
#[derive(Serialize, ToSchema)]
#[schema(as = ActivationAnswer)]
pub struct DoneBody {
    /// `false`: it was so already.
    pub changed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub entry: Option<EntryBody>,
}

/// What came of reading the policy file again.
#[derive(Serialize, ToSchema)]
#[schema(as = PolicyReload)]
pub struct ReloadBody {
    /// `unchanged`: it says what it said, or what was activated and rolled back since. `applied`: everybody gets it.
    #[schema(examples("unchanged"))]
    pub result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub entry: Option<EntryBody>,
}

/// Results of an experiment.
#[derive(Serialize, ToSchema)]
#[schema(as = ExperimentResults, value_type = Object)]
pub struct ResultsBody(pub Results);

impl RolloutBody {
    /// With at most `limit` entries, of those before `before`.
    pub fn new(state: &State, base: &PolicySet, evidence: Vec<Evidence>, limit: usize, before: Option<u64>) -> Self {
        let base = SetRef::from(base);
        let is_before = |entry: &&Entry| before.is_none_or(|before| entry.seq < before);
        Self {
            active: state.active.as_ref().unwrap_or(&base).into(),
            activated: state.active.is_some(),
            canary: state.canary.as_ref().map(|running| CanaryBody {
                policy: (&running.set).into(),
                share: running.share,
                since: running.since,
                evidence: evidence.iter().map(EvidenceBody::from).collect(),
            }),
            log_entries: state.entries.len() as u64,
            log_hash: state.head.map(|head| head.to_string()),
            entries: state.entries.iter().rev().filter(is_before).take(limit).map(EntryBody::from).collect(),
        }
    }
}

impl ReloadBody {
    pub fn new(done: Option<Done>) -> Self {
        let entry = done.map(DoneBody::from).and_then(|done| done.entry);
        Self { result: if entry.is_some() { "applied" } else { "unchanged" }, entry }
    }
}

impl From<Done> for DoneBody {
    fn from(done: Done) -> Self {
        match done {
            Done::Written(entry) => Self { changed: true, entry: Some(EntryBody::from(&*entry)) },
            Done::Unchanged => Self { changed: false, entry: None },
        }
    }
}

impl From<&SetRef> for PolicyBody {
    fn from(set: &SetRef) -> Self {
        Self { id: set.id.clone(), version: set.version, digest: set.digest.clone() }
    }
}

impl From<&Entry> for EntryBody {
    fn from(entry: &Entry) -> Self {
        Self {
            seq: entry.seq,
            at: time::render(Time(entry.at)),
            actor: entry.actor.clone(),
            cause: entry.cause,
            action: entry.action.name(),
            reason: entry.reason.clone(),
            from: (&entry.from).into(),
            to: (&entry.to).into(),
            share: entry.share,
            diff: entry.diff.clone(),
            preview: entry.preview.iter().map(TriedBody::from).collect(),
            evidence: entry.evidence.iter().map(EvidenceBody::from).collect(),
            skipped: entry.skipped.clone(),
        }
    }
}

impl From<&Tried> for TriedBody {
    fn from(tried: &Tried) -> Self {
        let means = |of: &Means| {
            let Means { relevance_kept, ild, topic_entropy, exploration_share } = *of;
            MeansBody { relevance_kept, ild, topic_entropy, exploration_share }
        };
        Self { surface: tried.surface.clone(), readers: tried.readers, before: means(&tried.before), after: means(&tried.after) }
    }
}

impl From<&Evidence> for EvidenceBody {
    fn from(evidence: &Evidence) -> Self {
        let estimate = |of: &Estimate| {
            let Estimate { people, mean, lower, upper } = *of;
            EstimateBody { people, mean, lower, upper }
        };
        Self {
            surface: evidence.surface.clone(),
            measure: evidence.measure.clone(),
            guardrail: evidence.guardrail,
            violated: evidence.violated,
            canary: estimate(&evidence.canary),
            control: estimate(&evidence.control),
            confidence: evidence.confidence,
        }
    }
}
