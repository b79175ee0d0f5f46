//! A circuit breaker: when Redis is gone, calls fail at once instead of each waiting out its time limit.
//!
//! ```text
//! closed ──5 failures in a row──► open ──250 ms──► one call is let through ──answered──► closed
//!                                   ▲                       │
//!                                   └──────── failed ───────┘
//! ```

use std::time::Duration;

use tokio::time::Instant;

/// Failures in a row (no connection, no answer in time) that open it.
pub(super) const FAILURES_TO_OPEN: u32 = 5;
/// How long it fails fast before it lets one call through.
pub(super) const OPEN_PAUSE: Duration = Duration::from_millis(250);

#[derive(Debug, Default)]
pub(super) struct Breaker {
    failures: u32,
    /// While open: when the next call may go through.
    next_probe: Option<Instant>,
}

impl Breaker {
    /// Whether a call may be made at `now`. While open, one per [`OPEN_PAUSE`]: a probe that is never answered for,
    /// because its caller went away, blocks nothing.
    pub(super) fn admits(&mut self, now: Instant) -> bool {
        match self.next_probe {
            None => true,
            Some(at) if now < at => false,
            Some(_) => {
                self.next_probe = Some(now + OPEN_PAUSE);
                true
            }
        }
    }

    /// Whether the last call was answered.
    pub(super) const fn is_well(&self) -> bool {
        self.failures == 0
    }

    /// Redis answered, whatever it said.
    pub(super) fn answered(&mut self) {
        *self = Self::default();
    }

    /// Redis could not be reached or did not answer in time.
    pub(super) fn failed(&mut self, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        if self.failures >= FAILURES_TO_OPEN {
            self.next_probe = Some(now + OPEN_PAUSE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failure_is_enough_not_to_be_well() {
        let mut breaker = Breaker::default();
        assert!(breaker.is_well());
        breaker.failed(Instant::now());
        assert!(!breaker.is_well() && breaker.admits(Instant::now()));
        breaker.answered();
        assert!(breaker.is_well());
    }

    fn opened(now: Instant) -> Breaker {
        let mut breaker = Breaker::default();
        for _ in 0..FAILURES_TO_OPEN {
            assert!(breaker.admits(now));
            breaker.failed(now);
        }
        breaker
    }

    #[test]
    fn it_opens_after_failures_in_a_row_only() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        for _ in 0..10 {
            for _ in 1..FAILURES_TO_OPEN {
                breaker.failed(now);
                assert!(breaker.admits(now));
            }
            breaker.answered();
        }
        assert!(!opened(now).admits(now));
    }

    #[test]
    fn after_the_pause_one_call_probes() {
        let now = Instant::now();
        let mut breaker = opened(now);
        let later = now + OPEN_PAUSE;
        assert!(!breaker.admits(later - Duration::from_millis(1)));
        assert!(breaker.admits(later));
        assert!(!breaker.admits(later));
        breaker.answered();
        assert!(breaker.admits(later) && breaker.admits(later));
    }

    #[test]
    fn a_failed_probe_opens_it_again_and_a_lost_one_does_not_block_it() {
        let now = Instant::now();
        let mut breaker = opened(now);
        let later = now + OPEN_PAUSE;
        assert!(breaker.admits(later));
        breaker.failed(later);
        assert!(!breaker.admits(later));
        let lost = later + OPEN_PAUSE;
        assert!(breaker.admits(lost));
        assert!(breaker.admits(lost + OPEN_PAUSE));
    }
}
