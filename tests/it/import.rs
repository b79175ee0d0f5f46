//! Importing hand-made files: what is read, what each wrong line says, and how an interrupted import goes on.

use std::{
    fs,
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use polyphony::{
    clock::SystemClock,
    demo,
    domain::{Embedding, EmbeddingSpace, Event, EventKind, Item, Time},
    import::{
        EmbeddingFiles, HISTORY_STEP, ImportError, ImportSink, LeftOut, MAX_EVENTS_PER_BATCH, MAX_ITEMS_PER_BATCH, Mapping, Options,
        Source, Summary, TIMELESS_START, check, run,
    },
    wire::ItemForm,
};
use proptest::prelude::*;

#[derive(Debug, thiserror::Error)]
#[error("no room")]
pub struct Refused;

/// Keeps what it is given; refuses after a number of batches.
#[derive(Default)]
pub struct Recording {
    pub items: Vec<Item>,
    pub events: Vec<Event>,
    pub batches: Vec<usize>,
    pub room: Option<usize>,
}

impl Recording {
    fn batch(&mut self, size: usize) -> Result<(), Refused> {
        if self.room == Some(self.batches.len()) {
            return Err(Refused);
        }
        self.batches.push(size);
        Ok(())
    }
}

#[async_trait]
impl ImportSink for Recording {
    type Error = Refused;

    async fn items(&mut self, items: Vec<Item>) -> Result<(), Refused> {
        assert!(items.len() <= MAX_ITEMS_PER_BATCH && items.iter().all(|item| item.embedding.is_some()));
        self.batch(items.len())?;
        self.items.extend(items);
        Ok(())
    }

    async fn events(&mut self, events: Vec<Event>) -> Result<LeftOut, Refused> {
        assert!(events.len() <= MAX_EVENTS_PER_BATCH);
        self.batch(events.len())?;
        self.events.extend(events);
        Ok(LeftOut::new())
    }
}

pub fn options(source: Source, dimension: usize) -> Options {
    Options { source, dimension, embeddings: None, strict: false, restart: false, checkpoint: None }
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/fixtures/import").join(name)
}

fn jsonl(path: PathBuf, map: &[&str]) -> Options {
    options(Source::Jsonl { path, mapping: Mapping::new(map).expect("a mapping") }, 2)
}

fn csv(path: PathBuf, map: &[&str]) -> Options {
    options(Source::Csv { path, mapping: Mapping::new(map).expect("a mapping") }, 2)
}

async fn import(options: &Options) -> (Summary, Recording) {
    let mut sink = Recording::default();
    let summary = run(options, &mut sink, &SystemClock).await.expect("an import");
    assert_eq!((summary.items, summary.events), (sink.items.len() as u64, sink.events.len() as u64));
    (summary, sink)
}

/// `line: detail` of each wrong line.
fn faults(summary: &Summary) -> Vec<String> {
    assert_eq!(summary.failed, summary.faults.len() as u64);
    summary.faults.iter().map(|fault| format!("{}: {}", fault.line, fault.detail)).collect()
}

fn ids(sink: &Recording) -> Vec<&str> {
    sink.items.iter().map(|item| item.id.as_str()).collect()
}

#[tokio::test]
async fn wrong_json_lines_are_named_and_the_good_ones_imported() {
    let (summary, sink) = import(&jsonl(fixture("faults.jsonl"), &[])).await;
    assert_eq!(ids(&sink), ["a", "g"]);
    assert_eq!(
        faults(&summary),
        [
            "2: is not JSON at column 21: EOF while parsing a value; expected one object per line",
            "3: /title is missing; expected 1 to 1000 bytes · /topics/1/weight is 2; expected a number above 0 and at most 1 · \
             /titel `titel` is not a field of an item; did you mean `title`?",
            "4: is an array; expected an object",
            "6: is not UTF-8 at byte 30; expected UTF-8",
            "7: is not JSON at column 53: number out of range; expected one object per line",
            "8: /embedding has 3 numbers; this server is configured for `catalogue.dimension = 2`",
        ]
    );
    assert!(
        summary.faults[0]
            .to_string()
            .ends_with("faults.jsonl:2: is not JSON at column 21: EOF while parsing a value; expected one object per line")
    );
}

#[tokio::test]
async fn other_tables_are_read_leniently_and_what_is_left_out_is_counted() {
    let map = ["id=ID", "title=headline", "topics=tag", "creator=who", "published_at=when", "url=link"];
    let (summary, sink) = import(&jsonl(fixture("mapped.jsonl"), &map)).await;
    assert_eq!(ids(&sink), ["1", "2"]);
    assert_eq!(faults(&summary), ["3: /id is missing; expected 1 to 128 bytes", "4: is a string; expected an object"]);
    let notes: Vec<_> = summary.notes.iter().map(|(note, times)| format!("{times} × {note}")).collect();
    assert_eq!(notes, ["1 × published_at left out: not a date between 1900 and 2049", "1 × url left out: not a web address"]);
    assert_eq!(sink.items[0].creator.as_ref().map(|c| c.id.to_string()), Some("Ann Lee".to_owned()));
    assert_eq!((sink.items[0].topics.len(), sink.items[1].topics.len()), (2, 0));
}

#[tokio::test]
async fn csv_lines_are_counted_over_quoted_line_ends() {
    let (summary, sink) = import(&csv(fixture("faults.csv"), &["id=ID", "title=headline"])).await;
    assert_eq!(ids(&sink), ["1", "2", "6"]);
    assert_eq!(sink.items[1].title, "Quoted, with \"quotes\"\nand a line end");
    assert_eq!(
        faults(&summary),
        [
            "5: has 2 cells; expected 4, as in the header",
            "6: has a cell `headline` that is not UTF-8; expected UTF-8",
            "7: /id is missing; expected 1 to 128 bytes",
        ]
    );
}

#[tokio::test]
async fn a_csv_header_that_cannot_be_used_is_explained() {
    for (map, expected) in [
        (&[][..], "no column holds `id`; name it with --map id=COLUMN; the columns are ID, headline, topics, published_at"),
        (&["id=ID", "title=headlin"], "`title` is mapped to the column `headlin`, which is not there; the columns are ID, headline,"),
    ] {
        let error = check(&csv(fixture("faults.csv"), map), &SystemClock).await.expect_err("a wrong header").to_string();
        assert!(error.contains(expected), "{error}");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("slip.csv");
    fs::write(&path, "id,title,publishedAt\na,b,c\n").expect("a file");
    let error = check(&csv(path, &[]), &SystemClock).await.expect_err("a slip").to_string();
    assert!(error.contains("the column `publishedAt` is not a field of an item; did you mean `published_at`?"), "{error}");
}

#[tokio::test]
async fn an_open_quote_does_not_swallow_memory() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("open.csv");
    fs::write(&path, format!("id,title\na,b\nc,\"{}", "x\n".repeat(3_000_000))).expect("a file");
    let (summary, sink) = import(&csv(path, &[])).await;
    assert_eq!(ids(&sink), ["a"]);
    assert!(faults(&summary)[0].contains("is a quote left open?"), "{:?}", summary.faults);
}

#[tokio::test]
async fn movielens_movies_and_ratings_are_read() {
    let folder = fixture("movielens");
    let creators = Some(folder.join("directors.jsonl"));
    let (summary, sink) = import(&options(Source::Movielens { folder, creators }, 2)).await;
    assert_eq!(ids(&sink), ["1", "2"]);
    let [toys, café] = &sink.items[..] else { panic!("two movies") };
    let topics: Vec<&str> = toys.topics.iter().map(|(topic, _)| &**topic).collect();
    assert_eq!(topics, ["animation", "children's", "comedy"]);
    assert_eq!(toys.creator.as_ref().map(|c| (&*c.id, c.name.as_deref())), Some(("john-lasseter", Some("John Lasseter"))));
    assert_eq!(toys.attributes.as_deref(), Some("{\"year\":1995}"));
    assert_eq!((café.title.as_str(), café.url.as_deref(), café.published_at, &café.creator), ("Café (1997)", None, None, &None));
    let events: Vec<String> = sink.events.iter().map(|e| format!("{} {} {} {}", e.user, e.kind, e.item, e.id)).collect();
    assert_eq!(events, ["7 open 2 ml-7-2-881250000", "7 like 1 ml-7-1-881250949", "8 less_like 1 ml-8-1-881260000"]);
    assert_eq!(
        faults(&summary),
        [
            "3: has 3 cells; expected 24 separated by |",
            "4: has `2` as the flag of adventure; expected 0 or 1",
            "5: /id must not be empty; expected 1 to 128 bytes · /title is missing; expected 1 to 1000 bytes",
            "5: has the rating `6`; expected 1 to 5",
            "6: has 1 cells; expected 4 separated by tabs: user, item, rating, seconds",
            "7: has the time `soon`; expected Unix seconds",
            "8: is not UTF-8 at byte 2; expected UTF-8",
        ]
    );
    assert_eq!(summary.notes["events left out: the item is not in u.item"], 1);
}

#[tokio::test]
async fn mind_articles_and_impressions_are_read() {
    let (summary, sink) = import(&options(Source::Mind { path: fixture("mind") }, 2)).await;
    assert_eq!(ids(&sink), ["N1", "N2"]);
    assert_eq!(sink.items[0].topics.iter().map(|(t, w)| (&**t, *w)).collect::<Vec<_>>(), [("football", 0.6), ("sports", 1.0)]);
    assert_eq!(sink.items[1].topics.len(), 1);
    let events: Vec<String> = sink.events.iter().map(|e| format!("{} {} {} {}", e.user, e.kind, e.item, e.id)).collect();
    assert_eq!(
        events,
        [
            "U1 open N2 mind-U1-h0",
            "U1 open N1 mind-1-0",
            "U1 seen N2 mind-1-1",
            "U1 open N2 mind-2-0",
            "U3 seen N1 mind-7-0",
            "U3 seen N2 mind-7-1"
        ]
    );
    // Two items in the history: the first was opened two steps before the impression.
    assert_eq!(sink.events[0].at.plus(HISTORY_STEP).plus(HISTORY_STEP), sink.events[1].at);
    assert_eq!(summary.notes["events left out: the item is not in news.tsv"], 2);
    assert_eq!(
        faults(&summary),
        [
            "3: has 3 cells; expected at least 6: id, category, subcategory, title, abstract, url",
            "4: /id must not be empty; expected 1 to 128 bytes",
            "3: has the time `11/12/2019 13:14:46 PM`; expected e.g. 11/12/2019 2:14:46 PM",
            "4: has `N1-7`; expected an item with -0 or -1",
            "5: has 2 cells; expected 5 (impression, user, time, history, items) or 4 without time",
            "6: has a user id that must not be empty; expected 1 to 128 bytes",
        ]
    );
}

#[tokio::test]
async fn impressions_without_time_stand_a_minute_apart() {
    let (summary, sink) = import(&options(Source::Mind { path: fixture("mind/timeless_behaviors.tsv") }, 2)).await;
    assert!(summary.is_clean());
    let kinds: Vec<&EventKind> = sink.events.iter().map(|e| &e.kind).collect();
    assert_eq!(kinds, [&EventKind::Open, &EventKind::Open, &EventKind::Seen, &EventKind::Seen]);
    assert_eq!((sink.events[1].at, sink.events[3].at), (Time(TIMELESS_START.0 + 60_000), Time(TIMELESS_START.0 + 120_000)));
}

#[tokio::test]
async fn what_is_not_there_is_named() {
    for (source, expected) in [
        (Source::Mind { path: fixture("movielens") }, "holds neither news.tsv nor behaviors.tsv"),
        (Source::Movielens { folder: fixture("mind"), creators: None }, "u.item: cannot be opened"),
        (Source::Jsonl { path: fixture("nowhere.jsonl"), mapping: Mapping::default() }, "nowhere.jsonl: cannot be opened"),
        (Source::Jsonl { path: fixture("mind"), mapping: Mapping::default() }, "cannot be opened: is a directory"),
    ] {
        let error = check(&options(source, 2), &SystemClock).await.expect_err("nothing there").to_string();
        assert!(error.contains(expected), "{error}");
    }
}

/// The demo catalogue as a file.
fn demo_file(folder: &Path) -> (PathBuf, Vec<Item>) {
    let items = demo::catalogue(1, Time::from_secs(1_791_533_700), 2);
    let lines: Vec<String> = items.iter().map(|item| serde_json::to_string(&ItemForm::from(item)).expect("JSON")).collect();
    let path = folder.join("demo.jsonl");
    fs::write(&path, lines.join("\n")).expect("a file");
    (path, items)
}

#[tokio::test]
async fn what_is_exported_imports_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let (path, items) = demo_file(folder.path());
    let (summary, sink) = import(&jsonl(path, &[])).await;
    assert!(summary.is_clean());
    assert_eq!(sink.items, items);
    assert_eq!(sink.batches, [500, 500, 500, 500, 400]);
}

