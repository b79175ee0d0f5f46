//! How many requests are being served.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts the requests being served, up to a limit. Past it waiting would only make every answer late.
#[derive(Debug)]
pub struct Inflight {
    now: AtomicUsize,
    max: usize,
}

impl Inflight {
    pub(super) fn new(max: usize) -> Self {
        Self { now: AtomicUsize::new(0), max }
    }

    /// A place until it is dropped, or `None` when all are taken.
    pub fn enter(&self) -> Option<Place<'_>> {
        let free = |now: usize| (now < self.max).then_some(now + 1);
        self.now.fetch_update(Ordering::Relaxed, Ordering::Relaxed, free).ok().map(|_| Place(self))
    }
}

/// One request being served.
#[derive(Debug)]
pub struct Place<'a>(&'a Inflight);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_limited_and_given_back() {
        let inflight = Inflight::new(2);
        let first = inflight.enter();
        let second = inflight.enter();
        assert!(first.is_some() && second.is_some() && inflight.enter().is_none());
        drop(first);
        assert!(inflight.enter().is_some());
    }
}
