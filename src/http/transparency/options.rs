//! What a reader can do: names, descriptions and calls are those of the OpenAPI document.

use std::{collections::BTreeMap, sync::LazyLock};

use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::{domain::EventKind, http::openapi};

/// One thing a reader can do.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = TransparentOption)]
pub struct OptionBody {
    /// The operation, and of its parts the one that does it: `put_preferences diversity`.
    name: String,
    /// What it does.
    about: String,
    call: CallBody,
}

/// A call to copy.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
#[schema(as = TransparentCall)]
pub struct CallBody {
    method: String,
    path: String,
    /// Query parameters.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    query: BTreeMap<&'static str, &'static str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<&'static str, &'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Object)]
    body: Option<Value>,
}

/// What of an operation is an option.
#[derive(Clone, Copy, Debug)]
enum Part {
    Whole,
    /// A field of its body, as in the document's example.
    Field(&'static str),
    /// A parameter in the query, with this value.
    Query(&'static str, &'static str),
    /// A header, with this value.
    Header(&'static str, &'static str),
}

/// Every option but the deliberate acts, in the order in which most people need them: the operation's id, and what of it.
const OPTIONS: &[(&str, Part)] = &[
    ("get_feed", Part::Query("profile", "off")),
    ("get_feed", Part::Query("mode", "chronological")),
    ("get_feed", Part::Query("diversity", "0.8")),
    ("get_feed", Part::Query("explain", "full")),
    ("get_feed", Part::Header("Sec-GPC", "1")),
    ("post_feed", Part::Field("interests")),
    ("get_preferences", Part::Whole),
    ("put_preferences", Part::Field("mode")),
    ("put_preferences", Part::Field("diversity")),
    ("put_preferences", Part::Field("preset")),
    ("put_preferences", Part::Field("topics")),
    ("put_preferences", Part::Field("languages")),
    ("put_preferences", Part::Field("blocked_keywords")),
    ("put_preferences", Part::Field("pauses")),
    ("put_preferences", Part::Field("push_categories")),
    ("put_preferences", Part::Field("time_zone")),
    ("preview_preferences", Part::Whole),
    ("get_interests", Part::Whole),
    ("put_interest", Part::Whole),
    ("delete_interest", Part::Whole),
    ("snooze", Part::Whole),
    ("reset", Part::Whole),
    ("get_consent", Part::Whole),
    ("put_consent", Part::Field("decisions")),
    ("get_consent_receipts", Part::Whole),
    ("get_decision", Part::Whole),
    ("export", Part::Whole),
    ("import", Part::Whole),
    ("erase", Part::Whole),
];
/// What the deliberate acts are sent by.
const EVENTS: &str = "post_events";

/// The OpenAPI document, as a value.
static DOCUMENT: LazyLock<Value> = LazyLock::new(|| serde_json::from_str(openapi::json()).unwrap_or_default());
static ALL: LazyLock<Vec<OptionBody>> = LazyLock::new(|| {
    let acts = EventKind::NAMES.into_iter().filter_map(act);
    OPTIONS.iter().filter_map(|(id, part)| Some(option(Operation::of(id)?, *part))).chain(acts).collect()
});

/// Every option.
pub(super) fn all() -> Vec<OptionBody> {
    ALL.clone()
}

/// An operation of the document.
struct Operation {
    method: String,
    path: &'static str,
    said: &'static Value,
}

impl Operation {
    fn of(id: &str) -> Option<Self> {
        let paths = DOCUMENT["paths"].as_object()?;
        let methods =
            paths.iter().flat_map(|(path, item)| item.as_object().into_iter().flatten().map(move |(method, said)| (path, method, said)));
        let (path, method, said) = methods.into_iter().find(|(_, _, said)| said["operationId"] == id)?;
        Some(Self { method: method.to_uppercase(), path, said })
    }

    fn summary(&self) -> &'static str {
        text(&self.said["summary"])
    }

    /// The schema of its body.
    fn body(&self) -> &'static Value {
        referred(&self.said["requestBody"]["content"]["application/json"]["schema"])
    }

    fn parameter(&self, name: &str) -> &'static Value {
        let parameters = self.said["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
        parameters.iter().find(|parameter| parameter["name"] == name).unwrap_or(&Value::Null)
    }
}

fn text(value: &'static Value) -> &'static str {
    value.as_str().unwrap_or_default()
}

/// What a `$ref` leads to; itself where it is none.
fn referred(schema: &'static Value) -> &'static Value {
    let target = schema["$ref"].as_str().and_then(|reference| DOCUMENT.pointer(reference.trim_start_matches('#')));
    target.unwrap_or(schema)
}

fn option(operation: Operation, part: Part) -> OptionBody {
    let id = text(&operation.said["operationId"]);
    let mut call = CallBody { method: operation.method.clone(), path: operation.path.to_owned(), ..CallBody::default() };
    let (name, more) = match part {
        Part::Whole => {
            let schema = operation.body();
            call.body = schema.get("example").cloned();
            (id.to_owned(), text(&operation.said["description"]))
        }
        Part::Field(field) => {
            let schema = operation.body();
            let said = &schema["properties"][field];
            call.body = example(schema, field).map(|value| Value::Object(Map::from_iter([(field.to_owned(), value)])));
            (format!("{id} {field}"), text(&said["description"]))
        }
        Part::Query(parameter, value) => {
            call.query.insert(parameter, value);
            (format!("{id} {parameter}={value}"), text(&operation.parameter(parameter)["description"]))
        }
        Part::Header(header, value) => {
            call.headers.insert(header, value);
            (format!("{id} {header}: {value}"), text(&operation.parameter(header)["description"]))
        }
    };
    let about = [operation.summary(), more].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(". ");
    OptionBody { name, about, call }
}

/// A field as its schema's example has it, else by its own example, else by that of what it lists.
fn example(schema: &'static Value, field: &str) -> Option<Value> {
    let said = &schema["properties"][field];
    let own = schema["example"].get(field).or_else(|| said.get("example")).cloned();
    own.or_else(|| Some(json!([referred(&said["items"]).get("example")?])))
}

/// A deliberate act, sent as the event of the document's example is.
fn act(kind: &'static str) -> Option<OptionBody> {
    let about = EventKind::parse(kind)?.about()?;
    let operation = Operation::of(EVENTS)?;
    let mut event = referred(&operation.body()["properties"]["events"]["items"]).get("example")?.as_object()?.clone();
    // The example's time is long past; left out, it is now.
    event.remove("at");
    event.insert("type".to_owned(), kind.into());
    event.insert("id".to_owned(), format!("ev_{kind}").into());
    let call = CallBody {
        method: operation.method,
        path: operation.path.to_owned(),
        body: Some(json!({ "events": [event] })),
        ..CallBody::default()
    };
    Some(OptionBody { name: format!("{EVENTS} {kind}"), about: about.to_owned(), call })
}
