//! What a key means: the comments of `config/policies/balanced.toml`, read once, with the table of knobs.

use std::{collections::BTreeMap, sync::LazyLock};

use serde::Serialize;

use super::{
    Code, Library, PolicySet, Text,
    library::PRESETS,
    lists::fields,
    load_from,
    report::{COLUMNS, wrapped},
    stack::{self, plain},
};
use crate::domain::{
    Policy,
    policy::{
        Guardrails,
        knob::{Field, FieldKind, Form, KNOBS, Kind, Knob, LISTS, knob},
    },
    suggest::closest,
};

/// The annotated preset's comments, by key and by section.
static NOTES: LazyLock<BTreeMap<String, String>> = LazyLock::new(|| notes(PRESETS[1].1));

/// Columns before a fact of an explanation.
const LABEL_COLUMNS: usize = 11;
/// Columns of a default in a list of keys.
const DEFAULT_COLUMNS: usize = 16;

/// Lists of a file that are no knobs of its policy, and what they are for.
pub(super) const FILE_LISTS_ABOUT: [(&str, &str); 2] = [
    (
        "experiment",
        "People split between this policy and others, to see what difference they make. Each entry has an id and two or more arms, \
        the first of which is the control; who is in which arm stays so while weights change.",
    ),
    ("layer", "Experiments of one layer share out its people between them. `holdout` is the share that no experiment of it gets."),
];

/// What the key or section means and which values it takes, as one paragraph.
pub fn about(key: &str) -> Option<&'static str> {
    NOTES.get(key).map(String::as_str).filter(|about| !about.is_empty())
}

/// The first sentence of [`about`], without its full stop.
pub(super) fn in_short(key: &str) -> Option<&'static str> {
    let about = about(key)?;
    let first = about.split('\n').next().unwrap_or(about);
    let end = first.match_indices(". ").map(|(at, _)| at).find(|at| !first[..*at].ends_with("e.g")).unwrap_or(first.len());
    Some(first[..end].trim_end_matches('.'))
}

/// What can be explained.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Explanation {
    Key(KeyForm),
    /// A list of the file.
    List {
        list: &'static str,
        about: &'static str,
        takes: String,
    },
    /// A section: its keys.
    Section {
        section: String,
        about: &'static str,
        keys: Vec<KeyForm>,
    },
    Code {
        code: &'static str,
        title: &'static str,
        about: &'static str,
    },
}

/// One knob.
#[derive(Debug, Serialize)]
pub struct KeyForm {
    pub key: &'static str,
    pub about: &'static str,
    /// What it takes: "a number, 0 to 1".
    pub takes: String,
    /// As TOML.
    pub default: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub typical: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub trades: &'static str,
    /// Its value in every preset, where they differ.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub presets: Vec<(&'static str, String)>,
    /// Where the policy asked about sets it: the place, and the value there. The first is the nearest.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub set_at: Vec<(String, String)>,
}

/// Explains a key, a section or a code; `policy` adds where a policy file sets the key. Errors: what was probably meant.
pub fn explain(what: &str, policy: Option<(&Text, &Library)>) -> Result<Explanation, String> {
    if let Some(code) = Code::parse(what) {
        return Ok(Explanation::Code { code: code.as_str(), title: code.title(), about: code.about() });
    }
    // As pasted from a file's surface, or from the settings.
    let key = what.trim_matches(['[', ']']);
    let key = key.strip_prefix("policy.").unwrap_or(key);
    let key = match key.strip_prefix("surface.").and_then(|rest| rest.split_once('.')) {
        Some((_, below)) => below,
        None => key,
    };
    if let Some((list, about)) = FILE_LISTS_ABOUT.into_iter().find(|(list, _)| key.split(['.', '[']).next() == Some(list)) {
        return Ok(Explanation::List { list, about, takes: taken_by(list) });
    }
    let list = LISTS.iter().find(|form| key.strip_prefix(form.list).is_some_and(|rest| rest.starts_with(['.', '['])));
    let key = list.map_or(key, |form| form.list);
    if let Some(knob) = knob(key) {
        return Ok(Explanation::Key(form(knob, policy)));
    }
    let below: Vec<KeyForm> = KNOBS
        .iter()
        .filter(|knob| knob.key.strip_prefix(key).is_some_and(|rest| rest.starts_with('.')))
        .map(|knob| form(knob, policy))
        .collect();
    if !below.is_empty() {
        return Ok(Explanation::Section { section: key.to_owned(), about: about(key).unwrap_or_default(), keys: below });
    }
    Err(unknown(what, key))
}

