//! Recent feeds of this instance, kept in memory: the next page is mostly asked of the instance that made the one before, and
//! paging goes on while the store is away.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use quick_cache::sync::Cache;

use crate::{
    catalogue::Row,
    domain::{
        FeedId, UserId,
        feed::{Owner, Page, StoredFeed},
    },
    store::FeedRecord,
};

/// Feeds kept: about 30 KB each at a pool of 500.
const MAX_LOCAL_FEEDS: usize = 2_000;

/// A bounded cache of feeds served by this instance.
pub struct LocalFeeds(Cache<FeedId, Arc<LocalFeed>>);

/// A feed and the pages this instance knows.
pub struct LocalFeed {
    feed: Arc<StoredFeed>,
    /// Where the pool's items were in the catalogue when the feed was made; another item may be there by now.
    rows: Arc<[Row]>,
    pages: parking_lot::Mutex<Vec<Page>>,
    /// Whether the store has the feed and every page of it that is here.
    is_stored: AtomicBool,
}

impl LocalFeed {
    pub fn record(&self) -> FeedRecord {
        FeedRecord { feed: Arc::clone(&self.feed), pages: self.pages.lock().clone() }
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
        Self(Cache::new(MAX_LOCAL_FEEDS))
    }
}

impl LocalFeeds {
    /// A new feed with its first page, not in the store yet.
    pub fn put(&self, feed: Arc<StoredFeed>, rows: Arc<[Row]>, first: Page) -> Arc<LocalFeed> {
        let id = feed.id.clone();
        let local = Arc::new(LocalFeed { feed, rows, pages: parking_lot::Mutex::new(vec![first]), is_stored: AtomicBool::new(false) });
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
