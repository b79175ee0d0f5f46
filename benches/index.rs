//! Vector search in a large catalogue, through lists and by scanning, and the pool gathered from it.
//!
//! `cargo bench --bench index`. `scan` is the baseline of the same run. 100,000 rows of 384 numbers: headlines from
//! `../shared/data`, each set several times with some noise, or clusters that were made where the data is absent.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark fails by panicking")]

use std::{
    path::Path,
    sync::{Arc, LazyLock},
};

use divan::Bencher;
use half::f16;
use polyphony::{
    catalogue::{Catalogue, CatalogueRecord, Query, Snapshot},
    domain::{
        Creator, Embedding, EmbeddingSpace, Facet, Item, ItemId, Policy, Popularity, Profile, Span, Time,
        policy::ActivePolicy,
        profile::{Affinity, Interest, Seen},
    },
    source,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const NOW: Time = Time::from_secs(1_791_533_700);
const DIMENSION: usize = 384;
const ROWS: usize = 100_000;
const NEAREST: usize = 100;

/// The same rows, with lists and without.
struct World {
    embeddings: Vec<Embedding>,
    indexed: Arc<Snapshot>,
    plain: Arc<Snapshot>,
}

static WORLD: LazyLock<World> = LazyLock::new(World::new);

impl World {
    fn new() -> Self {
        let started = std::time::Instant::now();
        let embeddings = headlines().unwrap_or_else(clusters);
        println!("{} embeddings in {:.2?}", embeddings.len(), started.elapsed());
        let catalogue = Catalogue::new(DIMENSION, Span::hours(24));
        let records: Vec<_> = embeddings.iter().enumerate().flat_map(|(n, e)| item(n, e.clone())).collect();
        let (before, started) = (resident_mib(), std::time::Instant::now());
        catalogue.replace(records);
        println!("loaded in {:.2?}; {} MiB more with the items' texts and codes", started.elapsed(), resident_mib() - before);
        let plain = catalogue.snapshot();
        let (before, started) = (resident_mib(), std::time::Instant::now());
        catalogue.train();
        println!("lists made in {:.2?}; {} MiB more", started.elapsed(), resident_mib() - before);
        let world = Self { embeddings, indexed: catalogue.snapshot(), plain };
        println!("recall@{NEAREST} of rows {:.3}", world.recall());
        world
    }

    fn recall(&self) -> f32 {
        let queries = 100;
        let found = (0..queries).map(|n| {
            let query = self.query(n);
            let near = self.indexed.nearest(&query, NEAREST, |_| true);
            let exact = self.plain.nearest(&query, NEAREST, |_| true);
            near.iter().filter(|row| exact.contains(row)).count()
        });
        found.sum::<usize>() as f32 / (queries * NEAREST) as f32
    }

    fn query(&self, n: usize) -> Query {
        let embedding = &self.embeddings[n * 7_919 % self.embeddings.len()];
        Query::new(embedding.space, &embedding.values)
    }
}

fn resident_mib() -> i64 {
    let pages = std::fs::read_to_string("/proc/self/statm").ok().and_then(|s| s.split(' ').nth(1)?.parse::<i64>().ok());
    pages.unwrap_or(0) * 4_096 / (1 << 20)
}

fn noise(seed: usize) -> impl Iterator<Item = f32> {
    let mut state = (seed as u64).wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    })
}

fn headlines() -> Option<Vec<Embedding>> {
    let mut rows: Vec<Vec<f32>> = Vec::new();
    for name in ["abp-viewpoints", "huffpost", "nemig-en"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../shared/data/embeddings/{name}.f16.bin"));
        let bytes = std::fs::read(path).ok()?;
        let numbers: Vec<f32> = bytes.as_chunks::<2>().0.iter().map(|pair| f16::from_le_bytes(*pair).to_f32()).collect();
        rows.extend(numbers.chunks_exact(DIMENSION).map(<[f32]>::to_vec));
    }
    let noisy = |n: usize| {
        // Noise of half the row's length: a cosine of about 0.9 to the row it comes from.
        let weight = if n < rows.len() { 0.0 } else { 0.5 * (3.0 / DIMENSION as f32).sqrt() };
        let numbers: Vec<f32> = rows[n % rows.len()].iter().zip(noise(n)).map(|(x, y)| x + weight * y).collect();
        Embedding::from_model(&numbers, DIMENSION).unwrap()
    };
    Some((0..ROWS).map(noisy).collect())
}