/// Every knob, and every list that a file has besides.
pub fn all() -> Vec<KeyForm> {
    let lists = FILE_LISTS_ABOUT.iter().map(|(list, about)| KeyForm {
        key: list,
        about,
        takes: taken_by(list),
        default: "[]".to_owned(),
        typical: "",
        trades: "",
        presets: Vec::new(),
        set_at: Vec::new(),
    });
    KNOBS.iter().map(|knob| form(knob, None)).chain(lists).collect()
}

/// What the entries of a list of the file are made of.
fn taken_by(list: &str) -> String {
    let forms = LISTS.iter().filter(|form| form.list == list || form.list.starts_with(&format!("{list}."))).map(one_form);
    format!("a list of tables: {}", forms.collect::<Vec<_>>().join("; each of its arms "))
}

fn unknown(what: &str, key: &str) -> String {
    let last = |key: &'static str| key.rsplit('.').next().unwrap_or(key);
    let named: Vec<&str> = KNOBS.iter().map(|knob| knob.key).filter(|known| last(known) == key).collect();
    let meant = match named[..] {
        [] => {
            let keys = || KNOBS.iter().map(|knob| knob.key);
            let by_last = || closest(key, keys().map(last)).and_then(|name| keys().find(|known| last(known) == name));
            let whole = || closest(key, keys());
            let meant = if key.contains('.') { whole().or_else(by_last) } else { by_last().or_else(whole) };
            meant.map(|meant| format!("; did you mean `{meant}`?"))
        }
        _ => Some(format!("; there is {}", named.join(" and "))),
    };
    let rest = meant.unwrap_or_else(|| ": neither a key nor a code; `polyphony policy explain` lists every key".to_owned());
    format!("nothing is known of `{what}`{rest}")
}

fn form(knob: &'static Knob, policy: Option<(&Text, &Library)>) -> KeyForm {
    let defaults = tree_of(&Policy::default(), &Guardrails::default());
    let default = written(&defaults, knob.key);
    let value = |set: PolicySet| written(&tree_of(&set.shared, &set.guardrails), knob.key);
    let presets: Vec<(&str, String)> =
        PRESETS.iter().filter_map(|(name, _)| Some((*name, value(load_from(name).ok()?)))).filter(|(_, value)| !value.is_empty()).collect();
    let differ = presets.iter().any(|(_, value)| *value != default);
    KeyForm {
        key: knob.key,
        about: about(knob.key).unwrap_or_default(),
        takes: takes(knob),
        default,
        typical: knob.typical,
        trades: knob.trades,
        presets: if differ && !["id", "version"].contains(&knob.key) { presets } else { Vec::new() },
        set_at: policy.map(|(text, library)| set_at(knob.key, text, library)).unwrap_or_default(),
    }
}

fn tree_of(policy: &Policy, guardrails: &Guardrails) -> toml::Table {
    let mut tree = plain(policy);
    tree.insert("guardrails".into(), toml::Value::Table(plain(guardrails)));
    tree
}

/// The value at a dotted key as it would stand in a file.
fn written(tree: &toml::Table, key: &str) -> String {
    match key.split_once('.') {
        Some((section, rest)) => tree.get(section).and_then(toml::Value::as_table).map(|inner| written(inner, rest)).unwrap_or_default(),
        None => tree.get(key).map(ToString::to_string).unwrap_or_default(),
    }
}

fn takes(knob: &Knob) -> String {
    match knob.kind {
        Kind::Number(..) => format!("a number, {}", knob.kind),
        Kind::Whole(..) => format!("a whole number, {}", knob.kind),
        Kind::Duration(low, high) => format!("a duration, \"{low}\" to \"{high}\""),
        Kind::Choice(_) => knob.kind.to_string(),
        Kind::Id => format!("a name, {}", knob.kind),
        Kind::Range => format!("two numbers, {}", knob.kind),
        Kind::Flag => knob.kind.to_string(),
        Kind::Durations(..) | Kind::Texts(_) => format!("a list, {}", knob.kind),
        Kind::List(most) => {
            let forms = LISTS.iter().filter(|form| form.list == knob.key).map(one_form);
            format!("a list of at most {most} tables: {}", forms.collect::<Vec<_>>().join("; "))
        }
    }
}

fn one_form(form: &Form) -> String {
    let number = |field: &Field| match field.kind {
        FieldKind::Number(low, high) => format!(" ({} {low} to {high})", field.name),
        _ => String::new(),
    };
    let ranges: String = form.required.iter().map(number).collect();
    match form.tag {
        Some(tag) => format!("{tag} with {}{ranges}", fields(form)),
        None => format!("with {}{ranges}", fields(form)),
    }
}

