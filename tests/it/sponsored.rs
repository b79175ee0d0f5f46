//! Sponsored items: beside the feed and never in it, by place and never by person.

use polyphony::domain::{Policy, policy};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::world::{Answer, StoreKind, World, event, many, on_both_stores, send};

on_both_stores! {
    the_feed_is_as_if_nothing_stood_beside_it
    two_readers_of_different_histories_get_the_same
    what_a_reader_blocked_binds_here_too
    what_is_done_with_them_teaches_nothing
    the_slots_are_frozen_capped_explained_and_on_record
    topics_match_where_no_profile_shaped_the_page_and_never_sensitive_ones
    no_sensitive_topic_of_either_list_is_matched_in_any_case
}

const TOPICS: [&str; 4] = ["science", "sport", "food", "health"];

fn ad(id: &str, creator: &str, targeting: Value) -> Value {
    json!({ "id": id, "title": format!("Buy {id}"), "topics": ["food"], "creator": creator,
            "sponsored": { "payer": format!("{creator} Ltd"), "on_behalf_of": "Brand", "targeting": targeting } })
}

fn slots(policy: &mut Policy) {
    policy.sponsored = policy::Sponsored { max_per_page: 2, first_position: 2, every: 4, ..policy::Sponsored::default() };
}

async fn world(kind: StoreKind) -> World {
    let world = World::with(kind, |settings| slots(&mut settings.policy)).await;
    world.items(many(120, &TOPICS, 40)).await;
    world
}

fn ads(answer: &Answer) -> Vec<(String, u64)> {
    let slots = answer.body.get("sponsored").and_then(Value::as_array).cloned().unwrap_or_default();
    slots.iter().map(|slot| (slot["id"].as_str().unwrap().to_owned(), slot["before"].as_u64().unwrap())).collect()
}

fn some(world: &World) -> impl Future<Output = ()> {
    world.items((0..6).map(|n| ad(&format!("ad_{n}"), &format!("crt_ad{n}"), json!({}))))
}

async fn the_feed_is_as_if_nothing_stood_beside_it(kind: StoreKind) {
    let world = world(kind).await;
    let ask = || world.feed("ana").limit(20).seed(7).explain_full().param("include", "metrics");
    let plain = ask().get().await.ok();
    assert_eq!(plain.body.get("sponsored"), None);
    some(&world).await;
    let beside = ask().get().await.ok();
    assert_eq!(ads(&beside).iter().map(|(_, before)| *before).collect::<Vec<_>>(), [2, 6]);
    assert_eq!(beside.ids(), plain.ids());
    for part in ["metrics", "relaxed", "policy", "experiment"] {
        assert_eq!(beside.body.get(part), plain.body.get(part), "{part}");
    }
    let shown = |answer: &Answer| -> Vec<Value> {
        let without_track = |item: &Value| {
            let mut item = item.clone();
            item.as_object_mut().unwrap().remove("track");
            item
        };
        answer.items().iter().map(without_track).collect()
    };
    assert_eq!(shown(&beside), shown(&plain));
    // In no mode, by no source and by no name is one a candidate.
    for mode in ["profile", "explicit_only", "no_profile", "chronological"] {
        let page = world.feed("ana").param("mode", mode).limit(100).get().await.ok();
        let rest = world.feed("ana").param("mode", mode).limit(100).cursor(&page.next().unwrap()).get().await.ok();
        let ids: Vec<String> = page.ids().into_iter().chain(rest.ids()).collect();
        assert!(ids.len() == 120 && ids.iter().all(|id| id.starts_with("itm_")), "{mode} {}", ids.len());
    }
    // An item changes sides and comes back.
    let mut item = many(1, &TOPICS, 40).remove(0);
    item["sponsored"] = json!({ "payer": "Acme" });
    assert_eq!(world.put_item(item.clone()).await.status, 200);
    assert!(!world.feed("").limit(100).get().await.ok().ids().contains(&"itm_000".to_owned()));
    assert_eq!(world.get("/v1/items/itm_000").await.body["sponsored"], json!({ "payer": "Acme" }));
    item.as_object_mut().unwrap().remove("sponsored");
    assert_eq!(world.put_item(item).await.status, 200);
    assert!(world.feed("").param("mode", "chronological").limit(100).get().await.ok().ids().contains(&"itm_000".to_owned()));
    assert_eq!((world.delete_item("ad_0").await.status.as_u16(), world.get("/v1/items/ad_0").await.status.as_u16()), (204, 404));
    assert!(!ads(&ask().get().await.ok()).iter().any(|(id, _)| id == "ad_0"));
}

