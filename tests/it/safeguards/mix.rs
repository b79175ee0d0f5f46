//! The readers' dials for sources and viewpoints: each moves what it names, and a later page keeps to what the feed began with.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::world::{Answer, StoreKind, World, item, on_both_stores, send};

on_both_stores! {
    each_dial_spreads_what_it_names
    a_mix_out_of_range_is_refused
}

/// The newest items are nearly all of one source and one viewpoint.
async fn world(kind: StoreKind) -> World {
    let world = World::start(kind).await;
    let items = (0..240).map(|n| {
        let mut item = item(&format!("itm_{n:03}"), ["science", "music", "food"][n % 3], &format!("crt_{}", n % 23), n as i64);
        item["source"] = json!(if n % 8 == 0 { format!("src_{}", n % 5) } else { "wire".to_owned() });
        item["viewpoint"] = json!(if n % 7 == 0 { ["left", "right"][n % 2] } else { "centre" });
        item
    });
    world.items(items).await;
    world
}

async fn pages(world: &World, user: &str, wish: Value) -> Vec<Answer> {
    send(world.request(Method::PUT, &format!("/v1/users/{user}/preferences")).json(&wish)).await.ok();
    let first = world.feed(user).seed(5).limit(20).param("hydrate", "full").get().await.ok();
    let next = world.feed(user).cursor(&first.next().unwrap()).limit(20).param("hydrate", "full").get().await.ok();
    vec![first, next]
}

/// In bits, over both pages.
fn entropy(pages: &[Answer], field: &str) -> f64 {
    let mut counts: BTreeMap<String, f64> = BTreeMap::new();
    let items = || pages.iter().flat_map(|page| page.items());
    items().for_each(|item| *counts.entry(item["item"][field].as_str().unwrap().to_owned()).or_default() += 1.0);
    let all = items().count() as f64;
    counts.values().map(|count| -(count / all) * (count / all).log2()).sum()
}

async fn each_dial_spreads_what_it_names(kind: StoreKind) {
    let world = world(kind).await;
    let plain = pages(&world, "ana", json!({})).await;
    let sources = pages(&world, "ben", json!({ "source_mix": 0.9 })).await;
    let viewpoints = pages(&world, "cyn", json!({ "viewpoint_mix": 0.9 })).await;
    let none = pages(&world, "dan", json!({ "source_mix": 0.0, "viewpoint_mix": 0.0 })).await;
    let told = |pages: &[Answer]| (entropy(pages, "source"), entropy(pages, "viewpoint"));
    println!(
        "entropy of (source, viewpoint): policy {:?}, source_mix 0.9 {:?}, viewpoint_mix 0.9 {:?}, both 0 {:?}",
        told(&plain),
        told(&sources),
        told(&viewpoints),
        told(&none)
    );
    assert!(told(&sources).0 > told(&plain).0 + 0.3 && told(&sources).0 > told(&viewpoints).0);
    assert!(told(&viewpoints).1 > told(&plain).1 + 0.1 && told(&viewpoints).1 > told(&sources).1);
    assert!(told(&none).0 <= told(&plain).0);
}

async fn a_mix_out_of_range_is_refused(kind: StoreKind) {
    let world = world(kind).await;
    let wish = json!({ "source_mix": 1.5, "viewpoint_mix": "more", "rabbit_hole_caps": 1 });
    let refused = send(world.request(Method::PUT, "/v1/users/ana/preferences").json(&wish)).await;
    let pointers: Vec<&str> = refused.body["errors"].as_array().unwrap().iter().filter_map(|error| error["pointer"].as_str()).collect();
    assert_eq!((refused.status.as_u16(), pointers), (400, vec!["/source_mix", "/viewpoint_mix", "/rabbit_hole_caps"]));
}
