//! Breaks, limits and ends of a session, under a clock of the test's.

use polyphony::domain::Span;
use serde_json::{Value, json};

use crate::support::world::{Answer, StoreKind, World, many, on_both_stores};

on_both_stores! {
    a_feed_ends_after_its_pages_unless_the_client_goes_on
    a_break_is_due_at_its_time_and_closing_the_feed_does_not_reset_it
    breaks_that_bind_serve_nothing_and_lose_nothing
    readers_choose_breaks_of_their_own_in_every_mode
    without_rules_nothing_is_said_and_a_feed_ends_when_it_is_used_up
}

const TOPICS: [&str; 5] = ["science", "sport", "food", "music", "travel"];

/// What a pack for minors sets.
const STRICT: &str = r#"
pauses = ["15m", "1h", "90m"]
limit = "2h"
dismissible = false
"#;

async fn world(kind: StoreKind, session: &str) -> World {
    let rules = toml::from_str(&complete(session)).unwrap();
    let world = World::with(kind, move |settings| settings.policy.session = rules).await;
    world.items(many(120, &TOPICS, 40)).await;
    world
}

/// The defaults with these lines.
fn complete(lines: &str) -> String {
    let mut table: toml::Table = toml::Table::try_from(polyphony::domain::policy::Session::default()).unwrap();
    table.extend(toml::from_str::<toml::Table>(lines).unwrap());
    table.to_string()
}

fn pass(world: &World, minutes: i64) {
    world.clock.advance(Span::minutes(minutes));
}

fn session(answer: &Answer) -> &Value {
    answer.body.get("session").unwrap_or_else(|| panic!("no session: {}", answer.text))
}

fn token(answer: &Answer) -> String {
    session(answer)["token"].as_str().unwrap().to_owned()
}

async fn a_feed_ends_after_its_pages_unless_the_client_goes_on(kind: StoreKind) {
    let world = world(kind, "natural_stop_after_pages = 2").await;
    let ask = || world.feed("ana").limit(5);
    let first = ask().get().await.ok();
    assert_eq!(first.body["page"].get("end_of_feed"), None);
    let cursor = first.next().unwrap();
    let second = ask().cursor(&cursor).get().await.ok();
    assert_eq!((second.items().len(), second.next(), &second.body["page"]["end_of_feed"]), (5, None, &json!(true)));
    let again = ask().cursor(&cursor).get().await.ok();
    assert_eq!((again.ids(), again.next()), (second.ids(), None), "a retry is the same page");
    let on = ask().cursor(&cursor).param("continue", 1).get().await.ok();
    assert_eq!(on.ids(), second.ids());
    let third = ask().cursor(&on.next().unwrap()).get().await.ok();
    let fourth = ask().cursor(&third.next().unwrap()).get().await.ok();
    assert_eq!(fourth.next(), None, "the next stretch is as long");
    let mut all: Vec<String> = [first, second, third, fourth].iter().flat_map(Answer::ids).collect();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 20);
}

async fn a_break_is_due_at_its_time_and_closing_the_feed_does_not_reset_it(kind: StoreKind) {
    let world = world(kind, "pauses = [\"20m\"]").await;
    let ask = || world.feed("ana").limit(5);
    let first = ask().get().await.ok();
    assert_eq!(session(&first)["pause_due"], false);
    assert_eq!(session(&first).get("text"), None);
    assert_eq!(first.headers["cache-control"], "private, no-cache");
    let mut cursor = first.next().unwrap();
    for _ in 0..4 {
        pass(&world, 4);
        let page = ask().cursor(&cursor).get().await.ok();
        assert_eq!(session(&page)["pause_due"], false);
        cursor = page.next().unwrap();
    }
    pass(&world, 4);
    let due = ask().cursor(&cursor).get().await.ok();
    assert_eq!((session(&due)["pause_due"].clone(), due.items().len()), (json!(true), 5));
    for (language, text) in
        [("en", "You have been reading for 20 minutes."), ("de", "Sie lesen seit 20 Minuten."), ("fr", "Vous lisez depuis 20 minutes.")]
    {
        let said = ask().cursor(&cursor).header("accept-language", language).get().await.ok();
        assert_eq!(session(&said)["text"], text);
    }
    // Closed and opened again, on another surface too: the same session.
    for surface in ["home", "video"] {
        let anew = ask().param("surface", surface).param("session_token", token(&due)).get().await.ok();
        assert_eq!((&session(&anew)["pause_due"], &session(&anew)["began_at"]), (&json!(true), &session(&first)["began_at"]));
    }
    let passed = ask().param("session_token", token(&due)).param("continue", 1).get().await.ok();
    assert_eq!(session(&passed)["pause_due"], false);
    let after = ask().param("session_token", token(&passed)).get().await.ok();
    assert_eq!(session(&after)["pause_due"], false);
    pass(&world, 5);
    let rested = ask().param("session_token", token(&due)).get().await.ok();
    assert_eq!(session(&rested)["pause_due"], false, "five minutes away are a break");
    pass(&world, 30);
    let later = ask().param("session_token", token(&rested)).get().await.ok();
    assert_ne!(session(&later)["began_at"], session(&first)["began_at"], "half an hour away ends it");
    // Of nobody else, and of no make.
    for (user, token) in [("ben", token(&due)), ("", token(&due)), ("ana", "s1.AAAA".to_owned())] {
        let refused = world.feed(user).param("session_token", token).get().await;
        assert_eq!(refused.problem(), (400, "invalid-cursor"));
    }
}

