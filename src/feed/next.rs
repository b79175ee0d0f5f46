//! Later pages: the frozen one if it was served before, otherwise placed against the pages before it and frozen.

use std::sync::Arc;

use tracing::Instrument;

use super::{
    Degradation, FeedError, FeedRequest, FeedService, Reader, Served, ServedParts, Stopped, Timings, chronological,
    cursor::Cursor,
    first::{candidates_of, shown_until},
    local::{Ahead, Asked, LocalFeed, ReaderMark},
    log_store,
};
use crate::{
    catalogue::{Row, Snapshot},
    clock::Stopwatch,
    domain::{
        ItemId, Policy,
        feed::{Owner, Page, Placed, StoredFeed},
        policy::ActivePolicy,
        profile::Mode,
    },
    rank::{self, Context, Pool},
    store::{FeedRecord, StoreError},
};

impl FeedService {
    pub(super) async fn next_page(
        &self,
        request: &FeedRequest,
        active: &Arc<ActivePolicy>,
        reader: &Reader,
        cursor: &Cursor,
        mut degraded: Vec<Degradation>,
    ) -> Result<Served, Stopped> {
        let mut timings = Timings::default();
        let number = cursor.page as usize;
        let local = self.local.get(&cursor.feed).filter(|local| *local.owner() == reader.owner);
        let watch = Stopwatch::start();
        // Here and in the store alike: the page is made without asking, and freezing it tells if the store knows better.
        let record = match local.as_ref().filter(|local| local.continues_at(number)) {
            Some(local) => Some(local.record()),
            None => {
                reader.must_be_read()?;
                self.record(reader, cursor, local.as_deref(), &mut degraded).await
            }
        };
        timings.store = watch.elapsed();
        let usable = record.as_ref().filter(|r| self.clock.now() < r.feed.expires_at && number <= r.pages.len());
        let Some(FeedRecord { feed, pages }) = usable.cloned() else {
            return self.restart(request, active, reader, record.as_ref(), degraded).await;
        };
        let policy = self.policy_of(&feed.policy_digest, active, &mut degraded).await;
        let snapshot = self.catalogue.snapshot();
        let prefix: Vec<Placed> = pages[..number].iter().flat_map(|page| page.placed.iter().cloned()).collect();
        let known_rows = local.as_ref().map_or(&[][..], |local| local.rows());
        let mut draws = Vec::new();
        let page = match pages.get(number) {
            Some(frozen) => {
                // Nothing new comes to be kept.
                reader.must_be_read()?;
                frozen.clone()
            }
            None => {
                let context =
                    Context { snapshot: &snapshot, profile: reader.profile.as_deref(), policy: &policy.policy, now: self.clock.now() };
                let limit = request.limit.unwrap_or(policy.policy.page_size as usize);
                let watch = Stopwatch::start();
                let excluded: Vec<u64> = request.exclude.iter().map(ItemId::hash64).collect();
                let mark = reader.mark(request);
                let making = Making { feed: &feed, local: local.as_deref(), prefix: &prefix, number, limit, excluded, mark };
                let mut page = tracing::info_span!("diversify").in_scope(|| making.make(&context));
                timings.diversify = watch.elapsed();
                draws = std::mem::take(&mut page.draws);
                page.sponsored = self.sponsored(request, reader, &feed, &page, &pages[..number], &snapshot);
                let made = page.placed.clone();
                let watch = Stopwatch::start();
                let Some(frozen) = self.freeze(&feed, number, page, reader, &mut degraded).await? else {
                    return self.restart(request, active, reader, record.as_ref(), degraded).await;
                };
                timings.store += watch.elapsed();
                // Another server may have been faster: its page was drawn from what it knew.
                draws.retain(|_| frozen.placed == made);
                frozen
            }
        };
        let prefix_indices = prefix.iter().map(|placed| placed.pool_index).collect();
        let rows = rows_of(&page, known_rows, &snapshot);
        let (page_number, restarted, outcome) = (cursor.page, false, None);
        let parts = ServedParts { feed, policy, page, draws, page_number, prefix_indices, rows, snapshot, restarted, outcome, timings };
        Ok(self.served(parts, reader, degraded))
    }

