//! Reads the layers, checks each alone, merges them, and checks the whole.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::{Path, PathBuf},
};

use serde::de::DeserializeOwned;
use toml::{
    Table, Value,
    de::{DeTable, DeValue},
};

use super::{
    Faults, Place, Settings,
    template::{Shape, Template, put},
};

/// Environment variables with this prefix are settings: `POLYPHONY__SERVER__LISTEN` is `server.listen`.
pub const ENVIRONMENT_PREFIX: &str = "POLYPHONY__";
const ENVIRONMENT_SEPARATOR: &str = "__";

/// What to read, from the weakest layer to the strongest.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    pub file: Option<PathBuf>,
    /// Every variable of the process; those without [`ENVIRONMENT_PREFIX`] are passed over.
    pub environment: Vec<(OsString, OsString)>,
    pub overrides: Vec<Override>,
}

/// A key set on the command line.
#[derive(Clone, Debug)]
pub struct Override {
    /// As typed, for messages: `--listen`, `--set`.
    pub flag: String,
    pub key: String,
    pub value: String,
}

impl Layers {
    /// With the environment of this process.
    pub fn of_process(file: Option<PathBuf>, overrides: Vec<Override>) -> Self {
        Self { file, environment: std::env::vars_os().collect(), overrides }
    }
}

pub(super) fn load(layers: &Layers) -> Result<Settings, Faults> {
    let mut reading = Reading::new()?;
    if let Some(file) = &layers.file {
        reading.file(file);
    }
    reading.environment(&layers.environment);
    reading.overrides(&layers.overrides);
    reading.finish()
}

/// Merges trees, later over earlier: tables key by key, everything else whole.
pub(super) fn merge<T: DeserializeOwned>(trees: impl IntoIterator<Item = Table>) -> Result<T, String> {
    let mut builder = config::Config::builder();
    for tree in trees {
        builder = builder.add_source(Layer(tree));
    }
    let merged: Table = builder.build().and_then(config::Config::try_deserialize).map_err(|error| error.to_string())?;
    T::deserialize(Value::Table(merged)).map_err(|error| error.message().to_owned())
}

/// A checked tree as a source of the merge.
#[derive(Clone, Debug)]
struct Layer(Table);

impl config::Source for Layer {
    fn clone_into_box(&self) -> Box<dyn config::Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<config::Map<String, config::Value>, config::ConfigError> {
        Ok(self.0.iter().map(|(key, value)| (key.clone(), plain(value))).collect())
    }
}

fn plain(value: &Value) -> config::Value {
    let kind = match value {
        Value::String(text) => config::ValueKind::String(text.clone()),
        Value::Integer(number) => config::ValueKind::I64(*number),
        Value::Float(number) => config::ValueKind::Float(*number),
        Value::Boolean(flag) => config::ValueKind::Boolean(*flag),
        Value::Datetime(date) => config::ValueKind::String(date.to_string()),
        Value::Array(items) => config::ValueKind::Array(items.iter().map(plain).collect()),
        Value::Table(table) => config::ValueKind::Table(table.iter().map(|(key, value)| (key.clone(), plain(value))).collect()),
    };
    config::Value::new(None, kind)
}

/// What has been read so far: sound values by layer, where each key was last set, and all faults.
struct Reading {
    template: Template,
    layers: Vec<Table>,
    origins: BTreeMap<String, Place>,
    faults: Faults,
}

impl Reading {
    fn new() -> Result<Self, Faults> {
        let template = Template::new().map_err(|message| {
            let mut faults = Faults::default();
            faults.add(Place::BuiltIn, "", message);
            faults
        })?;
        Ok(Self { template, layers: Vec::new(), origins: BTreeMap::new(), faults: Faults::default() })
    }

