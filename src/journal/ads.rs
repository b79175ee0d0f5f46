//! The ad log: what was shown in sponsored slots, when, for whom and by which parameters; nobody it was shown to (in the shape of
//! DSA, article 39). Beside the journal, with a time of its own: a file is kept until every item in it was last shown longer
//! ago than that.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, BufRead, BufReader},
    path::{Path, PathBuf},
    sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender},
    thread::{self, JoinHandle},
    time::Duration,
};

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::writer::{self, OpenFile};
use crate::{
    clock::Stopwatch,
    domain::{Span, Time},
};

/// Shows are summed up for this long before they are written.
const SUM_FOR: Duration = Duration::from_secs(10);
/// A new file is begun this long after the last one.
const FILE_SPAN_MS: i64 = Span::days(1).as_millis();

/// Where and how long.
#[derive(Clone, Debug)]
pub struct AdLogOptions {
    pub directory: PathBuf,
    /// Pages that may wait for the writer.
    pub queue_pages: usize,
    /// An item's lines are kept this long after it was last shown.
    pub retention: Span,
}

/// One sponsored slot on one page.
#[derive(Clone, Debug, PartialEq)]
pub struct AdShown {
    /// Milliseconds since the epoch.
    pub at: i64,
    pub item: String,
    pub payer: String,
    pub on_behalf_of: Option<String>,
    pub surface: String,
    /// Only where the item was chosen by it.
    pub language: Option<String>,
    /// Topics of the page that the item was chosen by.
    pub topics: Vec<String>,
}

/// What was shown and by which parameters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Ad {
    pub item: String,
    pub payer: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub on_behalf_of: Option<String>,
    pub surface: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub language: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub topics: Vec<String>,
}

/// How often and when; milliseconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shows {
    pub first_at: i64,
    pub last_at: i64,
    pub shown: u64,
}

/// A line of the log.
#[derive(Serialize, Deserialize)]
struct Line {
    #[serde(flatten)]
    ad: Ad,
    #[serde(flatten)]
    shows: Shows,
}

type Sums = BTreeMap<Ad, Shows>;

enum Message {
    Shown(Vec<AdShown>),
    /// Write what is summed up, then answer.
    Flush(SyncSender<()>),
}

