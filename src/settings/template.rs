//! The shape of the settings, read off the defaults: which keys exist, and what kind of value each takes.
//!
//! Each value of each layer is tried alone against the defaults, so one wrong value hides no other.

use toml::{Table, Value};

use super::{Settings, check::about, surfaces::is_surface_name};
use crate::domain::{Span, suggest::closest};

/// Keys whose values are never repeated in a message.
const SECRET_KEYS: [&str; 8] = [
    "auth.server_keys",
    "auth.admin_keys",
    "auth.jwt_secret",
    "auth.cursor_secret",
    "catalogue.search.qdrant.api_key",
    "privacy.master_keys",
    "privacy.keys.redis.url",
    "store.redis.url",
];
/// Longest value repeated in a message, in characters.
const SHOWN_VALUE_MAX_CHARS: usize = 60;

/// Whether a settings file gives one of [`SECRET_KEYS`] a value. A file that is not TOML gives none.
pub(super) fn names_secrets(text: &str) -> bool {
    let Ok(table) = toml::from_str::<Table>(text) else { return false };
    SECRET_KEYS.iter().any(|key| {
        let mut parts = key.split('.');
        let first = parts.next().and_then(|part| table.get(part));
        match parts.fold(first, |value, part| value.and_then(|value| value.get(part))) {
            Some(Value::String(text)) => !text.is_empty(),
            Some(Value::Array(items)) => !items.is_empty(),
            _ => false,
        }
    })
}

/// What stands at a path of the defaults.
pub(super) enum Shape<'a> {
    Section,
    Leaf(&'a Value),
    /// Says why, and what was probably meant.
    Unknown(String),
}

pub(super) struct Template(Table);

impl Template {
    pub(super) fn new() -> Result<Self, String> {
        Table::try_from(Settings::default()).map(Self).map_err(|error| error.to_string())
    }

    pub(super) fn into_table(self) -> Table {
        self.0
    }

    pub(super) fn shape(&self, path: &[String]) -> Shape<'_> {
        if let [section, name, ..] = path
            && section == "surface"
            && !is_surface_name(name)
        {
            return Shape::Unknown(format!("`surface.{name}`: a surface's name is 1 to 64 of a-z, 0-9 and _"));
        }
        let mut table = &self.0;
        let canonical = canonical(path);
        for (depth, key) in canonical.iter().enumerate() {
            match table.get(*key) {
                None => return Shape::Unknown(self.unknown(path, &canonical[..depth], key, table)),
                Some(Value::Table(_)) if canonical[..=depth] == ["surface"] => return Shape::Section,
                Some(Value::Table(inner)) => table = inner,
                Some(leaf) if depth + 1 == canonical.len() => return Shape::Leaf(leaf),
                Some(_) => {
                    let leaf = canonical[..=depth].join(".");
                    return Shape::Unknown(format!("`{}` is not a setting: `{leaf}` is a value, not a section", path.join(".")));
                }
            }
        }
        Shape::Section
    }

    fn unknown(&self, path: &[String], section: &[&str], key: &str, siblings: &Table) -> String {
        let mut message = format!("`{}` is not a setting", path.join("."));
        if let Some(meant) = closest(key, siblings.keys().map(String::as_str)) {
            message += &format!(". Did you mean `{meant}`?");
        } else if let Some(elsewhere) = self.elsewhere(key) {
            message += &format!(". Did you mean `{elsewhere}`?");
        } else if section.is_empty() {
            message += &format!("; expected one of the sections {}", listed(siblings));
        } else {
            // `section` is in terms of `policy`; the caller may have written a surface.
            let at = path.len().min(section.len() + usize::from(path[0] == "surface"));
            message += &format!("; `{}` has {}", path[..at].join("."), listed(siblings));
        }
        message
    }

    /// The full path of a key of that name in another section: the one with the fewest parts.
    fn elsewhere(&self, key: &str) -> Option<String> {
        fn find<'a>(table: &'a Table, key: &str, path: &mut Vec<&'a str>, best: &mut Option<Vec<&'a str>>) {
            for (name, value) in table {
                path.push(name);
                if name == key && best.as_ref().is_none_or(|best| path.len() < best.len()) {
                    *best = Some(path.clone());
                }
                if let Some(inner) = value.as_table() {
                    find(inner, key, path, best);
                }
                path.pop();
            }
        }
        let mut best = None;
        find(&self.0, key, &mut Vec::new(), &mut best);
        best.map(|path| path.join("."))
    }

    /// Reads a value given as text (environment, flag) as the kind its key takes.
    pub(super) fn read_text(&self, path: &[String], leaf: &Value, text: &str) -> Result<Value, String> {
        let read = match leaf {
            Value::String(_) => Some(Value::String(text.to_owned())),
            Value::Integer(_) => text.parse().ok().map(Value::Integer),
            Value::Float(_) => text.parse().ok().map(Value::Float),
            Value::Boolean(_) => text.parse().ok().map(Value::Boolean),
            Value::Array(_) if text.trim_start().starts_with('[') => {
                toml::from_str::<Table>(&format!("list = {text}")).ok().and_then(|mut table| table.remove("list"))
            }
            Value::Array(items) => read_list(items, text),
            Value::Table(_) | Value::Datetime(_) => None,
        };
        read.ok_or_else(|| format!("`{}` is {}; expected {}", path.join("."), shown(path, &Value::String(text.to_owned())), expected(leaf)))
    }

    /// Tries `value` alone: everything else as by default. Errors: the key (perhaps below `path`) and the message.
    pub(super) fn try_value(&self, path: &[String], leaf: &Value, value: &Value) -> Result<(), (String, String)> {
        let dotted = path.join(".");
        let same_kind = leaf.same_type(value) || (leaf.is_float() && value.is_integer());
        if !same_kind {
            return Err((dotted.clone(), format!("`{dotted}` is {}; expected {}", shown(path, value), expected(leaf))));
        }
        let canonical = canonical(path);
        let mut trial = self.0.clone();
        put(&mut trial, &canonical, value.clone());
        let Err(error) = serde_path_to_error::deserialize::<_, Settings>(Value::Table(trial)) else { return Ok(()) };
        if is_secret(path) {
            return Err((dotted.clone(), format!("`{dotted}` cannot be read; expected a list of texts in quotes")));
        }
        let faulty = error.path().to_string();
        let key = match faulty.strip_prefix(&canonical.join(".")) {
            Some(below) => format!("{dotted}{below}"),
            None => dotted,
        };
        let message = error.inner().message().trim().to_owned();
        Err((key.clone(), worded(&key, &message, value)))
    }
}

