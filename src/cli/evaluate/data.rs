//! `--data` and what belongs to it: a log of what people did, read into memory.

use std::{
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
};

use anyhow::Context;
use clap::{Args, ValueEnum};
use indicatif::{HumanCount, ProgressBar, ProgressStyle};

use super::super::store;
use crate::{
    catalogue::Catalogue,
    clock::SystemClock,
    domain::{Event, EventId, EventKind, FeedId, Item, ItemId, Scope, Time, UserId},
    evaluate::{EventLog, Protocol, Replay, Reward, Split, replay::MAX_PEOPLE},
    follow,
    import::{self, EmbeddingFiles, Mapping, Options, Source},
    journal::{EventRecord, JournalReader, JournalRecord},
    settings::Settings,
};

/// Most events kept of a journal.
const MAX_JOURNAL_EVENTS: usize = 20_000_000;
/// The word that stands for the items of the store that the settings name.
const STORE: &str = "store";

/// A log of what people did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Data {
    Movielens(PathBuf),
    Mind(PathBuf),
    Journal(PathBuf),
}

impl FromStr for Data {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = "expected movielens:FOLDER, mind:FOLDER or journal:FOLDER";
        let (kind, folder) = text.split_once(':').ok_or(expected)?;
        let folder = PathBuf::from(folder);
        match kind {
            "movielens" => Ok(Self::Movielens(folder)),
            "mind" => Ok(Self::Mind(folder)),
            "journal" => Ok(Self::Journal(folder)),
            _ => {
                let hint = crate::domain::suggest::hint(kind, ["movielens", "mind", "journal"]);
                Err(format!("`{kind}` is no kind of data; {expected}.{hint}"))
            }
        }
    }
}

/// How many people are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Users(Option<usize>);

