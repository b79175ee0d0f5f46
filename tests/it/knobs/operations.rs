//! Keys of the server's surroundings: the real binary with the default and with another value, looked at from outside.

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    path::Path,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use polyphony::{
    app::App,
    clock::SystemClock,
    journal::{EventRecord, JournalRecord},
    settings::Settings,
};
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    Observed,
    deployments::{controller, cors_origins, person_cache, qdrant, redis_mode, search_engine, sentinel, tls_authority, tls_certificate},
    in_process::{ad_retention, brownout_share, kept_of_people, public_url, reach},
};
use crate::{
    shutdown::unfinished,
    support::{
        app::StubStore,
        process::{Process, Recipe, eventually, ids, items, next},
        redis::RedisServer,
    },
};

const KEY: &str = "a-key-of-twenty-bytes";
const OTHER_KEY: &str = "b-key-of-twenty-bytes";
const MASTER_KEY: &str = "8f3c1d5e7a9b2c4d6e8f0a1b3c5d7e9f8f3c1d5e7a9b2c4d6e8f0a1b3c5d7e9f";
const SECRET: &str = "a secret of more than thirty-two bytes";

pub struct Operation {
    pub key: &'static str,
    value: &'static str,
    /// What is seen of a server with the key changed as the closure does, or not.
    look: fn(Change) -> Observed,
}

/// The key and its other value; `None` leaves the default.
pub(super) type Change = Option<(&'static str, &'static str)>;

/// A server that is not started yet, with the change.
fn recipe(change: Change) -> Recipe {
    with(Recipe::serve(), change)
}

pub(super) fn with(recipe: Recipe, change: Change) -> Recipe {
    match change {
        Some((key, value)) => recipe.set(key, value),
        None => recipe,
    }
}

macro_rules! operations {
    ($($key:literal = $value:expr => $look:ident;)+) => {
        pub const OPERATIONS: &[Operation] = &[$(Operation { key: $key, value: $value, look: |change| Box::pin($look(change)) }),+];
    };
}

