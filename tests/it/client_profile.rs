//! A profile that the reader keeps: it comes with the request, shapes the feed, and leaves nothing behind.

use std::collections::{BTreeMap, HashSet};

use serde_json::{Value, json};

use crate::support::world::{Answer, StoreKind, World, many, on_both_stores};

on_both_stores! {
    what_the_client_says_shapes_the_feed_and_nothing_is_kept
    readers_get_more_of_what_they_read
    the_answer_has_what_ranks_it_again
    every_fault_is_named
}

const TOPICS: [&str; 6] = ["science", "politics", "food", "music", "sport", "travel"];
/// Requests after which nothing may be kept about anybody.
const REQUESTS: usize = 1_000;

async fn ask(world: &World, interests: Value) -> Answer {
    world.post("/v1/feed", &json!({"interests": interests, "limit": 20})).await
}

/// Keys of Redis that belong to a person.
fn personal_keys(world: &World) -> Vec<String> {
    let Some(server) = &world.redis else { return Vec::new() };
    ::redis::cmd("KEYS").arg("*{p:*").query(&mut server.connection()).unwrap()
}

/// Commands that have touched a person's data.
async fn personal_commands(world: &World) -> u64 {
    let metrics = world.get("/metrics").await.text;
    let counts = metrics.lines().filter(|line| line.starts_with("feed_store_command_duration_seconds_count{"));
    let personal = ["person", "profile", "begin_learning", "commit_profile", "append_consent"];
    let personal = counts.filter(|line| personal.iter().any(|command| line.contains(&format!("command=\"{command}\""))));
    personal.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}

async fn what_the_client_says_shapes_the_feed_and_nothing_is_kept(kind: StoreKind) {
    let world = World::start(kind).await;
    world.items(many(120, &TOPICS, 17)).await;
    let before = personal_commands(&world).await;
    let science = |page: &Answer| page.items().iter().filter(|item| item["item"]["topics"][0]["topic"] == "science").count();
    let nobody = science(&world.feed("").limit(20).get().await.ok());
    let page = ask(&world, json!([{"topic": "science", "level": 3}])).await.ok();
    assert!(science(&page) > nobody, "{} of {nobody}", science(&page));
    assert_eq!((&page.body["privacy"]["mode"], &page.body["personalised"]), (&json!("client_profile"), &json!(true)));
    assert_eq!(page.headers["cache-control"], "no-store");
    assert!(page.body["weights"]["topic"].as_f64().unwrap() > 0.0, "what is needed to rank again");
    // The same interests give the same items, whoever has them.
    assert_eq!(ask(&world, json!([{"topic": "science", "level": 3}])).await.ok().ids(), page.ids());
    assert_eq!(ask(&world, json!([{"topic": "science", "level": 0}])).await.ok().body["personalised"], false);
    let next = world.post("/v1/feed", &json!({"cursor": page.next().unwrap(), "limit": 20})).await.ok();
    assert!(next.ids().iter().all(|id| !page.ids().contains(id)));
    for n in 0..REQUESTS {
        ask(&world, json!([{"topic": TOPICS[n % TOPICS.len()], "level": n % 4}])).await.ok();
    }
    assert_eq!(personal_commands(&world).await, before);
    assert_eq!(personal_keys(&world), Vec::<String>::new());
}

async fn readers_get_more_of_what_they_read(kind: StoreKind) {
    let world = World::start(kind).await;
    let items = world.demo().await;
    let topics: BTreeMap<&str, &str> = items
        .iter()
        .filter_map(|item| Some((item.id.as_str(), &**item.topics.iter().max_by(|a, b| a.1.total_cmp(&b.1)).map(|(t, _)| t)?)))
        .collect();
    let share = |page: &Answer, mine: &HashSet<&str>| {
        page.ids().iter().filter(|id| topics.get(id.as_str()).is_some_and(|topic| mine.contains(topic))).count()
    };
    let (mut with, mut without) = (0, 0);
    for persona in world.people(&items).await {
        let mut read: BTreeMap<&str, usize> = BTreeMap::new();
        persona.events.iter().filter_map(|event| topics.get(event.item.as_str())).for_each(|topic| *read.entry(topic).or_default() += 1);
        let mut read: Vec<(&str, usize)> = read.into_iter().collect();
        read.sort_by_key(|(topic, count)| (std::cmp::Reverse(*count), *topic));
        let mine: HashSet<&str> = read.iter().take(3).map(|(topic, _)| *topic).collect();
        let interests: Vec<Value> = mine.iter().map(|topic| json!({"topic": topic, "level": 3})).collect();
        with += share(&ask(&world, json!(interests)).await.ok(), &mine);
        without += share(&world.feed("").limit(20).get().await.ok(), &mine);
    }
    assert!(with as f64 >= 1.5 * without as f64, "items of their topics: {with} with interests, {without} without");
}

