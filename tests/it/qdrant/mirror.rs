//! The engine by itself, with a catalogue of the test's own.

use std::{collections::BTreeSet, path::Path, sync::Arc, time::Duration};

use polyphony::{
    catalogue::{Catalogue, CatalogueRecord, Near, Query, Snapshot},
    demo,
    domain::{Embedding, EmbeddingSpace, Item, Span, Time},
    settings::QdrantSearch,
    source::{Engine, SearchError, qdrant::QdrantEngine},
    telemetry::Metrics,
};

use crate::support::{process::eventually, qdrant::QdrantLocal};

const DIMENSION: usize = 64;
const NOW: Time = Time::from_secs(1_791_533_700);
/// For a busy machine.
const SEARCH_LIMIT: Duration = Duration::from_secs(20);

/// An engine that follows a catalogue until it is dropped.
struct Followed {
    engine: Arc<QdrantEngine>,
    catalogue: Arc<Catalogue>,
    metrics: Arc<Metrics>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Followed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Followed {
    fn of(local: &QdrantLocal, dimension: usize, items: impl IntoIterator<Item = Item>) -> Self {
        let settings = QdrantSearch { url: local.url(), timeout: Span::secs(10), ..QdrantSearch::default() };
        let metrics = Arc::new(Metrics::new());
        let engine = Arc::new(QdrantEngine::new(&settings, dimension, &metrics));
        let catalogue = Arc::new(Catalogue::new(dimension, Span::hours(1)));
        catalogue.apply(items.into_iter().map(put));
        let following = Engine::Qdrant(Arc::clone(&engine)).keep_up(Arc::clone(&catalogue), || true);
        Self { engine, catalogue, metrics, task: tokio::spawn(following) }
    }

    async fn near(&self, queries: Vec<Query>) -> Result<Vec<Near>, SearchError> {
        self.engine.near(&self.catalogue.snapshot(), queries, SEARCH_LIMIT).await
    }

    /// Ids near the vector, nearest first.
    async fn ids(&self, embedding: &Embedding) -> Vec<String> {
        let snapshot = self.catalogue.snapshot();
        let near = self.engine.near(&snapshot, vec![query(embedding)], SEARCH_LIMIT).await.unwrap();
        ids(&snapshot, &near[0])
    }

    async fn until_known(&self) {
        let query = query(&Embedding::of_text("a word", self.catalogue.snapshot().dimension()));
        eventually("Qdrant has the catalogue", async || self.near(vec![query.clone()]).await.ok()).await;
    }

    /// The value of a metric's line.
    fn metric(&self, start: &str) -> f64 {
        let page = self.metrics.encode().unwrap();
        page.lines().filter(|line| line.starts_with(start)).filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
    }
}

fn put(item: Item) -> CatalogueRecord {
    CatalogueRecord::Put(Box::new(item))
}

fn query(embedding: &Embedding) -> Query {
    Query::new(embedding.space, &embedding.values)
}

fn ids(snapshot: &Snapshot, near: &Near) -> Vec<String> {
    near.rows().map(|row| snapshot.entry(row).unwrap().item.id.to_string()).collect()
}

/// Of the demo's items; every third is said to come from a model.
fn items() -> Vec<Item> {
    let mut items = demo::catalogue(7, NOW, DIMENSION);
    // More than are kept of a neighbourhood, and not more than Python is quick with.
    items.truncate(900);
    for item in items.iter_mut().step_by(3) {
        let text = item.embedding.take().unwrap_or_else(|| Embedding::of_text(&item.title, DIMENSION));
        item.embedding = Some(Embedding { space: EmbeddingSpace::Model, ..text });
    }
    items
}

/// Of the hundred nearest by search in process, the share that Qdrant finds; every query in one call.
async fn agreement(followed: &Followed, queries: &[Query]) -> f64 {
    let snapshot = followed.catalogue.snapshot();
    let found = followed.engine.near(&snapshot, queries.to_vec(), SEARCH_LIMIT).await.unwrap();
    let shares = found.iter().zip(queries).map(|(found, query)| {
        assert_eq!(found.query(), query, "answers come in the order of the questions");
        let exact: BTreeSet<_> = snapshot.near(query.clone()).rows().take(100).collect();
        let found: BTreeSet<_> = found.rows().take(100).collect();
        exact.intersection(&found).count() as f64 / exact.len() as f64
    });
    shares.sum::<f64>() / queries.len() as f64
}

#[tokio::test]
async fn the_nearest_are_those_of_search_in_process() {
    let Some(local) = QdrantLocal::start_new("") else { return };
    let items = items();
    let queries: Vec<Query> = items.iter().step_by(40).filter_map(|item| Some(query(item.embedding.as_ref()?))).collect();
    let followed = Followed::of(&local, DIMENSION, items);
    followed.until_known().await;
    let before = local.count("query");
    let share = agreement(&followed, &queries).await;
    assert!(share > 0.99, "{share} of {} queries", queries.len());
    assert_eq!(local.count("query"), before + 1, "one call for all that is asked");
}

/// Sentence embeddings of real headlines, by a model that people use.
#[tokio::test]
async fn the_nearest_of_real_vectors_are_those_of_search_in_process() {
    const REAL: usize = 384;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/embeddings/huffpost.f16.bin");
    let Ok(bytes) = std::fs::read(&path) else { return eprintln!("skipped: {} is not there", path.display()) };
    let Some(local) = QdrantLocal::start_new("") else { return };
    let base = items().remove(0);
    let item = |(n, row): (usize, &[u8])| {
        let numbers: Vec<f32> = row.as_chunks::<2>().0.iter().map(|half| half::f16::from_le_bytes(*half).to_f32()).collect();
        let id = polyphony::domain::ItemId::new(format!("i{n}")).unwrap();
        Item { id, embedding: Some(Embedding::from_model(&numbers, REAL).unwrap()), ..base.clone() }
    };
    let items: Vec<Item> = bytes.chunks_exact(2 * REAL).take(2_000).enumerate().map(item).collect();
    let queries: Vec<Query> = items.iter().step_by(50).filter_map(|item| Some(query(item.embedding.as_ref()?))).collect();
    let followed = Followed::of(&local, REAL, items);
    followed.until_known().await;
    let share = agreement(&followed, &queries).await;
    eprintln!("of the 100 nearest among 2,000 real vectors Qdrant's local mode finds {share:.4}");
    assert!(share > 0.99, "{share}");
}

#[tokio::test]
async fn what_is_put_is_found_at_once_and_what_is_deleted_never_comes() {
    let Some(local) = QdrantLocal::start_new("") else { return };
    let items = items();
    let (kept, late) = items.split_at(items.len() - 1);
    let late = &late[0];
    let vector = late.embedding.clone().unwrap();
    let followed = Followed::of(&local, DIMENSION, kept.to_vec());
    followed.until_known().await;
    assert!(!followed.ids(&vector).await.contains(&late.id.to_string()));

    followed.catalogue.apply([put(late.clone())]);
    assert!(followed.ids(&vector).await.contains(&late.id.to_string()), "before Qdrant knows it");
    eventually("it is put there", async || local.said("upsert 1").then_some(())).await;
    // A second server, which has only what Qdrant gives.
    let second = Followed::of(&local, DIMENSION, items.clone());
    second.until_known().await;
    assert!(second.ids(&vector).await.contains(&late.id.to_string()));
    assert_eq!(second.metric("feed_search_points_total{result=\"put\"}"), 0.0, "all was there");

    followed.catalogue.apply([CatalogueRecord::Deleted(late.id.clone())]);
    assert!(!followed.ids(&vector).await.contains(&late.id.to_string()), "before Qdrant knows it");
    let gone = format!("delete {}", late.id.hash64());
    eventually("it is deleted there", async || (local.count(&gone) >= 1).then_some(())).await;
    assert!(!followed.ids(&vector).await.contains(&late.id.to_string()));
    assert!(!second.ids(&vector).await.is_empty());
    eventually("nothing is missing", async || (followed.metric("feed_search_behind_seconds") == 0.0).then_some(())).await;
}

#[tokio::test]
async fn what_differs_at_the_start_is_made_equal() {
    let Some(local) = QdrantLocal::start_new("") else { return };
    let items = items();
    drop({
        let first = Followed::of(&local, DIMENSION, items[..100].to_vec());
        first.until_known().await;
        first
    });
    // Meanwhile ten went, ten came, and one is about something else.
    let mut others = items[10..110].to_vec();
    others[0].embedding = Some(Embedding::of_text("something else entirely", DIMENSION));
    let second = Followed::of(&local, DIMENSION, others.clone());
    second.until_known().await;
    assert_eq!(second.metric("feed_search_points_total{result=\"put\"}"), 11.0);
    assert_eq!(second.metric("feed_search_points_total{result=\"deleted\"}"), 10.0);
    let vector = others[0].embedding.clone().unwrap();
    assert_eq!(second.ids(&vector).await[0], others[0].id.to_string());
}

#[tokio::test]
async fn servers_that_do_the_same_at_once_harm_nothing() {
    let Some(local) = QdrantLocal::start_new("") else { return };
    let items = items();
    let servers: Vec<Followed> = (0..3).map(|_| Followed::of(&local, DIMENSION, items.clone())).collect();
    for server in &servers {
        server.until_known().await;
    }
    let put = "feed_search_points_total{result=\"put\"}";
    let before: Vec<f64> = servers.iter().map(|server| server.metric(put)).collect();
    for server in &servers {
        server.catalogue.apply(items[..50].iter().map(|item| CatalogueRecord::Deleted(item.id.clone())));
        server.catalogue.apply(items[..20].iter().cloned().map(self::put));
    }
    eventually("all three deleted and put", async || {
        let deleted = |server: &Followed| server.metric("feed_search_points_total{result=\"deleted\"}") >= 30.0;
        servers.iter().zip(&before).all(|(server, before)| deleted(server) && server.metric(put) >= before + 20.0).then_some(())
    })
    .await;
    let fresh = Followed::of(&local, DIMENSION, items[..20].iter().chain(&items[50..]).cloned());
    fresh.until_known().await;
    assert_eq!(fresh.metric("feed_search_points_total"), 0.0, "what is there is what all of them hold");
}

#[tokio::test]
async fn vectors_of_two_spaces_are_never_compared() {
    let Some(local) = QdrantLocal::start_new("") else { return };
    let items = items();
    let followed = Followed::of(&local, DIMENSION, items.clone());
    followed.until_known().await;
    let text = Embedding::of_text(&items[0].title, DIMENSION);
    let spaces = [EmbeddingSpace::Model, EmbeddingSpace::HashedText];
    // The same numbers, asked in either space.
    let queries: Vec<Query> = spaces.iter().map(|space| Query::new(*space, &text.values)).collect();
    let snapshot = followed.catalogue.snapshot();
    let found = followed.engine.near(&snapshot, queries, SEARCH_LIMIT).await.unwrap();
    for (near, space) in found.iter().zip(spaces) {
        assert!(near.rows().count() > 100, "{space:?}");
        assert!(near.rows().all(|row| snapshot.vector(row).unwrap().space == space), "{space:?}");
    }
    let asked = local.calls().into_iter().rev().find(|call| call.starts_with("query")).unwrap();
    assert!(asked.contains("model:") && asked.contains("hashed_text:"), "{asked}");
    // An item that changes its space leaves the other one.
    let mut moved = items[0].clone();
    moved.embedding = Some(text.clone());
    followed.catalogue.apply([put(moved.clone())]);
    eventually("it is put there", async || local.said("upsert 1").then_some(())).await;
    let again = Followed::of(&local, DIMENSION, std::iter::once(moved).chain(items[1..].iter().cloned()));
    again.until_known().await;
    assert_eq!(again.metric("feed_search_points_total"), 0.0);
    assert_eq!(again.ids(&text).await[0], items[0].id.to_string());
    assert!(!again.ids(&Embedding { space: EmbeddingSpace::Model, ..text }).await.contains(&items[0].id.to_string()));
}

#[tokio::test]
async fn a_collection_that_is_lost_is_made_again() {
    let Some(mut local) = QdrantLocal::start_new("") else { return };
    let followed = Followed::of(&local, DIMENSION, items());
    followed.until_known().await;
    local.stop();
    let question = query(items()[0].embedding.as_ref().unwrap());
    let away = eventually("it is missed", async || followed.near(vec![question.clone()]).await.err()).await;
    assert_eq!(away.reason(), "search_unreachable", "{away}");
    // It comes back empty.
    local.start();
    followed.until_known().await;
    assert!(agreement(&followed, &[question]).await > 0.99);
}
