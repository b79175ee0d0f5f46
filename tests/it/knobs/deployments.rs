//! Keys that say how Redis is deployed: the real binary with a Redis, a Sentinel, or TLS, and a person's records to reach.

use super::operations::{Change, with};
use crate::support::{
    process::{Process, Recipe},
    redis::RedisServer,
    sentinel::{PASSWORD, Watched},
    tls::{TlsServer, certificates},
};

/// Whether a person's records are reached: 200, or 503 where Redis is not what the settings say.
async fn reaches(server: &Process) -> String {
    server.get("/v1/users/ana/preferences").await.status().to_string()
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
