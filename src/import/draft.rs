//! An item in the making from somebody else's file: what does not fit is left out and counted, not refused.
//!
//! The draft is the wire form; [`Draft::finish`] gives it to the one reader of items, so that nothing gets past its checks.

use serde_json::{Map, Value, json};

use super::{dates, row::Notes};
use crate::{
    domain::{Item, Time, facet::MAX_TOPICS_PER_ITEM},
    wire::{
        item::{self, MAX_CREATOR_NAME_BYTES, MAX_DESCRIPTION_BYTES, MAX_TITLE_BYTES},
        read, time,
    },
};

/// Collects the fields of one item.
#[derive(Debug, Default)]
pub struct Draft {
    fields: Map<String, Value>,
    topics: Vec<Value>,
    pub notes: Notes,
}

impl Draft {
    /// A value that is checked as it is.
    pub fn set(&mut self, field: &str, value: Value) {
        self.fields.insert(field.to_owned(), value);
    }

    /// Title or description: cut at its limit.
    pub fn text(&mut self, field: &str, text: &str) {
        let max = if field == "title" { MAX_TITLE_BYTES } else { MAX_DESCRIPTION_BYTES };
        let text = text.trim();
        let kept = &text[..text.floor_char_boundary(max)];
        if kept.len() < text.len() {
            self.notes.add(if field == "title" { "title cut at 1000 bytes" } else { "description cut at 10000 bytes" });
        }
        if !kept.is_empty() {
            self.set(field, Value::from(kept));
        }
    }

    /// `url` or `image`.
    pub fn url(&mut self, field: &str, text: &str) {
        let text = text.trim();
        if text.is_empty() {
            return;
        }
        if text.len() <= read::MAX_URL_BYTES && read::is_web_address(text) {
            self.set(field, Value::from(text));
        } else {
            self.notes.add(if field == "url" { "url left out: not a web address" } else { "image left out: not a web address" });
        }
    }

    /// A single-valued facet.
    pub fn facet(&mut self, field: &str, text: &str) {
        if let Some(value) = self.facet_value(text) {
            self.set(field, Value::from(value));
        }
    }

    pub fn creator(&mut self, id: &str, name: Option<&str>) {
        let Some(id) = self.facet_value(id) else { return };
        let name = name.map(|name| &name[..name.floor_char_boundary(MAX_CREATOR_NAME_BYTES)]);
        self.set("creator", json!({"id": id, "name": name}));
    }

    /// `weight` in (0, 1].
    pub fn topic(&mut self, text: &str, weight: f32) {
        if let Some(topic) = self.facet_value(text) {
            self.topic_as_given(json!({"topic": topic, "weight": weight}));
        }
    }

    /// An entry of a list of topics that is checked as it is.
    pub fn topic_as_given(&mut self, entry: Value) {
        if self.topics.len() < MAX_TOPICS_PER_ITEM {
            self.topics.push(entry);
        } else if !self.topics.contains(&entry) {
            self.notes.add("topics left out: more than 32");
        }
    }

    /// `published_at` or `expires_at`.
    pub fn time(&mut self, field: &str, time: Time) {
        self.set(field, Value::from(time::render(time)));
    }

    /// As [`Draft::time`], from a text as [`dates::lenient`] reads it.
    pub fn date(&mut self, field: &str, text: &str) {
        if text.trim().is_empty() {
            return;
        }
        match dates::lenient(text) {
            Some(time) => self.time(field, time),
            None if field == "published_at" => self.notes.add("published_at left out: not a date between 1900 and 2049"),
            None => self.notes.add("expires_at left out: not a date between 1900 and 2049"),
        }
    }

    /// The checked item without an embedding of its own making, or everything that is wrong with it in one line.
    pub fn finish(mut self, dimension: usize) -> (Result<Item, String>, Notes) {
        if !self.topics.is_empty() {
            self.fields.insert("topics".to_owned(), Value::from(std::mem::take(&mut self.topics)));
        }
        (read_item(&Value::Object(self.fields), dimension), self.notes)
    }

    fn facet_value(&mut self, text: &str) -> Option<String> {
        let text = text.trim();
        if text.is_empty() {
            return None;
        }
        if read::facet_fault(text).is_some() {
            self.notes.add("facet value left out: over 128 bytes or with control characters");
            return None;
        }
        Some(text.to_owned())
    }
}

/// The wire form's reader, its faults in one line.
pub fn read_item(value: &Value, dimension: usize) -> Result<Item, String> {
    item::read_as_given(value, dimension).map_err(|faults| faults.iter().map(ToString::to_string).collect::<Vec<_>>().join(" · "))
}

/// A name as an id: lower-case letters and digits of any script, all else one `-`. Empty when nothing is left.
pub fn slug(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars().flat_map(char::to_lowercase) {
        if c.is_alphanumeric() {
            out.push(c);
        } else if !out.is_empty() && !out.ends_with('-') {
            out.push('-');
        }
    }
    out.truncate(out.trim_end_matches('-').len());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_ids() {
        for (name, id) in
            [("John Lasseter", "john-lasseter"), ("  Jean-Pierre  Jeunet! ", "jean-pierre-jeunet"), ("Éric Žďár", "éric-žďár"), ("…", "")]
        {
            assert_eq!(slug(name), id);
        }
    }

    #[test]
    fn what_does_not_fit_is_left_out_and_counted() {
        let mut draft = Draft::default();
        draft.set("id", json!("a"));
        draft.text("title", &"é".repeat(600));
        draft.url("url", "not an address");
        draft.facet("source", &"x".repeat(200));
        draft.facet("language", " en ");
        draft.date("published_at", "12/31/20");
        (0..40).for_each(|n| draft.topic(&format!("t{n}"), 1.0));
        let (item, notes) = draft.finish(2);
        let item = item.unwrap();
        assert_eq!((item.title.len(), item.topics.len(), item.language.as_deref()), (1_000, 32, Some("en")));
        assert_eq!((item.url, item.source, item.published_at), (None, None, None));
        assert_eq!(notes.iter().map(|(_, n)| n).sum::<u64>(), 1 + 1 + 1 + 1 + 8);
    }
}
