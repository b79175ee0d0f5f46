//! Experiments of a policy file: people split between its own policy and others.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use toml::Value;

use super::{
    PolicySet,
    code::Code,
    finding::{Finding, Findings, Severity, counted},
    library::{Library, shown},
    read::{self, Layer},
    stack,
};
use crate::domain::{Span, policy::ActivePolicy};

/// Most experiments in one file.
pub const MAX_EXPERIMENTS: usize = 16;
/// Most arms of one.
pub const MAX_ARMS: usize = 8;
/// How long after a unit's first exposure its outcome is complete.
const OUTCOME_WINDOW: Span = Span::hours(24);
/// A slice that ends this little past the holdout's begin is meant to end there.
const SLICE_TOLERANCE: f64 = 1e-6;

/// What an experiment counts: who always gets the same arm, and has one outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnitKind {
    /// A person, by id.
    #[default]
    User,
    /// A visit, by the request's `session`.
    Session,
}

/// People split between policies, to see what difference they make.
#[derive(Clone, Debug, PartialEq)]
pub struct Experiment {
    /// 1 to 64 of a-z, 0-9 and -.
    pub id: String,
    /// Experiments of one layer share out its people; its own `id` where the file names none.
    pub layer: String,
    /// Which of the layer's people, `low ≤ u < high` of their places in [0, 1).
    pub slice: [f64; 2],
    pub unit: UnitKind,
    /// Another salt, other people in each arm. Its own `id` where the file names none.
    pub salt: String,
    /// Where the arms' policies are used; sorted.
    pub surfaces: Vec<String>,
    /// A unit's outcome is what it does in this time from its first exposure.
    pub outcome_window: Span,
    /// 2 to [`MAX_ARMS`]. The first is the control.
    pub arms: Vec<ExperimentArm>,
}

/// One of an experiment's policies.
#[derive(Clone, Debug, PartialEq)]
pub struct ExperimentArm {
    /// The policy's name in the file: of a preset, another file, or the file's own `id`.
    pub name: String,
    /// ≥ 0; only ratios matter.
    pub weight: f64,
    /// `None`: the file's own policy.
    pub other: Option<Arc<PolicySet>>,
}

impl ExperimentArm {
    /// The arm's policy for a surface of `own`, the set whose experiment this is.
    pub fn policy<'a>(&'a self, own: &'a PolicySet, surface: &str) -> Option<&'a Arc<ActivePolicy>> {
        self.other.as_deref().unwrap_or(own).surface(surface)
    }
}

impl Experiment {
    /// Whether it matters on `surface` which arm one is in.
    pub fn differs_on(&self, own: &PolicySet, surface: &str) -> bool {
        let digests: BTreeSet<&str> =
            self.arms.iter().filter_map(|arm| arm.policy(own, surface)).map(|active| active.digest.as_str()).collect();
        digests.len() > 1 && self.surfaces.iter().any(|acted| acted == surface)
    }

    /// 8 hex digits over everything that decides who gets what: outcomes under another allocation are of another experiment.
    pub fn allocation(&self, own: &PolicySet) -> String {
        let digests = |arm: &'_ ExperimentArm| -> Vec<Option<String>> {
            self.surfaces.iter().map(|surface| arm.policy(own, surface).map(|active| active.digest.clone())).collect()
        };
        let arms: Vec<_> = self.arms.iter().map(|arm| (&arm.name, arm.weight, digests(arm))).collect();
        let decides = (&self.layer, self.slice, own.holdouts.get(&self.layer), self.unit, &self.salt, &self.surfaces, arms);
        blake3::hash(&serde_json::to_vec(&decides).unwrap_or_default()).to_hex()[..8].to_owned()
    }
}

/// `[[experiment]]` as written.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Written {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    layer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    slice: Option<[f64; 2]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<UnitKind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    salt: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    surfaces: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome_window: Option<Span>,
    arms: Vec<WrittenArm>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct WrittenArm {
    policy: String,
    weight: f64,
}

