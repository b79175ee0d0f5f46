//! What is near a vector, kept: the result of a search that follows the catalogue's changes instead of being made again.
//!
//! An interest moves when its person opens something; what is near it is asked for with every feed.

use std::sync::Arc;

use super::{
    NumberSet,
    codes::FacetCodes,
    snapshot::{Entry, Row, Snapshot},
    vectors::{Nearness, Query},
};

/// Rows kept. Filters take some of them: what was seen lately lies just there.
const KEPT_ROWS: usize = 512;
/// Nearest rows that are looked for.
const WANTED_ROWS: usize = KEPT_ROWS / 2;
/// With fewer rows left than this it is time to search again.
const KEPT_MIN_ROWS: usize = WANTED_ROWS / 2;
/// Changed rows that are looked at before a search costs less.
const CATCH_UP_MAX_CHANGES: usize = 512;

/// One state of one catalogue.
#[derive(Clone, Debug)]
pub struct State {
    /// Tells catalogues apart: a catalogue that was replaced has others.
    codes: Arc<FacetCodes>,
    /// As [`Vectors::version`](super::vectors::Vectors::version).
    version: usize,
}

/// The rows nearest to a query in one state of a catalogue.
#[derive(Clone, Debug)]
pub struct Near {
    query: Query,
    /// Nearest first.
    hits: Vec<(Nearness, u32)>,
    /// No row of the query's space is missing.
    is_whole: bool,
    state: State,
}

impl Near {
    /// Rows an engine outside is asked for: as many as are kept.
    pub const ASKED_ROWS: usize = KEPT_ROWS;

    pub fn query(&self) -> &Query {
        &self.query
    }

    /// Rows in it, nearest first.
    pub fn rows(&self) -> impl Iterator<Item = Row> + '_ {
        self.hits.iter().map(|(_, row)| Row(*row))
    }
}

impl Snapshot {
    /// Searches for what is near `query`: as good as [`Snapshot::nearest`] is.
    pub fn near(&self, query: Query) -> Near {
        let mut hits = self.vectors.search(&query, WANTED_ROWS, 1).filter(|_| self.rows_scanned(&query) == 0);
        let mut hits = hits.take().unwrap_or_else(|| self.vectors.scan(&query, KEPT_ROWS));
        hits.sort_unstable_by(|a, b| b.cmp(a));
        hits.truncate(KEPT_ROWS);
        let is_whole = hits.len() == self.vectors.rows_in(query.space());
        Near { query, hits, is_whole, state: self.state() }
    }

    /// What an engine outside found near `query`, by [`ItemId::hash64`](crate::domain::ItemId::hash64) and in any order, when it
    /// knew the state `of`; `asked` is how many it was asked for. Items that are gone, or in another space, are left out, and
    /// what is left is compared here. [`Snapshot::caught_up`] adds what the engine could not know.
    pub fn near_of(&self, query: Query, found: &[u64], asked: usize, mut of: State) -> Near {
        // An engine that knows more than this state found what cannot be kept yet: it is looked for when it comes.
        of.version = of.version.min(self.vectors.version());
        let rows: NumberSet<u32> = found.iter().filter_map(|hash| self.find_hash(*hash)).map(|row| row.0).collect();
        let mut hits: Vec<_> = rows.into_iter().filter_map(|row| Some((self.vectors.nearness(&query, row as usize)?, row))).collect();
        hits.sort_unstable_by(|a, b| b.cmp(a));
        hits.truncate(KEPT_ROWS);
        Near { query, hits, is_whole: found.len() < asked, state: of }
    }

    /// This state.
    pub fn state(&self) -> State {
        State { codes: Arc::clone(&self.codes), version: self.vectors.version() }
    }

