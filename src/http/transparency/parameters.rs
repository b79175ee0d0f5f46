//! The parameters of one policy: from the policy itself, the table of knobs, and the comments that document them.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    domain::{
        Policy,
        policy::knob::{KNOBS, Knob},
    },
    policy::{explain::about, unread},
    rank::relevance::Feature,
};

/// Weights of the features of relevance.
const CRITERIA: &str = "score.weights.";
/// Shares of the candidate sources.
const SOURCES: &str = "retrieve.sources.";
/// Weights of what makes two items alike.
const SIMILARITY: &str = "diversify.similarity.";
/// A feed has no relevance of the caller's own.
const RERANK_ONLY: &str = "score.weights.relevance";
/// Steps of a share.
const SHARE_STEPS: f64 = 1e4;
/// Names of policies and what operators hold them to: they move no item.
const NO_PARAMETERS: [&str; 3] = ["id", "version", "guardrails."];

/// What decides the order of a feed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TransparentParameters)]
pub struct ParametersBody {
    /// What makes an item relevant, the heaviest first. Shares are of a reader with a profile: without one, what needs one is not there
    /// and the others weigh the more.
    criteria: Vec<ParameterBody>,
    /// Where candidates come from, the largest first.
    sources: Vec<ParameterBody>,
    /// What makes two items alike, the heaviest first: a feed is varied by it.
    similarity: Vec<ParameterBody>,
    /// Everything else that shapes a page.
    settings: Vec<ParameterBody>,
    /// What there is and does not count here.
    not_used: Vec<NotUsedBody>,
}

/// One parameter.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TransparentParameter)]
pub struct ParameterBody {
    /// As in the policy's file.
    key: &'static str,
    /// What it is.
    about: &'static str,
    /// What more or less of it gives and costs.
    #[serde(skip_serializing_if = "str::is_empty")]
    why: &'static str,
    /// As it is in force.
    #[schema(value_type = serde_json::Value)]
    value: Value,
    /// Its part of its group, 0 to 1, to four digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    share: Option<f64>,
    /// `raises` or `lowers` an item.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    effect: Option<&'static str>,
    /// Whether it comes from what is kept about the reader: such a criterion is profiling.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    profiles: Option<bool>,
}

/// A parameter that does not count.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TransparentNotUsed)]
pub struct NotUsedBody {
    key: &'static str,
    about: &'static str,
    /// What keeps it out.
    reason: &'static str,
}

/// Everything that `policy` decides by.
pub(super) fn of(policy: &Policy) -> ParametersBody {
    let values = policy.as_written();
    let mut body = ParametersBody { criteria: vec![], sources: vec![], similarity: vec![], settings: vec![], not_used: vec![] };
    let is_parameter = |knob: &&Knob| !NO_PARAMETERS.iter().any(|no| knob.key == *no || (no.ends_with('.') && knob.key.starts_with(no)));
    for knob in KNOBS.iter().filter(is_parameter) {
        let about = about(knob.key).unwrap_or_default();
        let value = values.pointer(&format!("/{}", knob.key.replace('.', "/"))).cloned().unwrap_or_default();
        match unused(policy, knob.key, &value) {
            Some(reason) => body.not_used.push(NotUsedBody { key: knob.key, about, reason }),
            None => body.group(knob.key).push(parameter(knob, about, value)),
        }
    }
    for group in [&mut body.criteria, &mut body.sources, &mut body.similarity] {
        share(group);
    }
    body
}

impl ParametersBody {
    fn group(&mut self, key: &str) -> &mut Vec<ParameterBody> {
        match key {
            _ if key.starts_with(CRITERIA) => &mut self.criteria,
            _ if key.starts_with(SOURCES) => &mut self.sources,
            _ if key.starts_with(SIMILARITY) => &mut self.similarity,
            _ => &mut self.settings,
        }
    }
}

/// Why `key` does not count, if so.
fn unused(policy: &Policy, key: &str, value: &Value) -> Option<&'static str> {
    let is_weight = [CRITERIA, SOURCES, SIMILARITY].iter().any(|group| key.starts_with(group));
    let weighs_nothing = is_weight && value.as_f64() == Some(0.0);
    let is_empty = value.as_array().is_some_and(Vec::is_empty);
    if key == RERANK_ONLY {
        return Some("only POST /v1/rerank brings it; no feed has it");
    }
    if weighs_nothing {
        return Some("its weight is 0");
    }
    let read_by_others = unread(policy).find(|(unread, _)| *unread == key).map(|(_, why)| why);
    read_by_others.or(is_empty.then_some("the list is empty"))
}

fn parameter(knob: &Knob, about: &'static str, value: Value) -> ParameterBody {
    let feature = knob.key.strip_prefix(CRITERIA).and_then(|name| Feature::ALL.into_iter().find(|feature| feature.name() == name));
    let effect = |feature: Feature| if feature.is_subtracted() { "lowers" } else { "raises" };
    ParameterBody {
        key: knob.key,
        about,
        why: knob.trades,
        value,
        share: None,
        effect: feature.map(effect),
        profiles: feature.map(Feature::is_personal),
    }
}

/// Each one's part of the sum, the greatest first.
fn share(group: &mut [ParameterBody]) {
    let weight = |parameter: &ParameterBody| parameter.value.as_f64().unwrap_or(0.0);
    let sum: f64 = group.iter().map(weight).sum();
    group.iter_mut().for_each(|parameter| parameter.share = Some((weight(parameter) / sum * SHARE_STEPS).round() / SHARE_STEPS));
    group.sort_by(|a, b| weight(b).total_cmp(&weight(a)));
}
