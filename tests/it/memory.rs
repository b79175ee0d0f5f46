//! What the feed knows over time, over HTTP: the very next page, the next feed, strangers and new items.

use polyphony::domain::{ItemId, Profile, UserId, policy::TopicPrior};
use serde_json::{Value, json};

use crate::support::{
    app::NOW,
    world::{Answer, StoreKind, World, event, eventually, item, many, on_both_stores},
};

on_both_stores! {
    less_like_acts_on_the_very_next_page
    a_mute_acts_on_the_very_next_page
    a_reader_who_turns_everything_down_still_gets_pages
    the_next_feed_turns_to_what_was_shown_less
    an_item_passed_by_comes_back_lower
    impressions_and_opens_reach_the_catalogue
    a_reader_who_only_asked_is_answered
    the_pool_has_candidates_of_each_interest
    a_surface_gives_strangers_its_topics
}

const TOPICS: [&str; 6] = ["science", "politics", "food", "music", "sport", "travel"];

fn scoped(kind: &str, item: &str, scope: &str) -> Value {
    let mut event = event(kind, item);
    event["scope"] = scope.into();
    event
}

fn topic(placed: &Value) -> &str {
    placed["item"]["topics"][0]["topic"].as_str().unwrap()
}

fn topics(page: &Answer) -> Vec<&str> {
    page.items().iter().map(topic).collect()
}

fn contribution(placed: &Value, feature: &str) -> f64 {
    placed["explain"]["contributions"][feature].as_f64().unwrap_or(0.0)
}

async fn world(kind: StoreKind) -> World {
    let world = World::start(kind).await;
    world.items(many(90, &TOPICS, 31)).await;
    world
}

async fn less_like_acts_on_the_very_next_page(kind: StoreKind) {
    let world = world(kind).await;
    world.events("ana", (0..4).map(|n| event("open", &format!("itm_{:03}", n * 6)))).await;
    let first = world.feed("ana").limit(8).diversity(0.0).get().await.ok();
    let without = world.feed("ana").limit(8).diversity(0.0).get().await.ok();
    assert!(topics(&first).iter().filter(|topic| **topic == "science").count() >= 4, "{:?}", topics(&first));
    let turned_down = first.items().iter().find(|placed| topic(placed) == "science").unwrap();
    world.events("ana", [scoped("less_like", turned_down["id"].as_str().unwrap(), "topic")]).await;
    let second = world.feed("ana").cursor(&first.next().unwrap()).limit(30).get().await.ok();
    assert_eq!(second.feed_id(), first.feed_id());
    assert!(topics(&second).iter().all(|topic| *topic != "science"), "{:?}", topics(&second));
    // Every topic but that one is there to read; and what was frozen before stays as it was.
    let again = world.feed("ana").cursor(&without.next().unwrap()).limit(80).get().await.ok();
    let whole = topics(&again);
    assert!(!whole[..30].contains(&"science") && whole[30..].contains(&"science"), "it is demoted, not gone: {whole:?}");
    let retried = world.feed("ana").cursor(&first.next().unwrap()).limit(30).get().await.ok();
    assert_eq!(retried.ids(), second.ids());
}

async fn a_mute_acts_on_the_very_next_page(kind: StoreKind) {
    let world = world(kind).await;
    let first = world.feed("ana").limit(5).get().await.ok();
    let muted = topic(&first.items()[0]);
    world.events("ana", [scoped("hide", &first.ids()[0], "topic")]).await;
    let mut next = first.next();
    while let Some(cursor) = next {
        let page = world.feed("ana").cursor(&cursor).limit(50).get().await.ok();
        assert!(!topics(&page).contains(&muted));
        next = page.next();
    }
}

