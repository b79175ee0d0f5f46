//! Importing real data sets from `../shared/data`; each test says why it is skipped where its set is absent.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use polyphony::{
    clock::SystemClock,
    domain::{EmbeddingSpace, Item},
    import::{EmbeddingFiles, Mapping, Options, Source, Summary, run},
};

use crate::import::{Recording, options};

/// The dimension of the embeddings beside the data.
const DIMENSION: usize = 384;
/// Where no embeddings are read, texts are hashed into few numbers to be quick.
const SMALL_DIMENSION: usize = 8;

fn data(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data").join(name);
    if !path.exists() {
        eprintln!("skipped: {} is not there", path.display());
        return None;
    }
    Some(path)
}

/// The catalogue of a packed set, unpacked for this test.
fn unpacked(name: &str, file: &str, folder: &Path) -> Option<PathBuf> {
    let archive = data(name)?;
    let done = Command::new("tar").arg("xzf").arg(&archive).arg("-C").arg(folder).status();
    if !done.as_ref().is_ok_and(|status| status.success()) {
        eprintln!("skipped: tar cannot unpack {}: {done:?}", archive.display());
        return None;
    }
    Some(folder.join(file))
}

fn table(path: PathBuf, map: &[&str]) -> Source {
    Source::Jsonl { path, mapping: Mapping::new(map).expect("a mapping") }
}

async fn import(name: &str, options: Options) -> (Summary, Recording) {
    let mut sink = Recording::default();
    let summary = run(&options, &mut sink, &SystemClock).await.expect("an import");
    println!("{name}: {summary}");
    (summary, sink)
}

fn with_embeddings(source: Source, name: &str) -> Option<Options> {
    let files = EmbeddingFiles::new(data(&format!("embeddings/{name}.f16.bin"))?, None);
    Some(Options { embeddings: Some(files), ..options(source, DIMENSION) })
}

fn count(items: &[Item], has: impl Fn(&Item) -> bool) -> usize {
    items.iter().filter(|item| has(item)).count()
}

fn given(item: &Item) -> bool {
    item.embedding.as_ref().is_some_and(|embedding| embedding.space == EmbeddingSpace::Model)
}

#[tokio::test]
async fn movielens_100k() {
    let (Some(folder), creators) = (data("movielens-100k"), data("movielens-extra/ml100k_extra.jsonl")) else { return };
    let has_creators = creators.is_some();
    let Some(options) = with_embeddings(Source::Movielens { folder, creators }, "ml-100k") else { return };
    let (summary, sink) = import("movielens", options).await;
    assert!(summary.is_clean(), "{:?}", summary.faults);
    assert_eq!((sink.items.len(), sink.events.len()), (1_682, 100_000));
    assert!(sink.items.iter().all(given));
    assert!(sink.events.is_sorted_by_key(|event| event.at));
    assert_eq!(count(&sink.items, |item| item.topics.is_empty()), 2);
    if has_creators {
        assert_eq!(count(&sink.items, |item| item.creator.is_some()), 1_607);
    }
}

#[tokio::test]
async fn mind_fragment() {
    let Some(path) = data("mind-fragment") else { return };
    let (summary, sink) = import("mind", options(Source::Mind { path }, SMALL_DIMENSION)).await;
    assert!(summary.is_clean(), "{:?}", summary.faults);
    assert_eq!(sink.items.len(), 2_000);
    assert!(sink.events.len() > 1_000, "{}", sink.events.len());
}

#[tokio::test]
async fn nemig_catalogue_and_impressions() {
    let (Some(catalogue), Some(behaviors)) = (data("nemig-news-en/catalogue.jsonl"), data("nemig-news-en/behaviors.tsv")) else { return };
    let map = [
        "description=abstract",
        "published_at=published",
        "source=publisher",
        "viewpoint=outlet_orientation",
        "creator=authors",
        "topics=subtopic_label",
    ];
    let Some(options_with) = with_embeddings(table(catalogue, &map), "nemig-en") else { return };
    let (summary, sink) = import("nemig catalogue", options_with).await;
    assert!(summary.is_clean(), "{:?}", summary.faults);
    assert_eq!(sink.items.len(), 10_814);
    assert!(sink.items.iter().all(|item| given(item) && item.viewpoint.is_some() && item.source.is_some()));
    let (summary, sink) = import("nemig impressions", options(Source::Mind { path: behaviors }, SMALL_DIMENSION)).await;
    assert!(summary.is_clean() && sink.events.len() > 90_000, "{}", sink.events.len());
}

#[tokio::test]
async fn abp_viewpoints() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(path) = unpacked("abp-viewpoints.tar.gz", "abp-viewpoints/catalogue.jsonl", folder.path()) else { return };
    let map = ["id=ID", "topics=topic", "creator=authors", "viewpoint=bias_text", "published_at=date", "description=excerpt"];
    let Some(options) = with_embeddings(table(path, &map), "abp-viewpoints") else { return };
    let (summary, sink) = import("abp-viewpoints", options).await;
    assert!(summary.is_clean(), "{:?}", summary.faults);
    assert_eq!(sink.items.len(), 24_554);
    assert!(sink.items.iter().all(|item| given(item) && item.viewpoint.is_some() && item.topics.len() == 1));
    // A good tenth has no date or an odd one.
    assert!((21_000..21_900).contains(&count(&sink.items, |item| item.published_at.is_some())));
}

#[tokio::test]
async fn huffpost() {
    let Some(path) = data("huffpost/huffpost_2018-02_2022-09.jsonl") else { return };
    let map = ["title=headline", "topics=category", "creator=authors", "published_at=date", "description=short_description", "url=link"];
    let (summary, sink) = import("huffpost", options(table(path, &map), SMALL_DIMENSION)).await;
    // Some of its ids are longer than an id may be.
    assert!(summary.faults.iter().all(|fault| fault.detail.contains("/id is")), "{:?}", summary.faults);
    assert_eq!(sink.items.len() as u64 + summary.failed, 13_456);
    assert!(summary.failed < 100, "{}", summary.failed);
}

#[tokio::test]
async fn reddit_top() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(path) = unpacked("reddit-top.tar.gz", "reddit-top/reddit_top_cut.jsonl", folder.path()) else { return };
    let map = ["topics=subreddit", "source=domain", "published_at=created_utc", "description=selftext_300"];
    let (summary, sink) = import("reddit", options(table(path, &map), SMALL_DIMENSION)).await;
    assert!(summary.is_clean(), "{:?}", summary.faults);
    assert_eq!(sink.items.len(), 77_627);
    assert!(sink.items.iter().all(|item| item.published_at.is_some() && item.topics.len() == 1));
}
