//! Against a simulated log whose truth is known: intervals contain it as often as they say, and what cannot be told is refused.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{estimators::LoggedDraw, *};
use crate::{
    domain::{
        Policy,
        policy::{Explore, ExploreMethod},
    },
    journal::{ArmRecord, DrawRecord, EventRecord, ExploreRecord, JournalRecord, ServedItem, ServedRecord},
    rank::explore::{self, Arm},
};

/// People of one log, and slots of each on average.
const PEOPLE: u32 = 150;
const MOST_SLOTS: u32 = 6;
const RUNS: u64 = 1_000;

fn explore(method: ExploreMethod, epsilon: f32, temperature: f32) -> Explore {
    Explore { method, epsilon, temperature, ..Policy::default().explore }
}

fn uniform() -> Explore {
    explore(ExploreMethod::Epsilon, 1.0, 1.0)
}

/// One slot of a simulated person.
struct Context {
    position: u32,
    arms: Vec<Arm>,
    /// The chance of a reward by arm: not linear in what the reward model knows, and with a taste it does not know at all.
    truth: Vec<f64>,
}

/// A person: a liking of their own, and a few slots.
fn person(rng: &mut ChaCha8Rng) -> Vec<Context> {
    let liking = rng.random_range(0.4..1.6);
    let slots = rng.random_range(1..=MOST_SLOTS);
    let context = |_| {
        let position = [9, 19, 29][rng.random_range(0..3)];
        let arms: Vec<Arm> = (0..rng.random_range(4..12))
            .map(|_| Arm { relevance: rng.random(), mean: rng.random_range(0.02..0.3), deviation: rng.random_range(0.01..0.09) })
            .collect();
        let mut chance = |arm: &Arm| {
            let wave = 0.5 + 0.5 * (7.0 * f64::from(arm.relevance)).sin();
            (liking * (0.05 + 0.25 * f64::from(arm.relevance).powi(3) + 0.5 * arm.mean * wave + 0.1 * rng.random::<f64>())).min(1.0)
        };
        let truth = arms.iter().map(&mut chance).collect();
        Context { position, arms, truth }
    };
    (0..slots).map(context).collect()
}

/// Rewards per slot under `target`, over so many people that its own error does not count.
fn truth(target: &Explore) -> f64 {
    let mut rng = ChaCha8Rng::seed_from_u64(u64::MAX);
    let contexts = (0..60_000).flat_map(|_| person(&mut rng));
    let value =
        |context: Context| -> f64 { explore::propensities(&context.arms, target).iter().zip(&context.truth).map(|(p, r)| p * r).sum() };
    let (sum, count) = contexts.map(value).fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    sum / count
}

fn log(logging: &Explore, target: &Explore, seed: u64) -> Vec<Decision> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut decisions = Vec::new();
    for cluster in 0..PEOPLE {
        for context in person(&mut rng) {
            let (taken, propensity) = explore::draw(&context.arms, logging, rng.random(), context.position as usize).expect("an arm");
            let draw = LoggedDraw { cluster, position: context.position, arms: &context.arms, taken, propensity };
            let reward = f64::from(u8::from(rng.random::<f64>() < context.truth[taken]));
            decisions.extend(Decision::new(&draw, &explore::propensities(&context.arms, target), reward));
        }
    }
    decisions
}