    fn file(&mut self, file: &Path) {
        let text = match std::fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) => return self.faults.add(Place::WholeFile(file.to_owned()), "", format!("cannot be read: {error}")),
        };
        let (spans, mut errors) = DeTable::parse_recoverable(&text);
        let tree = match toml::from_str::<Table>(&text) {
            Ok(tree) => tree,
            Err(error) => {
                if errors.is_empty() {
                    errors.push(error);
                }
                for error in errors {
                    let place = place(file, &text, error.span().map_or(0, |span| span.start));
                    self.faults.add(place, "", format!("is not TOML: {}", error.message().trim().replace('\n', "; ")));
                }
                return;
            }
        };
        let mut places = BTreeMap::new();
        collect_places(spans.get_ref(), "", &|offset| place(file, &text, offset), &mut places);
        let mut layer = Table::new();
        self.walk(&tree, &mut Vec::new(), &places, &mut layer);
        self.layers.push(layer);
        self.origins.append(&mut places);
    }

    fn walk(&mut self, table: &Table, path: &mut Vec<String>, places: &BTreeMap<String, Place>, layer: &mut Table) {
        for (key, value) in table {
            path.push(key.clone());
            let dotted = path.join(".");
            let place = places.get(&dotted).cloned().unwrap_or(Place::BuiltIn);
            match (self.template.shape(path), value) {
                (Shape::Unknown(message), _) => self.faults.add(place, &dotted, message),
                (Shape::Section, Value::Table(inner)) => {
                    // Also when it is empty: `[surface.shorts]` alone makes a surface.
                    let segments: Vec<&str> = path.iter().map(String::as_str).collect();
                    put(layer, &segments, Value::Table(Table::new()));
                    self.walk(inner, path, places, layer);
                }
                (Shape::Section, _) => {
                    self.faults.add(place, &dotted, format!("`{dotted}` is a section; write [{dotted}] and its keys below"));
                }
                (Shape::Leaf(leaf), _) => match self.template.try_value(path, leaf, value) {
                    Ok(()) => put(layer, &path.iter().map(String::as_str).collect::<Vec<_>>(), value.clone()),
                    Err((key, message)) => {
                        let place = places.get(&key).cloned().unwrap_or(place);
                        self.faults.add(place, &key, message);
                    }
                },
            }
            path.pop();
        }
    }

    fn environment(&mut self, variables: &[(OsString, OsString)]) {
        let mut settings: BTreeMap<&str, &OsString> = BTreeMap::new();
        for (name, value) in variables {
            if let Some(name) = name.to_str().filter(|name| name.starts_with(ENVIRONMENT_PREFIX)) {
                settings.insert(name, value);
            }
        }
        let mut layer = Table::new();
        for (name, value) in settings {
            let key = name[ENVIRONMENT_PREFIX.len()..].to_lowercase().replace(ENVIRONMENT_SEPARATOR, ".");
            let place = Place::Environment(name.to_owned());
            match value.to_str() {
                Some(text) => self.text(place, &key, text, &mut layer),
                None => self.faults.add(place, &key, format!("`{key}` is not UTF-8 text")),
            }
        }
        self.layers.push(layer);
    }

    fn overrides(&mut self, overrides: &[Override]) {
        let mut layer = Table::new();
        for Override { flag, key, value } in overrides {
            self.text(Place::Flag(flag.clone()), key, value, &mut layer);
        }
        self.layers.push(layer);
    }

    fn text(&mut self, place: Place, key: &str, text: &str, layer: &mut Table) {
        let path: Vec<String> = key.split('.').map(str::to_owned).collect();
        let leaf = match self.template.shape(&path) {
            Shape::Leaf(leaf) => leaf,
            Shape::Unknown(message) => return self.faults.add(place, key, message),
            Shape::Section => return self.faults.add(place, key, format!("`{key}` is a section; name one of its keys")),
        };
        let value = match self.template.read_text(&path, leaf, text) {
            Ok(value) => value,
            Err(message) => return self.faults.add(place, key, message),
        };
        match self.template.try_value(&path, leaf, &value) {
            Ok(()) => {
                put(layer, &path.iter().map(String::as_str).collect::<Vec<_>>(), value);
                self.origins.insert(key.to_owned(), place);
            }
            Err((key, message)) => self.faults.add(place, &key, message),
        }
    }

    fn finish(mut self) -> Result<Settings, Faults> {
        let trees = [self.template.into_table()].into_iter().chain(self.layers);
        let settings: Settings = match merge(trees) {
            Ok(settings) => settings,
            Err(message) => {
                self.faults.add(Place::BuiltIn, "", message);
                return Err(self.faults);
            }
        };
        one_policy(&settings, &self.origins, &mut self.faults);
        let values = self.faults.0.len();
        for mut fault in settings.check() {
            // A sum over keys one of which could not be read says nothing new.
            let below = format!("{}.", fault.key);
            if !self.faults.0[..values].iter().any(|earlier| earlier.key.starts_with(&below)) {
                fault.place = origin(&self.origins, &fault.key);
                self.faults.0.push(fault);
            }
        }
        self.faults.into_result().map(|()| settings)
    }
}

/// A policy file and policy sections would be two truths.
fn one_policy(settings: &Settings, origins: &BTreeMap<String, Place>, faults: &mut Faults) {
    let file = &settings.policies.file;
    let inline = origins.iter().find(|(key, _)| ["policy.", "surface."].iter().any(|section| key.starts_with(section)));
    if let Some((key, place)) = inline.filter(|_| !file.is_empty()) {
        let message = format!("`policies.file` is \"{file}\", and `{key}` is set as well ({place}): a policy has one home; take one out");
        faults.add(origin(origins, "policies.file"), "policies.file", message);
    }
}

/// Where `key` was set: itself, the list it is in, a key below it, or the policy key a surface inherits.
fn origin(origins: &BTreeMap<String, Place>, key: &str) -> Place {
    let key = key.split(" (").next().unwrap_or(key);
    let list = key.split('[').next().unwrap_or(key);
    let below = format!("{key}.");
    let exact = origins.get(key).or_else(|| origins.get(list));
    let found = exact.or_else(|| origins.range(below.clone()..).next().filter(|(k, _)| k.starts_with(&below)).map(|(_, place)| place));
    if let Some(place) = found {
        return place.clone();
    }
    match key.strip_prefix("surface.").and_then(|rest| rest.split_once('.')) {
        Some((_, inherited)) => origin(origins, &format!("policy.{inherited}")),
        None => Place::BuiltIn,
    }
}

/// The place of every key and of every element of a list, by dotted key (`policy.constraint[1]`).
fn collect_places(table: &DeTable<'_>, prefix: &str, place: &impl Fn(usize) -> Place, places: &mut BTreeMap<String, Place>) {
    for (key, value) in table {
        let dotted = if prefix.is_empty() { key.get_ref().to_string() } else { format!("{prefix}.{}", key.get_ref()) };
        match value.get_ref() {
            DeValue::Table(inner) => collect_places(inner, &dotted, place, places),
            DeValue::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    places.insert(format!("{dotted}[{index}]"), place(item.span().start));
                }
            }
            _ => {}
        }
        places.insert(dotted, place(key.span().start));
    }
}

fn place(file: &Path, text: &str, offset: usize) -> Place {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
    Place::File { file: file.to_owned(), line, column: before[line_start..].chars().count() + 1 }
}
