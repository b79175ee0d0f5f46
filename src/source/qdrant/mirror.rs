//! Brings the catalogue's changes to Qdrant: first all that differs, then what changes, for ever.
//!
//! Every server does it, with the changes as they reach it: putting and deleting are the same however often they are done, and
//! each server's last word on an item is the store's. A comparison now and then corrects what a server that died half-way left.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use half::f16;
use qdrant_client::{
    Qdrant, QdrantError,
    qdrant::{
        DeletePointsBuilder, PayloadIncludeSelector, PointId, PointStruct, PointsIdsList, ScrollPointsBuilder, ScrollResponse,
        UpsertPointsBuilder, with_payload_selector::SelectorOptions,
    },
};
use tokio::time::{Instant, sleep, timeout};

use super::{QdrantEngine, SearchError, collection, link, point};
use crate::{
    catalogue::{Catalogue, NumberSet, Row, Snapshot},
    domain::EmbeddingSpace,
};

/// How often the catalogue is looked at for changes.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How often all points are compared although nothing says that they differ.
const COMPARE_EVERY: Duration = Duration::from_secs(3_600);
/// Changes that are brought one by one; with more, all points are compared.
const CHANGES_MAX: usize = 4_096;
const PUT_MAX_POINTS: usize = 256;
const DELETE_MAX_POINTS: usize = 4_096;
const SCROLL_MAX_POINTS: u32 = 4_096;
/// For one call with changes.
const CALL_LIMIT: Duration = Duration::from_secs(30);
/// Pause before the first retry; doubles to [`MAX_RETRY_PAUSE`].
const FIRST_RETRY_PAUSE: Duration = Duration::from_millis(100);
const MAX_RETRY_PAUSE: Duration = Duration::from_secs(5);

/// What Qdrant lacks of a snapshot.
#[derive(Debug, Default)]
struct Differences {
    put: Vec<Row>,
    gone: Vec<u64>,
}

impl QdrantEngine {
    /// Never returns; drop it to stop.
    pub async fn mirror(&self, catalogue: &Catalogue) {
        self.link.dial();
        let mut pause = FIRST_RETRY_PAUSE;
        loop {
            let Err(error) = self.follow(catalogue, &mut pause).await else { continue };
            self.metrics.search_points("failed", 1);
            match &error {
                SearchError::NoCollection => self.lose(),
                SearchError::Refused(why) => {
                    self.known.store(None);
                    *self.refused.lock() = Some(why.clone());
                }
                _ => {}
            }
            self.metrics.search_behind(self.known_at.lock().elapsed());
            tracing::warn!(reason = error.reason(), %error, "Qdrant does not take the catalogue; trying again");
            sleep(pause).await;
            pause = (pause * 2).min(MAX_RETRY_PAUSE);
        }
    }

    /// Compares everything, then brings changes. Returns when everything is to be compared again. The state that was last
    /// brought is let go of at an error, so a Qdrant that is away for long costs no memory.
    async fn follow(&self, catalogue: &Catalogue, pause: &mut Duration) -> Result<(), SearchError> {
        let (client, _) = link::connect(&self.settings).await?;
        if !self.link.is_connected() {
            self.link.dial();
        }
        self.is_lost.store(false, Ordering::Relaxed);
        let mut last = self.compare(&client, catalogue).await?;
        let compared_at = Instant::now();
        loop {
            *pause = FIRST_RETRY_PAUSE;
            self.knows(&last);
            sleep(LOOK_EVERY).await;
            if self.is_lost.load(Ordering::Relaxed) || compared_at.elapsed() > COMPARE_EVERY {
                return Ok(());
            }
            let now = catalogue.snapshot();
            let Some(differences) = changes(&last, &now) else { return Ok(()) };
            self.bring(&client, &now, &differences).await?;
            last = now;
        }
    }

    fn knows(&self, snapshot: &Snapshot) {
        *self.refused.lock() = None;
        *self.known_at.lock() = Instant::now();
        self.known.store(Some(Arc::new(snapshot.state())));
        self.metrics.search_behind(Duration::ZERO);
    }

