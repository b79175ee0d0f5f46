//! What each mode may use: blocks bind in all of them, and but for the full profile nobody's history makes a difference.

use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, TestRunner},
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::world::{Answer, StoreKind, World, event, item, many, on_both_stores, send};

on_both_stores! {
    blocks_bind_in_every_mode
    equal_settings_give_equal_items
    what_is_said_is_kept_where_nothing_is_inferred
    by_time_is_newest_first_to_the_end
    a_page_is_what_it_says_also_when_the_mode_changed
}

const TOPICS: [&str; 6] = ["science", "politics", "food", "music", "sport", "travel"];
const MODES: [&str; 5] = ["profile", "explicit_only", "no_profile", "chronological", "client_profile"];
/// Settings tried in the test of equal settings.
const CASES: usize = 6;

async fn put(world: &World, user: &str, preferences: &Value) -> Answer {
    send(world.request(Method::PUT, &format!("/v1/users/{user}/preferences")).json(preferences)).await.ok()
}

fn scoped(kind: &str, item: &str, scope: &str) -> Value {
    let mut event = event(kind, item);
    event["scope"] = json!(scope);
    event
}

/// Two pages, asked in `mode`.
async fn two_pages(world: &World, user: &str, mode: &str) -> Vec<Value> {
    let ask = || world.feed(user).limit(12).param("mode", mode);
    let first = ask().get().await.ok();
    let second = ask().cursor(&first.next().unwrap()).get().await.ok();
    [first.items(), second.items()].concat()
}

async fn blocks_bind_in_every_mode(kind: StoreKind) {
    let world = World::start(kind).await;
    world.items(many(120, &TOPICS, 17)).await;
    world
        .items((0..9).map(|n| {
            let mut item = item(&format!("fr_{n}"), "science", "crt_fr", n);
            item["language"] = json!("fr");
            item
        }))
        .await;
    // The creator of the newest item, and one item by itself.
    world.events("ana", [scoped("hide", "itm_000", "creator"), event("hide", "itm_002")]).await;
    let breaks = |item: &Value| {
        let card = &item["item"];
        card["creator"]["id"] == "crt_0" || item["id"] == "itm_002" || card["topics"][0]["topic"] == "sport" || card["language"] == "fr"
    };
    for chosen in MODES {
        put(&world, "ana", &json!({"mode": chosen, "topics": {"sport": -1.0}, "languages": ["en"]})).await;
        for asked in MODES {
            let pages = two_pages(&world, "ana", asked).await;
            assert_eq!(pages.len(), 24, "{chosen} {asked}");
            let broken: Vec<&Value> = pages.iter().filter(|item| breaks(item)).collect();
            assert!(broken.is_empty(), "{chosen} {asked}: {broken:?}");
        }
    }
    let without = two_pages(&world, "", "no_profile").await;
    assert!(without.iter().any(breaks), "somebody without blocks sees what ana blocked");
}

/// The items word for word, but for the track, which is each feed's own.
fn without_tracks(mut items: Vec<Value>) -> String {
    items.iter_mut().for_each(|item| drop(item.as_object_mut().unwrap().remove("track")));
    serde_json::to_string(&items).unwrap()
}

fn settings() -> impl Strategy<Value = (Value, Vec<usize>)> {
    let topics = prop::collection::btree_map(prop::sample::select(TOPICS.to_vec()), prop::sample::select(vec![-1.0, -0.5, 0.5, 1.0]), 0..3);
    let diversity = prop::option::of(0.0..=1.0f64);
    let muted = prop::collection::vec(0..90usize, 0..4);
    (topics, diversity, muted).prop_map(|(topics, diversity, muted)| {
        let mut preferences = json!({ "topics": topics });
        if let Some(diversity) = diversity {
            preferences["diversity"] = json!(diversity);
        }
        (preferences, muted)
    })
}

async fn equal_settings_give_equal_items(kind: StoreKind) {
    let world = World::start(kind).await;
    world.items(many(90, &TOPICS, 17)).await;
    let mut runner = TestRunner::new_with_rng(Config::default(), proptest::test_runner::TestRng::deterministic_rng(Default::default()));
    let names = |case: usize| [format!("ana{case}"), format!("ben{case}"), format!("new{case}")];
    let cases: Vec<(Value, Vec<usize>)> = (0..CASES).map(|_| settings().new_tree(&mut runner).unwrap().current()).collect();
    for (case, (_, muted)) in cases.iter().enumerate() {
        let names = names(case);
        for (of, name) in names.iter().enumerate() {
            // One likes science, one food, one has done nothing.
            let history = (0..6 * usize::from(of < 2)).map(|n| event("like", &format!("itm_{:03}", n * 6 + 2 * of)));
            let muted = muted.iter().map(|n| event("hide", &format!("itm_{n:03}")));
            let events: Vec<Value> = history.chain(muted).collect();
            if !events.is_empty() {
                world.events(name, events).await;
            }
        }
    }
    // Popularity comes back in its order: this is there when all is, and the catalogue is the same for all from here on.
    world.events("last", [event("like", "itm_089")]).await;
    world.popularity_of(&["itm_089"]).await;
    for (case, (mut preferences, _)) in cases.into_iter().enumerate() {
        let names = names(case);
        let [ana, ben, new] = &names;
        for mode in MODES {
            preferences["mode"] = json!(mode);
            for name in &names {
                put(&world, name, &preferences).await;
            }
            let pages = async |name: &str| without_tracks(two_pages(&world, name, "profile").await);
            let (of_ana, of_ben, of_new) = (pages(ana).await, pages(ben).await, pages(new).await);
            if mode == "profile" {
                assert_ne!(of_ana, of_ben, "histories count where they may: {preferences}");
            } else {
                assert_eq!(of_ana, of_ben, "{preferences}");
                assert_eq!(of_ana, of_new, "{preferences}");
            }
        }
    }
}

