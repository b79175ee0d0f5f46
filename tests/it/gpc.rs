//! Global Privacy Control: honoured for the request, told in the answer, and remembered for whoever sent it.

use polyphony::domain::{
    UserId,
    consent::{Decision, Purpose},
    privacy::Pack,
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::world::{Answer, StoreKind, World, event, many, on_both_stores, send};

on_both_stores! {
    the_signal_outlasts_the_request
    consent_given_expressly_is_suspended_and_not_withdrawn
    a_signal_withdraws_nothing_that_was_not_read
    where_it_means_selling_the_feed_stays
    nothing_is_remembered_of_nobody
}

const TOPICS: [&str; 6] = ["science", "politics", "food", "music", "sport", "travel"];

async fn world(kind: StoreKind, pack: Pack) -> World {
    let world = World::with(kind, |settings| settings.privacy.pack = pack).await;
    world.items(many(60, &TOPICS, 11)).await;
    world.events("ana", (0..5).map(|n| event("like", &format!("itm_{:03}", n * 6)))).await;
    world
}

/// `opt_out`, and the header that says the same.
fn told(page: &Answer) -> (Value, String) {
    let header = page.headers.get("feed-privacy").map(|value| value.to_str().unwrap().to_owned());
    (page.body["privacy"]["opt_out"].clone(), header.unwrap_or_default())
}

fn by(source: &str) -> (Value, String) {
    (json!({"sale_share": true, "source": source, "honored": true}), format!("sale-share=optout; src={source}"))
}

fn not() -> (Value, String) {
    (Value::Null, String::new())
}

async fn decide(world: &World, user: &str, decisions: Value) -> Answer {
    send(world.request(Method::PUT, &format!("/v1/users/{user}/consent")).json(&json!({ "decisions": decisions }))).await.ok()
}

async fn receipts(world: &World, user: &str) -> Vec<Value> {
    world.get(&format!("/v1/users/{user}/consent/receipts")).await.ok().body["receipts"].as_array().unwrap().clone()
}

async fn the_signal_outlasts_the_request(kind: StoreKind) {
    let world = world(kind, Pack::Gdpr).await;
    let before = world.feed("ana").get().await.ok();
    assert_eq!((told(&before), &before.body["personalised"]), (not(), &json!(true)));
    for ask in [world.feed("ana").header("sec-gpc", "1"), world.feed("ana"), world.feed("ana").param("mode", "profile")] {
        let page = ask.get().await.ok();
        assert_eq!((told(&page), &page.body["privacy"]["mode"]), (by("gpc"), &json!("no_profile")));
    }
    let answer = world.try_events("ana", &[event("open", "itm_001")]).await;
    assert_eq!((&answer.body["ignored"], &answer.body["reason"]), (&json!(1), &json!("no_consent")));
    // Remembered once, as receipts that name why.
    world.feed("ana").header("sec-gpc", "1").get().await.ok();
    let kept = receipts(&world, "ana").await;
    assert_eq!(kept.len(), 3, "{kept:?}");
    let notice = world.get(&format!("/v1/consent/notices/{}", kept[0]["notice"]["version"].as_str().unwrap())).await.ok();
    assert!(notice.text.contains("Global Privacy Control"), "{}", notice.text);
    // Until they opt in again.
    decide(&world, "ana", json!({"profile_create": "given", "profile_use": "given", "sale_share": "given"})).await;
    let page = world.feed("ana").get().await.ok();
    assert_eq!((told(&page), &page.body["personalised"]), (not(), &json!(true)));
}

/// The page of somebody who could not be read, or who decides at this moment.
async fn a_signal_withdraws_nothing_that_was_not_read(kind: StoreKind) {
    let world = world(kind, Pack::Gdpr).await;
    decide(&world, "ana", json!({"profile_create": "given", "profile_use": "given"})).await;
    let purposes = [Purpose::ProfileCreate, Purpose::ProfileUse, Purpose::SaleShare];
    world.app.consents.object(&UserId::new("ana").unwrap(), &[], &purposes).await.unwrap();
    let log = world.app.consents.log(&UserId::new("ana").unwrap()).await.unwrap();
    let decided: Vec<_> = log.iter().map(|record| (record.purpose, record.decision)).collect();
    let given = [Purpose::ProfileCreate, Purpose::ProfileUse].map(|purpose| (purpose, Decision::Given));
    assert!(given.iter().all(|given| decided.contains(given)), "{decided:?}");
    assert_eq!(decided.len(), 3, "{decided:?}");
    assert!(decided.contains(&(Purpose::SaleShare, Decision::Refused)), "{decided:?}");
}

async fn consent_given_expressly_is_suspended_and_not_withdrawn(kind: StoreKind) {
    let world = world(kind, Pack::Strict).await;
    decide(&world, "ana", json!({"profile_create": "given", "profile_use": "given", "sale_share": "refused"})).await;
    let with = world.feed("ana").header("sec-gpc", "1").get().await.ok();
    assert_eq!((told(&with), &with.body["personalised"]), (by("gpc"), &json!(false)));
    let without = world.feed("ana").get().await.ok();
    assert_eq!((told(&without), &without.body["personalised"]), (by("choice"), &json!(true)));
    assert_eq!(receipts(&world, "ana").await.len(), 3);
}

async fn where_it_means_selling_the_feed_stays(kind: StoreKind) {
    let world = world(kind, Pack::Ccpa).await;
    for ask in [world.feed("ana").header("sec-gpc", "1"), world.feed("ana")] {
        let page = ask.get().await.ok();
        assert_eq!((told(&page), &page.body["privacy"]["mode"]), (by("gpc"), &json!("profile")));
        assert_eq!(page.body["personalised"], true);
    }
    let events = json!({"user": "ben", "events": [event("open", "itm_001")]});
    let answer = send(world.request(Method::POST, "/v1/events").header("sec-gpc", "1").json(&events)).await;
    assert_eq!(answer.body["accepted"], 1, "{}", answer.body);
    assert_eq!(told(&world.feed("ben").get().await.ok()), by("gpc"), "said with events, it counts for feeds");
}

async fn nothing_is_remembered_of_nobody(kind: StoreKind) {
    let world = world(kind, Pack::Uk).await;
    let page = world.feed("").header("sec-gpc", "1").get().await.ok();
    assert_eq!((told(&page), &page.body["privacy"]["mode"]), (by("gpc"), &json!("no_profile")));
    assert_eq!(told(&world.feed("").get().await.ok()), not());
    // No other value is the signal.
    for value in ["0", "true", "\"1\"", ""] {
        assert_eq!(told(&world.feed("ben").header("sec-gpc", value).get().await.ok()), not(), "{value}");
    }
    assert_eq!(receipts(&world, "ben").await.len(), 0);
}
