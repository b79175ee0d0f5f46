//! What `GET /openapi.json` adds to the committed document: what only a running server knows, and what the annotations cannot say.

use serde_json::{Map, Value, json};

use super::schema_patterns::LINE;
use crate::{
    app::App,
    domain::ids::MAX_ID_BYTES,
    wire::{read::MAX_NUMBER, time},
};

/// Fields that hold an embedding of the catalogue's length.
const EMBEDDING: &str = "embedding";
/// Fields and parameters that name a surface.
const SURFACE: &str = "surface";
/// Fields that name a time zone, and the schema of its names.
const ZONE: &str = "time_zone";
const ZONE_SCHEMA: &str = "TimeZone";
/// An item without its id.
const ITEM_OF_PATH: &str = "ItemOfPath";
/// Body of items, one per line.
const LINES: &str = "/paths/~1v1~1items/post/requestBody/content/application~1x-ndjson/schema";
/// Fields that take such a text.
const LINE_FIELDS: [&str; 2] = ["actor", "reason"];
/// Where topics are keys.
const TOPICS: &str = "/components/schemas/PreferencesForm/properties/topics";
/// What a snooze names: exactly one of them.
const SNOOZED: [&str; 3] = ["topic", "creator", "source"];

/// What holds between the fields of a request.
fn conditions(document: &mut Value) {
    if let Some(lines) = document.pointer_mut(LINES) {
        lines["pattern"] = r"\S".into();
    }
    if let Some(topics) = document.pointer_mut(TOPICS) {
        topics["propertyNames"] = json!({"minLength": 1, "maxLength": MAX_ID_BYTES, "pattern": LINE});
    }
    // Interests are nobody's, and have a mode of their own.
    when(document, "FeedRequest", "interests", "array", json!({"user": {"type": "null"}, "mode": {"enum": ["client_profile", null]}}));
    // A preset sets the dial.
    when(document, "PreferencesForm", "preset", "string", json!({"diversity": {"type": "null"}}));
    // The path has the id: another one in the body is refused.
    if let Some(mut item) = document.pointer("/components/schemas/ItemInput").cloned() {
        if let Some(properties) = item["properties"].as_object_mut() {
            properties.remove("id");
        }
        item["required"] = json!(["title"]);
        document["components"]["schemas"][ITEM_OF_PATH] = item;
        document["paths"]["/v1/items/{id}"]["put"]["requestBody"]["content"]["application/json"]["schema"] =
            json!({"$ref": format!("#/components/schemas/{ITEM_OF_PATH}")});
    }
    if let Some(Value::Object(schema)) = document.pointer_mut("/components/schemas/SnoozeForm") {
        let only = |named: &str| {
            let value = json!({"type": "string", "minLength": 1, "maxLength": MAX_ID_BYTES, "pattern": LINE});
            let field = |name: &str| (name.to_owned(), if name == named { value.clone() } else { json!({"type": "null"}) });
            json!({"required": [named], "properties": SNOOZED.into_iter().map(field).collect::<Map<_, _>>()})
        };
        schema.insert("oneOf".into(), SNOOZED.into_iter().map(only).collect());
    }
}

/// Where `field` of the schema `name` is a `kind`, the fields of `then` are as it says.
fn when(document: &mut Value, name: &str, field: &str, kind: &str, then: Value) {
    if let Some(Value::Object(schema)) = document.pointer_mut(&format!("/components/schemas/{name}")) {
        schema.insert("if".into(), json!({"properties": {field: {"type": kind}}, "required": [field]}));
        schema.insert("then".into(), json!({"properties": then}));
    }
}

/// The document as this server answers it: its surfaces, and the length of its embeddings.
pub fn of(app: &App, document: &str) -> Result<String, serde_json::Error> {
    let mut document: Value = serde_json::from_str(document)?;
    conditions(&mut document);
    let serving = app.feed.serving.load();
    let surfaces: Vec<Value> = serving.surfaces().0.keys().map(|name| Value::from(name.as_str())).collect();
    let length = app.dimension();
    let notices: Vec<Value> = app.notices.shown().map(|notice| Value::from(notice.hash.as_str())).collect();
    if let Some(notice) = document.pointer_mut("/components/schemas/ConsentForm/properties/notice") {
        enumerate(notice, &notices);
    }
    if let Some(Value::Object(schemas)) = document.pointer_mut("/components/schemas") {
        let zones: Vec<Value> = time::zones().map(Value::from).collect();
        schemas.insert(ZONE_SCHEMA.to_owned(), json!({"type": "string", "enum": zones}));
        for schema in schemas.values_mut().filter(|schema| schema["additionalProperties"] == false) {
            complete(schema, &surfaces, length);
        }
    }
    let operations = document["paths"].as_object_mut().into_iter().flat_map(|paths| paths.values_mut());
    let operations = operations.filter_map(Value::as_object_mut).flat_map(|item| item.values_mut());
    let parameters = operations.filter_map(|operation| operation.get_mut("parameters")?.as_array_mut()).flatten();
    for parameter in parameters.filter(|parameter| parameter["name"] == SURFACE) {
        enumerate(&mut parameter["schema"], &surfaces);
    }
    bound(&mut document);
    serde_json::to_string(&document)
}

fn complete(schema: &mut Value, surfaces: &[Value], length: usize) {
    let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) else { return };
    if let Some(surface) = properties.get_mut(SURFACE) {
        enumerate(surface, surfaces);
    }
    if let Some(Value::Object(zone)) = properties.get_mut(ZONE) {
        zone.remove("type");
        zone.insert("oneOf".into(), json!([{"type": "null"}, {"$ref": format!("#/components/schemas/{ZONE_SCHEMA}")}]));
    }
    for field in LINE_FIELDS {
        if let Some(Value::Object(line)) = properties.get_mut(field) {
            line.insert("pattern".into(), LINE.into());
        }
    }
    if let Some(Value::Object(embedding)) = properties.get_mut(EMBEDDING) {
        embedding.insert("minItems".into(), length.into());
        embedding.insert("maxItems".into(), length.into());
        // A direction: not all zeros.
        embedding.insert("items".into(), json!({"type": "number", "minimum": -MAX_NUMBER, "maximum": MAX_NUMBER}));
        embedding.insert("contains".into(), json!({"anyOf": [{"minimum": 0.001}, {"maximum": -0.001}]}));
    }
}

/// `null` stays where it may stand for a field that is left out.
fn enumerate(schema: &mut Value, names: &[Value]) {
    let is_nullable = schema["type"].as_array().is_some_and(|types| types.iter().any(|one| one == "null"));
    let names = names.iter().cloned().chain(is_nullable.then_some(Value::Null));
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("enum".into(), names.collect());
    } else {
        *schema = Value::Object(Map::from_iter([("enum".to_owned(), names.collect())]));
    }
}

/// Whole numbers of 32 bits say where they end.
fn bound(value: &mut Value) {
    match value {
        Value::Object(map) => {
            if map.get("format").is_some_and(|format| format == "uint32") && !map.contains_key("maximum") {
                map.insert("maximum".into(), u32::MAX.into());
            }
            map.values_mut().for_each(bound);
        }
        Value::Array(values) => values.iter_mut().for_each(bound),
        _ => {}
    }
}
