//! A cluster's primary dies under load: what was promised, and what was counted.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use reqwest::Method;

use crate::support::{
    cluster::RedisCluster,
    process::{Process, Recipe, eventually, items},
};

/// People who read and act all the while: some on each primary.
const PEOPLE: usize = 24;
const WORKERS: usize = 4;

#[derive(Default)]
struct Counted {
    served: AtomicU64,
    degraded: AtomicU64,
    refused: AtomicU64,
    /// Per person: events acknowledged, with their ids.
    acknowledged: parking_lot::Mutex<Vec<(usize, String)>>,
    /// Per person: the last feed was whole and the last event was taken.
    well: parking_lot::Mutex<Vec<bool>>,
    enough: AtomicBool,
}

/// Reads and acts as each of its people in turn. A refused event is not acknowledged, and is no error.
async fn live(server: &Process, worker: usize, counted: &Counted) {
    let mut round = 0;
    while !counted.enough.load(Ordering::Relaxed) {
        for person in (worker..PEOPLE).step_by(WORKERS) {
            let page = server.feed(&format!("user=u{person}&limit=5")).await;
            let is_degraded = page.get("degraded").is_some();
            counted.served.fetch_add(1, Ordering::Relaxed);
            counted.degraded.fetch_add(u64::from(is_degraded), Ordering::Relaxed);
            let id = format!("e{round}");
            let (status, body) = server.events(&format!("u{person}"), "i1", std::slice::from_ref(&id)).await;
            match status {
                202 => counted.acknowledged.lock().push((person, id)),
                503 => drop(counted.refused.fetch_add(1, Ordering::Relaxed)),
                _ => panic!("{status}: {body}"),
            }
            counted.well.lock()[person] = !is_degraded && status == 202;
        }
        round += 1;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_dies_under_load_costs_whole_answers_and_nothing_else() {
    let mut cluster = RedisCluster::with_replicas();
    let recipe = Recipe::serve()
        .redis(&cluster.url())
        .set("store.redis.mode", "cluster")
        .set("store.redis.timeout", "250ms")
        .set("limits.user_writes_per_minute", "0");
    let server = recipe.ready().await;
    server.put_items(&items(60)).await;
    let counted = Arc::new(Counted::default());
    counted.well.lock().resize(PEOPLE, false);
    let all_well = async || counted.well.lock().iter().all(|well| *well).then_some(());
    let load = async {
        let workers = (0..WORKERS).map(|worker| live(&server, worker, &counted));
        futures_util::future::join_all(workers).await;
    };
    let fate = async {
        eventually("everybody is served whole", all_well).await;
        let before = counted.degraded.load(Ordering::Relaxed);
        cluster.kill(1);
        eventually("somebody notices", async || (counted.degraded.load(Ordering::Relaxed) > before).then_some(())).await;
        eventually("the replica is promoted", async || cluster.is_promoted(1).then_some(())).await;
        eventually("everybody is served whole again", all_well).await;
        // The catalogue is followed again, whichever primary had its log.
        let put =
            async || server.request(Method::POST, "/v1/items").json(&serde_json::json!({"items": items(61)[60..]})).send().await.unwrap();
        eventually("items are taken", async || (put().await.status() == 200).then_some(())).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        counted.enough.store(true, Ordering::Relaxed);
    };
    tokio::join!(load, fate);

    let (served, degraded, refused) =
        (counted.served.load(Ordering::Relaxed), counted.degraded.load(Ordering::Relaxed), counted.refused.load(Ordering::Relaxed));
    let acknowledged = std::mem::take(&mut *counted.acknowledged.lock());
    let mut lost = Vec::new();
    for (person, id) in &acknowledged {
        let (status, body) = server.events(&format!("u{person}"), "i1", std::slice::from_ref(id)).await;
        if (status, &body["duplicates"]) != (202, &1.into()) {
            lost.push((person, id, body));
        }
    }
    println!("promised: no error, no acknowledged event lost");
    println!(
        "counted: {served} feeds, all 200, {degraded} degraded; {} events acknowledged, {} lost, {refused} refused",
        acknowledged.len(),
        lost.len()
    );
    assert!(lost.is_empty(), "{lost:?}");
    assert!(degraded > 0 && degraded < served);
    let page = server.get("/metrics").await.text().await.unwrap();
    let answers = page.lines().filter(|line| line.starts_with("feed_responses_total") && !line.contains("outcome=\"ok\""));
    let told: f64 = answers.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum();
    assert_eq!(told, degraded as f64, "every degraded answer was counted");
    assert_eq!(server.readiness().await, (200, "ready".to_owned()));
}