/// How many of 1,000 intervals contain the truth, by estimator; and how wide they are on average.
fn coverage(logging: &Explore, target: &Explore) -> [(&'static str, f64, f64); 4] {
    let truth = truth(target);
    let mut all = [("", 0.0, 0.0); 4];
    for seed in 0..RUNS {
        let estimates = estimates(&log(logging, target, seed));
        for (sum, (name, interval)) in all.iter_mut().zip(estimates.named()) {
            *sum = (name, sum.1 + f64::from(u8::from(interval.contains(truth))), sum.2 + interval.half() / RUNS as f64);
        }
    }
    all.map(|(name, covered, half)| (name, covered / RUNS as f64, half))
}

fn covers(logging: &Explore, target: &Explore) {
    let found = coverage(logging, target);
    println!("{:?} {} → {:?} {}: {found:?}", logging.method, logging.epsilon, target.method, target.temperature);
    for (name, share, _) in found.iter().filter(|(name, ..)| ["snips", "dr"].contains(name)) {
        assert!((0.92..=0.98).contains(share), "{name}: {share} of the intervals contain the truth: {found:?}");
    }
    let [ips, _, snips, dr] = found.map(|(_, _, half)| half);
    assert!(dr < ips && snips < ips, "the plain estimate is the widest: {found:?}");
}

#[test]
fn intervals_contain_the_truth_when_a_uniform_log_judges_a_greedy_target() {
    covers(&uniform(), &explore(ExploreMethod::Softmax, 1.0, 0.2));
}

#[test]
fn intervals_contain_the_truth_when_an_epsilon_log_judges_a_uniform_target() {
    covers(&explore(ExploreMethod::Epsilon, 0.5, 1.0), &uniform());
}

#[test]
fn intervals_contain_the_truth_when_a_softmax_log_judges_another_softmax() {
    covers(&explore(ExploreMethod::Softmax, 1.0, 0.5), &explore(ExploreMethod::Softmax, 1.0, 0.15));
}

/// The journal's form of a log that was drawn by `logging`.
fn records(logging: &Policy, people: u32, seed: u64) -> Vec<JournalRecord> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut records = Vec::new();
    for n in 0..people {
        let user = format!("p{n}");
        let mut items = vec![ServedItem {
            id: "ranked".into(),
            position: 0,
            slot: "ranked".into(),
            propensity: 1.0,
            relevance: 1.0,
            rank_before: 0,
            draw: None,
        }];
        let feed_id = format!("fd_{n}");
        let event = |id: &str| {
            JournalRecord::Event(EventRecord {
                at: 1_000,
                id: format!("e_{n}_{id}"),
                user: user.clone(),
                event_type: "open".into(),
                item: id.to_owned(),
                feed_id: Some(feed_id.clone()),
                position: None,
                undo: false,
            })
        };
        let mut events = Vec::new();
        for (slot, context) in person(&mut rng).into_iter().enumerate() {
            let arms: Vec<ArmRecord> = context.arms.iter().map(ArmRecord::from).collect();
            let (taken, propensity) =
                explore::draw(&context.arms, &logging.explore, rng.random(), context.position as usize).expect("an arm");
            let id = format!("i{slot}");
            if rng.random::<f64>() < context.truth[taken] {
                events.push(event(&id));
            }
            let draw = Some(DrawRecord { taken: taken as u32, arms });
            let (position, relevance) = (context.position, context.arms[taken].relevance);
            items.push(ServedItem { id, position, slot: "exploration".into(), propensity, relevance, rank_before: 40, draw });
        }
        records.push(JournalRecord::Served(ServedRecord {
            at: 500,
            request_id: "rq".into(),
            feed_id: feed_id.clone(),
            surface: "home".into(),
            user: Some(user.clone()),
            policy: logging.id.clone(),
            policy_version: 1,
            policy_digest: logging.digest(),
            ranking_digest: logging.ranking_digest(),
            explore: Some(ExploreRecord::from(&logging.explore)),
            diversity: 0.3,
            seed: u64::from(n),
            page: 0,
            pool_size: 100,
            pool_digest: String::new(),
            items,
            metrics: None,
            experiment: None,
            degraded: vec![],
        }));
        records.extend(events);
    }
    records
}

fn policy(explore: Explore) -> Policy {
    Policy { explore, ..Policy::default() }
}

fn judged(records: &[JournalRecord], target: &Policy) -> Report {
    let mut collector = Collector::new([target], Reward::Opens);
    records.iter().for_each(|record| collector.add(record));
    collector.finish().0.remove(0)
}

#[test]
fn the_journal_leads_to_the_same_estimates_as_the_draws() {
    let (logging, target) = (policy(uniform()), policy(explore(ExploreMethod::Softmax, 1.0, 0.3)));
    let report = judged(&records(&logging, 400, 3), &target);
    let estimates = report.exploration.estimates.expect("nothing missing");
    let truth = truth(&target.explore);
    for (name, interval) in estimates.named() {
        assert!((interval.value - truth).abs() < 3.0 * interval.half(), "{name}: {interval:?}, truth {truth}");
    }
    assert!(report.exploration.effective_sample < report.exploration.slots as f64);
    // What was served is its own best witness.
    let own = judged(&records(&logging, 400, 3), &logging);
    let snips = own.exploration.estimates.expect("nothing missing").snips;
    assert!((snips.value - own.exploration.logged.value).abs() < 1e-6, "{snips:?} {:?}", own.exploration.logged);
    assert_eq!((own.ranked.slots, own.ranked.logged.value), (400, 0.0));
}

