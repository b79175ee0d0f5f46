//! The database file: opening it, running work on it, and healing after the disk failed.
//!
//! redb refuses everything after a failed write until the file is opened again (a half-written page must not be built
//! upon). So a failure of the disk closes the file, and the next call opens it again: the server heals when room is made.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use redb::{Builder, Database, DatabaseError, ReadTransaction, ReadableDatabase, WriteTransaction};
use tokio::time::Instant;

use super::group::{self, Queue, Write};
use crate::store::StoreError;

/// Page cache. The catalogue lives in memory anyway, so this serves profiles and feeds.
const CACHE_BYTES: usize = 64 * 1024 * 1024;
/// Longest a call waits for the disk, its turn included.
pub(super) const CALL_LIMIT: Duration = Duration::from_secs(5);
/// Pause between attempts to open the file again: each one may walk the whole file.
const REOPEN_PAUSE: Duration = Duration::from_secs(1);

/// Opens the file: once at the start, and again after the disk failed.
pub(super) type Opener = Box<dyn Fn() -> Result<Database, DatabaseError> + Send + Sync>;

/// Why work on the file failed: in the engine, or in what was read.
pub(super) enum Fault {
    Engine(redb::Error),
    Store(StoreError),
}

impl<E: Into<redb::Error>> From<E> for Fault {
    fn from(error: E) -> Self {
        Self::Engine(error.into())
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

enum State {
    Open(Arc<Database>),
    /// The disk failed at `since`; what it said.
    Failed {
        error: redb::Error,
        since: Instant,
    },
}

pub(super) struct Engine {
    /// For messages.
    name: String,
    open: Opener,
    state: Mutex<State>,
    /// One writer at a time, as redb has it; waiting here is bounded, waiting in redb is not.
    queue: Queue,
}

/// Whoever works on the queue, unless its thread never begins: then the queue is left as it is.
struct Writer(Option<Arc<Engine>>);

impl Writer {
    fn work(mut self) {
        if let Some(engine) = self.0.take() {
            engine.queue.work_off(|group| engine.commit(group));
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if let Some(engine) = &self.0 {
            engine.queue.abandon();
        }
    }
}

/// The opener of a file at `path`, made readable by this account alone, with its folders.
pub(super) fn file_opener(path: &Path) -> Opener {
    let path = path.to_owned();
    Box::new(move || {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let mut options = std::fs::OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(&path)?;
        builder().create(&path)
    })
}

pub(super) fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE_BYTES);
    // Reads the whole file once. The catalogue is read whole at the start anyway, and without this a damaged page shows
    // up in the middle of somebody's request.
    builder.set_check_integrity_on_open(true);
    builder.set_repair_callback(|repair| {
        tracing::info!(progress = repair.progress(), "the database was not closed cleanly: checking it");
    });
    builder
}

impl Engine {
    /// Errors: in use by another process, not a database, damaged, or the disk's own.
    pub(super) fn open(name: String, open: Opener) -> Result<Arc<Self>, StoreError> {
        // redb asserts on some kinds of damage.
        let opened = catch_unwind(AssertUnwindSafe(&open)).unwrap_or_else(|_| {
            let detail = "the engine stopped while checking it".to_owned();
            Err(DatabaseError::Storage(redb::StorageError::Corrupted(detail)))
        });
        let database = opened.map_err(|error| store_error(&name, &error.into()))?;
        let state = Mutex::new(State::Open(Arc::new(database)));
        Ok(Arc::new(Self { name, open, state, queue: Queue::default() }))
    }

    /// Runs `work` on one consistent snapshot, on this thread.
    pub(super) fn read<T>(self: &Arc<Self>, work: impl FnOnce(&ReadTransaction) -> Result<T, Fault>) -> Result<T, StoreError> {
        let read = |database: &Database| -> Result<T, Fault> { work(&database.begin_read()?) };
        read(&*self.database()?).map_err(|fault| self.settle(fault))
    }

    /// Runs `work` in a transaction on a blocking thread and syncs it to disk: all of it is kept, or nothing. Others that wait
    /// at the same time share the transaction; none sees of another what it would not see one after the other.
    ///
    /// Errors: [`StoreError::Timeout`] when it takes longer than [`CALL_LIMIT`], its turn included; the work may still be kept then.
    pub(super) async fn write<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl Fn(&WriteTransaction) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (write, outcome) = group::pending(work);
        if self.queue.push(write) {
            let writer = Writer(Some(self.clone()));
            tokio::task::spawn_blocking(move || writer.work());
        }
        match tokio::time::timeout(CALL_LIMIT, outcome).await {
            Ok(outcome) => outcome.unwrap_or_else(|_| Err(group::stopped())),
            Err(_) => Err(StoreError::Timeout),
        }
    }

