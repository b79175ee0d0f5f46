//! Reads one policy file: every key is known, every value is of its kind and in its range, or there is a finding with its place.
//!
//! What is sound goes on as a tree; so one wrong value hides no other.

use std::{collections::BTreeMap, ops::Range};

use toml::{
    Spanned, Table, Value,
    de::{DeTable, DeValue},
};

use super::{
    code::Code,
    explain,
    finding::{Finding, Findings, Place, Severity},
    library::shown,
    lists,
    text::Text,
    value::{Written, Wrong, span_of},
};
use crate::{
    domain::{
        policy::knob::{KNOBS, Kind, Knob, knob},
        suggest::closest,
    },
    settings::is_surface_name,
};

/// The version of the format that is read.
pub const SCHEMA: i64 = 1;
/// Longest `owner` and `description`, in bytes.
const PROSE_BYTES_MAX: usize = 1_000;
/// Keys of the file itself, besides the policy's knobs.
pub(super) const HEAD: [&str; 4] = ["schema", "extends", "owner", "description"];
/// Lists of a file that are no knobs of its policy.
pub(super) const FILE_LISTS: [&str; 2] = ["experiment", "layer"];
/// What holds for the file, and so not for one surface alone.
const WHOLE_FILE: [&str; 10] =
    ["schema", "extends", "owner", "description", "id", "version", "guardrails", "surface", "experiment", "layer"];
/// One value for the whole server: items have one popularity, whatever the surface.
const SERVER_WIDE: &str = "score.popularity_half_life";
/// What feeds are never made to increase: it rises when people are kept from leaving (AI Act, article 5(1)(a); DSA, article 25).
const NO_OBJECTIVES: [&str; 8] =
    ["time_spent", "watch_time", "dwell_time", "session_length", "session_time", "return_rate", "retention", "daily_active"];

/// One file as it was read.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    pub text: Text,
    pub extends: Option<String>,
    pub owner: Option<String>,
    pub description: Option<String>,
    /// Sound values: a policy's keys, and `guardrails`, `surface` and [`FILE_LISTS`].
    pub tree: Table,
    /// Where every key stands that is there, sound or not: `surface.video.page_size`, `constraint[1]`, `constraint[1].max`.
    pub spans: BTreeMap<String, Range<usize>>,
}

impl Layer {
    /// Where `key` is set: itself, the list it is in, or a key below it.
    pub fn place(&self, key: &str) -> Option<Place> {
        let list = key.split('[').next().unwrap_or(key);
        let below = format!("{key}.");
        let exact = self.spans.get(key).or_else(|| self.spans.get(list));
        let first_below = || self.spans.range(below.clone()..).next().filter(|(found, _)| found.starts_with(&below)).map(|(_, span)| span);
        exact.or_else(first_below).map(|span| self.text.place(span.clone()))
    }

    pub fn sets(&self, key: &str) -> bool {
        self.spans.contains_key(key)
    }
}

/// Reads `text`. `None` where it is no TOML at all.
pub(super) fn read(text: &Text, findings: &mut Findings) -> Option<Layer> {
    let (document, errors) = DeTable::parse_recoverable(&text.text);
    for error in &errors {
        findings.add(syntax(text, error));
    }
    if !errors.is_empty() {
        return None;
    }
    let layer = Layer { text: text.clone(), extends: None, owner: None, description: None, tree: Table::new(), spans: BTreeMap::new() };
    let mut reader = Reader { text, layer, findings };
    reader.file(document.get_ref());
    Some(reader.layer)
}

fn syntax(text: &Text, error: &toml::de::Error) -> Finding {
    let message = error.message().trim().replace('\n', "; ");
    let place = error.span().map(|span| text.place(span));
    let finding = Finding::new(Severity::Error, Code::Syntax, "", message.clone()).at(place);
    match error.span().and_then(|span| text.text.get(span)).filter(|_| message == "duplicate key") {
        Some(key) => Finding { message: format!("duplicate key `{}`", shown(key)), ..finding }.help("take one of the two out"),
        None => finding,
    }
}

