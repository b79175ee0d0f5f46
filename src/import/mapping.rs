//! `--map field=column`: where the fields of an item are in somebody else's table.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::draft::Draft;
use crate::wire::{
    item::FIELDS,
    read::{self, shown},
};

/// Field → column. Fields that are not named here are taken from the column of their own name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mapping(BTreeMap<&'static str, String>);

impl Mapping {
    /// Reads `field=column` pairs. Errors: a sentence for the person at the command line.
    pub fn new<T: AsRef<str>>(pairs: impl IntoIterator<Item = T>) -> Result<Self, String> {
        let mut columns = BTreeMap::new();
        for pair in pairs {
            let pair = pair.as_ref();
            let Some((field, column)) = pair.split_once('=').filter(|(_, column)| !column.is_empty()) else {
                return Err(format!("`{}` is not field=column; write e.g. --map title=headline", shown(pair)));
            };
            let Some(known) = FIELDS.iter().find(|known| **known == field) else {
                let hint = read::suggestion(field, &FIELDS)
                    .map_or_else(|| format!("expected {}", read::one_of(&FIELDS)), |name| format!("did you mean `{name}`?"));
                return Err(format!("`{}` is not a field of an item; {hint}", shown(field)));
            };
            if columns.insert(*known, column.to_owned()).is_some() {
                return Err(format!("`{known}` is mapped twice; expected one column for each field"));
            }
        }
        Ok(Self(columns))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The column that holds `field`.
    pub fn column<'a>(&'a self, field: &'a str) -> &'a str {
        self.0.get(field).map_or(field, String::as_str)
    }

    /// The mapped fields with their columns.
    pub fn pairs(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(field, column)| (*field, column.as_str()))
    }

    /// A row of a table as a draft: other columns are ignored, empty cells count as absent.
    pub fn draft(&self, row: &Map<String, Value>) -> Draft {
        let mut draft = Draft::default();
        for field in FIELDS {
            match row.get(self.column(field)) {
                None | Some(Value::Null) => {}
                Some(value) => adapt(&mut draft, field, value),
            }
        }
        draft
    }
}

fn adapt(draft: &mut Draft, field: &'static str, value: &Value) {
    match field {
        "topics" => topics(draft, value),
        "creator" if value.is_object() => draft.set(field, value.clone()),
        "embedding" | "attributes" => structured(draft, field, value),
        _ => {
            let Some(text) = first_text(value) else { return };
            match field {
                "id" if !text.trim().is_empty() => draft.set(field, Value::from(text.trim())),
                "id" => {}
                "title" | "description" => draft.text(field, &text),
                "url" | "image" => draft.url(field, &text),
                // A list of names in one cell: the first stands for the item.
                "creator" => draft.creator(text.split(',').next().unwrap_or_default(), None),
                "published_at" | "expires_at" => draft.date(field, &text),
                _ => draft.facet(field, &text),
            }
        }
    }
}

/// The text of a cell: a string, a number or a boolean; of a list its first text.
fn first_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Array(list) => list.iter().find_map(first_text),
        Value::Null | Value::Object(_) => None,
    }
}

/// A list, weights by name, JSON of either, or names separated by commas.
fn topics(draft: &mut Draft, value: &Value) {
    match value {
        Value::Array(list) => list.iter().for_each(|entry| match entry {
            Value::Object(_) => draft.topic_as_given(entry.clone()),
            _ => first_text(entry).iter().for_each(|text| draft.topic(text, 1.0)),
        }),
        Value::Object(_) => draft.set("topics", value.clone()),
        _ => {
            let Some(text) = first_text(value) else { return };
            match parsed(&text) {
                Some(inner) => topics(draft, &inner),
                None => text.split(',').for_each(|topic| draft.topic(topic, 1.0)),
            }
        }
    }
}

/// Numbers or an object, also as JSON in a text cell. An empty cell is absent.
fn structured(draft: &mut Draft, field: &str, value: &Value) {
    match value {
        Value::String(text) if text.trim().is_empty() => {}
        Value::String(text) => draft.set(field, parsed(text).unwrap_or_else(|| value.clone())),
        _ => draft.set(field, value.clone()),
    }
}

/// The JSON list or object a text cell holds. Only one level: a text inside stays a text.
fn parsed(text: &str) -> Option<Value> {
    text.trim_start().starts_with(['[', '{']).then(|| serde_json::from_str(text).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn item(mapping: &[&str], row: Value) -> crate::domain::Item {
        let Value::Object(row) = row else { panic!("a row is an object") };
        Mapping::new(mapping).unwrap().draft(&row).finish(2).0.unwrap()
    }

    #[test]
    fn wrong_maps_are_explained() {
        for (pairs, part) in [
            (vec!["title"], "is not field=column"),
            (vec!["title="], "is not field=column"),
            (vec!["titel=x"], "did you mean `title`?"),
            (vec!["qqq=x"], "expected one of id, title"),
            (vec!["title=a", "title=b"], "mapped twice"),
        ] {
            let message = Mapping::new(&pairs).unwrap_err();
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn fields_are_taken_from_other_columns() {
        let item = item(
            &["id=ID", "topics=topic", "creator=authors", "viewpoint=bias_text", "published_at=date", "description=excerpt"],
            json!({"ID": 12, "title": " Title ", "topic": "world, politics,", "authors": "Ann Lee, Bo Ek", "bias_text": "left", "date": "2016-09-20",
                   "excerpt": "", "word_count": 400, "source": ["One", "Two"], "split": {"random": "train"}}),
        );
        assert_eq!((item.id.as_str(), item.title.as_str(), item.description), ("12", "Title", None));
        let topics: Vec<&str> = item.topics.iter().map(|(t, _)| &**t).collect();
        assert_eq!((topics, item.creator.unwrap().id.to_string()), (vec!["politics", "world"], "Ann Lee".to_owned()));
        assert_eq!((item.viewpoint.as_deref(), item.source.as_deref()), (Some("left"), Some("One")));
        assert!(item.published_at.is_some());
    }

    #[test]
    fn json_in_a_text_cell_is_read() {
        let item =
            item(&["title=t"], json!({"id": "a", "t": "t", "topics": "{\"x\": 0.5}", "embedding": "[1, 0]", "attributes": "{\"k\": 1}"}));
        assert_eq!(item.topics.len(), 1);
        assert!(item.embedding.is_some() && item.attributes.as_deref() == Some("{\"k\":1}"));
    }

    proptest! {
        #[test]
        fn no_row_panics(cells in proptest::collection::vec((proptest::sample::select(FIELDS.to_vec()), ".{0,40}"), 0..15)) {
            let row: Map<String, Value> = cells.into_iter().map(|(k, v)| (k.to_owned(), Value::from(v))).collect();
            let _ = Mapping::default().draft(&row).finish(2);
        }
    }
}
