//! Re-ranking the caller's own candidates over HTTP.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::world::{Answer, StoreKind, World, event, item, on_both_stores, send};

on_both_stores! {
    relevance_alone_decides_at_zero
    the_dial_and_the_rules_hold_here_too
    a_past_tips_the_balance
    a_thousand_are_taken_and_no_more
    every_fault_is_named
    numbers_that_are_none_are_refused
    nothing_is_kept
}

async fn rerank(world: &World, body: Value) -> Answer {
    world.post("/v1/rerank", &body).await
}

fn candidates(count: usize) -> Vec<Value> {
    (0..count).map(|n| json!({"id": format!("c{n:04}"), "relevance": 1.0 - n as f64 / count as f64})).collect()
}

async fn relevance_alone_decides_at_zero(kind: StoreKind) {
    // The catalogue is empty: none is needed.
    let world = World::start(kind).await;
    let mut shuffled = candidates(9);
    shuffled.rotate_left(4);
    let page = rerank(&world, json!({"candidates": shuffled, "diversity": 0, "explain": "full"})).await.ok();
    let expected: Vec<String> = (0..9).map(|n| format!("c{n:04}")).collect();
    assert_eq!(page.ids(), expected);
    assert_eq!(page.body["personalised"], false);
    for placed in page.items() {
        assert!(placed["explain"]["sources"].as_array().unwrap().contains(&json!("caller")), "{placed}");
        assert_eq!(placed["explain"]["moved"], 0, "{placed}");
    }
    assert_eq!(page.items()[0]["reasons"][0]["code"], "caller_relevance");
}

async fn the_dial_and_the_rules_hold_here_too(kind: StoreKind) {
    let world = World::start(kind).await;
    let of = |n: usize| {
        let (topic, creator) = if n < 10 { ("politics", format!("p{}", n.saturating_sub(4))) } else { ("science", format!("s{n}")) };
        json!({"id": format!("c{n:02}"), "relevance": 1.0 - n as f64 / 40.0, "topics": [topic], "creator": creator, "title": format!("{topic} {n}")})
    };
    let all: Vec<Value> = (0..20).map(of).collect();
    let ild = async |diversity: f64| {
        let page =
            rerank(&world, json!({"candidates": all, "diversity": diversity, "include": "metrics", "limit": 10, "seed": 3})).await.ok();
        let creators: Vec<usize> = page.ids().iter().map(|id| id[1..].parse::<usize>().unwrap()).filter(|n| *n < 5).collect();
        assert!(creators.len() <= 2, "two of a creator in ten: {:?}", page.ids());
        page.body["metrics"]["ild"].as_f64().unwrap()
    };
    assert!(ild(0.9).await > ild(0.0).await);
}

async fn a_past_tips_the_balance(kind: StoreKind) {
    let world = World::start(kind).await;
    world.items([item("read", "science", "crt_1", 1)]).await;
    world.events("ana", [event("like", "read")]).await;
    let both = json!([{"id": "a", "relevance": 0.5, "topics": ["politics"]}, {"id": "b", "relevance": 0.5, "topics": ["science"]}]);
    let ask = async |user: &str, profile: &str| rerank(&world, json!({"candidates": both, "user": user, "profile": profile})).await.ok();
    let (ana, ben, off) = (ask("ana", "on").await, ask("ben", "on").await, ask("ana", "off").await);
    assert_eq!((ana.ids()[0].as_str(), &ana.body["personalised"]), ("b", &json!(true)));
    assert_eq!((ben.ids()[0].as_str(), &ben.body["personalised"]), ("a", &json!(false)));
    assert_eq!((off.ids()[0].as_str(), &off.body["personalised"]), ("a", &json!(false)));
    let reasons = ana.items()[0]["reasons"].as_array().unwrap();
    assert!(reasons.iter().any(|r| r["code"] == "matches_topic" && r["params"]["topic"] == "science"), "{reasons:?}");
}

async fn a_thousand_are_taken_and_no_more(kind: StoreKind) {
    let world = World::start(kind).await;
    let page = rerank(&world, json!({"candidates": candidates(1_000), "limit": 100})).await.ok();
    assert_eq!(page.items().len(), 100);
    for count in [0, 1_001] {
        assert_eq!(rerank(&world, json!({"candidates": candidates(count)})).await.problem(), (400, "invalid-body"), "{count}");
    }
}

async fn every_fault_is_named(kind: StoreKind) {
    let world = World::start(kind).await;
    let body = json!({"limit": 0, "cursor": "c1.x", "candidates": [
        {"id": "a", "relevance": 0.5}, {"id": "a", "relevance": 0.5}, {"id": "b", "relevance": 1.1},
        {"id": "c", "relevance": 0.1, "embedding": [1.0, 2.0]}, {"relevance": 0.1}, {"id": "d"}, 7]});
    let answer = rerank(&world, body).await;
    assert_eq!(answer.problem(), (400, "invalid-body"));
    let pointers: Vec<&str> = answer.body["errors"].as_array().unwrap().iter().map(|e| e["pointer"].as_str().unwrap()).collect();
    for pointer in [
        "/limit",
        "/cursor",
        "/candidates/1/id",
        "/candidates/2/relevance",
        "/candidates/3/embedding",
        "/candidates/4/id",
        "/candidates/5/relevance",
        "/candidates/6",
    ] {
        assert!(pointers.contains(&pointer), "{pointer}: {pointers:?}");
    }
    assert_eq!(rerank(&world, json!({})).await.problem(), (400, "invalid-body"));
    assert_eq!(rerank(&world, json!({"candidates": candidates(1), "surface": "hom"})).await.problem().1, "unknown-surface");
}

async fn numbers_that_are_none_are_refused(kind: StoreKind) {
    let world = World::start(kind).await;
    let raw = async |relevance: &str, number: &str| {
        let rest = vec!["0.5"; world.app.dimension() - 1].join(",");
        let body = format!(r#"{{"candidates": [{{"id": "a", "relevance": {relevance}, "embedding": [{number},{rest}]}}]}}"#);
        send(world.request(Method::POST, "/v1/rerank").header("content-type", "application/json").body(body)).await
    };
    assert_eq!(raw("0.5", "0.5").await.ok().ids(), ["a"]);
    for wrong in ["NaN", "Infinity", "1e400", "\"NaN\"", "null", "-0.001", "1.0000001", "1e39", "true"] {
        assert_eq!(raw(wrong, "0.5").await.problem(), (400, "invalid-body"), "relevance {wrong}");
    }
    for wrong in ["NaN", "1e400", "\"NaN\"", "null", "1e39", "-1e39", "[]"] {
        assert_eq!(raw("0.5", wrong).await.problem(), (400, "invalid-body"), "embedding {wrong}");
    }
    // Small and huge ones that are numbers give numbers.
    for odd in ["1e-45", "-0.0", "3.4e38", "1e-400"] {
        let page = raw("1e-40", odd).await;
        assert!(page.status == 400 || !page.ok().items().is_empty(), "{odd}");
    }
}

async fn nothing_is_kept(kind: StoreKind) {
    let world = World::start(kind).await;
    let page = rerank(&world, json!({"candidates": candidates(30), "limit": 5, "user": "ana"})).await.ok();
    assert_eq!(page.body["page"], json!({}));
    assert_eq!(world.get("/v1/items/c0001").await.status, 404);
    assert_eq!(world.counted("ana").await, 0);
}
