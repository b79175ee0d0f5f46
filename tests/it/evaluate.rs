//! `polyphony evaluate` and `polyphony policy sweep` as a product team meets them: on a small log that is written here, on real
//! data where it is there, and on the journal of a real server.

use std::{
    fmt::Write as _,
    path::Path,
    process::{Command, Output},
    sync::Arc,
};

use polyphony::{
    domain::{
        Policy,
        policy::{ActivePolicy, Guardrails},
    },
    evaluate::{
        Comparison, EventLog, Measure, Measured, Pipeline, Protocol, Replay, Reward, Split,
        sweep::{Bounds, Judgement, Setting, Turn, settings},
    },
    import::Source,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    dial::data,
    support::process::{Process, Recipe, items},
};

fn polyphony(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_polyphony")).args(arguments).env_clear().output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Standard output of a command that must succeed.
fn said(arguments: &[&str]) -> String {
    let output = polyphony(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// Exit code and standard error of a command that must fail.
fn refused(arguments: &[&str]) -> (Option<i32>, String) {
    let output = polyphony(arguments);
    assert!(!output.status.success(), "{arguments:?}: {}", text(&output.stdout));
    (output.status.code(), text(&output.stderr))
}

const TOPICS: usize = 6;
const ITEMS: usize = 240;
const READERS: usize = 60;

/// Readers of two topics each, in MIND's format: every impression shows one item of each topic and opens those they read.
fn mind() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut news = String::new();
    for n in 0..ITEMS {
        let topic = n % TOPICS;
        writeln!(news, "N{n}\ttopic{topic}\tpart{}\tStory {n} of topic {topic}\tAbout topic{topic} and story {n}\t\t\t", n % 24).unwrap();
    }
    let mut behaviors = String::new();
    for line in 0..READERS * 8 {
        let (reader, visit) = (line % READERS, line / READERS);
        let shown: Vec<String> = (0..TOPICS)
            .map(|topic| {
                let item = topic + TOPICS * ((reader * 7 + visit * 5) % (ITEMS / TOPICS));
                let is_read = topic == reader % TOPICS || topic == (reader / TOPICS) % TOPICS;
                format!("N{item}-{}", u8::from(is_read))
            })
            .collect();
        let time = format!("11/{}/2019 {}:{:02}:00 AM", 9 + visit, 1 + reader % 11, reader % 60);
        writeln!(behaviors, "{line}\tU{reader}\t{time}\t\t{}", shown.join(" ")).unwrap();
    }
    std::fs::write(folder.path().join("news.tsv"), news).unwrap();
    std::fs::write(folder.path().join("behaviors.tsv"), behaviors).unwrap();
    folder
}

fn data_of(folder: &TempDir) -> String {
    format!("--data=mind:{}", folder.path().display())
}

const SMALL: &str = "--set=catalogue.dimension=16";

fn json(out: &str) -> Value {
    serde_json::from_str(out).unwrap_or_else(|error| panic!("{error}: {out}"))
}

#[test]
fn policies_stand_side_by_side() {
    let folder = mind();
    let data = data_of(&folder);
    let arguments = ["evaluate", &data, SMALL, "--format", "json", "--positions", "10"];
    let out = said(&arguments);
    assert_eq!(out, said(&arguments), "the same numbers each time");
    let out = json(&out);
    assert_eq!(out["protocol"]["reward"], "opens");
    assert_eq!(out["replay"]["summary"]["people"], READERS);
    assert_eq!(out["replay"]["positions"], 10);
    let [alone, active] = [0, 1].map(|n| out["replay"]["policies"][n].clone());
    assert_eq!([&alone["name"], &active["name"]], ["relevance alone", "active"]);
    for policy in [&alone, &active] {
        for measure in Measure::ALL {
            let of = &policy["measures"][measure.name()];
            let [value, low, high] = ["value", "lower", "upper"].map(|end| of[end].as_f64().unwrap_or_else(|| panic!("{measure:?}: {of}")));
            // Equal values are resampled to the same within rounding.
            assert!(low <= value + 1e-9 && value <= high + 1e-9, "{measure:?}: {of}");
        }
        assert!(policy["all"]["coverage"].as_f64().unwrap() > 0.0);
    }
    let value = |policy: &Value, measure: &str| policy["measures"][measure]["value"].as_f64().unwrap();
    assert_eq!(value(&alone, "relevance_kept"), 1.0);
    // One of a reader's two topics is log 2 away from their history; a topic they never open would be 4 nats and more.
    assert!(value(&alone, "calibration") < 2.0, "readers' topics are found: {alone:#}");
    assert!(value(&active, "ild") > value(&alone, "ild"));
    let more = &active["measures"]["ild"]["more_than_first"];
    assert!((more["value"].as_f64().unwrap() - (value(&active, "ild") - value(&alone, "ild"))).abs() < 1e-9);
    assert!(alone["measures"]["ild"].get("more_than_first").is_none() && out.get("off_policy").is_none());
}

#[test]
fn the_table_says_what_was_replayed_and_left_out() {
    let folder = mind();
    let out = said(&["evaluate", &data_of(&folder), SMALL, "--users", "sample:20", "--policy", "relevance", "--policy", "active"]);
    for part in ["Asked: 20 people", "40 people the sample did not draw", "nDCG", "relevance alone", "active (balanced v1)", "intervals"] {
        assert!(out.contains(part), "{part}: {out}");
    }
}

#[test]
fn a_sweep_gives_table_json_and_picture() {
    let folder = mind();
    let (data, svg) = (data_of(&folder), folder.path().join("sweep.svg"));
    let knob = "--knob=diversify.diversity=0:1:0.25";
    let out = said(&["policy", "sweep", knob, &data, SMALL, "--format=json", "--svg", svg.to_str().unwrap()]);
    let out = json(&out);
    let points = out["points"].as_array().unwrap();
    assert_eq!(points.len(), 6);
    let dials: Vec<f64> = points.iter().map(|point| point["settings"]["diversify.diversity"].as_f64().unwrap()).collect();
    assert!((dials[0] - 0.35).abs() < 1e-6 && dials[1..] == [0.0, 0.25, 0.5, 0.75, 1.0], "{dials:?}");
    let ild = |n: usize| points[n]["measures"]["ild"]["value"].as_f64().unwrap();
    assert!(ild(5) > ild(0) && ild(0) > ild(1), "the dial opens the feed");
    assert_eq!(out["floor"], 0.85);
    let is = |n: usize, what: &str| points[n][what].as_bool().unwrap();
    assert!((0..6).all(|n| !is(n, "admissible") || points[n]["measures"]["relevance_kept"]["value"].as_f64().unwrap() >= 0.85));
    assert!((0..6).all(|n| !is(n, "front") || is(n, "admissible")));
    let knee = out["knee"].as_u64().expect("a knee") as usize;
    assert!(is(knee, "front") && points[knee]["bulge"].as_f64().unwrap() > 0.0);
    let picture = std::fs::read_to_string(svg).unwrap();
    well_formed(&picture);
    for part in [
        "<title id=\"title\">What diversify.diversity gives and costs</title>",
        "<desc",
        "prefers-color-scheme: dark",
        "knee: ",
        "guardrail",
        ">0.75<",
        "in force (balanced v1): 0.35",
    ] {
        assert!(picture.contains(part), "{part}");
    }
    let table = said(&["policy", "sweep", knob, "--knob=diversify.method=mmr,dpp", &data, SMALL, "--users=sample:10", "--relevance=ndcg"]);
    assert!(table.contains("0.25 dpp") && table.contains("Knee of nDCG"), "{table}");
}

/// Every element that is opened is closed, in order, and nothing stands bare that may not.
#[track_caller]
fn well_formed(xml: &str) {
    let mut open: Vec<&str> = Vec::new();
    for part in xml.split('<').skip(1) {
        let (tag, rest) = part.split_once('>').unwrap_or_else(|| panic!("an open tag: {part}"));
        let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap();
        match (tag.starts_with('/'), tag.ends_with('/')) {
            (true, _) => assert_eq!(open.pop(), Some(name), "{xml}"),
            (_, true) => {}
            _ => open.push(name),
        }
        let bare = rest.split('&').skip(1).any(|after| !["amp;", "lt;", "gt;", "quot;"].iter().any(|entity| after.starts_with(entity)));
        assert!(!bare && !rest.contains('>'), "{rest}");
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn wrong_commands_are_told_what_is_wrong() {
    let folder = mind();
    let (data, nowhere) = (data_of(&folder), folder.path().join("nowhere").display().to_string());
    let none = format!("--data=mind:{nowhere}");
    let cases: [(&[&str], i32, &[&str]); 13] = [
        (&["evaluate"], 2, &["--data"]),
        (&["evaluate", "--data", "movielens"], 2, &["expected movielens:FOLDER"]),
        (&["evaluate", "--data", "movelens:x"], 2, &["`movelens` is no kind of data", "Did you mean `movielens`?"]),
        (&["evaluate", &none], 1, &["nowhere"]),
        (&["evaluate", &data, "--learned", "2"], 2, &["0.1 to 0.95"]),
        (&["evaluate", &data, "--users", "some"], 2, &["sample:N"]),
        (&["evaluate", &data, SMALL, "--policy", "activ", "--policy", "best"], 1, &["`activ` is no policy", "`best` is no policy"]),
        (&["evaluate", &data, SMALL, "--surface", "hom"], 1, &["has no surface `hom`", "Did you mean `home`?"]),
        (&["evaluate", &data, "--set", "policy.diversify.diversty=1"], 2, &["Did you mean `diversity`?"]),
        (&["evaluate", &data, SMALL, "--reward", "likes"], 1, &["nobody can be asked", "likes before and after the cut"]),
        (&["policy", "sweep", &data, "--knob", "diversify.diversty=0:1:0.5"], 1, &["Did you mean `diversify.diversity`?"]),
        (
            &["policy", "sweep", &data, "--knob", "diversify.diversity=0:3:1", "--knob", "explore.share=0.1,0.9"],
            1,
            &["is 2; expected 0 to 1", "is 3;", "`explore.share` is 0.9"],
        ),
        (&["policy", "sweep", &data, "--knob", "diversify.diversity=0:1"], 2, &["FROM:TO:STEP"]),
    ];
    for (arguments, code, parts) in cases {
        let (found, told) = refused(arguments);
        assert_eq!(found, Some(code), "{arguments:?}: {told}");
        for part in parts {
            assert!(told.contains(part), "{arguments:?}: `{part}` in {told}");
        }
    }
    let (_, told) = refused(&["evaluate", &format!("--data=journal:{nowhere}")]);
    assert!(told.contains("nowhere"), "{told}");
}

/// Pools are kept from one policy to the next: what keeps them must not be more than what makes them.
#[test]
fn what_only_places_items_leaves_the_candidates_alone() {
    let folder = mind();
    let set = data::import(Source::Mind { path: folder.path().to_path_buf() }, None, 16);
    let log = EventLog { items: set.items, events: set.events };
    let protocol = Protocol { reward: Reward::Opens, split: Split::Person, learned: 0.8, people: Some(12), seed: 1 };
    let base = Policy::default();
    let replay = Replay::new(log, &protocol, 16, base.score.popularity_half_life);
    let pipeline = Pipeline::new().unwrap();
    let pools = |policy: &Policy| {
        let active = Arc::new(ActivePolicy::new(policy.clone()));
        replay.asked.iter().map(|asked| pipeline.pool(asked, &active)).collect::<Vec<_>>()
    };
    let expected = pools(&base);
    let turned = |knob: &str| turned(knob, &base);
    for knob in [
        "diversify.diversity=0.9",
        "diversify.pool=40",
        "diversify.method=dpp",
        "explore.share=0.4",
        "explore.method=softmax",
        "page_size=7",
    ] {
        assert!(pools(&turned(knob)) == expected, "{knob}");
    }
    for knob in ["score.weights.interest=0", "retrieve.candidates=60", "explore.max_item_age=1h", "feed.length=30"] {
        assert!(pools(&turned(knob)) != expected, "{knob}");
    }
    // And so a comparison that keeps pools measures what one that makes them anew does.
    let knobs = ["score.weights.interest=0", "diversify.diversity=0.9", "retrieve.candidates=60", "explore.share=0.4"];
    let together = measured(&replay, &knobs.map(turned));
    for (n, knob) in knobs.iter().enumerate() {
        let alone = measured(&replay, &[turned(knob)]);
        assert_eq!(alone[0].value(Measure::Ild), together[n].value(Measure::Ild), "{knob}");
        assert_eq!(alone[0].all, together[n].all, "{knob}");
    }
}

fn turned(knob: &str, base: &Policy) -> Policy {
    let settings: Vec<Setting> = settings(&[Turn::parse(knob).unwrap()]).unwrap();
    settings[0].apply(base).unwrap()
}

fn measured(replay: &Replay, policies: &[Policy]) -> Vec<Measured> {
    let pipeline = Pipeline::new().unwrap();
    let mut comparison = Comparison::new(replay, &pipeline, Policy::default().diversify.similarity, 20);
    policies.iter().for_each(|policy| comparison.add(policy, || {}));
    comparison.finish()
}

/// What README and docs/evaluation.md show: the dial on MovieLens 100K, time-split.
#[test]
fn the_shipped_default_is_at_or_next_to_the_knee_on_movielens() {
    let (Some(folder), Some(creators)) = (data::path("movielens-100k"), data::path("movielens-extra/ml100k_extra.jsonl")) else { return };
    let Some(embeddings) = data::path("embeddings/ml-100k.f16.bin") else { return };
    let set = data::catalogue(Source::Movielens { folder, creators: Some(creators) }, embeddings);
    let protocol = Protocol { reward: Reward::Likes, split: Split::Person, learned: 0.8, people: Some(300), seed: 1 };
    let base = Policy::default();
    let replay =
        Replay::new(EventLog { items: set.items, events: set.events }, &protocol, data::DIMENSION, base.score.popularity_half_life);
    let dials = settings(&[Turn::parse("diversify.diversity=0:1:0.1").unwrap()]).unwrap();
    let policies: Vec<Policy> = std::iter::once(base.clone()).chain(dials.iter().map(|dial| dial.apply(&base).unwrap())).collect();
    let measured = measured(&replay, &policies);
    let relevance_floor = f64::from(base.diversify.target.relevance_kept_min);
    let bounds = Bounds { guardrails: Guardrails::default(), relevance_floor };
    let judgement = Judgement::new(&measured, Measure::RelevanceKept, &bounds);
    let knee = judgement.knee.expect("a knee");
    // On the front from the least diversity to the most: the default's place and the knee's.
    let place = |wanted: usize| judgement.front.iter().position(|n| *n == wanted).expect("on the front");
    assert!(
        place(0).abs_diff(place(knee)) <= 1,
        "the default is {:?}, the knee {:?}",
        base.diversify.diversity,
        policies[knee].diversify.diversity
    );
    let bulge = |n: usize| judgement.bulges[place(n)];
    assert!(bulge(0) >= 0.9 * bulge(knee), "{} of {}", bulge(0), bulge(knee));
    // It varies the feed, and people find no less of what they like.
    let alone = place(1);
    assert_eq!(alone, 0, "no diversity is the beginning of the front");
    let [least, shipped] = [1, 0].map(|n| &measured[n]);
    assert!(shipped.value(Measure::Ild).lower > least.value(Measure::Ild).upper);
    assert!(shipped.value(Measure::Ndcg).value > least.value(Measure::Ndcg).value);
}

#[test]
fn impressions_without_news_are_replayed_on_items_from_elsewhere() {
    let (Some(folder), Some(_)) = (data::path("nemig-news-en"), data::path("embeddings/nemig-en.f16.bin")) else { return };
    let (data, items) = (format!("--data=mind:{}", folder.display()), folder.join("catalogue.jsonl").display().to_string());
    let map = ["--map=description=abstract", "--map=source=publisher", "--map=viewpoint=outlet_orientation", "--map=topics=subtopic_label"];
    let mut arguments = vec!["evaluate", &data, "--items", &items, "--format=json", "--users=sample:100", SMALL];
    arguments.extend(map);
    let out = json(&said(&arguments));
    assert_eq!(out["replay"]["summary"]["items"], 10_814);
    assert_eq!(out["replay"]["summary"]["asked"], 100);
}

#[test]
fn the_mind_fragment_is_replayed_as_far_as_its_items_go() {
    let Some(folder) = data::path("mind-fragment") else { return };
    let out = json(&said(&["evaluate", &format!("--data=mind:{}", folder.display()), SMALL, "--format=json"]));
    assert_eq!(out["replay"]["summary"]["items"], 2_000);
    assert!(out["replay"]["summary"]["asked"].as_u64().unwrap() >= 1);
}

/// Settings under which three slots of ten are drawn, all candidates alike; the server's own deadline is part of its policy.
const DRAWS: [&str; 3] = ["policy.explore.share=0.3", "policy.explore.earliest_position=0", "policy.retrieve.deadline=500ms"];

/// Forty readers open a few items, get a feed, and open every second item that chance brought.
async fn journalled() -> (Recipe, usize) {
    let mut recipe = Recipe::serve();
    for key_value in DRAWS {
        let (key, value) = key_value.split_once('=').unwrap();
        recipe = recipe.set(key, value);
    }
    let server = recipe.ready().await;
    server.put_items(&items(200)).await;
    let mut draws = 0;
    for reader in 0..40 {
        draws += one_reader(&server, reader).await;
    }
    assert!(server.terminate().await.success());
    (recipe, draws)
}

async fn one_reader(server: &Process, reader: usize) -> usize {
    let user = format!("reader{reader}");
    for n in 0..6 {
        let ids = [format!("first-{reader}-{n}")];
        assert_eq!(server.events(&user, &format!("i{}", (reader * 5 + n * 5) % 200), &ids).await.0, 202);
    }
    // The same draws with every run: an interval that is right nineteen times in twenty is wrong the twentieth.
    let page = server.feed(&format!("user={user}&seed={reader}")).await;
    let feed = page["feed_id"].as_str().unwrap();
    let drawn: Vec<&str> = page["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|item| item["slot"] == "exploration")
        .map(|item| item["id"].as_str().unwrap())
        .collect();
    let event = |(n, item): (usize, &&str)| json!({"id": format!("then-{reader}-{n}"), "type": "open", "item": item, "feed_id": feed});
    let events: Vec<Value> = drawn.iter().enumerate().step_by(2).map(event).collect();
    assert_eq!(server.post("/v1/events", &json!({"user": user, "events": events})).await.status(), 202);
    drawn.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_journal_of_a_server_judges_other_ways_to_explore() {
    let (recipe, draws) = journalled().await;
    let journal = format!("--data=journal:{}", recipe.data().join("journal").display());
    let store = format!("store.embedded.path={}", recipe.data().join("polyphony.redb").display());
    let evaluate = |more: &[&str]| {
        let mut arguments = vec!["evaluate", &journal, "--format=json"];
        arguments.extend(DRAWS.iter().flat_map(|set| ["--set", set]));
        arguments.extend(more);
        json(&said(&arguments))
    };
    let own = evaluate(&[]);
    assert_eq!(own["off_policy"]["read"]["pages"], 40);
    let exploration = |out: &Value| out["off_policy"]["policies"][0]["exploration"].clone();
    let served = exploration(&own);
    assert_eq!(served["slots"], draws);
    let rate = served["logged"]["value"].as_f64().unwrap();
    assert!((0.4..0.7).contains(&rate), "every second one was opened: {rate}");
    for estimator in ["ips", "clipped_ips", "snips", "dr"] {
        let value = served["estimates"][estimator]["value"].as_f64().unwrap();
        // What the reward model says of what was drawn and of what might have been differs by chance.
        let near = if estimator == "dr" { 0.05 } else { 1e-3 };
        assert!((value - rate).abs() < near, "{estimator} of what was served: {value}, {rate}");
    }
    assert!(own.get("replay").is_none(), "a journal has no items");
    let ranked = &own["off_policy"]["policies"][0]["ranked"];
    assert_eq!(ranked["estimates"]["snips"]["value"], 0.0, "nobody opened what was ranked: {ranked}");

    let softer = exploration(&evaluate(&["--set=policy.explore.method=softmax", "--set=policy.explore.temperature=0.5"]));
    assert!(softer["effective_sample"].as_f64().unwrap() < draws as f64, "{softer}");
    assert!(softer["estimates"]["dr"]["lower"].as_f64().unwrap() < rate && softer["estimates"]["dr"]["upper"].as_f64().unwrap() > 0.2);
    let other = exploration(&evaluate(&["--set=policy.diversify.diversity=0.9"]));
    assert_eq!(other["refused"]["code"], "other_ranking", "{other}");

    // The store knows the items: the same journal can be replayed.
    let out = evaluate(&["--items=store", "--set", &store]);
    assert_eq!(out["replay"]["summary"]["items"], 200);
    assert_eq!(out["replay"]["summary"]["asked"], 40);
    let folder: &Path = &recipe.data();
    let out = said(&["evaluate", &format!("--data=journal:{}", folder.join("journal").display()), "--set", DRAWS[0]]);
    assert!(out.contains("No estimate for exploration slots") && out.contains("--items FILE"), "{out}");
}
