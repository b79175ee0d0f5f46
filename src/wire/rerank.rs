//! The JSON form of the candidates of `POST /v1/rerank`: an item's fields, all but `id` optional, and `relevance`.

use std::collections::HashMap;

use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{
    Fault, Faults, item,
    item::{CreatorInput, TopicsInput},
    read,
};
use crate::domain::{Embedding, Item, ItemId};

/// Most candidates in one call.
pub const MAX_CANDIDATES: usize = 1_000;

/// One candidate: an id, the caller's relevance, and whatever is known for diversity. Any field of an item is taken.
#[derive(ToSchema)]
#[schema(as = RerankCandidate, example = json!({"id": "a", "relevance": 0.9, "topics": ["science"], "creator": "ana"}))]
#[allow(dead_code, reason = "documents the form; it is read by hand so that all faults are named at once")]
pub struct RerankCandidateForm {
    /// 1 to 128 bytes, unique in the call.
    id: String,
    /// 0 to 1.
    #[schema(minimum = 0, maximum = 1)]
    relevance: f32,
    #[schema(min_length = 1, max_length = 1000)]
    title: Option<String>,
    #[schema(max_length = 10000)]
    description: Option<String>,
    /// `http` or `https`.
    url: Option<String>,
    /// `http` or `https`.
    image: Option<String>,
    topics: Option<TopicsInput>,
    creator: Option<CreatorInput>,
    source: Option<String>,
    viewpoint: Option<String>,
    language: Option<String>,
    format: Option<String>,
    /// RFC 3339.
    published_at: Option<String>,
    /// RFC 3339.
    expires_at: Option<String>,
    /// As many numbers as `catalogue.dimension`.
    embedding: Option<Vec<f32>>,
    /// Free-form, at most 16 KiB of JSON.
    #[schema(value_type = Option<Object>)]
    attributes: Option<Value>,
}

/// Reads the `candidates` array at pointer `/candidates`; notes all faults, duplicate ids too.
pub fn read_candidates(value: Value, dimension: usize, faults: &mut Faults) -> Vec<(Item, f32)> {
    let Value::Array(values) = value else {
        faults.add("/candidates", format!("is {}; expected an array of 1 to {MAX_CANDIDATES} candidates", read::kind(&value)));
        return Vec::new();
    };
    if values.is_empty() || values.len() > MAX_CANDIDATES {
        faults.add("/candidates", format!("has {} entries; expected 1 to {MAX_CANDIDATES}", values.len()));
        return Vec::new();
    }
    let mut first_at: HashMap<ItemId, usize> = HashMap::new();
    let mut candidates = Vec::with_capacity(values.len());
    for (index, value) in values.into_iter().enumerate() {
        let at = format!("/candidates/{index}");
        let Value::Object(map) = value else {
            faults.add(at, format!("is {}; expected an object", read::kind(&value)));
            continue;
        };
        let Some((item, relevance)) = candidate(map, dimension, &at, faults) else { continue };
        if let Some(first) = first_at.insert(item.id.clone(), index) {
            faults.add(format!("{at}/id"), format!("stands already at /candidates/{first}/id; ids must be unique"));
        }
        candidates.push((item, relevance));
    }
    candidates
}

fn candidate(mut map: Map<String, Value>, dimension: usize, at: &str, faults: &mut Faults) -> Option<(Item, f32)> {
    let relevance =
        read::required(&map, "relevance", "a number from 0 to 1", at, faults).and_then(|v| unit(v, &read::below(at, "relevance"), faults));
    map.remove("relevance");
    let titled = read::optional(&map, "title").is_some();
    if !titled {
        // Only catalogue items need a title; this one is taken away again below.
        map.insert("title".into(), Value::from("-"));
    }
    let mut item = match item::read_as_given(&Value::Object(map), dimension) {
        Ok(item) => item,
        Err(found) => {
            for fault in found {
                let Fault { pointer, detail } = fault.under(at);
                faults.add(pointer, detail);
            }
            return None;
        }
    };
    if !titled {
        item.title.clear();
    } else if item.embedding.is_none() {
        // Words stand in for a missing embedding; an id alone says nothing about content.
        item.embedding = Some(Embedding::of_text(&item.text(), dimension));
    }
    Some((item, relevance?))
}

/// A number from 0 to 1.
pub fn unit(value: &Value, at: &str, faults: &mut Faults) -> Option<f32> {
    read::ranged(value, 0.0, 1.0, at, faults)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read_all(value: Value) -> Result<Vec<(Item, f32)>, Vec<String>> {
        let mut faults = Faults::default();
        let candidates = read_candidates(value, 4, &mut faults);
        let faults = faults.into_result().map_err(|all| all.into_iter().map(|f| format!("{} {}", f.pointer, f.detail)).collect());
        faults.map(|()| candidates)
    }

    #[test]
    fn only_id_and_relevance_are_needed() {
        let read = read_all(json!([{"id": "a", "relevance": 1}, {"id": "b", "relevance": 0.5, "title": "Rain", "topics": ["weather"]}]));
        let candidates = read.expect("sound");
        assert_eq!((candidates[0].0.title.as_str(), candidates[0].0.embedding.is_some()), ("", false));
        assert_eq!((candidates[1].0.topics.len(), candidates[1].0.embedding.is_some()), (1, true));
    }

    #[test]
    fn all_faults_of_all_candidates_are_named() {
        let faults = read_all(json!([
            {"id": "a", "relevance": 2},
            {"id": "a", "relevance": 0.1},
            {"id": "a", "relevance": 0.1, "embedding": [1]},
            {"id": "a", "relevance": 0.1, "topcis": []},
            {"id": "b"},
            7
        ]));
        let faults = faults.expect_err("faulty");
        for start in [
            "/candidates/0/relevance is 2",
            "/candidates/2/embedding has 1 numbers",
            "/candidates/3/topcis",
            "/candidates/4/relevance is missing",
            "/candidates/5 is a number",
        ] {
            assert!(faults.iter().any(|f| f.starts_with(start)), "{start}: {faults:#?}");
        }
        let duplicate = read_all(json!([{"id": "a", "relevance": 0}, {"id": "a", "relevance": 0.1}])).expect_err("duplicate");
        assert_eq!(duplicate, ["/candidates/1/id stands already at /candidates/0/id; ids must be unique"]);
        for (wrong, start) in [
            (json!([]), "/candidates has 0 entries"),
            (json!({}), "/candidates is an object"),
            (json!(vec![0; 1_001]), "/candidates has 1001"),
        ] {
            assert!(read_all(wrong).expect_err("faulty")[0].starts_with(start));
        }
    }
}
