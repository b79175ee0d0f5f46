//! The feed over HTTP: the dial, the reasons and their truth, and every parameter.

use std::collections::HashSet;

use polyphony::{
    demo,
    domain::{EventKind, Facet, Item},
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{
    app::NOW,
    world::{Answer, StoreKind, World, event, item, many, on_both_stores, send},
};

on_both_stores! {
    the_dial_can_be_seen
    reasons_are_true
    a_stranger_gets_reasons_without_a_past
    an_item_without_topics_is_explained_without_one
    an_explanation_has_every_number
    explaining_can_be_left_out
    items_come_as_asked
    excluded_items_do_not_come
    surfaces_have_their_own_policies
    the_post_twin_answers_the_same
    an_empty_catalogue_says_so
    metrics_are_of_this_page
    all_faults_are_named_at_once
    a_seen_item_rests
    an_item_that_is_over_does_not_come
}

const TOPICS: [&str; 6] = ["science", "politics", "food", "music", "sport", "travel"];

/// The demo with its people and their past.
async fn peopled(kind: StoreKind) -> (World, Vec<demo::Persona>) {
    let world = World::start(kind).await;
    let items = world.demo().await;
    let personas = world.people(&items).await;
    (world, personas)
}

async fn the_dial_can_be_seen(kind: StoreKind) {
    let (world, personas) = peopled(kind).await;
    for persona in &personas {
        let at = |diversity| world.feed(persona.user.as_str()).seed(1).diversity(diversity).param("include", "metrics").limit(20);
        let (narrow, broad) = (at(0.0).get().await.ok(), at(0.6).get().await.ok());
        let (narrow_ids, broad_ids): (HashSet<_>, HashSet<_>) = (narrow.ids().into_iter().collect(), broad.ids().into_iter().collect());
        assert!(narrow_ids.difference(&broad_ids).count() >= 3, "{}: {narrow_ids:?} {broad_ids:?}", persona.name);
        let metric = |answer: &Answer, name: &str| answer.body["metrics"][name].as_f64().unwrap();
        assert!(metric(&broad, "ild") > metric(&narrow, "ild") + 0.01, "{}: {} {}", persona.name, narrow.body, broad.body);
        assert!(metric(&broad, "topics") >= metric(&narrow, "topics"), "{}", persona.name);
        assert!(metric(&broad, "relevance_kept") <= metric(&narrow, "relevance_kept"), "{}", persona.name);
    }
}

/// What a person is known for: the items behind the events that teach liking, and whom they follow.
struct Past<'a> {
    read: Vec<&'a Item>,
    follows: HashSet<String>,
}

impl<'a> Past<'a> {
    fn of(persona: &demo::Persona, items: &'a [Item]) -> Self {
        let item_of = |id: &str| items.iter().find(|item| item.id.as_str() == id).unwrap();
        let teaches = |kind: &EventKind| !matches!(kind, EventKind::Seen | EventKind::Hide | EventKind::LessLike | EventKind::Report);
        let read = persona.events.iter().filter(|e| teaches(&e.kind)).map(|e| item_of(e.item.as_str())).collect();
        let followed = persona.events.iter().filter(|e| e.kind == EventKind::Follow);
        let follows = followed.map(|e| item_of(e.item.as_str()).creator.as_ref().unwrap().id.to_string()).collect();
        Self { read, follows }
    }

    fn has_read(&self, facet: Facet, value: &str) -> bool {
        self.read.iter().any(|item| item.facets().any(|(f, v, _)| f == facet && &**v == value))
    }

    /// Holds every reason of a position against what the person did.
    fn check(&self, placed: &Value, codes: &mut HashSet<String>) {
        let reasons = placed["reasons"].as_array().unwrap();
        assert!((1..=3).contains(&reasons.len()), "{placed}");
        let explores = placed["slot"] == "exploration";
        let topics: Vec<&str> = placed["item"]["topics"].as_array().unwrap().iter().map(|t| t["topic"].as_str().unwrap()).collect();
        for reason in reasons {
            let code = reason["code"].as_str().unwrap();
            codes.insert(code.to_owned());
            assert!(!reason["text"].as_str().unwrap().is_empty() && !reason["control"].as_str().unwrap().is_empty());
            let param = |name: &str| reason["params"][name].as_str().unwrap();
            match code {
                "matches_topic" => {
                    assert!(topics.contains(&param("topic")), "{placed}");
                    assert!(self.has_read(Facet::Topic, param("topic")), "{placed}");
                }
                "follows_creator" => assert!(self.follows.contains(param("creator")), "{placed}"),
                "likes_creator" => {
                    assert_eq!(placed["item"]["creator"]["id"], param("creator"));
                    assert!(self.has_read(Facet::Creator, param("creator")), "{placed}");
                }
                "similar_to" => assert!(self.read.iter().any(|item| item.id.as_str() == param("item")), "{placed}"),
                "breadth" => assert!(placed["explain"]["moved"].as_i64().unwrap() > 0, "{placed}"),
                "new_to_you" => assert!(topics.contains(&param("topic")), "{placed}"),
                "fresh" | "popular" | "fallback" => {}
                other => panic!("`{other}` is no reason here: {placed}"),
            }
            assert_eq!(code == "new_to_you", explores, "{placed}");
        }
        let propensity = placed["explain"]["propensity"].as_f64().unwrap();
        assert!(propensity > 0.0 && (if explores { propensity < 1.0 } else { propensity == 1.0 }), "{placed}");
    }
}

