//! The driver: rows in, batches out, a checkpoint after each batch that was acknowledged.

use std::{collections::BTreeMap, convert::Infallible, path::PathBuf};

use async_trait::async_trait;

use super::{
    checkpoint::{Checkpoint, fingerprint},
    embeddings::{EmbeddingFiles, Embeddings},
    report::{Report, Summary},
    row::{Content, Notes, Row},
    source::{OpenError, Part, Source, size_bytes},
};
use crate::{
    clock::Clock,
    domain::{Embedding, Event, Item, Time, event::MAX_CLOCK_AHEAD},
};

/// Most items given to the sink at once.
pub const MAX_ITEMS_PER_BATCH: usize = 500;
/// Most events given to the sink at once.
pub const MAX_EVENTS_PER_BATCH: usize = 1_000;

/// How many events were left out, by why.
pub type LeftOut = BTreeMap<&'static str, u64>;

/// Where imported items and events go. `Ok` acknowledges the whole batch.
///
/// A batch may come twice after an interruption: items must replace themselves, event ids be learned once.
#[async_trait]
pub trait ImportSink: Send {
    type Error: std::error::Error + Send + Sync + 'static;

    /// At most [`MAX_ITEMS_PER_BATCH`] items, each with an embedding. All items come before the first event.
    async fn items(&mut self, items: Vec<Item>) -> Result<(), Self::Error>;

    /// At most [`MAX_EVENTS_PER_BATCH`] events.
    async fn events(&mut self, events: Vec<Event>) -> Result<LeftOut, Self::Error>;
}

/// What to import and how.
#[derive(Clone, Debug)]
pub struct Options {
    pub source: Source,
    /// `catalogue.dimension`, ≥ 1.
    pub dimension: usize,
    pub embeddings: Option<EmbeddingFiles>,
    /// Import nothing when any line is wrong: all lines are checked first.
    pub strict: bool,
    /// Do not continue an interrupted import.
    pub restart: bool,
    /// Where to remember how far the import is ([`super::checkpoint::beside`]); `None` does not remember.
    pub checkpoint: Option<PathBuf>,
}

/// Why an import stopped. Wrong lines do not stop it.
#[derive(Debug, thiserror::Error)]
pub enum ImportError<E: std::error::Error + 'static> {
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The sink refused a batch; those before it are kept.
    #[error("stopped after {items} items and {events} events; the same command goes on from there")]
    Sink { items: u64, events: u64, source: E },
}

/// Imports into `sink`. Prints progress and wrong lines to standard error; reads files on the calling thread.
///
/// The future does blocking file reads between batches: meant for the command line, not for a serving runtime.
pub async fn run<S: ImportSink>(options: &Options, sink: &mut S, clock: &dyn Clock) -> Result<Summary, ImportError<S::Error>> {
    if options.strict {
        let checked = check(options, clock).await?;
        if !checked.is_clean() {
            return Ok(Summary { items: 0, events: 0, refused: true, ..checked });
        }
    }
    let memory = match &options.checkpoint {
        Some(path) => Some(Memory::open(path.clone(), options)?),
        None => None,
    };
    drive(options, sink, memory, clock).await
}

/// A dry run: parses everything, writes nothing. The summary counts what would be imported.
pub async fn check(options: &Options, clock: &dyn Clock) -> Result<Summary, OpenError> {
    match drive(options, &mut Nowhere, None, clock).await {
        Ok(summary) => Ok(summary),
        Err(ImportError::Open(error)) => Err(error),
        Err(ImportError::Sink { source, .. }) => match source {},
    }
}

struct Nowhere;

#[async_trait]
impl ImportSink for Nowhere {
    type Error = Infallible;

    async fn items(&mut self, _: Vec<Item>) -> Result<(), Infallible> {
        Ok(())
    }

    async fn events(&mut self, _: Vec<Event>) -> Result<LeftOut, Infallible> {
        Ok(LeftOut::new())
    }
}

/// The checkpoint of this command.
struct Memory {
    path: PathBuf,
    fingerprint: String,
    found: Option<Checkpoint>,
}

impl Memory {
    fn open(path: PathBuf, options: &Options) -> Result<Self, OpenError> {
        let side = options.embeddings.iter().flat_map(|files| [files.vectors.clone(), files.ids.clone()]);
        let files: Vec<PathBuf> = options.source.files().into_iter().chain(side).collect();
        let settings = format!("{} {} {:?}", options.source.settings(), options.dimension, options.embeddings);
        let fingerprint = fingerprint(files.iter().map(PathBuf::as_path), &settings)
            .map_err(|source| OpenError::File { path: options.source.path().to_path_buf(), source })?;
        let found = if options.restart { None } else { Checkpoint::load(&path, &fingerprint) };
        Ok(Self { path, fingerprint, found })
    }

    /// Rows of the file at `part` that an earlier run has done.
    fn done(&self, part: usize) -> u64 {
        match &self.found {
            Some(found) if part < found.part => u64::MAX,
            Some(found) if part == found.part => found.rows,
            _ => 0,
        }
    }
}

