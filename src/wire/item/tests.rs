//! What is read, what is refused and how it is said; rendering reads back.

use half::f16;
use proptest::{collection::vec, option, prelude::*};
use serde_json::json;

use super::*;
use crate::domain::{EmbeddingSpace, Time};

const DIMENSION: usize = 4;

fn faults(value: Value) -> Vec<(String, String)> {
    let list = read(&value, DIMENSION).expect_err("faults");
    list.into_iter().map(|f| (f.pointer, f.detail)).collect()
}

fn topics_of(value: Value) -> Vec<(String, f32)> {
    let item = read(&json!({"id": "a", "title": "t", "topics": value}), DIMENSION).expect("an item");
    item.topics.iter().map(|(t, w)| (t.to_string(), *w)).collect()
}

#[test]
fn the_smallest_item_gets_a_text_embedding() {
    let item = read(&json!({"id": "a", "title": "Rover finds ice", "description": "", "url": null}), 64).expect("an item");
    assert_eq!(item.embedding, Some(Embedding::of_text("Rover finds ice", 64)));
    assert_eq!((item.description, item.url), (None, None));
    assert_eq!(read_as_given(&json!({"id": "a", "title": "t"}), 64).expect("an item").embedding, None);
}

#[test]
fn topics_come_in_three_forms() {
    let expected = vec![("food".to_owned(), 1.0), ("science".to_owned(), 0.8)];
    assert_eq!(topics_of(json!(["science", "food", "science"])), vec![("food".to_owned(), 1.0), ("science".to_owned(), 1.0)]);
    assert_eq!(topics_of(json!({"science": 0.8, "food": 1})), expected);
    assert_eq!(topics_of(json!([{"topic": "science", "weight": 0.3}, "food", {"topic": "science", "weight": 0.8}])), expected);
    assert_eq!(topics_of(json!([])), vec![]);
}

#[test]
fn creators_come_in_two_forms() {
    for (value, name) in [(json!("crt_1"), None), (json!({"id": "crt_1", "name": "Ana"}), Some("Ana".to_owned()))] {
        let item = read(&json!({"id": "a", "title": "t", "creator": value}), DIMENSION).expect("an item");
        assert_eq!(item.creator, Some(Creator { id: Arc::from("crt_1"), name }));
    }
}

#[test]
fn all_faults_are_reported_at_once_in_field_order() {
    let value = json!({
        "id": "", "title": 7, "description": "x".repeat(10_001), "url": "javascript:alert(1)", "image": "https://",
        "creator": {"name": "", "nmae": 1}, "topics": ["ok", {"topic": "a\u{0}", "weight": 1.5}, 3], "source": "",
        "viewpoint": [], "language": "x".repeat(129), "format": false, "published_at": "yesterday", "expires_at": 12,
        "embedding": [1, 2], "attributes": [], "titel": "x", "zzz": 1,
    });
    insta_lines(
        faults(value),
        &[
            "/id must not be empty; expected 1 to 128 bytes",
            "/title is a number; expected a string",
            "/description is 10001 bytes long; expected 0 to 10000 bytes",
            "/url `javascript:alert(1)` is not a web address; expected http:// or https://, a host, and no spaces or control characters",
            "/image `https://` is not a web address; expected http:// or https://, a host, and no spaces or control characters",
            "/creator/nmae `nmae` is not a field of a creator; did you mean `name`?",
            "/creator/id is missing; expected 1 to 128 bytes",
            "/creator/name must not be empty; expected 1 to 256 bytes",
            "/topics/1/topic has a control character at byte 1; expected printable UTF-8",
            "/topics/1/weight is 1.5; expected a number above 0 and at most 1",
            "/topics/2 is a number; expected a topic or {\"topic\", \"weight\"}",
            "/source must not be empty; expected 1 to 128 bytes",
            "/viewpoint is an array; expected a string",
            "/language is 129 bytes long; expected 1 to 128 bytes",
            "/format is a boolean; expected a string",
            "/published_at `yesterday` is not a time; expected RFC 3339, e.g. 2026-10-09T08:15:00Z, or a date, e.g. 2026-10-09",
            "/expires_at is a number; expected a string",
            "/embedding has 2 numbers; this server is configured for `catalogue.dimension = 4`",
            "/attributes is an array; expected an object",
            "/titel `titel` is not a field of an item; did you mean `title`?",
            "/zzz `zzz` is not a field of an item; expected one of id, title, description, url, image, creator, topics, source, \
             viewpoint, language, format, published_at, expires_at, embedding, attributes, sponsored",
        ],
    );
}