async fn reasons_are_true(kind: StoreKind) {
    let (world, personas) = peopled(kind).await;
    let items = demo::catalogue(7, NOW, world.app.dimension());
    let mut codes = HashSet::new();
    for persona in &personas {
        let past = Past::of(persona, &items);
        for surface in ["home", "email_digest"] {
            let ask = world.feed(persona.user.as_str()).param("surface", surface).limit(100);
            let page = ask.explain_full().param("hydrate", "full").get().await.ok();
            assert_eq!(page.body["personalised"], true);
            page.items().iter().for_each(|placed| past.check(placed, &mut codes));
        }
    }
    for code in ["matches_topic", "follows_creator", "likes_creator", "similar_to", "new_to_you", "breadth"] {
        assert!(codes.contains(code), "`{code}` was never said: {codes:?}");
    }
}

async fn a_stranger_gets_reasons_without_a_past(kind: StoreKind) {
    let world = World::start(kind).await;
    world.demo().await;
    let nobody = Past { read: Vec::new(), follows: HashSet::new() };
    for user in ["", "newcomer"] {
        let page = world.feed(user).limit(100).explain_full().get().await.ok();
        assert_eq!(page.body["personalised"], false);
        page.items().iter().for_each(|placed| nobody.check(placed, &mut HashSet::new()));
    }
}

async fn an_item_without_topics_is_explained_without_one(kind: StoreKind) {
    let world = World::start(kind).await;
    world.items((0..40).map(|n| json!({"id": format!("bare_{n}"), "title": format!("Number {n}")}))).await;
    let page = world.feed("ana").limit(40).explain_full().get().await.ok();
    let explored: Vec<&Value> = page.items().iter().filter(|placed| placed["slot"] == "exploration").collect();
    assert!(!explored.is_empty());
    for placed in explored {
        let reason = &placed["reasons"][0];
        assert_eq!((&reason["code"], &reason["control"]), (&json!("new_to_you"), &json!("exploration")));
        // By even chance among those that are left: as shipped.
        let chance = reason["params"]["chance"].as_str().unwrap();
        let one_in: f64 = chance.strip_prefix("1/").unwrap().parse().unwrap();
        assert!((placed["explain"]["propensity"].as_f64().unwrap() * one_in - 1.0).abs() < 0.005, "{placed}");
        assert_eq!(reason["text"], format!("Something new, picked by chance (chance {chance})"));
    }
}

async fn an_explanation_has_every_number(kind: StoreKind) {
    let (world, personas) = peopled(kind).await;
    let page = world.feed(personas[0].user.as_str()).limit(50).explain_full().get().await.ok();
    for (position, placed) in page.items().iter().enumerate() {
        let explain = placed["explain"].as_object().unwrap();
        let number = |key: &str| explain[key].as_f64().unwrap();
        assert_eq!(placed["position"], position);
        assert!((0.0..=1.0).contains(&number("relevance")) && (0.0..=1.0).contains(&number("max_similarity")), "{placed}");
        assert!(number("objective").is_finite());
        assert_eq!(number("moved"), number("rank_before") - position as f64);
        assert!(!explain["sources"].as_array().unwrap().is_empty());
        let added = ["interest", "topic", "creator", "follow", "recency", "popularity", "relevance", "uncertainty", "prior"];
        let subtracted = ["less_like", "repetition", "impressions"];
        for (feature, contribution) in explain["contributions"].as_object().unwrap() {
            let of = if contribution.as_f64().unwrap() < 0.0 { &subtracted[..] } else { &added };
            assert!(of.contains(&feature.as_str()), "{placed}");
        }
        let known = ["relevance", "contributions", "max_similarity", "objective", "rank_before", "moved", "propensity"];
        let unknown =
            explain.keys().filter(|key| !known.contains(&key.as_str()) && !["constraint", "relaxed", "sources"].contains(&key.as_str()));
        assert_eq!(unknown.count(), 0, "{placed}");
    }
}