async fn what_is_said_is_kept_where_nothing_is_inferred(kind: StoreKind) {
    let world = World::start(kind).await;
    world.items(many(90, &TOPICS, 17)).await;
    put(&world, "ana", &json!({"mode": "explicit_only"})).await;
    let science = async || {
        let page = world.feed("ana").limit(30).get().await.ok();
        page.items().iter().filter(|item| item["item"]["topics"][0]["topic"] == "science").count()
    };
    let before = science().await;
    world.events("ana", [scoped("less_like", "itm_006", "topic")]).await;
    let after = science().await;
    assert!(after < before, "{after} of {before}");
    let mut taken_back = scoped("less_like", "itm_006", "topic");
    taken_back["undo"] = json!(true);
    world.events("ana", [taken_back]).await;
    assert_eq!(science().await, before);

    put(&world, "ana", &json!({"mode": "no_profile"})).await;
    let answer = world.try_events("ana", &[event("open", "itm_001"), event("less_like", "itm_007")]).await;
    assert_eq!((&answer.body["accepted"], &answer.body["ignored"]), (&json!(1), &json!(1)), "{}", answer.body);
    let page = world.feed("ana").limit(60).get().await.ok();
    assert!(!page.ids().contains(&"itm_007".to_owned()));
}

async fn by_time_is_newest_first_to_the_end(kind: StoreKind) {
    let world = World::start(kind).await;
    world.items(many(50, &TOPICS, 7)).await;
    let newest: Vec<String> = (0..50).map(|n| format!("itm_{n:03}")).collect();
    world.events("ana", (0..6).map(|n| event("like", &format!("itm_{:03}", n * 5 + 20)))).await;
    for user in ["ana", "ben", ""] {
        let mut shown = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let ask = world.feed(user).limit(20).diversity(1.0).param("mode", "chronological");
            let page = match &cursor {
                None => ask.get().await.ok(),
                Some(cursor) => ask.cursor(cursor).get().await.ok(),
            };
            assert_eq!(page.body["personalised"], false);
            assert_eq!(page.body["policy"]["id"], "chronological");
            shown.extend(page.ids());
            cursor = page.next();
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(shown, newest, "`{user}`");
    }
    // Chosen for good, it is what a request without a mode gives.
    put(&world, "ana", &json!({"mode": "chronological"})).await;
    assert_eq!(world.feed("ana").limit(20).get().await.ok().ids(), newest[..20]);
    world.events("ana", [event("hide", "itm_001")]).await;
    assert_eq!(world.feed("ana").limit(2).get().await.ok().ids(), ["itm_000", "itm_002"]);
}

/// A feed that was begun in another mode is left for a new one, without what it served.
async fn a_page_is_what_it_says_also_when_the_mode_changed(kind: StoreKind) {
    let world = World::start(kind).await;
    world.items(many(120, &TOPICS, 17)).await;
    world.events("ana", (0..8).map(|n| event("like", &format!("itm_{:03}", n * 6)))).await;
    let inferred = |page: &Answer| {
        let reasons = page.items().iter().flat_map(|item| item["reasons"].as_array().cloned().unwrap_or_default());
        reasons
            .filter(|reason| !["fresh", "popular", "breadth", "new_item", "new_to_you"].contains(&reason["code"].as_str().unwrap()))
            .count()
    };
    let first = world.feed("ana").limit(8).get().await.ok();
    assert!(inferred(&first) > 0, "{}", first.text);
    let next = || world.feed("ana").limit(8).cursor(&first.next().unwrap());
    for ask in [next().param("mode", "explicit_only"), next().header("Age-Group", "minor")] {
        let page = ask.clone().get().await.ok();
        assert_eq!((&page.body["privacy"]["mode"], &page.body["page"]["restarted"]), (&json!("explicit_only"), &json!(true)));
        assert_eq!(inferred(&page), 0, "{}", page.text);
        assert!(page.ids().iter().all(|id| !first.ids().contains(id)), "{:?}", page.ids());
        assert_eq!(ask.param("strict", "true").get().await.problem(), (410, "cursor-expired"));
        // The new feed goes on in its mode.
        let more = world.feed("ana").limit(8).param("mode", "explicit_only").cursor(&page.next().unwrap()).get().await.ok();
        assert_eq!((more.feed_id(), &more.body["page"]["restarted"]), (page.feed_id(), &Value::Null), "{}", more.text);
        let widened = world.feed("ana").limit(8).cursor(&page.next().unwrap()).get().await.ok();
        assert_eq!((&widened.body["privacy"]["mode"], &widened.body["page"]["restarted"]), (&json!("profile"), &json!(true)));
    }
    // An opt-out counts from the next page on.
    put(&world, "ana", &json!({"mode": "explicit_only"})).await;
    let page = next().get().await.ok();
    assert_eq!((&page.body["privacy"]["mode"], inferred(&page)), (&json!("explicit_only"), 0), "{}", page.text);
}
