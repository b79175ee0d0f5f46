//! Policy files: read, checked, compared, explained. Pure text and values; pages are made in `feed`.
//!
//! ```text
//! Text ──read──► Layer (tree + places) ──stack──► Policy per surface ──check──► PolicySet
//!                   │ findings                        │ findings
//! ```
//!
//! A file builds on another (`extends`), every file in the end on the defaults. Every finding of a file is told at once, with its
//! place, a code of the closed table [`Code`], and what to do.

mod bundle;
mod code;
mod conflicts;
pub mod diff;
mod experiment;
pub mod explain;
mod finding;
mod library;
mod lint;
mod lists;
mod read;
pub mod report;
pub mod schema;
pub mod serving;
mod stack;
#[cfg(test)]
mod tests;
mod text;
mod value;

use std::{collections::BTreeMap, sync::Arc};

pub use bundle::Bundle;
pub use code::Code;
pub use experiment::{Experiment, ExperimentArm, UnitKind};
pub use finding::{Finding, Findings, Place, Severity, counted};
pub use library::{ACTIVE, Library, MAX_POLICY_BYTES, PRESETS, open, preset};
pub use lint::unread;
pub use read::SCHEMA;
pub use serving::Serving;
pub use text::Text;

use crate::{
    domain::{
        Policy,
        policy::{ActivePolicy, Guardrails, Surfaces},
    },
    settings::{self, Settings},
};

/// A checked policy file with all it extends: the policy of every surface, and what must hold for it.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicySet {
    pub id: String,
    pub version: u32,
    pub owner: Option<String>,
    pub description: Option<String>,
    /// The policy before the surfaces' own values.
    pub shared: Policy,
    /// Surface name to what differs there, as keys of a policy.
    pub overrides: BTreeMap<String, toml::Table>,
    /// What is served: `shared` with each surface's own values.
    pub surfaces: Surfaces,
    pub guardrails: Guardrails,
    /// In the order of the file.
    pub experiments: Vec<Experiment>,
    /// Share of each layer's people that no experiment gets, by the layer's id; layers without a holdout are not in it.
    pub holdouts: BTreeMap<String, f64>,
    /// `b3:` + the first 16 hex digits of BLAKE3 over surfaces, guardrails, experiments and holdouts; `owner` and `description` do not count.
    pub digest: String,
}

/// What a check found.
#[derive(Clone, Debug)]
pub struct Checked {
    /// There when no finding is an error.
    pub set: Option<PolicySet>,
    /// In the order of the file.
    pub findings: Findings,
    /// Where the file sets its keys; there when it is TOML.
    pub places: Option<Places>,
}

impl Checked {
    /// The same with what else was found; the set stays only if nothing of it is an error.
    #[must_use]
    pub fn and(mut self, more: Findings) -> Self {
        self.findings.append(more);
        self.findings.sort();
        self.set = self.set.filter(|_| !self.findings.has_errors());
        self
    }
}

/// Where a file sets its keys.
#[derive(Clone, Debug)]
pub struct Places(read::Layer);

impl Places {
    /// Where the value of `key` on `surface` comes from, if the file says so: for the surface, or for all.
    pub fn place(&self, surface: Option<&str>, key: &str) -> Option<Place> {
        stack::place(&self.0, surface, key)
    }
}

/// Reads and checks a policy file by itself. Checks against a catalogue: `feed::supply`, `feed::verdict`.
pub fn check(text: &Text, library: &Library) -> Checked {
    let mut findings = Findings::default();
    let layer = read::read(text, &mut findings);
    let set = layer.as_ref().and_then(|layer| stack::build(layer, library, &mut findings));
    findings.sort();
    Checked { set: set.filter(|_| !findings.has_errors()), findings, places: layer.map(Places) }
}

/// [`check`], for those who need only the policy. Errors: every finding, warnings too.
pub fn load(text: &Text, library: &Library) -> Result<PolicySet, Findings> {
    let Checked { set, findings, .. } = check(text, library);
    set.ok_or(findings)
}

/// The policy of a preset's name or a file's path. Errors: every finding.
pub fn load_from(what: &str) -> Result<PolicySet, Findings> {
    let (text, library) = open(what)?;
    load(&text, &library)
}

/// What the settings say shapes feeds: the file that `policies.file` names, or their own policy sections.
pub fn chosen(settings: &Settings) -> Result<PolicySet, Refused> {
    Ok(match settings.policies.file.as_str() {
        "" => PolicySet::new(settings.policy.clone(), settings.surface.clone(), settings.surfaces()?, Guardrails::default()),
        file => load_from(file)?,
    })
}

/// Why there is no policy.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// Of settings that were made by hand: those that were loaded have no faults.
    #[error(transparent)]
    Settings(#[from] settings::Faults),
    #[error(transparent)]
    File(#[from] Findings),
}

impl PolicySet {
    fn new(shared: Policy, overrides: BTreeMap<String, toml::Table>, surfaces: Surfaces, guardrails: Guardrails) -> Self {
        let digest = digest(&surfaces, &guardrails);
        let (id, version) = (shared.id.clone(), shared.version);
        let (experiments, holdouts) = (Vec::new(), BTreeMap::new());
        Self { id, version, owner: None, description: None, shared, overrides, surfaces, guardrails, experiments, holdouts, digest }
    }

    /// Policies that come from no file, with the default guardrails; the set is named after one of them.
    pub fn of(surfaces: Surfaces) -> Self {
        let shared = surfaces.0.values().next().map(|active| active.policy.clone()).unwrap_or_default();
        Self::new(shared, BTreeMap::new(), surfaces, Guardrails::default())
    }

    /// The policy of a surface.
    pub fn surface(&self, name: &str) -> Option<&Arc<ActivePolicy>> {
        self.surfaces.get(name)
    }

    /// The set as one file that extends nothing: [`load`] gives the same set again.
    pub fn to_toml(&self) -> String {
        stack::render(self)
    }

    /// Puts this policy in place of the settings' own sections, which everything that is made before the server reads.
    pub fn put_into(&self, settings: &mut Settings) {
        settings.policy = self.shared.clone();
        settings.surface = self.overrides.clone();
    }
}

fn digest(surfaces: &Surfaces, guardrails: &Guardrails) -> String {
    let policies: BTreeMap<&str, &str> = surfaces.0.iter().map(|(name, active)| (name.as_str(), active.digest.as_str())).collect();
    let json = serde_json::to_vec(&(policies, guardrails)).unwrap_or_default();
    format!("b3:{}", &blake3::hash(&json).to_hex()[..16])
}