/// `[[layer]]` as written.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct WrittenLayer {
    id: String,
    holdout: f64,
}

/// The file's experiments, put to its set. What is wrong is found, and left out.
pub(super) fn attach(mut set: PolicySet, layer: &Layer, library: &Library, findings: &mut Findings) -> PolicySet {
    let mut maker = Maker { set: &set, layer, library, findings, holdouts: BTreeMap::new() };
    maker.holdouts();
    let (keys, experiments): (Vec<String>, Vec<Experiment>) = maker.experiments().into_iter().unzip();
    maker.together(&keys, &experiments);
    let holdouts = maker.holdouts;
    if !experiments.is_empty() || !holdouts.is_empty() {
        (set.experiments, set.holdouts) = (experiments, holdouts);
        set.digest = digest(&set);
    }
    set
}

/// Over the digest without experiments, and what decides who gets what.
fn digest(set: &PolicySet) -> String {
    let outcomes: Vec<_> = set.experiments.iter().map(|e| (&e.id, e.allocation(set), e.outcome_window)).collect();
    let json = serde_json::to_vec(&(&set.digest, outcomes, &set.holdouts)).unwrap_or_default();
    format!("b3:{}", &blake3::hash(&json).to_hex()[..16])
}

/// The lists of the set's file, by key.
pub(super) fn lists(set: &PolicySet) -> Vec<(&'static str, Value)> {
    let experiment = |e: &Experiment| Written {
        id: e.id.clone(),
        layer: Some(e.layer.clone()),
        slice: Some(e.slice),
        unit: Some(e.unit),
        salt: Some(e.salt.clone()),
        surfaces: Some(e.surfaces.clone()),
        outcome_window: Some(e.outcome_window),
        arms: e.arms.iter().map(|arm| WrittenArm { policy: arm.name.clone(), weight: arm.weight }).collect(),
    };
    let experiments: Vec<Written> = set.experiments.iter().map(experiment).collect();
    let layers: Vec<WrittenLayer> = set.holdouts.iter().map(|(id, holdout)| WrittenLayer { id: id.clone(), holdout: *holdout }).collect();
    let lists = [("experiment", Value::try_from(experiments)), ("layer", Value::try_from(layers))];
    // Plain data: it is always a tree.
    lists
        .into_iter()
        .filter_map(|(key, list)| Some((key, list.ok()?)))
        .filter(|(_, list)| list.as_array().is_some_and(|l| !l.is_empty()))
        .collect()
}

struct Maker<'a> {
    set: &'a PolicySet,
    layer: &'a Layer,
    library: &'a Library,
    findings: &'a mut Findings,
    holdouts: BTreeMap<String, f64>,
}

