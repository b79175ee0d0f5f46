//! How changes become the next snapshot.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    CatalogueRecord,
    codes::FacetCode,
    snapshot::{Entry, Row, Snapshot, shard_of, unembedded},
};
use crate::domain::{Item, ItemId, Popularity};

/// With more additions than this to one posting, sorting it once is cheaper than inserting each.
const INSERT_EACH_MAX_ROWS: usize = 16;

/// What a batch changes in one posting.
#[derive(Default)]
struct PostingChange {
    removed: Vec<Row>,
    added: Vec<Row>,
}

impl Snapshot {
    /// Applies changes in order. Private state only: the snapshot is not published yet.
    pub(super) fn apply(&mut self, records: impl IntoIterator<Item = CatalogueRecord>) {
        let mut postings: BTreeMap<FacetCode, PostingChange> = BTreeMap::new();
        for record in records {
            match record {
                CatalogueRecord::Put(item) if item.sponsored.is_some() => {
                    self.delete(&item.id, &mut postings);
                    let entry = Arc::new(Entry::new(unembedded(&item), &self.codes));
                    Arc::make_mut(&mut self.sponsored).insert(item.id, entry);
                }
                CatalogueRecord::Put(item) => {
                    self.forget_sponsored(&item.id);
                    self.put(*item, &mut postings);
                }
                CatalogueRecord::Deleted(id) => {
                    self.forget_sponsored(&id);
                    self.delete(&id, &mut postings);
                }
                CatalogueRecord::Popularity(id, popularity) => self.set_popularity(&id, popularity),
            }
        }
        for (code, change) in postings {
            self.change_posting(code, &change);
        }
        self.rebuild_heads();
    }

    fn forget_sponsored(&mut self, id: &ItemId) {
        if self.sponsored.contains_key(id) {
            Arc::make_mut(&mut self.sponsored).remove(id);
        }
    }

    fn put(&mut self, mut item: Item, postings: &mut BTreeMap<FacetCode, PostingChange>) {
        let hash = item.id.hash64();
        let kept = self.find_hashed(&item.id, hash).map(|row| self.popularity(row)).unwrap_or_default();
        let row = self.remove(&item.id, postings).or_else(|| self.free_rows.pop()).unwrap_or(Row(self.entries.len() as u32));
        // The row keeps the numbers; an embedding that is no row stays with the item.
        let embedding = item.embedding.take_if(|embedding| embedding.values.len() == self.vectors.dimension());
        self.vectors.set(row.index(), embedding.as_ref());
        let entry = Entry::new(item, &self.codes);
        let shard = Arc::make_mut(&mut self.by_hash[shard_of(hash)]);
        shard.insert(shard.partition_point(|(h, _)| *h < hash), (hash, row));
        for code in indexed_codes(&entry) {
            postings.entry(code).or_default().added.push(row);
        }
        for code in all_codes(&entry) {
            self.count(code, |count| count + 1);
        }
        Arc::make_mut(&mut self.fresh).insert(entry.newness(), hash, row);
        if let Some(key) = kept.order_key(self.popularity_half_life()) {
            Arc::make_mut(&mut self.trending).insert(key, hash, row);
        }
        let entry = Some(entry);
        match self.entries.get_mut(row.index()) {
            Some(slot) => *slot = entry,
            None => self.entries.push(entry),
        }
        match self.popularity.get_mut(row.index()) {
            Some(slot) => *slot = kept,
            None => self.popularity.push(kept),
        }
        self.len += 1;
    }

    /// Takes an item away; its row is free afterwards.
    fn delete(&mut self, id: &ItemId, postings: &mut BTreeMap<FacetCode, PostingChange>) {
        if let Some(row) = self.remove(id, postings) {
            self.vectors.set(row.index(), None);
            self.free_rows.push(row);
        }
    }

