//! A store that times every call for the metrics, and is otherwise the one it wraps.

use std::{collections::HashSet, future::Future, sync::Arc, time::Duration};

use async_trait::async_trait;

use super::{
    Basis, CatalogueRecord, Changes, Commit, FeedRecord, Learning, LogPosition, Person, PopularityDelta, Rotated, Store, StoreError,
    Supposed,
};
use crate::{
    clock::Stopwatch,
    domain::{
        EventId, FeedId, Item, ItemId, Profile, Pseudonym, Span, Time, UserId,
        consent::ConsentRecord,
        feed::{Owner, Page, StoredFeed},
        reach::Pace,
    },
    telemetry::Metrics,
};

/// Wraps a store.
pub struct Metered {
    inner: Arc<dyn Store>,
    metrics: Arc<Metrics>,
}

impl Metered {
    pub fn new(inner: Arc<dyn Store>, metrics: Arc<Metrics>) -> Self {
        Self { inner, metrics }
    }

    async fn timed<T>(&self, command: &'static str, call: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        let watch = Stopwatch::start();
        let outcome = call.await;
        let result = outcome.as_ref().map_or_else(StoreError::reason, |_| "ok");
        self.metrics.store_command(self.inner.kind(), command, result, watch.elapsed());
        outcome
    }
}

#[async_trait]
impl Store for Metered {
    async fn put_items(&self, items: &[Item]) -> Result<(), StoreError> {
        self.timed("put_items", self.inner.put_items(items)).await
    }
    async fn delete_items(&self, ids: &[ItemId]) -> Result<Vec<bool>, StoreError> {
        self.timed("delete_items", self.inner.delete_items(ids)).await
    }
    async fn add_popularity(&self, deltas: &[PopularityDelta]) -> Result<(), StoreError> {
        self.timed("add_popularity", self.inner.add_popularity(deltas)).await
    }
    async fn load_catalogue(&self, sink: &mut (dyn FnMut(Vec<CatalogueRecord>) + Send)) -> Result<(LogPosition, u64), StoreError> {
        self.timed("load_catalogue", self.inner.load_catalogue(sink)).await
    }
    /// Not timed: it waits for something to happen.
    async fn changes(&self, position: &LogPosition, wait: Duration) -> Result<Changes, StoreError> {
        self.inner.changes(position, wait).await
    }
    fn logged_at(&self, position: &LogPosition) -> Option<Time> {
        self.inner.logged_at(position)
    }
    async fn person(&self, user: &UserId) -> Result<Option<Person>, StoreError> {
        self.timed("person", self.inner.person(user)).await
    }
    fn supposed(&self, user: &UserId) -> Option<Supposed> {
        self.inner.supposed(user)
    }
    async fn append_consent(&self, user: &UserId, expected: usize, record: &ConsentRecord) -> Result<Commit, StoreError> {
        self.timed("append_consent", self.inner.append_consent(user, expected, record)).await
    }
    async fn begin_learning(&self, user: &UserId, ids: &[EventId]) -> Result<Learning, StoreError> {
        self.timed("begin_learning", self.inner.begin_learning(user, ids)).await
    }
    async fn commit_profile(
        &self,
        user: &UserId,
        expected: u64,
        profile: &Profile,
        ids: &[EventId],
        now: Time,
    ) -> Result<Commit, StoreError> {
        self.timed("commit_profile", self.inner.commit_profile(user, expected, profile, ids, now)).await
    }
    async fn pace(&self, user: &UserId) -> Result<Pace, StoreError> {
        self.timed("pace", self.inner.pace(user)).await
    }
    async fn commit_pace(&self, user: &UserId, expected: &Pace, pace: &Pace, keep: Span) -> Result<Commit, StoreError> {
        self.timed("commit_pace", self.inner.commit_pace(user, expected, pace, keep)).await
    }
    async fn erase_user(&self, user: &UserId, now: Time) -> Result<Time, StoreError> {
        self.timed("erase_user", self.inner.erase_user(user, now)).await
    }
    async fn pseudonym(&self, user: &UserId) -> Result<Pseudonym, StoreError> {
        self.timed("pseudonym", self.inner.pseudonym(user)).await
    }
    fn lookup(&self, user: &UserId) -> Option<String> {
        self.inner.lookup(user)
    }
    async fn erased_since(&self, since: Time) -> Result<HashSet<String>, StoreError> {
        self.timed("erased_since", self.inner.erased_since(since)).await
    }
    async fn rotate_keys(&self) -> Result<Rotated, StoreError> {
        self.timed("rotate_keys", self.inner.rotate_keys()).await
    }
    async fn put_feed(&self, feed: &StoredFeed, first: &Page, keep: Duration, basis: Option<&Basis>) -> Result<(), StoreError> {
        self.timed("put_feed", self.inner.put_feed(feed, first, keep, basis)).await
    }
    async fn feed(&self, owner: &Owner, id: &FeedId) -> Result<Option<FeedRecord>, StoreError> {
        self.timed("feed", self.inner.feed(owner, id)).await
    }
    async fn freeze_page(
        &self,
        owner: &Owner,
        id: &FeedId,
        number: u32,
        page: &Page,
        basis: Option<&Basis>,
    ) -> Result<Option<Page>, StoreError> {
        self.timed("freeze_page", self.inner.freeze_page(owner, id, number, page, basis)).await
    }
    async fn put_policy(&self, digest: &str, json: &str) -> Result<(), StoreError> {
        self.timed("put_policy", self.inner.put_policy(digest, json)).await
    }
    async fn policy(&self, digest: &str) -> Result<Option<String>, StoreError> {
        self.timed("policy", self.inner.policy(digest)).await
    }
    async fn append_activation(&self, expected: u64, line: &str) -> Result<Commit, StoreError> {
        self.timed("append_activation", self.inner.append_activation(expected, line)).await
    }
    async fn activations(&self, after: u64) -> Result<Vec<String>, StoreError> {
        self.timed("activations", self.inner.activations(after)).await
    }
    async fn shared_secret(&self, fresh: [u8; 32]) -> Result<[u8; 32], StoreError> {
        self.timed("shared_secret", self.inner.shared_secret(fresh)).await
    }
    async fn sweep(&self, now: Time) -> Result<usize, StoreError> {
        self.timed("sweep", self.inner.sweep(now)).await
    }
    async fn ping(&self) -> Result<(), StoreError> {
        self.timed("ping", self.inner.ping()).await
    }
    fn kind(&self) -> &'static str {
        self.inner.kind()
    }
}
