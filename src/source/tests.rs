//! What the sources bring into the pool, and what they leave out.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use super::*;
use crate::{
    domain::{
        Embedding, Facet, Item, ItemId, Policy, Span,
        policy::TopicPrior,
        profile::{Dislike, Interest},
    },
    rank::SourceKind,
};

const NOW: Time = Time(1_700_000_000_000);
const DIMENSION: usize = 64;

/// Topics `t0` to `t19`, thirty items each, with embeddings that tell the topics apart.
fn snapshot() -> Arc<Snapshot> {
    let item = |n: usize| Item {
        id: ItemId::new(format!("item-{n:04}")).expect("valid"),
        title: format!("t{}", n % 20),
        description: None,
        url: None,
        image: None,
        creator: None,
        topics: vec![(format!("t{}", n % 20).into(), 1.0)],
        source: None,
        viewpoint: None,
        language: None,
        format: None,
        published_at: Some(NOW.minus(Span::minutes(n as i64 + 1))),
        expires_at: None,
        embedding: Some(embedding(n % 20)),
        attributes: None,
        sponsored: None,
    };
    Arc::new(Snapshot::of_items((0..600).map(item), DIMENSION, Span::hours(24)))
}

fn embedding(topic: usize) -> Embedding {
    Embedding::of_text(&format!("subject{topic} matter{topic} field{topic}"), DIMENSION)
}

fn pool(profile: Option<Profile>, policy: Policy, seed: u64) -> Vec<(String, Sources)> {
    let snapshot = snapshot();
    let policy = Arc::new(ActivePolicy::new(policy));
    let query = Arc::new(Query::new(Arc::clone(&snapshot), profile.map(Arc::new), policy, NOW, seed, Vec::new()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let gathered = runtime.block_on(async { gather(&in_process(), &query, Instant::now() + Duration::from_secs(60)).await });
    assert!(gathered.missing.is_empty());
    let topic = |row| snapshot.entry(row).map(|entry| entry.item.topics[0].0.to_string()).expect("an item");
    gathered.candidates.into_iter().map(|candidate| (topic(candidate.row), candidate.sources)).collect()
}

fn small() -> Policy {
    let mut policy = Policy::default();
    policy.retrieve.candidates = 100;
    policy
}

fn topics_from(pool: &[(String, Sources)], kind: SourceKind) -> BTreeSet<&str> {
    pool.iter().filter(|(_, sources)| sources.has(kind)).map(|(topic, _)| topic.as_str()).collect()
}

#[test]
fn each_of_eight_interests_gets_candidates_in_its_turn() {
    let interest = |topic: usize| Interest {
        vector: embedding(topic).values.to_vec(),
        space: embedding(topic).space,
        weight: [20.0, 10.0, 8.0, 1.0, 0.9, 0.8, 0.7, 0.6][topic],
        exemplar: ItemId::new(format!("item-{topic:04}")).expect("valid"),
    };
    let profile = Profile { interests: (0..8).map(interest).collect(), ..Profile::default() };
    let found = |seed| pool(Some(profile.clone()), small(), seed);
    let mut ever = BTreeSet::new();
    for seed in 0..5 {
        let pool = found(seed);
        let topics = topics_from(&pool, SourceKind::Interest);
        assert!(["t0", "t1", "t2"].iter().all(|strong| topics.contains(strong)), "{seed}: {topics:?}");
        ever.extend(topics.into_iter().map(str::to_owned));
    }
    assert!((0..8).all(|topic| ever.contains(&format!("t{topic}"))), "{ever:?}");
}

#[test]
fn chance_draws_from_nothing_that_was_asked_less_of() {
    let dislike = |topic: usize| Dislike { facet: Facet::Topic, value: format!("t{topic}").into(), weight: 2.0, at: NOW };
    let mut profile = Profile { dislikes: (0..10).map(dislike).collect(), ..Profile::default() };
    profile.preferences.topics.insert("t10".into(), -0.6);
    for seed in 0..20 {
        let pool = pool(Some(profile.clone()), small(), seed);
        let topics = topics_from(&pool, SourceKind::Outside);
        assert!(!topics.is_empty() && (0..=10).all(|topic| !topics.contains(format!("t{topic}").as_str())), "{seed}: {topics:?}");
    }
}

#[test]
fn a_surface_s_topics_bring_candidates_to_readers_nothing_is_known_of() {
    let mut policy = small();
    policy.score.prior = vec![TopicPrior { topic: "t7".into(), weight: 0.9 }, TopicPrior { topic: "t8".into(), weight: 0.3 }];
    let count = |pool: &[(String, Sources)], topic| pool.iter().filter(|(t, s)| t == topic && s.has(SourceKind::Interest)).count();
    for profile in [None, Some(Profile::default())] {
        let pool = pool(profile, policy.clone(), 1);
        assert!(count(&pool, "t7") > count(&pool, "t8") && count(&pool, "t8") > 0, "{pool:?}");
    }
    let mut declined = Profile::default();
    declined.preferences.topics.insert("t7".into(), -0.3);
    let pool = pool(Some(declined), policy, 1);
    assert_eq!(count(&pool, "t7"), 0);
}
