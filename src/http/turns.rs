//! A worker's turns: how long a request waits for the processor, and whether that is too long to take more.
//!
//! Whoever arrives takes a turn before anybody is worked for: a task that yields comes after all that is ready now, so what waits is
//! counted, and a refusal does not wait behind work. How long a yield takes is how far behind the worker is. Requests that wait for the store
//! cost nothing meanwhile; those that wait for the processor make everybody late, and find the store's answers late, too.

use std::{cell::Cell, rc::Rc, time::Duration};

use crate::clock::Stopwatch;

/// A worker is behind when a request waits longer than this.
const BEHIND_AFTER: Duration = Duration::from_millis(5);
/// Most requests a worker takes while it is behind: about 20 ms of work.
const MOST_WHILE_BEHIND: usize = 24;

/// One worker's.
#[derive(Debug, Default)]
pub(super) struct Turns {
    taken: Cell<usize>,
    waited: Cell<Duration>,
}

/// A request's, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn(Rc<Turns>);

impl Turns {
    /// `None`: the worker is behind and has enough.
    pub(super) fn take(self: &Rc<Self>) -> Option<Turn> {
        if self.waited.get() > BEHIND_AFTER && self.taken.get() >= MOST_WHILE_BEHIND {
            return None;
        }
        self.taken.set(self.taken.get() + 1);
        Some(Turn(Rc::clone(self)))
    }
}

impl Turn {
    /// Lets everybody who is ready now take theirs.
    pub(super) async fn wait(&self) {
        let watch = Stopwatch::start();
        tokio::task::yield_now().await;
        self.0.waited.set(watch.elapsed());
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let left = self.0.taken.get().saturating_sub(1);
        self.0.taken.set(left);
        if left == 0 {
            // Nobody waits: what was is over.
            self.0.waited.set(Duration::ZERO);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_takes_any_number_until_it_is_behind() {
        let turns = Rc::<Turns>::default();
        let mut taken: Vec<Turn> = (0..500).filter_map(|_| turns.take()).collect();
        assert_eq!(taken.len(), 500);
        turns.waited.set(BEHIND_AFTER * 2);
        assert!(turns.take().is_none());
        taken.truncate(MOST_WHILE_BEHIND - 1);
        let last = turns.take();
        assert!(last.is_some() && turns.take().is_none());
        drop(last);
        assert!(turns.take().is_some());
        drop(taken);
        assert_eq!(turns.waited.get(), Duration::ZERO, "a worker that has nothing to do is not behind");
    }

    #[tokio::test]
    async fn a_turn_tells_how_long_it_waited() {
        let turns = Rc::<Turns>::default();
        let turn = turns.take().unwrap();
        turns.waited.set(Duration::from_secs(9));
        turn.wait().await;
        assert!(turns.waited.get() < Duration::from_secs(9));
    }
}