    /// One transaction for all of them; one for each where that cannot be, so that a write fails only for itself.
    fn commit(self: &Arc<Self>, mut group: Vec<Box<dyn Write>>) {
        if group.len() > 1 && self.write_here(|transaction| group.iter_mut().try_for_each(|write| write.run(transaction))).is_ok() {
            group.into_iter().for_each(|write| write.answer(Ok(())));
            return;
        }
        for mut write in group {
            let kept = self.write_here(|transaction| write.run(transaction));
            write.answer(kept);
        }
    }

    /// As [`Engine::write`], on this thread and without a limit.
    pub(super) fn write_here<T>(self: &Arc<Self>, work: impl FnOnce(&WriteTransaction) -> Result<T, Fault>) -> Result<T, StoreError> {
        let write = |database: &Database| -> Result<T, Fault> {
            let transaction = database.begin_write()?;
            let done = work(&transaction)?;
            transaction.commit()?;
            Ok(done)
        };
        write(&*self.database()?).map_err(|fault| self.settle(fault))
    }

    /// The open database. While it has failed: the failure, and every [`REOPEN_PAUSE`] an attempt in the background,
    /// because opening may take long and reads run on threads that must not wait.
    fn database(self: &Arc<Self>) -> Result<Arc<Database>, StoreError> {
        let mut state = self.state.lock();
        match &mut *state {
            State::Open(database) => Ok(database.clone()),
            State::Failed { error, since } => {
                if since.elapsed() >= REOPEN_PAUSE {
                    *since = Instant::now();
                    let engine = self.clone();
                    tokio::task::spawn_blocking(move || engine.reopen());
                }
                Err(store_error(&self.name, error))
            }
        }
    }

    fn reopen(&self) {
        match (self.open)() {
            Ok(database) => {
                tracing::info!(database = %self.name, "the database is open again");
                *self.state.lock() = State::Open(Arc::new(database));
            }
            // A call that began before the failure still holds the old handle.
            Err(DatabaseError::DatabaseAlreadyOpen) => {}
            Err(error) => *self.state.lock() = State::Failed { error: error.into(), since: Instant::now() },
        }
    }

    /// Turns a fault into the store's error; closes the file when the engine cannot go on with it.
    fn settle(&self, fault: Fault) -> StoreError {
        let error = match fault {
            Fault::Store(error) => return error,
            Fault::Engine(error) => error,
        };
        let answer = store_error(&self.name, &error);
        let mut state = self.state.lock();
        match (&*state, &error) {
            // Another call met the failure first and knows its cause.
            (State::Failed { error, .. }, redb::Error::PreviousIo) => return store_error(&self.name, error),
            (State::Open(_), redb::Error::Io(_) | redb::Error::PreviousIo) => {
                tracing::error!(database = %self.name, %error, "the database failed: closing it to open it again");
                *state = State::Failed { error, since: Instant::now() };
            }
            _ => {}
        }
        answer
    }
}

fn store_error(name: &str, error: &redb::Error) -> StoreError {
    use std::io::ErrorKind;
    match error {
        redb::Error::DatabaseAlreadyOpen => {
            StoreError::Refused(format!("{name} is in use by another process; stop it or give this one its own file"))
        }
        redb::Error::Io(error) => match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => StoreError::Full(format!("{name}: {error}")),
            ErrorKind::InvalidData => damaged(name, error),
            _ => StoreError::Unreachable(format!("{name}: {error}")),
        },
        redb::Error::PreviousIo | redb::Error::DatabaseClosed => {
            StoreError::Unreachable(format!("{name} is being opened again after a failure of the disk"))
        }
        redb::Error::Corrupted(detail) => damaged(name, detail),
        redb::Error::UpgradeRequired(version) => damaged(name, format!("file format {version} of an older engine")),
        other => StoreError::Refused(format!("{name}: {other}")),
    }
}

fn damaged(name: &str, detail: impl std::fmt::Display) -> StoreError {
    let detail = format!("{name}: {detail}; restore it from a backup, or move it away to begin with an empty one");
    StoreError::Corrupt { what: "database file", detail }
}
