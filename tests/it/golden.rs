//! The same inputs make the same feed, byte for byte: on both stores, however the catalogue came in.

use polyphony::{demo, domain::Item};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::support::{
    app::NOW,
    world::{Answer, StoreKind, World},
};

/// How a catalogue comes in.
#[derive(Clone, Copy, Debug)]
enum Order {
    AtOnce,
    /// One by one, some of them first in another form, some deleted and put again.
    Shuffled(u64),
}

const ITEMS: usize = 400;
const OPENED: [&str; 3] = ["itm_0003", "itm_0040", "itm_0155"];

fn items(world: &World) -> Vec<Item> {
    demo::catalogue(7, NOW, world.app.dimension()).into_iter().take(ITEMS).collect()
}

async fn fill(world: &World, order: Order) {
    let mut items = items(world);
    let Order::Shuffled(seed) = order else {
        world.app.ingest.put_items(items).await.unwrap();
        return;
    };
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    for at in (1..items.len()).rev() {
        items.swap(at, random.random_range(0..=at));
    }
    for item in items {
        match random.random_range(0..12) {
            0 => {
                let draft = Item { topics: vec![("draft".into(), 1.0)], source: Some("Draft".into()), ..item.clone() };
                world.app.ingest.put_items(vec![draft]).await.unwrap();
            }
            1 => {
                world.app.ingest.put_items(vec![item.clone()]).await.unwrap();
                world.app.ingest.delete_items(vec![item.id.clone()]).await.unwrap();
            }
            _ => {}
        }
        world.app.ingest.put_items(vec![item]).await.unwrap();
    }
}

/// What people did: the same ids at the same times.
async fn history(world: &World) {
    let event = |n: usize, kind: &str, item: &str| json!({"id": format!("e{n}"), "type": kind, "item": item, "at": "2026-10-08T10:00:00Z"});
    let opens = OPENED.iter().enumerate().map(|(n, id)| event(n, "open", id));
    let others = [event(10, "hide", "itm_0007"), event(11, "follow", "itm_0009"), event(12, "less_like", "itm_0011")];
    world.events("ana", opens.chain(others)).await;
    world.popularity_of(&OPENED).await;
}

/// The body without what is new in every answer.
fn told(answer: &Answer) -> String {
    let mut text = answer.text.clone();
    let new = [&answer.body["feed_id"], &answer.body["request_id"], &answer.body["page"]["next"]];
    for value in new.into_iter().chain(answer.items().iter().map(|placed| &placed["track"])).filter_map(Value::as_str) {
        text = text.replace(value, "…");
    }
    text
}

/// Two pages of several readers, as one text.
async fn pages(world: &World) -> String {
    let mut text = String::new();
    for (user, surface, diversity) in [("ana", "home", 0.0), ("ana", "home", 0.6), ("ben", "video", 0.5), ("", "email_digest", 0.3)] {
        let ask = || world.feed(user).param("surface", surface).explain_full().param("include", "metrics").param("hydrate", "full");
        let first = ask().diversity(diversity).seed(11).get().await.ok();
        let second = ask().cursor(&first.next().unwrap()).limit(30).get().await.ok();
        text += &format!("{}\n{}\n", told(&first), told(&second));
    }
    text
}

async fn made(kind: StoreKind, order: Order) -> String {
    let world = World::start(kind).await;
    fill(&world, order).await;
    history(&world).await;
    pages(&world).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_inputs_make_the_same_bytes() {
    let first = made(StoreKind::Embedded, Order::AtOnce).await;
    for (kind, order) in [
        (StoreKind::Embedded, Order::AtOnce),
        (StoreKind::Embedded, Order::Shuffled(1)),
        (StoreKind::Redis, Order::AtOnce),
        (StoreKind::Redis, Order::Shuffled(2)),
        (StoreKind::Redis, Order::Shuffled(3)),
    ] {
        let other = made(kind, order).await;
        for (n, (one, two)) in first.lines().zip(other.lines()).enumerate() {
            assert!(one == two, "page {n} on {kind:?} after {order:?}:\n{one}\n{two}");
        }
        assert_eq!(first.lines().count(), other.lines().count());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_seed_or_dial_makes_another_feed() {
    let world = World::start(StoreKind::Embedded).await;
    fill(&world, Order::AtOnce).await;
    let ids = async |seed, diversity| world.feed("ana").limit(40).seed(seed).diversity(diversity).get().await.ok().ids();
    assert_eq!(ids(1, 0.4).await, ids(1, 0.4).await);
    assert_ne!(ids(1, 0.4).await, ids(2, 0.4).await);
    assert_ne!(ids(1, 0.0).await, ids(1, 0.8).await);
}

/// Changes on purpose only: what people see would change with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_feed_is_the_one_we_know() {
    let world = World::start(StoreKind::Embedded).await;
    fill(&world, Order::AtOnce).await;
    history(&world).await;
    let page = world.feed("ana").seed(11).get().await.ok();
    let line = |placed: &Value| {
        let codes: Vec<&str> = placed["reasons"].as_array().unwrap().iter().map(|reason| reason["code"].as_str().unwrap()).collect();
        format!("{} {} {}", placed["id"].as_str().unwrap(), placed["slot"].as_str().unwrap(), codes.join(" "))
    };
    insta::assert_snapshot!("known_feed", page.items().iter().map(line).collect::<Vec<_>>().join("\n"));
}