async fn explaining_can_be_left_out(kind: StoreKind) {
    let world = World::start(kind).await;
    world.items(many(30, &TOPICS, 11)).await;
    let has = async |explain: &str, key: &str| {
        let page = world.feed("ana").param("explain", explain).get().await.ok();
        page.items().iter().all(|placed| placed.get(key).is_some())
    };
    assert!(!has("none", "reasons").await && !has("none", "explain").await);
    assert!(has("reasons", "reasons").await && !has("reasons", "explain").await);
    assert!(has("full", "reasons").await && has("full", "explain").await);
}

async fn items_come_as_asked(kind: StoreKind) {
    let world = World::start(kind).await;
    let mut whole = item("one", "science", "crt_1", 1);
    whole["description"] = "A long one.".into();
    whole["attributes"] = json!({"minutes": 3});
    whole["expires_at"] = "2027-01-01T00:00:00Z".into();
    world.items([whole]).await;
    let item = async |hydrate: &str| world.feed("").param("hydrate", hydrate).get().await.ok().items()[0].get("item").cloned();
    assert_eq!(item("none").await, None);
    let (card, full) = (item("card").await.unwrap(), item("full").await.unwrap());
    assert_eq!(card["title"], full["title"]);
    for key in ["description", "attributes", "expires_at"] {
        assert!(card.get(key).is_none() && full.get(key).is_some(), "{key}: {card} {full}");
    }
    assert_eq!(full["attributes"], json!({"minutes": 3}));
    assert!(full.get("embedding").is_none());
}

async fn excluded_items_do_not_come(kind: StoreKind) {
    let world = World::start(kind).await;
    world.items(many(30, &TOPICS, 11)).await;
    let ids: Vec<String> = (0..10).map(|n| format!("itm_{n:03}")).collect();
    let asked = || world.feed("ana").limit(100).param("exclude", ids.clone());
    for page in [asked().get().await.ok(), asked().post().await.ok()] {
        assert_eq!(page.items().len(), 20);
        assert!(page.ids().iter().all(|id| !ids.contains(id)));
    }
    let thousand = vec!["itm_000".to_owned(); 1_001];
    assert_eq!(world.feed("ana").param("exclude", thousand[1..].to_vec()).post().await.ok().items().len(), 20);
    assert_eq!(world.feed("ana").param("exclude", thousand.clone()).post().await.problem(), (400, "invalid-body"));
    assert_eq!(world.feed("ana").param("exclude", thousand).get().await.problem(), (400, "invalid-parameter"));
    assert_eq!(world.feed("ana").param("exclude", "").get().await.problem(), (400, "invalid-parameter"));
}

async fn surfaces_have_their_own_policies(kind: StoreKind) {
    let world = World::start(kind).await;
    world.items(many(120, &TOPICS, 17)).await;
    for (surface, size) in [("home", 20), ("video", 8), ("email_digest", 10)] {
        let page = world.feed("ana").param("surface", surface).get().await.ok();
        assert_eq!((page.items().len(), page.body["surface"].as_str().unwrap()), (size, surface));
    }
    assert_eq!(world.feed("ana").get().await.ok().body["surface"], "home");
    let digest = world.feed("ana").param("surface", "email_digest").limit(100).get().await.ok();
    assert!(digest.items().iter().all(|placed| placed["slot"] == "ranked"));
    let unknown = world.feed("ana").param("surface", "hom").get().await;
    assert_eq!(unknown.problem().1, "unknown-surface");
    assert_eq!(unknown.body["errors"][0]["pointer"], "/query/surface");
    let in_body = world.post("/v1/feed", &json!({"surface": "hom"})).await;
    assert_eq!((in_body.problem().1, &in_body.body["errors"][0]["pointer"]), ("unknown-surface", &json!("/surface")));
    assert!(unknown.body["detail"].as_str().unwrap().contains("`home`"), "{}", unknown.text);
    for limit in [1, 100] {
        assert_eq!(world.feed("ana").limit(limit).get().await.ok().items().len(), limit);
    }
}

async fn the_post_twin_answers_the_same(kind: StoreKind) {
    let (world, personas) = peopled(kind).await;
    let told = |mut answer: Answer| {
        for placed in answer.body["items"].as_array_mut().unwrap() {
            placed["track"] = Value::Null;
        }
        for key in ["feed_id", "request_id", "page"] {
            answer.body[key] = Value::Null;
        }
        answer.body
    };
    for persona in &personas {
        let ask = world.feed(persona.user.as_str()).seed(9).diversity(0.5).limit(30).param("include", "metrics").explain_full();
        let ask = ask.param("hydrate", "full").param("exclude", vec!["itm_0001", "itm_0002"]);
        assert_eq!(told(ask.clone().get().await.ok()), told(ask.post().await.ok()));
    }
}