    /// Takes an item out of every index but that of vectors, where its row is what another is written over.
    fn remove(&mut self, id: &ItemId, postings: &mut BTreeMap<FacetCode, PostingChange>) -> Option<Row> {
        let row = self.find(id)?;
        let entry = self.entries.get_mut(row.index())?.take()?;
        let shard = Arc::make_mut(&mut self.by_hash[shard_of(entry.hash)]);
        shard.retain(|(_, r)| *r != row);
        for code in indexed_codes(&entry) {
            let change = postings.entry(code).or_default();
            change.added.retain(|r| *r != row);
            change.removed.push(row);
        }
        for code in all_codes(&entry) {
            self.count(code, |count| count.saturating_sub(1));
        }
        Arc::make_mut(&mut self.fresh).remove(entry.newness(), entry.hash);
        if let Some(key) = self.popularity(row).order_key(self.popularity_half_life()) {
            Arc::make_mut(&mut self.trending).remove(key, entry.hash);
        }
        if let Some(slot) = self.popularity.get_mut(row.index()) {
            *slot = Popularity::default();
        }
        self.len -= 1;
        Some(row)
    }

    fn count(&mut self, code: FacetCode, change: impl Fn(u32) -> u32) {
        while self.counts.len() <= code.index() {
            self.counts.push(0);
        }
        if let Some(count) = self.counts.get_mut(code.index()) {
            *count = change(*count);
        }
    }

    fn set_popularity(&mut self, id: &ItemId, popularity: Popularity) {
        let half_life = self.popularity_half_life();
        let hash = id.hash64();
        let Some(row) = self.find_hashed(id, hash) else { return };
        let Some(slot) = self.popularity.get_mut(row.index()) else { return };
        let old = std::mem::replace(slot, popularity);
        let trending = Arc::make_mut(&mut self.trending);
        if let Some(key) = old.order_key(half_life) {
            trending.remove(key, hash);
        }
        if let Some(key) = popularity.order_key(half_life) {
            trending.insert(key, hash, row);
        }
    }

    fn change_posting(&mut self, code: FacetCode, change: &PostingChange) {
        while self.postings.len() <= code.index() {
            self.postings.push(Arc::default());
        }
        let Some(posting) = self.postings.get(code.index()) else { return };
        let mut rows = Vec::clone(posting);
        if !change.removed.is_empty() {
            rows.retain(|row| !change.removed.contains(row));
        }
        let key = |row: &Row| self.entry(*row).map_or((f64::MAX, 0), |e| (-e.newness(), e.hash));
        let order = |a: &(f64, u64), b: &(f64, u64)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
        if change.added.len() > INSERT_EACH_MAX_ROWS {
            rows.extend(&change.added);
            let mut keyed: Vec<_> = rows.iter().map(|row| (key(row), *row)).collect();
            keyed.sort_unstable_by(|a, b| order(&a.0, &b.0));
            rows = keyed.into_iter().map(|(_, row)| row).collect();
        } else {
            for row in &change.added {
                let wanted = key(row);
                let at = rows.partition_point(|r| order(&key(r), &wanted).is_lt());
                rows.insert(at, *row);
            }
        }
        if let Some(slot) = self.postings.get_mut(code.index()) {
            *slot = Arc::new(rows);
        }
    }

    fn rebuild_heads(&mut self) {
        if self.fresh.needs_rebuild() {
            let mut head = Arc::clone(&self.fresh);
            Arc::make_mut(&mut head).rebuild(self.iter().map(|(row, e)| (e.newness(), e.hash, row)));
            self.fresh = head;
        }
        if self.trending.needs_rebuild() {
            let half_life = self.popularity_half_life();
            let mut head = Arc::clone(&self.trending);
            let keyed = self.iter().filter_map(|(row, e)| Some((self.popularity(row).order_key(half_life)?, e.hash, row)));
            Arc::make_mut(&mut head).rebuild(keyed);
            self.trending = head;
        }
    }
}

/// Every code of an item.
fn all_codes(entry: &Entry) -> impl Iterator<Item = FacetCode> + '_ {
    let single = [entry.creator, entry.source, entry.viewpoint, entry.language, entry.format];
    entry.topics.iter().map(|(code, _)| *code).chain(single.into_iter().flatten())
}

/// The codes an item is listed under: its topics and its creator.
fn indexed_codes(entry: &Entry) -> impl Iterator<Item = FacetCode> + '_ {
    entry.topics.iter().map(|(code, _)| *code).chain(entry.creator)
}
