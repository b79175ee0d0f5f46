//! The indexes of a snapshot against the plain definition, under random changes.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::domain::{Creator, Embedding, Facet, Time};

fn item(n: u32, creator: u8, published: i64) -> Item {
    let id = ItemId::new(format!("i{n}")).expect("a valid id");
    Item {
        id,
        title: format!("Title {n}"),
        description: None,
        url: None,
        image: None,
        creator: Some(Creator { id: format!("c{creator}").into(), name: None }),
        topics: vec![(format!("t{}", n % 3).into(), 1.0)],
        source: None,
        viewpoint: None,
        language: None,
        format: None,
        published_at: Some(Time(published)),
        expires_at: None,
        embedding: Some(Embedding::of_text(&format!("Title {n}"), 8)),
        attributes: None,
        sponsored: None,
    }
}

#[derive(Clone, Debug)]
enum Op {
    Put(u32, u8, i64),
    Delete(u32),
    Popular(u32, u8),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0u32..60, 0u8..4, 0i64..20).prop_map(|(n, c, p)| Op::Put(n, c, p)),
        1 => (0u32..60).prop_map(Op::Delete),
        2 => (0u32..60, 0u8..5).prop_map(|(n, w)| Op::Popular(n, w)),
    ]
}

fn record(op: &Op) -> CatalogueRecord {
    match *op {
        Op::Put(n, c, p) => CatalogueRecord::Put(Box::new(item(n, c, p))),
        Op::Delete(n) => CatalogueRecord::Deleted(item(n, 0, 0).id),
        Op::Popular(n, w) => CatalogueRecord::Popularity(item(n, 0, 0).id, Popularity { weight: f64::from(w), ..Popularity::default() }),
    }
}

/// Creator, publication time, popularity.
type Kept = (u8, i64, u8);

proptest! {
    #[test]
    fn every_index_agrees_with_the_items(batches in prop::collection::vec(prop::collection::vec(op(), 0..40), 1..8)) {
        let catalogue = Catalogue::new(8, Span::hours(1));
        let mut plain: BTreeMap<u32, Kept> = BTreeMap::new();
        for batch in &batches {
            for op in batch {
                match *op {
                    Op::Put(n, c, p) => { let w = plain.get(&n).map_or(0, |x| x.2); plain.insert(n, (c, p, w)); }
                    Op::Delete(n) => { plain.remove(&n); }
                    Op::Popular(n, w) => { if let Some(x) = plain.get_mut(&n) { x.2 = w; } }
                }
            }
            catalogue.apply(batch.iter().map(record));
        }
        let snapshot = catalogue.snapshot();
        let ids = |rows: Vec<Row>| rows.into_iter().map(|r| snapshot.entry(r).expect("rows in indexes exist").item.id.to_string()).collect::<Vec<_>>();
        prop_assert_eq!(snapshot.len(), plain.len());

        let sorted = |keep: &dyn Fn(&u32, &Kept) -> Option<f64>| {
            let mut rows: Vec<_> = plain.iter().filter_map(|(n, x)| keep(n, x).map(|key| (key, item(*n, 0, 0).id))).collect();
            rows.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.hash64().cmp(&b.1.hash64())));
            rows.into_iter().map(|(_, id)| id.to_string()).collect::<Vec<_>>()
        };
        prop_assert_eq!(ids(snapshot.fresh().collect()), sorted(&|_, x| Some(x.1 as f64)));
        prop_assert_eq!(ids(snapshot.trending().collect()), sorted(&|_, x| (x.2 > 0).then(|| f64::from(x.2).log2())));
        for c in 0..4u8 {
            if let Some(code) = snapshot.codes().get(Facet::Creator, &format!("c{c}")) {
                prop_assert_eq!(ids(snapshot.posting(code).to_vec()), sorted(&|_, x| (x.0 == c).then_some(x.1 as f64)));
            }
        }
        for start in [0, u64::MAX / 3, u64::MAX] {
            let walk = ids(snapshot.walk_from(start).collect());
            let mut expected: Vec<_> = plain.keys().map(|n| item(*n, 0, 0).id).collect();
            expected.sort_by_key(|id| (id.hash64() < start, id.hash64()));
            prop_assert_eq!(walk, expected.iter().map(ToString::to_string).collect::<Vec<_>>());
        }
        for n in plain.keys() {
            prop_assert!(snapshot.find(&item(*n, 0, 0).id).is_some());
        }
        let query = Embedding::of_text("x", 8);
        let near = snapshot.nearest(&Query::new(query.space, &query.values), 1_000, |_| true);
        prop_assert_eq!(near.len(), plain.len());
    }
}

