//! What the values of a policy say together, beyond what each may be: contradictions are errors, doubts are warnings.

use toml::{Table, Value};

use super::{
    PolicySet,
    code::Code,
    conflicts::conflicts,
    finding::{Finding, Findings, Severity},
    read::Layer,
    stack::place,
};
use crate::domain::{
    Policy, Span,
    policy::{Constraint, ExploreMethod, Guardrails, Method, TargetMetric, Toward},
};

/// Above this the rich get richer.
const POPULARITY_TYPICAL_MAX: f32 = 0.3;
/// Pages that diversification should be able to choose from.
const PAGES_TO_CHOOSE_FROM: u32 = 3;

/// One thing to say about a policy.
#[derive(Clone, Debug, PartialEq)]
struct Doubt {
    severity: Severity,
    code: Code,
    /// What it is about, the first first; a warning is given only to a file that sets one of them.
    keys: Vec<String>,
    /// To be read after the first key.
    detail: String,
    help: String,
}

impl Doubt {
    fn new(severity: Severity, code: Code, keys: &[&str], detail: String) -> Self {
        Self { severity, code, keys: keys.iter().map(|key| (*key).to_owned()).collect(), detail, help: String::new() }
    }

    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = help.into();
        self
    }
}

/// Looks at the set that `layer` makes on top of `base`.
pub(super) fn look(set: &PolicySet, layer: &Layer, base: &Table, findings: &mut Findings) {
    let shared = doubts(&set.shared, &set.guardrails);
    for doubt in &shared {
        tell(doubt, None, layer, findings);
    }
    for (name, active) in &set.surfaces.0 {
        for doubt in doubts(&active.policy, &set.guardrails).iter().filter(|doubt| !shared.contains(doubt)) {
            tell(doubt, Some(name), layer, findings);
        }
    }
    without_effect(set, layer, base, findings);
}

fn tell(doubt: &Doubt, surface: Option<&str>, layer: &Layer, findings: &mut Findings) {
    let key = |key: &str| match surface {
        Some(surface) if !key.starts_with("guardrails.") => format!("surface.{surface}.{key}"),
        _ => key.to_owned(),
    };
    let place = doubt.keys.iter().find_map(|key| place(layer, surface, key));
    if place.is_none() && doubt.severity == Severity::Warning {
        return;
    }
    let first = key(&doubt.keys[0]);
    let message = format!("`{first}` {}", doubt.detail);
    findings.add(Finding::new(doubt.severity, doubt.code, &first, message).help(doubt.help.clone()).at(place));
}

fn doubts(policy: &Policy, guardrails: &Guardrails) -> Vec<Doubt> {
    let mut found = Vec::new();
    against_guardrails(policy, guardrails, &mut found);
    for conflict in conflicts(&policy.constraint) {
        let key = format!("constraint[{}]", conflict.at);
        let detail = format!("contradicts another: {}", conflict.why);
        found.push(Doubt::new(Severity::Error, Code::Conflict, &[&key], detail));
    }
    let popularity = policy.score.weights.popularity;
    if popularity > POPULARITY_TYPICAL_MAX {
        let detail = format!("is {popularity}: the rich get richer (typical is up to {POPULARITY_TYPICAL_MAX})");
        found.push(Doubt::new(Severity::Warning, Code::Popularity, &["score.weights.popularity"], detail));
    }
    let [low, high] = policy.user_control.diversity_range;
    let diversity = policy.diversify.diversity;
    if !(low..=high).contains(&diversity) {
        let detail = format!("is {diversity}, outside what people may ask for ([{low}, {high}])");
        found.push(Doubt::new(Severity::Warning, Code::Dial, &["diversify.diversity", "user_control.diversity_range"], detail));
    }
    exploration(policy, &mut found);
    sizes(policy, &mut found);
    found
}

