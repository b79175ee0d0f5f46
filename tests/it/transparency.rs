//! The transparency document says what is served, and every call it lists is one.

use std::{collections::BTreeSet, process::Command};

use polyphony::{domain::policy::knob::KNOBS, http::openapi};
use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::support::world::{Answer, StoreKind, World, event, many, send};

const TOPICS: [&str; 6] = ["science", "politics", "food", "music", "sport", "travel"];
const GROUPS: [(&str, &str); 3] =
    [("criteria", "score.weights."), ("sources", "retrieve.sources."), ("similarity", "diversify.similarity.")];

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().unwrap_or_else(|| panic!("no {key} in {value}"))
}

fn keys(policy: &Value, group: &str) -> Vec<String> {
    list(policy, group).iter().map(|parameter| parameter["key"].as_str().unwrap().to_owned()).collect()
}

/// The policy that everybody gets on `surface`.
fn policy<'a>(document: &'a Value, surface: &str) -> &'a Value {
    let found = list(document, "surfaces").iter().find(|body| body["surface"] == surface);
    &found.unwrap_or_else(|| panic!("no surface {surface}"))["policies"][0]
}

async fn document(world: &World) -> Value {
    world.get("/v1/transparency").await.ok().body
}

/// The value at a dotted key of the policy that serves.
fn live(world: &World, surface: &str, key: &str) -> Value {
    let text = serde_json::to_string(&world.app.feed.serving.load().surfaces().get(surface).unwrap().policy).unwrap();
    let policy: Value = serde_json::from_str(&text).unwrap();
    policy.pointer(&format!("/{}", key.replace('.', "/"))).unwrap().clone()
}

#[tokio::test]
async fn every_knob_is_there_once_with_the_value_that_serves() {
    let world = World::start(StoreKind::Embedded).await;
    let document = document(&world).await;
    let known: BTreeSet<&str> =
        KNOBS.iter().map(|knob| knob.key).filter(|key| !["id", "version"].contains(key) && !key.starts_with("guardrails.")).collect();
    assert_eq!(list(&document, "surfaces").len(), 4);
    for surface in ["home", "video", "email_digest", "push"] {
        let policy = policy(&document, surface);
        let active = world.app.feed.serving.load().surfaces().get(surface).unwrap().clone();
        assert_eq!((policy["digest"].as_str().unwrap(), policy["served_to"].as_str().unwrap()), (active.digest.as_str(), "everybody"));
        let named: Vec<String> =
            ["criteria", "sources", "similarity", "settings", "not_used"].iter().flat_map(|group| keys(policy, group)).collect();
        assert_eq!(named.len(), known.len(), "a key stands twice");
        assert_eq!(named.iter().map(String::as_str).collect::<BTreeSet<_>>(), known);
        for group in ["criteria", "sources", "similarity", "settings"] {
            for parameter in list(policy, group) {
                assert_eq!(parameter["value"], live(&world, surface, parameter["key"].as_str().unwrap()), "{parameter}");
                assert!(!parameter["about"].as_str().unwrap().is_empty(), "{parameter}");
            }
        }
        for (group, prefix) in GROUPS {
            let shares: Vec<f64> = list(policy, group).iter().map(|parameter| parameter["share"].as_f64().unwrap()).collect();
            assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-3, "{group}: {shares:?}");
            assert!(shares.is_sorted_by(|a, b| a >= b), "{group}: {shares:?}");
            assert!(keys(policy, group).iter().all(|key| key.starts_with(prefix)));
            assert!(list(policy, group).iter().all(|parameter| !parameter["why"].as_str().unwrap().is_empty()), "{group}");
        }
    }
    assert!(keys(policy(&document, "push"), "not_used").contains(&"explore.method".to_owned()));
}

