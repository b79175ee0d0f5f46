//! Caps on topics that are fine once and harmful over and over, however much they are clicked on.

use polyphony::domain::{Facet, UserId, policy::Constraint};
use reqwest::Method;
use serde_json::json;

use crate::support::world::{Answer, StoreKind, World, event, many, on_both_stores, send};

on_both_stores! {
    a_hundred_rounds_of_clicking_stay_under_the_cap
    adults_may_lift_a_cap_and_minors_may_not
}

const TOPICS: [&str; 5] = ["dieting", "weight-loss", "science", "music", "food"];
const MAX: u32 = 2;
const PER: u32 = 10;
const ROLLING: f32 = 0.25;

async fn world(kind: StoreKind, liftable: bool) -> World {
    let world = World::start(kind).await;
    world.items(many(2_600, &TOPICS, 17)).await;
    let topics = vec!["dieting".into(), "weight-loss".into()];
    let cap = Constraint::Cap { topics, max: MAX, per: PER, rolling_share: Some(ROLLING), liftable };
    world.swap_policy("home", |policy| policy.constraint.insert(0, cap)).await;
    world
}

fn is_capped(item: &serde_json::Value) -> bool {
    let topic = item["item"]["topics"][0]["topic"].as_str().unwrap();
    ["dieting", "weight-loss"].contains(&topic)
}

fn most_in_a_row(answer: &Answer) -> usize {
    let capped: Vec<bool> = answer.items().iter().map(is_capped).collect();
    capped.windows(PER as usize).map(|window| window.iter().filter(|capped| **capped).count()).max().unwrap_or(0)
}

async fn a_hundred_rounds_of_clicking_stay_under_the_cap(kind: StoreKind) {
    let world = world(kind, true).await;
    let (mut shown, mut of_cap) = (0, 0);
    for _ in 0..100 {
        let page = world.feed("ana").get().await.ok();
        assert!(most_in_a_row(&page) <= MAX as usize);
        let (capped, others): (Vec<_>, Vec<_>) = page.items().iter().partition(|item| is_capped(item));
        shown += page.items().len();
        of_cap += capped.len();
        let seen = page.items().iter().map(|item| event("seen", item["id"].as_str().unwrap()));
        let opened = capped.iter().map(|item| event("like", item["id"].as_str().unwrap()));
        world.events("ana", seen.chain(opened)).await;
        assert!(!others.is_empty());
        world.clock.advance(polyphony::domain::Span::minutes(30));
    }
    let profile = world.app.store.profile(&UserId::new("ana").unwrap()).await.unwrap().unwrap();
    assert!(profile.affinity(Facet::Topic, "dieting").is_some(), "the clicks were learned");
    let share = of_cap as f64 / shown as f64;
    println!("100 rounds of clicking on capped topics: promised at most {MAX} among {PER}, shown {of_cap} of {shown} ({share:.3})");
    assert!(of_cap > 0 && share <= f64::from(MAX) / f64::from(PER), "{share}");
}

async fn adults_may_lift_a_cap_and_minors_may_not(kind: StoreKind) {
    for liftable in [true, false] {
        let world = world(kind, liftable).await;
        let wish = json!({ "topics": { "dieting": 1.0, "weight-loss": 1.0 }, "diversity": 0.0, "rabbit_hole_caps": false });
        let told = send(world.request(Method::PUT, "/v1/users/ana/preferences").json(&wish)).await.ok();
        assert_eq!(told.body["rabbit_hole_caps"], false);
        let adult = world.feed("ana").seed(1).limit(40).get().await.ok();
        let minor = world.feed("ana").seed(1).limit(40).header("Age-Group", "minor").get().await.ok();
        assert_eq!(most_in_a_row(&adult) > MAX as usize, liftable);
        assert!(most_in_a_row(&minor) <= MAX as usize);
        // Later pages keep to what the feed began with.
        if let Some(next) = minor.next() {
            let page = world.feed("ana").cursor(&next).header("Age-Group", "minor").get().await.ok();
            assert!(most_in_a_row(&page) <= MAX as usize);
        }
    }
}