struct Reader<'a> {
    text: &'a Text,
    layer: Layer,
    findings: &'a mut Findings,
}

/// Where in the file a key is being read.
#[derive(Clone, Default)]
struct At<'a> {
    surface: Option<&'a str>,
    /// Below the surface: the policy's own key.
    key: String,
}

impl At<'_> {
    fn below(&self, name: &str) -> Self {
        let key = if self.key.is_empty() { name.to_owned() } else { format!("{}.{name}", self.key) };
        Self { surface: self.surface, key }
    }

    /// As written in the file.
    fn full(&self) -> String {
        match self.surface {
            Some(surface) if self.key.is_empty() => format!("surface.{surface}"),
            Some(surface) => format!("surface.{surface}.{}", self.key),
            None => self.key.clone(),
        }
    }
}

impl<'a> Reader<'a> {
    fn file(&mut self, table: &'a DeTable<'a>) {
        for (key, value) in table {
            let name: &str = key.get_ref();
            match name {
                "schema" => self.schema(key, value),
                "extends" | "owner" | "description" => self.prose(name, key, value),
                "surface" => self.surfaces(key, value),
                name if FILE_LISTS.contains(&name) => self.list(name, key, value),
                _ => self.entry(&At::default(), key, value),
            }
        }
        let start = self.text.place(0..0);
        for (name, help) in
            [("schema", "write `schema = 1`"), ("id", "write e.g. `id = \"home-balanced\"`"), ("version", "write `version = 1`")]
        {
            if !self.layer.sets(name) {
                let message = format!("`{name}` is missing");
                self.findings.add(Finding::new(Severity::Error, Code::Missing, name, message).help(help).at(Some(start.clone())));
            }
        }
    }

    fn schema(&mut self, key: &Spanned<toml::de::DeString<'_>>, value: &'a Spanned<DeValue<'a>>) {
        self.layer.spans.insert("schema".into(), key.span());
        let read = Written::new(value, self.text);
        let is_known = matches!(value.get_ref(), DeValue::Integer(number) if number.as_str() == SCHEMA.to_string());
        if !is_known {
            let detail = read.other_kind(&format!("{SCHEMA}, the version this server reads")).detail;
            self.wrong("schema", value.span(), Wrong::new(Code::Schema, detail));
        }
    }

    fn prose(&mut self, name: &str, key: &Spanned<toml::de::DeString<'_>>, value: &'a Spanned<DeValue<'a>>) {
        self.layer.spans.insert(name.into(), value.span());
        let text = match Written::new(value, self.text).text() {
            Ok(text) => text.to_owned(),
            Err(wrong) => return self.wrong(name, span_of(&key.span(), value), wrong),
        };
        if text.len() > PROSE_BYTES_MAX {
            let detail = format!("has {} bytes; expected at most {PROSE_BYTES_MAX}", text.len());
            return self.wrong(name, value.span(), Wrong::new(Code::Range, detail));
        }
        match name {
            "extends" => self.layer.extends = Some(text),
            "owner" => self.layer.owner = Some(text),
            _ => self.layer.description = Some(text),
        }
    }

    /// A list that belongs to the file, not to its policy.
    fn list(&mut self, name: &str, key: &Spanned<toml::de::DeString<'_>>, value: &'a Spanned<DeValue<'a>>) {
        self.layer.spans.insert(name.into(), key.span());
        let mut list = lists::Reader { text: self.text, spans: &mut self.layer.spans, findings: self.findings };
        match list.read(name, name, value) {
            Ok(read) => put(&mut self.layer.tree, &[name], read),
            Err(wrong) => self.wrong(name, span_of(&key.span(), value), wrong),
        }
    }