fn against_guardrails(policy: &Policy, guardrails: &Guardrails, found: &mut Vec<Doubt>) {
    let (share, most) = (policy.explore.share, guardrails.exploration_share_max);
    if share > most {
        let detail = format!("is {share}, above `guardrails.exploration_share_max` ({most})");
        found.push(
            Doubt::new(Severity::Error, Code::Guardrail, &["explore.share", "guardrails.exploration_share_max"], detail)
                .help("lower the share, or raise the bound if that is meant"),
        );
    }
    let target = &policy.diversify.target;
    if target.metric == TargetMetric::None {
        return;
    }
    if target.relevance_kept_min < guardrails.relevance_kept_min {
        let detail = format!(
            "is {}, below `guardrails.relevance_kept_min` ({}): the target may go where the guardrail does not",
            target.relevance_kept_min, guardrails.relevance_kept_min
        );
        let keys = ["diversify.target.relevance_kept_min", "guardrails.relevance_kept_min"];
        found.push(Doubt::new(Severity::Error, Code::Guardrail, &keys, detail));
    }
    let (name, least) = match target.metric {
        TargetMetric::Ild => ("guardrails.ild_min", guardrails.ild_min),
        TargetMetric::Entropy => ("guardrails.topic_entropy_min", guardrails.topic_entropy_min),
        TargetMetric::None | TargetMetric::Distinct => return,
    };
    if target.at_least < least {
        let detail = format!("is {}, below `{name}` ({least}): pages are made to reach less than the guardrail asks for", target.at_least);
        found.push(Doubt::new(Severity::Error, Code::Guardrail, &["diversify.target.at_least", name], detail));
    }
}

fn exploration(policy: &Policy, found: &mut Vec<Doubt>) {
    let explore = &policy.explore;
    if explore.share <= 0.0 {
        return;
    }
    if policy.retrieve.sources.outside <= 0.0 {
        let detail = format!("is {}, and `retrieve.sources.outside` is 0: nothing is gathered to explore", explore.share);
        found.push(Doubt::new(Severity::Warning, Code::Nothing, &["explore.share", "retrieve.sources.outside"], detail));
    }
    if explore.earliest_position >= policy.page_size {
        let detail =
            format!("is {}, past the {} items of a page: the first page explores nothing", explore.earliest_position, policy.page_size);
        found.push(Doubt::new(Severity::Warning, Code::Nothing, &["explore.earliest_position", "page_size"], detail));
    }
}

fn sizes(policy: &Policy, found: &mut Vec<Doubt>) {
    let page = policy.page_size;
    let wanted = page * PAGES_TO_CHOOSE_FROM;
    let small = [
        ("diversify.pool", policy.diversify.pool, "diversification reorders no more than these"),
        ("retrieve.candidates", policy.retrieve.candidates, "no more candidates are gathered"),
        ("feed.length", policy.feed.length, "a feed ends there"),
    ];
    for (key, value, why) in small {
        if value < wanted {
            let detail = format!("is {value}: {why}, and a page has {page} items");
            found
                .push(Doubt::new(Severity::Warning, Code::Pool, &[key, "page_size"], detail).help(format!("at least {wanted} is typical")));
        }
    }
    for (index, rule) in policy.constraint.iter().enumerate() {
        if let Constraint::Pin { position, .. } = rule
            && *position >= policy.feed.length
        {
            let detail = format!("pins position {position}, and a feed ends after {} items", policy.feed.length);
            found.push(Doubt::new(Severity::Warning, Code::Pool, &[&format!("constraint[{index}]"), "feed.length"], detail));
        }
    }
}

/// A key that is read only together with others: whether a policy reads it, and what it takes.
type ReadWith = (&'static str, fn(&Policy) -> bool, &'static str);

