//! The network between the server and Redis is slow, or resets connections in the middle of an answer.

use std::time::Duration;

use super::{insist, is_degraded, lost, told};
use crate::support::{
    faults::Faults,
    process::{Recipe, eventually, ids, items},
    redis::RedisServer,
};

#[tokio::test]
async fn a_slow_redis_is_waited_for_within_its_limit_and_left_out_past_it() {
    let redis = RedisServer::start_new();
    let faults = Faults::before(redis.port());
    // Far from both delays, so that a busy machine changes nothing.
    let server = Recipe::serve().redis(&faults.url()).set("store.redis.timeout", "3s").ready().await;
    server.put_items(&items(40)).await;
    faults.delay(Duration::from_millis(30));
    let mut whole = 0;
    for n in 0..10 {
        insist(&server, "ann", "i0", &format!("slow{n}")).await;
        whole += u32::from(!is_degraded(&server.feed("user=ann&limit=5").await));
    }
    let acknowledged: Vec<String> = (0..10).map(|n| format!("slow{n}")).collect();
    assert_eq!(whole, 10);
    drop(server);

    faults.delay(Duration::ZERO);
    let server = Recipe::serve().redis(&faults.url()).set("store.redis.timeout", "100ms").ready().await;
    faults.delay(Duration::from_millis(2_000));
    let mut degraded = 0;
    for _ in 0..10 {
        let page = server.feed("user=ann&limit=5").await;
        assert_eq!(ids(&page).len(), 5, "{page}");
        degraded += u32::from(is_degraded(&page));
    }
    assert_eq!(degraded, 10, "each says what is missing");
    faults.delay(Duration::ZERO);
    eventually("a whole feed", async || (!is_degraded(&server.feed("user=ann&limit=5").await)).then_some(())).await;
    eventually("events are taken", async || (server.events("ann", "i0", &["after".into()]).await.0 == 202).then_some(())).await;
    let lost = lost(&server, "ann", "i0", &acknowledged).await;
    told(
        "within its limit a slow Redis costs nothing but time; past it feeds say so; nothing acknowledged is lost; it heals by itself",
        &format!("30 ms late: {whole} of 10 feeds whole; 2 s late: {degraded} of 10 degraded, 0 failed; {lost} of 10 events lost"),
    );
    assert_eq!(lost, 0);
}

#[tokio::test]
async fn connections_that_are_reset_mid_answer_lose_and_double_nothing() {
    let redis = RedisServer::start_new();
    let faults = Faults::before(redis.port());
    let server = Recipe::serve().redis(&faults.url()).ready().await;
    server.put_items(&items(60)).await;
    faults.cut_every(5);
    let (mut acknowledged, mut refused, mut feeds) = (Vec::new(), 0, 0);
    for n in 0..40 {
        let id = format!("reset{n}");
        refused += insist(&server, "ann", "i0", &id).await;
        acknowledged.push(id);
        assert_eq!(ids(&server.feed("user=ann&limit=5").await).len(), 5);
        feeds += 1;
    }
    let cuts = faults.cuts();
    faults.cut_every(0);
    eventually("a whole feed", async || (!is_degraded(&server.feed("user=ann&limit=5").await)).then_some(())).await;
    let export = server.get("/v1/users/ann/export").await.json::<serde_json::Value>().await.unwrap();
    let lost = lost(&server, "ann", "i0", &acknowledged).await;
    told(
        "every feed is served; an event is acknowledged once it is kept, and learned once however often it is sent",
        &format!("{cuts} answers cut; {feeds} of 40 feeds served; 40 events acknowledged after {refused} refusals; {lost} lost"),
    );
    assert!(cuts >= 5, "the proxy cut {cuts} answers");
    assert_eq!(lost, 0);
    assert_eq!(export["observed"]["events"], 40, "learned once each: {export:#}");
}
