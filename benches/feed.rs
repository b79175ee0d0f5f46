//! The whole feed in process, from request to JSON, on the demo catalogue and the embedded store.
//!
//! `cargo bench --bench feed`. `ceiling` is the baseline of the same run: reading the profile and turning a page of the
//! same size into JSON, without making a feed.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark fails by panicking")]

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

use divan::Bencher;
use polyphony::{
    catalogue::Catalogue,
    clock::{Clock, ManualClock},
    demo,
    domain::{Policy, Span, Time, UserId, consent::ConsentDefault, policy::ActivePolicy, policy::Surfaces, profile::Mode},
    feed::{FeedRequest, FeedService, RerankCandidate, RerankRequest, Served, cursor::Signer},
    follow,
    http::{
        gpc::PrivacyBody,
        slate::{FeedBody, View},
    },
    ingest::Ingest,
    journal::Journal,
    store::{
        Store, StoreOptions,
        embedded::{EmbeddedOptions, EmbeddedStore},
    },
};
use tokio::runtime::Runtime;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const NOW: Time = Time::from_secs(1_791_533_700);
const DIMENSION: usize = 384;

struct World {
    runtime: Runtime,
    feed: FeedService,
    store: Arc<dyn Store>,
    _directory: tempfile::TempDir,
}

static WORLD: LazyLock<World> = LazyLock::new(World::new);

impl World {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(NOW));
        let options = EmbeddedOptions { path: directory.path().join("bench.redb"), store: StoreOptions::default() };
        let store: Arc<dyn Store> = Arc::new(EmbeddedStore::open(options, Arc::clone(&clock)).unwrap());
        let catalogue = Arc::new(Catalogue::new(DIMENSION, Span::hours(24)));
        let journal = Arc::new(Journal::off());
        let ingest = Ingest {
            store: Arc::clone(&store),
            catalogue: Arc::clone(&catalogue),
            clock: Arc::clone(&clock),
            journal: Arc::clone(&journal),
            consent: ConsentDefault::Assumed,
            sensitive: Default::default(),
        };
        runtime.block_on(async {
            let items = demo::catalogue(7, NOW, DIMENSION);
            let personas = demo::personas(7, NOW, &items);
            let background = demo::background(7, NOW, &items);
            ingest.put_items(items).await.unwrap();
            for persona in personas {
                ingest.learn(&persona.events).await.unwrap();
            }
            ingest.add_popularity(&background).await;
            follow::load(&*store, &catalogue).await.unwrap();
        });
        let surfaces = Surfaces(BTreeMap::from([("home".to_owned(), Arc::new(ActivePolicy::new(Policy::default())))]));
        let feed = FeedService::new(Arc::clone(&store), catalogue, clock, journal, Arc::new(Signer::new([7; 32])), surfaces);
        Self { runtime, feed, store, _directory: directory }
    }

    fn serve(&self, request: &FeedRequest) -> Served {
        self.runtime.block_on(self.feed.serve(request)).unwrap()
    }

    fn json(&self, served: &Served) -> Vec<u8> {
        let privacy = PrivacyBody::new(false, served);
        serde_json::to_vec(&FeedBody::new(served, "rq_bench".into(), View::default(), privacy, &self.feed.signer)).unwrap()
    }
}

fn request(user: Option<&str>) -> FeedRequest {
    FeedRequest {
        request_id: "rq_bench".into(),
        surface: "home".into(),
        user: user.map(|id| UserId::new(id).unwrap()),
        mode: if user.is_some() { Mode::Profile } else { Mode::NoProfile },
        limit: Some(20),
        ..FeedRequest::default()
    }
}

fn main() {
    LazyLock::force(&WORLD);
    divan::main();
}

/// Baseline: one profile read and one page's JSON.
#[divan::bench]
fn ceiling(bencher: Bencher) {
    let user = UserId::new("ana").unwrap();
    let served = WORLD.serve(&request(Some("ana")));
    bencher.bench(|| {
        let profile = WORLD.runtime.block_on(WORLD.store.profile(&user)).unwrap();
        (profile, WORLD.json(&served))
    });
}

#[divan::bench(args = ["ana", "dmitri", "farid"])]
fn first_page(bencher: Bencher, user: &str) {
    let request = request(Some(user));
    bencher.bench(|| WORLD.json(&WORLD.serve(&request)));
}

#[divan::bench]
fn first_page_without_profile(bencher: Bencher) {
    let request = request(None);
    bencher.bench(|| WORLD.json(&WORLD.serve(&request)));
}

#[divan::bench]
fn next_page(bencher: Bencher) {
    bencher
        .with_inputs(|| {
            let first = WORLD.serve(&request(Some("ana")));
            FeedRequest { cursor: first.next, ..request(Some("ana")) }
        })
        .bench_values(|request| WORLD.json(&WORLD.serve(&request)));
}

/// The same page again: served from its frozen record.
#[divan::bench]
fn next_page_again(bencher: Bencher) {
    let first = WORLD.serve(&request(Some("ana")));
    let request = FeedRequest { cursor: first.next, ..request(Some("ana")) };
    WORLD.serve(&request);
    bencher.bench(|| WORLD.json(&WORLD.serve(&request)));
}

#[divan::bench(args = [50, 200, 1000])]
fn rerank(bencher: Bencher, candidates: usize) {
    let items: Vec<_> = demo::catalogue(7, NOW, DIMENSION).into_iter().take(candidates).collect();
    bencher
        .with_inputs(|| {
            let relevance = |n: usize| 1.0 - n as f32 / candidates as f32;
            let candidates = items.iter().enumerate().map(|(n, item)| RerankCandidate { item: item.clone(), relevance: relevance(n) });
            RerankRequest { request: request(None), candidates: candidates.collect() }
        })
        .bench_values(|request| WORLD.runtime.block_on(WORLD.feed.rerank(request)).unwrap());
}
