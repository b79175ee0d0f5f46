//! What sampled pages say against a policy, as findings of its file.

use std::time::Duration;

use super::supply::{Sampled, Strain};
use crate::{
    domain::policy::Constraint,
    policy::{Code, Finding, Findings, Places, PolicySet, Severity},
};

/// A constraint that gives way on this share of the pages or more is not one.
const INFEASIBLE_SHARE: f64 = 0.5;
/// On fewer pages than this nothing is said.
const STRAINED_SHARE: f64 = 0.05;

/// Every finding of the sample: constraints that give way, values nothing has, guardrails that are missed. `places` says where
/// the file sets what it is about.
pub fn findings(set: &PolicySet, sampled: &[Sampled], places: Option<&Places>) -> Findings {
    let mut found = Findings::default();
    constraints(set, sampled, places, &mut found);
    guardrails(set, sampled, places, &mut found);
    slow(sampled, places, &mut found);
    found
}

/// The search for a way to keep all constraints is bounded in steps, and long all the same where they contradict each other.
fn slow(sampled: &[Sampled], places: Option<&Places>, found: &mut Findings) {
    let slow: Vec<&Sampled> = sampled.iter().filter(|sampled| sampled.placing > SLOW_PAGE).collect();
    let Some(first) = slow.first() else { return };
    let told: Vec<String> = slow.iter().map(|sampled| format!("{} ms on {}", sampled.placing.as_millis(), sampled.surface)).collect();
    let message = format!("placing one page takes {} here, on average", told.join(", "));
    let place = places.and_then(|places| places.place(Some(&first.surface), "constraint"));
    found.add(Finding::new(Severity::Warning, Code::Slow, "constraint", message).help("fewer or simpler constraints are faster").at(place));
}

/// A page that takes longer than this to place is worth a word.
const SLOW_PAGE: Duration = Duration::from_millis(250);

/// One constraint on the surfaces that have it.
struct Case<'a> {
    constraint: &'a Constraint,
    /// In the file: `constraint[0]`, or `surface.video.constraint[0]` where that surface has a list of its own.
    key: String,
    /// Surface, index there, pages, strain.
    on: Vec<(&'a str, usize, usize, &'a Strain)>,
}

fn constraints(set: &PolicySet, sampled: &[Sampled], places: Option<&Places>, found: &mut Findings) {
    let mut cases: Vec<Case<'_>> = Vec::new();
    for surface in sampled {
        for (index, (constraint, strain)) in surface.policy.policy.constraint.iter().zip(&surface.constraints).enumerate() {
            let on = (surface.surface.as_str(), index, surface.pages, strain);
            match cases.iter_mut().find(|case| case.constraint == constraint) {
                Some(case) => case.on.push(on),
                None => {
                    let own = set.overrides.get(&surface.surface).is_some_and(|overrides| overrides.contains_key("constraint"));
                    let key = if own { format!("surface.{}.constraint[{index}]", surface.surface) } else { format!("constraint[{index}]") };
                    cases.push(Case { constraint, key, on: vec![on] });
                }
            }
        }
    }
    for case in cases {
        if let Some(finding) = nothing_has(&case).or_else(|| gives_way(&case)) {
            let place = places.and_then(|places| places.place(None, &case.key));
            found.add(finding.at(place));
        }
    }
}

fn nothing_has(case: &Case<'_>) -> Option<Finding> {
    let value = case.constraint.value().filter(|_| case.on.iter().all(|(.., strain)| strain.items_in_catalogue == 0))?;
    // An upper bound on what is not there holds.
    let severity =
        if matches!(case.constraint, Constraint::MaxShare { .. } | Constraint::Cap { .. }) { Severity::Warning } else { Severity::Error };
    let message = format!("`{}`: no item of the catalogue has {} \"{value}\"", case.constraint, case.constraint.facet());
    Some(Finding::new(severity, Code::NoSuchValue, &case.key, message))
}