async fn breaks_that_bind_serve_nothing_and_lose_nothing(kind: StoreKind) {
    let world = world(kind, STRICT).await;
    // Nobody is named: nothing is kept of them, and the session is carried all the same.
    let ask = || world.feed("").limit(2);
    let mut page = ask().get().await.ok();
    let began = session(&page)["began_at"].clone();
    let (mut minute, mut held) = (0, Vec::new());
    while minute < 119 {
        let step = if session(&page).get("withheld").is_some() { 5 } else { 1 };
        pass(&world, step);
        minute += step;
        let cursor = page.next().unwrap();
        let next = ask().cursor(&cursor).param("continue", 1).get().await.ok();
        assert_eq!(session(&next)["began_at"], began);
        if session(&next).get("withheld").is_some() {
            assert_eq!((next.items().len(), &session(&next)["withheld"]), (0, &json!("pause")));
            held.push(minute);
            // Asking again and opening the feed anew change nothing.
            for again in [ask().cursor(&next.next().unwrap()), ask().param("session_token", token(&next))] {
                let again = again.param("continue", 1).get().await.ok();
                assert_eq!((again.items().len(), &session(&again)["resumes_at"]), (0, &session(&next)["resumes_at"]));
            }
        } else {
            assert_eq!(next.items().len(), 2, "{minute}");
        }
        page = next;
        if page.next().is_none() {
            page = ask().param("session_token", token(&page)).get().await.ok();
        }
    }
    assert_eq!(held, [15, 60, 90]);
    pass(&world, 1);
    let over = ask().param("session_token", token(&page)).header("accept-language", "de").get().await.ok();
    assert_eq!((over.items().len(), &session(&over)["withheld"]), (0, &json!("limit")));
    assert_eq!(session(&over)["text"], "Sie lesen seit 120 Minuten. Das ist vorerst alles: In 480 Minuten geht es weiter.");
    pass(&world, 8 * 60 - 1);
    assert_eq!(ask().param("session_token", token(&over)).get().await.ok().items().len(), 0);
    pass(&world, 1);
    let anew = ask().param("session_token", token(&over)).get().await.ok();
    assert_eq!(anew.items().len(), 2);
    assert_ne!(session(&anew)["began_at"], began);
}

async fn readers_choose_breaks_of_their_own_in_every_mode(kind: StoreKind) {
    let world = world(kind, "").await;
    for mode in ["profile", "explicit_only", "no_profile", "chronological"] {
        // In any order, and each once.
        let wanted = json!({ "mode": mode, "pauses": ["30m", "10m", "600s"] });
        let set = crate::support::world::send(world.request(reqwest::Method::PUT, "/v1/users/ana/preferences").json(&wanted)).await.ok();
        assert_eq!(set.body["pauses"], json!(["10m", "30m"]));
        let first = world.feed("ana").limit(3).get().await.ok();
        pass(&world, 4);
        let second = world.feed("ana").limit(3).param("session_token", token(&first)).get().await.ok();
        pass(&world, 4);
        let third = world.feed("ana").limit(3).param("session_token", token(&second)).get().await.ok();
        pass(&world, 2);
        let due = world.feed("ana").limit(3).param("session_token", token(&third)).get().await.ok();
        assert!(session(&first)["pause_due"] == false && session(&due)["pause_due"] == true, "{mode}");
        assert_eq!(world.feed("ben").limit(3).get().await.ok().body.get("session"), None);
    }
    for (wrong, pointer) in [
        (json!(["30s"]), "/pauses/0"),
        (json!(["soon"]), "/pauses/0"),
        (json!(["1m", "2m", "3m", "4m", "5m", "6m", "7m", "8m", "9m"]), "/pauses"),
    ] {
        let set = world.request(reqwest::Method::PUT, "/v1/users/ana/preferences").json(&json!({ "pauses": wrong }));
        let refused = crate::support::world::send(set).await;
        assert_eq!((refused.status.as_u16(), &refused.body["errors"][0]["pointer"]), (400, &json!(pointer)));
    }
}

async fn without_rules_nothing_is_said_and_a_feed_ends_when_it_is_used_up(kind: StoreKind) {
    let world = world(kind, "").await;
    let first = world.feed("ana").limit(100).get().await.ok();
    assert_eq!((first.body.get("session"), first.body["page"].get("end_of_feed")), (None, None));
    assert!(first.next().unwrap().starts_with("c1."));
    let last = world.feed("ana").limit(100).cursor(&first.next().unwrap()).get().await.ok();
    assert_eq!((last.next(), &last.body["page"]["end_of_feed"]), (None, &json!(true)));
}