impl FromStr for Users {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "all" {
            return Ok(Self(None));
        }
        let number = text.strip_prefix("sample:").and_then(|number| number.parse().ok());
        let number = number.filter(|number| (1..=MAX_PEOPLE).contains(number));
        number.map(|number| Self(Some(number))).ok_or_else(|| format!("expected `all` or `sample:N`, N from 1 to {MAX_PEOPLE}"))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum RewardArg {
    /// Took it up: open, like, save, share, reply
    Opens,
    /// Said so: like
    Likes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum SplitArg {
    /// For each person after the first share of their own rewards
    Person,
    /// For all at one time, after the first share of all events
    Calendar,
}

/// What is replayed, and how.
#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct DataArgs {
    /// What people did: movielens:FOLDER (u.item, u.data), mind:FOLDER (news.tsv, behaviors.tsv) or journal:FOLDER
    #[arg(long, value_name = "KIND:FOLDER")]
    pub data: Data,
    /// Items, when the log has none: JSON lines as for `import jsonl`, or `store` for those of the settings' store
    #[arg(long, value_name = "FILE")]
    items: Option<PathBuf>,
    /// Take a field of --items from another column; may be given again
    #[arg(long = "map", value_name = "FIELD=COLUMN", requires = "items")]
    map: Vec<String>,
    /// Directors of MovieLens' films, as for `import movielens --creators`
    #[arg(long, value_name = "FILE")]
    creators: Option<PathBuf>,
    /// Embeddings of the items: little-endian half-precision rows of `catalogue.dimension` numbers
    #[arg(long, value_name = "NAME.f16.bin")]
    embeddings: Option<PathBuf>,
    /// What counts as liked [default: likes for movielens, opens otherwise]
    #[arg(long, value_name = "REWARD")]
    reward: Option<RewardArg>,
    /// Where a person's past ends
    #[arg(long, value_name = "SPLIT", default_value = "person")]
    split: SplitArg,
    /// The share that is past, 0.1 to 0.95
    #[arg(long, value_name = "SHARE", default_value = "0.8", value_parser = learned)]
    learned: f64,
    /// How many people are asked: all, or sample:N
    #[arg(long, value_name = "USERS", default_value = "all")]
    users: Users,
    /// Draws the sample and the feeds' seeds; the same seed gives the same numbers
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

fn learned(text: &str) -> Result<f64, String> {
    let share = text.parse::<f64>().ok().filter(|share| (0.1..=0.95).contains(share));
    share.ok_or_else(|| "expected a number from 0.1 to 0.95".to_owned())
}

impl DataArgs {
    pub fn reward(&self) -> Reward {
        match (self.reward, &self.data) {
            (Some(RewardArg::Opens), _) => Reward::Opens,
            (Some(RewardArg::Likes), _) | (None, Data::Movielens(_)) => Reward::Likes,
            (None, Data::Mind(_) | Data::Journal(_)) => Reward::Opens,
        }
    }

    /// What the log is called: its folder.
    pub fn name(&self) -> String {
        let (Data::Movielens(folder) | Data::Mind(folder) | Data::Journal(folder)) = &self.data;
        folder.file_name().unwrap_or(folder.as_os_str()).to_string_lossy().into_owned()
    }

    pub fn protocol(&self) -> Protocol {
        let split = match self.split {
            SplitArg::Person => Split::Person,
            SplitArg::Calendar => Split::Calendar,
        };
        Protocol { reward: self.reward(), split, learned: self.learned, people: self.users.0, seed: self.seed }
    }

    /// Whether there is anything to replay: a journal names items, and does not describe them.
    pub fn has_items(&self) -> bool {
        self.items.is_some() || !matches!(self.data, Data::Journal(_))
    }

    /// Reads the log and learns it up to each person's cut. Errors: nothing can be read, or nobody can be asked.
    pub fn replay(&self, settings: &Settings) -> anyhow::Result<Replay> {
        let log = self.log(settings)?;
        let (dimension, half_life) = (settings.catalogue.dimension, settings.policy.score.popularity_half_life);
        let replay = Replay::new(log, &self.protocol(), dimension, half_life);
        let summary = &replay.summary;
        anyhow::ensure!(
            !replay.asked.is_empty(),
            "nobody can be asked: of {} people with {} events on {} known items none has enough {} before and after the cut{}",
            HumanCount(summary.people as u64),
            HumanCount((summary.events - summary.unknown_items) as u64),
            HumanCount(summary.items as u64),
            self.reward().name(),
            if summary.items == 0 { "; say where the items are: --items FILE" } else { "" },
        );
        Ok(replay)
    }

    fn log(&self, settings: &Settings) -> anyhow::Result<EventLog> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let import = |source: Source, embeddings: Option<&PathBuf>| -> anyhow::Result<EventLog> {
            let embeddings = embeddings.map(|vectors| EmbeddingFiles::new(vectors.clone(), None));
            let dimension = settings.catalogue.dimension;
            let options = Options { source, dimension, embeddings, strict: false, restart: false, checkpoint: None };
            let (collected, summary) = runtime.block_on(import::collect(&options, &SystemClock))?;
            eprintln!("{summary}");
            Ok(EventLog { items: collected.items, events: collected.events })
        };
        let items = match &self.items {
            None => None,
            Some(path) if path == Path::new(STORE) => Some(runtime.block_on(items_of_store(settings))?),
            Some(path) => {
                let mapping = Mapping::new(&self.map).map_err(anyhow::Error::msg).context("--map")?;
                Some(import(Source::Jsonl { path: path.clone(), mapping }, self.embeddings.as_ref())?.items)
            }
        };
        let beside = self.embeddings.as_ref().filter(|_| items.is_none());
        let log = match &self.data {
            Data::Movielens(folder) => import(Source::Movielens { folder: folder.clone(), creators: self.creators.clone() }, beside)?,
            // With items from elsewhere, impressions are not held against what news.tsv knows.
            Data::Mind(folder) if items.is_some() => import(Source::Mind { path: folder.join("behaviors.tsv") }, None)?,
            Data::Mind(folder) => import(Source::Mind { path: folder.clone() }, beside)?,
            Data::Journal(folder) => EventLog { items: Vec::new(), events: events_of_journal(folder)? },
        };
        Ok(EventLog { items: items.unwrap_or(log.items), events: log.events })
    }
}

/// The items of the store that the settings name, without what was learned about them since.
async fn items_of_store(settings: &Settings) -> anyhow::Result<Vec<Item>> {
    let store = store::open(settings, Arc::new(SystemClock))?;
    let catalogue = Catalogue::new(settings.catalogue.dimension, settings.policy.score.popularity_half_life);
    follow::load(&*store, &catalogue).await.context("the catalogue cannot be read")?;
    let snapshot = catalogue.snapshot();
    let rows: Vec<_> = snapshot.iter().map(|(row, _)| row).collect();
    Ok(rows.into_iter().filter_map(|row| snapshot.item(row)).collect())
}

fn events_of_journal(folder: &Path) -> anyhow::Result<Vec<Event>> {
    let mut events = Vec::new();
    read_journal(folder, |record| {
        if let JournalRecord::Event(event) = record
            && events.len() < MAX_JOURNAL_EVENTS
        {
            events.extend(event_of(&event));
        }
    })?;
    Ok(events)
}

/// An event as it was accepted. The journal has no scopes: what was said of a topic or creator counts for the item.
fn event_of(record: &EventRecord) -> Option<Event> {
    Some(Event {
        id: EventId::new(&record.id).ok()?,
        user: UserId::new(&record.user).ok()?,
        kind: EventKind::parse(&record.event_type)?,
        item: ItemId::new(&record.item).ok()?,
        at: Time(record.at),
        undo: record.undo,
        scope: Scope::Item,
        feed: record.feed_id.as_ref().and_then(|feed| FeedId::new(feed).ok()),
        position: record.position,
        visible_ms: None,
    })
}

/// Hands over every record of a journal, with a progress bar. Errors: the folder or a file cannot be read.
pub(in crate::cli) fn read_journal(folder: &Path, mut take: impl FnMut(JournalRecord)) -> anyhow::Result<()> {
    let at = || format!("{}", folder.display());
    let mut reader = JournalReader::open(folder).with_context(at)?;
    let bar = bar(reader.progress_bytes().1, "{bar:30} {bytes}/{total_bytes}  reading the journal  {eta}");
    while let Some(record) = reader.next() {
        take(record.with_context(at)?);
        bar.set_position(reader.progress_bytes().0);
    }
    bar.finish_and_clear();
    if reader.damaged() > 0 {
        eprintln!("{} damaged lines of the journal were skipped", HumanCount(reader.damaged()));
    }
    Ok(())
}

/// A progress bar on standard error; it shows only on a terminal.
pub(in crate::cli) fn bar(length: u64, template: &str) -> ProgressBar {
    let bar = ProgressBar::new(length);
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}
