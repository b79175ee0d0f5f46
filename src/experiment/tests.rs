//! Results from journals made by hand.

use std::sync::Arc;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::{
    domain::Span,
    journal::{EventRecord, ExposureRecord, MetricsRecord, ServedItem, ServedRecord},
    policy::{Library, Serving, Text, load, serving::Who},
};

const START: i64 = 1_000_000;
const HOUR: i64 = 3_600_000;

fn set(more: &str) -> PolicySet {
    let arms = "arms = [{ policy = \"mine\", weight = 50 }, { policy = \"discovery\", weight = 50 }]";
    let text = format!(
        "schema = 1\nid = \"mine\"\nversion = 3\n[[layer]]\nid = \"l\"\nholdout = 0.1\n\
         [[experiment]]\nid = \"e\"\nlayer = \"l\"\nsurfaces = [\"home\"]\n{arms}\n{more}\n"
    );
    load(&Text::new("mine", text), &Library::presets()).unwrap()
}

fn page(at: i64, user: &str, feed: &str, items: &[&str], experiment: Option<ExposureRecord>, ild: f32) -> JournalRecord {
    let item = |(position, id): (usize, &&str)| ServedItem {
        id: (*id).to_owned(),
        position: position as u32,
        slot: "ranked".into(),
        propensity: 1.0,
        relevance: 0.5,
        rank_before: position as u32,
        draw: None,
    };
    JournalRecord::Served(ServedRecord {
        at,
        request_id: "rq".into(),
        feed_id: feed.into(),
        surface: "home".into(),
        user: Some(user.into()),
        policy: "mine".into(),
        policy_version: 3,
        policy_digest: "b3:0".into(),
        ranking_digest: String::new(),
        explore: None,
        diversity: 0.3,
        seed: 1,
        page: 0,
        pool_size: 9,
        pool_digest: String::new(),
        items: items.iter().enumerate().map(item).collect(),
        metrics: Some(MetricsRecord { ild, topics: 3, topic_entropy: 1.5, exploration_share: 0.1, relevance_kept: 0.9 }),
        experiment: experiment.map(Box::new),
        degraded: vec![],
    })
}

fn event(at: i64, user: &str, kind: &str, item: &str, feed: Option<&str>) -> JournalRecord {
    JournalRecord::Event(EventRecord {
        at,
        id: "ev".into(),
        user: user.into(),
        event_type: kind.into(),
        item: item.into(),
        feed_id: feed.map(str::to_owned),
        position: None,
        undo: false,
    })
}

fn exposed(set: &PolicySet, arm: &str) -> Option<ExposureRecord> {
    let allocation = set.experiments[0].allocation(set);
    Some(ExposureRecord { layer: "l".into(), id: Some("e".into()), arm: arm.into(), allocation, session: None })
}

fn of(set: &PolicySet, records: &[JournalRecord], now: i64) -> Results {
    results(&set.experiments[0], set, Time(now), || Ok(records.iter().cloned().map(Ok))).unwrap()
}

fn measure<'a>(results: &'a Results, arm: usize, name: &str) -> &'a Measured {
    results.arms[arm].measures.iter().find(|measured| measured.measure == name).unwrap()
}

#[test]
fn a_unit_counts_once_with_what_it_did_in_its_window() {
    let set = set("outcome_window = \"24h\"");
    let records = [
        // Read before the unit's first page: files of several servers.
        page(START + HOUR, "ann", "fd_2", &["c", "d"], exposed(&set, "discovery"), 0.8),
        event(START + 1, "ann", "open", "a", Some("fd_1")),
        event(START + 2, "ann", "open", "a", Some("fd_1")),
        event(START + 3, "ann", "like", "b", None),
        event(START + 4, "ann", "open", "x", None),
        event(START + 25 * HOUR, "ann", "open", "b", Some("fd_1")),
        event(START + 5, "ann", "dwell", "b", Some("fd_1")),
        page(START, "ann", "fd_1", &["a", "b"], exposed(&set, "discovery"), 0.6),
        page(START + 30 * HOUR, "ann", "fd_3", &["e"], exposed(&set, "discovery"), 0.0),
        page(START, "bob", "fd_4", &["a", "b"], exposed(&set, "mine"), 0.4),
        event(START + 5, "bob", "hide", "a", Some("fd_4")),
        page(START, "cat", "fd_5", &["a"], None, 0.4),
        event(START + 5, "cat", "open", "a", Some("fd_5")),
    ];
    let results = of(&set, &records, START + 24 * HOUR);
    assert_eq!(results.arms.iter().map(|arm| (arm.exposed_units, arm.complete_units)).collect::<Vec<_>>(), [(1, 1), (1, 1)]);
    let mean = |arm, name| measure(&results, arm, name).mean;
    assert_eq!((mean(1, "open_rate"), mean(1, "like_rate"), mean(1, "hide_rate")), (0.25, 0.25, 0.0));
    assert!((mean(1, "ild") - 0.7).abs() < 1e-6 && (mean(0, "ild") - 0.4).abs() < 1e-6);
    assert_eq!((mean(0, "open_rate"), mean(0, "hide_rate")), (0.0, 0.5));
    assert_eq!((results.arms[1].policy.as_deref(), results.arms[0].policy.as_deref()), (Some("discovery"), Some("mine")));
    let early = of(&set, &records, START + 24 * HOUR - 1);
    assert_eq!(early.arms.iter().map(|arm| (arm.exposed_units, arm.complete_units)).collect::<Vec<_>>(), [(1, 0), (1, 0)]);
    assert_eq!((early.mixed_units, early.holdout), (0, None));
}

