//! The journal: every served page with its propensities, and every accepted event, as lines of JSON in rotated files.
//!
//! What evaluation and audits read. Recording never blocks a request: a bounded queue feeds one writer thread, and a
//! record that finds the queue full is dropped and counted. People appear under a random pseudonym that is kept beside their
//! key and goes with it, non-personalised feeds without any.

mod ads;
mod reader;
mod record;
mod writer;

pub use ads::{Ad, AdLog, AdLogOptions, AdShown, Shows};
pub use reader::JournalReader;
pub use record::{
    ArmRecord, DrawRecord, EventRecord, ExploreRecord, ExposureRecord, JournalRecord, MetricsRecord, ServedItem, ServedRecord,
};

use std::{
    io,
    path::PathBuf,
    sync::{
        atomic::{AtomicU64, Ordering},
        mpsc::{self, SyncSender, TrySendError},
    },
    thread::JoinHandle,
};

use arc_swap::{ArcSwap, ArcSwapOption};
use parking_lot::Mutex;

use crate::domain::{EventId, SessionId, Span};

/// Where and how much is kept.
#[derive(Clone, Debug)]
pub struct JournalOptions {
    pub directory: PathBuf,
    /// Records that may wait for the writer.
    pub queue_records: usize,
    /// A file is closed when it passes this size.
    pub rotate_bytes: u64,
    /// Closed files older than this are deleted.
    pub retention: Span,
    /// Whether a served page says what its exploration slots were drawn from.
    pub draws: bool,
}

/// Records dropped and written so far.
#[derive(Debug, Default)]
pub struct JournalCounts {
    pub written: AtomicU64,
    /// The queue was full or the disk refused.
    pub dropped: AtomicU64,
}

/// The handle requests record through.
pub struct Journal {
    /// Empty: nothing is kept, or nothing any more.
    queue: ArcSwapOption<SyncSender<JournalRecord>>,
    counts: std::sync::Arc<JournalCounts>,
    draws: bool,
    writer: Mutex<Option<JoinHandle<()>>>,
    pseudonym_key: ArcSwap<[u8; 32]>,
}

impl Journal {
    /// Opens the directory (made if missing) and starts the writer. Errors: the directory cannot be made or written.
    pub fn open(options: JournalOptions) -> io::Result<Self> {
        std::fs::create_dir_all(&options.directory)?;
        let counts = std::sync::Arc::new(JournalCounts::default());
        let (queue, records) = mpsc::sync_channel(options.queue_records);
        let draws = options.draws;
        let writer = writer::start(options, records, std::sync::Arc::clone(&counts))?;
        Ok(Self {
            queue: ArcSwapOption::from_pointee(queue),
            counts,
            draws,
            writer: Mutex::new(Some(writer)),
            pseudonym_key: ArcSwap::default(),
        })
    }

    /// A journal that keeps nothing.
    pub fn off() -> Self {
        Self {
            queue: ArcSwapOption::empty(),
            counts: std::sync::Arc::default(),
            draws: false,
            writer: Mutex::new(None),
            pseudonym_key: ArcSwap::default(),
        }
    }

    /// Queues a record; never blocks.
    pub fn record(&self, record: JournalRecord) {
        let queue = self.queue.load();
        let Some(queue) = &*queue else { return };
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) = queue.try_send(record) {
            self.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Pseudonyms are made with this key from now on.
    pub fn renew_key(&self, key: [u8; 32]) {
        self.pseudonym_key.store(std::sync::Arc::new(key));
    }

    /// What stands for the visit in the journal: 128 bits of keyed BLAKE3, hex.
    pub fn session_pseudonym(&self, session: &SessionId) -> String {
        self.keyed(b"session\0", session.as_str())
    }

    /// What stands for an event's id in the journal: clients choose ids, and may put anything there.
    pub fn event_pseudonym(&self, id: &EventId) -> String {
        self.keyed(b"event\0", id.as_str())
    }

    /// No id holds a control character, so that kinds stay apart.
    fn keyed(&self, kind: &[u8], id: &str) -> String {
        let mut hasher = blake3::Hasher::new_keyed(&self.pseudonym_key.load());
        hasher.update(kind).update(id.as_bytes());
        hasher.finalize().to_hex()[..32].to_owned()
    }

    /// Whether a served page is to say what its exploration slots were drawn from.
    pub fn keeps_draws(&self) -> bool {
        self.draws
    }

    pub fn counts(&self) -> &JournalCounts {
        &self.counts
    }

    /// Writes out what is queued and stops the writer; what comes later is not kept. Blocks: for shutdown.
    pub fn close(&self) {
        self.queue.store(None);
        if let Some(writer) = self.writer.lock().take() {
            // A panicked writer has nothing left to flush.
            let _ = writer.join();
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.close();
    }
}
