//! The items nearest to an interest, by a Qdrant server (cargo feature `qdrant`).
//!
//! A point is an item that has an embedding: its id is [`ItemId::hash64`](crate::domain::ItemId::hash64), its one vector stands
//! under the name of the embedding's space, so that spaces are never compared. [`mirror`] brings the catalogue's changes there;
//! what Qdrant cannot know yet is compared here, so an item is found as soon as it is in the catalogue.

mod collection;
mod link;
pub mod look;
mod mirror;
mod point;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use qdrant_client::qdrant::{QueryBatchPoints, QueryBatchPointsBuilder, QueryPoints, QueryPointsBuilder, ScoredPoint};
use tokio::time::Instant;

use self::link::Link;
use super::engine::SearchError;
use crate::{
    catalogue::{Near, Query, Snapshot, State},
    settings::QdrantSearch,
    telemetry::Metrics,
};

/// For so long after Qdrant last had every change its answers are used although too much changed since to compare it here.
const STALE_MAX: Duration = Duration::from_secs(60);

/// A Qdrant server as this process knows it.
pub struct QdrantEngine {
    settings: QdrantSearch,
    /// Numbers in every embedding.
    dimension: usize,
    /// For searches. Changes have connections of their own: nobody waits behind them.
    link: Arc<Link>,
    /// The state of the catalogue that Qdrant has all of; `None` until it was compared.
    known: ArcSwapOption<State>,
    /// When Qdrant last had everything.
    known_at: Mutex<Instant>,
    /// Why the collection cannot be used.
    refused: Mutex<Option<String>>,
    /// Somebody found that the collection is gone.
    is_lost: AtomicBool,
    metrics: Arc<Metrics>,
}

impl QdrantEngine {
    /// Connects when first asked. `settings` are sound, `dimension` ≥ 1.
    pub fn new(settings: &QdrantSearch, dimension: usize, metrics: &Arc<Metrics>) -> Self {
        Self {
            settings: settings.clone(),
            dimension,
            link: Arc::new(Link::new(settings)),
            known: ArcSwapOption::empty(),
            known_at: Mutex::new(Instant::now()),
            refused: Mutex::new(None),
            is_lost: AtomicBool::new(false),
            metrics: Arc::clone(metrics),
        }
    }

    /// What is near each of `wanted` in `snapshot`, in their order, by one call that may take `limit`. Errors: Qdrant cannot be
    /// asked, or does not have the catalogue.
    pub async fn near(&self, snapshot: &Snapshot, wanted: Vec<Query>, limit: Duration) -> Result<Vec<Near>, SearchError> {
        let began = Instant::now();
        let near = self.search(snapshot, wanted, limit).await;
        self.metrics.search(near.as_ref().map_or_else(SearchError::reason, |_| "ok"), began.elapsed());
        if let Err(error) = &near {
            tracing::debug!(reason = error.reason(), %error, "Qdrant was not searched");
        }
        near
    }

    async fn search(&self, snapshot: &Snapshot, wanted: Vec<Query>, limit: Duration) -> Result<Vec<Near>, SearchError> {
        // Taken before the call: all that changed since is compared here.
        let Some(of) = self.known.load_full() else { return Err(self.why_unknown()) };
        let limit = super::Engine::within(self.settings.timeout.as_std(), limit);
        let batch: QueryBatchPoints = QueryBatchPointsBuilder::new(
            &self.settings.collection,
            wanted.iter().map(|query| self.query_points(query)).collect::<Vec<QueryPoints>>(),
        )
        .into();
        let answer = self.link.ask(limit, |client| async move { client.query_batch(batch).await }).await;
        if answer.as_ref().is_err_and(|error| *error == SearchError::NoCollection) {
            self.lose();
        }
        let found = answer?.result;
        if found.len() != wanted.len() {
            return Err(SearchError::Refused(format!("{} answers to {} questions", found.len(), wanted.len())));
        }
        let nears = wanted.into_iter().zip(found).map(|(query, found)| {
            let hashes: Vec<u64> = found.result.iter().filter_map(hash_of).collect();
            let near = snapshot.near_of(query, &hashes, Near::ASKED_ROWS, State::clone(&of));
            snapshot.caught_up(&near).map_or_else(|| self.as_it_is(near), Ok)
        });
        nears.collect()
    }

    fn query_points(&self, query: &Query) -> QueryPoints {
        QueryPointsBuilder::new(&self.settings.collection)
            .query(query.to_f32())
            .using(point::name(query.space()))
            .limit(Near::ASKED_ROWS as u64)
            .with_payload(false)
            .with_vectors(false)
            .into()
    }

    /// More changed than is compared: good enough for a moment, while Qdrant takes it in.
    fn as_it_is(&self, near: Near) -> Result<Near, SearchError> {
        if self.known_at.lock().elapsed() > STALE_MAX { Err(SearchError::Behind) } else { Ok(near) }
    }

    fn why_unknown(&self) -> SearchError {
        if let Some(why) = self.refused.lock().clone() {
            return SearchError::Refused(why);
        }
        if self.link.is_connected() { SearchError::Behind } else { SearchError::Unreachable("there is no connection".into()) }
    }

    /// The collection is not there: nothing is known of it any more.
    fn lose(&self) {
        self.known.store(None);
        self.is_lost.store(true, Ordering::Relaxed);
    }
}

/// `None` for an id that no item has.
fn hash_of(point: &ScoredPoint) -> Option<u64> {
    point.id.as_ref().and_then(point::hash)
}
