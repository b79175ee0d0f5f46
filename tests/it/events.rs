//! Events over HTTP: what is taken, what is not, and what they do to the next feed.

use jsonwebtoken::{EncodingKey, Header};
use polyphony::{domain::Span, settings::Secret};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{
    app::NOW,
    world::{Answer, StoreKind, World, event, many, on_both_stores, send},
};

on_both_stores! {
    each_event_is_taken_or_refused_by_itself
    a_repeated_id_is_learned_once
    an_id_is_forgotten_after_48_hours
    an_undo_takes_back_what_was_done
    a_hidden_item_returns_when_that_is_taken_back
    a_clock_ahead_is_set_back
    late_events_are_taken_for_a_week
    a_token_speaks_for_its_subject_only
    a_batch_has_its_bounds
    a_beacon_is_understood
    two_writers_at_once_lose_nothing
    a_track_proves_where_it_was_served
    a_muted_creator_never_leaks
}

const TOPICS: [&str; 6] = ["science", "politics", "food", "music", "sport", "travel"];

async fn world(kind: StoreKind) -> World {
    let world = World::start(kind).await;
    world.items(many(60, &TOPICS, 13)).await;
    world
}

fn counts(answer: &Answer) -> (u64, u64, usize) {
    assert_eq!(answer.status, 202, "{}", answer.text);
    let number = |key: &str| answer.body[key].as_u64().unwrap();
    (number("accepted"), number("duplicates"), answer.body["rejected"].as_array().unwrap().len())
}

