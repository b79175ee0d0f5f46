//! Recent feeds of this instance, kept in memory: the next page is mostly asked of the instance that made the one before, and
//! paging goes on while the store is away.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, Ordering},
};

use quick_cache::{
    DefaultHashBuilder, OptionsBuilder, UnitWeighter,
    sync::{Cache, DefaultLifecycle},
};

use super::journaling::pool_digest;
use crate::{
    catalogue::{Row, Snapshot},
    domain::{
        FeedId, Time, UserId,
        feed::{Owner, Page, Placed, StoredFeed},
        profile::Mode,
    },
    rank::place::PoolCandidate,
    store::{Basis, FeedRecord},
};

/// Feeds kept: about 45 KB each at a pool of 500.
const MAX_LOCAL_FEEDS: usize = 2_000;
/// Changes of the catalogue that a page made ahead is checked against; past them it is made anew.
const AHEAD_MAX_CHANGES: usize = 4_096;

/// A bounded cache of feeds served by this instance.
pub struct LocalFeeds(Cache<FeedId, Arc<LocalFeed>>);

/// A feed and the pages this instance knows.
pub struct LocalFeed {
    feed: Arc<StoredFeed>,
    /// Where the pool's items were in the catalogue when the feed was made; another item may be there by now.
    rows: Arc<[Row]>,
    pages: parking_lot::Mutex<Vec<Page>>,
    ahead: parking_lot::Mutex<Option<Ahead>>,
    /// Whether the store has the feed and every page of it that is here.
    is_stored: AtomicBool,
    /// [`pool_digest`] of the feed, which each of its pages is journaled with.
    pool_digest: OnceLock<String>,
}

/// A page made along with the one before it: most of what placing costs is in coming to where it starts.
pub struct Ahead {
    /// 0-based page.
    pub number: usize,
    /// Items asked of it.
    pub limit: usize,
    /// What it follows, by place in the pool: another page may be frozen before it than was made here.
    pub after: Vec<u32>,
    pub page: Page,
    /// What it was chosen from: it holds while the same would be chosen from now.
    pub candidates: Vec<PoolCandidate>,
    /// [`Snapshot::items_version`] when it was made.
    pub version: usize,
    /// For whom it was made, where a store tells whether they changed.
    pub reader: Option<ReaderMark>,
    /// From here on some of what it was chosen from is not shown any more.
    pub until: Time,
}

/// A page that is asked for.
pub struct Asked<'a> {
    /// What stands before it.
    pub prefix: &'a [Placed],
    /// 0-based page.
    pub number: usize,
    pub limit: usize,
}

/// Equal for two requests in which the same is known of the same person, and no more may be used of it.
#[derive(Clone, Debug, PartialEq)]
pub struct ReaderMark {
    pub basis: Basis,
    pub mode: Mode,
    pub is_minor: bool,
}

impl Ahead {
    /// Whether it is what is asked for: the same number of items after the same ones.
    fn is_at(&self, asked: &Asked) -> bool {
        let after = self.after.iter().copied().eq(asked.prefix.iter().map(|placed| placed.pool_index));
        (self.number, self.limit) == (asked.number, asked.limit) && after
    }

    /// Whether the page asked for, chosen from `candidates` in `snapshot`, is this one.
    fn holds(&self, asked: &Asked, candidates: &[PoolCandidate], snapshot: &Snapshot) -> bool {
        if !self.is_at(asked) || self.candidates != candidates {
            return false;
        }
        let Some(changed) = snapshot.changed_since(self.version, AHEAD_MAX_CHANGES) else { return false };
        let mut changed: Vec<Row> = changed.collect();
        changed.sort_unstable();
        changed.is_empty() || candidates.iter().filter_map(|candidate| candidate.row).all(|row| changed.binary_search(&row).is_err())
    }
}

impl LocalFeed {
    /// The page made ahead, if it is what would be made now. It is given once.
    pub fn take_ahead(&self, asked: &Asked, candidates: &[PoolCandidate], snapshot: &Snapshot) -> Option<Page> {
        let ahead = self.ahead.lock().take()?;
        ahead.holds(asked, candidates, snapshot).then_some(ahead.page)
    }

