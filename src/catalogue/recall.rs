//! What a search through lists finds, against a scan of every row: on clusters that were made, on hashed texts, and on
//! embeddings of headlines from `../shared/data` (said when they are absent).

use std::{collections::BTreeSet, path::Path};

use half::f16;

use super::{
    vectors::{Query, Vectors},
    *,
};
use crate::domain::{Embedding, EmbeddingSpace, Facet};

/// The nearest rows that recall counts.
const NEAREST: usize = 100;
const QUERIES: usize = 100;
/// What [`Snapshot::nearest`] promises.
const PROMISED_RECALL: f32 = 0.95;

/// Numbers in −1..1 that depend on `seed` alone.
fn noise(seed: u64) -> impl Iterator<Item = f32> {
    let mut state = seed.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    })
}

/// Around one of `clusters` centres: the more `spread`, the less of the centre is left.
fn clustered(n: u64, clusters: u64, spread: f32, dimension: usize) -> Embedding {
    let centre = noise(1_000_000 + n % clusters);
    let numbers: Vec<f32> = centre.zip(noise(n)).map(|(c, x)| c + spread * x).take(dimension).collect();
    Embedding::from_model(&numbers, dimension).expect("a direction")
}

fn item(n: usize, embedding: Embedding) -> CatalogueRecord {
    CatalogueRecord::Put(Box::new(Item {
        id: ItemId::new(format!("i{n}")).expect("a valid id"),
        title: format!("Title {n}"),
        description: None,
        url: None,
        image: None,
        creator: None,
        topics: vec![(format!("t{}", n % 100).into(), 1.0)],
        source: None,
        viewpoint: None,
        language: None,
        format: None,
        published_at: None,
        expires_at: None,
        embedding: Some(embedding),
        attributes: None,
        sponsored: None,
    }))
}

fn trained(embeddings: &[Embedding]) -> Catalogue {
    let catalogue = Catalogue::new(embeddings[0].values.len(), Span::hours(1));
    catalogue.replace(embeddings.iter().enumerate().map(|(n, e)| item(n, e.clone())));
    assert!(catalogue.train(), "{} rows want lists", embeddings.len());
    assert!(!catalogue.train(), "once");
    catalogue
}

fn ids(snapshot: &Snapshot, rows: &[Row]) -> Vec<String> {
    rows.iter().map(|row| snapshot.entry(*row).expect("found rows exist").item.id.to_string()).collect()
}

/// The nearest by a scan of every row.
fn scanned(vectors: &Vectors, query: &Query) -> BTreeSet<u32> {
    let mut hits = vectors.scan(query, NEAREST);
    hits.sort_unstable_by_key(|hit| std::cmp::Reverse(*hit));
    hits.into_iter().take(NEAREST).map(|(_, row)| row).collect()
}

/// Mean share of the scan's nearest that the search finds, for queries that are rows and for means of three alike.
fn recall(catalogue: &Catalogue, embeddings: &[Embedding]) -> [f32; 2] {
    let snapshot = catalogue.snapshot();
    let mut found = [0; 2];
    for at in 0..QUERIES {
        let own = &embeddings[at * embeddings.len() / QUERIES];
        let query = Query::new(own.space, &own.values);
        let near = snapshot.nearest(&query, NEAREST, |_| true);
        let mean: Vec<f32> = (0..own.values.len())
            .map(|d| [near[0], near[3], near[9]].iter().filter_map(|row| snapshot.vector(*row)).map(|v| v.values[d].to_f32()).sum())
            .collect();
        let length = mean.iter().map(|x| x * x).sum::<f32>().sqrt();
        let mean: Vec<f16> = mean.iter().map(|x| f16::from_f32(x / length)).collect();
        for (found, query) in found.iter_mut().zip([query, Query::new(own.space, &mean)]) {
            assert_eq!(snapshot.rows_scanned(&query), 0, "through lists");
            let near = snapshot.nearest(&query, NEAREST, |_| true);
            let exact = scanned(&snapshot.vectors, &query);
            *found += near.iter().filter(|row| exact.contains(&row.0)).count();
        }
    }
    found.map(|found| found as f32 / (QUERIES * NEAREST) as f32)
}

fn keeps_its_promise(name: &str, embeddings: &[Embedding]) {
    let catalogue = trained(embeddings);
    let got = recall(&catalogue, embeddings);
    let snapshot = catalogue.snapshot();
    let measured = snapshot.vectors.lists(embeddings[0].space).expect("lists").measured();
    println!("{name}: recall@{NEAREST} {got:.3?} (rows, means) of {} rows, {measured:.2?}", embeddings.len());
    assert!(got.iter().all(|recall| *recall >= PROMISED_RECALL), "{name}: {got:?}");
}

#[test]
fn clusters_are_found() {
    let dimension = 64;
    for (clusters, spread) in [(40, 0.6), (300, 1.5)] {
        let embeddings: Vec<_> = (0..12_000).map(|n| clustered(n, clusters, spread, dimension)).collect();
        keeps_its_promise(&format!("{clusters} clusters"), &embeddings);
    }
}

#[test]
fn rows_without_any_clusters_are_found() {
    let embeddings: Vec<_> = (0..INDEXED_MIN_ROWS as u64).map(|n| clustered(n, 1, 100.0, 96)).collect();
    keeps_its_promise("no clusters", &embeddings);
}

#[test]
fn hashed_texts_are_found() {
    let word = |n: u64| format!("word{}", n % 997);
    let text = |n: u64| [n, n / 7, n * n / 11, n * 31 / 5].map(word).join(" ");
    let embeddings: Vec<_> = (0..INDEXED_MIN_ROWS as u64).map(|n| Embedding::of_text(&text(n), 128)).collect();
    keeps_its_promise("hashed texts", &embeddings);
}