    /// The feed that a reader of `cursor` has to leave, because it is made of something else than may be used now:
    ///
    /// - their own, in another mode than they are in now;
    /// - their own, while they cannot be read: nothing of theirs may be used until their consent is known again;
    /// - that of everybody that they were given meanwhile.
    ///
    /// `None`: none of that is why the cursor is refused.
    pub(super) async fn left(&self, cursor: &str, request: &FeedRequest, reader: &Reader, degraded: &[Degradation]) -> Option<Left> {
        let own = Owner::User(request.user.clone()?);
        let read = |owner: &Owner, mode| self.signer.read_cursor(cursor, owner, &request.surface, mode);
        if reader.owner == own {
            if let Some(cursor) = [Mode::Profile, Mode::ExplicitOnly].into_iter().find_map(|mode| read(&own, mode)) {
                let local = self.local.get(&cursor.feed);
                return Some(Left { record: self.record(reader, &cursor, local.as_deref(), &mut Vec::new()).await });
            }
            // What the store knows of was not made for want of it.
            let cursor = read(&Owner::Nobody, reader.mode)?;
            let local = self.local.get(&cursor.feed).filter(|local| *local.owner() == Owner::Nobody && !local.is_stored())?;
            return Some(Left { record: Some(local.record()) });
        }
        if degraded.iter().all(|degradation| degradation.stage != "profile") {
            return None;
        }
        let cursor = [Mode::Profile, Mode::ExplicitOnly].into_iter().find_map(|mode| read(&own, mode))?;
        let local = self.local.get(&cursor.feed).filter(|local| *local.owner() == own);
        Some(Left { record: local.map(|local| local.record()) })
    }

    /// Never a dead end: a new feed without what the old one served.
    pub(super) async fn restart(
        &self,
        request: &FeedRequest,
        active: &Arc<ActivePolicy>,
        reader: &Reader,
        record: Option<&FeedRecord>,
        degraded: Vec<Degradation>,
    ) -> Result<Served, Stopped> {
        if request.strict {
            return Err(FeedError::CursorExpired.into());
        }
        self.first_page(request, active, reader, &served_hashes(record), degraded).await
    }

    /// The feed from the store, or from this instance's memory while the store is away or behind.
    async fn record(
        &self,
        reader: &Reader,
        cursor: &Cursor,
        local: Option<&LocalFeed>,
        degraded: &mut Vec<Degradation>,
    ) -> Option<FeedRecord> {
        let ours = || local.map(LocalFeed::record);
        let stored = match self.store.feed(&reader.owner, &cursor.feed).instrument(tracing::info_span!("store")).await {
            Ok(stored) => stored,
            Err(error) => {
                log_store("feed", &error);
                Degradation { stage: "feed", reason: error.reason(), fallback: "local_feed" }.note(degraded);
                return ours();
            }
        };
        let known = stored.as_ref().map_or(0, |r| r.pages.len());
        if known >= cursor.page as usize {
            return stored;
        }
        // Pages were frozen here while the store was away: bring the store up to date.
        let Some((local, ours)) = local.zip(ours()).filter(|(_, ours)| ours.pages.len() > known) else { return stored };
        if let Some(stored) = &stored {
            let mut is_stored = true;
            for (number, page) in ours.pages.iter().enumerate().skip(stored.pages.len()) {
                if self.store.freeze_page(&reader.owner, &cursor.feed, number as u32, page, None).await.is_err() {
                    is_stored = false;
                    break;
                }
            }
            local.set_stored(is_stored);
        }
        Some(ours)
    }

    /// Freezes a page in the store and here; what is frozen is what is served. `None`: the feed was deleted meanwhile.
    ///
    /// Errors: its reader was supposed, and it is not there.
    async fn freeze(
        &self,
        feed: &StoredFeed,
        number: usize,
        page: Page,
        reader: &Reader,
        degraded: &mut Vec<Degradation>,
    ) -> Result<Option<Page>, Stopped> {
        let freezing = self.store.freeze_page(&feed.owner, &feed.id, number as u32, &page, reader.basis.as_ref());
        let (frozen, is_stored) = match freezing.instrument(tracing::info_span!("store")).await {
            Ok(Some(frozen)) => (frozen, true),
            Ok(None) | Err(_) if reader.basis.is_some() => return Err(Stopped::Outdated),
            Ok(None) if self.local.get(&feed.id).is_none_or(|local| local.is_stored()) => {
                self.local.forget(&feed.id);
                return Ok(None);
            }
            // Made while the store was away: it lives here alone.
            Ok(None) => (page, false),
            Err(error) => {
                log_store("feed", &error);
                Degradation { stage: "feed", reason: error.reason(), fallback: "local_feed" }.note(degraded);
                (page, false)
            }
        };
        Ok(Some(self.local.freeze(&feed.id, number, &frozen, is_stored)))
    }