fn insta_lines(found: Vec<(String, String)>, expected: &[&str]) {
    let found: Vec<String> = found.into_iter().map(|(at, detail)| format!("{at} {detail}")).collect();
    assert_eq!(found, expected);
}

#[test]
fn what_is_missing_or_no_object_is_said() {
    insta_lines(faults(json!({})), &["/id is missing; expected 1 to 128 bytes", "/title is missing; expected 1 to 1000 bytes"]);
    assert_eq!(faults(json!([])), [(String::new(), "is an array; expected an object".to_owned())]);
}

#[test]
fn sizes_at_and_past_the_limit() {
    let item = |key: &str, value: Value| read(&json!({"id": "a", "title": "t", key: value}), DIMENSION);
    let topics = |n: usize| json!((0..n).map(|i| format!("t{i}")).collect::<Vec<_>>());
    assert!(item("title", json!("x".repeat(1_000))).is_ok());
    assert!(item("title", json!("x".repeat(1_001))).is_err());
    assert!(item("topics", topics(32)).is_ok());
    assert!(item("topics", topics(33)).is_err());
    // `{"k":"…"}` is 8 bytes around the text.
    assert!(item("attributes", json!({"k": "x".repeat(MAX_ATTRIBUTES_BYTES - 8)})).is_ok());
    assert!(item("attributes", json!({"k": "x".repeat(MAX_ATTRIBUTES_BYTES - 7)})).is_err());
}

#[test]
fn embeddings_are_checked() {
    let with = |embedding: Value| read(&json!({"id": "a", "title": "t", "embedding": embedding}), DIMENSION);
    let item = with(json!([3, 0, 4, 0])).expect("an item");
    assert_eq!(item.embedding.map(|e| e.to_f32()), Some(vec![f16::from_f32(0.6).to_f32(), 0.0, f16::from_f32(0.8).to_f32(), 0.0]));
    for (wrong, at) in [
        (json!([0, 0, 0, 0]), "/embedding"),
        (json!([1, 1e300, 0, 0]), "/embedding/1"),
        (json!([1, "2", 0, 0]), "/embedding/1"),
        (json!("x"), "/embedding"),
        (json!([[1, 2, 3, 4]]), "/embedding"),
    ] {
        assert_eq!(with(wrong).expect_err("a fault")[0].pointer, at);
    }
    assert_eq!(with(json!(vec![json!("x"); 500])).expect_err("a fault").len(), 1);
}

#[test]
fn given_embeddings_are_shown_when_asked_and_hashed_ones_never() {
    let given = read(&json!({"id": "a", "title": "t", "embedding": [1, 0, 0, 0]}), DIMENSION).expect("an item");
    assert_eq!(ItemForm::from(&given).embedding, None);
    assert_eq!(ItemForm::with_embedding(&given).embedding, Some(vec![1.0, 0.0, 0.0, 0.0]));
    let hashed = read(&json!({"id": "a", "title": "t"}), DIMENSION).expect("an item");
    assert_eq!(ItemForm::with_embedding(&hashed).embedding, None);
}