async fn a_reader_who_turns_everything_down_still_gets_pages(kind: StoreKind) {
    let world = world(kind).await;
    let first = world.feed("ana").limit(6).get().await.ok();
    world.events("ana", (0..6).map(|n| scoped("less_like", &format!("itm_{n:03}"), "topic"))).await;
    let second = world.feed("ana").cursor(&first.next().unwrap()).limit(20).get().await.ok();
    assert_eq!(second.ids().len(), 20);
    assert_eq!(world.feed("ana").limit(20).get().await.ok().ids().len(), 20);
}

async fn the_next_feed_turns_to_what_was_shown_less(kind: StoreKind) {
    let world = world(kind).await;
    let opened = ["itm_000", "itm_001", "itm_006", "itm_007"];
    world.events("ana", opened.map(|id| event("open", id))).await;
    // Twelve of science passed by, none of politics.
    world.events("ana", (2..14).map(|n| event("seen", &format!("itm_{:03}", n * 6)))).await;
    let page = world.feed("ana").limit(60).explain_full().get().await.ok();
    let repetition = |topic: &str| {
        let of_topic = page.items().iter().zip(topics(&page)).filter(|(_, t)| *t == topic);
        let values: Vec<f64> = of_topic.map(|(placed, _)| contribution(placed, "repetition")).collect();
        values.iter().sum::<f64>() / values.len() as f64
    };
    assert!(repetition("science") < repetition("politics") && repetition("politics") <= 0.0);
    let lead = |topic: &str| topics(&page).iter().position(|t| *t == topic).unwrap();
    assert!(lead("politics") < lead("science"), "{:?}", topics(&page));
}

async fn an_item_passed_by_comes_back_lower(kind: StoreKind) {
    let world = world(kind).await;
    let ids = ["itm_000", "itm_001"];
    world.events("ana", [event("seen", ids[0]), event("seen", ids[0]), event("seen", ids[0])]).await;
    world.clock.advance(polyphony::domain::Span::days(4));
    let page = world.feed("ana").limit(90).diversity(0.0).explain_full().get().await.ok();
    let placed = page.items().iter().find(|placed| placed["id"] == ids[0]).unwrap();
    let parts = placed["explain"]["contributions"].as_object().unwrap();
    let rest: f64 = parts.iter().filter(|(name, _)| *name != "impressions").map(|(_, part)| part.as_f64().unwrap()).sum();
    let whole = rest + contribution(placed, "impressions");
    assert!((whole - rest * 0.7f64.powi(3)).abs() < 1e-6, "{placed}");
    // It was the newest: the first of all, had it not been passed by.
    assert!(page.ids().iter().position(|id| id == ids[1]) < page.ids().iter().position(|id| id == ids[0]));
}

async fn impressions_and_opens_reach_the_catalogue(kind: StoreKind) {
    let world = world(kind).await;
    let at = |kind: &str, position: u32| {
        let mut event = event(kind, "itm_003");
        event["position"] = position.into();
        event
    };
    // What newcomers do counts apart.
    world.events("ana", [event("seen", "itm_089")]).await;
    world.clock.advance(polyphony::domain::Span::hours(25));
    world.events("ana", [at("seen", 0), at("seen", 20), at("open", 20), event("seen", "itm_004")]).await;
    let popularity = || {
        let snapshot = world.app.feed.catalogue.snapshot();
        let of = |id: &str| snapshot.popularity(snapshot.find(&ItemId::new(id).unwrap()).unwrap());
        (of("itm_003"), of("itm_004"), of("itm_005"))
    };
    eventually("impressions come back", async || popularity().1.impressions > 0.0 && popularity().0.opens > 0.0).await;
    let (opened, passed_by, unseen) = popularity();
    assert!((opened.impressions - 1.5).abs() < 1e-6 && (opened.opens - 1.0).abs() < 1e-6 && opened.weight > 0.9, "{opened:?}");
    assert!(passed_by.weight == 0.0 && unseen.impressions == 0.0, "an impression is not a use");
    // The newer and unknown ones among them get a start.
    let page = world.feed("ben").limit(90).explain_full().get().await.ok();
    let start = |id: &str| contribution(page.items().iter().find(|placed| placed["id"] == id).unwrap(), "uncertainty");
    assert!(start("itm_005") > start("itm_004") && start("itm_004") > 0.0);
}

