//! Policies named or sent in a request's body.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use serde_json::{Map, Value, json};

use super::super::problem::{Kind, Problem, and_more};
use crate::{
    app::App,
    policy::{self, Findings, Library, MAX_POLICY_BYTES, PolicySet, Text},
    wire::{Fault, Faults, read},
};

/// How a draft is called in findings.
const DRAFT: &str = "draft";
/// Most files that come along with one.
const MAX_FILES: usize = 32;

/// What drafts may build on here: the policy in force, the presets, files beside the server's own.
pub fn library(app: &App) -> Library {
    let file = &app.settings.policies.file;
    let is_path = !file.is_empty() && policy::preset(file).is_none();
    let library = if is_path { Library::beside(Path::new(file)) } else { Library::presets() };
    library.with_active(Arc::clone(&app.feed.serving.load().set))
}

/// Reads policies off a body, and collects everything that is wrong with any of them.
pub struct Drafts {
    library: Library,
    /// Of the body itself.
    pub faults: Faults,
    /// Of the policies.
    invalid: Vec<Fault>,
}

impl Drafts {
    pub fn new(app: &App) -> Self {
        Self { library: library(app), faults: Faults::default(), invalid: Vec::new() }
    }

    /// The policy that a name or draft stands for; what is wrong is noted.
    pub fn set(&mut self, value: &Value, at: &str) -> Option<Arc<PolicySet>> {
        let loaded = match value {
            Value::String(name) => self.library.load(name),
            draft => {
                let text = draft_text(draft, at, &mut self.faults)?;
                let files = draft_files(draft, at, &mut self.faults)?;
                policy::load(&text, &self.library.clone().with_own(files)).map(Arc::new)
            }
        };
        loaded.map_err(|findings| self.invalid.extend(faults_of(&findings, at))).ok()
    }

    /// Problem: everything that was wrong with the body, or else with the policies.
    pub fn finish(self) -> Result<(), Problem> {
        self.faults.into_result().map_err(Problem::invalid_body)?;
        let Some(first) = self.invalid.first() else { return Ok(()) };
        let detail = format!("A policy cannot be used: {}", and_more(first.detail.clone(), self.invalid.len()));
        Err(Problem::new(Kind::PolicyInvalid, detail).with_errors(self.invalid))
    }
}

/// Problem: findings of a policy that came at `at`.
pub fn invalid(findings: &Findings, at: &str) -> Problem {
    let faults = faults_of(findings, at);
    let first = faults.first().map(|fault| fault.detail.clone()).unwrap_or_default();
    let detail = format!("The policy cannot be used: {}", and_more(first, faults.len()));
    Problem::new(Kind::PolicyInvalid, detail).with_errors(faults)
}

fn faults_of(findings: &Findings, at: &str) -> Vec<Fault> {
    let fault = |finding: &policy::Finding| {
        let key = finding.key.replace(['.', '['], "/").replace(']', "");
        let pointer = if key.is_empty() { at.to_owned() } else { format!("{at}/{key}") };
        // The lines of a draft's text are known to whoever sent it as text.
        let place = finding.place.as_ref().map(|place| format!(" (line {}, column {})", place.line, place.column)).unwrap_or_default();
        let help = if finding.help.is_empty() { String::new() } else { format!("; {}", finding.help) };
        Fault::new(pointer, format!("{}[{}]{place}: {}{help}", finding.severity.name(), finding.code.as_str(), finding.message))
    };
    findings.iter().map(fault).collect()
}

/// The text of a draft: an object with a policy's keys, or `{"toml": "…"}`.
pub fn draft_text(value: &Value, at: &str, faults: &mut Faults) -> Option<Text> {
    let map = read::object(value, at, faults)?;
    if let Some(text) = map.get("toml") {
        read::unknown_keys(map, &["toml", "files"], "a draft's text", at, faults);
        let text = read::text(text, 0, MAX_POLICY_BYTES as usize, &read::below(at, "toml"), faults)?;
        return Some(Text::new(DRAFT, text));
    }
    match toml_of(map) {
        Ok(text) => Some(Text::new(DRAFT, text)),
        Err(message) => {
            faults.add(at, format!("cannot be a policy: {message}"));
            None
        }
    }
}

/// Files that come along with a draft's text, by name.
fn draft_files(value: &Value, at: &str, faults: &mut Faults) -> Option<BTreeMap<String, Arc<str>>> {
    let mut files = BTreeMap::new();
    let at = read::below(at, "files");
    let Some(value) = value.get("toml").and_then(|_| value.get("files")) else { return Some(files) };
    let map = read::object(value, &at, faults)?;
    if map.len() > MAX_FILES {
        faults.add(&at, format!("has {} files; expected at most {MAX_FILES}", map.len()));
        return None;
    }
    for (name, text) in map {
        let text = read::text(text, 0, MAX_POLICY_BYTES as usize, &read::below(&at, name), faults)?;
        files.insert(name.clone(), text.into());
    }
    Some(files)
}

/// JSON as TOML; a draft need not say what it is called.
fn toml_of(map: &Map<String, Value>) -> Result<String, String> {
    let mut draft = map.clone();
    for (key, default) in [("schema", json!(policy::SCHEMA)), ("id", json!(DRAFT)), ("version", json!(1))] {
        draft.entry(key).or_insert(default);
    }
    let table: toml::Table = serde_json::from_value(Value::Object(draft)).map_err(|error| error.to_string())?;
    toml::to_string(&table).map_err(|error| error.to_string())
}

/// A whole number within `low..=high`.
pub fn whole(value: &Value, low: u64, high: u64, at: &str, faults: &mut Faults) -> Option<u64> {
    let number = read::unsigned(value).filter(|number| (low..=high).contains(number));
    if number.is_none() {
        faults.add(at, format!("expected a whole number from {low} to {high}"));
    }
    number
}