fn gives_way(case: &Case<'_>) -> Option<Finding> {
    let share = |pages: usize, strain: &Strain| strain.relaxed as f64 / pages.max(1) as f64;
    let worst = case.on.iter().map(|(_, _, pages, strain)| share(*pages, strain)).fold(0.0, f64::max);
    if worst < STRAINED_SHARE {
        return None;
    }
    let (severity, code) =
        if worst >= INFEASIBLE_SHARE { (Severity::Error, Code::Infeasible) } else { (Severity::Warning, Code::Strained) };
    let felt: Vec<&(&str, usize, usize, &Strain)> =
        case.on.iter().filter(|(_, _, pages, strain)| share(*pages, strain) >= STRAINED_SHARE).collect();
    // Surfaces that fare alike are named together.
    let mut shares: Vec<(String, Vec<&str>)> = Vec::new();
    for (surface, _, pages, strain) in &felt {
        let told = format!("{:.0} %", 100.0 * share(*pages, strain));
        match shares.iter_mut().find(|(known, _)| *known == told) {
            Some((_, surfaces)) => surfaces.push(surface),
            None => shares.push((told, vec![surface])),
        }
    }
    let on: Vec<String> = shares.iter().map(|(told, surfaces)| format!("{told} of the sampled pages of {}", surfaces.join(", "))).collect();
    let message = format!("`{}` gives way on {}: {}", case.constraint, on.join("; "), needs(case.constraint, felt[0].3));
    let sum = |of: fn(&Strain) -> usize| felt.iter().map(|(.., strain)| of(strain)).sum::<usize>();
    let (all, supply, budget) = (sum(|s| s.relaxed), sum(|s| s.by_supply), sum(|s| s.by_budget));
    let help = if supply * 2 >= all {
        "the candidates cannot meet it even alone: ask for less, gather more (retrieve.candidates), or get more such items"
    } else if budget * 2 >= all {
        "the search for a way ended at its limit: fewer or simpler constraints are kept better, and faster"
    } else {
        "it could be met alone, but not together with the constraints declared before it: reorder them, or ask for less"
    };
    Some(Finding::new(severity, code, &case.key, message).help(help))
}

/// What it takes and what there is: `it needs 10 creators per 10 positions; sampled pools have a median of 7`.
fn needs(constraint: &Constraint, strain: &Strain) -> String {
    let facet = constraint.facet();
    let (values, items) = (strain.values_median, strain.items_median);
    match constraint {
        Constraint::MaxShare { value: None, max, per, .. } => {
            format!("it needs {} values of {facet} per {per} positions; sampled pools have a median of {values}", per.div_ceil(*max))
        }
        Constraint::MaxShare { value: Some(value), max, per, .. } => {
            format!(
                "it needs {} items per {per} positions without {facet} \"{value}\"; sampled pools have a median of {items} with it",
                per - max
            )
        }
        Constraint::MinShare { value, min, per, .. } => {
            format!("it needs {min} items with {facet} \"{value}\" per {per} positions; sampled pools have a median of {items}")
        }
        Constraint::MinGap { gap, .. } => {
            format!("it needs {} values of {facet} in turn; sampled pools have a median of {values}", gap + 1)
        }
        Constraint::MinDistinct { min, per, .. } => {
            format!("it needs {min} values of {facet} per {per} positions; sampled pools have a median of {values}")
        }
        Constraint::Cap { max, per, .. } => format!("it needs {} items per {per} positions without its topics", per - max),
        Constraint::Pin { value, .. } => {
            format!("it needs an item with {facet} \"{value}\"; sampled pools have a median of {items}")
        }
    }
}

fn guardrails(set: &PolicySet, sampled: &[Sampled], places: Option<&Places>, found: &mut Findings) {
    let bounds = &set.guardrails;
    type Measure = fn(&Sampled) -> f64;
    let checks: [(&str, f32, bool, Measure); 4] = [
        ("relevance_kept_min", bounds.relevance_kept_min, true, |s| s.metrics.relevance_kept),
        ("ild_min", bounds.ild_min, true, |s| s.metrics.ild),
        ("topic_entropy_min", bounds.topic_entropy_min, true, |s| s.metrics.topic_entropy),
        ("exploration_share_max", bounds.exploration_share_max, false, |s| s.metrics.exploration_share),
    ];
    for (name, bound, is_least, measure) in checks {
        let missed = sampled
            .iter()
            .filter(|s| s.pages > 0)
            .filter(|s| if is_least { measure(s) < f64::from(bound) } else { measure(s) > f64::from(bound) });
        let told: Vec<String> = missed.map(|s| format!("{:.2} on {}", measure(s), s.surface)).collect();
        if !told.is_empty() {
            let key = format!("guardrails.{name}");
            let message = format!("`{key}` is {bound}, and sampled pages have {} on average", told.join(", "));
            let place = places.and_then(|places| places.place(None, &key));
            found.add(Finding::new(Severity::Error, Code::GuardrailMissed, &key, message).at(place));
        }
    }
}