/// Where a file and those it extends set the key, in the order in which they count.
fn set_at(key: &str, text: &Text, library: &Library) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for layer in stack::layers(text, library) {
        let mut here = Vec::new();
        for full in layer.spans.keys() {
            let in_surface = full.strip_prefix("surface.").and_then(|rest| rest.split_once('.')).is_some_and(|(_, below)| below == key);
            if (full == key || in_surface)
                && let Some(place) = layer.place(full)
            {
                let surface = full.strip_suffix(key).unwrap_or_default().trim_end_matches('.');
                let surface = if surface.is_empty() { String::new() } else { format!(" [{surface}]") };
                here.push((format!("{}:{}{surface}", place.file, place.line), written(&layer.tree, full)));
            }
        }
        here.sort_by_key(|(place, _)| place.contains('['));
        found.extend(here);
    }
    found
}

/// An explanation as lines to read.
pub fn human(explanation: &Explanation) -> String {
    match explanation {
        Explanation::Code { code, title, about } => format!("{code}: {title}\n\n  {}\n", wrapped(about, 2, 2)),
        Explanation::Key(key) => of_key(key),
        Explanation::List { list, about, takes } => {
            let takes = wrapped(takes, LABEL_COLUMNS, LABEL_COLUMNS);
            format!("[[{list}]]\n\n  {}\n\n  {:<9}{takes}\n", wrapped(about, 2, 2), "takes")
        }
        Explanation::Section { section, about, keys } => {
            let about = if about.is_empty() { String::new() } else { format!("\n  {}\n", paragraphs(about, 2)) };
            format!("[{section}]\n{about}\n{}", list(keys))
        }
    }
}

/// Every key on one line each, with its default.
pub fn overview(keys: &[KeyForm]) -> String {
    let width = keys.iter().map(|key| key.key.len()).max().unwrap_or(0);
    let line = |key: &KeyForm| {
        let default = if key.default.starts_with('[') && key.default.len() > 20 { "[…]" } else { &key.default };
        let short = in_short(key.key).unwrap_or_default();
        let room = COLUMNS - (width + 4 + DEFAULT_COLUMNS);
        let short: String =
            if short.chars().count() > room { short.chars().take(room - 1).chain(['…']).collect() } else { short.to_owned() };
        format!("  {:<width$}  {default:<DEFAULT_COLUMNS$}{short}\n", key.key)
    };
    keys.iter().map(line).collect()
}

/// Keys with their defaults and what they mean.
fn list(keys: &[KeyForm]) -> String {
    let width = keys.iter().map(|key| key.key.len()).max().unwrap_or(0);
    let line = |key: &KeyForm| {
        let default = if key.default.starts_with('[') && key.default.len() > 20 { "[…]" } else { &key.default };
        let used = width + 4 + DEFAULT_COLUMNS;
        format!("  {:<width$}  {default:<DEFAULT_COLUMNS$}{}\n", key.key, wrapped(in_short(key.key).unwrap_or_default(), used, used))
    };
    keys.iter().map(line).collect()
}

fn of_key(key: &KeyForm) -> String {
    let mut out = format!("{}\n\n  {}\n\n", key.key, paragraphs(key.about, 2));
    let presets = key.presets.iter().map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>().join(" · ");
    // Lists of tables are too long for a line; `policy diff` tells what differs.
    let is_long = presets.len() > 200;
    let facts = [
        ("takes", key.takes.as_str()),
        ("default", &key.default),
        ("typical", key.typical),
        ("trades", key.trades),
        ("presets", if is_long { "they differ: `polyphony policy diff balanced discovery`" } else { &presets }),
    ];
    for (label, text) in facts.iter().filter(|(_, text)| !text.is_empty()) {
        out += &format!("  {label:<9}{}\n", wrapped(text, LABEL_COLUMNS, LABEL_COLUMNS));
    }
    for (n, (place, value)) in key.set_at.iter().enumerate() {
        let label = if n == 0 { "set at" } else { "" };
        out += &format!("  {label:<9}{}\n", wrapped(&format!("{place}: {value}"), LABEL_COLUMNS, LABEL_COLUMNS));
    }
    out
}

