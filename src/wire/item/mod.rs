//! The one JSON form of an item: read with all its faults at once, written as [`ItemForm`].
//!
//! ```json
//! { "id": "itm_8c1f", "title": "Rover finds water ice", "url": "https://example.org/rover",
//!   "creator": { "id": "crt_12", "name": "Ana Reyes" }, "topics": { "science": 1, "space": 0.6 },
//!   "source": "Harbour Post", "language": "en", "format": "article", "published_at": "2026-10-09T08:15:00Z" }
//! ```

mod form;
mod sponsored;

use std::{collections::BTreeMap, sync::Arc};

pub use form::{
    CreatorForm, CreatorInput, ItemForm, ItemInput, SponsoredForm, SponsoredInput, TargetingForm, TargetingInput, TopicEntry, TopicForm,
    TopicInput, TopicsInput,
};
use serde_json::{Map, Value};

use super::{
    Fault, Faults,
    read::{self, below},
};
use crate::domain::{Creator, Embedding, FacetValue, Item, ItemId, embedding::EmbeddingError, facet::MAX_TOPICS_PER_ITEM};

/// Longest title in bytes of UTF-8.
pub const MAX_TITLE_BYTES: usize = 1_000;
/// Longest description in bytes of UTF-8.
pub const MAX_DESCRIPTION_BYTES: usize = 10_000;
/// Longest display name of a creator in bytes of UTF-8.
pub const MAX_CREATOR_NAME_BYTES: usize = 256;
/// Longest `attributes` in bytes of compact JSON.
pub const MAX_ATTRIBUTES_BYTES: usize = 16 * 1_024;

/// Every key of an item, in the order of the documentation.
pub const FIELDS: [&str; 16] = [
    "id",
    "title",
    "description",
    "url",
    "image",
    "creator",
    "topics",
    "source",
    "viewpoint",
    "language",
    "format",
    "published_at",
    "expires_at",
    "embedding",
    "attributes",
    "sponsored",
];
const CREATOR_FIELDS: [&str; 2] = ["id", "name"];
const TOPIC_FIELDS: [&str; 2] = ["topic", "weight"];

/// Reads an item; one that brings no embedding gets [`Embedding::of_text`] of [`Item::text`].
///
/// `dimension` is `catalogue.dimension`, ≥ 1. Errors: every fault of the value, in field order, unknown keys last; the
/// pointers start below the item.
pub fn read(value: &Value, dimension: usize) -> Result<Item, Vec<Fault>> {
    let mut item = read_as_given(value, dimension)?;
    if item.embedding.is_none() {
        item.embedding = Some(Embedding::of_text(&item.text(), dimension));
    }
    Ok(item)
}

/// As [`read()`], but an item that brings no embedding keeps none: for callers that take it from elsewhere.
pub fn read_as_given(value: &Value, dimension: usize) -> Result<Item, Vec<Fault>> {
    let mut faults = Faults::default();
    let item = read_fields(value, dimension, &mut faults);
    match (item, faults.into_result()) {
        (Some(item), Ok(())) => Ok(item),
        (_, Err(faults)) => Err(faults),
        (None, Ok(())) => Err(vec![Fault::new("", "is not an item")]),
    }
}

fn read_fields(value: &Value, dimension: usize, faults: &mut Faults) -> Option<Item> {
    let map = read::object(value, "", faults)?;
    let id = read::required(map, "id", "1 to 128 bytes", "", faults).and_then(|v| item_id(v, "/id", faults));
    let title =
        read::required(map, "title", "1 to 1000 bytes", "", faults).and_then(|v| read::text(v, 1, MAX_TITLE_BYTES, "/title", faults));
    let description = read::optional(map, "description")
        .and_then(|v| read::text(v, 0, MAX_DESCRIPTION_BYTES, "/description", faults))
        .filter(|text| !text.is_empty());
    let url = read::optional(map, "url").and_then(|v| read::url(v, "/url", faults));
    let image = read::optional(map, "image").and_then(|v| read::url(v, "/image", faults));
    let creator = read::optional(map, "creator").and_then(|v| creator(v, faults));
    let topics = read::optional(map, "topics").and_then(|v| topics(v, faults)).unwrap_or_default();
    let mut facet = |key: &str| read::optional(map, key).and_then(|v| read::facet_value(v, &below("", key), faults));
    let (source, viewpoint, language, format) = (facet("source"), facet("viewpoint"), facet("language"), facet("format"));
    let mut time = |key: &str| read::optional(map, key).and_then(|v| read::time(v, &below("", key), faults));
    let (published_at, expires_at) = (time("published_at"), time("expires_at"));
    let embedding = read::optional(map, "embedding").and_then(|v| embedding(v, dimension, faults));
    let attributes = read::optional(map, "attributes").and_then(|v| attributes(v, faults));
    let sponsored = read::optional(map, "sponsored").and_then(|v| sponsored::read(v, faults));
    read::unknown_keys(map, &FIELDS, "an item", "", faults);
    Some(Item {
        id: id?,
        title: title?.to_owned(),
        description: description.map(str::to_owned),
        url: url.map(str::to_owned),
        image: image.map(str::to_owned),
        creator,
        topics,
        source,
        viewpoint,
        language,
        format,
        published_at,
        expires_at,
        embedding,
        attributes,
        sponsored,
    })
}