    /// Rows whose items were put or deleted since `state`. `None` when those are more than `most`, and for a later state or
    /// another catalogue's.
    pub fn changed_since_state(&self, state: &State, most: usize) -> Option<impl Iterator<Item = Row> + '_> {
        self.changed_since(state.version, most).filter(|_| Arc::ptr_eq(&state.codes, &self.codes))
    }

    /// Whether `near` is of this very state.
    pub fn is_current(&self, near: &Near) -> bool {
        Arc::ptr_eq(&near.state.codes, &self.codes) && near.state.version == self.vectors.version()
    }

    /// `near` as of this state: every row that changed since is compared. `None` when a search would cost less, or `near` is of
    /// a later state or of another catalogue.
    pub fn caught_up(&self, near: &Near) -> Option<Near> {
        let changed: NumberSet<u32> = self.changed_since_state(&near.state, CATCH_UP_MAX_CHANGES)?.map(|row| row.0).collect();
        let mut next = Near { state: self.state(), ..near.clone() };
        next.hits.retain(|(_, row)| !changed.contains(row));
        if !next.is_whole && next.hits.len() < KEPT_MIN_ROWS {
            return None;
        }
        let last = next.hits.last().map(|(nearness, _)| *nearness);
        for row in changed {
            let Some(nearness) = self.vectors.nearness(&next.query, row as usize) else { continue };
            if next.is_whole || last.is_some_and(|last| nearness >= last) {
                next.hits.push((nearness, row));
            }
        }
        next.hits.sort_unstable_by(|a, b| b.cmp(a));
        next.is_whole &= next.hits.len() <= KEPT_ROWS;
        next.hits.truncate(KEPT_ROWS);
        Some(next)
    }

    /// [`Snapshot::nearest`] from rows that are known to be near, of this very state. Errors: those there are, when too few of
    /// them may be shown.
    pub fn nearest_of(&self, near: &Near, count: usize, showable: impl Fn(&Entry) -> bool) -> Result<Vec<Row>, Vec<Row>> {
        for (_, row) in near.hits.iter().take(count) {
            self.prefetch(Row(*row));
        }
        self.shown(near.hits.iter().copied(), count, showable)
            .enough(count, 1)
            .or_else(|rows| if near.is_whole { Ok(rows) } else { Err(rows) })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        catalogue::{Catalogue, CatalogueRecord},
        domain::{Embedding, EmbeddingSpace, Item, ItemId, Span},
    };

    fn item(n: u32, word: u32) -> Item {
        // Every ninth is in another space.
        let numbers: Vec<f32> = Embedding::of_text(&format!("w{word}"), 16).to_f32();
        let embedding = if n.is_multiple_of(9) {
            Embedding::of_text(&format!("w{word}"), 16)
        } else {
            Embedding::from_model(&numbers, 16).expect("an embedding")
        };
        Item {
            id: ItemId::new(format!("i{n}")).expect("valid"),
            title: String::new(),
            description: None,
            url: None,
            image: None,
            creator: None,
            topics: vec![],
            source: None,
            viewpoint: None,
            language: None,
            format: None,
            published_at: None,
            expires_at: None,
            embedding: Some(embedding),
            attributes: None,
            sponsored: None,
        }
    }

    fn apply(catalogue: &Catalogue, ops: &[(u32, Option<u32>)]) -> Arc<Snapshot> {
        catalogue.apply(ops.iter().map(|(n, word)| match word {
            Some(word) => CatalogueRecord::Put(Box::new(item(*n, *word))),
            None => CatalogueRecord::Deleted(item(*n, 0).id),
        }));
        catalogue.snapshot()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// However the catalogue changed: what is kept gives what a search gives, or says that it cannot.
        #[test]
        fn what_is_kept_follows_every_change(
            first in 0u32..900,
            batches in prop::collection::vec(prop::collection::vec((0u32..900, prop::option::weighted(0.6, 0u32..60)), 0..150), 1..6),
            count in 1usize..40,
            hidden in 1u64..5,
        ) {
            let catalogue = Catalogue::new(16, Span::hours(1));
            let mut snapshot = apply(&catalogue, &(0..first).map(|n| (n, Some(n % 60))).collect::<Vec<_>>());
            let wanted = Embedding::from_model(&Embedding::of_text("w7", 16).to_f32(), 16).expect("an embedding");
            let query = || Query::new(EmbeddingSpace::Model, &wanted.values);
            let mut near = snapshot.near(query());
            let mut followed = 0;
            for ops in &batches {
                snapshot = apply(&catalogue, ops);
                near = snapshot.caught_up(&near).inspect(|_| followed += 1).unwrap_or_else(|| snapshot.near(query()));
                prop_assert!(snapshot.is_current(&near));
                let showable = |entry: &Entry| !entry.hash.is_multiple_of(hidden + 1);
                let expected = snapshot.nearest(&query(), count, showable);
                let kept = snapshot.nearest_of(&near, count, showable);
                prop_assert!(kept.is_ok() || !near.is_whole);
                prop_assert_eq!(kept.unwrap_or_else(|_| expected.clone()), expected);
            }
            prop_assert!(followed > 0 || first > KEPT_ROWS as u32 / 2 || near.is_whole);
            let replaced = Catalogue::new(16, Span::hours(1));
            prop_assert!(replaced.snapshot().caught_up(&near).is_none());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// However old the state is that an engine outside knows: caught up, its answer is that of a search here.
        #[test]
        fn what_an_engine_outside_found_is_brought_up_to_date(
            first in 1u32..900,
            changes in prop::collection::vec((0u32..900, prop::option::weighted(0.6, 0u32..60)), 0..150),
            count in 1usize..40,
        ) {
            let catalogue = Catalogue::new(16, Span::hours(1));
            let known = apply(&catalogue, &(0..first).map(|n| (n, Some(n % 60))).collect::<Vec<_>>());
            let wanted = Embedding::from_model(&Embedding::of_text("w7", 16).to_f32(), 16).expect("an embedding");
            let query = || Query::new(EmbeddingSpace::Model, &wanted.values);
            let hash = |row| known.entry(row).expect("is there").hash;
            // In the other space, and nowhere.
            let strangers = [ItemId::new("i0").expect("valid").hash64(), 1];
            let found: Vec<u64> = known.near(query()).rows().map(hash).chain(strangers).collect();
            let is_whole = found.len() < Near::ASKED_ROWS;
            let now = apply(&catalogue, &changes);
            let near = now.near_of(query(), &found, Near::ASKED_ROWS, known.state());
            if let Some(near) = now.caught_up(&near) {
                prop_assert!(now.is_current(&near));
                prop_assert!(near.rows().all(|row| now.vector(row).is_some_and(|vector| vector.space == EmbeddingSpace::Model)));
                let expected = now.nearest(&query(), count, |_| true);
                prop_assert_eq!(now.nearest_of(&near, count, |_| true).unwrap_or_else(|_| expected.clone()), expected);
            } else {
                prop_assert!(!is_whole);
            }
        }
    }

    #[test]
    fn what_an_engine_outside_knew_before_is_found_when_it_comes() {
        let catalogue = Catalogue::new(16, Span::hours(1));
        let before = apply(&catalogue, &(0..300).map(|n| (n, Some(n % 60))).collect::<Vec<_>>());
        let now = apply(&catalogue, &[(901, Some(7))]);
        let query = || Query::new(EmbeddingSpace::Model, &item(901, 7).embedding.expect("has one").values);
        let found: Vec<u64> = now.near(query()).rows().filter_map(|row| Some(now.entry(row)?.hash)).collect();
        let near = before.near_of(query(), &found, Near::ASKED_ROWS, now.state());
        assert!(before.is_current(&near) && near.rows().count() + 1 == found.len());
        let near = now.caught_up(&near).expect("one change");
        assert_eq!(near.rows().count(), found.len());
    }

    #[test]
    fn too_many_changes_are_not_followed() {
        let catalogue = Catalogue::new(16, Span::hours(1));
        let near =
            apply(&catalogue, &[(1, Some(1))]).near(Query::new(EmbeddingSpace::Model, &item(1, 1).embedding.expect("has one").values));
        let few: Vec<_> = (0..9).map(|n| (n, Some(n))).collect();
        assert!(apply(&catalogue, &few).caught_up(&near).is_some());
        let many: Vec<_> = (0..=CATCH_UP_MAX_CHANGES as u32).map(|n| (n, Some(n))).collect();
        assert!(apply(&catalogue, &many).caught_up(&near).is_none());
    }
}