async fn a_reader_who_only_asked_is_answered(kind: StoreKind) {
    let world = world(kind).await;
    let mut asked = Profile::default();
    asked.preferences.topics = [("music".into(), 1.0)].into();
    world.app.store.commit_profile(&UserId::new("ana").unwrap(), 0, &asked, &[], NOW).await.unwrap();
    let page = world.feed("ana").limit(5).diversity(0.0).explain_full().get().await.ok();
    assert_eq!(page.body["personalised"], true);
    let placed = page.items().iter().filter(|placed| topic(placed) == "music").collect::<Vec<_>>();
    assert!(placed.len() >= 3, "{:?}", topics(&page));
    for placed in placed {
        assert!(placed["explain"]["sources"].as_array().unwrap().contains(&json!("interest")), "{placed}");
        assert_eq!(placed["reasons"][0]["code"], "matches_topic");
    }
}

async fn the_pool_has_candidates_of_each_interest(kind: StoreKind) {
    let world = World::with(kind, |settings| {
        settings.policy.retrieve.candidates = 60;
        settings.policy.retrieve.sources.outside = 0.0;
    })
    .await;
    let direction = |subject: usize, n: usize| {
        let mut numbers = vec![0.0; 32];
        numbers[subject] = 1.0;
        numbers[10 + n % 20] = 0.2;
        numbers
    };
    // Old items without topics: only the embedding can find them.
    let about = |subject: usize, n: usize| {
        let published = polyphony::wire::time::render(NOW.minus(polyphony::domain::Span::days(30)));
        json!({ "id": format!("s{subject}_{n}"), "title": "x", "embedding": direction(subject, n), "published_at": published })
    };
    world.items((0..2).flat_map(|subject| (0..60).map(move |n| (subject, n))).map(|(subject, n)| about(subject, n))).await;
    world.items((0..200).map(|n| item(&format!("new_{n}"), "food", &format!("c{n}"), 1))).await;
    // Nine in ten of the first subject.
    world.events("ana", (0..36).map(|n| event("open", &format!("s0_{n}"))).chain((0..4).map(|n| event("open", &format!("s1_{n}"))))).await;
    let page = world.feed("ana").limit(60).explain_full().get().await.ok();
    let near = |subject: &str| {
        let found = page.items().iter().filter(|placed| placed["id"].as_str().unwrap().starts_with(subject));
        found.filter(|placed| placed["explain"]["sources"].as_array().unwrap().contains(&json!("interest"))).count()
    };
    assert!(near("s0_") >= 10 && near("s1_") >= 2, "{} {}", near("s0_"), near("s1_"));
}

async fn a_surface_gives_strangers_its_topics(kind: StoreKind) {
    let world = world(kind).await;
    world.swap_policy("home", |policy| policy.score.prior = vec![TopicPrior { topic: "travel".into(), weight: 1.0 }]).await;
    for user in ["", "ana"] {
        let page = world.feed(user).limit(5).diversity(0.0).get().await.ok();
        let first = &page.items()[0];
        assert_eq!(topic(first), "travel", "{:?}", topics(&page));
        assert_eq!(first["reasons"][0]["code"], "surface_topic", "{first}");
    }
    world.events("ana", (0..15).map(|n| event("open", &format!("itm_{:03}", n * 6)))).await;
    world.events("ana", (0..15).map(|n| event("like", &format!("itm_{:03}", n * 6)))).await;
    world.items([item("late", "science", "crt_late", 0)]).await;
    let page = world.feed("ana").limit(1).diversity(0.0).get().await.ok();
    assert_eq!(page.ids(), ["late"], "what ana shows outweighs it");
}
