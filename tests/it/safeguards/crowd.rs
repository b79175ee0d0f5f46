//! Floods of events, crowds of new accounts and long looks move feeds only so far.

use polyphony::domain::{
    Facet, ItemId, Span, UserId,
    popularity::NEWCOMER_FLOOR,
    profile::{MAX_GIVEN_PER_DAY, MAX_GIVEN_PER_ITEM, MAX_TAUGHT_PER_ITEM},
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::world::{StoreKind, World, event, eventually, many, on_both_stores, send};

on_both_stores! {
    ten_thousand_events_of_one_person_count_as_a_few
    a_day_of_one_person_is_bounded
    five_hundred_new_accounts_move_an_item_only_so_far
    how_long_one_looks_counts_with_consent_and_little
}

const TOPICS: [&str; 4] = ["science", "politics", "food", "music"];

async fn world(kind: StoreKind) -> World {
    let world = World::start(kind).await;
    world.items(many(400, &TOPICS, 11)).await;
    world
}

/// Lets `user` be no newcomer any more.
async fn settle(world: &World, user: &str) {
    world.events(user, [event("seen", "itm_399")]).await;
    world.clock.advance(Span::hours(25));
}

/// What everybody's uses of the item add up to: of established accounts, and of newcomers.
fn popularity(world: &World, item: &str) -> (f64, f64, f64) {
    let snapshot = world.app.feed.catalogue.snapshot();
    let popularity = snapshot.popularity(snapshot.find(&ItemId::new(item).unwrap()).unwrap());
    (popularity.weight, popularity.newcomer_weight, popularity.counted())
}

async fn liking(world: &World, user: &str, topic: &str) -> f32 {
    let profile = world.app.store.profile(&UserId::new(user).unwrap()).await.unwrap().unwrap_or_default();
    profile.affinity(Facet::Topic, topic).map_or(0.0, |affinity| affinity.liking)
}

async fn ten_thousand_events_of_one_person_count_as_a_few(kind: StoreKind) {
    let world = world(kind).await;
    settle(&world, "ana").await;
    world.clock.advance(Span::hours(1));
    for _ in 0..10 {
        let flood = (0..1_000).map(|n| event(["open", "share", "reply", "like"][n % 4], "itm_000"));
        world.events("ana", flood).await;
    }
    world.popularity_of(&["itm_000"]).await;
    let (weight, newcomers, _) = popularity(&world, "itm_000");
    assert_eq!((weight, newcomers), (f64::from(MAX_GIVEN_PER_ITEM), 0.0));
    let taught = liking(&world, "ana", "science").await;
    println!(
        "10,000 events of one person on one item: promised a popularity of at most {MAX_GIVEN_PER_ITEM}, counted {weight}; liking {taught}"
    );
    // What using teaches, and one like.
    assert!(taught > 1.0 && taught <= MAX_TAUGHT_PER_ITEM + 2.0 + 0.1, "{taught}");
    // Opens and impressions say how often an item is opened: they cannot be made up either.
    let snapshot = world.app.feed.catalogue.snapshot();
    let sums = snapshot.popularity(snapshot.find(&ItemId::new("itm_000").unwrap()).unwrap());
    assert_eq!((sums.opens, sums.impressions), (1.0, 0.0));
}

async fn a_day_of_one_person_is_bounded(kind: StoreKind) {
    let world = world(kind).await;
    settle(&world, "ana").await;
    world.events("ana", (0..390).map(|n| event("open", &format!("itm_{n:03}")))).await;
    let total = || (0..390).map(|n| popularity(&world, &format!("itm_{n:03}")).0).sum::<f64>();
    let most = f64::from(MAX_GIVEN_PER_DAY);
    eventually("the day's opens are counted", async || total() >= most).await;
    assert_eq!(total(), most);
}

async fn five_hundred_new_accounts_move_an_item_only_so_far(kind: StoreKind) {
    let world = world(kind).await;
    for n in 0..500 {
        world.events(&format!("new_{n}"), [event("open", "itm_001"), event("like", "itm_001")]).await;
    }
    eventually("the crowd is counted", async || popularity(&world, "itm_001").1 >= 1_500.0).await;
    let (weight, newcomers, counted) = popularity(&world, "itm_001");
    println!("500 new accounts on one item: gave {newcomers}, promised at most {NEWCOMER_FLOOR}, counted {counted}");
    assert_eq!((weight, counted), (0.0, NEWCOMER_FLOOR));
    // Six people who have been here for a while outweigh them.
    for n in 0..6 {
        settle(&world, &format!("old_{n}")).await;
    }
    for n in 0..6 {
        world.events(&format!("old_{n}"), [event("open", "itm_002")]).await;
    }
    world.popularity_of(&["itm_002"]).await;
    eventually("the six are counted", async || popularity(&world, "itm_002").0 >= 6.0).await;
    let trending: Vec<String> = {
        let snapshot = world.app.feed.catalogue.snapshot();
        snapshot.trending().take(2).filter_map(|row| Some(snapshot.entry(row)?.item.id.to_string())).collect()
    };
    assert_eq!(trending, ["itm_002", "itm_001"]);
}

async fn dwell(world: &World, user: &str, item: &str, visible_ms: u64) -> Value {
    let event = json!({ "visible_ms": visible_ms });
    let mut told = crate::support::world::event("dwell", item);
    told.as_object_mut().unwrap().extend(event.as_object().unwrap().clone());
    world.try_events(user, &[told]).await.body
}

async fn how_long_one_looks_counts_with_consent_and_little(kind: StoreKind) {
    let world = world(kind).await;
    let refused = dwell(&world, "ana", "itm_000", 30_000).await;
    assert_eq!((&refused["stored"], &refused["reason"]), (&json!(false), &json!("no_dwell_consent")));
    assert_eq!(world.counted("ana").await, 0, "nothing of it is kept");
    let given = json!({ "decisions": { "dwell": "given" } });
    for user in ["ana", "ben", "cyn", "dan"] {
        send(world.request(Method::PUT, &format!("/v1/users/{user}/consent")).json(&given)).await.ok();
    }
    dwell(&world, "ana", "itm_000", 30_000).await;
    dwell(&world, "ben", "itm_000", 10 * 3_600_000).await;
    dwell(&world, "cyn", "itm_000", 15_000).await;
    world.events("dan", [event("like", "itm_000")]).await;
    let (read, idle, half, like) = (
        liking(&world, "ana", "science").await,
        liking(&world, "ben", "science").await,
        liking(&world, "cyn", "science").await,
        liking(&world, "dan", "science").await,
    );
    println!("liking by a like {like}, a full read {read}, half of one {half}, ten hours {idle}");
    assert!(read <= like / 4.0 && half == read / 2.0 && idle == 0.0, "{read} {half} {idle} {like}");
    for _ in 0..1_000 / 50 {
        for _ in 0..50 {
            dwell(&world, "ana", "itm_000", 30_000).await;
        }
    }
    assert!(liking(&world, "ana", "science").await <= MAX_TAUGHT_PER_ITEM);
}