fn clusters() -> Vec<Embedding> {
    let row = |n: usize| {
        let numbers: Vec<f32> = noise(10_000_000 + n % 1_000).zip(noise(n)).map(|(c, x)| c + 1.5 * x).take(DIMENSION).collect();
        Embedding::from_model(&numbers, DIMENSION).unwrap()
    };
    (0..ROWS).map(row).collect()
}

fn item(n: usize, embedding: Embedding) -> [CatalogueRecord; 2] {
    let id = ItemId::new(format!("item-{n}")).unwrap();
    let item = Item {
        id: id.clone(),
        title: format!("A title of ordinary length, number {n}"),
        description: None,
        url: None,
        image: None,
        creator: Some(Creator { id: format!("creator-{}", n % 500).into(), name: None }),
        topics: vec![(format!("topic-{}", n % 200).into(), 1.0)],
        source: None,
        viewpoint: None,
        language: Some("en".into()),
        format: None,
        published_at: Some(Time(NOW.0 - n as i64 * 60_000)),
        expires_at: None,
        embedding: Some(embedding),
        attributes: None,
        sponsored: None,
    };
    let popularity = Popularity { weight: (n % 977) as f64, as_of: NOW, ..Popularity::default() };
    [CatalogueRecord::Put(Box::new(item)), CatalogueRecord::Popularity(id, popularity)]
}

fn profile() -> Profile {
    let mut profile = Profile { as_of: NOW, ..Profile::default() };
    for n in 0..4 {
        let at = n * 24_989;
        let embedding = &WORLD.embeddings[at];
        profile.interests.push(Interest {
            vector: embedding.values.to_vec(),
            space: EmbeddingSpace::Model,
            weight: 1.0 + n as f32,
            exemplar: ItemId::new(format!("item-{at}")).unwrap(),
        });
    }
    for n in 0..20 {
        profile.affinities.push(Affinity { facet: Facet::Topic, value: format!("topic-{n}").into(), liking: 1.0 + n as f32, shown: 0.0 });
    }
    profile.follows = (0..10).map(|n| format!("creator-{n}").into()).collect();
    let seen = |n: usize| Seen {
        item_hash: ItemId::new(format!("item-{}", n * 3)).unwrap().hash64(),
        at: NOW,
        opened: false,
        impressions: 1,
        given: 0,
        taught: 0,
    };
    profile.seen = (0..1_024).map(seen).collect();
    profile
}

fn main() {
    LazyLock::force(&WORLD);
    divan::main();
}

#[divan::bench(args = [60, 250])]
fn scan(bencher: Bencher, count: usize) {
    search(bencher, &WORLD.plain, count);
}

#[divan::bench(args = [60, 250])]
fn lists(bencher: Bencher, count: usize) {
    search(bencher, &WORLD.indexed, count);
}

fn search(bencher: Bencher, snapshot: &Snapshot, count: usize) {
    let mut n = 0;
    bencher
        .with_inputs(|| {
            n += 1;
            WORLD.query(n)
        })
        .bench_local_values(|query| snapshot.nearest(&query, count, |_| true));
}

/// A pool of the policy's size for a reader with four interests and 1,024 items seen.
#[divan::bench(args = ["scan", "lists"])]
fn gather(bencher: Bencher, by: &str) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let snapshot = if by == "lists" { &WORLD.indexed } else { &WORLD.plain };
    let mut policy = Policy::default();
    policy.retrieve.candidates = 500;
    let policy = Arc::new(ActivePolicy::new(policy));
    let profile = Arc::new(profile());
    let sources = source::in_process();
    let mut seed = 0;
    bencher.bench_local(|| {
        seed += 1;
        let query = source::Query::new(Arc::clone(snapshot), Some(Arc::clone(&profile)), Arc::clone(&policy), NOW, seed, Vec::new());
        let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(60);
        let gathered = runtime.block_on(source::gather(&sources, &Arc::new(query), deadline));
        assert!(gathered.candidates.len() >= 400 && gathered.missing.is_empty());
        gathered
    });
}

/// What one new item costs: the chunks and the list it goes to are copied, the rest is shared.
#[divan::bench]
fn publish_one(bencher: Bencher) {
    let catalogue = Catalogue::new(DIMENSION, Span::hours(24));
    catalogue.replace(WORLD.embeddings.iter().take(20_000).enumerate().flat_map(|(n, e)| item(n, e.clone())));
    catalogue.train();
    let mut n = 0;
    bencher.bench_local(|| {
        n += 1;
        catalogue.apply(item(n % 1_000, WORLD.embeddings[n % WORLD.embeddings.len()].clone()));
    });
}
