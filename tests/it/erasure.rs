//! Erasure, proved: nothing of a person is found after it, anywhere; what comes late is refused until they come back.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use polyphony::{
    clock::Clock,
    consent::{Erased, ErasureReceipt, verify_erasure},
    domain::{Span, UserId},
    store::TOMBSTONE_TTL,
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{
    process::{self, Process, Recipe, items, next},
    redis::RedisServer,
    world::{Answer, StoreKind, World, event, many, on_both_stores, send},
};

on_both_stores! {
    nothing_of_the_person_is_left
    whom_the_path_names_is_wholly_decoded
    a_receipt_is_signed_and_stays_the_same
    late_events_are_refused_until_a_consent_is_given
    a_refusal_lifts_nothing
    whoever_restricts_can_still_read
}

const TOPICS: [&str; 6] = ["science", "politics", "food", "music", "sport", "travel"];
/// In every input that a person fills.
const CANARY: &str = "canary7f3a9c1e";

async fn with_a_past(kind: StoreKind) -> World {
    let world = World::start(kind).await;
    world.items(many(60, &TOPICS, 11)).await;
    world.events("ana", (0..5).map(|n| event("like", &format!("itm_{:03}", n * 6)))).await;
    world
}

async fn erase(world: &World, user: &str) -> Answer {
    send(world.request(Method::DELETE, &format!("/v1/users/{user}"))).await
}

async fn decide(world: &World, user: &str, decisions: Value) -> Answer {
    send(world.request(Method::PUT, &format!("/v1/users/{user}/consent")).json(&json!({ "decisions": decisions }))).await
}

async fn nothing_of_the_person_is_left(kind: StoreKind) {
    let world = with_a_past(kind).await;
    decide(&world, "ana", json!({"profile_create": "given", "profile_use": "given"})).await.ok();
    let page = world.feed("ana").limit(5).get().await.ok();
    assert_eq!(page.body["personalised"], true);
    let cursor = page.body["page"]["next"].as_str().unwrap().to_owned();

    erase(&world, "ana").await.ok();
    assert_eq!(world.app.store.person(&UserId::new("ana").unwrap()).await.unwrap(), None);
    let (own, nobody) = (world.feed("ana").seed(5).limit(40).get().await, world.feed("").seed(5).limit(40).get().await.ok());
    assert_eq!(own.ids(), nobody.ids());
    let receipts = world.get("/v1/users/ana/consent/receipts").await.ok();
    assert_eq!(receipts.body["receipts"], json!([]));
    // A cursor into an erased feed never continues it.
    let continued = world.feed("ana").cursor(&cursor).get().await;
    assert_ne!(continued.body["feed_id"], page.body["feed_id"], "{}", continued.text);
    if let Some(redis) = &world.redis {
        let keys: Vec<String> = ::redis::cmd("KEYS").arg("pf:{p:*").query(&mut redis.connection()).unwrap();
        assert!(keys.iter().all(|key| key.ends_with(":erased")), "{keys:?}");
    }
}

async fn whom_the_path_names_is_wholly_decoded(kind: StoreKind) {
    let world = with_a_past(kind).await;
    let named = [
        ("ana%2Bnews%40x.org", "ana+news@x.org"),
        ("ana+news@y.org", "ana+news@y.org"),
        ("a%20b", "a b"),
        ("%C3%BCml%C3%A4ut", "ümläut"),
        ("a%2Fb", "a/b"),
        ("100%25", "100%"),
        ("a%252Bb", "a%2Bb"),
    ];
    for (path, id) in named {
        world.events(id, [event("like", "itm_001")]).await;
        let wanted = json!({"diversity": 0.5});
        let set = send(world.request(Method::PUT, &format!("/v1/users/{path}/preferences")).json(&wanted)).await.ok();
        assert_eq!(set.body["diversity"], 0.5);
        let profile = world.app.store.profile(&UserId::new(id).unwrap()).await.unwrap().unwrap();
        assert_eq!((profile.preferences.diversity, profile.events), (Some(0.5), 1), "{path}");
        let topic = format!("/v1/users/{path}/interests/a%2Bb%25");
        send(world.request(Method::PUT, &topic).json(&json!({"weight": 1}))).await.ok();
        let profile = world.app.store.profile(&UserId::new(id).unwrap()).await.unwrap().unwrap();
        assert!(profile.preferences.topics.contains_key("a+b%"), "{:?}", profile.preferences.topics);
        erase(&world, path).await.ok();
        assert_eq!(world.app.store.profile(&UserId::new(id).unwrap()).await.unwrap(), None, "{path}");
    }
    for path in ["%FF", "a%C3", "a%00b"] {
        assert_eq!(erase(&world, path).await.problem(), (404, "not-found"), "{path}");
    }
}

