//! One immutable state of the catalogue and how to look things up in it.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use smallvec::SmallVec;

use super::{
    CatalogueRecord,
    chunked::Chunked,
    codes::{FacetCode, FacetCodes},
    dot,
    head::Head,
    listed::Listed,
    vectors::{Query, VectorView, Vectors},
};
use crate::domain::{Embedding, Facet, Item, ItemId, Popularity, Span, Time};

/// Shards of the index by item hash (the hash's top bits).
pub(super) const HASH_SHARDS: usize = 1_024;

/// Rows asked for before they are needed: about as many as a core waits for at once.
const ROWS_AHEAD: usize = 12;

/// Where an item is in a snapshot. Only meaningful together with the snapshot it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Row(pub u32);

impl Row {
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

/// Topics of an item with their weights: up to three in place, more behind a pointer.
pub type Topics = SmallVec<[(FacetCode, f32); 3]>;

/// An item with its facet codes: what every candidate is asked for, in two cache lines that stand beside those of the
/// neighbouring rows.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub struct Entry {
    /// [`ItemId::hash64`].
    pub hash: u64,
    /// The item's.
    pub published_at: Option<Time>,
    /// The item's.
    pub expires_at: Option<Time>,
    /// Same order as `item.topics`.
    pub topics: Topics,
    /// Sum of the topic weights.
    pub topic_mass: f32,
    /// The heaviest topic, ties by value: the item's one topic for constraints.
    pub primary_topic: Option<FacetCode>,
    pub creator: Option<FacetCode>,
    pub source: Option<FacetCode>,
    pub viewpoint: Option<FacetCode>,
    pub language: Option<FacetCode>,
    pub format: Option<FacetCode>,
    /// Without its embedding, which is the snapshot's row: [`Snapshot::item`] has both.
    pub item: Arc<Listed>,
}

// Two cache lines, and no more with a tag for "there is none".
const _: () = assert!(size_of::<Option<Entry>>() == 2 * 64);

impl Entry {
    pub fn new(item: Item, codes: &FacetCodes) -> Self {
        let topics: Topics = item.topics.iter().map(|(value, weight)| (codes.intern(Facet::Topic, value), *weight)).collect();
        let mut primary: Option<(FacetCode, f32)> = None;
        for &(code, weight) in &topics {
            if primary.is_none_or(|(_, best)| weight > best) {
                primary = Some((code, weight));
            }
        }
        let code = |facet, value: Option<&Arc<str>>| value.map(|v| codes.intern(facet, v));
        Self {
            hash: item.id.hash64(),
            published_at: item.published_at,
            expires_at: item.expires_at,
            topic_mass: topics.iter().map(|(_, w)| w).sum(),
            topics,
            primary_topic: primary.map(|(code, _)| code),
            creator: code(Facet::Creator, item.creator.as_ref().map(|c| &c.id)),
            source: code(Facet::Source, item.source.as_ref()),
            viewpoint: code(Facet::Viewpoint, item.viewpoint.as_ref()),
            language: code(Facet::Language, item.language.as_ref()),
            format: code(Facet::Format, item.format.as_ref()),
            item: Arc::new(Listed::new(item)),
        }
    }

    /// The one code that constraints count the item under.
    pub fn facet(&self, facet: Facet) -> Option<FacetCode> {
        match facet {
            Facet::Topic => self.primary_topic,
            Facet::Creator => self.creator,
            Facet::Source => self.source,
            Facet::Viewpoint => self.viewpoint,
            Facet::Language => self.language,
            Facet::Format => self.format,
        }
    }

    /// Newness as an order key; items without a date come last.
    pub(super) fn newness(&self) -> f64 {
        self.published_at.map_or(f64::MIN, |at| at.0 as f64)
    }
}

/// One state of the catalogue.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub(super) entries: Chunked<Option<Entry>>,
    pub(super) vectors: Vectors,
    pub(super) popularity: Chunked<Popularity>,
    /// By the top bits of the item hash; each sorted by hash.
    pub(super) by_hash: Vec<Arc<Vec<(u64, Row)>>>,
    /// Rows of each topic and creator code, newest first, ties by hash.
    pub(super) postings: Chunked<Arc<Vec<Row>>>,
    /// Items of each facet code.
    pub(super) counts: Chunked<u32>,
    pub(super) fresh: Arc<Head>,
    pub(super) trending: Arc<Head>,
    pub(super) codes: Arc<FacetCodes>,
    pub(super) free_rows: Vec<Row>,
    /// Sponsored items: in no row, posting, count or index, so that no source finds them.
    pub(super) sponsored: Arc<BTreeMap<ItemId, Arc<Entry>>>,
    /// Snapshots published before it.
    pub(super) number: u64,
    pub(super) len: usize,
    popularity_half_life: Span,
}

