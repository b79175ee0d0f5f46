//! The Redis store on a Redis Cluster: the suite, and what only a cluster does.

use std::{collections::HashSet, sync::Arc, time::Duration};

use polyphony::{
    clock::ManualClock,
    domain::{Span, feed::Owner},
    settings::RedisMode,
    store::{
        Changes, Store, StoreError,
        redis::{RedisOptions, RedisStore},
    },
};

use super::{
    keeps_all,
    sample::{NOW, event, feed, feed_id, item, page, profile, user},
    suite::load,
};
use crate::support::cluster::RedisCluster;

fn store(cluster: &RedisCluster, prefix: &str) -> (Arc<dyn Store>, Arc<ManualClock>) {
    let options = RedisOptions {
        url: cluster.url(),
        mode: RedisMode::Cluster,
        key_prefix: format!("{prefix}:"),
        // A busy test machine is slow.
        timeout: Span::secs(5),
        bulk_timeout: Span::secs(20),
        ..RedisOptions::default()
    };
    let clock = Arc::new(ManualClock::at(NOW));
    (Arc::new(RedisStore::new(options, clock.clone()).unwrap()), clock)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_keeps_every_promise() {
    let cluster = RedisCluster::start_new();
    keeps_all!(|promise: &str| store(&cluster, promise));
    // Nothing of it was on one node only.
    for node in cluster.primaries() {
        let keys: u64 = redis::cmd("DBSIZE").query(&mut node.connection()).unwrap();
        assert!(keys > 0);
    }
}

async fn fill(store: &Arc<dyn Store>, people: usize) {
    let items: Vec<_> = (0..200).map(|n| item(&format!("i{n}"))).collect();
    store.put_items(&items).await.unwrap();
    for n in 0..people {
        let who = user(&format!("u{n}"));
        store.commit_profile(&who, 0, &profile(1), &[event("e")], NOW).await.unwrap();
        let id = format!("fd_{n}");
        store.put_feed(&feed(&id, Owner::User(who)), &page(0), Duration::from_secs(600), None).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_on_all_nodes_are_rotated_and_erased() {
    let cluster = RedisCluster::start_new();
    let (store, _) = store(&cluster, "pf");
    fill(&store, 40).await;
    // The root and everybody's.
    assert_eq!(store.rotate_keys().await.unwrap().current, 41);
    for n in 0..40 {
        store.erase_user(&user(&format!("u{n}")), NOW).await.unwrap();
    }
    let mut left = HashSet::new();
    for node in cluster.primaries() {
        let keys: Vec<String> = redis::cmd("KEYS").arg("pf:{p:*").query(&mut node.connection()).unwrap();
        left.extend(keys.into_iter().map(|key| key.rsplit_once(':').unwrap().1.to_owned()));
    }
    assert_eq!(left.into_iter().collect::<Vec<_>>(), ["erased"]);
    assert_eq!(store.erased_since(NOW.minus(Span::secs(1))).await.unwrap().len(), 40);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slots_that_move_are_followed() {
    let cluster = RedisCluster::start_new();
    let (store, _) = store(&cluster, "pf");
    fill(&store, 30).await;
    let (before, position, _) = load(&store).await;
    let waiting = {
        let (store, position) = (store.clone(), position.clone());
        tokio::spawn(async move { store.changes(&position, Duration::from_secs(30)).await })
    };
    let moving = {
        let store = store.clone();
        let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let seen = stop.clone();
        let asking = tokio::spawn(async move {
            let mut asked = 0u32;
            while !seen.load(std::sync::atomic::Ordering::Relaxed) {
                let who = user(&format!("u{}", asked % 30));
                // Right, or an error; never wrong.
                if let Ok(found) = store.profile(&who).await {
                    assert_eq!(found, Some(profile(1)));
                }
                asked += 1;
            }
            asked
        });
        let cluster = &cluster;
        // Each node's slots go to the next: the change log moves, too.
        tokio::task::block_in_place(|| {
            cluster.move_slots(0, 1);
            cluster.move_slots(2, 1);
        });
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        asking
    };
    assert!(moving.await.unwrap() > 0);
    // Whoever waited was told to look again, or waits at the right node by now.
    store.put_items(&[item("late")]).await.unwrap();
    let changes = match waiting.await.unwrap() {
        Ok(changes) => changes,
        Err(StoreError::Refused(text)) if text.starts_with("MOVED") || text.starts_with("UNBLOCKED") => {
            store.changes(&position, Duration::from_secs(5)).await.unwrap()
        }
        Err(error) => panic!("{error}"),
    };
    let changes = match changes {
        Changes::Records { records, next } if records.is_empty() => store.changes(&next, Duration::from_secs(5)).await.unwrap(),
        changes => changes,
    };
    assert!(matches!(changes, Changes::Records { records, .. } if records.len() == 1));
    assert_eq!(load(&store).await.0.items.len(), before.items.len() + 1);
    assert!(store.feed(&Owner::User(user("u3")), &feed_id("fd_3")).await.unwrap().is_some());
}

#[tokio::test]
async fn one_node_of_a_cluster_says_what_to_set() {
    let cluster = RedisCluster::start_new();
    let url = format!("redis://127.0.0.1:{}", cluster.primaries()[0].port());
    let options = RedisOptions { url, timeout: Span::secs(5), ..RedisOptions::default() };
    let store = RedisStore::new(options, Arc::new(ManualClock::at(NOW))).unwrap();
    let mut refused = Vec::new();
    for n in 0..20 {
        refused.extend(store.policy(&format!("b3:{n}")).await.err().map(|error| error.to_string()));
    }
    assert!(!refused.is_empty() && refused.iter().all(|error| error.contains("store.redis.mode = \"cluster\"")), "{refused:?}");
}