#[test]
fn the_form_leaves_out_what_is_absent() {
    let item = read(&json!({"id": "a", "title": "t", "topics": {"x": 0.8}, "published_at": "2026-10-09"}), DIMENSION).expect("an item");
    let text = serde_json::to_string(&ItemForm::from(&item)).expect("JSON");
    assert_eq!(text, r#"{"id":"a","title":"t","topics":[{"topic":"x","weight":0.8}],"published_at":"2026-10-09T00:00:00Z"}"#);
}

/// Facet values, ids and names of any script.
fn word() -> impl Strategy<Value = String> {
    "[\\PC&&[^\\p{Cc}]]{1,20}"
}

/// Any instant a four-digit year can name.
fn instant() -> impl Strategy<Value = String> {
    (-62_000_000_000_000i64..253_000_000_000_000).prop_map(|ms| crate::wire::time::render(Time(ms)))
}

fn item_json() -> impl Strategy<Value = Value> {
    let texts = (word(), "\\PC{1,200}", option::of("\\PC{0,300}"), option::of("https?://[a-z]{1,10}/[a-z0-9?&=]{0,30}"));
    let facets = (option::of(word()), option::of(word()), option::of(word()), option::of(word()));
    let creator = option::of((word(), option::of(word())));
    let topics = vec((word(), 0.0001f32..=1.0), 0..8);
    let rest = (option::of(instant()), option::of(instant()), option::of(vec((word(), any::<i64>()), 0..5)));
    (texts, facets, creator, topics, rest).prop_map(|((id, title, description, url), facets, creator, topics, rest)| {
        let topics: Vec<Value> = topics.into_iter().map(|(topic, weight)| json!({"topic": topic, "weight": weight})).collect();
        json!({
            "id": id, "title": title, "description": description, "url": url, "image": url,
            "creator": creator.map(|(id, name)| json!({"id": id, "name": name})), "topics": topics,
            "source": facets.0, "viewpoint": facets.1, "language": facets.2, "format": facets.3,
            "published_at": rest.0, "expires_at": rest.1,
            "attributes": rest.2.map(|pairs| pairs.into_iter().collect::<std::collections::BTreeMap<_, _>>()),
        })
    })
}

/// Any JSON, with the item's own keys and hard numbers likely.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,20}".prop_map(Value::from),
        ".{0,5}".prop_map(Value::from),
    ];
    let key = prop_oneof![proptest::sample::select(FIELDS.to_vec()).prop_map(str::to_owned), ".{0,8}"];
    leaf.prop_recursive(4, 64, 8, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            vec((key.clone(), inner), 0..8).prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_rendered_reads_back(value in item_json()) {
        let item = read(&value, DIMENSION).map_err(|f| TestCaseError::fail(format!("{f:?}")))?;
        let rendered = serde_json::to_value(ItemForm::from(&item)).map_err(|e| TestCaseError::fail(e.to_string()))?;
        prop_assert_eq!(read(&rendered, DIMENSION), Ok(item));
    }

    #[test]
    fn given_embeddings_read_back_within_half_precision(numbers in vec(-1e6f32..1e6, DIMENSION)) {
        let Ok(item) = read(&json!({"id": "a", "title": "t", "embedding": numbers}), DIMENSION) else { return Ok(()) };
        let rendered = serde_json::to_value(ItemForm::with_embedding(&item)).map_err(|e| TestCaseError::fail(e.to_string()))?;
        let again = read(&rendered, DIMENSION).map_err(|f| TestCaseError::fail(format!("{f:?}")))?;
        let (a, b) = (item.embedding, again.embedding);
        prop_assert!(a.iter().zip(&b).all(|(a, b)| a.space == EmbeddingSpace::Model && b.space == a.space));
        let near = a.iter().zip(&b).all(|(a, b)| a.to_f32().iter().zip(b.to_f32()).all(|(x, y)| (x - y).abs() < 2e-3));
        prop_assert!(near);
    }

    #[test]
    fn no_json_panics(value in any_json()) {
        if let Err(faults) = read(&value, DIMENSION) {
            prop_assert!(!faults.is_empty());
            prop_assert!(faults.iter().all(|f| f.pointer.is_empty() || f.pointer.starts_with('/')));
        }
    }

    #[test]
    fn no_bytes_panic(bytes in vec(any::<u8>(), 0..200)) {
        if let Ok(value) = serde_json::from_slice::<Value>(&bytes) {
            let _ = read(&value, DIMENSION);
        }
    }
}