async fn an_empty_catalogue_says_so(kind: StoreKind) {
    let world = World::start(kind).await;
    let empty = world.feed("ana").get().await;
    assert_eq!(empty.problem(), (503, "empty-catalogue"));
    assert_eq!(empty.headers["retry-after"], "2");
    world.items([item("one", "science", "crt_1", 1)]).await;
    assert_eq!(world.feed("ana").get().await.ok().ids(), ["one"]);
    world.delete_item("one").await;
    assert_eq!(world.feed("ana").get().await.problem(), (503, "empty-catalogue"));
}

async fn metrics_are_of_this_page(kind: StoreKind) {
    let world = World::start(kind).await;
    world.items(many(90, &TOPICS, 17)).await;
    assert!(world.feed("ana").get().await.ok().body.get("metrics").is_none());
    let mut page = world.feed("ana").limit(12).param("include", "metrics").get().await.ok();
    loop {
        let metrics = &page.body["metrics"];
        let number = |name: &str| metrics[name].as_f64().unwrap();
        let topics: HashSet<String> = page.ids().iter().map(|id| world.item(id).topics[0].0.to_string()).collect();
        assert_eq!(metrics["topics"], topics.len());
        let explored = page.items().iter().filter(|placed| placed["slot"] == "exploration").count();
        assert!((number("exploration_share") - explored as f64 / page.items().len() as f64).abs() < 1e-9);
        assert!((0.0..=1.0).contains(&number("ild")) && (0.0..=1.0).contains(&number("relevance_kept")), "{metrics}");
        assert!((0.0..=(topics.len() as f64).log2() + 1e-9).contains(&number("topic_entropy")), "{metrics}");
        let Some(cursor) = page.next() else { break };
        page = world.feed("ana").cursor(&cursor).limit(12).param("include", "metrics").get().await.ok();
    }
}

async fn all_faults_are_named_at_once(kind: StoreKind) {
    let world = World::start(kind).await;
    let query = "limit=0&diversity=1.5&explain=all&hydrate=some&include=all&profile=of&seed=-1&strict=yes&diversty=1";
    let answer = world.get(&format!("/v1/feed?{query}")).await;
    assert_eq!(answer.problem(), (400, "invalid-parameter"));
    assert_eq!(answer.body["errors"].as_array().unwrap().len(), 9, "{}", answer.text);
    let body = json!({"limit": 101, "diversity": "0.5", "explain": "all", "hydrate": 1, "include": "all", "profile": "of", "seed": -1,
        "strict": "yes", "diversty": 1, "exclude": ["", 7], "user": "", "surface": ""});
    let answer = world.post("/v1/feed", &body).await;
    assert_eq!(answer.problem(), (400, "invalid-body"));
    assert_eq!(answer.body["errors"].as_array().unwrap().len(), 13, "{}", answer.text);
    for diversity in ["NaN", "inf", "-0.1", "1e400", ""] {
        assert_eq!(world.get(&format!("/v1/feed?diversity={diversity}")).await.status, 400, "{diversity}");
    }
    let text = send(world.request(Method::POST, "/v1/feed").header("content-type", "text/plain").body("{}")).await;
    assert_eq!(text.problem(), (415, "unsupported-media-type"));
}

async fn a_seen_item_rests(kind: StoreKind) {
    let world = World::start(kind).await;
    world.items(many(30, &TOPICS, 11)).await;
    world.events("ana", [event("seen", "itm_001"), event("open", "itm_002")]).await;
    let ids = async || world.feed("ana").limit(100).get().await.ok().ids();
    let now = ids().await;
    assert!(!now.contains(&"itm_001".into()) && !now.contains(&"itm_002".into()) && now.len() == 28);
    world.clock.advance(polyphony::domain::Span::hours(72));
    let later = ids().await;
    assert!(later.contains(&"itm_001".into()) && !later.contains(&"itm_002".into()));
    assert_eq!(world.feed("ben").limit(100).get().await.ok().items().len(), 30);
}

async fn an_item_that_is_over_does_not_come(kind: StoreKind) {
    let world = World::start(kind).await;
    let (mut short, mut early) = (item("short", "science", "crt_1", 1), item("early", "food", "crt_2", -1));
    short["expires_at"] = "2026-10-09T08:15:01Z".into();
    early["title"] = "Tomorrow".into();
    world.items([short, early, item("plain", "music", "crt_3", 1)]).await;
    let ids = async || world.feed("ana").get().await.ok().ids().into_iter().collect::<HashSet<_>>();
    assert_eq!(ids().await, HashSet::from(["short".to_owned(), "plain".to_owned()]));
    world.clock.advance(polyphony::domain::Span::hours(1));
    assert_eq!(ids().await, HashSet::from(["early".to_owned(), "plain".to_owned()]));
}
