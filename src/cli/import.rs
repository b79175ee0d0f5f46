//! `polyphony import`: a catalogue, and what people did, from files.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use anyhow::Context;
use async_trait::async_trait;
use clap::{Args, Subcommand};

use super::{SettingsArgs, store};
use crate::{
    catalogue::Catalogue,
    clock::{Clock, SystemClock},
    domain::{Event, Item},
    follow,
    import::{self, EmbeddingFiles, ImportSink, LeftOut, Mapping, Options, Source, Summary, checkpoint},
    ingest::{Ingest, Outcome, Refusal, Unwanted},
    journal::Journal,
    settings::Settings,
    store::StoreError,
};

/// Import items and events from files
///
/// Wrong lines are reported with file and line number and left out; the good ones are imported. When the import is
/// interrupted, the same command continues where it stopped.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "Examples:
  polyphony import jsonl items.jsonl --dry-run
  polyphony import jsonl catalogue.jsonl --map id=ID --map topics=topic --map creator=authors
  polyphony import csv catalogue.csv --map title=headline --map published_at=date --strict
  polyphony import mind MINDsmall_train
  polyphony import movielens ml-100k --creators directors.jsonl --embeddings ml-100k.f16.bin

Exit status: 0 when every line was imported, 1 when a line was left out or the import stopped.")]
pub struct ImportArgs {
    #[command(subcommand)]
    pub format: Format,
}

/// `polyphony import`, with the settings that say where the store is.
///
/// Writes into the store directly: with Redis a running server follows at once; the embedded store's file belongs to one
/// process, so stop the server first (or send items to `POST /v1/items`).
#[derive(Debug, Args)]
#[command(about = "Import items and events from files into the store")]
pub(super) struct Import {
    #[command(flatten)]
    settings: SettingsArgs,
    #[command(flatten)]
    import: ImportArgs,
}

impl Import {
    pub(super) fn run(self) -> ExitCode {
        let settings = match self.settings.load() {
            Ok(settings) => settings,
            Err(code) => return code,
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        let outcome = runtime.map_err(anyhow::Error::from).and_then(|runtime| runtime.block_on(import_into(&self.import, &settings)));
        outcome.unwrap_or_else(|error| {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        })
    }
}

async fn import_into(args: &ImportArgs, settings: &Settings) -> anyhow::Result<ExitCode> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let data_dir = settings.store.embedded.path.parent().unwrap_or(Path::new("."));
    let dimension = settings.catalogue.dimension;
    run(args, dimension, data_dir, &SystemClock, async || StoreSink::open(settings, clock).await).await
}

/// The store, through the same door as the API: items are known before events about them, and repeated events are not
/// learned twice.
struct StoreSink(Ingest);

impl StoreSink {
    async fn open(settings: &Settings, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        let store = store::open(settings, Arc::clone(&clock))?;
        let catalogue = Arc::new(Catalogue::new(settings.catalogue.dimension, settings.policy.score.popularity_half_life));
        follow::load(&*store, &catalogue).await.context("the catalogue cannot be read")?;
        let (journal, consent) = (Arc::new(Journal::off()), settings.consent.default);
        let sensitive = Arc::new(settings.privacy.sensitive.topics());
        Ok(Self(Ingest { store, catalogue, clock, journal, consent, sensitive }))
    }
}

#[async_trait]
impl ImportSink for StoreSink {
    type Error = StoreError;

    async fn items(&mut self, items: Vec<Item>) -> Result<(), StoreError> {
        self.0.put_items(items).await
    }

    async fn events(&mut self, events: Vec<Event>) -> Result<LeftOut, StoreError> {
        let mut left_out = LeftOut::new();
        for why in self.0.learn(&events).await?.iter().filter_map(why_left_out) {
            *left_out.entry(why).or_default() += 1;
        }
        Ok(left_out)
    }
}

fn why_left_out(outcome: &Outcome) -> Option<&'static str> {
    Some(match outcome {
        Outcome::Accepted | Outcome::Duplicate => return None,
        Outcome::Refused(Refusal::UnknownItem(_)) => "events left out: the item is not in the catalogue",
        Outcome::Refused(Refusal::Learn(_)) => "events left out: a list of the person's is full",
        Outcome::Ignored(Unwanted::NoConsent) => "events left out: the person has not consented (see consent.default)",
        Outcome::Ignored(Unwanted::NoDwellConsent) => "events left out: the person has not consented to time spent being used",
        Outcome::Ignored(Unwanted::Sensitive) => "events left out: the topic is sensitive, and the person has not consented to it",
        Outcome::Ignored(Unwanted::NoProfile | Unwanted::Minor) => "events left out: the person chose that nothing is learned",
        Outcome::Ignored(Unwanted::Erased) => "events left out: the person was erased",
        Outcome::Ignored(Unwanted::Sponsored) => "events left out: the item is sponsored",
    })
}