    /// Makes Qdrant hold what the catalogue holds; returns the snapshot it then has all of.
    async fn compare(&self, client: &Qdrant, catalogue: &Catalogue) -> Result<Arc<Snapshot>, SearchError> {
        within(collection::ensure(client, &self.settings.collection, self.dimension)).await?;
        let snapshot = catalogue.snapshot();
        let mut equal: NumberSet<u32> = NumberSet::default();
        let mut gone = Vec::new();
        let mut from: Option<PointId> = None;
        loop {
            let page = self.scroll(client, from.take()).await?;
            for retrieved in &page.result {
                // An id that is no number is not ours.
                let Some(hash) = retrieved.id.as_ref().and_then(point::hash) else { continue };
                match snapshot.find_hash(hash).and_then(|row| Some((row, snapshot.vector(row)?))) {
                    Some((row, vector)) if point::put_with(retrieved) == Some(point::digest(vector)) => drop(equal.insert(row.0)),
                    Some(_) => {}
                    None => gone.push(hash),
                }
            }
            from = page.next_page_offset;
            if from.is_none() {
                break;
            }
        }
        let put = snapshot.iter().map(|(row, _)| row).filter(|row| !equal.contains(&row.0)).collect();
        // What came while this was read, here or by another server, is not gone.
        let latest = catalogue.snapshot();
        gone.retain(|hash| latest.find_hash(*hash).is_none_or(|row| latest.vector(row).is_none()));
        let differences = Differences { put, gone };
        self.bring(client, &snapshot, &differences).await?;
        tracing::info!(put = differences.put.len(), deleted = differences.gone.len(), "Qdrant holds the catalogue");
        Ok(snapshot)
    }

    async fn scroll(&self, client: &Qdrant, from: Option<PointId>) -> Result<ScrollResponse, SearchError> {
        let digest = SelectorOptions::Include(PayloadIncludeSelector { fields: vec![point::DIGEST.to_owned()] });
        let mut page =
            ScrollPointsBuilder::new(&self.settings.collection).limit(SCROLL_MAX_POINTS).with_payload(digest).with_vectors(false);
        if let Some(from) = from {
            page = page.offset(from);
        }
        call(client.scroll(page)).await
    }

    /// Deletes and puts, in batches; each call returns when it can be searched.
    async fn bring(&self, client: &Qdrant, snapshot: &Snapshot, differences: &Differences) -> Result<(), SearchError> {
        for hashes in differences.gone.chunks(DELETE_MAX_POINTS) {
            let ids = PointsIdsList { ids: hashes.iter().map(|hash| PointId::from(*hash)).collect() };
            call(client.delete_points(DeletePointsBuilder::new(&self.settings.collection).points(ids).wait(true))).await?;
            self.metrics.search_points("deleted", hashes.len());
        }
        for rows in differences.put.chunks(PUT_MAX_POINTS) {
            let points: Vec<PointStruct> = rows.iter().filter_map(|row| of_row(snapshot, *row)).collect();
            let count = points.len();
            if count > 0 {
                call(client.upsert_points(UpsertPointsBuilder::new(&self.settings.collection, points).wait(true))).await?;
                self.metrics.search_points("put", count);
                self.metrics.search_behind(self.known_at.lock().elapsed());
            }
        }
        Ok(())
    }
}

fn of_row(snapshot: &Snapshot, row: Row) -> Option<PointStruct> {
    Some(point::of(snapshot.entry(row)?.hash, snapshot.vector(row)?))
}

/// What `now` has and `last` has not. `None` when that cannot be told, or is so much that all points should be compared.
fn changes(last: &Snapshot, now: &Snapshot) -> Option<Differences> {
    let rows: NumberSet<u32> = now.changed_since_state(&last.state(), CHANGES_MAX)?.map(|row| row.0).collect();
    let mut differences = Differences::default();
    for row in rows.into_iter().map(Row) {
        let is_gone = |hash: &u64| now.find_hash(*hash).is_none_or(|row| now.vector(row).is_none());
        let hashes = [last.entry(row), now.entry(row)].into_iter().flatten().map(|entry| entry.hash);
        differences.gone.extend(hashes.filter(is_gone));
        // What a server writes comes back to it in the change log.
        let is_same = point_of(last, row) == point_of(now, row);
        if !is_same && now.vector(row).is_some() {
            differences.put.push(row);
        }
    }
    Some(differences)
}

/// What stands in Qdrant for a row.
fn point_of(snapshot: &Snapshot, row: Row) -> Option<(u64, EmbeddingSpace, &[f16])> {
    let vector = snapshot.vector(row)?;
    Some((snapshot.entry(row)?.hash, vector.space, vector.values))
}

async fn call<T>(call: impl Future<Output = Result<T, QdrantError>>) -> Result<T, SearchError> {
    within(async { call.await.map_err(|error| link::told(&error)) }).await
}

async fn within<T>(work: impl Future<Output = Result<T, SearchError>>) -> Result<T, SearchError> {
    timeout(CALL_LIMIT, work).await.unwrap_or(Err(SearchError::Timeout))
}