impl Snapshot {
    pub fn empty(dimension: usize, popularity_half_life: Span) -> Self {
        Self {
            entries: Chunked::default(),
            vectors: Vectors::new(dimension),
            popularity: Chunked::default(),
            by_hash: vec![Arc::default(); HASH_SHARDS],
            postings: Chunked::default(),
            counts: Chunked::default(),
            fresh: Arc::default(),
            trending: Arc::default(),
            codes: Arc::default(),
            free_rows: Vec::new(),
            sponsored: Arc::default(),
            number: 0,
            len: 0,
            popularity_half_life,
        }
    }

    /// A catalogue of the caller's own candidates, for one request.
    pub fn of_items(items: impl IntoIterator<Item = Item>, dimension: usize, popularity_half_life: Span) -> Self {
        let mut snapshot = Self::empty(dimension, popularity_half_life);
        snapshot.apply(items.into_iter().map(|item| super::CatalogueRecord::Put(Box::new(item))));
        snapshot
    }

    /// Items in it.
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Numbers per embedding.
    pub fn dimension(&self) -> usize {
        self.vectors.dimension()
    }

    pub fn popularity_half_life(&self) -> Span {
        self.popularity_half_life
    }

    pub fn codes(&self) -> &FacetCodes {
        &self.codes
    }

    /// The item at `row`, if it is still there.
    pub fn entry(&self, row: Row) -> Option<&Entry> {
        self.entries.get(row.index())?.as_ref()
    }

    /// Whether the item with this id is there and has a topic that `is` one.
    pub fn has_topic(&self, id: &ItemId, is: &dyn Fn(&str) -> bool) -> bool {
        let entry = self.find(id).and_then(|row| self.entry(row));
        entry.is_some_and(|entry| entry.item.topics.iter().any(|(topic, _)| is(topic)))
    }

    /// The whole item at `row`, with its embedding.
    pub fn item(&self, row: Row) -> Option<Item> {
        let mut item = Item::clone(&self.entry(row)?.item);
        if let Some(vector) = self.vector(row) {
            item.embedding = Some(Embedding { space: vector.space, values: vector.values.into() });
        }
        Some(item)
    }

