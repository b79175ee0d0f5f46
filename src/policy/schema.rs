//! The JSON Schema of policy files, for editors. Draft 4, because Taplo, the engine behind most TOML editors, knows no later one.

use serde_json::{Map, Value, json};

use super::{
    experiment::{MAX_ARMS, MAX_EXPERIMENTS},
    explain::{FILE_LISTS_ABOUT, about},
    read::SCHEMA,
    stack::plain,
};
use crate::domain::{
    Policy,
    policy::{
        Guardrails, MAX_CAP_TOPICS,
        knob::{Field, FieldKind, Form, KNOBS, Kind, Knob, LISTS},
    },
};

/// Letters, digits and hyphens; the same as a policy's id.
const NAME: &str = "^[a-z0-9-]{1,64}$";
/// The same with underscores: files have them.
const FILE_NAME: &str = "^[a-z0-9_-]{1,64}$";
const SURFACE_NAME: &str = "^[a-z0-9_]{1,64}$";
/// What a duration looks like.
const DURATION: &str = "^([0-9]+(ms|s|m|h|d)|forever)$";
/// Keys that one surface cannot have for itself.
const NOT_IN_SURFACE: [&str; 3] = ["id", "version", "score.popularity_half_life"];

/// The document, as `polyphony policy schema` prints it.
pub fn json() -> String {
    let mut text = serde_json::to_string_pretty(&document()).unwrap_or_default();
    text.push('\n');
    text
}

fn document() -> Value {
    let mut properties = Map::new();
    let text = |description: &str| json!({ "type": "string", "description": description });
    properties.insert("schema".into(), json!({ "type": "integer", "enum": [SCHEMA], "description": "Version of this format." }));
    properties.insert(
        "extends".into(),
        json!({ "type": "string", "pattern": FILE_NAME, "description": "What the file builds on: a preset (relevance-first, balanced, \
            discovery) or a file of the same folder, without .toml. Left out: balanced." }),
    );
    properties.insert("owner".into(), text("Who answers for it."));
    properties.insert("description".into(), text("What it is for."));
    properties.extend(section("", false));
    properties.insert(
        "surface".into(),
        json!({
            "type": "object",
            "description": "One section for each place a feed is shown; its keys override the file's for that surface.",
            "patternProperties": { SURFACE_NAME: { "$ref": "#/definitions/surface" } },
            "additionalProperties": false
        }),
    );
    for (name, about) in FILE_LISTS_ABOUT {
        let mut schema = list(name, MAX_EXPERIMENTS);
        if let Some(map) = schema.as_object_mut() {
            map.insert("description".into(), about.into());
        }
        properties.insert(name.into(), schema);
    }
    json!({
        "$schema": "http://json-schema.org/draft-04/schema#",
        "id": "https://polyphony.dev/schemas/policy.v1.schema.json",
        "title": "Polyphony policy",
        "description": "What shapes feeds: where candidates come from, how they are ranked and varied, what must hold.",
        "type": "object",
        "required": ["schema", "id", "version"],
        "properties": properties,
        "additionalProperties": false,
        "definitions": {
            "surface": { "type": "object", "properties": section("", true), "additionalProperties": false }
        }
    })
}

/// The properties of a section; the empty section is the file, or a surface.
fn section(name: &str, in_surface: bool) -> Map<String, Value> {
    let mut properties = Map::new();
    for knob in KNOBS {
        let rest = if name.is_empty() { Some(knob.key) } else { knob.key.strip_prefix(name).and_then(|rest| rest.strip_prefix('.')) };
        let Some(rest) = rest else { continue };
        if in_surface && (NOT_IN_SURFACE.contains(&knob.key) || knob.key.starts_with("guardrails.")) {
            continue;
        }
        match rest.split_once('.') {
            None => {
                properties.insert(rest.to_owned(), value(knob));
            }
            Some((child, _)) if !properties.contains_key(child) => {
                let full = if name.is_empty() { child.to_owned() } else { format!("{name}.{child}") };
                let mut schema = json!({ "type": "object", "properties": section(&full, in_surface), "additionalProperties": false });
                if let (Some(about), Some(map)) = (about(&full), schema.as_object_mut()) {
                    map.insert("description".into(), about.into());
                }
                properties.insert(child.to_owned(), schema);
            }
            Some(_) => {}
        }
    }
    properties
}

