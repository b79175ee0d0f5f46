//! One server: every step, every refusal, the log.

use polyphony::{
    policy::Bundle,
    rollout::chain::{self, Changed},
    settings::Secret,
};
use reqwest::Method;
use serde_json::{Value, json};

use super::{ACTIVATIONS, bad_file, file, order};
use crate::support::world::{Answer, StoreKind, World, eventually, on_both_stores, send};

on_both_stores! {
    a_policy_goes_from_a_few_to_all_and_back
    of_two_operators_at_once_one_is_told
    wrong_steps_are_refused
    a_flipped_byte_is_located_and_the_policy_stays
}

async fn world(kind: StoreKind) -> World {
    let world = World::start(kind).await;
    world.demo().await;
    world
}

async fn versions(world: &World) -> Vec<u64> {
    let mut versions = Vec::new();
    for person in 0..60 {
        versions.push(world.version_for(&format!("user-{person}")).await);
    }
    versions
}

fn detail(answer: &Answer) -> &str {
    answer.body["detail"].as_str().unwrap_or_default()
}

async fn a_policy_goes_from_a_few_to_all_and_back(kind: StoreKind) {
    let world = world(kind).await;
    let few = a_few_get_it(&world).await;
    more_get_it(&world, &few).await;
    all_get_it_and_none(&world).await;
    the_log_tells(&world).await;
}

/// The version that each person gets.
async fn a_few_get_it(world: &World) -> Vec<u64> {
    assert_eq!(world.rollout().await["activated"], false);
    let begun = world.activate(&file(2, ""), json!({ "share": 0.3, "actor": "team-feed" })).await;
    assert_eq!(begun.status, 201, "{}", begun.text);
    let entry = &begun.body["entry"];
    assert_eq!((&entry["action"], &entry["actor"], &entry["share"]), (&"canary".into(), &"team-feed (no key)".into(), &0.3.into()));
    assert_eq!((&entry["from"]["id"], &entry["to"]["version"]), (&"balanced".into(), &2.into()));
    let diff = entry["diff"].as_array().unwrap();
    assert!(diff.iter().any(|line| line.as_str().unwrap().starts_with("constraint: ")), "{diff:?}");
    assert!(
        entry["preview"].as_array().unwrap().iter().any(|tried| tried["surface"] == "home" && tried["after"]["ild"].as_f64() > Some(0.4))
    );

    let again = world.activate(&file(2, ""), json!({ "share": 0.3 })).await;
    assert_eq!((again.status.as_u16(), &again.body), (200, &json!({ "changed": false })));
    let few = versions(world).await;
    let with_canary = few.iter().filter(|version| **version == 2).count();
    assert!((8..=30).contains(&with_canary), "{with_canary} of 60");
    assert_eq!(few, versions(world).await, "the same people every time");
    assert_eq!(world.version_for("").await, 1, "who is nobody is in no canary");
    few
}

async fn more_get_it(world: &World, few: &[u64]) {
    let more = world.activate(&file(2, ""), json!({ "share": 0.6 })).await;
    assert_eq!(more.status, 201);
    assert!(more.body["entry"].get("preview").is_none(), "it was tried already");
    let many = versions(world).await;
    assert!(few.iter().zip(&many).all(|(before, after)| before <= after), "who had it keeps it");
    let state = world.rollout().await;
    assert_eq!((&state["canary"]["share"], &state["canary"]["since"], &state["active"]["version"]), (&0.6.into(), &1.into(), &1.into()));
    assert!(
        state["canary"]["evidence"].as_array().unwrap().iter().any(|e| e["measure"] == "ild" && e["canary"]["people"].as_u64() > Some(5))
    );
}

async fn all_get_it_and_none(world: &World) {
    let all = world.activate(&file(2, ""), json!({ "stage": "all" })).await;
    assert_eq!((all.status.as_u16(), &all.body["entry"]["action"]), (201, &"activate".into()));
    assert!(versions(world).await.iter().all(|version| *version == 2));
    assert_eq!(world.version_for("").await, 2);
    let back = world.roll_back(json!({ "reason": "complaints" })).await;
    assert_eq!((back.status.as_u16(), &back.body["entry"]["to"]["id"]), (201, &"balanced".into()));
    assert!(versions(world).await.iter().all(|version| *version == 1));
}

async fn the_log_tells(world: &World) {
    let lines = world.log_lines().await;
    assert_eq!(chain::verify(lines.iter().map(String::as_str)).unwrap().to_string(), world.rollout().await["log_hash"]);
    let told: Vec<(Value, Value)> =
        world.rollout().await["entries"].as_array().unwrap().iter().map(|e| (e["seq"].clone(), e["action"].clone())).collect();
    assert_eq!(json!(told), json!([[4, "rollback"], [3, "activate"], [2, "canary"], [1, "canary"]]));
    let metrics = world.get("/metrics").await.text;
    for line in ["feed_activation_log_entries 4", "feed_canary_share_ratio 0.0", "feed_policy_reloads_total{result=\"applied\"} 4"] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
}