#[tokio::test]
async fn an_interrupted_import_goes_on_where_it_stopped() {
    let folder = tempfile::tempdir().expect("a folder");
    let (path, items) = demo_file(folder.path());
    let checkpoint = folder.path().join("data.import.json");
    let mut options = Options { checkpoint: Some(checkpoint.clone()), ..jsonl(path.clone(), &[]) };
    let mut sink = Recording { room: Some(3), ..Recording::default() };
    let error = run(&options, &mut sink, &SystemClock).await.expect_err("no room");
    assert!(matches!(error, ImportError::Sink { items: 1_500, .. }), "{error:?}");
    assert!(checkpoint.exists());

    sink.room = None;
    let summary = run(&options, &mut sink, &SystemClock).await.expect("an import");
    assert_eq!((summary.already, summary.items), (1_500, 900));
    assert_eq!(sink.items, items);
    assert!(!checkpoint.exists(), "a finished import leaves no checkpoint");

    // A changed file and `--restart` both start over.
    let mut sink = Recording { room: Some(1), ..Recording::default() };
    run(&options, &mut sink, &SystemClock).await.expect_err("no room");
    options.restart = true;
    assert_eq!(import(&options).await.0.already, 0);
    options.restart = false;
    run(&options, &mut Recording { room: Some(1), ..Recording::default() }, &SystemClock).await.expect_err("no room");
    fs::write(&path, "{\"id\": \"a\", \"title\": \"New\"}").expect("a file");
    assert_eq!(import(&options).await.0.already, 0);
}

