//! A whole server on a real store, spoken to in the words of the product: people ask for feeds, do things, items change.

use std::{
    net::{SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use polyphony::{
    app::{App, Background},
    clock::ManualClock,
    demo::{self, Persona},
    domain::{
        Event, Item, ItemId, Policy, Span, UserId,
        consent::{ConsentDefault, Purpose},
        policy::ActivePolicy,
        sensitive::Category,
    },
    http::{mount, server::serve_with},
    learn,
    settings::Settings,
    store::{
        Store, StoreOptions,
        embedded::{EmbeddedOptions, EmbeddedStore},
        redis::{RedisOptions, RedisStore},
    },
};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::Instant;

use super::{app::NOW, redis::RedisServer};

/// Longest that anything eventual may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// The same tests on both stores: `on_both_stores! { first_test second_test }` makes the modules `embedded` and `redis`,
/// each with a test that calls `super::first_test(StoreKind)` and so on.
macro_rules! on_both_stores {
    ($($test:ident)*) => {
        mod embedded {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() { super::$test(crate::support::world::StoreKind::Embedded).await; })*
        }
        mod redis {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() { super::$test(crate::support::world::StoreKind::Redis).await; })*
        }
    };
}
pub(crate) use on_both_stores;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreKind {
    Embedded,
    Redis,
}

/// A running server with a store of its own, at a time of its own.
pub struct World {
    pub app: Arc<App>,
    pub clock: Arc<ManualClock>,
    pub address: SocketAddr,
    /// There on the Redis store only.
    pub redis: Option<RedisServer>,
    client: reqwest::Client,
    _folder: TempDir,
    _background: Background,
}

impl World {
    /// An empty catalogue, and settings as shipped except for room for a slow machine.
    pub async fn start(kind: StoreKind) -> Self {
        Self::with(kind, |_| {}).await
    }

    pub async fn with(kind: StoreKind, change: impl FnOnce(&mut Settings)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = Settings::default();
        settings.server.workers = 2;
        // Consent has tests of its own; people of all others have not said no.
        settings.consent.default = ConsentDefault::Assumed;
        settings.catalogue.dimension = 32;
        settings.policy.retrieve.deadline = Span::millis(500);
        settings.server.brownout_share = 1.0;
        settings.journal.path = folder.path().join("journal");
        change(&mut settings);
        let clock = Arc::new(ManualClock::at(NOW));
        let redis = (kind == StoreKind::Redis).then(RedisServer::start_new);
        let store = open(&settings, redis.as_ref(), &folder, clock.clone());
        let app = Arc::new(App::new(settings, clock.clone(), store).unwrap());
        let background = app.start().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(serve_with(app.clone(), listener, std::future::pending(), mount));
        let client = reqwest::Client::builder().timeout(Duration::from_secs(60)).no_proxy().build().unwrap();
        let world = Self { app, clock, address, redis, client, _folder: folder, _background: background };
        world.is_ready().await;
        world
    }

    async fn is_ready(&self) {
        let digests: Vec<String> = self.app.feed.serving.load().set.surfaces.0.values().map(|active| active.digest.clone()).collect();
        for digest in digests {
            eventually("the policies are shared", async || self.app.store.policy(&digest).await.unwrap().is_some()).await;
        }
        eventually("the server is ready", async || self.get("/readyz").await.status == 200).await;
    }

    // The catalogue.

    /// Puts items, all of them sound.
    pub async fn items(&self, items: impl IntoIterator<Item = Value>) {
        let items: Vec<Value> = items.into_iter().collect();
        let answer = self.post("/v1/items", &json!({ "items": items })).await;
        assert_eq!(answer.body["accepted"], items.len(), "{}", answer.body);
    }

    pub async fn put_item(&self, item: Value) -> Answer {
        let path = format!("/v1/items/{}", item["id"].as_str().unwrap());
        send(self.request(Method::PUT, &path).json(&item)).await
    }

    pub async fn delete_item(&self, id: &str) -> Answer {
        send(self.request(Method::DELETE, &format!("/v1/items/{id}"))).await
    }

    /// The demo's items.
    pub async fn demo(&self) -> Vec<Item> {
        let items = demo::catalogue(7, NOW, self.app.dimension());
        self.app.ingest.put_items(items.clone()).await.unwrap();
        items
    }