    fn surfaces(&mut self, key: &Spanned<toml::de::DeString<'_>>, value: &'a Spanned<DeValue<'a>>) {
        self.layer.spans.insert("surface".into(), key.span());
        let Some(table) = value.get_ref().as_table() else {
            let wrong = Written::new(value, self.text).other_kind("sections, e.g. [surface.home]");
            return self.wrong("surface", value.span(), wrong);
        };
        for (name, value) in table {
            let (surface, span) = (&**name.get_ref(), name.span());
            let full = format!("surface.{surface}");
            self.layer.spans.insert(full.clone(), span.clone());
            if !is_surface_name(surface) {
                let message = format!("\"{}\" cannot be a surface's name; expected 1 to 64 of a-z, 0-9 and _", shown(surface));
                self.add(Finding::new(Severity::Error, Code::Name, &full, message), span);
                continue;
            }
            let Some(table) = value.get_ref().as_table() else {
                let wrong = Written::new(value, self.text).other_kind(&format!("a section: write [{full}] and its keys below"));
                self.wrong(&full, value.span(), wrong);
                continue;
            };
            // Also when it is empty: `[surface.shorts]` alone makes a surface.
            put(&mut self.layer.tree, &["surface", surface], Value::Table(Table::new()));
            for (key, value) in table {
                self.entry(&At { surface: Some(surface), key: String::new() }, key, value);
            }
        }
    }

    fn entry(&mut self, above: &At<'_>, key: &Spanned<toml::de::DeString<'_>>, value: &'a Spanned<DeValue<'a>>) {
        let at = above.below(key.get_ref());
        let full = at.full();
        let span = span_of(&key.span(), value);
        self.layer.spans.insert(full.clone(), span.clone());
        if let Some(surface) = at.surface
            && (WHOLE_FILE.contains(&at.key.as_str()) || at.key == SERVER_WIDE)
        {
            let (message, help) = match at.key.as_str() {
                "surface" => (format!("a surface cannot stand in another: [surface.{surface}]"), "write [surface.NAME] of its own"),
                key => {
                    (format!("`{key}` holds for every surface; it cannot stand in [surface.{surface}]"), "set it once, above the surfaces")
                }
            };
            return self.add(Finding::new(Severity::Error, Code::NotInSurface, &full, message).help(help), key.span());
        }
        if let Some(knob) = knob(&at.key) {
            self.value(&at, knob, value, span);
        } else if !is_section(&at.key) {
            self.unknown(above, &at, key.span());
        } else if let Some(table) = value.get_ref().as_table() {
            for (key, value) in table {
                self.entry(&at, key, value);
            }
        } else {
            let wrong = Written::new(value, self.text).other_kind(&format!("a section: write [{full}] and its keys below"));
            self.wrong(&full, span, wrong);
        }
    }

    fn value(&mut self, at: &At<'_>, knob: &Knob, value: &'a Spanned<DeValue<'a>>, span: Range<usize>) {
        let full = at.full();
        let read = match knob.kind {
            Kind::List(_) => {
                let mut list = lists::Reader { text: self.text, spans: &mut self.layer.spans, findings: self.findings };
                list.read(&full, knob.key, value)
            }
            _ => Written::new(value, self.text).of_kind(&knob.kind),
        };
        match read {
            Ok(read) => {
                let path: Vec<&str> =
                    at.surface.map(|surface| ["surface", surface]).into_iter().flatten().chain(at.key.split('.')).collect();
                put(&mut self.layer.tree, &path, read);
            }
            Err(wrong) => self.wrong(&full, span, wrong),
        }
    }