operations! {
    "server.listen" = "127.0.0.2:0" => listen;
    "server.workers" = "5" => workers;
    "server.max_inflight_requests" = "1" => max_inflight_requests;
    "server.brownout_share" = "0.5" => brownout_share;
    "server.body_limit_bytes" = "1024" => body_limit_bytes;
    "server.bulk_body_limit_bytes" = "1048576" => bulk_body_limit_bytes;
    "server.keep_alive" = "1s" => keep_alive;
    "server.drain_delay" = "1m" => drain_delay;
    "server.shutdown_grace" = "1s" => shutdown_grace;
    "server.cors_origins" = "https://www.example.org" => cors_origins;
    "auth.server_keys" = KEY => without_key;
    "auth.admin_keys" = OTHER_KEY => admin_keys;
    "auth.jwt_secret" = SECRET => without_key;
    "auth.cursor_secret" = SECRET => cursor_secret;
    "limits.key_requests_per_minute" = "2" => limits;
    "limits.user_writes_per_minute" = "1" => limits;
    "limits.user_reads_per_minute" = "1" => limits;
    "limits.anonymous_requests_per_minute" = "1" => limits;
    "consent.default" = "assumed" => consent_default;
    "consent.controller" = "Other News" => controller;
    "consent.contact" = "other@news.example" => controller;
    "consent.jurisdiction" = "US-CA" => controller;
    "consent.withdrawal_url" = "https://news.example/withdraw" => controller;
    "privacy.master_keys" = MASTER_KEY => master_keys;
    "privacy.keys.embedded.path" = "elsewhere/keys.redb" => key_path;
    "privacy.keys.redis.url" = "redis://127.0.0.1:1" => key_redis_url;
    "consent.notices" = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/fixtures/consent") => notices;
    "privacy.pack" = "ccpa" => gpc;
    "privacy.gpc_scope" = "sale_share" => gpc;
    "privacy.unknown_age" = "minor" => kept_of_people;
    "privacy.sensitive.health" = "[\"science\"]" => kept_of_people;
    "privacy.sensitive.politics" = "[\"science\"]" => kept_of_people;
    "privacy.sensitive.belief" = "[\"science\"]" => kept_of_people;
    "privacy.sensitive.union" = "[\"science\"]" => kept_of_people;
    "privacy.sensitive.sex_life" = "[\"science\"]" => kept_of_people;
    "privacy.sensitive.origin" = "[\"science\"]" => kept_of_people;
    "store.profile_ttl" = "2d" => profile_ttl;
    "store.embedded.path" = "elsewhere/store.redb" => embedded_path;
    "store.redis.url" = "redis://127.0.0.1:1" => redis_url;
    "store.redis.mode" = "cluster" => redis_mode;
    "store.redis.sentinel.primary" = "another" => sentinel;
    "store.redis.sentinel.username" = "nobody" => sentinel;
    "store.redis.sentinel.password" = "wrong" => sentinel;
    "store.redis.tls.ca_file" = "ca.pem" => tls_authority;
    "store.redis.tls.cert_file" = "client.pem" => tls_certificate;
    "store.redis.tls.key_file" = "client.key" => tls_certificate;
    "store.redis.key_prefix" = "other" => key_prefix;
    "store.redis.timeout" = "10s" => redis_timeout;
    "store.redis.change_log_max" = "1000" => change_log_max;
    "store.redis.person_cache_bytes" = "0" => person_cache;
    "catalogue.dimension" = "8" => dimension;
    "catalogue.search.engine" = "qdrant" => search_engine;
    "catalogue.search.qdrant.url" = "https://127.0.0.1:1" => qdrant;
    "catalogue.search.qdrant.api_key" = KEY => qdrant;
    "catalogue.search.qdrant.collection" = "another" => qdrant;
    "catalogue.search.qdrant.timeout" = "1ms" => qdrant;
    "journal.path" = "elsewhere/journal" => journal_path;
    "journal.enabled" = "false" => journal_path;
    "journal.queue_records" = "1000000" => queue_records;
    "journal.rotate_bytes" = "1048576" => rotate_bytes;
    "journal.retention" = "1h" => retention;
    "journal.ad_retention" = "2h" => ad_retention;
    "policy.reach.push_per_day" = "2" => reach;
    "policy.reach.digest_every" = "1h" => reach;
    "policy.reach.quiet_from" = "8" => reach;
    "policy.reach.quiet_until" = "9" => reach;
    "policy.reach.fade_after" = "1d" => reach;
    "policy.reach.stop_after" = "1d" => reach;
    "server.public_url" = "https://other.example.org" => public_url;
    "journal.draws" = "false" => draws;
    "policies.file" = "discovery" => policies_file;
    "telemetry.log_format" = "text" => log_format;
    "telemetry.log_level" = "error" => log_level;
    "telemetry.server_timing" = "true" => server_timing;
    "telemetry.otlp_endpoint" = "http://127.0.0.1:9/v1/traces" => otlp_endpoint;
}

/// Two of each kind of call, twice what is allowed where a limit is on.
async fn limits(change: Change) -> String {
    let server = with(Recipe::serve().set("auth.server_keys", KEY), change).ready().await;
    let mut statuses = Vec::new();
    for (method, key) in [(Method::GET, Some(KEY)), (Method::PUT, Some(KEY)), (Method::GET, None)] {
        for _ in 0..2 {
            let request = server.request(method.clone(), "/v1/users/ana/preferences").json(&json!({}));
            let request = key.map_or(request.try_clone().unwrap(), |key| request.bearer_auth(key));
            statuses.push(request.send().await.unwrap().status().as_u16());
        }
    }
    format!("{statuses:?}")
}

async fn consent_default(change: Change) -> String {
    let server = with(Recipe::serve().set("consent.default", "required"), change).ready().await;
    let event = json!({"id": "ev_1", "type": "hide", "item": "nothing", "at": "2026-10-09T08:15:00Z"});
    let answer = server.post("/v1/events", &json!({"user": "ana", "events": [event]})).await;
    let answer: Value = answer.json().await.unwrap();
    format!("ignored {}", answer["ignored"])
}

async fn notices(change: Change) -> String {
    let server = recipe(change).ready().await;
    let forms: Value = server.get("/v1/consent/forms").await.json().await.unwrap();
    format!("first asked: {}", forms["forms"][0]["title"])
}