#[tokio::test]
async fn events_go_on_too_and_never_exceed_a_batch() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("behaviors.tsv");
    let shown: Vec<String> = (0..700).map(|n| format!("N{n}-0")).collect();
    let lines: Vec<String> = (0..5).map(|n| format!("{n}\tU{n}\t\t{}", shown.join(" "))).collect();
    fs::write(&path, lines.join("\n")).expect("a file");
    let options = Options { checkpoint: Some(folder.path().join("c.json")), ..options(Source::Mind { path }, 2) };
    let mut sink = Recording { room: Some(2), ..Recording::default() };
    run(&options, &mut sink, &SystemClock).await.expect_err("no room");
    sink.room = None;
    let summary = run(&options, &mut sink, &SystemClock).await.expect("an import");
    assert_eq!((summary.already, summary.events, sink.events.len()), (2, 2_100, 3_500));
    assert_eq!(sink.batches, [1_000, 400, 1_000, 400, 700]);
}

#[tokio::test]
async fn strict_imports_nothing_and_a_check_writes_nothing() {
    let strict = Options { strict: true, ..jsonl(fixture("faults.jsonl"), &[]) };
    let (summary, sink) = import(&strict).await;
    assert!(summary.refused && !summary.is_clean() && sink.batches.is_empty());
    assert!(summary.to_string().contains("nothing was imported: 6 wrong lines and --strict"), "{summary}");
    let checked = check(&jsonl(fixture("faults.jsonl"), &[]), &SystemClock).await.expect("a check");
    assert_eq!((checked.items, checked.failed, checked.refused), (2, 6, false));
}

