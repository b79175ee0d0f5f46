//! Later pages: the frozen one if it was served before, otherwise placed against the pages before it and frozen.

use std::sync::Arc;

use tracing::Instrument;

use super::{
    Degradation, FeedError, FeedRequest, FeedService, Reader, Served, ServedParts, Timings, cursor::Cursor, first::candidates_of, log_store,
};
use crate::{
    clock::Stopwatch,
    domain::{
        ItemId, Policy,
        feed::{Page, Placed},
        policy::ActivePolicy,
    },
    rank::{self, Context, Pool},
    store::FeedRecord,
};

impl FeedService {
    pub(super) async fn next_page(
        &self,
        request: &FeedRequest,
        active: &Arc<ActivePolicy>,
        reader: &Reader,
        cursor: &Cursor,
        mut degraded: Vec<Degradation>,
    ) -> Result<Served, FeedError> {
        let mut timings = Timings::default();
        let watch = Stopwatch::start();
        let record = self.record(reader, cursor, &mut degraded).await;
        timings.store = watch.elapsed();
        let number = cursor.page as usize;
        let usable = record.as_ref().filter(|r| self.clock.now() < r.feed.expires_at && number <= r.pages.len());
        let Some(FeedRecord { feed, pages }) = usable.cloned() else {
            // Never a dead end: a new feed without what the old one served.
            if request.strict {
                return Err(FeedError::CursorExpired);
            }
            return self.first_page(request, active, reader, &served_hashes(record.as_ref()), degraded).await;
        };
        let policy = self.policy_of(&feed.policy_digest, active, &mut degraded).await;
        let snapshot = self.catalogue.snapshot();
        let prefix: Vec<Placed> = pages[..number].iter().flat_map(|page| page.placed.iter().cloned()).collect();
        let page = match pages.get(number) {
            Some(frozen) => frozen.clone(),
            None => {
                let context =
                    Context { snapshot: &snapshot, profile: reader.profile.as_deref(), policy: &policy.policy, now: self.clock.now() };
                let limit = request.limit.unwrap_or(policy.policy.page_size as usize);
                let watch = Stopwatch::start();
                let page = tracing::info_span!("diversify").in_scope(|| {
                    let excluded: Vec<u64> = request.exclude.iter().map(ItemId::hash64).collect();
                    let candidates = candidates_of(&feed, &excluded, &context);
                    rank::place(&Pool { candidates: &candidates, diversity: feed.diversity, seed: feed.seed }, &prefix, limit, &context)
                });
                timings.diversify = watch.elapsed();
                let watch = Stopwatch::start();
                let frozen = self.freeze(&feed, number, page, &mut degraded).await;
                timings.store += watch.elapsed();
                frozen
            }
        };
        let prefix_indices = prefix.iter().map(|placed| placed.pool_index).collect();
        let parts = ServedParts {
            feed: Arc::new(feed),
            policy,
            page,
            page_number: cursor.page,
            prefix_indices,
            snapshot,
            restarted: false,
            outcome: None,
            timings,
        };
        Ok(self.served(parts, reader, degraded))
    }

    /// The feed from the store, or from this instance's memory while the store is away or behind.
    async fn record(&self, reader: &Reader, cursor: &Cursor, degraded: &mut Vec<Degradation>) -> Option<FeedRecord> {
        let local = || self.local.get(&cursor.feed).filter(|r| r.feed.owner == reader.owner);
        let stored = match self.store.feed(&reader.owner, &cursor.feed).instrument(tracing::info_span!("store")).await {
            Ok(stored) => stored,
            Err(error) => {
                log_store("feed", &error);
                degraded.push(Degradation { stage: "feed", reason: error.reason(), fallback: "local_feed" });
                return local();
            }
        };
        let known = stored.as_ref().map_or(0, |r| r.pages.len());
        if known >= cursor.page as usize {
            return stored;
        }
        // Pages were frozen here while the store was away: bring the store up to date.
        let Some(ours) = local().filter(|r| r.pages.len() > known) else { return stored };
        if let Some(stored) = &stored {
            for (number, page) in ours.pages.iter().enumerate().skip(stored.pages.len()) {
                if self.store.freeze_page(&reader.owner, &cursor.feed, number as u32, page).await.is_err() {
                    break;
                }
            }
        }
        Some(ours)
    }

    /// Freezes a page in the store and here; what is frozen is what is served.
    async fn freeze(&self, feed: &crate::domain::feed::StoredFeed, number: usize, page: Page, degraded: &mut Vec<Degradation>) -> Page {
        let span = tracing::info_span!("store");
        let frozen = match self.store.freeze_page(&feed.owner, &feed.id, number as u32, &page).instrument(span).await {
            Ok(Some(frozen)) => frozen,
            Ok(None) => page,
            Err(error) => {
                log_store("feed", &error);
                degraded.push(Degradation { stage: "feed", reason: error.reason(), fallback: "local_feed" });
                page
            }
        };
        self.local.freeze(&feed.id, number, &frozen)
    }

    /// The policy that made the feed: the active one, or an earlier one kept in the store.
    async fn policy_of(&self, digest: &str, active: &Arc<ActivePolicy>, degraded: &mut Vec<Degradation>) -> Arc<ActivePolicy> {
        if active.digest == digest {
            return Arc::clone(active);
        }
        if let Some(policy) = self.surfaces.load().0.values().find(|p| p.digest == digest) {
            return Arc::clone(policy);
        }
        let reason = match self.store.policy(digest).await {
            Ok(Some(json)) => match serde_json::from_str::<Policy>(&json) {
                Ok(policy) => return Arc::new(ActivePolicy { policy, digest: digest.to_owned() }),
                Err(_) => "store_corrupt",
            },
            Ok(None) => "policy_missing",
            Err(error) => error.reason(),
        };
        degraded.push(Degradation { stage: "policy", reason, fallback: "active_policy" });
        Arc::clone(active)
    }
}

/// Hashes of every item the feed served.
fn served_hashes(record: Option<&FeedRecord>) -> Vec<u64> {
    let Some(FeedRecord { feed, pages }) = record else { return Vec::new() };
    let placed = pages.iter().flat_map(|page| &page.placed);
    placed.filter_map(|p| feed.pool.get(p.pool_index as usize)).map(|entry| entry.item.hash64()).collect()
}