async fn gpc(change: Change) -> String {
    let server = with(Recipe::serve().set("consent.default", "assumed"), change).ready().await;
    server.put_items(&items(30)).await;
    let page = server.request(Method::GET, "/v1/feed?user=ana").header("sec-gpc", "1").send().await.unwrap();
    let page: Value = page.json().await.unwrap();
    format!("with the signal: {}", page["privacy"]["mode"])
}

async fn listen(change: Change) -> String {
    let server = recipe(change).start();
    format!("reached at 127.0.0.2: {}", TcpStream::connect(("127.0.0.2", server.address().port())).is_ok())
}

async fn workers(change: Change) -> String {
    let server = recipe(change).ready().await;
    let tasks = std::fs::read_dir(format!("/proc/{}/task", server.id())).unwrap();
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    format!("{} worker threads", names.filter(|name| name.starts_with("actix-server wo")).count())
}

async fn max_inflight_requests(change: Change) -> String {
    let server = recipe(change).ready().await;
    let _slow = unfinished(&server);
    eventually("it is being served", async || (server.metric("feed_http_inflight_requests").await >= 2.0).then_some(())).await;
    problem(server.get("/v1/feed").await).await
}

async fn problem(answer: reqwest::Response) -> String {
    answer.json::<Value>().await.unwrap()["type"].to_string()
}

async fn body_limit_bytes(change: Change) -> String {
    let server = recipe(change).start();
    problem(server.post("/v1/events", &json!({"events": ["x".repeat(2_000)], "other": 1})).await).await
}

async fn bulk_body_limit_bytes(change: Change) -> String {
    let server = recipe(change).start();
    problem(server.post("/v1/items", &json!({"other": "x".repeat(1_500_000)})).await).await
}

async fn keep_alive(change: Change) -> String {
    let server = recipe(change).start();
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(6))).unwrap();
    let mut bytes = [0; 4_096];
    let idle = tokio::task::spawn_blocking(move || {
        loop {
            match stream.read(&mut bytes) {
                Ok(0) => return "closed".to_owned(),
                Ok(_) => {}
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return "kept".to_owned(),
                Err(error) => return error.to_string(),
            }
        }
    });
    idle.await.unwrap()
}

async fn drain_delay(change: Change) -> String {
    let server = recipe(change).ready().await;
    server.begin_stop();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let answer = server.request(Method::GET, "/readyz").send().await;
    answer.map_or("refused".to_owned(), |answer| answer.status().to_string())
}

async fn shutdown_grace(change: Change) -> String {
    let mut server = recipe(change).ready().await;
    let _slow = unfinished(&server);
    eventually("it is being served", async || (server.metric("feed_http_inflight_requests").await >= 2.0).then_some(())).await;
    server.begin_stop();
    tokio::time::sleep(Duration::from_secs(6)).await;
    format!("ended: {}", server.ended().is_some())
}

async fn without_key(change: Change) -> String {
    recipe(change).start().get("/v1/feed").await.status().to_string()
}

async fn admin_keys(change: Change) -> String {
    let server = with(Recipe::serve().set("auth.server_keys", KEY), change).start();
    let answer = server.request(Method::GET, "/v1/feed?seed=1").bearer_auth(OTHER_KEY).send().await.unwrap();
    problem(answer).await
}

async fn cursor_secret(change: Change) -> String {
    let other = Recipe::serve().set("auth.cursor_secret", SECRET).ready().await;
    let server = recipe(change).ready().await;
    for server in [&other, &server] {
        server.put_items(&items(30)).await;
    }
    let cursor = next(&other.feed("limit=5").await);
    server.get(&format!("/v1/feed?cursor={cursor}")).await.status().to_string()
}

async fn profile_ttl(change: Change) -> String {
    let redis = RedisServer::start_new();
    let server = with(Recipe::serve().redis(&redis.url()), change).ready().await;
    server.put_items(&items(5)).await;
    assert_eq!(server.events("ann", "i0", &["e".into()]).await.0, 202);
    let profiles: Vec<String> = ::redis::cmd("KEYS").arg("pf:{p:*}:profile").query(&mut redis.connection()).unwrap();
    let left: u64 = ::redis::cmd("TTL").arg(&profiles[0]).query(&mut redis.connection()).unwrap();
    format!("{} days", left.div_ceil(24 * 3_600))
}

