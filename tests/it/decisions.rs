//! Decisions: every served position is explained from its record, exactly, to whom it concerns and to nobody else.

use std::{collections::HashMap, process::Command, sync::Arc, time::Duration};

use polyphony::{
    demo,
    domain::{
        FeedId, ItemId, UserId,
        feed::{Owner, Page, Slot, StoredFeed},
    },
    feed::decision::Decision,
    rank::{
        Context, Feature, Pool, Scored,
        explain::{Change, Counterfactual, STEP, TOLERANCE},
        place,
        place::PoolCandidate,
        relevance::Rescorer,
    },
};
use serde_json::{Value, json};

use crate::support::world::{Answer, StoreKind, World, many, on_both_stores};

on_both_stores! {
    every_position_is_explained_exactly
    a_decision_is_for_whom_it_concerns
    what_changed_since_is_said
    reasons_speak_the_readers_language
}

const TOPICS: [&str; 6] = ["science", "politics", "food", "music", "sport", "travel"];
/// What a sum may be off by.
const EXACT: f64 = 1e-9;

async fn peopled(kind: StoreKind) -> (World, Vec<demo::Persona>) {
    let world = World::start(kind).await;
    let items = world.demo().await;
    let personas = world.people(&items).await;
    (world, personas)
}

async fn decision(world: &World, feed: &str, item: &str, user: &str) -> Answer {
    let asked = if user.is_empty() { String::new() } else { format!("?user={user}") };
    world.get(&format!("/v1/decisions/{feed}/items/{item}{asked}")).await
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

async fn every_position_is_explained_exactly(kind: StoreKind) {
    let (world, personas) = peopled(kind).await;
    let mut slots: HashMap<String, usize> = HashMap::new();
    for persona in &personas[..3] {
        let user = persona.user.as_str();
        let first = world.feed(user).limit(20).explain_full().get().await.ok();
        let second = world.feed(user).limit(20).explain_full().cursor(&first.next().unwrap()).get().await.ok();
        let served: Vec<&Value> = first.items().iter().chain(second.items()).collect();
        let ranks: HashMap<&str, f64> = served.iter().map(|p| (p["id"].as_str().unwrap(), number(&p["explain"]["rank_before"]))).collect();
        for placed in &served {
            let body = decision(&world, first.feed_id(), placed["id"].as_str().unwrap(), user).await.ok().body;
            for same in ["id", "position", "slot", "reasons", "explain"] {
                assert_eq!(body[same], placed[same], "{same}: {body}");
            }
            assert_eq!((&body["replayed"], body.get("differs")), (&json!(true), None), "{body}");
            check_parts(&body);
            check_standing(&body);
            for found in body["counterfactuals"].as_array().unwrap() {
                let said = format!("{:.3}", number(&found["to"]));
                let said = said.trim_end_matches('0').trim_end_matches('.');
                assert!(found["text"].as_str().unwrap().contains(&format!("” at {said} instead of ")), "{found}");
                *slots.entry("counterfactuals".to_owned()).or_default() += 1;
            }
            if let Some(other) = body.get("displaced_by") {
                assert!(ranks[other.as_str().unwrap()] > number(&body["explain"]["rank_before"]), "{body}");
            }
            *slots.entry(placed["slot"].as_str().unwrap().to_owned()).or_default() += 1;
        }
    }
    assert!(slots["ranked"] > 50 && slots["exploration"] > 3 && slots["counterfactuals"] > 50, "{slots:?}");
}

/// The parts are the score, and each is what it says it is.
fn check_parts(body: &Value) {
    let parts = body["parts"].as_array().unwrap();
    let sum: f64 = parts.iter().map(|part| number(&part["contribution"])).sum();
    assert!((sum - number(&body["score"])).abs() < EXACT, "{body}");
    for part in parts {
        let [value, weight, contribution] = ["value", "weight", "contribution"].map(|key| number(&part[key]));
        assert!((value * weight - contribution).abs() < EXACT, "{part}");
        assert!((-1e-6..=1.0 + 1e-6).contains(&value), "{part}");
        assert!(part["factor"] != "follow" || (value - 1.0).abs() < 1e-6, "followed or not: {part}");
    }
    assert_eq!(parts.len(), body["explain"]["contributions"].as_object().unwrap().len());
}

/// The parts of the objective are the objective; a draw has a chance instead.
fn check_standing(body: &Value) {
    let Some(standing) = body.get("standing") else {
        assert_eq!(body["slot"], "exploration", "{body}");
        let among = number(&body["drawn_from"]);
        assert!(among >= 1.0 && (number(&body["explain"]["propensity"]) - 1.0 / among).abs() < EXACT, "the default draw is even: {body}");
        return;
    };
    assert_eq!((&body["slot"], body.get("drawn_from")), (&json!("ranked"), None));
    let sum = number(&standing["relevance_part"]) + number(&standing["diversity_part"]);
    let objective = number(&body["explain"]["objective"]) as f32;
    assert!((sum - f64::from(objective)).abs() < EXACT, "{body}");
    assert!(standing.get("margin").is_none_or(|margin| number(margin) >= 0.0), "{body}");
    assert!(standing["runner_up"] != body["id"] && standing["displaces"] != body["id"], "{body}");
    // Only less relevant items can have been moved up past a more relevant one.
    assert!(standing.get("displaces").is_none() || number(&body["explain"]["rank_before"]) > 0.0, "{body}");
}

async fn a_decision_is_for_whom_it_concerns(kind: StoreKind) {
    let (world, personas) = peopled(kind).await;
    let (ana, ben) = (personas[0].user.as_str(), personas[1].user.as_str());
    let own = world.feed(ana).limit(10).get().await.ok();
    let (feed, item) = (own.feed_id(), own.ids()[0].clone());
    assert_eq!(decision(&world, feed, &item, ana).await.ok().body["not_used"], json!(["age", "gender", "location", "device"]));
    // Not used is what makes no difference.
    let ask = || world.feed(ana).seed(3).limit(20);
    let elsewhere =
        ask().header("user-agent", "Mozilla/5.0 (iPhone)").header("x-forwarded-for", "203.0.113.9").header("geoip-city", "Oslo");
    assert_eq!(elsewhere.get().await.ok().ids(), ask().get().await.ok().ids());
    for other in [ben, ""] {
        assert_eq!(decision(&world, feed, &item, other).await.problem(), (404, "not-found"), "{other}");
    }
    assert_eq!(decision(&world, feed, "never_served", ana).await.problem(), (404, "not-found"));
    assert_eq!(decision(&world, "fd_0", &item, ana).await.problem(), (404, "not-found"));
    let slip = world.get(&format!("/v1/decisions/{feed}/items/{item}?usr={ana}")).await;
    assert_eq!(slip.problem(), (400, "invalid-parameter"));

    // What belongs to nobody says nothing about anybody.
    let nobodys = world.feed("").limit(10).get().await.ok();
    for user in [ana, ""] {
        let body = decision(&world, nobodys.feed_id(), &nobodys.ids()[0], user).await.ok().body;
        assert!(body["not_used"].as_array().unwrap().contains(&json!("profile")), "{body}");
        let personal = ["interest", "topic", "creator", "follow", "less_like", "repetition", "impressions"];
        let parts = body["parts"].as_array().unwrap();
        assert!(parts.iter().all(|part| !personal.contains(&part["factor"].as_str().unwrap())), "{body}");
    }

    world.app.store.erase_user(&UserId::new(ana).unwrap(), world.app.now()).await.unwrap();
    assert_eq!(decision(&world, feed, &item, ana).await.problem(), (404, "not-found"));
}

async fn what_changed_since_is_said(kind: StoreKind) {
    let world = World::start(kind).await;
    world.items(many(90, &TOPICS, 17)).await;
    let page = world.feed("ana").limit(10).get().await.ok();
    let item = page.ids()[1].clone();
    let before = decision(&world, page.feed_id(), &item, "ana").await.ok().body;
    assert_eq!(before["replayed"], true, "{before}");
    world.delete_item(&item).await;
    let after = decision(&world, page.feed_id(), &item, "ana").await.ok().body;
    assert_eq!(after["replayed"], false);
    assert!(after["differs"].as_array().unwrap().contains(&json!("id")), "{after}");
    assert_eq!((after.get("standing"), &after["counterfactuals"]), (None, &json!([])), "nothing is said that was not seen: {after}");
    // The record stands.
    for same in ["score", "parts", "explain", "position"] {
        assert_eq!(after[same], before[same], "{same}");
    }
}

async fn reasons_speak_the_readers_language(kind: StoreKind) {
    let world = World::start(kind).await;
    world.items(many(40, &TOPICS, 17)).await;
    let said = async |language: &str| {
        let page = world.feed("").limit(20).header("accept-language", language).get().await.ok();
        let reasons = page.items().iter().flat_map(|placed| placed["reasons"].as_array().unwrap().clone());
        reasons.map(|reason| reason["text"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    for (language, fresh) in [("de-AT", "Neu"), ("fr, de;q=0.5", "Nouveau"), ("en", "New"), ("", "New")] {
        assert!(said(language).await.iter().any(|text| text == fresh), "{language}: {:?}", said(language).await);
    }
}

/// A decision with what it takes to run it again.
struct Case {
    decision: Arc<Decision>,
    user: String,
    surface: &'static str,
    seed: u64,
}

impl Case {
    /// Whether the item comes at its position or before, from `scored`.
    fn comes(&self, scored: &[Scored], context: &Context) -> bool {
        let Decision { feed, position, placed, .. } = &*self.decision;
        let candidates: Vec<PoolCandidate> = scored.iter().map(PoolCandidate::from).collect();
        let pool =
            Pool { candidates: &candidates, diversity: feed.diversity, seed: feed.seed, exemplars: &feed.exemplars, dials: feed.dials };
        place(&pool, &[], position + 1, context).placed.iter().any(|other| other.item == placed.item)
    }

    /// The same request with another dial.
    async fn comes_at(&self, world: &World, diversity: f64) -> bool {
        let Decision { position, placed, .. } = &*self.decision;
        let ask = world.feed(&self.user).param("surface", self.surface).seed(self.seed).limit(position + 1);
        ask.diversity(diversity).get().await.ok().ids().iter().any(|id| id == placed.item.as_str())
    }

    async fn check(&self, world: &World, found: &Counterfactual, rescorer: &Rescorer<'_>, context: &Context<'_>) {
        let by = (found.to - found.from).abs();
        assert!((found.to - found.keeps).abs() <= by * f64::from(TOLERANCE) + STEP + 1e-6, "not minimal: {found:?}");
        let (at_end, before_it) = match found.change {
            Change::Diversity => (self.comes_at(world, found.to).await, self.comes_at(world, found.keeps).await),
            Change::Part(feature) => {
                let at = |value: f64| {
                    let share = (value / found.from) as f32;
                    self.comes(&rescorer.with(self.decision.placed.pool_index as usize, feature, share), context)
                };
                (at(found.to), at(found.keeps))
            }
        };
        assert!(!at_end && before_it, "{found:?} at {}", self.decision.position);
    }

    /// How many ranks by relevance the item falls without one feature.
    fn falls_without(&self, feature: Feature, rescorer: &Rescorer) -> usize {
        let index = self.decision.placed.pool_index as usize;
        let row = rescorer.kept()[index].row;
        let rank = rescorer.with(index, feature, 0.0).iter().position(|scored| scored.row == row).unwrap();
        rank.saturating_sub(index)
    }
}

/// The decisions of one page of everybody's feeds.
async fn cases(world: &World, personas: &[demo::Persona], count: usize) -> Vec<Case> {
    let mut cases = Vec::new();
    for seed in 0.. {
        for (persona, surface) in personas.iter().flat_map(|persona| ["home", "email_digest"].map(|surface| (persona, surface))) {
            let user = persona.user.as_str();
            let page = world.feed(user).param("surface", surface).seed(seed).limit(20).get().await.ok();
            let owner = [Owner::User(UserId::new(user).unwrap())];
            let feed = FeedId::new(page.feed_id()).unwrap();
            for id in page.ids() {
                let decision = world.app.feed.decision(&owner, &feed, &ItemId::new(id.as_str()).unwrap()).await.unwrap().unwrap();
                cases.push(Case { decision: Arc::new(decision), user: user.to_owned(), surface, seed });
            }
            if cases.len() >= count {
                return cases;
            }
        }
    }
    unreachable!()
}

/// Every counterfactual is run again: a dial through the whole server, a part through scoring and placing. And what is named as the
/// greatest part is what the place owes most to.
async fn counterfactuals_are_true_and_the_greatest_part_counts_most(kind: StoreKind) {
    const DECISIONS: usize = 1_000;
    let (world, personas) = peopled(kind).await;
    let cases = cases(&world, &personas, DECISIONS).await;
    let (mut dials, mut parts, mut explored) = (0, 0, 0);
    let (mut by_greatest, mut by_another, mut compared) = (0, 0, 0);
    for (number, case) in cases.iter().enumerate() {
        let Decision { feed, policy, snapshot, .. } = &*case.decision;
        let context = Context { snapshot, profile: None, policy: &policy.policy, now: feed.created_at };
        let rescorer = Rescorer::new(feed, &context).expect("no item is gone");
        assert_eq!(rescorer.differing(), [0; 0], "nothing has changed since");
        let searched = Arc::clone(&case.decision);
        let found = tokio::task::spawn_blocking(move || searched.counterfactuals()).await.unwrap();
        if case.decision.placed.slot == Slot::Exploration {
            assert_eq!(found, [], "chance has no reasons");
            explored += 1;
            continue;
        }
        for one in &found {
            case.check(&world, one, &rescorer, &context).await;
            *(if one.change == Change::Diversity { &mut dials } else { &mut parts }) += 1;
        }
        let positive: Vec<Feature> = case.decision.parts.iter().filter(|part| part.contribution > 0.0).map(|part| part.feature).collect();
        if let [greatest, others @ ..] = positive.as_slice()
            && !others.is_empty()
        {
            by_greatest += case.falls_without(*greatest, &rescorer);
            by_another += case.falls_without(others[number % others.len()], &rescorer);
            compared += 1;
        }
    }
    println!("{} decisions, {explored} of them draws: {parts} of a part and {dials} of the dial, all true", cases.len());
    println!("ranks lost without the greatest part {by_greatest}, without another {by_another}, over {compared} decisions");
    assert!(cases.len() >= DECISIONS && parts > 500 && dials > 100, "{parts} {dials}");
    assert!(by_greatest > by_another, "{by_greatest} {by_another}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counterfactuals_are_true_on_the_embedded_store() {
    counterfactuals_are_true_and_the_greatest_part_counts_most(StoreKind::Embedded).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counterfactuals_are_true_on_redis() {
    counterfactuals_are_true_and_the_greatest_part_counts_most(StoreKind::Redis).await;
}

/// `polyphony verify` of a feed of `user` (empty: nobody's): exit code and what it says.
async fn verify(world: &World, feed: &str, user: &str) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_polyphony"));
    let url = world.redis.as_ref().unwrap().url();
    command.args(["verify", feed, "--redis", &url]).env_clear();
    if !user.is_empty() {
        command.args(["--user", user]);
    }
    command.env("POLYPHONY__CATALOGUE__DIMENSION", world.app.dimension().to_string());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap())
}

/// A feed by time is a decision too: the place is the score, and the record comes out of itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_feed_by_time_is_taken_apart_and_verified() {
    let world = World::start(StoreKind::Redis).await;
    world.items(many(90, &TOPICS, 17)).await;
    let page = world.feed("ana").param("mode", "chronological").limit(20).get().await.ok();
    for (position, item) in page.ids().iter().enumerate() {
        let told = decision(&world, page.feed_id(), item, "ana").await.ok().body;
        assert_eq!(
            (&told["position"], &told["replayed"], &told["policy"]["id"]),
            (&json!(position), &json!(true), &json!("chronological"))
        );
        let parts: Vec<&Value> = told["parts"].as_array().unwrap().iter().map(|part| &part["factor"]).collect();
        assert_eq!(parts, ["recency"], "{told}");
        check_parts(&told);
        check_standing(&told);
    }
    let (code, told) = verify(&world, page.feed_id(), "").await;
    assert!(code == Some(0) && told.contains("90 candidates and 20 positions recomputed: 0 differences"), "{code:?} {told}");
}

/// A record as it is kept comes out of itself; with one value flipped it does not, and what differs is named.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_feed_is_verified_from_its_record_and_a_flipped_value_is_found() {
    type Flip = fn(&mut StoredFeed, &mut Page);
    let (world, personas) = peopled(StoreKind::Redis).await;
    let user = personas[0].user.as_str();
    let page = world.feed(user).limit(20).get().await.ok();
    let (code, told) = verify(&world, page.feed_id(), user).await;
    assert!(code == Some(0) && told.contains("and 20 positions recomputed: 0 differences"), "{code:?} {told}");

    let owner = Owner::User(personas[0].user.clone());
    let record = world.app.store.feed(&owner, &FeedId::new(page.feed_id()).unwrap()).await.unwrap().unwrap();
    let flips: [(&str, Flip); 6] = [
        ("pool 3: relevance", |feed, _| feed.pool[3].relevance += 0.25),
        ("pool 2: relevance", |feed, _| feed.pool[2].contributions[Feature::Recency as usize] += 1.0),
        ("page 1: objective", |_, page| page.placed[1].objective += 0.125),
        ("page 2: max_similarity", |_, page| page.placed[2].max_similarity += 0.125),
        ("page 3: constraint", |_, page| page.placed[3].bound_by = Some(page.placed[3].bound_by.map_or(0, |index| index + 1))),
        ("page 0: objective", |feed, _| feed.diversity = 1.0 - feed.diversity),
    ];
    for (number, (differs, flip)) in flips.into_iter().enumerate() {
        let (mut feed, mut first) = (StoredFeed::clone(&record.feed), record.pages[0].clone());
        feed.id = FeedId::from_bits(number as u128 + 1);
        flip(&mut feed, &mut first);
        world.app.store.put_feed(&feed, &first, Duration::from_secs(600), None).await.unwrap();
        let (code, told) = verify(&world, feed.id.as_str(), user).await;
        assert!(code == Some(1) && told.contains(differs), "{differs}: {code:?} {told}");
    }
    let (code, told) = verify(&world, "fd_none", user).await;
    assert!(code == Some(2) && told.contains("no feed fd_none"), "{code:?} {told}");
}