fn item_id(value: &Value, at: &str, faults: &mut Faults) -> Option<ItemId> {
    ItemId::new(read::string(value, at, faults)?).map_err(|e| faults.add(at, e.to_string())).ok()
}

/// `"crt_12"` or `{"id": "crt_12", "name": "Ana"}`.
fn creator(value: &Value, faults: &mut Faults) -> Option<Creator> {
    let map = match value {
        Value::String(id) => return Some(Creator { id: read::facet_text(id, "/creator", faults)?, name: None }),
        Value::Object(map) => map,
        other => {
            faults.add("/creator", format!("is {}; expected an id or {{\"id\", \"name\"}}", read::kind(other)));
            return None;
        }
    };
    read::unknown_keys(map, &CREATOR_FIELDS, "a creator", "/creator", faults);
    let id = read::required(map, "id", "1 to 128 bytes", "/creator", faults).and_then(|v| read::facet_value(v, "/creator/id", faults));
    let name = read::optional(map, "name").and_then(|v| read::text(v, 1, MAX_CREATOR_NAME_BYTES, "/creator/name", faults));
    Some(Creator { id: id?, name: name.map(str::to_owned) })
}

/// Names, weights by name, or a list of both kinds of entries; sorted, the greater weight of duplicates kept.
fn topics(value: &Value, faults: &mut Faults) -> Option<Vec<(FacetValue, f32)>> {
    let size = match value {
        Value::Array(list) => list.len(),
        Value::Object(map) => map.len(),
        other => {
            let found = read::kind(other);
            faults.add("/topics", format!("is {found}; expected [\"science\"], {{\"science\": 0.8}} or [{{\"topic\", \"weight\"}}]"));
            return None;
        }
    };
    if size > MAX_TOPICS_PER_ITEM {
        faults.add("/topics", format!("has {size} topics; expected at most {MAX_TOPICS_PER_ITEM}"));
        return None;
    }
    let mut merged: BTreeMap<FacetValue, f32> = BTreeMap::new();
    let mut keep = |entry: Option<(FacetValue, f32)>| {
        if let Some((topic, weight)) = entry {
            let kept = merged.entry(topic).or_insert(weight);
            *kept = kept.max(weight);
        }
    };
    match value {
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(n, v)| keep(topic_entry(v, &format!("/topics/{n}"), faults)));
        }
        Value::Object(map) => map.iter().for_each(|(topic, weight)| {
            let at = below("/topics", topic);
            let (topic, weight) = (read::facet_text(topic, &at, faults), read::weight(weight, &at, faults));
            keep(topic.zip(weight));
        }),
        _ => {}
    }
    Some(merged.into_iter().collect())
}

fn topic_entry(value: &Value, at: &str, faults: &mut Faults) -> Option<(FacetValue, f32)> {
    let map = match value {
        Value::String(topic) => return Some((read::facet_text(topic, at, faults)?, 1.0)),
        Value::Object(map) => map,
        other => {
            faults.add(at, format!("is {}; expected a topic or {{\"topic\", \"weight\"}}", read::kind(other)));
            return None;
        }
    };
    read::unknown_keys(map, &TOPIC_FIELDS, "a topic", at, faults);
    let topic = read::required(map, "topic", "1 to 128 bytes", at, faults).and_then(|v| read::facet_value(v, &below(at, "topic"), faults));
    let weight = match read::optional(map, "weight") {
        Some(weight) => read::weight(weight, &below(at, "weight"), faults),
        None => Some(1.0),
    };
    topic.zip(weight)
}

fn embedding(value: &Value, dimension: usize, faults: &mut Faults) -> Option<Embedding> {
    let Value::Array(list) = value else {
        faults.add("/embedding", format!("is {}; expected an array of {dimension} numbers", read::kind(value)));
        return None;
    };
    // An array of another length is refused before its numbers are looked at.
    if list.len() != dimension {
        faults.add("/embedding", EmbeddingError::Dimension { found: list.len(), expected: dimension }.to_string());
        return None;
    }
    let mut numbers = Vec::with_capacity(dimension);
    for (n, value) in list.iter().enumerate() {
        match value.as_f64() {
            Some(number) if read::is_single(number) => numbers.push(number as f32),
            // The pointer is only worth writing for a number that is wrong.
            _ => _ = read::number(value, &format!("/embedding/{n}"), faults),
        }
    }
    if numbers.len() != dimension {
        return None;
    }
    Embedding::from_model(&numbers, dimension).map_err(|e| faults.add("/embedding", e.to_string())).ok()
}

fn attributes(value: &Value, faults: &mut Faults) -> Option<Arc<str>> {
    let map: &Map<String, Value> = read::object(value, "/attributes", faults)?;
    let text = Value::Object(map.clone()).to_string();
    if text.len() > MAX_ATTRIBUTES_BYTES {
        let found = text.len();
        faults.add("/attributes", format!("is {found} bytes of JSON; expected at most {MAX_ATTRIBUTES_BYTES}"));
        return None;
    }
    Some(Arc::from(text))
}

#[cfg(test)]
mod tests;