/// Index and last part of the problem of everything rejected.
fn rejected(answer: &Answer) -> Vec<(u64, String)> {
    let kind = |r: &Value| r["type"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    answer.body["rejected"].as_array().unwrap().iter().map(|r| (r["index"].as_u64().unwrap(), kind(r))).collect()
}

fn with(mut event: Value, key: &str, value: impl Into<Value>) -> Value {
    event[key] = value.into();
    event
}

async fn each_event_is_taken_or_refused_by_itself(kind: StoreKind) {
    let world = world(kind).await;
    let twice = event("like", "itm_002");
    let sent = [
        event("open", "itm_001"),
        twice.clone(),
        twice,
        event("open", "nowhere"),
        event("opne", "itm_001"),
        with(event("seen", "itm_001"), "track", "v1.AAAA"),
        with(event("hide", "itm_001"), "undo", true),
        event("x_poked", "itm_003"),
        with(event("dwell", "itm_004"), "visible_ms", -1),
        json!(7),
        with(event("open", "itm_005"), "undo", true),
        with(event("seen", "itm_005"), "colour", "red"),
    ];
    let answer = world.try_events("ana", &sent).await;
    assert_eq!(counts(&answer), (3, 1, 8), "{}", answer.text);
    let expected = [
        (3, "unknown-item"),
        (4, "unknown-type"),
        (5, "invalid-event"),
        (6, "nothing-to-undo"),
        (8, "invalid-event"),
        (9, "invalid-event"),
        (10, "invalid-event"),
        (11, "invalid-event"),
    ];
    assert_eq!(rejected(&answer), expected.map(|(index, kind)| (index, kind.to_owned())));
    assert!(answer.body["rejected"][1]["detail"].as_str().unwrap().contains("did you mean `open`?"), "{}", answer.text);
    assert_eq!(answer.body["rejected"][0]["id"], sent[3]["id"]);
    assert_eq!(world.counted("ana").await, 3);
}

async fn a_repeated_id_is_learned_once(kind: StoreKind) {
    let world = world(kind).await;
    let sent = [event("open", "itm_001"), event("like", "itm_002")];
    assert_eq!(counts(&world.try_events("ana", &sent).await), (2, 0, 0));
    assert_eq!(counts(&world.try_events("ana", &sent).await), (0, 2, 0));
    let more = [sent[0].clone(), event("open", "itm_003"), sent[1].clone()];
    assert_eq!(counts(&world.try_events("ana", &more).await), (1, 2, 0));
    assert_eq!(world.counted("ana").await, 3);
    // Another person's event may have the same id.
    assert_eq!(counts(&world.try_events("ben", &sent).await), (2, 0, 0));
}

async fn an_id_is_forgotten_after_48_hours(kind: StoreKind) {
    let world = world(kind).await;
    let sent = [event("open", "itm_001")];
    assert_eq!(counts(&world.try_events("ana", &sent).await), (1, 0, 0));
    world.clock.advance(Span::millis(48 * 3_600_000 - 1));
    assert_eq!(counts(&world.try_events("ana", &sent).await), (0, 1, 0));
    world.clock.advance(Span::millis(2));
    assert_eq!(counts(&world.try_events("ana", &sent).await), (1, 0, 0));
}

async fn an_undo_takes_back_what_was_done(kind: StoreKind) {
    let world = world(kind).await;
    for act in ["like", "save", "follow", "hide", "more_like", "less_like", "report"] {
        let back = || [with(event(act, "itm_001"), "undo", true)];
        let early = world.try_events("ana", &back()).await;
        assert_eq!(rejected(&early), [(0, "nothing-to-undo".to_owned())], "{act}");
        world.events("ana", [event(act, "itm_001")]).await;
        assert_eq!(counts(&world.try_events("ana", &back()).await), (1, 0, 0), "{act}");
        assert_eq!(rejected(&world.try_events("ana", &back()).await), [(0, "nothing-to-undo".to_owned())], "{act}");
    }
    let profile = world.app.store.profile(&polyphony::domain::UserId::new("ana").unwrap()).await.unwrap().unwrap();
    assert!(profile.mutes.is_empty() && profile.follows.is_empty() && profile.actions.is_empty());
    assert!(profile.affinities.iter().all(|a| a.liking < 1e-3) && profile.dislikes.is_empty(), "{profile:?}");
    // Also in one call, in the order of their times, not of the list.
    let at = |event: Value, time: &str| with(event, "at", format!("2026-10-09T08:00:{time}Z"));
    let sent = [at(with(event("hide", "itm_009"), "undo", true), "02"), at(event("hide", "itm_009"), "01")];
    assert_eq!(counts(&world.try_events("ana", &sent).await), (2, 0, 0));
}

async fn a_hidden_item_returns_when_that_is_taken_back(kind: StoreKind) {
    let world = world(kind).await;
    let has = async || world.feed("ana").limit(100).get().await.ok().ids().contains(&"itm_001".to_owned());
    for act in ["hide", "less_like", "report"] {
        world.events("ana", [event(act, "itm_001")]).await;
        world.clock.advance(Span::hours(73));
        assert!(!has().await, "{act}: it does not fade");
        world.events("ana", [with(event(act, "itm_001"), "undo", true)]).await;
        assert!(has().await, "{act}");
    }
}

async fn a_clock_ahead_is_set_back(kind: StoreKind) {
    let world = world(kind).await;
    let ahead = |minutes: i64| with(event("open", "itm_001"), "at", polyphony::wire::time::render(NOW.plus(Span::minutes(minutes))));
    let answer = world.try_events("ana", &[ahead(5), ahead(6), ahead(60 * 24 * 365)]).await;
    assert_eq!((counts(&answer), &answer.body["clamped"]), ((3, 0, 0), &json!(2)));
    let profile = world.app.store.profile(&polyphony::domain::UserId::new("ana").unwrap()).await.unwrap().unwrap();
    assert_eq!(profile.as_of, NOW.plus(Span::minutes(5)));
}

async fn late_events_are_taken_for_a_week(kind: StoreKind) {
    let world = world(kind).await;
    let ago = |hours: i64| with(event("open", "itm_001"), "at", polyphony::wire::time::render(NOW.minus(Span::hours(hours))));
    let answer = world.try_events("ana", &[ago(7 * 24), ago(7 * 24 + 1)]).await;
    assert_eq!(counts(&answer), (1, 0, 1), "{}", answer.text);
    assert_eq!(answer.body["rejected"][0]["errors"][0]["pointer"], "/at");
}

async fn a_token_speaks_for_its_subject_only(kind: StoreKind) {
    const SECRET: &str = "0123456789abcdef0123456789abcdef";
    let world = World::with(kind, |settings| {
        settings.auth.server_keys = vec![Secret::new("server-key-0123456789")];
        settings.auth.jwt_secret = Secret::new(SECRET);
    })
    .await;
    let items = many(3, &TOPICS, 3);
    let put = world.request(Method::POST, "/v1/items").bearer_auth("server-key-0123456789").json(&items);
    assert_eq!(send(put).await.status, 200);
    let claims = json!({ "sub": "ana", "exp": NOW.0 / 1_000 + 60, "surfaces": ["home"] });
    let token = jsonwebtoken::encode(&Header::default(), &claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap();
    let post = async |body: Value| send(world.request(Method::POST, "/v1/events").bearer_auth(&token).json(&body)).await;
    assert_eq!(counts(&post(json!({"events": [event("open", "itm_001")]})).await), (1, 0, 0));
    let named = [with(event("open", "itm_001"), "user", "ana"), with(event("open", "itm_001"), "user", "ben")];
    let answer = post(json!({ "events": named })).await;
    assert_eq!((counts(&answer), rejected(&answer)), ((1, 0, 1), vec![(1, "invalid-event".to_owned())]));
    assert_eq!(post(json!({"user": "ben", "events": [event("open", "itm_001")]})).await.problem(), (403, "forbidden"));
    assert_eq!((world.counted("ana").await, world.counted("ben").await), (2, 0));
    let item = send(world.request(Method::PUT, "/v1/items/itm_001").bearer_auth(&token).json(&items[1])).await;
    assert_eq!(item.problem(), (403, "forbidden"));
}

async fn a_batch_has_its_bounds(kind: StoreKind) {
    let world = world(kind).await;
    let batch = |count: usize| (0..count).map(|n| event("seen", &format!("itm_{:03}", n % 60))).collect::<Vec<_>>();
    assert_eq!(counts(&world.try_events("ana", &batch(1_000)).await), (1_000, 0, 0));
    for count in [0, 1_001] {
        assert_eq!(world.try_events("ana", &batch(count)).await.problem(), (400, "invalid-body"), "{count}");
    }
    assert_eq!(world.counted("ana").await, 1_000);
    let nobody = world.post("/v1/events", &json!({"events": [event("open", "itm_001")]})).await;
    assert_eq!((counts(&nobody), nobody.body["rejected"][0]["errors"][0]["pointer"].clone()), ((0, 0, 1), json!("/user")));
    for wrong in
        [json!([]), json!({}), json!({"events": 1}), json!({"events": [1], "user": ""}), json!({"events": [1], "usr": "a"}), json!(null)]
    {
        assert_eq!(world.post("/v1/events", &wrong).await.problem(), (400, "invalid-body"), "{wrong}");
    }
}

async fn a_beacon_is_understood(kind: StoreKind) {
    let world = world(kind).await;
    let body = json!({"user": "ana", "events": [event("seen", "itm_001")]}).to_string();
    let as_type = async |content_type: &str| {
        send(world.request(Method::POST, "/v1/events").header("content-type", content_type).body(body.clone())).await
    };
    assert_eq!(counts(&as_type("text/plain;charset=UTF-8").await), (1, 0, 0));
    assert_eq!(counts(&as_type("application/json").await), (0, 1, 0));
    assert_eq!(as_type("application/x-www-form-urlencoded").await.problem(), (415, "unsupported-media-type"));
}

async fn two_writers_at_once_lose_nothing(kind: StoreKind) {
    let world = world(kind).await;
    let writer = |writer: usize| {
        let world = &world;
        (0..50).map(move |n| async move {
            let sent = [event("seen", &format!("itm_{:03}", (writer * 7 + n) % 60)), event("open", "itm_001")];
            // A call that was not taken says so, and may be repeated.
            for _ in 0..200 {
                let answer = world.try_events("ana", &sent).await;
                if answer.status == 202 {
                    return counts(&answer).0;
                }
                // The profile changed too often, or a hundred at once were too many for the worker.
                assert!([(503, "store-unavailable"), (503, "overloaded")].contains(&answer.problem()), "{}", answer.text);
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
            panic!("200 times refused");
        })
    };
    let taken = futures_util::future::join_all(writer(0).chain(writer(1))).await;
    assert_eq!(taken.iter().sum::<u64>(), 200);
    assert_eq!(world.counted("ana").await, 200);
}

async fn a_track_proves_where_it_was_served(kind: StoreKind) {
    let world = world(kind).await;
    let page = world.feed("ana").limit(2).get().await.ok();
    let (first, second) = (&page.items()[0], &page.items()[1]);
    let seen = |placed: &Value, track: &Value| with(event("seen", placed["id"].as_str().unwrap()), "track", track.clone());
    let answer = world.try_events("ana", &[seen(first, &first["track"]), seen(first, &second["track"])]).await;
    assert_eq!((counts(&answer), rejected(&answer)), ((1, 0, 1), vec![(1, "invalid-event".to_owned())]));
}

async fn a_muted_creator_never_leaks(kind: StoreKind) {
    let world = World::start(kind).await;
    let items = world.demo().await;
    let creator_of = |id: &str| world.item(id).creator.unwrap().id;
    let disliked = creator_of(items[0].id.as_str());
    world.events("ana", [event("open", items[1].id.as_str()), with(event("hide", items[0].id.as_str()), "scope", "creator")]).await;
    for surface in ["home", "video", "email_digest"] {
        let mut page = world.feed("ana").param("surface", surface).limit(100).get().await.ok();
        let mut pages = 0;
        loop {
            assert!(page.ids().iter().all(|id| creator_of(id) != disliked), "{surface}");
            pages += 1;
            let Some(cursor) = page.next() else { break };
            page = world.feed("ana").param("surface", surface).cursor(&cursor).limit(100).get().await.ok();
        }
        assert!(pages >= 3, "{surface}: {pages}");
    }
}

/// Somebody's record cannot be read: those before them in the batch are learned, and it is told of.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_learned_before_a_failure_counts() {
    let world = world(StoreKind::Redis).await;
    world.events("zoe", [event("like", "itm_001")]).await;
    let mut redis = world.redis.as_ref().unwrap().connection();
    let profiles: Vec<String> = ::redis::cmd("KEYS").arg("pf:{p:*}:profile").query(&mut redis).unwrap();
    assert_eq!(profiles.len(), 1, "{profiles:?}");
    ::redis::cmd("SET").arg(&profiles[0]).arg(&b"\xff\x00nonsense"[..]).exec(&mut redis).unwrap();
    let of = |user: &str| {
        let mut like = event("like", "itm_002");
        like["user"] = user.into();
        like
    };
    let batch = json!({"events": [of("ana"), of("zoe")]});
    let answer = world.post("/v1/events", &batch).await;
    assert!(answer.status.is_server_error(), "{}", answer.text);
    world.popularity_of(&["itm_002"]).await;
    assert_eq!(world.counted("ana").await, 1);
}