#[tokio::test]
async fn a_turned_knob_changes_the_document_and_its_tag() {
    let world = World::start(StoreKind::Embedded).await;
    let get = async |tag: Option<&str>| -> Answer {
        let request = world.request(Method::GET, "/v1/transparency?surface=home");
        send(tag.map_or(request.try_clone().unwrap(), |tag| request.header("if-none-match", tag))).await
    };
    let before = get(None).await.ok();
    let tag = before.headers["etag"].to_str().unwrap().to_owned();
    assert_eq!(before.headers["cache-control"], "public, max-age=60");
    assert_eq!(list(&before.body, "surfaces").len(), 1);
    for known in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}")] {
        let same = get(Some(&known)).await;
        assert_eq!((same.status.as_u16(), same.text.as_str()), (304, ""));
    }
    world
        .swap_policy("home", |policy| {
            policy.score.weights.popularity = 2.0;
            policy.score.weights.topic = 0.0;
        })
        .await;
    let after = get(Some(&tag)).await.ok();
    assert_ne!(after.headers["etag"], before.headers["etag"]);
    let (before, after) = (policy(&before.body, "home"), policy(&after.body, "home"));
    assert_ne!(before["digest"], after["digest"]);
    assert_eq!(list(after, "criteria")[0]["key"], "score.weights.popularity");
    assert_eq!(list(after, "criteria")[0]["value"], 2.0);
    let of_topic = |policy: &Value| list(policy, "not_used").iter().find(|unused| unused["key"] == "score.weights.topic").cloned();
    assert_eq!(of_topic(before), None);
    assert_eq!(of_topic(after).unwrap()["reason"], "its weight is 0");
    assert_eq!(world.get("/v1/transparency?surface=hom").await.problem(), (400, "unknown-surface"));
}

/// However often it is asked for, it is made once for what serves.
#[tokio::test]
async fn it_is_made_once_and_anew_when_something_else_serves() {
    let world = World::start(StoreKind::Embedded).await;
    let first = document(&world).await;
    let serving = world.app.feed.serving.load_full();
    let kept = world.app.transparency.of(&serving, "", || panic!("it was made already"));
    assert_eq!(serde_json::from_slice::<Value>(&kept.body).unwrap(), first);
    world.swap_policy("home", |policy| policy.page_size = 7).await;
    assert_ne!(document(&world).await, first);
    let now = world.app.feed.serving.load_full();
    assert_ne!(world.app.transparency.of(&now, "", || panic!("it was made already")).tag, kept.tag);
}

/// Criteria that are said to come from the reader add nothing where no profile is used.
#[tokio::test]
async fn what_is_called_profiling_needs_a_profile() {
    let world = World::start(StoreKind::Embedded).await;
    world.items(many(90, &TOPICS, 17)).await;
    world.events("ana", (0..6).map(|n| event(["like", "less_like"][n % 2], &format!("itm_{:03}", n * 6)))).await;
    world.events("ana", [event("follow", "itm_001")]).await;
    let document = document(&world).await;
    let personal: Vec<&str> = list(policy(&document, "home"), "criteria")
        .iter()
        .filter(|criterion| criterion["profiles"] == true)
        .map(|criterion| criterion["key"].as_str().unwrap().trim_start_matches("score.weights."))
        .collect();
    let used = async |mode: &str| -> BTreeSet<String> {
        let page = world.feed("ana").limit(40).param("mode", mode).explain_full().get().await.ok();
        let of_item = |item: &Value| item["explain"]["contributions"].as_object().unwrap().clone();
        let nonzero = page.items().iter().flat_map(of_item).filter(|(_, value)| value.as_f64() != Some(0.0));
        nonzero.map(|(name, _)| name).collect()
    };
    let (profiled, plain) = (used("profile").await, used("no_profile").await);
    assert!(personal.iter().filter(|name| profiled.contains(**name)).count() >= 3, "{profiled:?}");
    assert!(!plain.is_empty() && personal.iter().all(|name| !plain.contains(*name)), "{plain:?}");
}

fn schema<'a>(document: &'a Value, operation: &'a Value) -> &'a Value {
    let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
    document.pointer(schema["$ref"].as_str().unwrap().trim_start_matches('#')).unwrap()
}

