//! What a run of change-log entries did to each item, and the records a reader must apply for it.
//!
//! Both logs hold only *which* item was touched and how; the record is read as it stands when the log is read. So an
//! entry that is read twice, or late, still leads to the same catalogue.

use std::collections::HashMap;

use super::{CatalogueRecord, Popularity};
use crate::domain::{Item, ItemId};

/// Most log entries read at once: some 5 MB of items of 384 numbers.
pub(super) const MAX_CHANGES_PER_READ: usize = 4_000;

/// One entry of a change log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Touch {
    Put,
    Deleted,
    Popularity,
}

/// Everything that happened to one item within one read of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Touched {
    put: bool,
    deleted: bool,
    popularity: bool,
}

/// One entry per item, in the order of first appearance.
pub(super) fn coalesce(entries: impl IntoIterator<Item = (ItemId, Touch)>) -> Vec<(ItemId, Touched)> {
    let mut items: Vec<(ItemId, Touched)> = Vec::new();
    let mut index_of: HashMap<ItemId, usize> = HashMap::new();
    for (id, touch) in entries {
        let index = *index_of.entry(id).or_insert_with_key(|id| {
            items.push((id.clone(), Touched::default()));
            items.len() - 1
        });
        if let Some((_, touched)) = items.get_mut(index) {
            touched.note(touch);
        }
    }
    items
}

impl Touched {
    fn note(&mut self, touch: Touch) {
        match touch {
            Touch::Put => self.put = true,
            Touch::Deleted => self.deleted = true,
            Touch::Popularity => self.popularity = true,
        }
    }

    /// The records that bring a reader from any earlier state to `item` and `popularity`, the current ones.
    ///
    /// An item deleted and put again within one read begins with `Deleted`: its old popularity must go.
    pub(super) fn records(self, id: &ItemId, item: Option<Item>, popularity: Option<Popularity>) -> Vec<CatalogueRecord> {
        let mut records = Vec::new();
        let gone = item.is_none();
        if self.deleted || (self.put && gone) {
            records.push(CatalogueRecord::Deleted(id.clone()));
        }
        if self.deleted || self.put {
            records.extend(item.map(|item| CatalogueRecord::Put(Box::new(item))));
        }
        if (self.deleted || self.popularity) && !gone {
            records.extend(popularity.map(|popularity| CatalogueRecord::Popularity(id.clone(), popularity)));
        }
        records
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> ItemId {
        ItemId::new(text).unwrap()
    }

    fn kinds(records: &[CatalogueRecord]) -> Vec<&'static str> {
        let kind = |record: &CatalogueRecord| match record {
            CatalogueRecord::Put(_) => "put",
            CatalogueRecord::Deleted(_) => "deleted",
            CatalogueRecord::Popularity(..) => "popularity",
        };
        records.iter().map(kind).collect()
    }

    #[test]
    fn entries_are_joined_per_item_in_order() {
        let entries = [("b", Touch::Put), ("a", Touch::Popularity), ("b", Touch::Popularity)];
        let joined = coalesce(entries.map(|(text, touch)| (id(text), touch)));
        let names: Vec<&str> = joined.iter().map(|(id, _)| id.as_str()).collect();
        assert_eq!(names, ["b", "a"]);
        assert_eq!(joined[0].1, Touched { put: true, deleted: false, popularity: true });
    }

    #[test]
    fn the_records_lead_to_the_current_state() {
        let item = crate::store::codec::tests::plain_item("x");
        let check = |touches: &[Touch], stored: bool, expected: &[&str]| {
            let (_, touched) = coalesce(touches.iter().map(|touch| (id("x"), *touch))).remove(0);
            let records = touched.records(&id("x"), stored.then(|| item.clone()), stored.then(Popularity::default));
            assert_eq!(kinds(&records), expected, "{touches:?}, stored: {stored}");
        };
        check(&[Touch::Put], true, &["put"]);
        check(&[Touch::Put], false, &["deleted"]);
        check(&[Touch::Deleted], false, &["deleted"]);
        check(&[Touch::Deleted, Touch::Put], true, &["deleted", "put", "popularity"]);
        check(&[Touch::Popularity], true, &["popularity"]);
        check(&[Touch::Popularity], false, &[]);
        check(&[Touch::Put, Touch::Popularity], true, &["put", "popularity"]);
    }
}
