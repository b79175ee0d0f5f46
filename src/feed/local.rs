//! Recent feeds of this instance, kept in memory so that paging goes on while the store is away.

use std::sync::Arc;

use quick_cache::sync::Cache;

use crate::{
    domain::{
        FeedId,
        feed::{Page, StoredFeed},
    },
    store::FeedRecord,
};

/// Feeds kept: about 30 KB each at a pool of 500.
const MAX_LOCAL_FEEDS: usize = 2_000;

/// A bounded cache of feeds served by this instance.
pub struct LocalFeeds(Cache<FeedId, Arc<LocalFeed>>);

/// A feed and the pages this instance knows.
pub struct LocalFeed {
    pub feed: Arc<StoredFeed>,
    pub pages: parking_lot::Mutex<Vec<Page>>,
}

impl Default for LocalFeeds {
    fn default() -> Self {
        Self(Cache::new(MAX_LOCAL_FEEDS))
    }
}

impl LocalFeeds {
    pub fn put(&self, feed: Arc<StoredFeed>, pages: Vec<Page>) {
        let id = feed.id.clone();
        self.0.insert(id, Arc::new(LocalFeed { feed, pages: parking_lot::Mutex::new(pages) }));
    }

    pub fn get(&self, id: &FeedId) -> Option<FeedRecord> {
        let local = self.0.get(id)?;
        let pages = local.pages.lock().clone();
        Some(FeedRecord { feed: StoredFeed::clone(&local.feed), pages })
    }

    /// Freezes page `number` here; returns the one that is frozen: the first wins.
    pub fn freeze(&self, id: &FeedId, number: usize, page: &Page) -> Page {
        let Some(local) = self.0.get(id) else { return page.clone() };
        let mut pages = local.pages.lock();
        if let Some(frozen) = pages.get(number) {
            return frozen.clone();
        }
        if pages.len() == number {
            pages.push(page.clone());
        }
        page.clone()
    }
}
