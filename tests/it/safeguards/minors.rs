//! Minors: what they say shapes their feed, what they do does not, and no cap is lifted for them.

use polyphony::domain::{Span, UserId, privacy::AgeGroup};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::world::{StoreKind, World, event, eventually, many, on_both_stores, send};

on_both_stores! {
    nothing_is_inferred_about_a_minor
    an_unknown_age_is_what_the_settings_say
    a_minors_feed_takes_its_breaks_and_ends_after_two_hours
    no_sponsored_item_comes_and_no_push_at_night
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
    // What was liked becomes popular a moment later, for everybody.
    eventually("a minor's feed is anybody's", async || of("teen", "minor").await.ids() == of("somebody", "minor").await.ids()).await;
    assert_ne!(of("teen", "minor").await.ids(), of("teen", "adult").await.ids());
    // What is said counts.
    send(world.request(Method::PUT, "/v1/users/teen/preferences").json(&json!({ "topics": { "music": -1.0 } }))).await.ok();
    assert!(of("teen", "minor").await.items().iter().all(|item| item["item"]["topics"][0]["topic"] != "music"));
    let odd = world.feed("teen").header("Age-Group", "child").get().await;
    assert_eq!((odd.status.as_u16(), &odd.body["errors"][0]["pointer"]), (400, &json!("/header/Age-Group")));
}

async fn an_unknown_age_is_what_the_settings_say(kind: StoreKind) {
    let world = world(kind, AgeGroup::Minor).await;
    assert_eq!(likes(&world, "ana", None).await["reason"], "minor");
    assert_eq!(likes(&world, "ana", Some("adult")).await["accepted"], 10);
}

async fn a_minors_feed_takes_its_breaks_and_ends_after_two_hours(kind: StoreKind) {
    let world = world(kind, AgeGroup::Adult).await;
    let ask = || world.feed("kid").limit(2).header("Age-Group", "minor");
    assert_eq!(world.feed("kid").limit(2).get().await.ok().body.get("session"), None, "the policy itself sets no breaks");
    let mut page = ask().get().await.ok();
    let (mut minutes, mut breaks, mut served, mut was_break) = (0, Vec::new(), page.items().len(), false);
    while minutes < 120 {
        world.clock.advance(Span::minutes(3));
        minutes += 3;
        let token = page.body["session"]["token"].as_str().unwrap().to_owned();
        // Asking to go on does not help.
        page = ask().param("session_token", token).param("continue", 1).get().await.ok();
        served += page.items().len();
        // Five minutes away are a break: one step is less.
        if page.items().is_empty() && !was_break {
            breaks.push(minutes);
        }
        was_break = page.items().is_empty();
    }
    println!("a minor's two hours: breaks at {breaks:?} minutes, {served} items served");
    assert_eq!(breaks, [15, 60, 90, 120]);
    world.clock.advance(Span::hours(1));
    let token = page.body["session"]["token"].as_str().unwrap().to_owned();
    assert!(ask().param("session_token", token).get().await.ok().items().is_empty(), "the end holds");
}

async fn no_sponsored_item_comes_and_no_push_at_night(kind: StoreKind) {
    let world = world(kind, AgeGroup::Adult).await;
    world.items([json!({ "id": "ad", "title": "Shoes", "sponsored": { "payer": "Acme" } })]).await;
    world.swap_policy("home", |policy| policy.sponsored.max_per_page = 2).await;
    world.swap_policy("push", |policy| (policy.reach.quiet_from, policy.reach.quiet_until) = (0, 0)).await;
    let shown = async |group: &str| {
        let page = world.feed("kid").limit(20).header("Age-Group", group).get().await.ok();
        page.body["sponsored"].as_array().map_or(0, Vec::len)
    };
    assert_eq!((shown("minor").await, shown("adult").await > 0), (0, true));
    let zones = ["Pacific/Auckland", "Asia/Tokyo", "Asia/Kolkata", "Europe/Berlin", "America/New_York", "America/Los_Angeles"];
    let mut nights = Vec::new();
    // It is night in some of them at whatever time it is.
    for (n, zone) in zones.into_iter().enumerate() {
        let user = format!("kid_{n}");
        let wish = json!({ "push_categories": ["news"] });
        send(world.request(Method::PUT, &format!("/v1/users/{user}/preferences")).json(&wish)).await.ok();
        let given = json!({ "decisions": { "push": "given" } });
        send(world.request(Method::PUT, &format!("/v1/users/{user}/consent")).json(&given)).await.ok();
        let plan = async |group: &str| {
            let asked = json!({ "user": user, "category": "news", "time_zone": zone });
            send(world.request(Method::POST, "/v1/push/plan").header("Age-Group", group).json(&asked)).await.ok().body
        };
        let minor = plan("minor").await;
        if minor["because"] == "quiet_hours" {
            nights.push(zone);
            assert_eq!(plan("adult").await["send"], true);
        } else {
            assert_eq!(minor["send"], true, "{minor}");
        }
    }
    println!("night, and no push for minors, in {nights:?}");
    assert!(!nights.is_empty() && nights.len() < zones.len());
}
