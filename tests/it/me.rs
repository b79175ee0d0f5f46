//! What a person sets: kept, checked, and binding for every feed from the next request on.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::world::{Answer, StoreKind, World, event, many, on_both_stores, send};

on_both_stores! {
    preferences_are_kept_and_checked
    without_a_profile_histories_make_no_difference
    what_was_said_counts_and_what_was_inferred_does_not
    a_request_narrows_the_choice_and_never_widens_it
}

const TOPICS: [&str; 6] = ["science", "politics", "food", "music", "sport", "travel"];

async fn put(world: &World, user: &str, preferences: Value) -> Answer {
    send(world.request(Method::PUT, &format!("/v1/users/{user}/preferences")).json(&preferences)).await
}

/// `ana` likes science and `ben` food; `cleo` is new.
async fn three(kind: StoreKind) -> World {
    let world = World::start(kind).await;
    world.items(many(90, &TOPICS, 17)).await;
    world.events("ana", (0..6).map(|n| event("like", &format!("itm_{:03}", n * 6)))).await;
    world.events("ben", (0..6).map(|n| event("like", &format!("itm_{:03}", n * 6 + 2)))).await;
    let liked: Vec<String> = (0..6).flat_map(|n| [n * 6, n * 6 + 2]).map(|n| format!("itm_{n:03}")).collect();
    world.popularity_of(&liked.iter().map(String::as_str).collect::<Vec<_>>()).await;
    world
}

async fn preferences_are_kept_and_checked(kind: StoreKind) {
    let world = three(kind).await;
    let defaults = json!({"mode": "profile", "topics": {}, "languages": [], "blocked_keywords": [], "pauses": [], "push_categories": []});
    assert_eq!(world.get("/v1/users/cleo/preferences").await.ok().body, defaults);
    let wanted = json!({"mode": "explicit_only", "diversity": 0.5, "topics": {"science": 1.0, "sport": -1.0}, "languages": ["en"],
        "blocked_keywords": ["royal wedding"], "pauses": ["20m", "1h"], "push_categories": ["breaking"], "time_zone": "Europe/Berlin"});
    assert_eq!(put(&world, "ana", wanted.clone()).await.ok().body, wanted);
    assert_eq!(world.get("/v1/users/ana/preferences").await.ok().body, wanted);
    assert_eq!(world.counted("ana").await, 6, "the rest of the profile stays");

    let wrong = json!({"mod": 1, "mode": "profil", "diversity": 2, "topics": {"science": 1.5}, "languages": "en"});
    let answer = put(&world, "ana", wrong).await;
    assert_eq!(answer.problem(), (400, "invalid-body"));
    let pointers: Vec<&str> = answer.body["errors"].as_array().unwrap().iter().map(|e| e["pointer"].as_str().unwrap()).collect();
    for pointer in ["/mod", "/mode", "/diversity", "/topics/science", "/languages"] {
        assert!(pointers.contains(&pointer), "{pointer}: {pointers:?}");
    }
    assert_eq!(world.get("/v1/users/ana/preferences").await.ok().body, wanted);
    assert_eq!(world.get("/v1/me/preferences").await.problem(), (403, "forbidden"));
}

/// Non-interference: whoever chose no profile gets what a stranger who chose it gets, item for item and word for word.
async fn without_a_profile_histories_make_no_difference(kind: StoreKind) {
    let world = three(kind).await;
    let own = world.feed("ana").limit(40).get().await.ok();
    for user in ["ana", "ben", "cleo"] {
        put(&world, user, json!({"mode": "no_profile"})).await.ok();
    }
    let nobody = world.feed("").limit(40).get().await.ok();
    assert_ne!(own.ids(), nobody.ids());
    for user in ["ana", "ben", "cleo"] {
        let page = world.feed(user).limit(40).get().await.ok();
        assert_eq!(page.ids(), nobody.ids(), "{user}");
        assert_eq!((page.items().len(), &page.body["personalised"]), (40, &json!(false)));
    }
    // The history is kept: the choice is as easily taken back.
    put(&world, "ana", json!({"mode": "profile"})).await.ok();
    assert_eq!(world.feed("ana").limit(40).get().await.ok().body["personalised"], true);
}

/// Two with the same settings and different histories are told apart by nothing but the draws, which a seed fixes.
async fn what_was_said_counts_and_what_was_inferred_does_not(kind: StoreKind) {
    let world = three(kind).await;
    let page = async |user: &str| world.feed(user).limit(40).seed(7).get().await.ok();
    assert_ne!(page("ana").await.ids(), page("ben").await.ids());
    for user in ["ana", "ben", "cleo"] {
        put(&world, user, json!({"mode": "explicit_only", "topics": {"travel": 1.0}})).await.ok();
    }
    let (ana, ben, cleo) = (page("ana").await, page("ben").await, page("cleo").await);
    assert_eq!(ana.ids(), ben.ids());
    assert_eq!(ana.ids(), cleo.ids());
    put(&world, "cleo", json!({"mode": "explicit_only", "topics": {"travel": -1.0}})).await.ok();
    assert_ne!(page("cleo").await.ids(), ana.ids(), "what is said counts");
}

async fn a_request_narrows_the_choice_and_never_widens_it(kind: StoreKind) {
    let world = three(kind).await;
    let personalised = async |mode: &str| world.feed("ana").param("mode", mode).get().await.ok().body["personalised"].clone();
    assert_eq!(personalised("profile").await, true);
    assert_eq!(personalised("no_profile").await, false);
    put(&world, "ana", json!({"mode": "no_profile"})).await.ok();
    for mode in ["profile", "explicit_only", "no_profile"] {
        assert_eq!(personalised(mode).await, false, "{mode}");
    }
    assert_eq!(world.feed("ana").param("mode", "profil").get().await.problem(), (400, "invalid-parameter"));
}