/// `surface.<name>.x` has the shape of `policy.x`.
fn canonical(path: &[String]) -> Vec<&str> {
    match path {
        [section, _, rest @ ..] if section == "surface" => ["policy"].into_iter().chain(rest.iter().map(String::as_str)).collect(),
        _ => path.iter().map(String::as_str).collect(),
    }
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

fn read_list(items: &[Value], text: &str) -> Option<Value> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    match items.first() {
        Some(Value::Float(_)) => parts.map(|part| part.parse().ok().map(Value::Float)).collect::<Option<_>>().map(Value::Array),
        Some(Value::Table(_)) => None,
        _ => Some(Value::Array(parts.map(|part| Value::String(part.to_owned())).collect())),
    }
}

fn is_secret(path: &[String]) -> bool {
    SECRET_KEYS.contains(&path.join(".").as_str())
}

fn shown(path: &[String], value: &Value) -> String {
    if is_secret(path) {
        return "a value that is not shown".to_owned();
    }
    let text = value.to_string();
    if text.chars().count() <= SHOWN_VALUE_MAX_CHARS {
        return text;
    }
    text.chars().take(SHOWN_VALUE_MAX_CHARS).chain(['…']).collect()
}

fn expected(leaf: &Value) -> &'static str {
    match leaf {
        Value::String(text) if Span::parse(text).is_ok() => "a duration in quotes, e.g. \"250ms\", \"90s\", \"5m\", \"36h\", \"14d\"",
        Value::String(_) => "a text in quotes",
        Value::Integer(_) => "a whole number",
        Value::Float(_) => "a number",
        Value::Boolean(_) => "true or false",
        Value::Array(items) if items.first().is_some_and(Value::is_table) => "a list of tables, e.g. [[policy.constraint]] entries",
        Value::Array(_) => "a list, e.g. [\"a\", \"b\"]",
        Value::Table(_) => "a section",
        Value::Datetime(_) => "a date",
    }
}

/// The deserialiser's message in the words of the other messages.
fn worded(key: &str, message: &str, value: &Value) -> String {
    if let Some(rest) = message.strip_prefix("unknown variant ") {
        return format!("`{key}` is {}", rest.replacen(", expected ", "; expected ", 1));
    }
    if message.starts_with("invalid value: integer") {
        return format!("`{key}` is {value}; expected a whole number in range, 0 or more");
    }
    let mut message = message.to_owned();
    for (wanted, words) in [("expected f32", "expected a number"), ("expected u32", "expected a whole number, 0 or more")] {
        message = message.replace(wanted, words);
    }
    about(key, &message)
}

fn listed(table: &Table) -> String {
    table.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(dotted: &str) -> Vec<String> {
        dotted.split('.').map(str::to_owned).collect()
    }

    fn unknown(dotted: &str) -> String {
        let template = Template::new().unwrap();
        match template.shape(&path(dotted)) {
            Shape::Unknown(message) => message,
            _ => panic!("{dotted} is known"),
        }
    }

    #[test]
    fn the_defaults_survive_being_a_tree() {
        let tree = Template::new().unwrap().into_table();
        assert_eq!(tree.try_into::<Settings>().unwrap(), Settings::default());
    }

    #[test]
    fn slips_are_recognised() {
        assert!(unknown("policy.diversify.diversty").ends_with("Did you mean `diversity`?"));
        assert!(unknown("surface.video.diversify.diversty").ends_with("Did you mean `diversity`?"));
        assert!(unknown("redis").ends_with("Did you mean `store.redis`?"));
        assert!(unknown("catalogue.zzz").ends_with("`catalogue` has dimension, search"));
        assert!(unknown("zzz").contains("expected one of the sections auth, catalogue"));
    }

    #[test]
    fn text_is_read_as_the_kind_of_its_key() {
        let template = Template::new().unwrap();
        let read = |dotted: &str, text: &str| {
            let path = path(dotted);
            let Shape::Leaf(leaf) = template.shape(&path) else { panic!("{dotted} is no leaf") };
            template.read_text(&path, leaf, text)
        };
        assert_eq!(read("server.workers", "4"), Ok(Value::Integer(4)));
        assert_eq!(read("policy.diversify.diversity", "1"), Ok(Value::Float(1.0)));
        assert_eq!(read("store.redis.key_prefix", "12"), Ok(Value::String("12".into())));
        assert_eq!(read("auth.server_keys", "a, b,"), Ok(Value::Array(vec!["a".into(), "b".into()])));
        assert_eq!(read("policy.user_control.diversity_range", "0.1,0.8"), Ok(Value::Array(vec![0.1.into(), 0.8.into()])));
        assert!(read("policy.constraint", "[{ kind = \"min_gap\", facet = \"topic\", gap = 2 }]").is_ok());
        assert!(read("policy.constraint", "min_gap").is_err());
        assert!(read("journal.enabled", "yes").is_err());
    }
}