async fn master_keys(change: Change) -> String {
    let recipe = recipe(change);
    let _server = recipe.ready().await;
    is_there(&recipe, "data/master.key")
}

async fn key_path(change: Change) -> String {
    let recipe = recipe(change);
    let _server = recipe.ready().await;
    is_there(&recipe, "data/keys.redb") + &is_there(&recipe, "elsewhere/keys.redb")
}

async fn key_redis_url(change: Change) -> String {
    let redis = RedisServer::start_new();
    let server = with(Recipe::serve().redis(&redis.url()), change).start();
    server.get("/v1/users/ana/preferences").await.status().to_string()
}

fn is_there(recipe: &Recipe, path: &str) -> String {
    format!("{path}: {}", recipe.data().parent().unwrap().join(path).exists())
}

async fn embedded_path(change: Change) -> String {
    let recipe = recipe(change);
    let _server = recipe.ready().await;
    is_there(&recipe, "elsewhere/store.redb") + &is_there(&recipe, "data/polyphony.redb")
}

async fn redis_url(change: Change) -> String {
    let server = recipe(change).start();
    let body: Value = server.get("/readyz?verbose").await.json().await.unwrap();
    body["checks"][1]["detail"].to_string()
}

async fn key_prefix(change: Change) -> String {
    let redis = RedisServer::start_new();
    let server = with(Recipe::serve().redis(&redis.url()), change).ready().await;
    server.put_items(&items(5)).await;
    let keys: Vec<String> = ::redis::cmd("KEYS").arg("*").query(&mut redis.connection()).unwrap();
    let mut prefixes: Vec<String> = keys.iter().map(|key| key.split(':').next().unwrap().to_owned()).collect();
    prefixes.sort();
    prefixes.dedup();
    prefixes.concat()
}

async fn redis_timeout(change: Change) -> String {
    let redis = RedisServer::start_new();
    let server = with(Recipe::serve().redis(&redis.url()), change).ready().await;
    server.put_items(&items(30)).await;
    // The worker that answers has its connection.
    server.feed("user=ann").await;
    redis.pause();
    let (page, ()) = tokio::join!(server.feed("user=ann"), async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        redis.resume();
    });
    format!("degraded: {}", page.get("degraded").is_some())
}

async fn change_log_max(change: Change) -> String {
    let redis = RedisServer::start_new();
    let server = with(Recipe::serve().redis(&redis.url()), change).ready().await;
    for _ in 0..3 {
        server.put_items(&items(1_000)).await;
    }
    let length: u64 = ::redis::cmd("XLEN").arg("pf:{changes}").query(&mut redis.connection()).unwrap();
    format!("all kept: {}", length >= 3_000)
}

async fn dimension(change: Change) -> String {
    let server = recipe(change).ready().await;
    let item = json!({"title": "An item", "embedding": [1, 0, 0, 0, 0, 0, 0, 0]});
    server.request(Method::PUT, "/v1/items/a").json(&item).send().await.unwrap().status().to_string()
}

async fn journal_path(change: Change) -> String {
    let recipe = recipe(change);
    let _server = recipe.ready().await;
    is_there(&recipe, "data/journal") + &is_there(&recipe, "elsewhere/journal")
}

async fn draws(change: Change) -> String {
    let recipe = recipe(change);
    let server = recipe.ready().await;
    server.put_items(&items(60)).await;
    server.feed("limit=20").await;
    assert!(server.terminate().await.success());
    let files = std::fs::read_dir(recipe.data().join("journal")).unwrap();
    let text: String = files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap()).collect();
    assert!(text.contains("\"slot\":\"exploration\""), "{text}");
    format!("says what was drawn from: {}", text.contains("\"draw\":"))
}

/// In process: the tests' binaries are started with a policy in their settings, and only one of the two may be.
async fn policies_file(change: Change) -> String {
    let mut settings = Settings::default();
    settings.journal.enabled = false;
    if let Some((_, value)) = change {
        settings.policies.file = value.to_owned();
    }
    let app = App::new(settings, Arc::new(SystemClock), Arc::new(StubStore::default())).unwrap();
    let set = Arc::clone(&app.feed.serving.load().set);
    format!("{}, {} candidates", set.id, app.settings.policy.retrieve.candidates)
}

