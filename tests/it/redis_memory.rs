//! What people and feeds take of Redis' memory, by its own count: the table in docs/redis.md, and the bounds it gives.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::{
    process::{Process, Recipe, next},
    redis::RedisServer,
};

const ITEMS: usize = 2_000;
/// Most a person may take: a bound of the documentation, in bytes.
const NEW_READER_MAX: u64 = 2_500;
const HUNDRED_EVENTS_MAX: u64 = 25_000;
const HEAVIEST_MAX: u64 = 1_600_000;
/// Most a feed of 500 candidates with five pages may take.
const FEED_MAX: u64 = 40_000;

/// As different as items can be: each has a creator, a source and topics of its own.
fn different_items() -> Vec<Value> {
    let item = |n: usize| {
        json!({"id": format!("item-{n:06}"), "title": format!("Item {n}"), "creator": {"id": format!("creator-{n:06}")},
            "source": format!("source-{n:06}"), "topics": [format!("topic-{n:06}"), format!("theme-{:06}", n / 2)],
            "published_at": "2026-10-01T00:00:00Z"})
    };
    (0..ITEMS).map(item).collect()
}

async fn events(server: &Process, user: &str, count: usize) {
    let kinds = ["open", "like", "less_like", "seen"];
    for (batch, numbers) in (0..count).collect::<Vec<_>>().chunks(1_000).enumerate() {
        let event = |n: &usize| json!({"id": format!("e{n}"), "type": kinds[(n + batch) % 4], "item": format!("item-{:06}", n % ITEMS)});
        let events: Vec<Value> = numbers.iter().map(event).collect();
        let answer = server.post("/v1/events", &json!({"user": user, "events": events})).await;
        let (status, body) = (answer.status(), answer.text().await.unwrap());
        assert_eq!(status, 202, "{body}");
    }
}

/// Bytes of each person, by their part of the keys: what is kept about them, and their feeds.
fn people(redis: &RedisServer) -> BTreeMap<String, (u64, u64)> {
    let mut connection = redis.connection();
    let keys: Vec<String> = ::redis::cmd("KEYS").arg("pf:{p:*").query(&mut connection).unwrap();
    let mut people = BTreeMap::<String, (u64, u64)>::new();
    for key in keys {
        let bytes: u64 = ::redis::cmd("MEMORY").arg("USAGE").arg(&key).arg("SAMPLES").arg(0).query(&mut connection).unwrap();
        let (who, what) = key.rsplit_once("}:").unwrap();
        let sums = people.entry(who.to_owned()).or_default();
        if what.starts_with("feed:") { sums.1 += bytes } else { sums.0 += bytes }
    }
    people
}

#[tokio::test]
async fn a_person_and_a_feed_stay_within_the_documented_bounds() {
    let redis = RedisServer::start_new();
    let recipe = Recipe::serve().redis(&redis.url()).set("store.redis.timeout", "5s").set("limits.user_writes_per_minute", "0");
    let server = recipe.ready().await;
    for batch in different_items().chunks(500) {
        server.put_items(batch).await;
    }
    let mut known: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    let mut sizes = Vec::new();
    for (user, count) in [("new", 1), ("hundred", 100), ("heavy", 12_000)] {
        events(&server, user, count).await;
        let now = people(&redis);
        sizes.push(now.iter().find(|(who, _)| !known.contains_key(*who)).unwrap().1.0);
        known = now;
    }
    let mut page = server.feed("user=hundred&limit=20").await;
    for _ in 1..5 {
        page = server.feed(&format!("user=hundred&limit=20&cursor={}", next(&page))).await;
    }
    let feed = people(&redis).values().map(|(_, feeds)| *feeds).max().unwrap();
    let [new, hundred, heaviest] = sizes[..] else { panic!("{sizes:?}") };
    println!("bytes in Redis: new reader {new}, 100 events {hundred}, heaviest {heaviest}; feed of 500 with 5 pages {feed}");
    for (what, bytes, most) in [
        ("new", new, NEW_READER_MAX),
        ("100 events", hundred, HUNDRED_EVENTS_MAX),
        ("heaviest", heaviest, HEAVIEST_MAX),
        ("feed", feed, FEED_MAX),
    ] {
        assert!(bytes <= most, "{what}: {bytes} bytes; at most {most}");
    }
}
