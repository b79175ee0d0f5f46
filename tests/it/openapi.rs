//! The OpenAPI document, the route table and the committed copy say the same.

use std::{collections::BTreeSet, path::Path};

use polyphony::http;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::world::{StoreKind, World, send};

/// Set it to write `openapi.json` anew; `polyphony openapi > openapi.json` does the same.
const UPDATE_VARIABLE: &str = "UPDATE_OPENAPI";

fn document() -> Value {
    serde_json::from_str(http::openapi::json()).unwrap()
}

fn operations(document: &Value) -> Vec<(String, String, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    let of_path = |(path, item): (&String, &'_ Value)| -> Vec<(String, String)> {
        item.as_object().unwrap().keys().map(|method| (method.to_uppercase(), path.clone())).collect()
    };
    let all: Vec<(String, String)> = paths.iter().flat_map(of_path).collect();
    all.into_iter()
        .map(|(method, path)| {
            let operation = &document["paths"][&path][method.to_lowercase()];
            (method, path, operation)
        })
        .collect()
}

#[test]
fn the_committed_copy_is_current() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
    let current = format!("{}\n", http::openapi::json());
    if std::env::var_os(UPDATE_VARIABLE).is_some() {
        std::fs::write(&file, &current).unwrap();
    }
    let committed = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        committed == current,
        "openapi.json is out of date: run `polyphony openapi > openapi.json`, or this test with {UPDATE_VARIABLE}=1"
    );
}

#[test]
fn the_info_block_is_ours() {
    let document = document();
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["info"]["title"], "Polyphony");
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(document["info"]["license"]["name"], "MIT OR Apache-2.0");
    assert!(document["info"].get("contact").is_none());
    assert!(!document.to_string().to_lowercase().contains("utoipa"));
}

#[test]
fn every_route_is_documented_and_every_documented_route_exists() {
    let table: BTreeSet<(String, String)> = http::routes()
        .iter()
        .filter(|route| route.documented)
        // A tail pattern such as `{file:.*}` is `{file}` in OpenAPI.
        .map(|route| (route.method.to_string(), route.path.replace(":.*}", "}")))
        .collect();
    let document = document();
    let documented: BTreeSet<(String, String)> = operations(&document).into_iter().map(|(method, path, _)| (method, path)).collect();
    assert_eq!(table, documented);
}

#[test]
fn every_operation_is_described() {
    let document = document();
    let mut ids = BTreeSet::new();
    for (method, path, operation) in operations(&document) {
        let name = format!("{method} {path}");
        assert!(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "{name} has no summary");
        assert_eq!(operation["tags"].as_array().map(Vec::len), Some(1), "{name} needs one tag");
        assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()), "{name}: its operationId is taken");
        assert!(operation["responses"]["default"].is_object(), "{name} does not say that it may answer with a problem");
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            assert!(parameter["description"].is_string(), "{name}: {} is not described", parameter["name"]);
            assert!(parameter["required"].is_boolean(), "{name}: {} does not say whether it is required", parameter["name"]);
        }
    }
}

#[test]
fn every_reference_leads_somewhere() {
    fn check(value: &Value, document: &Value) {
        match value {
            Value::Object(map) => {
                if let Some(Value::String(reference)) = map.get("$ref") {
                    let pointer = reference.strip_prefix('#').unwrap();
                    assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
                }
                map.values().for_each(|inner| check(inner, document));
            }
            Value::Array(items) => items.iter().for_each(|inner| check(inner, document)),
            _ => {}
        }
    }
    let document = document();
    check(&document, &document);
}

/// A running server's document says what only it knows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_served_copy_names_surfaces_and_the_length_of_embeddings() {
    let world = World::start(StoreKind::Embedded).await;
    let served = world.get("/openapi.json").await.ok().body;
    let names = json!(["email_digest", "home", "push", "video"]);
    let parameters = served["paths"]["/v1/feed"]["get"]["parameters"].as_array().unwrap();
    assert_eq!(parameters.iter().find(|one| one["name"] == "surface").unwrap()["schema"]["enum"], names);
    let schemas = &served["components"]["schemas"];
    let mut or_none = names.as_array().unwrap().clone();
    or_none.push(Value::Null);
    assert_eq!(schemas["FeedRequest"]["properties"]["surface"]["enum"], json!(or_none));
    let embedding = &schemas["ItemInput"]["properties"]["embedding"];
    assert_eq!((&embedding["minItems"], &embedding["maxItems"]), (&json!(32), &json!(32)));
    // Otherwise it is the committed one.
    let (mut here, committed) = (served.clone(), document());
    assert_ne!(here, committed);
    here["components"] = committed["components"].clone();
    assert_eq!(here["paths"].as_object().unwrap().len(), committed["paths"].as_object().unwrap().len());
    assert!(!served["paths"].to_string().contains(":null"), "nothing was added in passing");
    // What it says of interests holds.
    assert_eq!(schemas["FeedRequest"]["then"]["properties"]["user"]["type"], "null");
}

/// What the document says is refused is refused, with the field named: unknown fields, and names outside closed lists.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_limits_of_bodies_are_those_of_their_readers() {
    let world = World::start(StoreKind::Embedded).await;
    let document = document();
    let (mut closed, mut lists) = (0, 0);
    for (method, path, operation) in operations(&document) {
        let Some(reference) = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].as_str() else { continue };
        let schema = document.pointer(reference.trim_start_matches('#')).unwrap();
        // `/v1/me` needs a token; the same handlers answer for a person who is named.
        if schema["additionalProperties"] != false || path.starts_with("/v1/me") {
            continue;
        }
        closed += 1;
        let properties = schema["properties"].as_object().unwrap();
        let named = properties.iter().filter(|(_, property)| property["enum"].is_array()).map(|(name, _)| name.as_str());
        for field in named.chain(["no_such_field"]) {
            lists += usize::from(field != "no_such_field");
            let method: Method = method.parse().unwrap();
            let request = world.request(method, &path.replace("{id}", "x").replace("{topic}", "x"));
            let answer = send(request.json(&json!({ field: "no_such_name" }))).await;
            assert_eq!(answer.problem(), (400, "invalid-body"), "{path} {field}: {}", answer.text);
            let pointers: Vec<&str> = answer.body["errors"].as_array().unwrap().iter().map(|e| e["pointer"].as_str().unwrap()).collect();
            assert!(pointers.contains(&format!("/{field}").as_str()), "{path} {field}: {pointers:?}");
        }
    }
    assert!(closed > 15 && lists > 10, "{closed} closed bodies, {lists} closed lists");
}
