//! The server is killed with events in flight, over Redis; another takes over.

use super::told;
use crate::{
    shutdown::{Sender, assert_kept, traffic},
    support::{
        process::{Recipe, items},
        redis::RedisServer,
    },
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_killed_mid_traffic_loses_no_acknowledged_event_over_redis() {
    let redis = RedisServer::start_new();
    let recipe = Recipe::serve().redis(&redis.url());
    let server = recipe.ready().await;
    server.put_items(&items(40)).await;
    let sent = traffic(server, Sender::Stubborn, async |server| server.kill()).await;
    // Another machine would have no data folder of the killed one.
    let other = Recipe::serve().redis(&redis.url()).ready().await;
    assert_kept(&other, &sent).await;
    assert_eq!(other.metric("feed_catalogue_items").await, 40.0);
    let counted = format!("{} events acknowledged by the killed server, each known to the next; 40 of 40 items", sent.acknowledged.len());
    told("what was acknowledged is known to every other server", &counted);
    assert!(other.terminate().await.success());
}
