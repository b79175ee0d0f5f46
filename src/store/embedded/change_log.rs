//! The change log of one process: a bounded ring in memory. A position from another run means reading everything again.

use std::{collections::VecDeque, time::Duration};

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::{
    domain::ItemId,
    store::{
        LogPosition,
        touched::{MAX_CHANGES_PER_READ, Touch},
    },
};

/// Most changes kept for readers that lag behind.
const MAX_LOGGED_CHANGES: usize = 100_000;

pub(super) struct ChangeLog {
    /// Different in every run, so that a position of another run is recognised.
    run: String,
    ring: Mutex<Ring>,
    /// The number of the newest change.
    newest: watch::Sender<u64>,
}

#[derive(Default)]
struct Ring {
    /// Changes so far; the newest has this number, the first had 1.
    newest: u64,
    /// The last of them, oldest first.
    kept: VecDeque<(ItemId, Touch)>,
}

/// What the log says after a position.
#[derive(Debug, PartialEq)]
pub(super) enum Read {
    Entries { entries: Vec<(ItemId, Touch)>, next: LogPosition },
    Gone,
}

impl ChangeLog {
    pub(super) fn new() -> Self {
        Self { run: format!("{:032x}", rand::random::<u128>()), ring: Mutex::default(), newest: watch::Sender::new(0) }
    }

    pub(super) fn append(&self, changes: impl IntoIterator<Item = (ItemId, Touch)>) {
        let mut ring = self.ring.lock();
        for change in changes {
            ring.kept.push_back(change);
            ring.newest += 1;
            if ring.kept.len() > MAX_LOGGED_CHANGES {
                ring.kept.pop_front();
            }
        }
        let newest = ring.newest;
        drop(ring);
        self.newest.send_replace(newest);
    }

    /// After everything logged so far.
    pub(super) fn end(&self) -> LogPosition {
        self.position(self.ring.lock().newest)
    }

    /// The changes after `position`, oldest first, at most [`MAX_CHANGES_PER_READ`]; waits up to `wait` for the first.
    pub(super) async fn read(&self, position: &LogPosition, wait: Duration) -> Read {
        let Some(after) = self.number(position) else { return Read::Gone };
        let mut newest = self.newest.subscribe();
        // Running out of time is the answer "nothing".
        let _ = tokio::time::timeout(wait, newest.wait_for(|newest| *newest > after)).await;
        let ring = self.ring.lock();
        let behind = ring.newest.saturating_sub(after) as usize;
        if after > ring.newest || behind > ring.kept.len() {
            return Read::Gone;
        }
        let entries: Vec<_> = ring.kept.iter().skip(ring.kept.len() - behind).take(MAX_CHANGES_PER_READ).cloned().collect();
        let next = self.position(after + entries.len() as u64);
        Read::Entries { entries, next }
    }

    fn position(&self, number: u64) -> LogPosition {
        LogPosition(format!("{}:{number}", self.run))
    }

    fn number(&self, position: &LogPosition) -> Option<u64> {
        let (run, number) = position.0.split_once(':')?;
        if run == self.run { number.parse().ok() } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(from: usize, to: usize) -> Vec<(ItemId, Touch)> {
        (from..to).map(|n| (ItemId::new(format!("i{n}")).unwrap(), Touch::Put)).collect()
    }

    #[tokio::test]
    async fn a_reader_within_the_ring_misses_nothing() {
        let log = ChangeLog::new();
        log.append(changes(0, 3));
        let start = log.end();
        log.append(changes(3, 9_003));
        let mut position = start;
        let mut all = Vec::new();
        while all.len() < 9_000 {
            let Read::Entries { entries, next } = log.read(&position, Duration::ZERO).await else { panic!("gone") };
            assert!(!entries.is_empty() && entries.len() <= MAX_CHANGES_PER_READ);
            all.extend(entries);
            position = next;
        }
        assert_eq!(all, changes(3, 9_003));
        assert_eq!(log.read(&position, Duration::ZERO).await, Read::Entries { entries: vec![], next: position.clone() });
    }

    #[tokio::test]
    async fn a_reader_that_fell_off_the_ring_is_told() {
        let log = ChangeLog::new();
        let start = log.end();
        log.append(changes(0, MAX_LOGGED_CHANGES));
        assert!(matches!(log.read(&start, Duration::ZERO).await, Read::Entries { .. }));
        log.append(changes(0, 1));
        assert_eq!(log.read(&start, Duration::ZERO).await, Read::Gone);
        assert_eq!(log.read(&ChangeLog::new().end(), Duration::ZERO).await, Read::Gone);
        assert_eq!(log.read(&LogPosition("nonsense".into()), Duration::ZERO).await, Read::Gone);
        assert_eq!(log.read(&LogPosition(format!("{}:999999999", log.run)), Duration::ZERO).await, Read::Gone);
    }
}