    fn unknown(&mut self, above: &At<'_>, at: &At<'_>, span: Range<usize>) {
        if self.findings.is_full() {
            return;
        }
        let name = at.key.rsplit('.').next().unwrap_or_default();
        let siblings = siblings(&above.key, above.surface.is_some());
        let finding = Finding::new(Severity::Error, Code::UnknownKey, &at.full(), format!("unknown key `{}`", shown(name)));
        let nearby = || closest(name, siblings.iter().copied()).map(|meant| above.below(meant).key);
        let finding = match (elsewhere(name, true), nearby(), elsewhere(name, false)) {
            _ if NO_OBJECTIVES.iter().any(|no| name.contains(no)) => finding
                .help("time spent, length of sessions and rate of return are no objectives here: no policy can weigh them".to_owned()),
            (Some(meant), ..) | (None, None, Some(meant)) => finding.help(meaning(&meant, &meant)),
            (None, Some(meant), _) => finding.help(meaning(&meant, meant.rsplit('.').next().unwrap_or(&meant))),
            _ if above.key.is_empty() => finding.help(format!("expected one of {}", siblings.join(", "))),
            _ => finding.help(format!("`{}` has {}", above.full(), siblings.join(", "))),
        };
        self.add(finding, span);
    }

    fn wrong(&mut self, key: &str, span: Range<usize>, wrong: Wrong) {
        let message = format!("`{key}` {}", wrong.detail);
        self.add(Finding::new(Severity::Error, wrong.code, key, message).help(wrong.help), span);
    }

    fn add(&mut self, finding: Finding, span: Range<usize>) {
        self.findings.add(finding.at(Some(self.text.place(span))));
    }
}

/// Whether knobs stand below `key`.
fn is_section(key: &str) -> bool {
    KNOBS.iter().any(|knob| knob.key.strip_prefix(key).is_some_and(|rest| rest.starts_with('.')))
}

/// Names that may stand in the section `key`; the empty key is the file, or a surface.
pub(super) fn siblings(key: &str, in_surface: bool) -> Vec<&'static str> {
    let below = |knob: &'static Knob| match key {
        "" => Some(knob.key),
        section => knob.key.strip_prefix(section)?.strip_prefix('.'),
    };
    let mut names: Vec<&str> = if key.is_empty() && !in_surface { HEAD.to_vec() } else { Vec::new() };
    for rest in KNOBS.iter().filter_map(below) {
        let name = rest.split('.').next().unwrap_or(rest);
        let fits = !(in_surface && key.is_empty() && WHOLE_FILE.contains(&name));
        if fits && !names.contains(&name) {
            names.push(name);
        }
    }
    if key.is_empty() && !in_surface {
        names.push("surface");
        names.extend(FILE_LISTS);
    }
    names
}

/// A knob or section of that name in another section; one of nearly that name, unless `exact`.
fn elsewhere(name: &str, exact: bool) -> Option<String> {
    let sections = KNOBS.iter().filter_map(|knob| knob.key.rsplit_once('.')).map(|(section, _)| section);
    let keys: Vec<&str> = KNOBS.iter().map(|knob| knob.key).chain(sections).collect();
    let last = |key: &'static str| key.rsplit('.').next().unwrap_or(key);
    let meant = if exact { name } else { closest(name, keys.iter().map(|key| last(key)))? };
    keys.iter().find(|key| last(key) == meant).map(|key| (*key).to_owned())
}

/// ``did you mean `diversity`? (0 = relevance only …)``.
fn meaning(key: &str, name: &str) -> String {
    let about = explain::in_short(key).map(|about| format!(" ({about})")).unwrap_or_default();
    format!("did you mean `{name}`?{about}")
}

/// Sets `value` at `path`, making the tables on the way.
pub(super) fn put(table: &mut Table, path: &[&str], value: Value) {
    let [first, rest @ ..] = path else { return };
    if rest.is_empty() {
        table.insert((*first).to_owned(), value);
        return;
    }
    let next = table.entry(*first).or_insert_with(|| Value::Table(Table::new()));
    if let Value::Table(inner) = next {
        put(inner, rest, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_and_their_names() {
        assert!(is_section("diversify") && is_section("diversify.similarity") && is_section("guardrails"));
        assert!(!is_section("diversify.diversity") && !is_section("div") && !is_section("page_size"));
        assert_eq!(siblings("explore", false)[..2], ["share", "method"]);
        assert!(siblings("", false).contains(&"schema") && siblings("", false).contains(&"surface"));
        assert!(!siblings("", true).contains(&"id") && siblings("", true).contains(&"page_size"));
    }
}