fn value(knob: &Knob) -> Value {
    let mut schema = match knob.kind {
        Kind::Number(low, high) => json!({ "type": "number", "minimum": exact(low), "maximum": exact(high) }),
        Kind::Whole(low, u32::MAX) => json!({ "type": "integer", "minimum": low }),
        Kind::Whole(low, high) => json!({ "type": "integer", "minimum": low, "maximum": high }),
        Kind::Duration(..) => json!({ "type": "string", "pattern": DURATION }),
        Kind::Choice(names) => json!({ "type": "string", "enum": names }),
        Kind::Id => json!({ "type": "string", "pattern": NAME }),
        Kind::Range => range(),
        Kind::Flag => json!({ "type": "boolean" }),
        Kind::Durations(most, ..) => json!({ "type": "array", "maxItems": most, "items": { "type": "string", "pattern": DURATION } }),
        Kind::Texts(most) => json!({ "type": "array", "maxItems": most, "items": { "type": "string", "minLength": 1 } }),
        Kind::List(most) => list(knob.key, most),
    };
    if let Some(map) = schema.as_object_mut() {
        let typical = if knob.typical.is_empty() { String::new() } else { format!("\n\nTypical: {}.", knob.typical) };
        let trades = if knob.trades.is_empty() { String::new() } else { format!(" {}", knob.trades) };
        map.insert("description".into(), format!("{}{typical}{trades}", about(knob.key).unwrap_or_default()).into());
        if !["id", "version"].contains(&knob.key) {
            map.insert("default".into(), default(knob.key));
        }
    }
    schema
}

/// 0.01 as an `f32` is not 0.01 as an `f64`.
fn exact(number: f32) -> Value {
    number.to_string().parse::<f64>().map_or(Value::Null, |number| if number.fract() == 0.0 { json!(number as i64) } else { json!(number) })
}

fn default(key: &str) -> Value {
    let mut tree = plain(&Policy::default());
    tree.insert("guardrails".into(), toml::Value::Table(plain(&Guardrails::default())));
    let pointer = format!("/{}", key.replace('.', "/"));
    serde_json::to_value(tree).ok().and_then(|tree| tree.pointer(&pointer).cloned()).unwrap_or(Value::Null)
}

fn range() -> Value {
    json!({ "type": "array", "items": { "type": "number", "minimum": 0, "maximum": 1 }, "minItems": 2, "maxItems": 2 })
}

fn list(key: &str, most: usize) -> Value {
    let forms: Vec<Value> = LISTS.iter().filter(|form| form.list == key).map(table).collect();
    let items = match <[Value; 1]>::try_from(forms) {
        Ok([only]) => only,
        Err(forms) => json!({ "oneOf": forms }),
    };
    json!({ "type": "array", "maxItems": most, "items": items })
}

fn table(form: &Form) -> Value {
    let mut properties = Map::new();
    let mut required: Vec<&str> = Vec::new();
    if let Some(tag) = form.tag {
        properties.insert("kind".into(), json!({ "type": "string", "enum": [tag] }));
        required.push("kind");
    }
    for field in form.required.iter().chain(form.optional) {
        properties.insert(field.name.into(), field_of(field));
    }
    required.extend(form.required.iter().map(|field| field.name));
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

fn field_of(field: &Field) -> Value {
    match field.kind {
        FieldKind::Text => json!({ "type": "string", "minLength": 1 }),
        FieldKind::Number(low, high) => json!({ "type": "number", "minimum": exact(low), "maximum": exact(high) }),
        FieldKind::Whole(low, high) => json!({ "type": "integer", "minimum": low, "maximum": high }),
        FieldKind::Choice(names) => json!({ "type": "string", "enum": names }),
        FieldKind::Name => json!({ "type": "string", "pattern": NAME }),
        FieldKind::Duration(..) => json!({ "type": "string", "pattern": DURATION }),
        FieldKind::Range => range(),
        FieldKind::Surfaces => json!({ "type": "array", "items": { "type": "string", "pattern": SURFACE_NAME } }),
        FieldKind::Texts => {
            json!({ "type": "array", "minItems": 1, "maxItems": MAX_CAP_TOPICS, "items": { "type": "string", "minLength": 1 } })
        }
        FieldKind::Flag => json!({ "type": "boolean" }),
        FieldKind::List(name) => list(name, MAX_ARMS),
    }
}