    /// An item as the server has it now.
    pub fn item(&self, id: &str) -> Item {
        let snapshot = self.app.feed.catalogue.snapshot();
        let row = snapshot.find(&ItemId::new(id).unwrap()).unwrap_or_else(|| panic!("no item `{id}`"));
        Item::clone(&snapshot.entry(row).unwrap().item)
    }

    // People.

    /// A feed for `user`; the empty name is nobody.
    pub fn feed(&self, user: &str) -> Ask<'_> {
        let ask = Ask { world: self, query: Vec::new(), headers: Vec::new() };
        if user.is_empty() { ask } else { ask.param("user", user) }
    }

    /// What `user` did. All of it must be accepted.
    pub async fn events(&self, user: &str, events: impl IntoIterator<Item = Value>) {
        let events: Vec<Value> = events.into_iter().collect();
        let answer = self.try_events(user, &events).await;
        assert_eq!(answer.body["accepted"], events.len(), "{}", answer.body);
    }

    pub async fn try_events(&self, user: &str, events: &[Value]) -> Answer {
        self.post("/v1/events", &json!({ "user": user, "events": events })).await
    }

    /// Events the person's profile has counted.
    pub async fn counted(&self, user: &str) -> u64 {
        let profile = self.app.store.profile(&UserId::new(user).unwrap()).await.unwrap();
        profile.map_or(0, |profile| profile.events)
    }

    /// Waits until the popularity of these items has come back by the change log.
    pub async fn popularity_of(&self, ids: &[&str]) {
        eventually("popularity comes back", async || {
            let snapshot = self.app.feed.catalogue.snapshot();
            let row = |id: &&str| snapshot.find(&ItemId::new(id).unwrap()).unwrap();
            ids.iter().all(|id| snapshot.popularity(row(id)).counted() > 0.0)
        })
        .await;
    }

    /// The demo's people with their past, once what it made popular is popular here.
    pub async fn people(&self, items: &[Item]) -> Vec<Persona> {
        let personas = demo::personas(7, NOW, items);
        let asked = Category::ALL.map(Category::purpose).into_iter().chain([Purpose::Dwell]);
        let decisions = asked.map(|purpose| (purpose, true)).collect();
        for persona in &personas {
            self.app.consents.decide(&persona.user, &decisions, "").await.unwrap();
            self.app.ingest.learn(&persona.events).await.unwrap();
        }
        // Changes come back in their order: the last person's are there when all are.
        let uses = |event: &&Event| learn::used(event).weight > 0.0;
        let last: Vec<&str> = personas.last().unwrap().events.iter().filter(uses).map(|event| event.item.as_str()).collect();
        self.popularity_of(&last).await;
        personas
    }

    // The operator.

    /// Changes the policy of a surface while the server runs.
    pub async fn swap_policy(&self, surface: &str, change: impl FnOnce(&mut Policy)) {
        let mut surfaces = self.app.feed.serving.load().set.surfaces.clone();
        let mut policy = surfaces.get(surface).unwrap().policy.clone();
        change(&mut policy);
        policy.version += 1;
        assert_eq!(policy.check(), []);
        let active = ActivePolicy::new(policy);
        self.app.store.put_policy(&active.digest, &serde_json::to_string(&active.policy).unwrap()).await.unwrap();
        surfaces.0.insert(surface.to_owned(), Arc::new(active));
        self.app.feed.serving.store(Arc::new(surfaces.into()));
    }

    // Anything else.

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("http://{}{path}", self.address))
    }

    pub async fn get(&self, path: &str) -> Answer {
        send(self.request(Method::GET, path)).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        send(self.request(Method::POST, path).json(body)).await
    }
}

fn open(settings: &Settings, redis: Option<&RedisServer>, folder: &TempDir, clock: Arc<ManualClock>) -> Arc<dyn Store> {
    let store = StoreOptions {
        profile_ttl: settings.store.profile_ttl,
        popularity_half_life: settings.policy.score.popularity_half_life,
        ..StoreOptions::default()
    };
    let Some(redis) = redis else {
        let options = EmbeddedOptions { path: folder.path().join("polyphony.redb"), store };
        return Arc::new(EmbeddedStore::open(options, clock).unwrap());
    };
    let slow = Span::secs(20);
    let options = RedisOptions { url: redis.url(), timeout: slow, bulk_timeout: slow, store, ..RedisOptions::default() };
    Arc::new(RedisStore::new(options, clock).unwrap())
}

