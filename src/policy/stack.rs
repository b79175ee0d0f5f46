//! Puts a file on top of what it extends, and checks what comes out: the policy of every surface.

use std::{collections::BTreeMap, sync::Arc};

use toml::{Table, Value};

use super::{
    PolicySet,
    code::Code,
    experiment,
    finding::{Finding, Findings, Place, Severity, counted},
    library::{ACTIVE, Library, shown},
    lint,
    read::{self, FILE_LISTS, Layer, SCHEMA},
    text::Text,
};
use crate::{
    domain::{
        Policy,
        policy::{ActivePolicy, Guardrails, PolicyFault, Rule, Surfaces},
    },
    settings::{check::SURFACES_MAX, shipped_surfaces},
};

/// Most files that build on each other.
const EXTENDS_MAX_FILES: usize = 8;

/// The file's policy and experiments, as far as they can be put together. Findings are added, errors too.
pub(super) fn build(layer: &Layer, library: &Library, findings: &mut Findings) -> Option<PolicySet> {
    let set = alone(layer, library, findings)?;
    Some(experiment::attach(set, layer, library, findings))
}

/// The file's policy without its experiments.
pub(super) fn alone(layer: &Layer, library: &Library, findings: &mut Findings) -> Option<PolicySet> {
    let base = base_of(layer, library, &mut vec![layer.text.name.to_string()], findings);
    // Without a base there is still something to check: the file on the defaults.
    let base = base.unwrap_or_else(defaults);
    let mut tree = base.clone();
    overlay(&mut tree, layer.tree.clone());
    let mut set = assemble(tree, layer, findings)?;
    lint::look(&set, layer, &base, findings);
    set.owner.clone_from(&layer.owner);
    set.description.clone_from(&layer.description);
    Some(set)
}

/// What a file without `extends` builds on.
fn defaults() -> Table {
    let set = PolicySet::new(Policy::default(), shipped_surfaces(), Surfaces(BTreeMap::new()), Guardrails::default());
    tree_of(&set)
}

/// A set as a tree: the policy's keys, `guardrails`, `surface`.
fn tree_of(set: &PolicySet) -> Table {
    let mut tree = plain(&set.shared);
    tree.insert("guardrails".into(), Value::Table(plain(&set.guardrails)));
    let surfaces = set.overrides.iter().map(|(name, overrides)| (name.clone(), Value::Table(overrides.clone()))).collect();
    tree.insert("surface".into(), Value::Table(surfaces));
    tree
}

/// Plain data as a tree. By way of text, so that 0.35 stays 0.35 and does not become the `f64` next to the `f32`.
pub(super) fn plain(data: &impl serde::Serialize) -> Table {
    serde_json::to_string(data).ok().and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default()
}

/// What `layer` builds on. `chain` holds the names of the files above. `None`, with a finding: there is no such thing.
fn base_of(layer: &Layer, library: &Library, chain: &mut Vec<String>, findings: &mut Findings) -> Option<Table> {
    let Some(name) = &layer.extends else { return Some(defaults()) };
    let fail = |code, message: String, help: String, findings: &mut Findings| {
        findings.add(Finding::new(Severity::Error, code, "extends", message).help(help).at(layer.place("extends")));
        None
    };
    if name == ACTIVE
        && let Some(active) = library.active()
    {
        return Some(tree_of(active));
    }
    let text = match library.find(name) {
        Ok(text) => text,
        Err((message, help)) => return fail(Code::Extends, message, help, findings),
    };
    if chain.contains(&text.name.to_string()) || chain.len() >= EXTENDS_MAX_FILES {
        let chain = chain.iter().map(String::as_str).chain([&*text.name]).collect::<Vec<_>>().join(" → ");
        return fail(Code::ExtendsChain, format!("the file extends itself or too many others: {chain}"), String::new(), findings);
    }
    chain.push(text.name.to_string());
    let mut below = Findings::default();
    let base = read::read(&text, &mut below).and_then(|lower| {
        let mut tree = base_of(&lower, library, chain, &mut below)?;
        overlay(&mut tree, lower.tree.clone());
        FILE_LISTS.iter().for_each(|list| drop(tree.remove(*list)));
        assemble(tree.clone(), &lower, &mut below).map(|_| tree)
    });
    match base.filter(|_| !below.has_errors()) {
        Some(tree) => Some(tree),
        None => {
            let first = below.iter().find(|finding| finding.severity == Severity::Error).map(ToString::to_string).unwrap_or_default();
            let message = format!("`{}`, which this file extends, has {}", shown(name), counted(&below));
            fail(Code::ExtendsBroken, message, format!("first: {first}"), findings)
        }
    }
}

/// The file and those it extends, nearest first, as far as they can be read.
pub(super) fn layers(text: &Text, library: &Library) -> Vec<Layer> {
    let mut layers: Vec<Layer> = Vec::new();
    let mut next = Some(text.clone());
    while let Some(layer) = next.filter(|_| layers.len() < EXTENDS_MAX_FILES).and_then(|text| read::read(&text, &mut Findings::default())) {
        next = layer.extends.as_ref().and_then(|name| library.find(name).ok());
        layers.push(layer);
    }
    layers
}