#[test]
fn a_snapshot_in_use_never_changes() {
    let catalogue = Catalogue::new(8, Span::hours(1));
    catalogue.apply((0..10).map(|n| record(&Op::Put(n, 0, i64::from(n)))));
    let before = catalogue.snapshot();
    catalogue.apply((0..10).map(|n| record(&Op::Delete(n))));
    catalogue.apply((20..30).map(|n| record(&Op::Put(n, 0, 0))));
    assert_eq!(before.len(), 10);
    assert_eq!(before.fresh().count(), 10);
    assert!(before.find(&item(3, 0, 0).id).is_some());
    assert!(catalogue.snapshot().find(&item(3, 0, 0).id).is_none());
}

#[test]
fn what_was_written_here_undoes_nothing_that_came_meanwhile() {
    let catalogue = Catalogue::new(8, Span::hours(1));
    let put = |n, published| record(&Op::Put(n, 0, published));
    let published = |n| {
        let snapshot = catalogue.snapshot();
        snapshot.find(&item(n, 0, 0).id).and_then(|row| snapshot.entry(row)?.published_at)
    };
    let at = |published| item(1, 0, published).published_at;
    let read = |records| assert!(catalogue.apply_read(records, catalogue.applied()));
    catalogue.apply([put(1, 1), put(2, 1), put(3, 1)]);

    let since = catalogue.snapshot();
    read(vec![put(1, 9), record(&Op::Delete(2))]);
    catalogue.apply_written([put(1, 2), put(2, 2), put(3, 2)], &since);
    assert_eq!([1, 2, 3].map(published), [at(9), None, at(2)], "what others changed stays as they left it");

    let since = catalogue.snapshot();
    catalogue.apply_written([record(&Op::Delete(3)), put(4, 1)], &since);
    assert_eq!([3, 4].map(published), [None, at(1)]);

    let since = catalogue.snapshot();
    read(vec![put(5, 1)]);
    read(vec![record(&Op::Delete(5))]);
    catalogue.apply_written([put(5, 1), put(4, 2)], &since);
    assert_eq!([5, 4].map(published), [None, at(2)], "it came and went");

    let since = catalogue.snapshot();
    read(vec![put(4, 2), record(&Op::Delete(7)), put(8, 1), record(&Op::Delete(8))]);
    catalogue.apply_written([put(4, 3), put(7, 1), put(9, 1)], &since);
    assert_eq!(
        [4, 7, 9].map(published),
        [item(4, 0, 3).published_at, None, at(1)],
        "the same again is no change, and what went without being seen stays away"
    );

    let since = catalogue.snapshot();
    catalogue.apply_written([put(7, 1), put(8, 2)], &since);
    assert_eq!([7, 8].map(published), [at(1), at(2)], "what went before can come back");

    let since = catalogue.snapshot();
    catalogue.replace([put(6, 1)]);
    catalogue.apply_written([put(6, 0)], &since);
    assert_eq!([4, 6].map(published), [None, at(1)], "all was read anew");
}

#[test]
fn what_was_read_before_a_write_does_not_undo_it() {
    let catalogue = Catalogue::new(8, Span::hours(1));
    let put = |published| record(&Op::Put(1, 0, published));
    let published = || catalogue.snapshot().fresh().next().and_then(|row| catalogue.snapshot().entry(row)?.published_at);
    catalogue.apply([put(1)]);
    let since = catalogue.applied();
    catalogue.apply([put(2)]);
    assert!(!catalogue.apply_read(vec![put(1)], since), "may be older");
    assert!(!catalogue.apply_read(vec![record(&Op::Delete(1))], since), "may be older");
    assert!(catalogue.apply_read(vec![put(2)], since), "the same is no contradiction");
    assert_eq!(published(), item(1, 0, 2).published_at);
    assert!(catalogue.apply_read(vec![put(3)], catalogue.applied()));
    assert_eq!(published(), item(1, 0, 3).published_at);
}