impl Maker<'_> {
    fn written<T: serde::de::DeserializeOwned>(&self, list: &str) -> Vec<T> {
        // Values are sound one by one; a list with a fault was read as an empty one.
        self.layer.tree.get(list).and_then(|value| value.clone().try_into().ok()).unwrap_or_default()
    }

    fn find(&mut self, severity: Severity, code: Code, key: &str, message: String, help: impl Into<String>) {
        self.findings.add(Finding::new(severity, code, key, message).help(help).at(self.layer.place(key)));
    }

    fn holdout(&self, layer: &str) -> f64 {
        self.holdouts.get(layer).copied().unwrap_or(0.0)
    }

    fn holdouts(&mut self) {
        for (index, WrittenLayer { id, holdout }) in self.written("layer").into_iter().enumerate() {
            if self.holdouts.insert(id.clone(), holdout).is_some() {
                self.find(Severity::Error, Code::Once, &format!("layer[{index}].id"), format!("there are two layers \"{id}\""), "");
            }
        }
    }

    /// Those that are sound by themselves, each with its key: one that is left out keeps its place in the list.
    fn experiments(&mut self) -> Vec<(String, Experiment)> {
        let written: Vec<Written> = self.written("experiment");
        if written.len() > MAX_EXPERIMENTS {
            let message = format!("there are {} experiments; at most {MAX_EXPERIMENTS}", written.len());
            self.find(Severity::Error, Code::Count, "experiment", message, "");
        }
        let mut made: Vec<(String, Experiment)> = Vec::new();
        for (index, written) in written.into_iter().enumerate().take(MAX_EXPERIMENTS) {
            let key = format!("experiment[{index}]");
            if made.iter().any(|(_, earlier)| earlier.id == written.id) {
                let message = format!("there are two experiments \"{}\"", written.id);
                self.find(Severity::Error, Code::Once, &format!("{key}.id"), message, "");
            }
            if let Some(experiment) = self.experiment(&key, written) {
                made.push((key, experiment));
            }
        }
        made
    }

    fn experiment(&mut self, key: &str, written: Written) -> Option<Experiment> {
        let id = written.id;
        let mut surfaces = written.surfaces.unwrap_or_else(|| self.set.surfaces.names().map(str::to_owned).collect());
        surfaces.sort();
        surfaces.dedup();
        if let Some(unknown) = surfaces.iter().find(|name| self.set.surface(name).is_none()) {
            let known = self.set.surfaces.names().collect::<Vec<_>>().join(", ");
            let message = format!("`{key}.surfaces` names \"{}\", which is no surface of this file", shown(unknown));
            self.find(Severity::Error, Code::Choice, &format!("{key}.surfaces"), message, format!("there are {known}"));
            return None;
        }
        let arms = self.arms(key, &surfaces, written.arms)?;
        let layer = written.layer.unwrap_or_else(|| id.clone());
        let experiment = Experiment {
            slice: written.slice.unwrap_or_else(|| [0.0, 1.0 - self.holdout(&layer)]),
            layer,
            unit: written.unit.unwrap_or_default(),
            salt: written.salt.unwrap_or_else(|| id.clone()),
            surfaces,
            outcome_window: written.outcome_window.unwrap_or(OUTCOME_WINDOW),
            arms,
            id,
        };
        if !experiment.surfaces.iter().any(|surface| experiment.differs_on(self.set, surface)) {
            let message = format!("`{key}` (\"{}\"): its arms do not differ on any of its surfaces", experiment.id);
            self.find(Severity::Warning, Code::Alike, key, message, "");
        }
        Some(experiment)
    }

    fn arms(&mut self, key: &str, surfaces: &[String], written: Vec<WrittenArm>) -> Option<Vec<ExperimentArm>> {
        let at = format!("{key}.arms");
        let weighty = written.iter().filter(|arm| arm.weight > 0.0).count();
        if weighty < 2 || written.len() > MAX_ARMS {
            let arms = if written.len() == 1 { "1 arm".to_owned() } else { format!("{} arms", written.len()) };
            let message = format!("`{at}` has {arms}, {weighty} of them with weight; expected 2 to {MAX_ARMS}");
            self.find(Severity::Error, Code::Arms, &at, message, "");
            return None;
        }
        let mut arms: Vec<ExperimentArm> = Vec::with_capacity(written.len());
        for (index, WrittenArm { policy, weight }) in written.into_iter().enumerate() {
            let at = format!("{at}[{index}].policy");
            if arms.iter().any(|earlier| earlier.name == policy) {
                self.find(Severity::Error, Code::Once, &at, format!("there are two arms with the policy \"{policy}\""), "");
                return None;
            }
            let other = if policy == self.set.id { None } else { Some(self.other(&at, &policy, surfaces)?) };
            arms.push(ExperimentArm { name: policy, weight, other });
        }
        Some(arms)
    }

    /// The policy of another file.
    fn other(&mut self, at: &str, name: &str, surfaces: &[String]) -> Option<Arc<PolicySet>> {
        let text = match self.library.find(name) {
            Ok(text) => text,
            Err((_, help)) => {
                let message = format!("`{at}` names \"{}\", which is not there", shown(name));
                self.find(Severity::Error, Code::Arm, at, message, format!("\"{}\" is this file's own policy; {help}", self.set.id));
                return None;
            }
        };
        let mut below = Findings::default();
        let layer = read::read(&text, &mut below);
        let set = layer.and_then(|layer| stack::alone(&layer, self.library, &mut below)).filter(|_| !below.has_errors());
        let Some(set) = set else {
            let first = below.iter().find(|finding| finding.severity == Severity::Error).map(ToString::to_string).unwrap_or_default();
            let message = format!("the arm's policy \"{}\" has {}", shown(name), counted(&below));
            self.find(Severity::Error, Code::Arm, at, message, format!("first: {first}"));
            return None;
        };
        if let Some(missing) = surfaces.iter().find(|surface| set.surface(surface).is_none()) {
            let message = format!("the arm's policy \"{}\" has no surface \"{missing}\"", shown(name));
            self.find(Severity::Error, Code::Arm, at, message, "list the surfaces of the experiment: `surfaces = [ … ]`");
            return None;
        }
        Some(Arc::new(set))
    }

    /// What must hold between experiments.
    fn together(&mut self, keys: &[String], experiments: &[Experiment]) {
        for (index, (key, later)) in keys.iter().zip(experiments).enumerate() {
            let earlier = &experiments[..index];
            if let Some(other) = earlier.iter().find(|e| e.layer == later.layer && e.unit != later.unit) {
                let message = format!("\"{}\" counts other units than \"{}\" of the same layer", later.id, other.id);
                self.find(Severity::Error, Code::Layer, key, message, "");
            }
            let meets = |e: &&Experiment| e.layer != later.layer && e.surfaces.iter().any(|surface| later.surfaces.contains(surface));
            if let Some(other) = earlier.iter().find(meets) {
                let message = format!("\"{}\" acts on a surface of \"{}\", in another layer", later.id, other.id);
                let help = format!("give both the same layer, e.g. `layer = \"{}\"`, and a share of it each", other.layer);
                self.find(Severity::Error, Code::Overlap, key, message, help);
            }
            self.slice(&format!("{key}.slice"), later, earlier);
        }
        let layers = self.written::<WrittenLayer>("layer").into_iter().map(|layer| layer.id).enumerate();
        for (index, id) in layers.filter(|(_, id)| !experiments.iter().any(|e| e.layer == *id)) {
            let message = format!("no experiment is in layer \"{id}\"");
            self.find(Severity::Warning, Code::NoEffect, &format!("layer[{index}]"), message, "");
        }
    }

    /// Nobody is in two experiments of a layer, or in one and held out of all.
    fn slice(&mut self, key: &str, of: &Experiment, earlier: &[Experiment]) {
        let ([low, high], end) = (of.slice, 1.0 - self.holdout(&of.layer));
        let help = "places in a layer go from 0 to 1; experiments take slices of it, e.g. `slice = [0.0, 0.5]`, a holdout the end";
        if low >= high {
            let message = format!("the slice of \"{}\" is empty: [{low}, {high}]", of.id);
            self.find(Severity::Error, Code::Layer, key, message, help);
        } else if high > end + SLICE_TOLERANCE {
            let message = format!("the slice of \"{}\" ends at {high}, and the layer's holdout begins at {end}", of.id);
            self.find(Severity::Error, Code::Layer, key, message, help);
        }
        let meets = |e: &&Experiment| e.layer == of.layer && e.slice[0] < high && low < e.slice[1];
        if let Some(other) = earlier.iter().find(meets) {
            let message = format!("the slice of \"{}\", [{low}, {high}], meets that of \"{}\", {:?}", of.id, other.id, other.slice);
            self.find(Severity::Error, Code::Layer, key, message, help);
        }
    }
}
