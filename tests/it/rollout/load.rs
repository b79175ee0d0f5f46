//! Under load: a bad canary rolls itself back, and a hundred swaps mix no two policies.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use polyphony::{
    domain::{
        Policy, UserId,
        feed::Owner,
        policy::{ActivePolicy, Surfaces},
    },
    feed::{FeedRequest, FeedService, Served, cursor::Signer},
    journal::Journal,
    policy::{Library, Text, load},
    rollout::{By, Done, Order, Stage, chain, entry::Cause},
};
use reqwest::Method;
use serde_json::{Value, json};

use super::{bad_file, file};
use crate::support::world::{Answer, StoreKind, World, event, eventually, on_both_stores, send};

/// Requests in flight.
const CLIENTS: usize = 6;
const PEOPLE: u64 = 3_000;
const SWAPS: u32 = 100;

on_both_stores! {
    a_bad_canary_rolls_itself_back_and_no_request_fails
    a_hundred_swaps_mix_no_two_policies
}

/// Asks for first pages of all people in turn until told to stop; every answer, with who asked.
async fn readers(world: &World, stop: &AtomicBool) -> Vec<(String, Answer)> {
    let next = AtomicU64::new(0);
    let reader = async || {
        let mut answers = Vec::new();
        while !stop.load(Ordering::SeqCst) {
            let person = format!("user-{}", next.fetch_add(1, Ordering::SeqCst) % PEOPLE);
            let path = format!("/v1/feed?user={person}&limit=10&hydrate=none&explain=none");
            answers.push((person, send(world.request(Method::GET, &path)).await));
        }
        answers
    };
    let all = futures_util::future::join_all((0..CLIENTS).map(|_| reader())).await;
    all.into_iter().flatten().collect()
}

async fn a_bad_canary_rolls_itself_back_and_no_request_fails(kind: StoreKind) {
    let world = World::start(kind).await;
    world.demo().await;
    let stop = AtomicBool::new(false);
    let story = async {
        let begun = world.activate(&bad_file(2), json!({ "share": 0.3, "skip": ["preview"], "reason": "all the variety there is" })).await;
        assert_eq!(begun.status, 201, "{}", begun.text);
        eventually("it is rolled back", async || world.rollout().await.get("canary").is_none()).await;
        stop.store(true, Ordering::SeqCst);
    };
    let (answers, ()) = tokio::join!(readers(&world, &stop), story);
    let answers: Vec<Answer> = answers.into_iter().map(|(_, answer)| answer).collect();
    let bad: Vec<&Answer> = answers.iter().filter(|answer| answer.status != 200 || answer.body.get("degraded").is_some()).collect();
    assert!(bad.is_empty(), "{} of {}: {}", bad.len(), answers.len(), bad[0].text);
    let versions = |version: u64| answers.iter().filter(|answer| answer.body["policy"]["version"] == version).count();
    assert!(versions(2) > 20 && versions(1) > versions(2), "{} and {}", versions(1), versions(2));

    let rollout = world.rollout().await;
    let entry = &rollout["entries"][0];
    assert_eq!((&entry["action"], &entry["cause"], &entry["actor"]), (&"rollback".into(), &"guardrail".into(), &"guardrails".into()));
    assert_eq!((&entry["from"]["version"], &entry["to"]["version"], &rollout["active"]["version"]), (&2.into(), &1.into(), &1.into()));
    let reason = entry["reason"].as_str().unwrap();
    assert!(reason.contains("relevance_kept on home is at most 0.") && reason.contains("guardrail 0.9"), "{reason}");
    let evidence = entry["evidence"].as_array().unwrap();
    let kept = evidence.iter().find(|e| e["measure"] == "relevance_kept" && e["surface"] == "home").unwrap();
    let number = |path: &str| kept.pointer(path).and_then(Value::as_f64).unwrap();
    assert!(kept["violated"] == true && number("/canary/upper") < 0.9 && number("/control/mean") > number("/canary/mean"), "{kept}");
    assert!(number("/canary/people") > 10.0 && number("/confidence") > 0.99, "{kept}");
    let lines = world.log_lines().await;
    assert!(lines.len() == 2 && chain::verify(lines.iter().map(String::as_str)).is_ok());
    let metrics = world.get("/metrics").await.text;
    assert!(metrics.contains("feed_policy_rollbacks_total{cause=\"guardrail\"} 1"), "{metrics}");
}

