//! The real binary, with a Qdrant that is killed, frozen, not this catalogue's, or asks for a key.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{
    process::{Process, Recipe, eventually, ids, items},
    qdrant::QdrantLocal,
    redis::RedisServer,
};

const KEY: &str = "a-key-for-qdrant-0123456789";
/// A feed waits for Qdrant no longer than for its policy's deadline, which tests set to 500 ms; the rest is a busy machine's.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

fn on(local: &QdrantLocal) -> Recipe {
    let recipe = Recipe::serve().set("catalogue.search.engine", "qdrant").set("catalogue.search.qdrant.url", &local.url());
    recipe.set("catalogue.search.qdrant.timeout", "250ms").set("catalogue.dimension", "64")
}

/// A reader whose interests move with every call, so that nothing is known of what is near.
struct Reader {
    name: &'static str,
    opened: usize,
}

impl Reader {
    /// Opens an item, and gets a feed. What was missing in it.
    async fn reads(&mut self, server: &Process) -> Vec<(String, String)> {
        self.opened += 1;
        let (status, body) = server.events(self.name, &format!("i{}", self.opened), &[format!("{}{}", self.name, self.opened)]).await;
        assert_eq!(status, 202, "{body}");
        let began = Instant::now();
        let page = server.feed(&format!("user={}&limit=10", self.name)).await;
        assert!(began.elapsed() < ANSWER_LIMIT);
        assert_eq!(ids(&page).len(), 10, "{page}");
        let word = |one: &Value, key: &str| one[key].as_str().unwrap().to_owned();
        page["degraded"].as_array().into_iter().flatten().map(|one| (word(one, "stage"), word(one, "reason"))).collect()
    }

    async fn misses_nothing(&mut self, server: &Process) {
        eventually("a whole feed", async || self.reads(server).await.is_empty().then_some(())).await;
    }

    /// Reads until something is missing, and twice more. All is of the stage `candidates`.
    async fn misses(&mut self, server: &Process, reasons: &[&str]) {
        let first = eventually("something is missing", async || Some(self.reads(server).await).filter(|missed| !missed.is_empty())).await;
        let mut missed = vec![first];
        missed.push(self.reads(server).await);
        missed.push(self.reads(server).await);
        for (stage, reason) in missed.iter().flatten() {
            assert!(stage == "candidates" && reasons.contains(&reason.as_str()), "{missed:?}");
        }
        assert!(missed.iter().all(|one| one.len() == 1), "{missed:?}");
        let (status, _) = server.readiness().await;
        assert_eq!(status, 200, "feeds are served, so it stays in the load balancer");
    }
}

fn reader() -> Reader {
    Reader { name: "ann", opened: 0 }
}

#[tokio::test]
async fn a_qdrant_that_is_killed_costs_nobody_a_feed() {
    let Some(mut local) = QdrantLocal::start_new("") else { return };
    let server = on(&local).ready().await;
    server.put_items(&items(300)).await;
    let mut ann = reader();
    ann.misses_nothing(&server).await;
    assert!(local.count("query") > 0, "{:?}", local.calls());
    local.stop();
    ann.misses(&server, &["search_unreachable", "search_timeout", "search_behind"]).await;
    assert!(server.metric("feed_degraded_total{surface=\"home\",reason=\"search_").await >= 3.0, "it is counted");
    assert!(server.metric("feed_search_duration_seconds_count{result=\"search_unreachable\"}").await >= 1.0);
    eventually("it is said", async || (server.metric("feed_search_behind_seconds").await > 0.0).then_some(())).await;
    // It comes back with nothing.
    local.start();
    ann.misses_nothing(&server).await;
    server.put_items(&[json!({"id": "late", "title": "Item late", "topics": ["art"]})]).await;
    eventually("changes go there again", async || (local.count("upsert 1") >= 1).then_some(())).await;
    assert!(server.terminate().await.success());
}

#[tokio::test]
async fn a_qdrant_that_is_frozen_costs_nobody_a_feed() {
    let Some(local) = QdrantLocal::start_new("") else { return };
    let server = on(&local).ready().await;
    server.put_items(&items(300)).await;
    let mut ann = reader();
    ann.misses_nothing(&server).await;
    local.pause();
    ann.misses(&server, &["search_timeout", "search_unreachable"]).await;
    for _ in 0..8 {
        ann.reads(&server).await;
    }
    // Enough missed: feeds no longer wait for it.
    let refused = server.metric("feed_search_duration_seconds_count{result=\"search_unreachable\"}").await;
    assert!(refused >= 1.0, "{refused}");
    local.resume();
    ann.misses_nothing(&server).await;
    assert!(server.terminate().await.success());
}

#[tokio::test]
async fn a_qdrant_that_comes_after_the_server_is_waited_for() {
    let Some(mut local) = QdrantLocal::reserved("") else { return };
    let server = on(&local).ready().await;
    server.put_items(&items(300)).await;
    let mut ann = reader();
    ann.misses(&server, &["search_unreachable"]).await;
    local.start();
    ann.misses_nothing(&server).await;
}