async fn of_two_operators_at_once_one_is_told(kind: StoreKind) {
    let world = world(kind).await;
    let activate = async |version: u32| world.activate(&file(version, ""), json!({ "skip": ["preview"] })).await;
    let (a, b, c, d) = tokio::join!(activate(2), activate(3), activate(4), activate(5));
    let mut statuses = [&a, &b, &c, &d].map(|answer| answer.status.as_u16());
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409, 409, 409]);
    assert!([&a, &b, &c, &d].iter().all(|answer| answer.status == 201 || answer.problem().1 == "conflict"));
    assert_eq!(world.log_lines().await.len(), 1);

    // A decision on an old view is refused; the same one sent again is not done twice.
    let stale = world.roll_back(json!({ "expected": 0 })).await;
    assert_eq!(stale.problem(), (409, "conflict"));
    assert!(detail(&stale).contains("has 1 entries, not 0"), "{}", stale.text);
    assert_eq!(world.roll_back(json!({ "expected": 1 })).await.status, 201);
    let again = world.roll_back(json!({ "expected": 1 })).await;
    assert_eq!((again.status.as_u16(), &again.body), (200, &json!({ "changed": false })));
    assert_eq!(world.log_lines().await.len(), 2);
}

async fn wrong_steps_are_refused(kind: StoreKind) {
    let world = world(kind).await;
    let conflict = async |answer: Answer, told: &str| {
        assert_eq!(answer.problem(), (409, "conflict"), "{}", answer.text);
        assert!(answer.headers["content-type"].to_str().unwrap().starts_with("application/problem+json"));
        assert!(detail(&answer).contains(told), "{}", answer.text);
    };
    conflict(world.roll_back(json!({})).await, "nothing to roll back to").await;
    conflict(world.activate(&file(2, ""), json!({ "stage": "all" })).await, "was not given to a share of people first").await;
    conflict(world.post("/v1/admin/policies/reload", &json!({})).await, "name no policy file").await;
    let bad = world.activate(&bad_file(2), json!({})).await;
    assert_eq!(bad.problem(), (422, "policy-invalid"), "{}", bad.text);
    assert!(detail(&bad).contains("P0502") && detail(&bad).contains("relevance_kept_min"), "{}", bad.text);
    assert_eq!(world.activate(&file(2, ""), json!({})).await.status, 201);
    conflict(world.activate(&file(3, ""), json!({})).await, "promote it or roll it back").await;
    let unknown = world.post(ACTIVATIONS, &json!({ "digest": "b3:none", "reason": "r" })).await;
    assert_eq!(unknown.problem(), (404, "not-found"));
    let skipped = async {
        world.roll_back(json!({})).await;
        world.activate(&bad_file(4), json!({ "stage": "all", "skip": ["canary", "preview"] })).await
    };
    let skipped = skipped.await;
    assert_eq!((skipped.status.as_u16(), &skipped.body["entry"]["skipped"]), (201, &json!(["canary", "preview"])));
    // By the digest of the log, without its text.
    let digest = world.rollout().await["entries"][2]["to"]["digest"].clone();
    let by_digest = world.post(ACTIVATIONS, &json!({ "digest": digest, "reason": "r", "skip": ["preview"] })).await;
    assert_eq!((by_digest.status.as_u16(), &by_digest.body["entry"]["to"]["version"]), (201, &2.into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_bodies_are_told_whole() {
    let world = World::start(StoreKind::Embedded).await;
    let wrong = json!({ "polcy": {}, "reason": " ", "stage": "some", "share": 7, "skip": ["check", 1], "expected": -1, "actor": "a\nb" });
    let answer = world.post(ACTIVATIONS, &wrong).await;
    assert_eq!(answer.problem(), (400, "invalid-body"));
    let mut pointers: Vec<&str> = answer.body["errors"].as_array().unwrap().iter().map(|e| e["pointer"].as_str().unwrap()).collect();
    pointers.sort_unstable();
    assert_eq!(pointers, ["/actor", "/expected", "/polcy", "/policy", "/reason", "/share", "/skip/0", "/skip/1", "/stage"]);
    let findings = world.activate("schema = 1\nid = \"x\"\ndiversty = 1\n", json!({})).await;
    assert_eq!(findings.problem(), (422, "policy-invalid"));
    assert_eq!(findings.body["errors"].as_array().unwrap().len(), 2, "{}", findings.text);
    let empty = world.activate(&file(2, ""), json!({})).await;
    assert!(empty.status == 409 && detail(&empty).contains("no items to preview"), "{}", empty.text);
    let both = world.post(ACTIVATIONS, &json!({ "digest": "d", "policy": { "toml": "x" }, "reason": "r" })).await;
    assert_eq!(both.body["errors"][0]["pointer"], "/digest");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_operators_may_and_the_log_says_which() {
    const ADMIN: &str = "admin-key-of-twenty-bytes";
    let world = World::with(StoreKind::Embedded, |settings| {
        settings.auth.server_keys = vec![Secret::new("server-key-of-twenty-bytes")];
        settings.auth.admin_keys = vec![Secret::new(ADMIN)];
    })
    .await;
    let by = |method: Method, path: &str, key: &str| world.request(method, path).bearer_auth(key.to_owned());
    for path in [ACTIVATIONS, "/v1/admin/policies/activations/log", "/v1/admin/experiments/e"] {
        assert_eq!(send(world.request(Method::GET, path)).await.status, 401, "{path}");
        assert_eq!(send(by(Method::GET, path, "server-key-of-twenty-bytes")).await.status, 403, "{path}");
    }
    for path in [ACTIVATIONS, "/v1/admin/policies/rollback", "/v1/admin/policies/reload"] {
        assert_eq!(send(by(Method::POST, path, "server-key-of-twenty-bytes").json(&json!({}))).await.status, 403, "{path}");
    }
    let body = order(&file(2, ""), &json!({ "skip": ["preview"] }));
    let done = send(by(Method::POST, ACTIVATIONS, ADMIN).json(&body)).await;
    let actor = done.body["entry"]["actor"].as_str().unwrap().to_owned();
    assert!(actor.starts_with("key ") && actor.len() == 12 && !done.text.contains(ADMIN), "{actor}");
}

async fn a_flipped_byte_is_located_and_the_policy_stays(kind: StoreKind) {
    let world = world(kind).await;
    for version in 2..5 {
        world.activate(&file(version, ""), json!({ "stage": "all", "skip": ["preview", "canary"] })).await;
    }
    let lines = world.log_lines().await;
    let mut flipped = lines.clone();
    flipped[1] = flipped[1].replace("\"because\"", "\"becausf\"");
    let broken = chain::verify(flipped.iter().map(String::as_str)).unwrap_err();
    assert_eq!((broken.line, broken.what), (2, Changed::Text));

    // Behind the server's back: the last line is another one.
    let Some(redis) = &world.redis else { return };
    let damaged = lines[2].replace("\"because\"", "\"becausf\"");
    let _: () = ::redis::cmd("LSET").arg("pf:activations").arg(2).arg(&damaged).query(&mut redis.connection()).unwrap();
    let is_told = async |status: &str| world.get("/readyz?verbose").await.body["status"] == status;
    eventually("a changed line is noticed", async || is_told("degraded").await).await;
    let _: () = ::redis::cmd("LSET").arg("pf:activations").arg(2).arg(&lines[2]).query(&mut redis.connection()).unwrap();
    eventually("it heals", async || is_told("ready").await).await;
    let _: () = ::redis::cmd("RPUSH").arg("pf:activations").arg("nonsense").query(&mut redis.connection()).unwrap();
    eventually("a line that is none is noticed", async || is_told("degraded").await).await;
    assert_eq!(world.version_for("ann").await, 4);
    let refused = world.roll_back(json!({})).await;
    assert!(refused.status == 409 && detail(&refused).contains("breaks at entry 4"), "{}", refused.text);
    let _: () = ::redis::cmd("RPOP").arg("pf:activations").query(&mut redis.connection()).unwrap();
    eventually("it heals", async || is_told("ready").await).await;
    assert_eq!(world.roll_back(json!({})).await.status, 201);
}

/// What is kept of a set is enough to serve it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_kept_can_be_opened_again() {
    let world = world(StoreKind::Embedded).await;
    let arms = "[[experiment]]\nid = \"e\"\narms = [{ policy = \"mine\", weight = 1 }, { policy = \"discovery\", weight = 1 }]\n";
    let done = world.activate(&file(2, arms), json!({ "skip": ["preview"] })).await;
    let digest = done.body["entry"]["to"]["digest"].as_str().unwrap();
    let kept = world.app.store.policy(&format!("set/{digest}")).await.unwrap().unwrap();
    let bundle: Bundle = serde_json::from_str(&kept).unwrap();
    assert_eq!(bundle.files.keys().collect::<Vec<_>>(), ["discovery"]);
    assert_eq!(bundle.open("kept").unwrap().digest, digest);
}
