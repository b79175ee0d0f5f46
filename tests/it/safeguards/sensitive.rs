//! Topics of special categories: without consent to the category nothing of them is kept or used, and what was goes with it.

use polyphony::domain::{Facet, Profile, UserId};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::world::{Answer, StoreKind, World, event, item, many, on_both_stores, send};

on_both_stores! {
    fifty_clicks_leave_profile_and_feed_as_they_were
    consent_to_one_category_is_to_that_one
    what_was_learned_goes_when_consent_is_withdrawn
    what_is_on_its_way_goes_too
    an_interest_in_a_sensitive_topic_needs_consent_and_its_opposite_none
}

const TOPICS: [&str; 4] = ["science", "music", "food", "Mental-Health"];

async fn world(kind: StoreKind) -> World {
    let world = World::start(kind).await;
    world.items(many(240, &TOPICS, 11)).await;
    world.items([item("faith", "religion", "crt_0", 1)]).await;
    world.events("ana", (0..5).map(|n| event("like", &format!("itm_{:03}", n * 4)))).await;
    world
}

async fn profile(world: &World, user: &str) -> Profile {
    world.app.store.profile(&UserId::new(user).unwrap()).await.unwrap().unwrap_or_default()
}

async fn decide(world: &World, user: &str, decisions: Value) -> Answer {
    send(world.request(Method::PUT, &format!("/v1/users/{user}/consent")).json(&json!({ "decisions": decisions }))).await
}

/// Items whose topic is labelled.
fn clicks() -> impl Iterator<Item = Value> {
    (0..50).map(|n| event(["open", "like", "seen", "more_like", "follow"][n % 5], &format!("itm_{:03}", n * 4 + 3)))
}

async fn fifty_clicks_leave_profile_and_feed_as_they_were(kind: StoreKind) {
    let world = world(kind).await;
    let before = (profile(&world, "ana").await, world.feed("ana").seed(7).limit(40).get().await.ok().ids());
    let answer = world.try_events("ana", &clicks().collect::<Vec<_>>()).await.body;
    assert_eq!((&answer["ignored"], &answer["reason"], &answer["accepted"]), (&json!(50), &json!("sensitive"), &json!(0)));
    let after = (profile(&world, "ana").await, world.feed("ana").seed(7).limit(40).get().await.ok().ids());
    assert!(before == after, "neither what is kept nor the feed changed");
    println!("50 clicks on a sensitive topic without consent: promised 0 changes to profile and feed, counted 0");
    // What keeps such items away needs nobody's leave.
    world.events("ana", [event("hide", "itm_003")]).await;
    assert!(!world.feed("ana").seed(7).limit(40).get().await.ok().ids().contains(&"itm_003".to_owned()));
}

async fn consent_to_one_category_is_to_that_one(kind: StoreKind) {
    let world = world(kind).await;
    decide(&world, "ana", json!({ "sensitive_health": "given" })).await.ok();
    let answer = world.try_events("ana", &[event("open", "itm_003"), event("open", "faith")]).await.body;
    assert_eq!((&answer["accepted"], &answer["ignored"], &answer["reason"]), (&json!(1), &json!(1), &json!("sensitive")));
    let learned = profile(&world, "ana").await;
    assert!(learned.affinity(Facet::Topic, "Mental-Health").is_some() && learned.affinity(Facet::Topic, "religion").is_none());
}

/// Events that are being taken while consent is withdrawn come before that, and go with what was kept, or come too late.
async fn what_is_on_its_way_goes_too(kind: StoreKind) {
    let world = world(kind).await;
    for n in 0..40 {
        let user = format!("user-{n}");
        decide(&world, &user, json!({ "sensitive_health": "given" })).await.ok();
        world.events(&user, [event("like", "itm_000"), event("like", "itm_003")]).await;
        let likes = async {
            for n in 1..4 {
                world.try_events(&user, &[event("like", &format!("itm_{:03}", n * 4 + 3))]).await;
            }
        };
        let (withdrawn, ()) = tokio::join!(decide(&world, &user, json!({ "sensitive_health": "withdrawn" })), likes);
        withdrawn.ok();
        let left = profile(&world, &user).await;
        assert!(left.affinity(Facet::Topic, "Mental-Health").is_none(), "{user}: {left:?}");
    }
}

async fn what_was_learned_goes_when_consent_is_withdrawn(kind: StoreKind) {
    let world = world(kind).await;
    decide(&world, "ana", json!({ "sensitive_health": "given" })).await.ok();
    world.events("ana", clicks()).await;
    let speaks = |profile: &Profile| {
        profile.affinities.iter().any(|a| &*a.value == "Mental-Health") || profile.exposures.iter().any(|e| &*e.value == "Mental-Health")
    };
    assert!(speaks(&profile(&world, "ana").await));
    decide(&world, "ana", json!({ "sensitive_health": "withdrawn" })).await.ok();
    let left = profile(&world, "ana").await;
    assert!(!speaks(&left) && left.affinity(Facet::Topic, "science").is_some(), "the rest stays");
    let labelled = |id: &str| id.strip_prefix("itm_").and_then(|n| n.parse::<u32>().ok()).is_some_and(|n| n % 4 == 3);
    assert!(left.interests.iter().all(|interest| !labelled(interest.exemplar.as_str())));
}

async fn an_interest_in_a_sensitive_topic_needs_consent_and_its_opposite_none(kind: StoreKind) {
    let world = world(kind).await;
    let set = async |body: Value| send(world.request(Method::PUT, "/v1/users/ana/preferences").json(&body)).await;
    let refused = set(json!({ "topics": { "mental-health": 0.5 } })).await;
    assert_eq!(refused.status, 400, "{}", refused.body);
    assert_eq!(refused.body["errors"][0]["pointer"], "/topics/mental-health");
    assert!(refused.body["errors"][0]["detail"].as_str().unwrap().contains("`sensitive_health`"), "{}", refused.body);
    let path = "/v1/users/ana/interests/religion";
    let refused = send(world.request(Method::PUT, path).json(&json!({ "weight": 1.0 }))).await;
    assert_eq!((refused.status.as_u16(), &refused.body["errors"][0]["pointer"]), (400, &json!("/weight")));
    set(json!({ "topics": { "mental-health": -1.0 } })).await.ok();
    decide(&world, "ana", json!({ "sensitive_health": "given" })).await.ok();
    set(json!({ "topics": { "mental-health": 0.5 } })).await.ok();
}