    /// The policy that made the feed: the active one, or an earlier one kept in the store.
    async fn policy_of(&self, digest: &str, active: &Arc<ActivePolicy>, degraded: &mut Vec<Degradation>) -> Arc<ActivePolicy> {
        if active.digest == digest {
            return Arc::clone(active);
        }
        let reason = match self.kept_policy(digest).await {
            Ok(Some(policy)) => return policy,
            Ok(None) => "policy_missing",
            Err(error) => error.reason(),
        };
        Degradation { stage: "policy", reason, fallback: "active_policy" }.note(degraded);
        Arc::clone(active)
    }

    /// A policy in force here, or an earlier one kept in the store; `None` when it is not known.
    pub(super) async fn kept_policy(&self, digest: &str) -> Result<Option<Arc<ActivePolicy>>, StoreError> {
        if chronological::POLICY.digest == digest {
            return Ok(Some(Arc::clone(&chronological::POLICY)));
        }
        if let Some(policy) = self.serving.load().by_digest(digest) {
            return Ok(Some(Arc::clone(policy)));
        }
        let Some(json) = self.store.policy(digest).await? else { return Ok(None) };
        let corrupt = |error: serde_json::Error| StoreError::Corrupt { what: "policy", detail: error.to_string() };
        let policy: Policy = serde_json::from_str(&json).map_err(corrupt)?;
        Ok(Some(Arc::new(ActivePolicy { digest: digest.to_owned(), ..ActivePolicy::new(policy) })))
    }
}

/// A feed that somebody has to leave.
pub(super) struct Left {
    /// As this instance knows it.
    pub record: Option<FeedRecord>,
}

/// A later page about to be made.
struct Making<'a> {
    feed: &'a StoredFeed,
    local: Option<&'a LocalFeed>,
    /// The pages before.
    prefix: &'a [Placed],
    number: usize,
    limit: usize,
    /// Hashes of items that must not come.
    excluded: Vec<u64>,
    mark: Option<ReaderMark>,
}

impl Making<'_> {
    /// The page as it was made ahead, or made now with the one after it.
    fn make(self, context: &Context) -> Page {
        let Self { feed, local, prefix, number, limit, excluded, mark } = self;
        let asked = Asked { prefix, number, limit };
        let unchanged = local.filter(|_| excluded.is_empty()).and_then(|local| {
            // A page made ahead knows nothing of what only this request excludes.
            local.take_unchanged(&asked, mark.as_ref(), context.snapshot, context.now)
        });
        if let Some(page) = unchanged {
            return page;
        }
        let rows = local.map_or(&[][..], LocalFeed::rows);
        let candidates = candidates_of(feed, rows, prefix, &excluded, context);
        if let Some(page) = local.and_then(|local| local.take_ahead(&asked, &candidates, context.snapshot)) {
            return page;
        }
        let pool =
            Pool { candidates: &candidates, diversity: feed.diversity, seed: feed.seed, exemplars: &feed.exemplars, dials: feed.dials };
        let Some(local) = local else { return rank::place(&pool, prefix, limit, context) };
        let [page, next] = rank::place_pages(&pool, prefix, limit, context);
        if page.has_next {
            let version = context.snapshot.items_version();
            let reader = mark.filter(|_| excluded.is_empty());
            let until = shown_until(&candidates, context.snapshot);
            let after = prefix.iter().chain(&page.placed).map(|placed| placed.pool_index).collect();
            local.put_ahead(Ahead { number: number + 1, limit, after, page: next, candidates, version, reader, until });
        }
        page
    }
}

/// Where the page's items are in the catalogue, in order; `known`: where the pool's were when the feed was made.
fn rows_of(page: &Page, known: &[Row], snapshot: &Snapshot) -> Vec<Option<Row>> {
    let row = |placed: &Placed| {
        let is_there = |row: &Row| snapshot.entry(*row).is_some_and(|entry| entry.item.id == placed.item);
        known.get(placed.pool_index as usize).copied().filter(is_there).or_else(|| snapshot.find(&placed.item))
    };
    page.placed.iter().map(row).collect()
}

/// Hashes of every item the feed served.
fn served_hashes(record: Option<&FeedRecord>) -> Vec<u64> {
    let Some(FeedRecord { feed, pages }) = record else { return Vec::new() };
    let placed = pages.iter().flat_map(|page| &page.placed);
    placed.filter_map(|p| feed.pool.get(p.pool_index as usize)).map(|entry| entry.item_hash).collect()
}