async fn drive<S: ImportSink>(
    options: &Options,
    sink: &mut S,
    memory: Option<Memory>,
    clock: &dyn Clock,
) -> Result<Summary, ImportError<S::Error>> {
    let started = clock.now();
    let parts = options.source.open(options.dimension)?;
    let embeddings = match &options.embeddings {
        Some(files) => Some(Embeddings::open(files, options.dimension).map_err(OpenError::Embeddings)?),
        None => None,
    };
    let total_bytes = parts.iter().map(|part| size_bytes(&part.file)).sum();
    let report = Report::new(total_bytes);
    if memory.as_ref().is_some_and(|memory| memory.found.is_some()) {
        report.say("continuing an interrupted import; --restart starts over");
    }
    let (items, events) = (Vec::with_capacity(MAX_ITEMS_PER_BATCH), Vec::with_capacity(MAX_EVENTS_PER_BATCH));
    let (dimension, latest) = (options.dimension, started.plus(MAX_CLOCK_AHEAD));
    let mut driver = Driver { sink, memory, embeddings, dimension, latest, report, items, events };
    let mut before_bytes = 0;
    for (index, part) in parts.into_iter().enumerate() {
        let size = size_bytes(&part.file);
        driver.part(index, part, before_bytes).await?;
        before_bytes += size;
    }
    driver.forget();
    Ok(driver.report.finish(clock.now().since(started)))
}

struct Driver<'a, S> {
    sink: &'a mut S,
    memory: Option<Memory>,
    embeddings: Option<Embeddings>,
    dimension: usize,
    /// A profile's weights are as of its latest event: none may lie ahead.
    latest: Time,
    report: Report,
    items: Vec<Item>,
    events: Vec<Event>,
}

impl<S: ImportSink> Driver<'_, S> {
    async fn part(&mut self, index: usize, part: Part, before_bytes: u64) -> Result<(), ImportError<S::Error>> {
        let done = self.memory.as_ref().map_or(0, |memory| memory.done(index));
        let mut rows = 0;
        for row in part.rows {
            rows += 1;
            self.report.position(before_bytes + row.end);
            self.take(&part.file, row, rows <= done);
            if self.items.len() >= MAX_ITEMS_PER_BATCH || self.events.len() >= MAX_EVENTS_PER_BATCH {
                self.flush(index, rows).await?;
            }
        }
        self.flush(index, rows).await
    }

    /// Counts the row and keeps what it holds, unless an earlier run has imported it.
    fn take(&mut self, file: &std::path::Path, row: Row, done: bool) {
        let mut notes = row.notes;
        match row.content {
            Err(detail) => self.report.fault(file, row.line, detail),
            Ok(_) if done => self.report.summary.already += 1,
            Ok(Content::Item(mut item)) => {
                self.embed(&mut item, &mut notes);
                self.items.push(*item);
            }
            Ok(Content::Events(events)) => {
                for mut event in events {
                    if event.at > self.latest {
                        event.at = self.latest;
                        notes.add("event times in the future set to now");
                    }
                    self.events.push(event);
                }
            }
        }
        self.report.notes(&notes);
    }

    /// An embedding the line brought stands; else the side file's, else the text's.
    fn embed(&mut self, item: &mut Item, notes: &mut Notes) {
        if item.embedding.is_none() {
            let from_file = self.embeddings.as_mut().and_then(|embeddings| embeddings.get(&item.id, notes));
            item.embedding = Some(from_file.unwrap_or_else(|| Embedding::of_text(&item.text(), self.dimension)));
        }
    }

    async fn flush(&mut self, part: usize, rows: u64) -> Result<(), ImportError<S::Error>> {
        if self.items.is_empty() && self.events.is_empty() {
            return Ok(());
        }
        let items = std::mem::take(&mut self.items);
        if !items.is_empty() {
            let count = items.len() as u64;
            self.sink.items(items).await.map_err(|source| stopped(&self.report, source))?;
            self.report.summary.items += count;
        }
        // One line may bring more events than a batch holds.
        let mut events = std::mem::take(&mut self.events);
        while !events.is_empty() {
            let rest = events.split_off(events.len().min(MAX_EVENTS_PER_BATCH));
            let count = events.len() as u64;
            let left_out = self.sink.events(events).await.map_err(|source| stopped(&self.report, source))?;
            self.report.summary.events += count - left_out.values().sum::<u64>();
            for (why, times) in left_out {
                *self.report.summary.notes.entry(why).or_default() += times;
            }
            events = rest;
        }
        self.report.counted();
        self.remember(part, rows);
        Ok(())
    }

    fn remember(&mut self, part: usize, rows: u64) {
        let Some(memory) = &self.memory else { return };
        if Checkpoint::new(memory.fingerprint.clone(), part, rows).save(&memory.path).is_err() {
            // The import itself is fine; only going on after an interruption is lost.
            self.note("checkpoint not written: an interrupted import would start over");
        }
    }

    fn forget(&mut self) {
        let Some(memory) = &self.memory else { return };
        if Checkpoint::remove(&memory.path).is_err() {
            self.note("checkpoint not removed");
        }
    }

    fn note(&mut self, note: &'static str) {
        let mut notes = Notes::default();
        notes.add(note);
        self.report.notes(&notes);
    }
}

fn stopped<E: std::error::Error + 'static>(report: &Report, source: E) -> ImportError<E> {
    ImportError::Sink { items: report.summary.items, events: report.summary.events, source }
}