#[tokio::test]
async fn what_is_near_is_asked_for_once() {
    let Some(local) = QdrantLocal::start_new("") else { return };
    let server = on(&local).ready().await;
    server.put_items(&items(300)).await;
    let mut ann = reader();
    ann.misses_nothing(&server).await;
    let asked = local.count("query");
    for _ in 0..5 {
        server.feed("user=ann&limit=10").await;
    }
    assert_eq!(local.count("query"), asked, "the interests did not move");
    // Nor is it asked again because the catalogue changed.
    server.put_items(&items(301)[300..]).await;
    server.feed("user=ann&limit=10").await;
    assert_eq!(local.count("query"), asked);
}

#[tokio::test]
async fn a_collection_of_another_dimension_is_refused() {
    let Some(local) = QdrantLocal::start_new("") else { return };
    let right = on(&local).ready().await;
    right.put_items(&items(300)).await;
    reader().misses_nothing(&right).await;
    let wrong = on(&local).set("catalogue.dimension", "32").ready().await;
    wrong.put_items(&items(300)).await;
    Reader { name: "bob", opened: 0 }.misses(&wrong, &["search_refused"]).await;
    let said = "collection `polyphony` has vectors of 64 numbers; catalogue.dimension is 32";
    eventually("the log says why", async || wrong.output().contains(said).then_some(())).await;
    // What is right goes on.
    let mut ann = Reader { name: "ann", opened: 50 };
    ann.misses_nothing(&right).await;
}

#[tokio::test]
async fn the_key_is_sent_and_never_shown() {
    let Some(local) = QdrantLocal::start_new(KEY) else { return };
    let with_key = on(&local).set("catalogue.search.qdrant.api_key", KEY).set("telemetry.log_level", "trace");
    let server = with_key.ready().await;
    server.put_items(&items(300)).await;
    reader().misses_nothing(&server).await;
    assert_eq!(local.count("refused"), 0);
    let output = server.output();
    assert!(output.contains("Qdrant holds the catalogue") && !output.contains(KEY), "{output}");
    let without = on(&local).ready().await;
    without.put_items(&items(300)).await;
    Reader { name: "bob", opened: 0 }.misses(&without, &["search_refused"]).await;
    assert!(local.count("refused") > 0);
    // The client would repeat a key that it cannot send.
    let (code, said) = on(&local).set("catalogue.search.qdrant.api_key", "a key\nin two").fails();
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("catalogue.search.qdrant.api_key") && !said.contains("in two"), "{said}");
}

#[tokio::test]
async fn servers_over_one_redis_share_a_collection() {
    let Some(local) = QdrantLocal::start_new("") else { return };
    let redis = RedisServer::start_new();
    let on = || on(&local).redis(&redis.url());
    let (a, b) = (on().ready().await, on().ready().await);
    a.put_items(&items(300)).await;
    reader().misses_nothing(&a).await;
    let mut bob = Reader { name: "bob", opened: 100 };
    eventually("its changes reach the other", async || (b.metric("feed_catalogue_items").await >= 300.0).then_some(())).await;
    bob.misses_nothing(&b).await;
    assert_eq!(local.count("create"), 1, "{:?}", local.calls());
}

#[tokio::test]
async fn doctor_looks_at_it() {
    let Some(local) = QdrantLocal::start_new("") else { return };
    let doctor = |dimension: &str, url: &str| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_polyphony"));
        let folder = tempfile::tempdir().unwrap();
        command.args(["doctor", "--listen", "127.0.0.1:0", "--set", "catalogue.search.engine=qdrant"]).current_dir(folder.path());
        // For a busy machine.
        command.args(["--set", "catalogue.search.qdrant.timeout=10s", "--set", &format!("catalogue.search.qdrant.url={url}")]);
        let output = command.args(["--set", &format!("catalogue.dimension={dimension}")]).env_clear().output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let lines: Vec<&str> = text.lines().filter(|line| line.contains("Qdrant at ")).collect();
        (output.status.code(), lines.join("\n"))
    };
    let (code, said) = doctor("64", &local.url());
    assert!(code == Some(0) && said.starts_with("ok") && said.contains("made at the first start"), "{said}");
    let server = on(&local).ready().await;
    server.put_items(&items(300)).await;
    reader().misses_nothing(&server).await;
    let (code, said) = doctor("64", &local.url());
    assert!(code == Some(0) && said.starts_with("ok") && said.contains("version 1.20.0, 300 points"), "{said}");
    let (code, said) = doctor("32", &local.url());
    assert!(code == Some(1) && said.starts_with("fault") && said.contains("vectors of 64 numbers"), "{said}");
    let (code, said) = doctor("64", "http://127.0.0.1:1");
    assert!(code == Some(1) && said.starts_with("fault") && said.contains("cannot be reached"), "{said}");
}
