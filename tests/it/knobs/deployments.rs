//! Keys that say how Redis is deployed, who answers for the data, and whose pages may call: the real binary, with a Redis, a
//! Sentinel, or TLS, and a person's records to reach.

use std::process::Command;

use reqwest::Method;
use serde_json::{Value, json};

use super::operations::{Change, with};
use crate::support::{
    process::{Process, Recipe, items},
    redis::RedisServer,
    sentinel::{PASSWORD, Watched},
    tls::{TlsServer, certificates},
};

/// Whether a person's records are reached: 200, or 503 where Redis is not what the settings say.
async fn reaches(server: &Process) -> String {
    let ask = || server.request(Method::GET, "/v1/users/ana/preferences").send();
    // A connection that was closed before the request was sent says nothing.
    let answer = match ask().await {
        Ok(answer) => answer,
        Err(_) => ask().await.unwrap(),
    };
    answer.status().to_string()
}

pub(super) async fn redis_mode(change: Change) -> String {
    let redis = RedisServer::start_new();
    reaches(&with(Recipe::serve().redis(&redis.url()), change).start()).await
}

pub(super) async fn sentinel(change: Change) -> String {
    let watched = Watched::start_new();
    let recipe = Recipe::serve().redis(&watched.url()).set("store.redis.mode", "sentinel").set("store.redis.timeout", "5s");
    reaches(&with(recipe.set("store.redis.sentinel.password", PASSWORD), change).start()).await
}

/// A recipe with the files of a test's own authority beside it, and the Redis with TLS.
fn with_tls(asks: bool) -> (Recipe, TlsServer) {
    let recipe = Recipe::serve();
    let folder = recipe.data().parent().unwrap().to_owned();
    certificates(&folder);
    let redis = TlsServer::start_new(&folder, asks);
    (recipe.redis(&redis.url()).set("store.redis.timeout", "5s"), redis)
}

pub(super) async fn tls_authority(change: Change) -> String {
    let (recipe, _redis) = with_tls(false);
    reaches(&with(recipe, change).start()).await
}

/// Certificate and key go together.
pub(super) async fn tls_certificate(change: Change) -> String {
    let (recipe, _redis) = with_tls(true);
    let recipe = with(recipe.set("store.redis.tls.ca_file", "ca.pem"), change);
    let other = match change {
        Some(("store.redis.tls.cert_file", _)) => Some(("store.redis.tls.key_file", "client.key")),
        Some(_) => Some(("store.redis.tls.cert_file", "client.pem")),
        None => None,
    };
    reaches(&with(recipe, other).start()).await
}

/// Who was read a moment ago is not read again, if anybody is remembered.
pub(super) async fn person_cache(change: Change) -> String {
    let redis = RedisServer::start_new();
    let server = with(Recipe::serve().redis(&redis.url()), change).ready().await;
    server.put_items(&items(60)).await;
    assert_eq!(server.events("ann", "i5", &["e".into()]).await.0, 202);
    let reads = async || {
        let metrics = server.get("/metrics").await.text().await.unwrap();
        let reads =
            metrics.lines().filter(|line| line.starts_with("feed_store_command_duration_seconds_count") && line.contains("\"person\""));
        reads.filter_map(|line| line.split(' ').next_back()?.parse::<u64>().ok()).sum::<u64>()
    };
    server.feed("user=ann&limit=5").await;
    let before = reads().await;
    for _ in 0..5 {
        server.feed("user=ann&limit=5").await;
    }
    format!("read {} times", reads().await - before)
}

pub(super) async fn cors_origins(change: Change) -> String {
    let server = with(Recipe::serve(), change).ready().await;
    let answer = server.request(Method::GET, "/version").header("origin", "https://www.example.org").send().await.unwrap();
    format!("may be read by {:?}", answer.headers().get("access-control-allow-origin"))
}

/// The controller as a receipt names it.
pub(super) async fn controller(change: Change) -> String {
    let named = Recipe::serve().set("consent.controller", "Any News").set("consent.contact", "privacy@news.example");
    let server = with(named, change).ready().await;
    server.request(Method::PUT, "/v1/users/ana/consent").json(&json!({"decisions": {"email": "given"}})).send().await.unwrap();
    let receipts: Value = server.get("/v1/users/ana/consent/receipts").await.json().await.unwrap();
    let receipt = &receipts["receipts"][0];
    format!("{} {} {}", receipt["controller"], receipt["jurisdiction"], receipt["withdrawal_url"])
}

/// What `polyphony doctor` says of the engine that finds what is near. Nothing listens there: the tests of `qdrant` have somebody who does.
fn search_line(arguments: &[&str], change: Change) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_polyphony"));
    command.args(["doctor", "--listen", "127.0.0.1:0", "--set", "catalogue.search.qdrant.url=http://127.0.0.1:1"]).args(arguments);
    if let Some((key, value)) = change {
        command.args(["--set", &format!("{key}={value}")]);
    }
    let output = command.env_clear().current_dir(folder.path()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().skip_while(|line| !line.contains(" search ")).collect::<Vec<_>>().join("\n")
}

pub(super) async fn search_engine(change: Change) -> String {
    search_line(&[], change)
}

pub(super) async fn qdrant(change: Change) -> String {
    search_line(&["--set", "catalogue.search.engine=qdrant"], change)
}
