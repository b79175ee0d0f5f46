//! Consent binds: without it nothing is learned, stored or used; what is given counts from the next request on, and so does
//! what is taken back.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::atomic::Ordering,
};

use polyphony::{
    consent::verify,
    domain::{
        Span, UserId,
        consent::{CONSENT_VALID, ConsentDefault},
    },
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::world::{Answer, StoreKind, World, event, many, on_both_stores, send};

on_both_stores! {
    without_consent_nothing_is_kept
    giving_and_withdrawing_take_one_call_each
    keeping_and_using_are_decided_apart
    consent_ends_by_itself
    receipts_tell_and_prove_every_decision
    receipts_are_of_the_standards_form_and_verify_offline
    every_fault_of_a_decision_is_named
}

const TOPICS: [&str; 6] = ["science", "politics", "food", "music", "sport", "travel"];

async fn world(kind: StoreKind) -> World {
    let world = World::with(kind, |settings| settings.consent.default = ConsentDefault::Required).await;
    world.items(many(60, &TOPICS, 11)).await;
    world
}

async fn decide(world: &World, user: &str, decisions: Value) -> Answer {
    send(world.request(Method::PUT, &format!("/v1/users/{user}/consent")).json(&json!({ "decisions": decisions }))).await
}

fn likes() -> Vec<Value> {
    (0..5).map(|n| event("like", &format!("itm_{:03}", n * 6))).collect()
}

/// Every file under `folder`, byte for byte.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { drop(found.insert(path.clone(), std::fs::read(&path).unwrap())) }
    }
    found
}

/// What is kept anywhere.
#[derive(PartialEq, Debug)]
struct Traces {
    /// Redis: every key about people with its value.
    people: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The journal, and the embedded store.
    files: BTreeMap<PathBuf, Vec<u8>>,
    /// Records the journal was handed, written or not.
    journaled: u64,
}

fn traces(world: &World) -> Traces {
    let journal = &world.app.settings.journal.path;
    let counts = world.app.feed.journal.counts();
    let journaled = [&counts.written, &counts.dropped].map(|count| count.load(Ordering::SeqCst)).iter().sum();
    let Some(server) = &world.redis else {
        return Traces { people: BTreeMap::new(), files: files(journal.parent().unwrap()), journaled };
    };
    let mut connection = server.connection();
    let keys: Vec<Vec<u8>> = ::redis::cmd("KEYS").arg("*{p:*").query(&mut connection).unwrap();
    let values = keys.into_iter().map(|key| (key.clone(), ::redis::cmd("DUMP").arg(key).query(&mut connection).unwrap()));
    Traces { people: values.collect(), files: files(journal), journaled }
}

async fn without_consent_nothing_is_kept(kind: StoreKind) {
    let world = world(kind).await;
    let before = traces(&world);
    for user in ["ana", "ben"] {
        let answer = world.try_events(user, &likes()).await;
        let expected = json!({"accepted": 0, "duplicates": 0, "rejected": [], "ignored": 5, "stored": false, "reason": "no_consent"});
        assert_eq!((answer.status.as_u16(), answer.body), (202, expected));
        assert_eq!(world.app.store.person(&UserId::new(user).unwrap()).await.unwrap(), None);
    }
    assert!(traces(&world) == before, "nothing is written, and nothing waits to be");
    let (ana, nobody) = (world.feed("ana").limit(40).get().await.ok(), world.feed("").limit(40).get().await.ok());
    assert_eq!((ana.ids(), &ana.body["personalised"]), (nobody.ids(), &json!(false)));
    assert_eq!(ana.items().len(), 40, "the feed is as long as any");
    // The feed belongs to nobody: reading one leaves nothing about the reader either.
    assert_eq!(traces(&world).people, before.people);
    assert_eq!(world.app.store.person(&UserId::new("ana").unwrap()).await.unwrap(), None);
}