/// The public numbers say how the server's own order came about: what each item is worth to everybody is its contribution undone.
async fn the_answer_has_what_ranks_it_again(kind: StoreKind) {
    let world = World::start(kind).await;
    world.items(many(120, &TOPICS, 17)).await;
    for n in 0..20 {
        world.events(&format!("reader-{n}"), [crate::support::world::event("open", "itm_000")]).await;
    }
    world.popularity_of(&["itm_000"]).await;
    let body = json!({"interests": [{"topic": "science", "level": 3}], "limit": 40, "explain": "full", "diversity": 0.5});
    let page = world.post("/v1/feed", &body).await.ok();
    let ranking = &page.body["ranking"];
    assert_eq!((&ranking["method"], &ranking["aggregate"], &ranking["normalize"]), (&json!("mmr"), &json!("mean"), &json!("percentile")));
    assert_eq!((ranking["diversity"].as_f64(), ranking["lambda"].as_f64()), (Some(0.5), Some(0.5)));
    assert!(ranking["similarity"]["topic"].as_f64().unwrap() > 0.0);
    assert_eq!(ranking["constraints"][0], json!({"kind": "max_share", "facet": "creator", "max": 2, "per": 10}));
    assert_eq!(ranking["constraints"].as_array().unwrap().len(), 3);
    let weights = &page.body["weights"];
    let weight = |name: &str| weights[name].as_f64().unwrap();
    let sum: f64 = ["interest", "creator", "follow", "topic", "recency", "popularity"].into_iter().map(weight).sum();
    let mut popular = 0;
    for item in page.items() {
        let signals = item["signals"].as_object().unwrap();
        popular += usize::from(signals.contains_key("popularity"));
        assert!(!signals.contains_key("topic"), "what was said of the reader stays out: {signals:?}");
        for (name, value) in signals {
            let contribution = item["explain"]["contributions"][name].as_f64().unwrap();
            assert!((value.as_f64().unwrap() * weight(name) / sum - contribution).abs() < 1e-6, "{name}: {item}");
        }
    }
    assert!(popular > 0, "{}", page.text);
    // Nobody else needs it.
    let other = world.feed("ana").get().await.ok();
    assert!(other.body.get("ranking").is_none() && other.items()[0].get("signals").is_none());
    let next = json!({"interests": [{"topic": "science", "level": 3}], "cursor": page.next().unwrap()});
    assert!(world.post("/v1/feed", &next).await.ok().body["ranking"].is_object());
}

async fn every_fault_is_named(kind: StoreKind) {
    let world = World::start(kind).await;
    world.items(many(30, &TOPICS, 7)).await;
    let pointers = |answer: &Answer| -> Vec<String> {
        assert_eq!(answer.problem(), (400, "invalid-body"));
        answer.body["errors"].as_array().unwrap().iter().map(|error| error["pointer"].as_str().unwrap().to_owned()).collect()
    };
    let wrong = json!({"user": "ana", "mode": "profile", "interests": [{"topic": "science", "level": 4}, {"level": 1}, {"topic": "food", "levl": 1}, 7]});
    let found = pointers(&world.post("/v1/feed", &wrong).await);
    for pointer in ["/user", "/mode", "/interests/0/level", "/interests/1/topic", "/interests/2/level", "/interests/2/levl", "/interests/3"]
    {
        assert!(found.contains(&pointer.to_owned()), "{pointer}: {found:?}");
    }
    let many: Vec<Value> = (0..9).map(|n| json!({"topic": format!("t{n}"), "level": 1})).collect();
    assert_eq!(pointers(&ask(&world, json!(many)).await), ["/interests"]);
}