/// The same page again, from nothing but the policy of that digest, the seed, the person and the catalogue.
async fn replayed(world: &World, policy: Policy, user: &str, seed: u64) -> Served {
    let surfaces = Surfaces(BTreeMap::from([("home".to_owned(), Arc::new(ActivePolicy::new(policy)))]));
    let app = &world.app;
    let (store, catalogue, clock) = (Arc::clone(&app.store), Arc::clone(&app.feed.catalogue), Arc::clone(&app.clock));
    let feeds = FeedService::new(store, catalogue, clock, Arc::new(Journal::off()), Arc::new(Signer::new([0; 32])), surfaces);
    let request = FeedRequest {
        request_id: "rq_replay".into(),
        surface: "home".into(),
        user: Some(UserId::new(user).unwrap()),
        limit: Some(10),
        seed: Some(seed),
        ..FeedRequest::default()
    };
    feeds.serve(&request).await.unwrap()
}

async fn a_hundred_swaps_mix_no_two_policies(kind: StoreKind) {
    let world = World::with(kind, |settings| settings.privacy.sensitive.health.clear()).await;
    let items = world.demo().await;
    let mut opened: Vec<&str> = Vec::new();
    for person in 0..40 {
        let ids: Vec<&str> = (0..4).map(|n| items[(person * 31 + n * 7) % items.len()].id.as_str()).collect();
        world.events(&format!("user-{person}"), ids.iter().map(|id| event("open", id))).await;
        opened.extend(ids);
    }
    world.popularity_of(&opened).await;
    let stop = AtomicBool::new(false);
    let swaps = async {
        let mut digests = Vec::new();
        for swap in 0..SWAPS {
            let knobs = format!(
                "[diversify]\ndiversity = {}\n[explore]\nshare = {}\n",
                f64::from(swap) / f64::from(SWAPS),
                0.1 + 0.1 * f64::from(swap % 2)
            );
            let set = Arc::new(load(&Text::new("swap", file(2 + swap, &knobs)), &Library::presets()).unwrap());
            digests.push(set.surface("home").unwrap().digest.clone());
            let by = By { actor: "test".into(), reason: format!("swap {swap}"), cause: Cause::File, expected: None };
            let order = Order { set, stage: Stage::All, by, preview: vec![], skip: vec![] };
            assert!(matches!(world.app.rollout.activate(&order).await.unwrap(), Done::Written(_)));
            tokio::time::sleep(std::time::Duration::from_millis(15)).await;
        }
        stop.store(true, Ordering::SeqCst);
        digests
    };
    let before = world.app.feed.serving.load().set.surface("home").unwrap().digest.clone();
    let (answers, digests) = tokio::join!(readers(&world, &stop), swaps);
    assert!(answers.len() > 200, "{}", answers.len());

    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for (number, (person, answer)) in answers.iter().enumerate() {
        assert_eq!(answer.status, 200, "{}", answer.text);
        let digest = answer.body["policy"]["digest"].as_str().unwrap().to_owned();
        assert!(digests.contains(&digest) || digest == before, "{digest} was never activated");
        *seen.entry(digest.clone()).or_default() += 1;
        let owner = Owner::User(UserId::new(person).unwrap());
        let id = polyphony::domain::FeedId::new(answer.feed_id()).unwrap();
        let record = world.app.store.feed(&owner, &id).await.unwrap().unwrap();
        assert_eq!(record.feed.policy_digest, digest, "answer {number}");
        let json = world.app.store.policy(&digest).await.unwrap().unwrap();
        let policy: Policy = serde_json::from_str(&json).unwrap();
        assert_eq!(policy.digest(), digest);
        assert_eq!(record.feed.diversity, policy.diversify.diversity, "answer {number}");
        let again = replayed(&world, policy, person, record.feed.seed).await;
        assert_eq!(again.feed.pool, record.feed.pool, "answer {number}");
        assert_eq!(again.page.placed, record.pages[0].placed, "answer {number}");
        let ids: Vec<String> = polyphony::feed::preview::items(&again).map(ToString::to_string).collect();
        assert_eq!(ids, answer.ids(), "answer {number}");
    }
    assert!(seen.len() > SWAPS as usize / 2, "{} policies were seen", seen.len());
    assert_eq!(world.log_lines().await.len(), SWAPS as usize);
}
