//! A real server on a free port, with a store whose answers a test chooses.

use std::{
    collections::HashSet,
    net::{SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use actix_web::web::ServiceConfig;
use async_trait::async_trait;
use polyphony::{
    app::App,
    clock::ManualClock,
    domain::{
        EventId, FeedId, Item, ItemId, Profile, Pseudonym, Span, Time, UserId,
        consent::ConsentRecord,
        feed::{Owner, Page, StoredFeed},
        reach::Pace,
    },
    http::{mount, server::serve_with},
    settings::Settings,
    store::{
        Basis, CatalogueRecord, Changes, Commit, FeedRecord, Learning, LogPosition, Person, PopularityDelta, Rotated, Store, StoreError,
    },
};
use reqwest::{Method, RequestBuilder, Response};
use tokio::{sync::oneshot, task::JoinHandle};

/// 2026-10-09T08:15:00Z.
pub const NOW: Time = Time::from_secs(1_791_533_700);

/// A running server.
pub struct TestApp {
    pub address: SocketAddr,
    pub app: Arc<App>,
    pub clock: Arc<ManualClock>,
    pub store: Arc<StubStore>,
    client: reqwest::Client,
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<std::io::Result<()>>,
}

impl TestApp {
    /// With the default settings and the catalogue loaded.
    pub async fn start() -> Self {
        Self::with(|_| {}, |_| {}).await
    }

    /// With changed settings and more routes than the real ones.
    pub async fn with(change: impl FnOnce(&mut Settings), more: impl Fn(&mut ServiceConfig) + Clone + Send + 'static) -> Self {
        let mut settings = Settings::default();
        settings.server.workers = 2;
        // The default directory would be the repository's.
        settings.journal.enabled = false;
        change(&mut settings);
        let clock = Arc::new(ManualClock::at(NOW));
        let store = Arc::new(StubStore::default());
        let app = Arc::new(App::new(settings, clock.clone(), store.clone()).unwrap());
        app.health.catalogue_is_loaded();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let routes = move |config: &mut ServiceConfig| {
            // The first that fits is taken: a test may answer for a route.
            more(config);
            mount(config);
        };
        let stopped = async {
            let _ = stopped.await;
        };
        let running = tokio::spawn(serve_with(app.clone(), listener, stopped, routes));
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(20))
            .no_proxy()
            .build()
            .unwrap();
        Self { address, app, clock, store, client, stop: Some(stop), running }
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("http://{}{path}", self.address))
    }

    pub async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path).send().await.unwrap()
    }

    /// Tells the server to stop, without waiting.
    pub fn begin_stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }

    /// Waits until it has stopped.
    pub async fn stopped(mut self) {
        self.begin_stop();
        self.running.await.unwrap().unwrap();
    }
}

/// An answer as one text for snapshots: status, every header but those of time and length, body. The request id is
/// checked to be the same in header and body, and replaced.
pub async fn told(response: Response) -> String {
    let mut text = format!("{}\n", response.status());
    let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
    assert!(id.starts_with("rq_") && id.len() == 35, "{id}");
    let mut headers: Vec<String> = response
        .headers()
        .iter()
        .filter(|(name, _)| !["date", "content-length"].contains(&name.as_str()))
        .map(|(name, value)| format!("{name}: {}\n", value.to_str().unwrap()))
        .collect();
    headers.sort();
    text.extend(headers);
    let body = response.text().await.unwrap();
    if let Ok(json) = serde_json::from_str::<serde_json::Value>(&body) {
        if let Some(in_body) = json.get("request_id") {
            assert_eq!(in_body, id.as_str(), "the id in the body is the one in the header");
        }
        text += &format!("\n{}\n", serde_json::to_string_pretty(&json).unwrap());
    } else {
        text += &format!("\n{body}");
    }
    text.replace(&id, "[request id]")
}

/// A store that answers pings as told and refuses everything else.
#[derive(Default)]
pub struct StubStore {
    down: AtomicBool,
}

impl StubStore {
    pub fn go_down(&self) {
        self.down.store(true, Ordering::SeqCst);
    }
}

fn refused<T>() -> Result<T, StoreError> {
    Err(StoreError::Unreachable("password=hunter2@10.0.0.7".into()))
}

#[async_trait]
impl Store for StubStore {
    async fn put_items(&self, _: &[Item]) -> Result<(), StoreError> {
        refused()
    }
    async fn delete_items(&self, _: &[ItemId]) -> Result<Vec<bool>, StoreError> {
        refused()
    }
    async fn add_popularity(&self, _: &[PopularityDelta]) -> Result<(), StoreError> {
        refused()
    }
    async fn load_catalogue(&self, _: &mut (dyn FnMut(Vec<CatalogueRecord>) + Send)) -> Result<(LogPosition, u64), StoreError> {
        refused()
    }
    async fn changes(&self, _: &LogPosition, _: Duration) -> Result<Changes, StoreError> {
        refused()
    }
    async fn person(&self, _: &UserId) -> Result<Option<Person>, StoreError> {
        refused()
    }
    async fn append_consent(&self, _: &UserId, _: usize, _: &ConsentRecord) -> Result<Commit, StoreError> {
        refused()
    }
    async fn begin_learning(&self, _: &UserId, _: &[EventId]) -> Result<Learning, StoreError> {
        refused()
    }
    async fn commit_profile(&self, _: &UserId, _: u64, _: &Profile, _: &[EventId], _: Time) -> Result<Commit, StoreError> {
        refused()
    }
    async fn pace(&self, _: &UserId) -> Result<Pace, StoreError> {
        refused()
    }
    async fn commit_pace(&self, _: &UserId, _: &Pace, _: &Pace, _: Span) -> Result<Commit, StoreError> {
        refused()
    }
    async fn erase_user(&self, _: &UserId, _: Time) -> Result<Time, StoreError> {
        refused()
    }
    async fn pseudonym(&self, _: &UserId) -> Result<Pseudonym, StoreError> {
        refused()
    }
    fn lookup(&self, _: &UserId) -> Option<String> {
        None
    }
    async fn erased_since(&self, _: Time) -> Result<HashSet<String>, StoreError> {
        refused()
    }
    async fn rotate_keys(&self) -> Result<Rotated, StoreError> {
        refused()
    }
    async fn put_feed(&self, _: &StoredFeed, _: &Page, _: Duration, _: Option<&Basis>) -> Result<(), StoreError> {
        refused()
    }
    async fn feed(&self, _: &Owner, _: &FeedId) -> Result<Option<FeedRecord>, StoreError> {
        refused()
    }
    async fn freeze_page(&self, _: &Owner, _: &FeedId, _: u32, _: &Page, _: Option<&Basis>) -> Result<Option<Page>, StoreError> {
        refused()
    }
    async fn put_policy(&self, _: &str, _: &str) -> Result<(), StoreError> {
        refused()
    }
    async fn policy(&self, _: &str) -> Result<Option<String>, StoreError> {
        refused()
    }
    async fn append_activation(&self, _: u64, _: &str) -> Result<Commit, StoreError> {
        refused()
    }
    async fn activations(&self, _: u64) -> Result<Vec<String>, StoreError> {
        refused()
    }
    async fn shared_secret(&self, _: [u8; 32]) -> Result<[u8; 32], StoreError> {
        refused()
    }
    async fn ping(&self) -> Result<(), StoreError> {
        if self.down.load(Ordering::SeqCst) { Err(StoreError::Timeout) } else { Ok(()) }
    }
    fn kind(&self) -> &'static str {
        "stub"
    }
}