async fn giving_and_withdrawing_take_one_call_each(kind: StoreKind) {
    let world = world(kind).await;
    let given = decide(&world, "ana", json!({"profile_create": "given", "profile_use": "given"})).await.ok();
    assert_eq!(given.body["purposes"]["profile_use"]["standing"], "given");
    assert_eq!(given.body["purposes"]["email"], json!({"standing": "unasked", "allowed": false}));
    world.events("ana", likes()).await;
    assert_eq!(world.feed("ana").get().await.ok().body["personalised"], true);

    let taken = decide(&world, "ana", json!({"profile_create": "withdrawn", "profile_use": "withdrawn"})).await.ok();
    assert_eq!(taken.body["purposes"]["profile_use"]["standing"], "withdrawn");
    assert!(taken.body["purposes"]["profile_use"]["ask_not_before"].is_string());
    let nobody = world.feed("").limit(40).get().await.ok();
    assert_eq!(world.feed("ana").limit(40).get().await.ok().ids(), nobody.ids());
    assert_eq!(world.try_events("ana", &[event("like", "itm_001")]).await.body["stored"], false);
    assert_eq!(world.counted("ana").await, 5);
}

async fn keeping_and_using_are_decided_apart(kind: StoreKind) {
    let world = world(kind).await;
    decide(&world, "ana", json!({"profile_create": "given", "profile_use": "refused"})).await.ok();
    world.events("ana", likes()).await;
    assert_eq!(world.counted("ana").await, 5);
    assert_eq!(world.feed("ana").get().await.ok().body["personalised"], false);
    decide(&world, "ana", json!({"profile_create": "withdrawn", "profile_use": "given"})).await.ok();
    assert_eq!(world.feed("ana").get().await.ok().body["personalised"], true);
    assert_eq!(world.try_events("ana", &[event("like", "itm_001")]).await.body["reason"], "no_consent");
}

async fn consent_ends_by_itself(kind: StoreKind) {
    let world = world(kind).await;
    decide(&world, "ana", json!({"profile_create": "given", "profile_use": "given"})).await.ok();
    world.events("ana", likes()).await;
    world.clock.set(world.app.now().plus(CONSENT_VALID));
    let told = world.get("/v1/users/ana/consent").await.ok();
    assert_eq!(told.body["purposes"]["profile_use"]["standing"], "expired");
    assert_eq!(world.feed("ana").get().await.ok().body["personalised"], false);
}

async fn receipts_tell_and_prove_every_decision(kind: StoreKind) {
    let world = world(kind).await;
    for (after, decision) in [(0, "given"), (2, "given"), (3, "withdrawn"), (4, "withdrawn"), (5, "given")] {
        world.clock.set(crate::support::app::NOW.plus(Span::hours(after)));
        decide(&world, "ana", json!({"research": decision})).await.ok();
    }
    let told = world.get("/v1/users/ana/consent/receipts").await.ok().body;
    let receipts = told["receipts"].as_array().unwrap();
    let decisions: Vec<&str> = receipts.iter().map(|receipt| receipt["event"]["type"].as_str().unwrap()).collect();
    assert_eq!(decisions, ["given", "withdrawn", "given"], "saying the same again is no other decision");
    let notice = world.get(&format!("/v1/consent/notices/{}", receipts[0]["notice"]["version"].as_str().unwrap())).await;
    assert!(notice.text.contains("Research:"), "{}", notice.text);
    assert_eq!(world.get("/v1/consent/notices/b3:00").await.problem(), (404, "not-found"));

    let ana = UserId::new("ana").unwrap();
    let key = world.app.consents.public_key().await.unwrap();
    let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(told["public_key"], hex);
    let mut log = world.app.consents.log(&ana).await.unwrap();
    assert_eq!(verify(&key, &ana, &log), Ok(()));
    log.remove(1);
    assert_eq!(verify(&key, &ana, &log), Err(1));
}

/// Runs the check that `docs/rights.md` shows on the answer in `receipts`; whether it says that all are sound.
fn verified_offline(receipts: &Value) -> bool {
    let page = include_str!("../../docs/rights.md");
    let (_, rest) = page.split_once("```python\n").unwrap();
    let (script, _) = rest.split_once("```").unwrap();
    assert!(script.lines().count() <= 16, "short enough to be read");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("verify.py"), script).unwrap();
    std::fs::write(folder.path().join("receipts.json"), receipts.to_string()).unwrap();
    let output = std::process::Command::new("python3").arg("verify.py").current_dir(folder.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    output.status.success() && said.lines().count() == receipts["receipts"].as_array().unwrap().len()
}