/// The handle that pages are recorded through.
#[derive(Default)]
pub struct AdLog {
    /// Empty: nothing is kept, and so nothing is shown.
    queue: ArcSwapOption<SyncSender<Message>>,
    directory: PathBuf,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl AdLog {
    /// A log that keeps nothing: nothing can be shown with it.
    pub fn off() -> Self {
        Self::default()
    }

    /// Opens the directory (made if missing), lets go of what is over at `now`, and starts the writer.
    ///
    /// Errors: the directory cannot be made or written.
    pub fn open(options: AdLogOptions, now: Time) -> io::Result<Self> {
        Self::open_with(options, now, SUM_FOR)
    }

    fn open_with(options: AdLogOptions, now: Time, sum_for: Duration) -> io::Result<Self> {
        fs::create_dir_all(&options.directory)?;
        delete_old(&options, now.0)?;
        let file = writer::open_next(&options.directory)?;
        let (queue, messages) = mpsc::sync_channel(options.queue_pages);
        let directory = options.directory.clone();
        let began = now.0;
        let writer = thread::Builder::new().name("ad-log".into()).spawn(move || write(&options, file, &messages, began, sum_for))?;
        Ok(Self { queue: ArcSwapOption::from_pointee(queue), directory, writer: Mutex::new(Some(writer)) })
    }

    /// Queues the slots of a page; never blocks. `false`: they are not kept.
    pub fn record(&self, shown: Vec<AdShown>) -> bool {
        if shown.is_empty() {
            return true;
        }
        self.queue.load().as_ref().is_some_and(|queue| queue.try_send(Message::Shown(shown)).is_ok())
    }

    /// Everything that was shown, summed up by item and parameters. Reads every file: for a thread that may block.
    ///
    /// Errors: a file cannot be read.
    pub fn all(&self) -> io::Result<Vec<(Ad, Shows)>> {
        if let Some(queue) = self.queue.load().as_ref() {
            let (done, answer) = mpsc::sync_channel(1);
            if queue.send(Message::Flush(done)).is_ok() {
                // A writer that stopped has written out.
                let _ = answer.recv();
            }
        }
        if self.directory.as_os_str().is_empty() {
            return Ok(Vec::new());
        }
        let mut sums = Sums::new();
        for path in writer::files(&self.directory)? {
            read(&path, |line| add(&mut sums, line.ad, line.shows))?;
        }
        Ok(sums.into_iter().collect())
    }

    /// Writes out what is queued and stops the writer. Blocks: for shutdown.
    pub fn close(&self) {
        self.queue.store(None);
        if let Some(writer) = self.writer.lock().take() {
            // A panicked writer has nothing left to flush.
            let _ = writer.join();
        }
    }
}

impl Drop for AdLog {
    fn drop(&mut self) {
        self.close();
    }
}

fn add(sums: &mut Sums, ad: Ad, shows: Shows) {
    let sum = sums.entry(ad).or_insert(Shows { shown: 0, ..shows });
    sum.first_at = sum.first_at.min(shows.first_at);
    sum.last_at = sum.last_at.max(shows.last_at);
    sum.shown += shows.shown;
}

fn write(options: &AdLogOptions, mut file: OpenFile, messages: &Receiver<Message>, mut began: i64, sum_for: Duration) {
    let mut sums = Sums::new();
    let mut since_put = Stopwatch::start();
    loop {
        // However often something is shown: what is not on disk is of the last seconds.
        if since_put.elapsed() >= sum_for {
            put(&mut file, &mut sums);
            since_put = Stopwatch::start();
        }
        match messages.recv_timeout(sum_for.saturating_sub(since_put.elapsed())) {
            Ok(Message::Shown(shown)) => {
                for AdShown { at, item, payer, on_behalf_of, surface, language, topics } in shown {
                    if at - began >= FILE_SPAN_MS {
                        put(&mut file, &mut sums);
                        if let Ok(next) = writer::open_next(&options.directory) {
                            file = next;
                        }
                        began = at;
                        if let Err(error) = delete_old(options, at) {
                            tracing::warn!(%error, "old files of the ad log cannot be looked through");
                        }
                    }
                    let ad = Ad { item, payer, on_behalf_of, surface, language, topics };
                    add(&mut sums, ad, Shows { first_at: at, last_at: at, shown: 1 });
                }
            }
            Ok(Message::Flush(done)) => {
                put(&mut file, &mut sums);
                let _ = done.send(());
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return put(&mut file, &mut sums),
        }
    }
}

/// Writes the sums and begins new ones; what the disk refuses is kept for the next time.
fn put(file: &mut OpenFile, sums: &mut Sums) {
    let lines: Result<Vec<String>, _> =
        sums.iter().map(|(ad, shows)| serde_json::to_string(&Line { ad: ad.clone(), shows: *shows })).collect();
    match lines.map_err(io::Error::from).and_then(|lines| file.append(&lines)) {
        Ok(()) => sums.clear(),
        Err(error) => tracing::error!(%error, "the ad log cannot be written"),
    }
}

fn read(path: &Path, mut each: impl FnMut(Line)) -> io::Result<()> {
    for line in BufReader::new(fs::File::open(path)?).lines() {
        // The last line of a file may be half written.
        if let Ok(line) = serde_json::from_str(&line?) {
            each(line);
        }
    }
    Ok(())
}

/// Deletes the files all of whose items were last shown longer ago than they are kept.
fn delete_old(options: &AdLogOptions, now: i64) -> io::Result<()> {
    if options.retention == Span::FOREVER {
        return Ok(());
    }
    let files = writer::files(&options.directory)?;
    let mut last: BTreeMap<String, i64> = BTreeMap::new();
    let mut items: Vec<(PathBuf, Vec<String>)> = Vec::new();
    for path in files {
        let mut of_file = Vec::new();
        read(&path, |line| {
            let known = last.entry(line.ad.item.clone()).or_insert(line.shows.last_at);
            *known = (*known).max(line.shows.last_at);
            of_file.push(line.ad.item);
        })?;
        items.push((path, of_file));
    }
    // The newest is being written.
    items.pop();
    let is_over = |item: &String| last.get(item).is_none_or(|at| now - at > options.retention.as_millis());
    for (path, items) in items {
        if items.iter().all(is_over) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(item: &str, day: i64) -> AdShown {
        AdShown {
            at: Time(0).plus(Span::days(day)).0,
            item: item.into(),
            payer: "Acme".into(),
            on_behalf_of: None,
            surface: "home".into(),
            language: None,
            topics: vec!["food".into()],
        }
    }

    #[test]
    fn it_is_written_down_also_while_more_is_shown_all_the_time() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let options = AdLogOptions { directory: directory.path().into(), queue_pages: 100, retention: Span::days(365) };
        let sum_for = Duration::from_millis(100);
        let log = AdLog::open_with(options, Time(0), sum_for).expect("opens");
        let is_written = || {
            let paths = writer::files(directory.path()).expect("lists");
            paths.iter().any(|path| fs::metadata(path).expect("is there").len() > 0)
        };
        let watch = Stopwatch::start();
        while !is_written() {
            assert!(watch.elapsed() < 100 * sum_for, "nothing is on disk");
            log.record(vec![shown("a", 0)]);
            thread::sleep(sum_for / 20);
        }
    }

    #[test]
    fn an_item_is_kept_for_a_year_after_it_was_last_shown() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let options = AdLogOptions { directory: directory.path().into(), queue_pages: 100, retention: Span::days(365) };
        let on = |day| AdLog::open(options.clone(), Time(0).plus(Span::days(day))).expect("opens");
        let items = |log: &AdLog| log.all().expect("reads").into_iter().map(|(ad, shows)| (ad.item, shows.shown)).collect::<Vec<_>>();
        let log = on(0);
        assert!(log.record(vec![shown("a", 0), shown("b", 0), shown("a", 0)]));
        assert!(log.record(vec![shown("a", 300), shown("c", 300)]));
        assert_eq!(items(&log), [("a".into(), 3), ("b".into(), 1), ("c".into(), 1)]);
        log.close();
        assert!(!log.record(vec![shown("a", 301)]), "nothing is shown that is not kept");
        // The first file has `a`, which was shown since: it stays, and `b` with it.
        assert_eq!(items(&on(600)).len(), 3);
        assert_eq!(items(&on(300 + 366)), []);
    }
}
