//! The real binary, with a Qdrant that is killed, frozen, not this catalogue's, or asks for a key.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{
    process::{Process, Recipe, eventually, ids, items},
    qdrant::QdrantLocal,
    redis::RedisServer,
};

const KEY: &str = "a-key-for-qdrant-0123456789";
/// More than are opened: what is near each is asked for once.
const ITEMS: usize = 600;
/// A feed waits for Qdrant no longer than for its policy's deadline, which tests set to 500 ms; the rest is a busy machine's.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

fn on(local: &QdrantLocal) -> Recipe {
    let recipe = Recipe::serve().set("catalogue.search.engine", "qdrant").set("catalogue.search.qdrant.url", &local.url());
    recipe.set("catalogue.search.qdrant.timeout", "250ms").set("catalogue.dimension", "64")
}

/// Readers who opened one item each, another one every time: what is near it is not known yet.
struct Readers {
    name: &'static str,
    opened: usize,
}

impl Readers {
    /// Somebody opens an item, and gets a feed. What was missing in it, as stage and reason.
    async fn next_reads(&mut self, server: &Process) -> Vec<(String, String)> {
        self.opened += 1;
        let user = self.last();
        let (status, body) = server.events(&user, &format!("i{}", self.opened), &[format!("opened by {user}")]).await;
        assert_eq!((status, &body["accepted"]), (202, &Value::from(1)), "{body}");
        let began = Instant::now();
        let page = server.feed(&format!("user={user}&limit=10")).await;
        assert!(began.elapsed() < ANSWER_LIMIT);
        assert_eq!(ids(&page).len(), 10, "{page}");
        let word = |one: &Value, key: &str| one[key].as_str().unwrap().to_owned();
        page["degraded"].as_array().into_iter().flatten().map(|one| (word(one, "stage"), word(one, "reason"))).collect()
    }

    fn last(&self) -> String {
        format!("{}{}", self.name, self.opened)
    }

    async fn miss_nothing(&mut self, server: &Process) {
        eventually("a whole feed", async || self.next_reads(server).await.is_empty().then_some(())).await;
    }

    /// Feeds until one lacks something for one of the reasons, and two more, which lack it too.
    async fn miss(&mut self, server: &Process, reasons: &[&str]) {
        let is_one = |missed: &[(String, String)]| matches!(missed, [(stage, reason)] if stage == "candidates" && reasons.contains(&reason.as_str()));
        eventually("something is missing", async || is_one(&self.next_reads(server).await).then_some(())).await;
        for _ in 0..2 {
            let missed = self.next_reads(server).await;
            assert!(is_one(&missed), "{missed:?}");
        }
        let (status, _) = server.readiness().await;
        assert_eq!(status, 200, "feeds are served, so it stays in the load balancer");
    }
}

fn ann() -> Readers {
    Readers { name: "ann", opened: 0 }
}

#[tokio::test]
async fn a_qdrant_that_is_killed_costs_nobody_a_feed() {
    let Some(mut local) = QdrantLocal::start_new("") else { return };
    let server = on(&local).ready().await;
    server.put_items(&items(ITEMS)).await;
    let mut ann = ann();
    ann.miss_nothing(&server).await;
    assert!(local.count("query") > 0, "{:?}", local.calls());
    local.stop();
    ann.miss(&server, &["search_unreachable", "search_timeout", "search_behind"]).await;
    assert!(server.metric("feed_degraded_total{surface=\"home\",reason=\"search_").await >= 3.0, "it is counted");
    assert!(server.metric("feed_search_duration_seconds_count{result=\"search_unreachable\"}").await >= 1.0);
    // While nothing changes it has all there is to have.
    server.put_items(&[json!({"id": "meanwhile", "title": "Item meanwhile", "topics": ["art"]})]).await;
    eventually("it is said", async || (server.metric("feed_search_behind_seconds").await > 0.0).then_some(())).await;
    // It comes back with nothing.
    local.start();
    ann.miss_nothing(&server).await;
    server.put_items(&[json!({"id": "late", "title": "Item late", "topics": ["art"]})]).await;
    eventually("changes go there again", async || local.said("upsert 1").then_some(())).await;
    assert!(server.terminate().await.success());
}

#[tokio::test]
async fn a_qdrant_that_is_frozen_costs_nobody_a_feed() {
    let Some(local) = QdrantLocal::start_new("") else { return };
    let server = on(&local).ready().await;
    server.put_items(&items(ITEMS)).await;
    let mut ann = ann();
    ann.miss_nothing(&server).await;
    local.pause();
    ann.miss(&server, &["search_timeout", "search_unreachable"]).await;
    for _ in 0..8 {
        ann.next_reads(&server).await;
    }
    // Enough missed: feeds no longer wait for it.
    let refused = server.metric("feed_search_duration_seconds_count{result=\"search_unreachable\"}").await;
    assert!(refused >= 1.0, "{refused}");
    local.resume();
    ann.miss_nothing(&server).await;
    assert!(server.terminate().await.success());
}