const READ_WITH: &[ReadWith] = &[
    ("diversify.diversity", |p| p.diversify.method != Method::None, "`diversify.method` is \"none\""),
    ("diversify.aggregate", |p| p.diversify.method == Method::Mmr, "only method \"mmr\" reads it"),
    (
        "diversify.window",
        |p| matches!(p.diversify.method, Method::Mmr | Method::Dpp | Method::Ssd),
        "only methods mmr, dpp and ssd read it",
    ),
    ("diversify.calibrate.facet", |p| p.diversify.method.needs_mix(), "only methods coverage and calibrated read it"),
    ("diversify.calibrate.toward", |p| p.diversify.method.needs_mix(), "only methods coverage and calibrated read it"),
    (
        "diversify.calibrate.editorial",
        |p| p.diversify.method.needs_mix() && p.diversify.calibrate.toward == Toward::Editorial,
        "only methods coverage and calibrated with toward = \"editorial\" read it",
    ),
    ("diversify.target.at_least", |p| p.diversify.target.metric != TargetMetric::None, "`diversify.target.metric` is \"none\""),
    ("diversify.target.relevance_kept_min", |p| p.diversify.target.metric != TargetMetric::None, "`diversify.target.metric` is \"none\""),
    ("explore.method", |p| p.explore.share > 0.0, "`explore.share` is 0"),
    (
        "explore.epsilon",
        |p| p.explore.share > 0.0 && p.explore.method == ExploreMethod::Epsilon,
        "only exploration by method \"epsilon\" reads it",
    ),
    (
        "explore.temperature",
        |p| p.explore.share > 0.0 && p.explore.method == ExploreMethod::Softmax,
        "only exploration by method \"softmax\" reads it",
    ),
    ("explore.earliest_position", |p| p.explore.share > 0.0, "`explore.share` is 0"),
    ("explore.max_item_age", |p| p.explore.share > 0.0, "`explore.share` is 0"),
    ("sponsored.first_position", |p| p.sponsored.max_per_page > 0, "`sponsored.max_per_page` is 0"),
    ("sponsored.every", |p| p.sponsored.max_per_page > 0, "`sponsored.max_per_page` is 0"),
    ("sponsored.max_per_feed", |p| p.sponsored.max_per_page > 0, "`sponsored.max_per_page` is 0"),
    ("sponsored.sensitive_topics", |p| p.sponsored.max_per_page > 0, "`sponsored.max_per_page` is 0"),
    ("session.rest", |p| p.session.limit != Span::FOREVER, "`session.limit` is \"forever\""),
];

/// Keys that `policy` does not read as it is, each with what it would take.
pub fn unread(policy: &Policy) -> impl Iterator<Item = (&'static str, &'static str)> {
    READ_WITH.iter().filter(|(_, reads, _)| !reads(policy)).map(|(key, _, why)| (*key, *why))
}

/// Keys that this file changes to no effect.
fn without_effect(set: &PolicySet, layer: &Layer, base: &Table, findings: &mut Findings) {
    for (key, reads, why) in READ_WITH {
        let served: Vec<&Policy> = set.surfaces.0.values().map(|active| &active.policy).collect();
        let mut scopes = vec![(None, (*key).to_owned(), served)];
        for (name, active) in &set.surfaces.0 {
            scopes.push((Some(name), format!("surface.{name}.{key}"), vec![&active.policy]));
        }
        for (_, full, policies) in scopes {
            // A value that was refused is not there, and not changed to.
            let own = value(&layer.tree, &full);
            let changed = own.is_some() && own != value(base, &full);
            if changed && !policies.is_empty() && !policies.iter().any(|policy| reads(policy)) {
                let message = format!("`{full}` has no effect: {why}");
                findings.add(Finding::new(Severity::Warning, Code::NoEffect, &full, message).at(layer.place(&full)));
            }
        }
    }
}

/// The value at a dotted key; whole numbers as the numbers they are read as.
fn value(tree: &Table, key: &str) -> Option<Value> {
    let (first, rest) = key.split_once('.').map_or((key, None), |(first, rest)| (first, Some(rest)));
    match (tree.get(first)?, rest) {
        (Value::Table(inner), Some(rest)) => value(inner, rest),
        (Value::Float(number), None) => Some(Value::Float(f64::from(*number as f32))),
        (found, None) => Some(found.clone()),
        (_, Some(_)) => None,
    }
}