fn bytes(hex: &Value) -> Vec<u8> {
    let digits = hex.as_str().unwrap();
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

async fn a_receipt_is_signed_and_stays_the_same(kind: StoreKind) {
    let world = with_a_past(kind).await;
    let first = erase(&world, "ana").await.ok();
    world.clock.set(world.clock.now().plus(Span::hours(1)));
    let again = erase(&world, "ana").await.ok();
    assert_eq!(first.text, again.text);
    assert!(!first.text.contains("ana"), "{}", first.text);
    assert_eq!(first.headers["cache-control"], "private, no-store");

    let store = if kind == StoreKind::Redis { "redis" } else { "embedded" };
    let places: Vec<&str> = first.body["done"].as_array().unwrap().iter().map(|done| done["place"].as_str().unwrap()).collect();
    assert_eq!(places, [store, store, store, store, "keys", "memory", "journal"]);
    let at = crate::support::app::NOW;
    let leaked = |text: &Value| -> &'static str { String::leak(text.as_str().unwrap().to_owned()) };
    let done = first.body["done"].as_array().unwrap().iter();
    let done = done.map(|done| Erased { place: leaked(&done["place"]), what: leaked(&done["what"]), outcome: leaked(&done["outcome"]) });
    let signature = bytes(&first.body["signature"]);
    let mut receipt = ErasureReceipt { at, refused_until: at.plus(TOMBSTONE_TTL), done: done.collect(), signature };
    let public_key: [u8; 32] = bytes(&first.body["public_key"]).try_into().unwrap();
    let (ana, ben) = (UserId::new("ana").unwrap(), UserId::new("ben").unwrap());
    assert!(verify_erasure(&public_key, &ana, &receipt));
    assert!(!verify_erasure(&public_key, &ben, &receipt), "of nobody else");
    receipt.done.pop();
    assert!(!verify_erasure(&public_key, &ana, &receipt), "nothing can be taken out");
}

async fn late_events_are_refused_until_a_consent_is_given(kind: StoreKind) {
    let world = with_a_past(kind).await;
    erase(&world, "ana").await.ok();
    let late = world.try_events("ana", &[event("like", "itm_001")]).await;
    assert_eq!((late.status.as_u16(), &late.body["ignored"], &late.body["reason"]), (202, &json!(1), &json!("erased")));
    assert_eq!(late.body["stored"], false);
    let preferences = send(world.request(Method::PUT, "/v1/users/ana/preferences").json(&json!({"mode": "profile"}))).await;
    assert_eq!(preferences.problem(), (409, "conflict"));
    assert_eq!(world.app.store.person(&UserId::new("ana").unwrap()).await.unwrap(), None);

    decide(&world, "ana", json!({"email": "refused", "profile_create": "given", "profile_use": "given"})).await.ok();
    let consent = world.get("/v1/users/ana/consent").await.ok();
    assert_eq!(consent.body["purposes"]["email"]["standing"], "refused", "said in the same form");
    world.events("ana", [event("like", "itm_002")]).await;
    assert_eq!(world.counted("ana").await, 1, "nothing of before comes back");
    // And once more: a person can leave as often as they come.
    erase(&world, "ana").await.ok();
    assert_eq!(world.counted("ana").await, 0);
}

async fn a_refusal_lifts_nothing(kind: StoreKind) {
    let world = with_a_past(kind).await;
    erase(&world, "ana").await.ok();
    decide(&world, "ana", json!({"profile_use": "refused"})).await.ok();
    assert_eq!(world.app.store.person(&UserId::new("ana").unwrap()).await.unwrap(), None, "a refusal is a record too");
    assert_eq!(world.try_events("ana", &[event("like", "itm_001")]).await.body["reason"], "erased");
    world.clock.set(world.clock.now().plus(TOMBSTONE_TTL).plus(Span::secs(1)));
    if kind == StoreKind::Embedded {
        world.events("ana", [event("like", "itm_001")]).await;
    }
}

async fn whoever_restricts_can_still_read(kind: StoreKind) {
    let world = with_a_past(kind).await;
    decide(&world, "ana", json!({"profile_create": "refused", "profile_use": "refused"})).await.ok();
    let before = world.get("/v1/users/ana/export").await.ok().body;
    assert!(!before["inferred"]["affinities"].as_array().unwrap().is_empty(), "{before}");
    assert_eq!(before["given"]["consents"].as_array().unwrap().len(), 2);
    assert_eq!(world.try_events("ana", &[event("like", "itm_001")]).await.body["stored"], false);
    let (own, nobody) = (world.feed("ana").limit(40).get().await.ok(), world.feed("").limit(40).get().await.ok());
    assert_eq!((own.ids(), &own.body["personalised"]), (nobody.ids(), &json!(false)));
    let after = world.get("/v1/users/ana/export").await.ok().body;
    assert_eq!((&after["observed"], &after["inferred"]), (&before["observed"], &before["inferred"]));
}

/// Every file under `folder`.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

/// Which of these files have the canary in them.
fn found_in(folder: &Path) -> Vec<PathBuf> {
    let has = |path: &PathBuf| contains(&std::fs::read(path).unwrap(), CANARY.as_bytes());
    files(folder).into_iter().filter(has).collect()
}

/// A person who says the canary wherever they can.
async fn sing(server: &Process) {
    server.put_items(&items(60)).await;
    let user = format!("user-{CANARY}");
    let events: Vec<Value> = (0..20).map(|n| json!({"id": format!("ev-{CANARY}-{n}"), "type": "like", "item": format!("i{n}")})).collect();
    let request = server.request(Method::POST, "/v1/events").json(&json!({"user": user, "events": events}));
    let answer = request.header("User-Agent", CANARY).header("X-Canary", CANARY).send().await.unwrap();
    assert_eq!(answer.json::<Value>().await.unwrap()["accepted"], 20);
    let preferences = json!({"topics": {CANARY: 1.0}, "languages": []});
    let request = server.request(Method::PUT, &format!("/v1/users/{user}/preferences")).json(&preferences);
    assert_eq!(request.send().await.unwrap().status(), 200);
    let given = json!({"decisions": {"profile_create": "given", "profile_use": "given"}});
    let request = server.request(Method::PUT, &format!("/v1/users/{user}/consent")).json(&given);
    assert_eq!(request.send().await.unwrap().status(), 200);
    let page = server.feed(&format!("user={user}&limit=5&session={CANARY}")).await;
    assert_eq!(page["personalised"], true);
    server.feed(&format!("user={user}&limit=5&session={CANARY}&cursor={}", next(&page))).await;
    // A fault repeats what was sent to whoever sent it, and to nobody else.
    server.get(&format!("/v1/feed?user={user}&{CANARY}={CANARY}")).await;
    server.get(&format!("/v1/{CANARY}")).await;
}

async fn leave(server: &Process) {
    let path = format!("/v1/users/user-{CANARY}");
    let receipt = server.request(Method::DELETE, &path).send().await.unwrap();
    assert_eq!(receipt.status(), 200);
    let receipt = receipt.text().await.unwrap();
    assert!(!receipt.contains(CANARY));
    assert_eq!(server.request(Method::DELETE, &path).send().await.unwrap().text().await.unwrap(), receipt, "idempotent");
    let export = server.get(&format!("{path}/export")).await.text().await.unwrap();
    assert!(export.contains("\"given\"") && !export.contains(CANARY), "{export}");
}

#[tokio::test]
async fn canaries_are_found_nowhere_with_the_embedded_store() {
    let recipe = Recipe::serve();
    let server = recipe.ready().await;
    sing(&server).await;
    assert!(server.terminate().await.success());
    let (store, backup) = (recipe.data().join("polyphony.redb"), recipe.data().join("backup.redb"));
    std::fs::copy(&store, &backup).unwrap();

    let server = recipe.ready().await;
    let before = server.metric("feed_events_total").await;
    leave(&server).await;
    assert_eq!(server.metric("feed_events_total").await, before, "totals stay");
    let metrics = server.get("/metrics").await.text().await.unwrap();
    assert!(!metrics.contains(CANARY));
    assert!(!server.output().contains(CANARY), "{}", server.output());
    assert!(server.terminate().await.success());
    assert_eq!(found_in(&recipe.data()), Vec::<PathBuf>::new());

    // The backup comes back without the key, and says nothing about anybody.
    std::fs::rename(&backup, &store).unwrap();
    let server = recipe.ready().await;
    let page = server.feed(&format!("user=user-{CANARY}&limit=5")).await;
    assert_eq!(page.get("degraded"), None, "{page}");
    let preferences: Value = server.get(&format!("/v1/users/user-{CANARY}/preferences")).await.json().await.unwrap();
    assert_eq!(preferences["topics"], json!({}));
}

#[tokio::test]
async fn canaries_are_found_nowhere_with_redis() {
    let redis = RedisServer::persistent();
    let recipe = Recipe::serve().redis(&redis.url());
    let server = recipe.ready().await;
    sing(&server).await;
    leave(&server).await;
    let metrics = server.get("/metrics").await.text().await.unwrap();
    assert!(!metrics.contains(CANARY) && !server.output().contains(CANARY));
    assert!(server.terminate().await.success());
    assert_eq!(found_in(&recipe.data()), Vec::<PathBuf>::new());
    assert_eq!(found_in(redis.folder()), Vec::<PathBuf>::new(), "append-only files");
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for file in files(from) {
        let copy = to.join(file.strip_prefix(from).unwrap());
        std::fs::create_dir_all(copy.parent().unwrap()).unwrap();
        std::fs::copy(&file, copy).unwrap();
    }
}

/// With people's keys in a Redis of their own, which no backup is made of.
#[tokio::test]
async fn a_restored_backup_of_redis_says_nothing_about_anybody() {
    let (mut redis, keys) = (RedisServer::persistent(), RedisServer::start_new());
    let recipe = Recipe::serve().redis(&redis.url()).set("privacy.keys.redis.url", &keys.url());
    let server = recipe.ready().await;
    sing(&server).await;
    assert!(server.terminate().await.success());
    let export = async |server: &Process| -> Value { server.get(&format!("/v1/users/user-{CANARY}/export")).await.json().await.unwrap() };
    redis.stop();
    let backup = tempfile::tempdir().unwrap();
    copy(redis.folder(), backup.path());
    redis.start();

    let server = recipe.ready().await;
    assert_ne!(export(&server).await["observed"]["events"], 0, "there was something to erase");
    leave(&server).await;
    assert!(server.terminate().await.success());
    assert_eq!(found_in(redis.folder()), Vec::<PathBuf>::new());

    redis.stop();
    for file in files(redis.folder()) {
        std::fs::remove_file(file).unwrap();
    }
    copy(backup.path(), redis.folder());
    redis.start();
    assert_eq!(found_in(redis.folder()), Vec::<PathBuf>::new());
    let server = recipe.ready().await;
    let page = server.feed(&format!("user=user-{CANARY}&limit=5")).await;
    assert_eq!(page.get("degraded"), None, "{page}");
    assert_eq!(page["personalised"], false, "{page}");
    let back = export(&server).await;
    assert_eq!((&back["observed"]["events"], &back["given"]["preferences"]["topics"]), (&json!(0), &json!({})), "{back}");
    assert!(!server.output().contains(CANARY));
}

#[tokio::test]
async fn an_erasure_that_redis_dies_in_is_completed_by_the_next() {
    let mut redis = RedisServer::persistent();
    let server = Recipe::serve().redis(&redis.url()).ready().await;
    server.put_items(&items(5)).await;
    let people: Vec<String> = (0..40).map(|n| format!("p{n}")).collect();
    for person in &people {
        assert_eq!(server.events(person, "i0", &[format!("e-{person}")]).await.0, 202);
    }
    let erasures = async {
        for person in &people {
            let _ = server.request(Method::DELETE, &format!("/v1/users/{person}")).send().await;
        }
    };
    let kill = async {
        // Some are through, some are not.
        process::eventually("an erasure", async || {
            let notes: Vec<String> = ::redis::cmd("KEYS").arg("pf:{p:*}:erased").query(&mut redis.connection()).unwrap();
            (notes.len() > 3).then_some(())
        })
        .await;
        redis.stop();
    };
    tokio::join!(erasures, kill);
    redis.start();
    for person in &people {
        process::eventually("the erasure", async || {
            let answer = server.request(Method::DELETE, &format!("/v1/users/{person}")).send().await.unwrap();
            (answer.status() == 200).then_some(())
        })
        .await;
    }
    let keys: Vec<String> = ::redis::cmd("KEYS").arg("pf:{p:*").query(&mut redis.connection()).unwrap();
    assert_eq!(keys.iter().filter(|key| key.ends_with(":erased")).count(), people.len());
    assert_eq!(keys.len(), people.len(), "{keys:?}");
}

#[tokio::test]
async fn an_erasure_that_the_server_dies_in_is_completed_by_the_next() {
    let recipe = Recipe::serve();
    let mut server = recipe.ready().await;
    server.put_items(&items(5)).await;
    let people: Vec<String> = (0..20).map(|n| format!("p{n}")).collect();
    for person in &people {
        assert_eq!(server.events(person, "i0", &[format!("e-{person}")]).await.0, 202);
    }
    let id = server.id().to_string();
    let erasures = async {
        for (n, person) in people.iter().enumerate() {
            let answer = server.request(Method::DELETE, &format!("/v1/users/{person}")).send().await;
            if n == 5 {
                // With the next erasure on its way.
                assert!(Command::new("sh").args(["-c", &format!("(sleep 0.005; kill -KILL {id}) &")]).status().unwrap().success());
            }
            if answer.is_err() {
                break;
            }
        }
    };
    erasures.await;
    assert!(!server.end().await.success());
    let server = recipe.ready().await;
    for person in &people {
        let answer = server.request(Method::DELETE, &format!("/v1/users/{person}")).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let export: Value = server.get(&format!("/v1/users/{person}/export")).await.json().await.unwrap();
        assert_eq!(export["observed"]["events"], 0, "{export}");
        assert_eq!(server.events(person, "i1", &[format!("late-{person}")]).await.1["reason"], "erased");
    }
}

/// What `polyphony keys rotate` says with these master keys.
fn rotate(recipe: &Recipe, master_keys: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_polyphony"));
    command.args(["keys", "rotate", "--data"]).arg(recipe.data()).args(["--set", &format!("privacy.master_keys={master_keys}")]);
    let output = command.env_clear().output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn master_keys_are_rotated() {
    let [old, new] = ["1a".repeat(32), "2b".repeat(32)];
    let recipe = Recipe::serve().set("privacy.master_keys", &old);
    let server = recipe.ready().await;
    server.put_items(&items(5)).await;
    server.events("ann", "i0", &["e1".into()]).await;
    assert!(!recipe.data().join("master.key").exists(), "none is made");
    assert!(!server.output().contains(&old) && !server.output().contains("privacy.master_keys is empty"));
    assert!(server.terminate().await.success());

    let both = format!("{new},{old}");
    assert_eq!(rotate(&recipe, &both), "2 wrapped anew, 0 wrapped by the newest master key already, 0 unreadable\n");
    assert_eq!(rotate(&recipe, &both), "0 wrapped anew, 2 wrapped by the newest master key already, 0 unreadable\n");
    let server = recipe.set("privacy.master_keys", &new).ready().await;
    let (_, answer) = server.events("ann", "i0", &["e1".into()]).await;
    assert_eq!(answer["duplicates"], 1, "what was sealed is read with the new key alone: {answer}");
}

/// What was said comes along; what was observed and inferred stays behind.
#[tokio::test]
async fn what_was_said_survives_export_erasure_and_import() {
    let world = with_a_past(StoreKind::Embedded).await;
    let preferences = json!({"mode": "profile", "diversity": 0.5, "topics": {"science": 1.0, "sport": -1.0}, "languages": [],
        "blocked_keywords": ["war games"], "pauses": [], "push_categories": []});
    send(world.request(Method::PUT, "/v1/users/ana/preferences").json(&preferences)).await.ok();
    world.events("ana", [event("hide", "itm_007"), event("follow", "itm_008"), event("less_like", "itm_009")]).await;
    let export = world.get("/v1/users/ana/export").await.ok();
    assert_eq!(export.headers["cache-control"], "private, no-store");
    let parts = |export: &Value| ["mutes", "follows", "dislikes"].map(|part| export["given"][part].as_array().unwrap().len());
    assert!(parts(&export.body).iter().all(|count| *count > 0), "{}", export.text);
    assert_eq!(export.body["given"]["preferences"], preferences);
    let seen = export.body["observed"]["seen"].as_array().unwrap();
    assert!(seen.iter().any(|seen| seen["item"] == "itm_000" && seen["opened"] == true), "{seen:?}");
    assert!(!export.body["inferred"]["affinities"].as_array().unwrap().is_empty());

    erase(&world, "ana").await.ok();
    let elsewhere = World::start(StoreKind::Redis).await;
    elsewhere.items(many(60, &TOPICS, 11)).await;
    elsewhere.post("/v1/users/ana/import", &export.body).await.ok();
    let again = elsewhere.get("/v1/users/ana/export").await.ok();
    assert_eq!(again.body["given"], export.body["given"]);
    assert_eq!((&again.body["observed"]["events"], &again.body["inferred"]["affinities"]), (&json!(0), &json!([])));

    let wrong = json!({"givn": 1, "given": {"preferences": {"mode": "profil"}, "mutes": [{"facet": "topik", "value": "x"}],
        "follows": "ursula", "dislikes": [{"facet": "topic", "value": "x", "weight": 0, "at": "2026-10-01T00:00:00Z"}]}});
    let answer = elsewhere.post("/v1/users/ana/import", &wrong).await;
    assert_eq!(answer.problem(), (400, "invalid-body"));
    let pointers: Vec<&str> = answer.body["errors"].as_array().unwrap().iter().map(|e| e["pointer"].as_str().unwrap()).collect();
    for pointer in ["/givn", "/given/preferences/mode", "/given/mutes/0/facet", "/given/follows", "/given/dislikes/0/weight"] {
        assert!(pointers.contains(&pointer), "{pointer}: {pointers:?}");
    }
    assert_eq!(elsewhere.get("/v1/users/ana/export").await.ok().body["given"], export.body["given"], "nothing changed");
}