/// The comment above every key and section of an annotated file. Keys of surfaces and of lists' tables are left out.
fn notes(text: &str) -> BTreeMap<String, String> {
    let mut notes = BTreeMap::new();
    let (mut section, mut comment) = (String::new(), Vec::new());
    for line in text.lines() {
        if let Some(words) = line.strip_prefix('#') {
            comment.push(words.strip_prefix(' ').unwrap_or(words).trim_end());
            continue;
        }
        let above = joined(&std::mem::take(&mut comment));
        if let Some(header) = line.strip_prefix('[') {
            section = header.split(']').next().unwrap_or_default().trim_start_matches('[').to_owned();
            let is_list = line.starts_with("[[");
            // Of several tables the text stands above the list, which is the comment before the first.
            if !is_list && !section.starts_with("surface") {
                notes.insert(section.clone(), above);
            } else if is_list {
                section = "[]".to_owned();
            }
        } else if let Some((key, _)) = line.split_once(" = ") {
            if section != "[]" && !section.starts_with("surface") {
                let dotted = if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") };
                notes.insert(dotted, above);
            }
        } else if above.starts_with("Hard rules on the slate") {
            notes.insert("constraint".to_owned(), above);
        }
    }
    notes
}

/// Lines of a comment as paragraphs; lines that are set in stay lines.
fn joined(lines: &[&str]) -> String {
    let mut out = String::new();
    let mut was_set_in = false;
    for line in lines {
        let is_set_in = line.is_empty() || line.starts_with("  ");
        if !out.is_empty() {
            out.push(if is_set_in || was_set_in { '\n' } else { ' ' });
        }
        out += line;
        was_set_in = is_set_in;
    }
    out
}

/// Paragraphs wrapped and set in by `indent`, the first line by what stands before it.
fn paragraphs(text: &str, indent: usize) -> String {
    let lines = text.split('\n').map(|line| {
        let own = line.len() - line.trim_start().len();
        let wrapped = wrapped(line.trim_start(), indent + own, indent + own);
        format!("{}{wrapped}", " ".repeat(own))
    });
    let text = lines.collect::<Vec<_>>().join(&format!("\n{}", " ".repeat(indent)));
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_knob_says_what_it_means_and_takes() {
        for knob in KNOBS {
            let about = about(knob.key).unwrap_or_else(|| panic!("{} is not annotated in balanced.toml", knob.key));
            // Sentences, or an example set in after them.
            assert!(
                about.ends_with(['.', ')']) || about.lines().last().is_some_and(|line| line.starts_with("  ")),
                "{}: {about}",
                knob.key
            );
            let Ok(Explanation::Key(form)) = explain(knob.key, None) else { panic!("{}", knob.key) };
            assert!(!form.default.is_empty() && !form.takes.is_empty(), "{form:?}");
            // The prose names the ends of the range, or the section says them for all its keys.
            let section = knob.key.rsplit_once('.').and_then(|(section, _)| super::about(section)).unwrap_or_default();
            let ends = match knob.kind {
                Kind::Number(low, high) if knob.key != "diversify.target.at_least" => vec![low.to_string(), high.to_string()],
                Kind::Whole(low, u32::MAX) => vec![low.to_string()],
                Kind::Whole(low, high) => vec![low.to_string(), high.to_string()],
                Kind::Duration(low, high) => vec![format!("\"{low}\""), format!("\"{high}\"")],
                Kind::Choice(names) => names.iter().map(|name| format!("\"{name}\"")).collect(),
                _ => Vec::new(),
            };
            for end in ends {
                assert!(about.contains(&end) || section.contains(&end), "{}: `{end}` is not in: {about}", knob.key);
            }
        }
    }

    #[test]
    fn what_is_pasted_is_understood() {
        let key = |what: &str| match explain(what, None) {
            Ok(Explanation::Key(form)) => form.key.to_owned(),
            Ok(Explanation::Section { section, .. }) => format!("[{section}]"),
            Ok(Explanation::Code { code, .. }) => code.to_owned(),
            Ok(Explanation::List { list, .. }) => format!("[[{list}]]"),
            Err(message) => message,
        };
        assert_eq!(key("policy.explore.share"), "explore.share");
        assert_eq!(key("surface.video.page_size"), "page_size");
        assert_eq!(key("[diversify.similarity]"), "[diversify.similarity]");
        assert_eq!(key("constraint[2].max"), "constraint");
        assert_eq!(key("experiment[0].arms"), "[[experiment]]");
        assert_eq!(key("p0402"), "P0402");
        assert_eq!(key("share"), "nothing is known of `share`; there is explore.share");
        assert_eq!(key("diversty"), "nothing is known of `diversty`; did you mean `diversify.diversity`?");
        assert!(key("zzz").ends_with("lists every key"));
    }

    #[test]
    fn comments_keep_their_lists() {
        assert_eq!(joined(&["One", "two.", "", "  - a", "  - b", "Three", "four."]), "One two.\n\n  - a\n  - b\nThree four.");
    }
}
