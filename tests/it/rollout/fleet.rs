//! Several servers, restarts, and the policy file: the real binary.

use std::{fs, path::Path, process::Command};

use reqwest::Method;
use serde_json::{Value, json};

use super::{ACTIVATIONS, file, order};
use crate::support::{
    process::{Process, Recipe, eventually, items},
    redis::RedisServer,
};

async fn version(server: &Process) -> u64 {
    server.feed("user=ann&limit=5").await["policy"]["version"].as_u64().unwrap()
}

async fn until_version(server: &Process, wanted: u64) {
    eventually(&format!("version {wanted} is served"), async || (version(server).await == wanted).then_some(())).await;
}

async fn activated(server: &Process, text: &str, more: Value) -> Value {
    let answer = server.post(ACTIVATIONS, &order(text, &more)).await;
    let (status, body) = (answer.status(), answer.json::<Value>().await.unwrap());
    assert_eq!(status, 201, "{body}");
    body
}

fn at_once() -> Value {
    json!({ "stage": "all", "skip": ["preview", "canary"] })
}

#[tokio::test]
async fn what_one_server_activates_all_serve() {
    let redis = RedisServer::start_new();
    let (a, b) = (Recipe::serve().redis(&redis.url()).ready().await, Recipe::serve().redis(&redis.url()).ready().await);
    a.put_items(&items(60)).await;
    eventually("B has the items", async || (b.metric("feed_catalogue_items").await == 60.0).then_some(())).await;
    activated(&a, &file(2, ""), at_once()).await;
    assert_eq!(version(&a).await, 2, "served here with the answer");
    until_version(&b, 2).await;
    // A canary is the same people's on both.
    activated(&b, &file(3, "[diversify]\ndiversity = 0.5\n"), json!({ "share": 0.5, "skip": ["preview"] })).await;
    eventually("A has the canary", async || (a.metric("feed_canary_share_ratio").await == 0.5).then_some(())).await;
    for person in 0..30 {
        let of = async |server: &Process| server.feed(&format!("user=u{person}&limit=5")).await["policy"]["version"].clone();
        assert_eq!(of(&a).await, of(&b).await);
    }
    let rollback = a.post("/v1/admin/policies/rollback", &json!({ "reason": "enough" })).await;
    assert_eq!(rollback.status(), 201);
    eventually("B has no canary", async || (b.metric("feed_canary_share_ratio").await == 0.0).then_some(())).await;
    for server in [&a, &b] {
        assert_eq!((version(server).await, server.metric("feed_activation_log_entries").await), (2, 3.0));
    }
}

async fn survives(recipe: Recipe) {
    let server = recipe.ready().await;
    server.put_items(&items(60)).await;
    activated(&server, &file(2, ""), at_once()).await;
    activated(&server, &file(3, "[diversify]\ndiversity = 0.5\n"), json!({ "share": 0.4, "skip": ["preview"] })).await;
    let of = async |server: &Process, person: u32| server.feed(&format!("user=u{person}&limit=5")).await["policy"]["version"].clone();
    let mut before = Vec::new();
    for person in 0..20 {
        before.push(of(&server, person).await);
    }
    assert!(before.contains(&2.into()) && before.contains(&3.into()), "{before:?}");
    server.kill();
    let server = recipe.start();
    // The very first page is already by what was activated.
    let first = eventually("it serves", async || {
        let answer = server.get("/v1/feed?user=u0&limit=5").await;
        (answer.status() == 200).then_some(answer)
    });
    let first: Value = first.await.json().await.unwrap();
    assert_eq!(first["policy"]["version"], before[0]);
    for (person, version) in before.iter().enumerate() {
        assert_eq!(of(&server, person as u32).await, *version);
    }
}

#[tokio::test]
async fn a_restarted_server_serves_what_was_activated() {
    survives(Recipe::serve()).await;
    let redis = RedisServer::start_new();
    survives(Recipe::serve().redis(&redis.url())).await;
}

fn with_file(path: &Path) -> Recipe {
    // The recipe's own deadline would stand beside the file.
    Recipe::serve().policy_file(path)
}

fn hang_up(server: &Process) {
    assert!(Command::new("kill").args(["-HUP", &server.id().to_string()]).status().unwrap().success());
}

#[tokio::test]
async fn a_changed_file_is_served_and_a_bad_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.toml");
    fs::write(&path, file(2, "")).unwrap();
    let server = with_file(&path).ready().await;
    server.put_items(&items(60)).await;
    assert_eq!(version(&server).await, 2);
    fs::write(&path, file(3, "")).unwrap();
    until_version(&server, 3).await;
    let entry = server.get(ACTIVATIONS).await.json::<Value>().await.unwrap()["entries"][0].clone();
    assert_eq!((&entry["cause"], &entry["actor"]), (&"file".into(), &"file".into()));

    fs::write(&path, file(4, "[diversify]\ndiversty = 0.5\n")).unwrap();
    eventually("it is loud", async || (server.readiness().await == (200, "degraded".to_owned())).then_some(())).await;
    assert_eq!(version(&server).await, 3);
    assert!(server.metric("feed_policy_reloads_total{result=\"invalid\"}").await >= 1.0);
    assert!(server.output().contains("P0203") && server.output().contains("did you mean `diversity`"), "{}", server.output());
    let told = server.post("/v1/admin/policies/reload", &json!({})).await;
    let (status, told) = (told.status(), told.json::<Value>().await.unwrap());
    assert!(status == 422 && told["detail"].as_str().unwrap().contains("unknown key `diversty`"), "{told}");

    fs::write(&path, file(4, "[diversify]\ndiversity = 0.5\n")).unwrap();
    until_version(&server, 4).await;
    server.until_ready().await;

    // What was rolled back stays rolled back: the file is no news, neither now nor after a restart.
    let back = server.post("/v1/admin/policies/rollback", &json!({ "reason": "no" })).await;
    assert_eq!(back.status(), 201);
    hang_up(&server);
    eventually("it was read again", async || server.output().contains("read again").then_some(())).await;
    let unchanged = server.post("/v1/admin/policies/reload", &json!({})).await.json::<Value>().await.unwrap();
    assert_eq!((unchanged["result"].clone(), version(&server).await), ("unchanged".into(), 3));
}

#[tokio::test]
async fn a_file_that_changed_while_nobody_looked_is_news_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.toml");
    fs::write(&path, file(2, "")).unwrap();
    let recipe = with_file(&path);
    let server = recipe.ready().await;
    server.put_items(&items(60)).await;
    activated(&server, &file(7, "[diversify]\ndiversity = 0.5\n"), at_once()).await;
    server.terminate().await;
    let server = recipe.ready().await;
    assert_eq!(version(&server).await, 7, "the file is what it was");
    server.terminate().await;
    fs::write(&path, file(8, "")).unwrap();
    let server = recipe.ready().await;
    until_version(&server, 8).await;
    assert_eq!(server.request(Method::GET, ACTIVATIONS).send().await.unwrap().json::<Value>().await.unwrap()["log_entries"], 2);
}
