//! Experiments: who gets which arm, where it is said, and what comes out.

use std::collections::BTreeMap;

use polyphony::domain::Span;
use serde_json::{Value, json};

use super::file;
use crate::support::world::{StoreKind, World, event, eventually, on_both_stores};

on_both_stores! {
    arms_are_told_counted_and_measured
    who_wants_no_profile_is_in_no_experiment
}

const EXPERIMENT: &str = "[[experiment]]\nid = \"breadth\"\nsurfaces = [\"home\"]\noutcome_window = \"2h\"\n\
    arms = [{ policy = \"mine\", weight = 50 }, { policy = \"discovery\", weight = 50 }]\n";

async fn world(kind: StoreKind, experiment: &str) -> World {
    let world = World::start(kind).await;
    world.demo().await;
    let done = world.activate(&file(2, experiment), json!({ "stage": "all", "skip": ["preview", "canary"] })).await;
    assert_eq!(done.status, 201, "{}", done.text);
    world
}

async fn arms_are_told_counted_and_measured(kind: StoreKind) {
    let world = world(kind, EXPERIMENT).await;
    let mut by_arm: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for person in 0..60 {
        let user = format!("user-{person}");
        let first = world.feed(&user).limit(5).get().await.ok();
        let arm = first.body["experiment"]["arm"].as_str().unwrap_or_else(|| panic!("{}", first.text)).to_owned();
        assert_eq!((&first.body["experiment"]["id"], &first.body["policy"]["id"]), (&"breadth".into(), &arm.as_str().into()));
        let second = world.feed(&user).cursor(&first.next().unwrap()).limit(5).get().await.ok();
        assert_eq!(second.body["experiment"], first.body["experiment"], "a feed goes on as it began");
        let elsewhere = world.feed(&user).param("surface", "video").get().await.ok();
        assert_eq!(elsewhere.body.get("experiment"), None);
        if arm == "discovery" {
            let opened = first.ids().into_iter().take(2).map(|id| {
                let mut opened = event("open", &id);
                opened["feed_id"] = first.feed_id().into();
                opened
            });
            world.events(&user, opened).await;
        }
        by_arm.entry(arm).or_default().push(user);
    }
    assert!(by_arm.len() == 2 && by_arm.values().all(|users| users.len() > 15), "{by_arm:?}");
    let metrics = world.get("/metrics").await.text;
    for (arm, users) in &by_arm {
        let line = format!("feed_experiment_exposures_total{{experiment=\"breadth\",arm=\"{arm}\",surface=\"home\"}} {}\n", users.len());
        assert!(metrics.contains(&line), "{line}{metrics}");
    }

    world.clock.advance(Span::hours(2));
    let results = async || world.get("/v1/admin/experiments/breadth").await.body;
    let is_written = async || results().await["arms"][1]["measures"][0]["mean"] == 0.2;
    eventually("the journal is written", is_written).await;
    let results = results().await;
    let arms = results["arms"].as_array().unwrap();
    for arm in arms {
        let users = by_arm[arm["arm"].as_str().unwrap()].len();
        assert_eq!((&arm["exposed_units"], &arm["complete_units"]), (&users.into(), &users.into()), "{results}");
    }
    let mean = |arm: usize, measure: &str| {
        let measures = arms[arm]["measures"].as_array().unwrap();
        measures.iter().find(|m| m["measure"] == measure).unwrap()["mean"].as_f64().unwrap()
    };
    assert_eq!((mean(0, "open_rate"), mean(1, "open_rate"), mean(1, "hide_rate")), (0.0, 0.2, 0.0));
    assert!(mean(1, "ild") > mean(0, "ild") && mean(0, "ild") > 0.5, "{results}");
    assert_eq!((&results["mismatch"]["is_suspicious"], &results["unit"]), (&false.into(), &"user".into()));
    let unknown = world.get("/v1/admin/experiments/bredth").await;
    assert_eq!(unknown.problem(), (404, "not-found"));
    assert!(unknown.text.contains("Did you mean `breadth`?"), "{}", unknown.text);
}

async fn who_wants_no_profile_is_in_no_experiment(kind: StoreKind) {
    let world = world(kind, EXPERIMENT).await;
    let mut slates = Vec::new();
    for person in 0..12 {
        let off = world.feed(&format!("user-{person}")).param("profile", "off").get().await.ok();
        assert_eq!((off.body.get("experiment"), &off.body["policy"]["id"]), (None, &"mine".into()));
        let gpc = world.feed(&format!("user-{person}")).header("sec-gpc", "1").get().await.ok();
        assert_eq!(gpc.body.get("experiment"), None);
        slates.push(off.ids());
    }
    assert!(slates.iter().all(|slate| *slate == slates[0]));
    let nobody = world.feed("").get().await.ok();
    assert_eq!((nobody.body.get("experiment"), nobody.ids()), (None, slates[0].clone()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_visit_keeps_its_arm() {
    let world = world(StoreKind::Embedded, &format!("{EXPERIMENT}unit = \"session\"\n")).await;
    let arm = async |user: &str, session: &str| {
        let body = world.feed(user).param("session", session).post().await.ok().body;
        body["experiment"]["arm"].clone()
    };
    let mut seen = Vec::new();
    for visit in 0..20 {
        let first = arm("ann", &format!("v{visit}")).await;
        assert_eq!(first, arm("", &format!("v{visit}")).await);
        seen.push(first);
    }
    assert!(seen.contains(&"mine".into()) && seen.contains(&"discovery".into()), "{seen:?}");
    assert_eq!(world.feed("ann").get().await.ok().body.get("experiment"), None);
    let wrong = world.feed("ann").param("session", "x".repeat(200)).get().await;
    assert_eq!(wrong.problem(), (400, "invalid-parameter"));
    let rerank =
        json!({ "session": "v1", "user": "ann", "candidates": [{ "id": "a", "relevance": 0.9 }, { "id": "b", "relevance": 0.8 }] });
    let reranked = world.post("/v1/rerank", &rerank).await.ok();
    assert_eq!(reranked.body["experiment"]["arm"], seen[1]);
}

/// People move only as the weights say, while the server runs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changed_weights_move_only_whom_they_must() {
    let world = world(StoreKind::Embedded, EXPERIMENT).await;
    let arms = async || {
        let mut arms = Vec::new();
        for person in 0..80 {
            arms.push(world.feed(&format!("user-{person}")).limit(2).get().await.ok().body["experiment"]["arm"].clone());
        }
        arms
    };
    let before = arms().await;
    let text = file(3, &EXPERIMENT.replacen("50", "80", 1).replacen("weight = 50 }]", "weight = 20 }]", 1));
    world.activate(&text, json!({ "stage": "all", "skip": ["preview", "canary"] })).await;
    let after = arms().await;
    let moved: Vec<(&Value, &Value)> = before.iter().zip(&after).filter(|(before, after)| before != after).collect();
    assert!((10..=40).contains(&moved.len()) && moved.iter().all(|(before, _)| *before == "discovery"), "{moved:?}");
}