/// Later over earlier: tables key by key, everything else whole.
fn overlay(below: &mut Table, above: Table) {
    for (key, value) in above {
        match (below.get_mut(&key), value) {
            (Some(Value::Table(lower)), Value::Table(upper)) => overlay(lower, upper),
            (_, value) => {
                below.insert(key, value);
            }
        }
    }
}

/// Makes the typed policies of a tree and holds them to everything that no single value can break.
fn assemble(mut tree: Table, layer: &Layer, findings: &mut Findings) -> Option<PolicySet> {
    let guardrails = tree.remove("guardrails").unwrap_or_else(|| Value::Table(Table::new()));
    let Some(Value::Table(surfaces)) = tree.remove("surface") else { return None };
    FILE_LISTS.iter().for_each(|list| drop(tree.remove(*list)));
    let mut maker = Maker { layer, findings, told: Vec::new() };
    let guardrails: Guardrails = maker.typed(guardrails, "guardrails")?;
    let shared: Policy = maker.typed(Value::Table(tree.clone()), "")?;
    maker.held(None, &shared);
    if surfaces.len() > SURFACES_MAX {
        let message = format!("there are {} surfaces; at most {SURFACES_MAX}", surfaces.len());
        maker.findings.add(Finding::new(Severity::Error, Code::Count, "surface", message).at(layer.place("surface")));
    }
    let (mut overrides, mut made) = (BTreeMap::new(), BTreeMap::new());
    for (name, value) in surfaces {
        let Value::Table(own) = value else { continue };
        let mut policy = tree.clone();
        overlay(&mut policy, own.clone());
        let policy: Policy = maker.typed(Value::Table(policy), &format!("surface.{name}"))?;
        maker.held(Some(&name), &policy);
        made.insert(name.clone(), Arc::new(ActivePolicy::new(policy)));
        overrides.insert(name, own);
    }
    Some(PolicySet::new(shared, overrides, Surfaces(made), guardrails))
}

struct Maker<'a> {
    layer: &'a Layer,
    findings: &'a mut Findings,
    /// Faults of the shared policy: a surface that inherits one has nothing new to say.
    told: Vec<PolicyFault>,
}

impl Maker<'_> {
    /// Values are sound one by one, so this is a second line of defence.
    fn typed<T: serde::de::DeserializeOwned>(&mut self, value: Value, key: &str) -> Option<T> {
        match value.try_into::<T>() {
            Ok(typed) => Some(typed),
            Err(error) => {
                let message = if key.is_empty() { error.message().to_owned() } else { format!("`{key}`: {}", error.message()) };
                self.findings.add(Finding::new(Severity::Error, Code::Kind, key, message).at(self.layer.place(key)));
                None
            }
        }
    }

    fn held(&mut self, surface: Option<&str>, policy: &Policy) {
        for fault in policy.check() {
            if self.told.contains(&fault) {
                continue;
            }
            let at = fault.key.split(" (").next().unwrap_or(&fault.key);
            let key = surface.map_or_else(|| at.to_owned(), |surface| format!("surface.{surface}.{at}"));
            // A value that was refused is not in the policy: what its place in a sum says is nothing new.
            let below = format!("{key}.");
            let is_known =
                |finding: &Finding| finding.severity == Severity::Error && (finding.key == key || finding.key.starts_with(&below));
            if !self.findings.iter().any(is_known) {
                let reads_on = ["is ", "has "].iter().any(|start| fault.detail.starts_with(start));
                let message = format!("`{key}`{} {}", if reads_on { "" } else { ":" }, fault.detail);
                let finding = Finding::new(Severity::Error, code_of(fault.rule), &key, message).help(parts(fault.rule, at, policy));
                self.findings.add(finding.at(place(self.layer, surface, at)));
            }
            if surface.is_none() {
                self.told.push(fault);
            }
        }
    }
}

/// Where a surface's key is set: for the surface, or for all.
pub(super) fn place(layer: &Layer, surface: Option<&str>, key: &str) -> Option<Place> {
    let own = surface.and_then(|surface| layer.place(&format!("surface.{surface}.{key}")));
    own.or_else(|| layer.place(key))
}

const fn code_of(rule: Rule) -> Code {
    match rule {
        Rule::Range => Code::Range,
        Rule::Sum => Code::Sum,
        Rule::Sources => Code::Sources,
        Rule::Ends => Code::Ends,
        Rule::Once => Code::Once,
        Rule::Count => Code::Count,
        Rule::Constraint => Code::Constraint,
    }
}

/// For a sum: what it is made of, which a file that extends another may not show.
fn parts(rule: Rule, key: &str, policy: &Policy) -> String {
    if rule != Rule::Sum || key != "diversify.similarity" {
        return String::new();
    }
    let parts = policy.diversify.similarity.named().into_iter().filter(|(_, weight)| *weight != 0.0);
    format!("with what it inherits: {}", parts.map(|(name, weight)| format!("{name} {weight}")).collect::<Vec<_>>().join(" + "))
}

/// A set as a file.
pub(super) fn render(set: &PolicySet) -> String {
    let mut tree = tree_of(set);
    tree.insert("schema".into(), Value::Integer(SCHEMA));
    for (key, text) in [("owner", &set.owner), ("description", &set.description)] {
        if let Some(text) = text {
            tree.insert(key.into(), Value::String(text.clone()));
        }
    }
    for (key, list) in experiment::lists(set) {
        tree.insert(key.into(), list);
    }
    toml::to_string(&tree).unwrap_or_default()
}