/// What to import.
#[derive(Clone, Debug, Subcommand)]
pub enum Format {
    /// MovieLens 100K: movies from u.item, ratings from u.data.
    ///
    /// Genres become topics. A rating of 4 or 5 is a `like`, 3 an `open`, 1 or 2 a `less_like` of the movie, at its own time.
    Movielens {
        /// The folder with u.item and u.data.
        #[arg(value_name = "FOLDER")]
        path: PathBuf,
        /// JSON lines with item_id and directors: the first director becomes the creator.
        #[arg(long, value_name = "FILE")]
        creators: Option<PathBuf>,
        #[command(flatten)]
        common: Common,
    },
    /// MIND or NeMig: articles from news.tsv, impressions from behaviors.tsv.
    ///
    /// Category and subcategory become topics. What was clicked is an `open`, what was only shown is `seen`, and a
    /// person's history is one `open` per hour before their first impression. Impressions without a time column are
    /// placed one minute apart from 2022-12-01.
    Mind {
        /// The folder with news.tsv, behaviors.tsv or both; or one of these files.
        path: PathBuf,
        #[command(flatten)]
        common: Common,
    },
    /// JSON lines: one item per line.
    ///
    /// Without --map each line must be in the form of `PUT /v1/items`. With --map other keys are ignored, a comma
    /// separated text may stand for several topics, empty texts count as absent, and odd dates are left out and counted.
    Jsonl {
        path: PathBuf,
        #[command(flatten)]
        map: MapArgs,
        #[command(flatten)]
        common: Common,
    },
    /// CSV with a header.
    ///
    /// Columns are named as the fields of an item, or named with --map; then other columns are ignored. Empty cells count
    /// as absent; cells that do not fit (an odd date, no web address) are left out and counted.
    Csv {
        path: PathBuf,
        #[command(flatten)]
        map: MapArgs,
        #[command(flatten)]
        common: Common,
    },
}

/// Where fields are in somebody else's table.
#[derive(Clone, Debug, Args)]
pub struct MapArgs {
    /// Take a field from another column, e.g. --map title=headline. Can be given for each field.
    ///
    /// Fields: id, title, description, url, image, creator, topics, source, viewpoint, language, format, published_at,
    /// expires_at, embedding, attributes.
    #[arg(long = "map", value_name = "FIELD=COLUMN")]
    pub map: Vec<String>,
}

/// Flags of every format.
#[derive(Clone, Debug, Args)]
pub struct Common {
    /// Embeddings of the items: little-endian half-precision rows of `catalogue.dimension` numbers.
    #[arg(long, value_name = "NAME.f16.bin")]
    pub embeddings: Option<PathBuf>,
    /// The ids of the rows, one per line [default: NAME.ids.txt beside the embeddings].
    #[arg(long, value_name = "NAME.ids.txt", requires = "embeddings")]
    pub embedding_ids: Option<PathBuf>,
    /// Check every line and report; write nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Import nothing when any line is wrong.
    #[arg(long)]
    pub strict: bool,
    /// Start over instead of continuing an interrupted import.
    #[arg(long)]
    pub restart: bool,
}

impl ImportArgs {
    /// The options and whether it is a dry run. Errors: a wrong `--map`.
    pub fn options(&self, dimension: usize, data_dir: &Path) -> anyhow::Result<(Options, bool)> {
        let mapping = |map: &MapArgs| Mapping::new(&map.map).map_err(anyhow::Error::msg).context("--map");
        let (source, common) = match &self.format {
            Format::Movielens { path, creators, common } => {
                (Source::Movielens { folder: path.clone(), creators: creators.clone() }, common)
            }
            Format::Mind { path, common } => (Source::Mind { path: path.clone() }, common),
            Format::Jsonl { path, map, common } => (Source::Jsonl { path: path.clone(), mapping: mapping(map)? }, common),
            Format::Csv { path, map, common } => (Source::Csv { path: path.clone(), mapping: mapping(map)? }, common),
        };
        let checkpoint = Some(checkpoint::beside(data_dir, source.path()));
        let embeddings = common.embeddings.clone().map(|vectors| EmbeddingFiles::new(vectors, common.embedding_ids.clone()));
        let options = Options { source, dimension, embeddings, strict: common.strict, restart: common.restart, checkpoint };
        Ok((options, common.dry_run))
    }
}

/// Runs the command. `open` makes the sink; it is not called in a dry run.
///
/// `data_dir` is where the server keeps its data: the checkpoint is written beside it. Errors: the import could not begin
/// or was stopped; wrong lines only show in the exit code.
pub async fn run<S: ImportSink>(
    args: &ImportArgs,
    dimension: usize,
    data_dir: &Path,
    clock: &dyn Clock,
    open: impl AsyncFnOnce() -> anyhow::Result<S>,
) -> anyhow::Result<ExitCode> {
    let (options, dry_run) = args.options(dimension, data_dir)?;
    let summary = if dry_run {
        let summary = import::check(&options, clock).await?;
        println!("dry run: nothing was written");
        summary
    } else {
        import::run(&options, &mut open().await?, clock).await?
    };
    Ok(tell(&summary))
}

fn tell(summary: &Summary) -> ExitCode {
    println!("{summary}");
    if summary.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        import: ImportArgs,
    }

    fn options(line: &str) -> anyhow::Result<(Options, bool)> {
        Command::try_parse_from(line.split(' '))?.import.options(4, Path::new("/var/lib/polyphony/data"))
    }

    #[test]
    fn lines_become_options() {
        let (movies, dry) = options("import movielens ml --creators c.jsonl --embeddings a/m.f16.bin --dry-run").unwrap();
        assert!(dry && !movies.strict);
        assert_eq!(movies.source, Source::Movielens { folder: "ml".into(), creators: Some("c.jsonl".into()) });
        assert_eq!(movies.embeddings.unwrap().ids, PathBuf::from("a/m.ids.txt"));
        assert!(movies.checkpoint.unwrap().starts_with("/var/lib/polyphony"));
        let (table, dry) = options("import csv t.csv --map title=headline --map id=ID --strict --restart").unwrap();
        assert!(!dry && table.strict && table.restart);
        assert!(options("import jsonl a.jsonl --map titel=x").is_err());
        assert!(options("import jsonl a.jsonl --embedding-ids x").is_err());
        assert!(options("import unknown a").is_err());
    }
}
