//! Minors: what they say shapes their feed, what they do does not, and no cap is lifted for them.

use polyphony::domain::{UserId, privacy::AgeGroup};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::world::{StoreKind, World, event, many, on_both_stores, send};

on_both_stores! {
    nothing_is_inferred_about_a_minor
    an_unknown_age_is_what_the_settings_say
}

const TOPICS: [&str; 4] = ["science", "music", "food", "travel"];

async fn world(kind: StoreKind, unknown_age: AgeGroup) -> World {
    let world = World::with(kind, |settings| settings.privacy.unknown_age = unknown_age).await;
    world.items(many(120, &TOPICS, 11)).await;
    world
}

async fn likes(world: &World, user: &str, age_group: Option<&str>) -> Value {
    let events: Vec<Value> = (0..10).map(|n| event("like", &format!("itm_{:03}", n * 4))).collect();
    let request = world.request(Method::POST, "/v1/events").json(&json!({ "user": user, "events": events }));
    send(match age_group {
        Some(group) => request.header("Age-Group", group),
        None => request,
    })
    .await
    .ok()
    .body
}

async fn nothing_is_inferred_about_a_minor(kind: StoreKind) {
    let world = world(kind, AgeGroup::Adult).await;
    let told = likes(&world, "kid", Some("minor")).await;
    assert_eq!((&told["stored"], &told["reason"], &told["ignored"]), (&json!(false), &json!("minor"), &json!(10)));
    assert_eq!(world.app.store.profile(&UserId::new("kid").unwrap()).await.unwrap(), None);
    // What was learned before it was known does not count either.
    assert_eq!(likes(&world, "teen", None).await["accepted"], 10);
    let of = async |user: &str, group: &str| world.feed(user).seed(3).limit(40).header("Age-Group", group).get().await.ok();
    let (minor, adult, nobody) = (of("teen", "minor").await, of("teen", "adult").await, of("somebody", "minor").await);
    assert_eq!(minor.ids(), nobody.ids());
    assert_ne!(minor.ids(), adult.ids());
    assert_eq!(minor.body["mode"], "explicit_only");
    // What is said counts.
    send(world.request(Method::PUT, "/v1/users/teen/preferences").json(&json!({ "topics": { "music": -1.0 } }))).await.ok();
    assert!(of("teen", "minor").await.items().iter().all(|item| item["topics"] != json!(["music"])));
    let odd = world.feed("teen").header("Age-Group", "child").get().await;
    assert_eq!((odd.status.as_u16(), &odd.body["errors"][0]["pointer"]), (400, &json!("/header/Age-Group")));
}

async fn an_unknown_age_is_what_the_settings_say(kind: StoreKind) {
    let world = world(kind, AgeGroup::Minor).await;
    assert_eq!(likes(&world, "ana", None).await["reason"], "minor");
    assert_eq!(likes(&world, "ana", Some("adult")).await["accepted"], 10);
}