#[test]
fn headlines_are_found() {
    for name in ["abp-viewpoints", "huffpost"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../shared/data/embeddings/{name}.f16.bin"));
        let Ok(bytes) = std::fs::read(&path) else {
            println!("skipped: {} is not there", path.display());
            continue;
        };
        let numbers: Vec<f32> = bytes.as_chunks::<2>().0.iter().map(|pair| f16::from_le_bytes(*pair).to_f32()).collect();
        let embeddings: Vec<_> = numbers.chunks_exact(384).map(|row| Embedding::from_model(row, 384).expect("a direction")).collect();
        keeps_its_promise(name, &embeddings);
    }
}

#[test]
fn the_same_items_give_the_same_lists_whatever_order_they_came_in() {
    let embeddings: Vec<_> = (0..INDEXED_MIN_ROWS as u64 + 500).map(|n| clustered(n, 50, 1.0, 16)).collect();
    let records: Vec<_> = embeddings.iter().enumerate().map(|(n, e)| item(n, e.clone())).collect();
    let (forwards, backwards) = (Catalogue::new(16, Span::hours(1)), Catalogue::new(16, Span::hours(1)));
    forwards.replace(records.iter().cloned());
    for batch in records.rchunks(997) {
        backwards.apply(batch.iter().rev().cloned());
    }
    assert!(forwards.train() && backwards.train());
    for query in embeddings.iter().step_by(500).map(|e| Query::new(e.space, &e.values)) {
        let [a, b] = [&forwards, &backwards].map(|catalogue| {
            let snapshot = catalogue.snapshot();
            ids(&snapshot, &snapshot.nearest(&query, 30, |_| true))
        });
        assert_eq!(a, b);
    }
}

#[test]
fn every_row_is_in_one_list_after_changes_before_during_and_after_training() {
    let embedding = |n: usize| clustered(n as u64, 50, 1.0, 16);
    let catalogue = Catalogue::new(16, Span::hours(1));
    catalogue.apply((0..INDEXED_MIN_ROWS + 600).map(|n| item(n, embedding(n))));
    let delete = |n: usize| CatalogueRecord::Deleted(ItemId::new(format!("i{n}")).expect("a valid id"));
    catalogue.apply((0..300).map(delete));
    let trained = catalogue.snapshot().train();
    // A row that is freed and used again, a row with another vector, a row gone, a row more.
    catalogue.apply([
        delete(300),
        item(20_000, embedding(7)),
        item(301, embedding(8)),
        delete(302),
        item(20_001, embedding(9)),
        delete(303),
    ]);
    let mut next = Snapshot::clone(&catalogue.snapshot());
    next.install(trained);
    next.apply([delete(304), item(20_002, embedding(10)), item(305, embedding(11)), delete(20_001)]);
    let lists = next.vectors.lists(EmbeddingSpace::Model).expect("lists");
    let query = embedding(3);
    let query = Query::new(query.space, &query.values);
    let mut listed = lists.candidates(query.bytes(), next.len(), 1_000);
    listed.sort_unstable();
    let mut there: Vec<u32> = next.iter().map(|(row, _)| row.0).collect();
    there.sort_unstable();
    assert_eq!(listed, there);
    // With everything read and compared, a search is a scan.
    let everything = next.vectors.search(&query, next.len(), 1_000).expect("lists");
    let sorted = |mut hits: Vec<(i32, u32)>| {
        hits.sort_unstable();
        hits
    };
    assert_eq!(sorted(everything), sorted(next.vectors.scan(&query, next.len())));
}

#[test]
fn filters_that_leave_little_make_the_search_wider_not_empty() {
    let embeddings: Vec<_> = (0..INDEXED_MIN_ROWS as u64 + 100).map(|n| clustered(n, 50, 1.0, 16)).collect();
    let catalogue = trained(&embeddings);
    let snapshot = catalogue.snapshot();
    let rare = snapshot.codes().get(Facet::Topic, "t7").expect("a topic");
    let query = Query::new(embeddings[0].space, &embeddings[0].values);
    let found = snapshot.nearest(&query, 60, |entry| entry.primary_topic == Some(rare));
    let mut exact = snapshot.vectors.scan(&query, snapshot.len());
    exact.sort_unstable_by_key(|hit| std::cmp::Reverse(*hit));
    let exact: Vec<Row> = exact.into_iter().map(|(_, row)| Row(row)).collect();
    let is_rare = |row: &Row| snapshot.entry(*row).is_some_and(|e| e.primary_topic == Some(rare));
    let exact: Vec<Row> = exact.into_iter().filter(is_rare).take(60).collect();
    assert_eq!(ids(&snapshot, &found), ids(&snapshot, &exact));
    assert!(snapshot.nearest(&query, 5, |_| false).is_empty());
}

#[test]
fn lists_go_with_the_items() {
    let embeddings: Vec<_> = (0..INDEXED_MIN_ROWS as u64).map(|n| clustered(n, 50, 1.0, 16)).collect();
    let catalogue = trained(&embeddings);
    assert!(!catalogue.snapshot().wants_training());
    let delete = |n: usize| CatalogueRecord::Deleted(ItemId::new(format!("i{n}")).expect("a valid id"));
    catalogue.apply((0..INDEXED_MIN_ROWS - 100).map(delete));
    let query = Query::new(embeddings[0].space, &embeddings[0].values);
    assert_eq!(catalogue.snapshot().rows_scanned(&query), 100, "few rows are scanned, lists or not");
    assert_eq!(catalogue.snapshot().nearest(&query, 200, |_| true).len(), 100);
    assert!(catalogue.train(), "lists too large for what is left are taken away");
    assert!(!catalogue.snapshot().wants_training());
}
