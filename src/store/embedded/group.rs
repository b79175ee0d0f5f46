//! Writes that wait for the disk at the same time are one transaction, with one sync for all of them (group commit: DeWitt et
//! al., SIGMOD 1984). A write that comes alone is one by itself and waits for nobody.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
};

use parking_lot::Mutex;
use redb::WriteTransaction;
use tokio::sync::oneshot;

use super::engine::Fault;
use crate::store::StoreError;

/// Most writes of one transaction: those after them wait for all of it.
const WRITES_MAX: usize = 256;

/// A write that somebody waits for.
pub(super) trait Write: Send {
    /// Nobody waits any more.
    fn is_abandoned(&self) -> bool;
    /// Does the work in `transaction`. Can be done again: it may be undone because of another's.
    fn run(&mut self, transaction: &WriteTransaction) -> Result<(), Fault>;
    /// Tells what came of the transaction the work was last done in.
    fn answer(self: Box<Self>, kept: Result<(), StoreError>);
}

struct Pending<T, W> {
    work: W,
    done: Option<T>,
    told: oneshot::Sender<Result<T, StoreError>>,
}

/// `work` to be queued, and where its outcome comes.
pub(super) fn pending<T, W>(work: W) -> (Box<dyn Write>, oneshot::Receiver<Result<T, StoreError>>)
where
    T: Send + 'static,
    W: Fn(&WriteTransaction) -> Result<T, Fault> + Send + 'static,
{
    let (told, outcome) = oneshot::channel();
    (Box::new(Pending { work, done: None, told }), outcome)
}

impl<T: Send, W: Fn(&WriteTransaction) -> Result<T, Fault> + Send> Write for Pending<T, W> {
    fn is_abandoned(&self) -> bool {
        self.told.is_closed()
    }

    fn run(&mut self, transaction: &WriteTransaction) -> Result<(), Fault> {
        // redb asserts on some kinds of damage: caught here, so that the transaction ends as after any other failure.
        let done = catch_unwind(AssertUnwindSafe(|| (self.work)(transaction))).unwrap_or_else(|_| Err(Fault::Store(stopped())));
        self.done = Some(done?);
        Ok(())
    }

    fn answer(self: Box<Self>, kept: Result<(), StoreError>) {
        let Self { done, told, .. } = *self;
        // Whoever asked may have gone meanwhile.
        let _ = told.send(kept.and_then(|()| done.ok_or_else(stopped)));
    }
}

/// What became of a write whose thread did not come to its end.
pub(super) fn stopped() -> StoreError {
    StoreError::Refused("the database engine stopped in the middle of a write".into())
}

/// The writes that wait, first come, first served.
#[derive(Default)]
pub(super) struct Queue(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    writes: VecDeque<Box<dyn Write>>,
    /// A thread works on them.
    has_writer: bool,
}

impl Queue {
    /// Takes a write in; true: nobody works on the queue, so the caller sees to it that [`Self::work_off`] is called.
    #[must_use]
    pub fn push(&self, write: Box<dyn Write>) -> bool {
        let mut waiting = self.0.lock();
        waiting.writes.push_back(write);
        !std::mem::replace(&mut waiting.has_writer, true)
    }

    /// Nobody works on the queue after all; the next to come sees to it.
    pub fn abandon(&self) {
        self.0.lock().has_writer = false;
    }

    /// Hands groups to `commit` until nobody waits.
    pub fn work_off(&self, mut commit: impl FnMut(Vec<Box<dyn Write>>)) {
        while let Some(mut group) = self.next() {
            group.retain(|write| !write.is_abandoned());
            // A group that is lost to a panic is told so: its senders are dropped.
            let _ = catch_unwind(AssertUnwindSafe(|| commit(group)));
        }
    }

    fn next(&self) -> Option<Vec<Box<dyn Write>>> {
        let mut waiting = self.0.lock();
        let count = waiting.writes.len().min(WRITES_MAX);
        waiting.has_writer = count > 0;
        (count > 0).then(|| waiting.writes.drain(..count).collect())
    }
}