/// In process, because only then records come faster than any disk.
async fn queue_records(change: Change) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = Settings::default();
    settings.journal.path = folder.path().join("journal");
    if let Some((_, value)) = change {
        settings.journal.queue_records = value.parse().unwrap();
    }
    let app = App::new(settings, Arc::new(SystemClock), Arc::new(StubStore::default())).unwrap();
    let record = EventRecord {
        at: 0,
        id: "e".into(),
        user: "u".into(),
        event_type: "open".into(),
        item: "x".repeat(200),
        feed_id: None,
        position: None,
        undo: false,
    };
    for _ in 0..300_000 {
        app.feed.journal.record(JournalRecord::Event(record.clone()));
    }
    format!("dropped some: {}", app.feed.journal.counts().dropped.load(Ordering::Relaxed) > 0)
}

async fn rotate_bytes(change: Change) -> String {
    let recipe = recipe(change);
    let server = recipe.ready().await;
    server.put_items(&items(150)).await;
    for _ in 0..150 {
        assert_eq!(ids(&server.feed("limit=100&hydrate=none&explain=none").await).len(), 100);
    }
    let written = async || (server.metric("feed_journal_records_total{result=\"written\"}").await >= 150.0).then_some(());
    eventually("the journal is written", written).await;
    format!("more than one file: {}", std::fs::read_dir(recipe.data().join("journal")).unwrap().count() > 1)
}

async fn retention(change: Change) -> String {
    let recipe = recipe(change);
    let old = recipe.data().join("journal/journal-000001.ndjson");
    std::fs::create_dir_all(old.parent().unwrap()).unwrap();
    let file = std::fs::File::create(&old).unwrap();
    file.set_modified(file.metadata().unwrap().modified().unwrap() - Duration::from_secs(7_200)).unwrap();
    let _server = recipe.ready().await;
    format!("kept: {}", Path::exists(&old))
}

/// Everything up to the line that says the catalogue is there, or a moment's worth.
async fn log_of(server: &Process) -> String {
    server.until_ready().await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    server.output()
}

async fn log_format(change: Change) -> String {
    let server = recipe(change).start();
    format!("JSON: {}", log_of(&server).await.starts_with('{'))
}

async fn log_level(change: Change) -> String {
    let server = recipe(change).start();
    format!("speaks: {}", log_of(&server).await.contains("listening"))
}

async fn server_timing(change: Change) -> String {
    let server = recipe(change).ready().await;
    server.put_items(&items(5)).await;
    let answer = server.get("/v1/feed").await;
    let header = answer.headers().get("server-timing").map(|value| value.to_str().unwrap().to_owned());
    let stages: Vec<String> = header.iter().flat_map(|h| h.split(", ")).map(|s| s.split(';').next().unwrap().to_owned()).collect();
    assert!(header.is_none() || stages == ["candidates", "score", "diversify", "store", "hydrate"], "{header:?}");
    stages.concat()
}

/// Without the feature the key is said to do nothing; with it, it must not stop the server from starting.
async fn otlp_endpoint(change: Change) -> String {
    let server = recipe(change).start();
    let warned = log_of(&server).await.contains("telemetry.otlp_endpoint");
    if cfg!(feature = "otlp") { format!("{change:?}") } else { format!("warned: {warned}") }
}

/// Each test takes the keys of some sections, so that they run beside one another.
async fn all_of(sections: &[&str]) {
    let mut idle = Vec::new();
    for operation in OPERATIONS.iter().filter(|one| sections.iter().any(|section| one.key.starts_with(section))) {
        let (before, after) = tokio::join!((operation.look)(None), (operation.look)(Some((operation.key, operation.value))));
        if before == after {
            idle.push(format!("{}: {before}", operation.key));
        }
    }
    assert!(idle.is_empty(), "these keys change nothing: {idle:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_key_of_the_server_can_be_observed() {
    all_of(&["server."]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_key_of_auth_and_store_can_be_observed() {
    all_of(&["auth.", "store.", "catalogue."]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_key_of_journal_and_telemetry_can_be_observed() {
    all_of(&["journal.", "telemetry."]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_key_of_reach_can_be_observed() {
    all_of(&["policy."]).await;
}