    /// The page made ahead, if nothing it was chosen by is another by now; it is given once. Where something is,
    /// [`Self::take_ahead`] may still find that it would be made again.
    pub fn take_unchanged(&self, asked: &Asked, reader: Option<&ReaderMark>, snapshot: &Snapshot, now: Time) -> Option<Page> {
        let mut ahead = self.ahead.lock();
        let is_unchanged = ahead.as_ref().is_some_and(|ahead| {
            ahead.is_at(asked)
                && ahead.reader.is_some()
                && ahead.reader.as_ref() == reader
                && ahead.version == snapshot.items_version()
                && now < ahead.until
        });
        if is_unchanged { ahead.take().map(|ahead| ahead.page) } else { None }
    }

    pub fn put_ahead(&self, ahead: Ahead) {
        *self.ahead.lock() = Some(ahead);
    }

    pub fn record(&self) -> FeedRecord {
        FeedRecord { feed: Arc::clone(&self.feed), pages: self.pages.lock().clone() }
    }

    pub fn pool_digest(&self) -> String {
        self.pool_digest.get_or_init(|| pool_digest(&self.feed)).clone()
    }

    pub fn owner(&self) -> &Owner {
        &self.feed.owner
    }

    pub fn is_stored(&self) -> bool {
        self.is_stored.load(Ordering::Acquire)
    }

    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Whether page `number` is the next to be made, and the store knows all before it.
    pub fn continues_at(&self, number: usize) -> bool {
        self.is_stored() && self.pages.lock().len() == number
    }

    pub fn set_stored(&self, is_stored: bool) {
        self.is_stored.store(is_stored, Ordering::Release);
    }
}

impl Default for LocalFeeds {
    fn default() -> Self {
        // The newest stay: a feed is asked for its next page once, so being asked for says nothing about being asked again.
        let options = OptionsBuilder::new()
            .estimated_items_capacity(MAX_LOCAL_FEEDS)
            .weight_capacity(MAX_LOCAL_FEEDS as u64)
            .hot_allocation(0.0)
            .ghost_allocation(0.0)
            .build();
        match options {
            Ok(options) => Self(Cache::with_options(options, UnitWeighter, DefaultHashBuilder::default(), DefaultLifecycle::default())),
            Err(_) => Self(Cache::new(MAX_LOCAL_FEEDS)),
        }
    }
}

impl LocalFeeds {
    /// A new feed with its first page, not in the store yet.
    pub fn put(&self, feed: Arc<StoredFeed>, rows: Arc<[Row]>, first: Page, ahead: Option<Ahead>) -> Arc<LocalFeed> {
        let id = feed.id.clone();
        let (pages, ahead) = (parking_lot::Mutex::new(vec![first]), parking_lot::Mutex::new(ahead));
        let local = Arc::new(LocalFeed { feed, rows, pages, ahead, is_stored: AtomicBool::new(false), pool_digest: OnceLock::new() });
        self.0.insert(id, Arc::clone(&local));
        local
    }

    pub fn get(&self, id: &FeedId) -> Option<Arc<LocalFeed>> {
        self.0.get(id)
    }

    /// The store does not have the feed any more.
    pub fn forget(&self, id: &FeedId) {
        self.0.remove(id);
    }

    /// Forgets the feeds of people of whom `is_erased` holds.
    pub fn forget_erased(&self, is_erased: impl Fn(&UserId) -> bool) {
        self.0.retain(|_, local| !local.owner().user().is_some_and(&is_erased));
    }

    /// Freezes page `number` here; returns the one that is frozen: the first wins. `is_stored`: the store has it too.
    pub fn freeze(&self, id: &FeedId, number: usize, page: &Page, is_stored: bool) -> Page {
        let Some(local) = self.0.get(id) else { return page.clone() };
        let mut pages = local.pages.lock();
        if let Some(frozen) = pages.get(number) {
            return frozen.clone();
        }
        if pages.len() == number {
            if !is_stored {
                local.set_stored(false);
            }
            pages.push(page.clone());
        }
        page.clone()
    }
}
