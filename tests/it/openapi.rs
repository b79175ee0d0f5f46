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

/// The pattern the document has for a field, or for the entries of a list, as a text of it is held to it here.
fn admits(document: &Value, schema: &str, field: &str, text: &str) -> bool {
    let property = &document["components"]["schemas"][schema]["properties"][field];
    let of = if property["items"].is_object() { &property["items"] } else { property };
    let pattern = of["pattern"].as_str().unwrap_or_else(|| panic!("{schema} {field} has no pattern"));
    // This engine looks at nothing ahead; no text below begins with what that is for.
    let pattern = match pattern.strip_prefix("^(?!").and_then(|rest| rest.split_once(')')) {
        Some((_, rest)) => format!("^{rest}"),
        None => pattern.to_owned(),
    };
    let length = text.chars().count() as u64;
    let fits = of["minLength"].as_u64().is_none_or(|least| length >= least) && of["maxLength"].as_u64().is_none_or(|most| length <= most);
    fits && regex::Regex::new(&pattern).unwrap().is_match(text)
}

/// What a pattern admits is taken, and what it does not is refused, with the field named.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_patterns_of_texts_are_those_of_their_readers() {
    let world = World::start(StoreKind::Embedded).await;
    let served = world.get("/openapi.json").await.ok().body;
    let times = "2026-11-28 2024-02-29 2026-02-29 2026-13-01 2026-11-28T08:15:00Z 2026-11-28T08:15:00.5+01:00 2026-11-28T08:15 now";
    let preferences = ("PUT", "/v1/users/x/preferences", "PreferencesForm", json!({}));
    let (snooze, push) = ("/v1/users/x/snooze", json!({"user": "x", "category": "breaking"}));
    let item = ("PUT", "/v1/items/x", "ItemInput", json!({"title": "X"}));
    let rerank = json!({"candidates": [{"id": "a", "relevance": 1}]});
    let cases = [
        (("POST", snooze, "SnoozeForm", json!({"topic": "a"})), "for", "0s 90m 007d 365d 366d 8760h 8761h 31536000000ms forever 1w 1.5h d"),
        (("POST", "/v1/push/plan", "PushForm", push.clone()), "category", "breaking a-b_3 Breaking a.b é"),
        (("POST", "/v1/push/plan", "PushForm", push), "last_seen_at", times),
        (("POST", "/v1/digests", "DigestForm", json!({"user": "x"})), "last_seen_at", times),
        (preferences.clone(), "pauses", "1m 60s 59s 1440m 1d 25h 86400000ms 0s forever"),
        (preferences.clone(), "push_categories", "breaking A 0 _"),
        (preferences.clone(), "blocked_keywords", "ab a c++ 日本 é1 ??"),
        (preferences, "languages", "en \u{85}"),
        (item.clone(), "published_at", times),
        (item, "url", "https://a HTTP://a/b?c#d ftp://a https:// http://a\"b //a"),
        (("POST", "/v1/rerank", "RerankCandidate", rerank), "image", "https://a a http://a<b"),
    ];
    let (mut taken, mut refused) = (0, 0);
    for ((method, path, schema, mut body), field, texts) in cases {
        let (object, at) = if schema == "RerankCandidate" { ("/candidates/0", "/candidates/0") } else { ("", "") };
        let is_list = served["components"]["schemas"][schema]["properties"][field]["items"].is_object();
        for text in texts.split(' ') {
            body.pointer_mut(object).unwrap()[field] = if is_list { json!([text]) } else { json!(text) };
            let answer = send(world.request(method.parse().unwrap(), path).json(&body)).await;
            let pointer = format!("{at}/{field}{}", if is_list { "/0" } else { "" });
            let faults = answer.body["errors"].as_array().cloned().unwrap_or_default();
            let is_read = !faults.iter().any(|fault| fault["pointer"] == *pointer);
            assert_eq!(admits(&served, schema, field, text), is_read, "{schema} {field} {text}: {}", answer.text);
            assert!(is_read != (answer.status == 400), "{schema} {field} {text}: {}", answer.text);
            *(if is_read { &mut taken } else { &mut refused }) += 1;
        }
    }
    println!("{taken} texts are admitted and taken, {refused} are neither");
    // Every zone that is named is known.
    let zones = served["components"]["schemas"]["TimeZone"]["enum"].as_array().unwrap();
    assert!(zones.len() > 400 && zones.contains(&json!("Europe/Berlin")), "{} zones", zones.len());
    for zone in zones {
        assert!(polyphony::wire::time::is_zone(zone.as_str().unwrap()), "{zone}");
    }
}