fn side_files(folder: &Path, ids: &str, numbers: &[f32]) -> EmbeddingFiles {
    let vectors = folder.join("x.f16.bin");
    fs::write(folder.join("x.ids.txt"), ids).expect("a file");
    let bytes: Vec<u8> = numbers.iter().flat_map(|n| half::f16::from_f32(*n).to_le_bytes()).collect();
    fs::write(&vectors, bytes).expect("a file");
    EmbeddingFiles::new(vectors, None)
}

#[tokio::test]
async fn embeddings_come_from_the_side_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("items.jsonl");
    let lines = ["a", "b", "c", "d"].map(|id| format!("{{\"id\": \"{id}\", \"title\": \"Title {id}\"}}"));
    fs::write(&path, lines.join("\n")).expect("a file");
    let embeddings = Some(side_files(folder.path(), "b\na\nd\n", &[0.0, 2.0, 3.0, 4.0, 0.0, f32::NAN]));
    let (summary, sink) = import(&Options { embeddings, ..jsonl(path, &[]) }).await;
    assert_eq!(sink.items[0].embedding, Embedding::from_model(&[0.6, 0.8], 2).ok());
    assert_eq!(sink.items[1].embedding, Embedding::from_model(&[0.0, 1.0], 2).ok());
    let spaces: Vec<_> = sink.items.iter().filter_map(|i| i.embedding.as_ref()).map(|e| e.space).collect();
    assert_eq!(spaces, [EmbeddingSpace::Model, EmbeddingSpace::Model, EmbeddingSpace::HashedText, EmbeddingSpace::HashedText]);
    assert_eq!(summary.notes["no embedding in the side file: made from the text"], 1);
    assert_eq!(summary.notes["embedding in the side file cannot be used: made from the text"], 1);
}