#[test]
fn what_is_undone_was_not_done() {
    let set = set("");
    let undone = match event(START + 2, "ann", "like", "a", None) {
        JournalRecord::Event(event) => JournalRecord::Event(EventRecord { undo: true, ..event }),
        served => served,
    };
    let records = [page(START, "ann", "fd_1", &["a"], exposed(&set, "mine"), 0.6), event(START + 1, "ann", "like", "a", None), undone];
    assert_eq!(measure(&of(&set, &records, START + 48 * HOUR), 0, "like_rate").mean, 0.0);
}

#[test]
fn who_was_in_two_arms_or_another_allocation_does_not_count() {
    let set = set("");
    let other = ExposureRecord { allocation: "00000000".into(), ..exposed(&set, "mine").unwrap() };
    let records = [
        page(START, "ann", "fd_1", &["a"], exposed(&set, "mine"), 0.6),
        page(START + 1, "ann", "fd_2", &["a"], exposed(&set, "discovery"), 0.6),
        page(START + 5, "bob", "fd_3", &["a"], exposed(&set, "mine"), 0.6),
        page(START, "bob", "fd_4", &["a"], Some(other), 0.6),
        page(START, "cat", "fd_5", &["a"], exposed(&set, "gone"), 0.6),
        page(START, "dan", "fd_6", &["a"], exposed(&set, "mine"), 0.6),
    ];
    let results = of(&set, &records, START + 48 * HOUR);
    assert_eq!((results.mixed_units, results.arms[0].exposed_units, results.arms[1].exposed_units), (3, 1, 0));
}

/// A whole experiment: people are drawn by the server's own split, like the treatment better, and some of one arm get lost.
fn simulated(set: &Arc<PolicySet>, people: usize, lift: f64, lost: f64) -> Results {
    let serving = Serving::new(Arc::clone(set), None);
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let mut records = Vec::new();
    for person in 0..people {
        let user = format!("u{person}");
        let Some(exposure) = serving.choose("home", Who { user: Some(&user), session: None }).unwrap().exposure else { continue };
        let is_treated = &*exposure.arm == "discovery";
        if is_treated && random.random_bool(lost) {
            continue;
        }
        let record = ExposureRecord {
            layer: exposure.layer.to_string(),
            id: exposure.experiment.as_deref().map(str::to_owned),
            arm: exposure.arm.to_string(),
            allocation: exposure.allocation.to_string(),
            session: None,
        };
        let (at, feed) = (START + person as i64, format!("fd_{person}"));
        records.push(page(at, &user, &feed, &["a", "b"], Some(record), if is_treated { 0.7 } else { 0.5 }));
        for item in ["a", "b"] {
            if random.random_bool(if is_treated { 0.2 + lift } else { 0.2 }) {
                records.push(event(at + 1, &user, "open", item, Some(&feed)));
            }
        }
    }
    of(set, &records, START + 48 * HOUR)
}

#[test]
fn a_difference_is_found_and_none_is_made_up() {
    let set = Arc::new(set(""));
    let open = |lift| *measure(&simulated(&set, 6_000, lift, 0.0), 1, "open_rate").difference.as_ref().unwrap();
    let found = open(0.08);
    assert!(found.is_different && found.lower < 0.08 && 0.08 < found.upper, "{found:?}");
    let none = open(0.0);
    assert!(!none.is_different && none.lower < 0.0 && 0.0 < none.upper, "{none:?}");
    let results = simulated(&set, 6_000, 0.0, 0.0);
    assert!(measure(&results, 1, "ild").difference.unwrap().is_different);
    assert!(measure(&results, 0, "ild").difference.is_none());
    let holdout = results.holdout.unwrap();
    assert!((500..700).contains(&holdout.exposed_units), "{}", holdout.exposed_units);
    assert!(holdout.measures.iter().all(|measured| !measured.difference.unwrap().is_different));
}

#[test]
fn lost_people_are_noticed() {
    let set = Arc::new(set(""));
    assert!(!simulated(&set, 6_000, 0.0, 0.0).mismatch.is_suspicious);
    let lossy = simulated(&set, 6_000, 0.0, 0.12);
    assert!(lossy.mismatch.is_suspicious, "{:?}", lossy.mismatch);
}

#[test]
fn few_units_say_nothing_about_differences() {
    let set = Arc::new(set(""));
    let results = simulated(&set, 300, 0.1, 0.0);
    let open = measure(&results, 1, "open_rate");
    assert!(open.difference.is_none() && open.lower.is_none() && open.units > 50);
}

#[test]
fn a_visit_has_its_own_outcome() {
    let set = set("unit = \"session\"");
    let visit = |session: &str| exposed(&set, "mine").map(|record| ExposureRecord { session: Some(session.into()), ..record });
    let records = [
        page(START, "ann", "fd_1", &["a"], visit("s1"), 0.6),
        page(START, "ann", "fd_2", &["a"], visit("s2"), 0.6),
        event(START + 1, "ann", "open", "a", Some("fd_1")),
        event(START + 1, "ann", "open", "a", None),
    ];
    let results = of(&set, &records, START + Span::hours(48).as_millis());
    assert_eq!((results.arms[0].exposed_units, measure(&results, 0, "open_rate").mean), (2, 0.5));
}