async fn two_readers_of_different_histories_get_the_same(kind: StoreKind) {
    let world = world(kind).await;
    some(&world).await;
    world.items([ad("ad_food", "crt_food", json!({ "topics": ["food"] }))]).await;
    let opens = |topic: usize| (0..8).map(move |n| event("open", &format!("itm_{:03}", n * 4 + topic)));
    world.events("ana", opens(0)).await;
    world.events("ben", opens(2).chain((0..4).map(|n| event("like", &format!("itm_{:03}", 2 + n * 4))))).await;
    let mut differ = false;
    for seed in 0..12 {
        let of = async |user: &str| world.feed(user).limit(20).seed(seed).get().await.ok();
        let (ana, ben, new) = (of("ana").await, of("ben").await, of("cleo").await);
        differ |= ana.ids() != ben.ids();
        assert_eq!(ana.body["sponsored"], ben.body["sponsored"], "{seed}");
        assert_eq!(ana.body["sponsored"], new.body["sponsored"], "{seed}");
        assert!(ads(&ana).len() == 2 && ads(&ana).iter().all(|(id, _)| id != "ad_food"), "a profile shaped the page: {}", ana.text);
    }
    assert!(differ, "their feeds do");
}

async fn what_a_reader_blocked_binds_here_too(kind: StoreKind) {
    let world = world(kind).await;
    some(&world).await;
    let ask = || world.feed("ana").limit(20).seed(3);
    let first = ads(&ask().get().await.ok());
    world.events("ana", [event("hide", &first[0].0)]).await;
    let mut by_creator = event("hide", &first[1].0);
    by_creator["scope"] = "creator".into();
    world.events("ana", [by_creator]).await;
    let left = ads(&ask().get().await.ok());
    assert!(left.len() == 2 && left.iter().all(|(id, _)| first.iter().all(|(hidden, _)| hidden != id)), "{left:?}");
    let set = json!({ "blocked_keywords": ["buy"] });
    let set = world.request(Method::PUT, "/v1/users/ana/preferences").json(&set);
    assert_eq!(send(set).await.status, 200);
    assert_eq!(ads(&ask().get().await.ok()), []);
    let set = world.request(Method::PUT, "/v1/users/ana/preferences").json(&json!({ "topics": { "food": -1.0 } }));
    assert_eq!(send(set).await.status, 200);
    assert_eq!(ads(&ask().get().await.ok()), [], "their topic");
    assert_eq!(ads(&world.feed("ben").limit(20).seed(3).get().await.ok()), first);
}

async fn what_is_done_with_them_teaches_nothing(kind: StoreKind) {
    let world = world(kind).await;
    some(&world).await;
    world.events("ana", [event("open", "itm_001")]).await;
    let user = polyphony::domain::UserId::new("ana").unwrap();
    let before = world.app.store.profile(&user).await.unwrap();
    let kinds = ["seen", "open", "like", "save", "share", "follow", "more_like", "less_like", "report"];
    let events: Vec<Value> = kinds.iter().map(|kind| event(kind, "ad_1")).collect();
    let answer = world.try_events("ana", &events).await;
    assert_eq!((&answer.body["ignored"], &answer.body["reason"]), (&json!(kinds.len()), &json!("sponsored")));
    assert_eq!(world.app.store.profile(&user).await.unwrap(), before);
    world.events("ana", [event("hide", "ad_1")]).await;
    let after = world.app.store.profile(&user).await.unwrap().unwrap();
    let before = before.unwrap();
    assert_eq!(
        (after.mutes.len(), &after.affinities, &after.dislikes, &after.seen),
        (1, &before.affinities, &before.dislikes, &before.seen)
    );
    let mut back = event("hide", "ad_1");
    back["undo"] = true.into();
    world.events("ana", [back]).await;
    assert_eq!(world.app.store.profile(&user).await.unwrap().unwrap().mutes, []);
}

async fn the_slots_are_frozen_capped_explained_and_on_record(kind: StoreKind) {
    let world = world(kind).await;
    world.items((0..3).map(|n| ad(&format!("ad_{n}"), &format!("crt_ad{n}"), json!({ "languages": ["de"] })))).await;
    let ask = || world.feed("ana").limit(10).header("accept-language", "de-AT");
    assert_eq!(ads(&world.feed("ana").limit(10).get().await.ok()), [], "English");
    let first = ask().get().await.ok();
    let cursor = first.next().unwrap();
    let second = ask().cursor(&cursor).get().await.ok();
    assert_eq!((ads(&first).len(), ads(&second).len()), (2, 1), "each once in a feed");
    assert_eq!(ads(&second)[0].1, 12);
    let mut ids: Vec<String> = [&first, &second].into_iter().flat_map(ads).map(|(id, _)| id).collect();
    ids.sort();
    assert_eq!(ids, ["ad_0", "ad_1", "ad_2"]);
    // What comes later changes no page that was served.
    world.items((3..9).map(|n| ad(&format!("ad_{n}"), "crt_more", json!({})))).await;
    let again = ask().cursor(&cursor).get().await.ok();
    assert_eq!(again.body["sponsored"], second.body["sponsored"]);
    let slot = &first.body["sponsored"][0];
    let id = slot["id"].as_str().unwrap();
    assert_eq!((&slot["slot"], &slot["label"], &slot["on_behalf_of"]), (&json!("sponsored"), &json!("Anzeige"), &json!("Brand")));
    assert_eq!(slot["payer"], format!("crt_{} Ltd", id.replace("ad_", "ad")));
    assert_eq!(slot["parameters"], json!({ "surface": "home", "language": "de" }));
    assert_eq!(slot["why"], "Steht hier wegen der Sprache der Seite. Ihr Profil wurde nicht verwendet.");
    assert_eq!(slot["item"]["title"], format!("Buy {id}"));
    let path = format!("/v1/decisions/{}/sponsored/{id}?user=ana", first.feed_id());
    let decision = send(world.request(Method::GET, &path).header("accept-language", "de")).await;
    for part in ["slot", "before", "payer", "parameters", "why"] {
        assert_eq!(decision.body[part], slot[part], "{part}");
    }
    assert!(decision.body["not_used"].as_array().unwrap().contains(&json!("profile")));
    assert_eq!(world.get(&path.replace("ana", "ben")).await.problem(), (404, "not-found"));
    assert_eq!(world.get(&path.replace("/sponsored/", "/items/")).await.problem(), (404, "not-found"));
    // Three were shown once each; the retry was no show.
    let log = world.get("/v1/admin/ads").await;
    let log = log.body["ads"].as_array().unwrap();
    assert_eq!(
        log.iter().map(|ad| (ad["id"].as_str().unwrap(), ad["shown"].as_u64().unwrap())).collect::<Vec<_>>(),
        [("ad_0", 1), ("ad_1", 1), ("ad_2", 1)]
    );
    assert_eq!((&log[0]["payer"], &log[0]["surface"], &log[0]["language"]), (&json!("crt_ad0 Ltd"), &json!("home"), &json!("de")));
    assert!(log.iter().all(|ad| !ad.to_string().contains("ana")));
}