#[tokio::test]
async fn side_files_of_another_size_are_explained_with_the_numbers() {
    let folder = tempfile::tempdir().expect("a folder");
    let embeddings = Some(side_files(folder.path(), "a\nb\n", &[1.0; 6]));
    let options = Options { embeddings, ..jsonl(fixture("faults.jsonl"), &[]) };
    let error = check(&options, &SystemClock).await.expect_err("sizes disagree").to_string();
    for part in ["x.f16.bin: is 12 bytes; expected 8: 2 ids in", "x.ids.txt × 2 numbers × 2 bytes", "it would fit 3 numbers per id"] {
        assert!(error.contains(part), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_bytes_make_an_import_panic(bytes in prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..400),
        "([a-z0-9|\t\"{}:,\\[\\] -]{0,40}\n){0,10}".prop_map(String::into_bytes),
    ]) {
        let folder = tempfile::tempdir()?;
        for name in ["u.item", "u.data", "news.tsv", "behaviors.tsv", "x.jsonl"] {
            fs::write(folder.path().join(name), &bytes)?;
        }
        let mut table = b"id,title,topics\n".to_vec();
        table.extend(&bytes);
        fs::write(folder.path().join("x.csv"), table)?;
        let at = |name: &str| folder.path().join(name);
        let mapped = || Mapping::new(["title=id"]).expect("a mapping");
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        for source in [
            Source::Movielens { folder: folder.path().to_path_buf(), creators: None },
            Source::Mind { path: folder.path().to_path_buf() },
            Source::Jsonl { path: at("x.jsonl"), mapping: Mapping::default() },
            Source::Jsonl { path: at("x.jsonl"), mapping: mapped() },
            Source::Csv { path: at("x.csv"), mapping: mapped() },
        ] {
            prop_assert!(runtime.block_on(check(&options(source, 2), &SystemClock)).is_ok());
        }
        let creators = Source::Movielens { folder: folder.path().to_path_buf(), creators: Some(at("x.jsonl")) };
        let _ = runtime.block_on(check(&options(creators, 2), &SystemClock));
        let files = EmbeddingFiles::new(at("u.data"), Some(at("x.jsonl")));
        let source = Source::Jsonl { path: at("x.jsonl"), mapping: Mapping::default() };
        let _ = runtime.block_on(check(&Options { embeddings: Some(files), ..options(source, 2) }, &SystemClock));
    }
}