#[test]
fn a_target_beyond_the_logs_support_is_refused() {
    // Only ever the most relevant: nothing is known of the others.
    let greedy = policy(explore(ExploreMethod::Epsilon, 0.0, 1.0));
    let refusal = judged(&records(&greedy, 100, 5), &policy(uniform())).exploration.estimates.expect_err("no support");
    assert!(
        matches!(refusal, Refusal::NoSupport { share_percent, mass_percent } if share_percent > 99.0 && mass_percent > 50.0),
        "{refusal}"
    );
    // The other way round there is support: the uniform log drew the best one now and then.
    assert!(judged(&records(&policy(uniform()), 400, 5), &greedy).exploration.estimates.is_ok());
}

#[test]
fn a_target_that_ranks_otherwise_is_refused_for_every_slot() {
    let logging = policy(uniform());
    let mut other = logging.clone();
    other.diversify.diversity = 0.9;
    let report = judged(&records(&logging, 100, 7), &other);
    assert_eq!(report.pages_ranked_otherwise, 100);
    for slot in [report.exploration, report.ranked] {
        let refusal = slot.estimates.expect_err("another ranking");
        assert_eq!(refusal.code(), "other_ranking");
        assert!(refusal.to_string().contains(&other.ranking_digest()), "{refusal}");
    }
}

#[test]
fn too_little_and_what_does_not_fit_is_refused() {
    let (logging, target) = (policy(uniform()), policy(explore(ExploreMethod::Softmax, 1.0, 0.3)));
    let code = |records: &[JournalRecord]| judged(records, &target).exploration.estimates.map_err(|refusal| refusal.code());
    assert_eq!(code(&[]), Err("nothing_logged"));
    assert_eq!(code(&records(&logging, 20, 1)), Err("too_few_people"));
    let changed = |change: &dyn Fn(&mut ServedRecord)| {
        let mut records = records(&logging, 100, 1);
        for record in &mut records {
            if let JournalRecord::Served(served) = record {
                change(served);
            }
        }
        code(&records)
    };
    assert_eq!(changed(&|_| {}).err(), None);
    assert_eq!(changed(&|served| served.items.iter_mut().for_each(|item| item.draw = None)), Err("no_arms"));
    assert_eq!(changed(&|served| served.explore = Some(ExploreRecord::from(&target.explore))), Err("chances_disagree"));
    let sharp = policy(explore(ExploreMethod::Softmax, 1.0, 0.01));
    let refusal = judged(&records(&policy(explore(ExploreMethod::Epsilon, 0.02, 1.0)), 60, 1), &policy(uniform())).exploration.estimates;
    assert!(matches!(refusal, Err(Refusal::TooFewDraws { .. } | Refusal::WeightsOff { .. })), "{refusal:?}");
    assert!(judged(&records(&sharp, 100, 1), &sharp).exploration.estimates.is_ok());
}

#[test]
fn a_reward_counts_once_in_time_and_until_it_is_taken_back() {
    let logging = policy(uniform());
    let events = |event: &dyn Fn(&mut EventRecord)| {
        let mut records = records(&logging, 60, 11);
        let mut extra = Vec::new();
        for record in &mut records {
            if let JournalRecord::Event(opened) = record {
                extra.push(opened.clone());
                event(opened);
            }
        }
        let mut twice: Vec<JournalRecord> = extra.into_iter().map(JournalRecord::Event).collect();
        let mean = |records: &[JournalRecord]| judged(records, &logging).exploration.logged.value;
        let changed = mean(&records);
        twice.extend(records);
        (changed, mean(&twice))
    };
    let (once, twice) = events(&|_| {});
    assert!(once > 0.05 && once == twice, "{once} {twice}");
    assert_eq!(events(&|event| event.at = 500 + REWARD_WINDOW.as_millis() + 1).0, 0.0);
    assert_eq!(events(&|event| event.at = 499).0, 0.0);
    assert_eq!(events(&|event| event.feed_id = None).0, 0.0);
    assert_eq!(events(&|event| event.event_type = "seen".into()).0, 0.0);
    assert_eq!(events(&|event| event.event_type = "like".into()).0, once);
    // Liked and taken back; and opened besides, which stands.
    let (undone, opened_too) = events(&|event| (event.event_type, event.undo) = ("like".into(), true));
    assert_eq!((undone, opened_too), (0.0, once));
}