    pub fn vector(&self, row: Row) -> Option<VectorView<'_>> {
        self.vectors.get(row.index())
    }

    pub fn popularity(&self, row: Row) -> Popularity {
        self.popularity.get(row.index()).copied().unwrap_or_default()
    }

    /// Calls `each` with the place and the cosine of every query that can be compared with the item; see [`Vectors::cosines`].
    pub fn cosines(&self, queries: &[Query], row: Row, each: impl FnMut(usize, f32)) {
        self.vectors.cosines(queries, row.index(), each);
    }

    /// Items put and deleted so far: another number for every state of them.
    pub fn items_version(&self) -> usize {
        self.vectors.version()
    }

    /// Rows whose items were put or deleted since `version`; see [`Vectors::changes_since`].
    pub fn changed_since(&self, version: usize, most: usize) -> Option<impl Iterator<Item = Row> + '_> {
        Some(self.vectors.changes_since(version, most)?.map(Row))
    }

    /// Asks the processor for what is said of the item, without waiting for it.
    pub fn prefetch(&self, row: Row) {
        if let (Some(entry), Some(popularity)) = (self.entries.get(row.index()), self.popularity.get(row.index())) {
            dot::prefetch(std::slice::from_ref(entry), size_of_val(entry));
            dot::prefetch(std::slice::from_ref(popularity), size_of_val(popularity));
        }
    }

    /// Asks the processor for the item's vector in int8, without waiting for it.
    pub fn prefetch_vector(&self, row: Row) {
        self.vectors.prefetch(row.index());
    }

    /// The rows of `rows` with their entries, which are on their way to the processor some rows before it needs them.
    pub fn ahead(&self, rows: impl Iterator<Item = Row>) -> impl Iterator<Item = (Row, &Entry)> {
        let mut rows = rows.inspect(|row| self.prefetch(*row)).fuse();
        let mut coming: VecDeque<Row> = VecDeque::with_capacity(ROWS_AHEAD + 1);
        std::iter::from_fn(move || {
            loop {
                coming.extend(rows.by_ref().take(ROWS_AHEAD + 1 - coming.len()));
                let row = coming.pop_front()?;
                if let Some(entry) = self.entry(row) {
                    return Some((row, entry));
                }
            }
        })
    }

    /// Whether a record says otherwise about an item than this snapshot. Popularity only ever comes from records.
    pub(super) fn contradicts(&self, record: &CatalogueRecord) -> bool {
        match record {
            CatalogueRecord::Put(put) if put.sponsored.is_some() => {
                self.find_sponsored(&put.id).is_none_or(|entry| **entry.item != unembedded(put))
            }
            CatalogueRecord::Put(put) => self.find(&put.id).and_then(|row| self.item(row)).as_ref() != Some(&**put),
            CatalogueRecord::Deleted(id) => self.find(id).is_some() || self.find_sponsored(id).is_some(),
            CatalogueRecord::Popularity(..) => false,
        }
    }

    /// Whether the item is here as it was in `other`, or in neither.
    pub(super) fn has_same(&self, id: &ItemId, other: &Self) -> bool {
        let sponsored = [self, other].map(|snapshot| snapshot.find_sponsored(id).map(|entry| &**entry.item));
        let rows = [self, other].map(|snapshot| snapshot.find(id));
        sponsored[0] == sponsored[1]
            && match rows {
                [None, None] => true,
                [Some(here), Some(there)] => self.item(here) == other.item(there),
                _ => false,
            }
    }

    /// Every sponsored item, by id.
    pub fn sponsored(&self) -> impl Iterator<Item = &Entry> {
        self.sponsored.values().map(|entry| &**entry)
    }

    pub fn find_sponsored(&self, id: &ItemId) -> Option<&Entry> {
        self.sponsored.get(id).map(|entry| &**entry)
    }

    pub fn find(&self, id: &ItemId) -> Option<Row> {
        self.find_hashed(id, id.hash64())
    }

    /// An item by [`ItemId::hash64`]; of two that share it, which nobody will live to see, one.
    pub fn find_hash(&self, hash: u64) -> Option<Row> {
        let shard = self.by_hash.get(shard_of(hash))?;
        let at = shard.partition_point(|(h, _)| *h < hash);
        shard.get(at).filter(|(h, _)| *h == hash).map(|(_, row)| *row)
    }

    pub(super) fn find_hashed(&self, id: &ItemId, hash: u64) -> Option<Row> {
        let shard = self.by_hash.get(shard_of(hash))?;
        let first = shard.partition_point(|(h, _)| *h < hash);
        shard[first..]
            .iter()
            .take_while(|(h, _)| *h == hash)
            .find(|(_, row)| self.entry(*row).is_some_and(|e| e.item.id == *id))
            .map(|(_, row)| *row)
    }

    /// Newest items first (at most [`super::head::HEAD_MAX_ROWS`]); equal times by item hash.
    pub fn fresh(&self) -> impl Iterator<Item = Row> + '_ {
        self.fresh.rows()
    }

    /// Most popular items first (at most [`super::head::HEAD_MAX_ROWS`]).
    pub fn trending(&self) -> impl Iterator<Item = Row> + '_ {
        self.trending.rows()
    }

    /// Items of a topic or creator, newest first.
    pub fn posting(&self, code: FacetCode) -> &[Row] {
        self.postings.get(code.index()).map_or(&[], |rows| rows.as_slice())
    }

    /// How many items have a facet value.
    pub fn items_with(&self, code: FacetCode) -> u32 {
        self.counts.get(code.index()).copied().unwrap_or(0)
    }

    /// Every item once, in item-hash order, starting at `start` and wrapping round: a walk that depends on the items
    /// alone, not on the order they came in.
    pub fn walk_from(&self, start: u64) -> impl Iterator<Item = Row> + '_ {
        let first = shard_of(start);
        let split = self.by_hash[first].partition_point(|(hash, _)| *hash < start);
        let head = self.by_hash[first][split..].iter();
        let rest = (1..HASH_SHARDS).flat_map(move |step| self.by_hash[(first + step) % HASH_SHARDS].iter());
        let tail = self.by_hash[first][..split].iter();
        head.chain(rest).chain(tail).map(|(_, row)| *row)
    }

    /// Every item, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (Row, &Entry)> {
        self.entries.iter().enumerate().filter_map(|(index, entry)| entry.as_ref().map(|e| (Row(index as u32), e)))
    }
}

/// What is kept of a sponsored item, which is never compared with others.
pub(super) fn unembedded(item: &Item) -> Item {
    Item { embedding: None, ..item.clone() }
}

pub(super) fn shard_of(hash: u64) -> usize {
    (hash >> 54) as usize
}