#[tokio::test]
async fn every_call_is_one_of_the_api() {
    let api: Value = serde_json::from_str(openapi::json()).unwrap();
    let world = World::start(StoreKind::Embedded).await;
    let document = document(&world).await;
    let options = list(&document, "options");
    assert_eq!(options.len(), 36, "every option of the table is found in the document");
    for option in options {
        let (name, call) = (option["name"].as_str().unwrap(), &option["call"]);
        let operation = &api["paths"][call["path"].as_str().unwrap()][call["method"].as_str().unwrap().to_lowercase()];
        assert_eq!(operation["operationId"], name.split(' ').next().unwrap(), "{option}");
        assert!(option["about"].as_str().unwrap().len() > 10, "{option}");
        for (place, key) in [("query", "query"), ("header", "headers")] {
            for parameter in call[key].as_object().unwrap_or(&Map::new()).keys() {
                let declared = list(operation, "parameters").iter().find(|one| one["name"] == *parameter && one["in"] == place);
                assert!(declared.is_some(), "{option}");
            }
        }
        let takes_body = operation.get("requestBody").is_some();
        assert_eq!(call.get("body").is_some(), takes_body, "{option}");
        if takes_body {
            let properties = schema(&api, operation)["properties"].as_object().unwrap();
            assert!(call["body"].as_object().unwrap().keys().all(|key| properties.contains_key(key)), "{option}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_works_as_it_stands() {
    let world = World::start(StoreKind::Embedded).await;
    let example = "itm_8c1f";
    let mut items = many(90, &TOPICS, 17);
    items[0]["id"] = json!(example);
    world.items(items).await;
    let document = document(&world).await;
    let page = world.feed("ana").limit(40).get().await.ok();
    for option in list(&document, "options") {
        let call = &option["call"];
        let path = call["path"].as_str().unwrap().replace("/v1/me", "/v1/users/ana");
        let mut path = path.replace("{feed_id}", page.feed_id()).replace("{id}", &page.ids()[0]).replace("{topic}", "science");
        let query: Vec<String> =
            call["query"].as_object().into_iter().flatten().map(|(k, v)| format!("{k}={}", v.as_str().unwrap())).collect();
        path = format!("{path}?{}", query.join("&"));
        let mut body = call["body"].clone();
        // What a user token says by itself.
        if path.starts_with("/v1/events") {
            body["user"] = json!("ben");
        } else if path.starts_with("/v1/decisions") {
            path = format!("{path}user=ana");
        }
        let mut request = world.request(call["method"].as_str().unwrap().parse().unwrap(), &path);
        for (name, value) in call["headers"].as_object().into_iter().flatten() {
            request = request.header(name, value.as_str().unwrap());
        }
        let answer = send(if body.is_null() { request } else { request.json(&body) }).await;
        assert!(answer.status.is_success(), "{option}: {}", answer.text);
        assert!(answer.body.get("rejected").is_none_or(|rejected| *rejected == json!([])), "{option}: {}", answer.text);
    }
}

fn card(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_polyphony")).arg("card").args(arguments).env_clear().output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_card_says_the_same() {
    let world = World::start(StoreKind::Embedded).await;
    world.swap_policy("home", |policy| policy.score.weights.popularity = 2.5).await;
    let url = format!("http://{}", world.address);
    let of_server: Value = serde_json::from_str(&card(&["--server", &url, "--format", "json"])).unwrap();
    assert_eq!(of_server, document(&world).await);
    let markdown = card(&["--server", &url]);
    for surface in list(&of_server, "surfaces") {
        assert!(markdown.contains(&format!("\n## {}\n", surface["surface"].as_str().unwrap())));
        for (group, _) in GROUPS {
            for parameter in list(&surface["policies"][0], group) {
                let share = (100.0 * parameter["share"].as_f64().unwrap()).round();
                let row = format!("{share} % | `{}` |", parameter["key"].as_str().unwrap());
                assert!(markdown.contains(&row), "no {row} in {markdown}");
            }
        }
    }
    for option in list(&of_server, "options") {
        assert!(markdown.contains(option["call"]["path"].as_str().unwrap()));
    }
    let of_settings: Value =
        serde_json::from_str(&card(&["--format", "json", "--set", "policy.score.weights.interest=0", "--set", "consent.default=assumed"]))
            .unwrap();
    assert!(keys(policy(&of_settings, "home"), "not_used").contains(&"score.weights.interest".to_owned()));
    assert_eq!(of_settings["profiling"]["consent_default"], "assumed");
    assert_eq!(of_settings["options"], of_server["options"]);
}