async fn topics_match_where_no_profile_shaped_the_page_and_never_sensitive_ones(kind: StoreKind) {
    let world = world(kind).await;
    let by_topic = |id: &str, topic: &str| ad(id, id, json!({ "topics": [topic], "surfaces": ["home"] }));
    world.items([by_topic("ad_sport", "sport"), by_topic("ad_health", "health"), by_topic("ad_chess", "chess")]).await;
    let ask = |user: &str| world.feed(user).limit(20);
    let page = ask("").get().await.ok();
    assert!(page.items().iter().any(|item| item["item"]["topics"][0]["topic"] == "health"));
    assert_eq!(ads(&page), [("ad_sport".to_owned(), 2)]);
    assert_eq!(page.body["sponsored"][0]["parameters"]["topics"], json!(["sport"]));
    assert_eq!(page.body["sponsored"][0]["why"], "Shown here because the page is about sport. Your profile was not used.");
    assert_eq!(ads(&ask("").param("mode", "chronological").get().await.ok()).len(), 1);
    assert_eq!(ads(&ask("").param("surface", "video").get().await.ok()), []);
    assert_eq!(ads(&ask("ana").get().await.ok()), [], "a profile may shape it");
    world.swap_policy("home", |policy| policy.sponsored.sensitive_topics = vec![]).await;
    let ids = |answer: &Answer| ads(answer).into_iter().map(|(id, _)| id).collect::<Vec<_>>();
    let mut both = ids(&ask("").get().await.ok());
    both.sort();
    assert_eq!(both, ["ad_health", "ad_sport"], "the list is what kept it out");
    world.swap_policy("home", |policy| policy.sponsored.max_per_page = 0).await;
    assert_eq!(ads(&ask("").get().await.ok()), []);
    for (wrong, pointer) in [
        (json!({}), "/sponsored/payer"),
        (json!({ "payer": "A", "targeting": { "age": ["18"] } }), "/sponsored/targeting/age"),
        (json!({ "payer": "A", "targeting": { "topics": "sport" } }), "/sponsored/targeting/topics"),
        (json!("A"), "/sponsored"),
    ] {
        let refused = world.put_item(json!({ "id": "x", "title": "X", "sponsored": wrong })).await;
        assert_eq!((refused.status.as_u16(), &refused.body["errors"][0]["pointer"]), (400, &json!(pointer)), "{}", refused.text);
    }
}

/// `[privacy.sensitive]` binds sponsored items whatever the policy lists, and the policy's own list is read in any case.
async fn no_sensitive_topic_of_either_list_is_matched_in_any_case(kind: StoreKind) {
    let world = World::with(kind, |settings| {
        slots(&mut settings.policy);
        settings.policy.sponsored.sensitive_topics = vec!["Gambling".into()];
    })
    .await;
    let topics = ["sport", "mental-health", "Trade-Unions", "gambling"];
    world.items(many(120, &topics, 40)).await;
    world.items(topics.map(|topic| ad(&format!("ad_{topic}"), topic, json!({ "topics": [topic] })))).await;
    let page = world.feed("").limit(20).get().await.ok();
    for topic in topics {
        let is_about = |item: &&Value| item["item"]["topics"].as_array().unwrap().iter().any(|one| one["topic"] == topic);
        assert!(page.items().iter().find(is_about).is_some(), "the page is about {topic}");
    }
    assert_eq!(ads(&page), [("ad_sport".to_owned(), 2)]);
    // Without a topic to be chosen by, an item about one may stand there.
    world.items([ad("ad_open", "open", json!({}))]).await;
    assert_eq!(ads(&world.feed("").limit(20).get().await.ok()).len(), 2);
}
