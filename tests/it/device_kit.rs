//! What `clients/typescript` computes on a device is what the server computes: vectors made here, held there.

use std::path::Path;

use polyphony::{
    catalogue::{Row, Snapshot},
    domain::{
        Creator, Facet, Item, ItemId, Policy, Profile, Span, Time,
        policy::{Aggregate, Method, Normalize, SimilarityWeights},
        profile::Affinity,
    },
    http::local_rank::RankingBody,
    rank::{
        Candidate, Context, Feature, Scored, SourceKind, Sources, View,
        diversify::{self, Evaluation, Problem},
        relevance,
    },
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

/// Set it to write the vectors anew.
const UPDATE_VARIABLE: &str = "UPDATE_VECTORS";
const FILE: &str = "clients/typescript/test/vectors.json";
const NOW: Time = Time(1_791_533_700_000);
const CASES: u64 = 12;
const ITEMS: usize = 30;

/// Few distinct values, so that ties and missing values are common.
fn item(n: usize, draw: &mut ChaCha8Rng) -> Item {
    let some =
        |draw: &mut ChaCha8Rng, name: &str, of: u8| (draw.random::<f32>() < 0.8).then(|| format!("{name}{}", draw.random_range(0..of)));
    let mut topics: Vec<(String, f32)> = Vec::new();
    for _ in 0..draw.random_range(0..4) {
        let topic = format!("t{}", draw.random_range(0..7));
        if topics.iter().all(|(known, _)| *known != topic) {
            topics.push((topic, [1.0, 0.6, 0.3][draw.random_range(0..3)]));
        }
    }
    topics.sort_by(|a, b| a.0.cmp(&b.0));
    Item {
        // Not in the order of their numbers, and beyond what two UTF-16 units order as UTF-8 does.
        id: ItemId::new(format!("{}{n:02}", ["b", "a", "\u{ff5e}", "\u{1f980}"][n % 4])).unwrap(),
        title: "t".into(),
        description: None,
        url: None,
        image: None,
        creator: some(draw, "c", 6).map(|id| Creator { id: id.as_str().into(), name: None }),
        topics: topics.iter().map(|(topic, weight)| (topic.as_str().into(), *weight)).collect(),
        source: some(draw, "s", 3).map(|s| s.as_str().into()),
        viewpoint: some(draw, "v", 3).map(|s| s.as_str().into()),
        language: some(draw, "l", 2).map(|s| s.as_str().into()),
        format: None,
        published_at: (draw.random::<f32>() < 0.9).then(|| NOW.minus(Span::hours(draw.random_range(0..20) * 6))),
        expires_at: None,
        // Embeddings stay on the server; an item without one is compared on the other axes.
        embedding: None,
        attributes: None,
        sponsored: None,
    }
}

fn policy(case: u64) -> Policy {
    let mut policy = Policy::default();
    policy.score.normalize = [Normalize::Percentile, Normalize::Minmax, Normalize::None][case as usize % 3];
    policy.score.weights.interest = [1.0, 0.0][case as usize % 2];
    policy.diversify.method = if case == 11 { Method::None } else { Method::Mmr };
    policy.diversify.aggregate = [Aggregate::Mean, Aggregate::Max][case as usize / 2 % 2];
    policy.diversify.window = [0, 0, 3][case as usize % 3];
    policy.diversify.pool = 20;
    if case % 4 == 3 {
        policy.diversify.similarity =
            SimilarityWeights { topic: 0.3, creator: 0.2, source: 0.2, viewpoint: 0.2, language: 0.1, embedding: 0.0 };
    }
    policy.constraint.clear();
    policy
}

fn profile(draw: &mut ChaCha8Rng) -> Profile {
    let mut profile = Profile { as_of: NOW, events: 40, ..Profile::default() };
    for (facet, name, of) in [(Facet::Topic, "t", 7), (Facet::Creator, "c", 6)] {
        for n in (0..of).filter(|n| n % 2 == 0) {
            profile.affinities.push(Affinity {
                facet,
                value: format!("{name}{n}").as_str().into(),
                liking: draw.random_range(1..9) as f32 / 2.0,
                shown: 0.0,
            });
        }
    }
    profile.affinities.sort_by(|a, b| (a.facet, &a.value).cmp(&(b.facet, &b.value)));
    profile.follows.push("c1".into());
    profile.preferences.topics.insert("t1".into(), 0.7);
    profile.preferences.topics.insert("t3".into(), -0.6);
    profile
}

/// What the device knows, in its own words.
fn taste(profile: &Profile) -> Value {
    let scaled = |facet: Facet| -> Vec<(String, f32)> {
        let largest = profile.inferred(facet).map(Affinity::net_liking).fold(0.0, f32::max);
        profile.inferred(facet).map(|a| (a.value.to_string(), a.net_liking() / largest)).collect()
    };
    let mut topics = scaled(Facet::Topic);
    topics.extend(profile.preferences.topics.iter().map(|(topic, level)| (topic.to_string(), level.max(0.0))));
    let dislikes: Vec<(String, f32)> = profile
        .preferences
        .topics
        .iter()
        .filter(|(_, level)| **level < 0.0)
        .map(|(topic, level)| (format!("topic:{topic}"), -level))
        .collect();
    let follows: Vec<String> = profile.follows.iter().map(ToString::to_string).collect();
    json!({"topics": topics, "creators": scaled(Facet::Creator), "follows": follows, "dislikes": dislikes})
}

fn candidate(item: &Item, scored: &Scored, shares: &[f32]) -> Value {
    let name = |value: &Option<polyphony::domain::FacetValue>| value.as_ref().map(ToString::to_string);
    let topics: Vec<Value> = item.topics.iter().map(|(topic, weight)| json!({"topic": topic.to_string(), "weight": weight})).collect();
    let signals: serde_json::Map<String, Value> = [Feature::Recency, Feature::Popularity]
        .into_iter()
        .filter(|feature| scored.contributions[*feature as usize] != 0.0)
        .map(|feature| (feature.name().to_owned(), json!(scored.contributions[feature as usize] / shares[feature as usize])))
        .collect();
    let mut json = json!({"id": item.id.to_string(), "topics": topics, "signals": signals});
    let creator = item.creator.as_ref().map(|creator| creator.id.to_string());
    for (key, value) in
        [("creator", creator), ("source", name(&item.source)), ("viewpoint", name(&item.viewpoint)), ("language", name(&item.language))]
    {
        if let Some(value) = value {
            json[key] = json!(value);
        }
    }
    json
}

fn case(number: u64) -> Value {
    let draw = &mut ChaCha8Rng::seed_from_u64(number);
    let items: Vec<Item> = (0..ITEMS).map(|n| item(n, draw)).collect();
    let (policy, profile) = (policy(number), profile(draw));
    let snapshot = Snapshot::of_items(items.iter().cloned(), 8, Span::hours(24));
    let context = Context { snapshot: &snapshot, profile: Some(&profile), policy: &policy, now: NOW };
    let rows = items.iter().map(|item| snapshot.find(&item.id).unwrap());
    let kept: Vec<Candidate> = rows.map(|row| Candidate { row, sources: Sources::of(SourceKind::Fresh), relevance: 0.0 }).collect();
    let scored = relevance::score(&kept, &context);
    let diversity = [0.35, 0.6, 0.9, 0.2][number as usize % 4];
    let ranking = RankingBody::new(&policy, diversity);
    let w = &policy.score.weights;
    let sum = w.recency + w.popularity + (w.interest + w.creator + w.follow) + w.topic;
    let mut shares = [0.0; 12];
    shares[Feature::Recency as usize] = w.recency / sum;
    shares[Feature::Popularity as usize] = w.popularity / sum;
    let item_of = |row: Row| Item::clone(&snapshot.entry(row).unwrap().item);
    let candidates: Vec<Value> = scored.iter().map(|s| candidate(&item_of(s.row), s, &shares)).collect();
    let relevance: Vec<f32> = scored.iter().map(|s| s.relevance).collect();
    // As on the server: past the pool the rest follows by relevance.
    let pool = (policy.diversify.pool as usize).min(scored.len());
    let view = View::new(scored[..pool].iter().map(|s| Some(s.row)), &snapshot, &policy.diversify.similarity);
    let problem = Problem { view: &view, diversify: &policy.diversify, diversity, slate: 20, slots: pool, evaluation: Evaluation::Lazy };
    let slate = diversify::select(&problem, &relevance[..pool], None, pool);
    let id = |at: usize| item_of(scored[at].row).id.to_string();
    let mut expected: Vec<(String, f32)> = slate.iter().map(|(at, objective)| (id(*at), *objective)).collect();
    expected.extend((pool..scored.len()).map(|at| (id(at), relevance[at])));
    let raw: Vec<f32> = scored.iter().map(|s| s.contributions.iter().sum()).collect();
    json!({
        "weights": w, "ranking": ranking, "taste": taste(&profile), "candidates": candidates,
        "raw": raw, "relevance": relevance, "slate": expected,
    })
}

#[test]
fn the_devices_vectors_are_the_servers() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
    let cases: Vec<String> = (0..CASES).map(|n| format!("  {}", case(n))).collect();
    let current = format!("[\n{}\n]\n", cases.join(",\n"));
    if std::env::var_os(UPDATE_VARIABLE).is_some() {
        std::fs::write(&path, &current).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == current, "{FILE} is out of date: run this test with {UPDATE_VARIABLE}=1, and then the kit's own tests");
}