#[tokio::test]
async fn a_qdrant_that_comes_after_the_server_is_waited_for() {
    let Some(mut local) = QdrantLocal::reserved("") else { return };
    let server = on(&local).ready().await;
    server.put_items(&items(ITEMS)).await;
    let mut ann = ann();
    ann.miss(&server, &["search_unreachable"]).await;
    local.start();
    ann.miss_nothing(&server).await;
}

#[tokio::test]
async fn what_is_near_is_asked_for_once() {
    let Some(local) = QdrantLocal::start_new("") else { return };
    let server = on(&local).ready().await;
    server.put_items(&items(ITEMS)).await;
    let mut ann = ann();
    ann.miss_nothing(&server).await;
    // While many changes are on their way to Qdrant, nothing is kept.
    let mut asked = 0;
    eventually("it is known", async || {
        server.feed(&format!("user={}&limit=10", ann.last())).await;
        let before = std::mem::replace(&mut asked, local.count("query"));
        (before == asked).then_some(())
    })
    .await;
    for _ in 0..5 {
        server.feed(&format!("user={}&limit=10", ann.last())).await;
    }
    assert_eq!(local.count("query"), asked, "the interests did not move");
    // Nor is it asked again because the catalogue changed.
    server.put_items(&items(ITEMS + 1)[ITEMS..]).await;
    server.feed(&format!("user={}&limit=10", ann.last())).await;
    assert_eq!(local.count("query"), asked);
}

#[tokio::test]
async fn a_collection_of_another_dimension_is_refused() {
    let Some(local) = QdrantLocal::start_new("") else { return };
    let right = on(&local).ready().await;
    right.put_items(&items(ITEMS)).await;
    ann().miss_nothing(&right).await;
    let wrong = on(&local).set("catalogue.dimension", "32").ready().await;
    wrong.put_items(&items(ITEMS)).await;
    Readers { name: "bob", opened: 0 }.miss(&wrong, &["search_refused"]).await;
    let said = "collection `polyphony` has vectors of 64 numbers; catalogue.dimension is 32";
    eventually("the log says why", async || wrong.output().contains(said).then_some(())).await;
    // What is right goes on.
    let mut ann = Readers { name: "ann", opened: 50 };
    ann.miss_nothing(&right).await;
}

#[tokio::test]
async fn the_key_is_sent_and_never_shown() {
    let Some(local) = QdrantLocal::start_new(KEY) else { return };
    let with_key = on(&local).set("catalogue.search.qdrant.api_key", KEY).set("telemetry.log_level", "trace");
    let server = with_key.ready().await;
    server.put_items(&items(ITEMS)).await;
    ann().miss_nothing(&server).await;
    assert_eq!(local.count("refused"), 0);
    let output = server.output();
    assert!(output.contains("Qdrant holds the catalogue") && !output.contains(KEY), "{output}");
    let without = on(&local).ready().await;
    without.put_items(&items(ITEMS)).await;
    Readers { name: "bob", opened: 0 }.miss(&without, &["search_refused"]).await;
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
    a.put_items(&items(ITEMS)).await;
    ann().miss_nothing(&a).await;
    let mut bob = Readers { name: "bob", opened: 100 };
    eventually("its changes reach the other", async || (b.metric("feed_catalogue_items").await >= ITEMS as f64).then_some(())).await;
    bob.miss_nothing(&b).await;
    assert_eq!(local.count("create"), 1, "{:?}", local.calls());
}

#[tokio::test]
async fn doctor_looks_at_it() {
    let Some(local) = QdrantLocal::start_new("") else { return };
    let doctor = |dimension: &str, url: &str| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_polyphony"));
        let folder = tempfile::tempdir().unwrap();
        command.args(["doctor", "--listen", "127.0.0.1:0", "--set", "catalogue.search.engine=qdrant"]).current_dir(folder.path());
        command.args(["--set", "server.max_inflight_requests=1"]);
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
    server.put_items(&items(ITEMS)).await;
    ann().miss_nothing(&server).await;
    eventually("all are there", async || {
        let (code, said) = doctor("64", &local.url());
        (code == Some(0) && said.starts_with("ok") && said.contains("version 1.20.0, 600 points")).then_some(())
    })
    .await;
    let (code, said) = doctor("32", &local.url());
    assert!(code == Some(1) && said.starts_with("fault") && said.contains("vectors of 64 numbers"), "{said}");
    let (code, said) = doctor("64", "http://127.0.0.1:1");
    assert!(code == Some(1) && said.starts_with("fault") && said.contains("cannot be reached"), "{said}");
}
