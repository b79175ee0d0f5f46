//! Keys whose effect hangs on the time of day, or on what was long ago: looked at in process, under a clock of the test's.

use std::sync::Arc;

use polyphony::{
    app::App,
    clock::ManualClock,
    domain::Span,
    feed::FeedRequest,
    settings::{Policies, Settings},
};
use reqwest::Method;
use serde_json::{Value, json};

use super::operations::Change;
use crate::support::{
    app::{NOW, StubStore},
    world::{StoreKind, World, event, many},
};

/// In process: what was last shown three hours ago, in a file that nobody writes any more.
pub(super) async fn ad_retention(change: Change) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = changed(change);
    settings.journal.path = folder.path().join("journal");
    let (ads, at) = (folder.path().join("journal-ads"), NOW.minus(Span::hours(3)).0);
    std::fs::create_dir(&ads).unwrap();
    let line = json!({"item": "a", "payer": "Acme", "surface": "home", "first_at": at, "last_at": at, "shown": 1});
    std::fs::write(ads.join("journal-000001.ndjson"), format!("{line}\n")).unwrap();
    std::fs::write(ads.join("journal-000002.ndjson"), "").unwrap();
    let app = App::new(settings, Arc::new(ManualClock::at(NOW)), Arc::new(StubStore::default())).unwrap();
    format!("{} ads on record", app.feed.ads.all().unwrap().len())
}

/// In process, told that too much is asked: how many candidates a feed is made of.
pub(super) async fn brownout_share(change: Change) -> String {
    let share = changed(change).server.brownout_share;
    let world = World::with(StoreKind::Embedded, |into| into.server.brownout_share = share).await;
    world.demo().await;
    let request = FeedRequest { surface: "home".into(), pressed: true, ..FeedRequest::default() };
    let served = world.app.feed.serve(&request).await.unwrap();
    format!("{} candidates, {} degradations", served.feed.pool.len(), served.degraded.len())
}

/// The settings with the change, as a file would make it.
fn changed(change: Change) -> Settings {
    let settings = Settings { policies: Policies::default(), ..Settings::default() };
    let Some((key, text)) = change else { return settings };
    let value = toml::from_str::<toml::Table>(&format!("value = {text}")).ok().and_then(|mut table| table.remove("value"));
    let value = value.unwrap_or_else(|| text.into());
    let mut tree = toml::Value::try_from(settings).unwrap();
    let place = key.split('.').fold(&mut tree, |tree, key| tree.get_mut(key).unwrap());
    *place = value;
    tree.try_into().unwrap()
}

/// In process, at a time of day of the test's: what becomes of pushes and digests on a day, and to one who stays away.
pub(super) async fn reach(change: Change) -> String {
    let settings = changed(change);
    let world = World::with(StoreKind::Embedded, |into| {
        into.policy.reach = settings.policy.reach;
        into.server.public_url = "https://feeds.example.org".into();
    })
    .await;
    world.items(many(30, &["science", "sport"], 20)).await;
    let put = |path: &str, body: Value| world.request(Method::PUT, path).json(&body).send();
    put("/v1/users/ana/consent", json!({"decisions": {"push": "given", "email": "given"}})).await.unwrap();
    put("/v1/users/ana/preferences", json!({"push_categories": ["news"], "time_zone": "UTC"})).await.unwrap();
    let mut became = Vec::new();
    // 08:15, twice; 10:15; and a day and a half later.
    for hours in [0, 0, 2, 34] {
        world.clock.advance(Span::hours(hours));
        let push = world.post("/v1/push/plan", &json!({"user": "ana", "category": "news"})).await;
        let digest = world.post("/v1/digests", &json!({"user": "ana"})).await;
        became.push(format!("{} {}", push.body["because"], digest.body["skipped"]));
    }
    became.join(", ")
}

pub(super) async fn public_url(change: Change) -> String {
    let url = changed(change).server.public_url;
    let world = World::with(StoreKind::Embedded, |into| into.server.public_url = url).await;
    world.items(many(10, &["science"], 10)).await;
    let given = json!({"decisions": {"email": "given"}});
    world.request(Method::PUT, "/v1/users/ana/consent").json(&given).send().await.unwrap();
    let digest = world.post("/v1/digests", &json!({"user": "ana"})).await;
    digest.body["mail"]["unsubscribe_url"].as_str().unwrap_or_default().chars().take(25).collect()
}

/// In process: what becomes of what somebody does, and why.
pub(super) async fn kept_of_people(change: Change) -> String {
    let settings = changed(change);
    let world = World::with(StoreKind::Embedded, |into| {
        into.privacy.sensitive = settings.privacy.sensitive;
        into.privacy.unknown_age = settings.privacy.unknown_age;
    })
    .await;
    world.items(many(10, &["science"], 5)).await;
    world.try_events("ana", &[event("open", "itm_001")]).await.body["reason"].to_string()
}