async fn receipts_are_of_the_standards_form_and_verify_offline(kind: StoreKind) {
    let world = World::with(kind, |settings| {
        settings.consent.default = ConsentDefault::Required;
        settings.consent.controller = "Hafenblatt e. V. – Köln".into();
        settings.consent.contact = "privacy@hafenblatt.example".into();
        settings.consent.jurisdiction = "DE".into();
        settings.consent.withdrawal_url = "https://hafenblatt.example/privacy".into();
    })
    .await;
    world.items(many(30, &TOPICS, 7)).await;
    decide(&world, "ana", json!({"profile_use": "given", "email": "refused"})).await.ok();
    send(world.request(Method::GET, "/v1/feed?user=ben").header("sec-gpc", "1")).await;
    let told = world.get("/v1/users/ana/consent/receipts").await.ok().body;
    let receipt = told["receipts"].as_array().unwrap().iter().find(|r| r["purposes"][0] == "profile_use").unwrap();
    assert_eq!(receipt["@type"], "dpv:ConsentReceipt");
    assert_eq!(receipt["schema_version"], "ISO/IEC TS 27560:2023");
    assert_eq!(receipt["controller"], json!({"name": "Hafenblatt e. V. – Köln", "contact": "privacy@hafenblatt.example"}));
    assert_eq!((&receipt["jurisdiction"], &receipt["withdrawal_url"]), (&json!("DE"), &json!("https://hafenblatt.example/privacy")));
    assert_eq!((&receipt["event"]["type"], &receipt["event"]["mechanism"]), (&json!("given"), &json!("explicit")));
    assert_eq!((&receipt["retention"], &receipt["recipients"]), (&json!("P400D"), &json!([])));
    for field in ["record_id", "subject_pseudonym", "data_categories"] {
        assert!(receipt.get(field).is_some(), "{field}: {receipt}");
    }
    // The hash is of the text that is served.
    let notice = world.get(&format!("/v1/consent/notices/{}", receipt["notice"]["version"].as_str().unwrap())).await.text;
    let sha256: String = <sha2::Sha256 as sha2::Digest>::digest(notice.as_bytes()).iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!((&receipt["notice"]["sha256"], &receipt["notice"]["language"]), (&json!(sha256), &json!("en")));
    assert!(!told.to_string().contains("\"ana\""), "the person is named by a pseudonym");
    // A browser's signal is told apart.
    let by_signal = world.get("/v1/users/ben/consent/receipts").await.ok().body;
    let signal = &by_signal["receipts"][0];
    assert_eq!((&signal["event"]["mechanism"], &signal["notice"]["surface"]), (&json!("signal"), &json!("browser")));
    assert_ne!(signal["subject_pseudonym"], receipt["subject_pseudonym"]);
    // Asked for again, it is the same; changed anywhere, it is none.
    assert_eq!(world.get("/v1/users/ana/consent/receipts").await.ok().body, told);
    assert!(verified_offline(&told) && verified_offline(&by_signal));
    for (pointer, value) in [("/receipts/0/event/type", "given "), ("/receipts/0/notice/sha256", "00"), ("/receipts/1/jurisdiction", "FR")]
    {
        let mut forged = told.clone();
        *forged.pointer_mut(pointer).unwrap() = json!(value);
        assert!(!verified_offline(&forged), "{pointer}");
    }
}

async fn every_fault_of_a_decision_is_named(kind: StoreKind) {
    let world = world(kind).await;
    let body = json!({"decision": 1, "notice": "b3:00", "decisions": {"profile_creat": "given", "email": "yes", "push": 1}});
    let answer = send(world.request(Method::PUT, "/v1/users/ana/consent").json(&body)).await;
    assert_eq!(answer.problem(), (400, "invalid-body"));
    let pointers: Vec<&str> = answer.body["errors"].as_array().unwrap().iter().map(|e| e["pointer"].as_str().unwrap()).collect();
    for pointer in ["/decision", "/notice", "/decisions/profile_creat", "/decisions/email", "/decisions/push"] {
        assert!(pointers.contains(&pointer), "{pointer}: {pointers:?}");
    }
    assert_eq!(world.app.store.person(&UserId::new("ana").unwrap()).await.unwrap(), None);
}
