//! A preview shows what would be served, and leaves no trace.

use std::collections::BTreeMap;

use polyphony::policy;
use reqwest::Method;
use serde_json::{Value, json};

use super::{ADMIN, StoreKind, World, journaled, world};
use crate::support::world::{Answer, eventually, on_both_stores, send};

on_both_stores! {
    a_preview_leaves_no_trace
}

async fn ask(world: &World, key: &str, path: &str, body: &Value) -> Answer {
    send(world.request(Method::POST, path).bearer_auth(key).json(body)).await
}

async fn preview(world: &World, body: &Value) -> Answer {
    ask(world, ADMIN, "/v1/admin/policies/preview", body).await
}

/// Everything that is kept: the store's file, or every key of Redis with its bytes.
fn kept(world: &World) -> BTreeMap<String, Vec<u8>> {
    match &world.redis {
        None => {
            let journal = &world.app.settings.journal.path;
            let store = journal.parent().unwrap().join("polyphony.redb");
            [("store".to_owned(), blake3::hash(&std::fs::read(store).unwrap()).as_bytes().to_vec())].into()
        }
        Some(redis) => {
            let mut connection = redis.connection();
            let keys: Vec<String> = ::redis::cmd("KEYS").arg("*").query(&mut connection).unwrap();
            let dump = |key: String| {
                let bytes: Vec<u8> = ::redis::cmd("DUMP").arg(&key).query(&mut connection).unwrap();
                (key, bytes)
            };
            keys.into_iter().map(dump).collect()
        }
    }
}

async fn served_counter(world: &World) -> String {
    let metrics = world.get("/metrics").await.text;
    metrics
        .lines()
        .filter(|line| line.starts_with("feed_responses") || line.starts_with("feed_items_served"))
        .collect::<Vec<_>>()
        .join("\n")
}

async fn a_preview_leaves_no_trace(kind: StoreKind) {
    let world = world(kind).await;
    let events = journaled(&world);
    assert!(events > 100);
    world.feed("").header("authorization", &format!("Bearer {ADMIN}")).get().await.ok();
    eventually("the first feed is journaled", async || journaled(&world) == events + 1).await;

    let (store, records, counters) = (kept(&world), journaled(&world), served_counter(&world).await);
    for user in ["ana", "ben", "farid", "somebody-new"] {
        let body = json!({ "user": user, "policies": ["active", "discovery", { "extends": "active", "diversify": { "diversity": 0.9 } }] });
        let answer = preview(&world, &body).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let again = preview(&world, &body).await;
        assert_eq!(answer.body, again.body, "asked twice, the same");
    }
    assert_eq!(kept(&world), store, "the store");
    assert_eq!(served_counter(&world).await, counters, "exposure counters");

    // What is served leaves its traces: the comparison can fail.
    world.feed("ana").header("authorization", &format!("Bearer {ADMIN}")).get().await.ok();
    eventually("the feed is journaled", async || journaled(&world) == records + 1).await;
    assert_ne!(kept(&world), store);
    assert_ne!(served_counter(&world).await, counters);
}

/// The first slate is what a feed with the same seed gets; the others are told against it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_preview_is_what_would_be_served() {
    let world = world(StoreKind::Embedded).await;
    let draft = json!({ "extends": "active", "id": "open", "version": 3, "diversify": { "diversity": 0.7 }, "explore": { "share": 0.2 } });
    let answer = preview(&world, &json!({ "user": "ana", "surface": "home", "policies": ["active", draft], "seed": 5, "limit": 15 })).await;
    let slates = answer.body["slates"].as_array().unwrap();
    let served = world
        .feed("ana")
        .header("authorization", &format!("Bearer {ADMIN}"))
        .seed(5)
        .limit(15)
        .param("include", "metrics")
        .get()
        .await
        .ok();
    let ids =
        |slate: &Value| slate["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    let (first, second) = (ids(&slates[0]), ids(&slates[1]));
    assert_eq!(first, served.ids());
    assert_eq!(slates[0]["policy"], served.body["policy"]);
    assert_eq!((answer.body["seed"].as_u64(), answer.body["personalised"].as_bool()), (Some(5), Some(true)));
    let near = |a: &Value, b: &Value| (a.as_f64().unwrap() - b.as_f64().unwrap()).abs() < 1e-3;
    for metric in ["ild", "relevance_kept", "topic_entropy", "exploration_share"] {
        assert!(near(&slates[0]["metrics"][metric], &served.body["metrics"][metric]), "{metric}: {} {}", slates[0], served.body["metrics"]);
    }

    assert!(first != second && slates[1]["policy"]["id"] == "open" && slates[1]["diversity"].as_f64().is_some_and(|d| d > 0.69));
    assert!(slates[1]["metrics"]["ild"].as_f64() > slates[0]["metrics"]["ild"].as_f64());
    for (at, item) in slates[1]["items"].as_array().unwrap().iter().enumerate() {
        let was = first.iter().position(|id| *id == second[at]);
        let change = match was {
            None => ("in", None),
            Some(was) if was == at => ("same", None),
            Some(was) => (if was > at { "up" } else { "down" }, Some(was as i64 - at as i64)),
        };
        assert_eq!((item["change"].as_str().unwrap(), item["by"].as_i64()), change, "{item}");
    }
    let gone: Vec<&String> = first.iter().filter(|id| !second.contains(id)).collect();
    let out = slates[1]["out"].as_array().unwrap();
    assert_eq!(out.iter().map(|out| out["id"].as_str().unwrap()).collect::<Vec<_>>(), gone);
    assert!(slates[0]["items"].as_array().unwrap().iter().all(|item| item["change"] == "same"));
}

/// Constraints that hold a better item back, and those that give way, are named.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_preview_says_which_constraints_are_felt() {
    let world = world(StoreKind::Embedded).await;
    let strict = json!({ "diversify": { "diversity": 0.0 }, "constraint": [
        { "kind": "max_share", "facet": "topic", "max": 1, "per": 5 },
        { "kind": "min_share", "facet": "viewpoint", "value": "nobody", "min": 1, "per": 10 } ] });
    let answer = preview(&world, &json!({ "user": "ana", "policies": [strict] })).await;
    let felt = answer.body["slates"][0]["constraints"].as_array().unwrap_or_else(|| panic!("{}", answer.text));
    assert_eq!(felt[0]["constraint"], "max_share topic 1/5");
    assert!(felt[0]["binds_at"].as_array().is_some_and(|at| !at.is_empty()), "{felt:?}");
    assert_eq!(felt[1]["constraint"], "min_share viewpoint=nobody 1/10");
    assert_eq!(felt[1]["relaxed_at"], json!([0, 10]));
}

/// A set that a server runs as inline policy is the set it previews as `active`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn active_is_what_is_in_force() {
    let world = world(StoreKind::Embedded).await;
    let settings = &world.app.settings;
    let chosen = policy::chosen(settings).unwrap();
    let answer = preview(&world, &json!({ "policies": ["active"] })).await;
    assert_eq!(answer.body["slates"][0]["policy"]["digest"], chosen.surface("home").unwrap().digest.as_str());
    assert_eq!(answer.body.get("user"), None);
    assert_eq!(answer.body["personalised"], false);
}