/// A feed request in the making.
#[derive(Clone)]
pub struct Ask<'a> {
    world: &'a World,
    query: Vec<(String, Value)>,
    headers: Vec<(String, String)>,
}

impl Ask<'_> {
    /// Any parameter, as a number or text as the `POST` twin takes it.
    pub fn param(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.query.push((name.to_owned(), value.into()));
        self
    }

    pub fn limit(self, limit: usize) -> Self {
        self.param("limit", limit)
    }

    pub fn diversity(self, diversity: f64) -> Self {
        self.param("diversity", diversity)
    }

    pub fn seed(self, seed: u64) -> Self {
        self.param("seed", seed)
    }

    pub fn cursor(self, cursor: &str) -> Self {
        self.param("cursor", cursor)
    }

    pub fn explain_full(self) -> Self {
        self.param("explain", "full")
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub async fn get(self) -> Answer {
        let pairs: Vec<(&str, String)> = self.query.iter().map(|(name, value)| (name.as_str(), plain(value))).collect();
        let mut url = reqwest::Url::parse(&format!("http://{}/v1/feed", self.world.address)).unwrap();
        url.query_pairs_mut().extend_pairs(pairs);
        self.send(self.world.client.get(url)).await
    }

    pub async fn post(self) -> Answer {
        let body: Value = self.query.iter().cloned().collect::<serde_json::Map<_, _>>().into();
        self.send(self.world.request(Method::POST, "/v1/feed").json(&body)).await
    }

    async fn send(&self, request: RequestBuilder) -> Answer {
        send(self.headers.iter().fold(request, |request, (name, value)| request.header(name, value))).await
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

pub async fn send(request: RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    let text = response.text().await.unwrap();
    let body = serde_json::from_str(&text).unwrap_or(Value::Null);
    Answer { status, headers, body, text }
}

/// Any answer, with words for those of a feed.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: reqwest::header::HeaderMap,
    /// `null` when the body is not JSON.
    pub body: Value,
    pub text: String,
}

impl Answer {
    /// The answer, if it is a page.
    pub fn ok(self) -> Self {
        assert_eq!(self.status, 200, "{}", self.text);
        assert_eq!(self.body.get("degraded"), None, "{}", self.text);
        self
    }

    pub fn items(&self) -> &[Value] {
        self.body["items"].as_array().map(Vec::as_slice).unwrap_or_else(|| panic!("no page: {}", self.text))
    }

    pub fn ids(&self) -> Vec<String> {
        self.items().iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
    }

    pub fn next(&self) -> Option<String> {
        self.body["page"].get("next").map(|next| next.as_str().unwrap().to_owned())
    }

    pub fn feed_id(&self) -> &str {
        self.body["feed_id"].as_str().unwrap()
    }

    /// What is wrong: status and the last part of the problem's type.
    pub fn problem(&self) -> (u16, &str) {
        let kind = self.body["type"].as_str().unwrap_or_default();
        (self.status.as_u16(), kind.rsplit('/').next().unwrap_or_default())
    }
}

/// An item with a topic, a creator and an age in hours; the title is made of them.
pub fn item(id: &str, topic: &str, creator: &str, hours: i64) -> Value {
    let published = polyphony::wire::time::render(NOW.minus(Span::hours(hours)));
    json!({ "id": id, "title": format!("{topic} by {creator}: {id}"), "topics": [topic], "creator": creator, "published_at": published })
}

/// `count` items `itm_000…` spread over topics and creators, newest first.
pub fn many(count: usize, topics: &[&str], creators: usize) -> Vec<Value> {
    let of = |n: usize| item(&format!("itm_{n:03}"), topics[n % topics.len()], &format!("crt_{}", n * 7 % creators), n as i64);
    (0..count).map(of).collect()
}

/// An event with an id of its own.
pub fn event(kind: &str, item: &str) -> Value {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    json!({ "id": format!("ev_{}", NUMBER.fetch_add(1, Ordering::Relaxed)), "type": kind, "item": item })
}

/// Waits until `holds` says so.
pub async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
