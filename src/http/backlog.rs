//! Requests that a worker has taken in and not begun. Whoever would wait too long for it is refused at once: a worker that is
//! asked more than it can do would otherwise make everybody wait, find its store's answers late, and do the same work twice.

use std::{
    cell::Cell,
    future::{Future, poll_fn},
    pin::pin,
    rc::Rc,
    time::Duration,
};

use tokio::{
    sync::{Notify, Semaphore},
    task::yield_now,
    time::sleep,
};

use crate::clock::Stopwatch;

/// Longest that whoever begins may have to wait for those before them.
const BEGINNING_WAIT_MAX: Duration = Duration::from_millis(40);
/// This many wait whatever they cost: an app asks for several things at once.
const WAITING_MIN: usize = 32;
/// One in so many places that are taken makes a worker pressed: where a queue does not shorten by itself any more.
const PRESSED_FROM: usize = 2;
/// One in so many places more is for those who go on.
const GOING_ON_OVER: usize = 4;
/// About what is begun in one go. Between two, sockets are looked at: new requests are taken in or refused, and answers of the
/// store come long before its timeout.
const SLICE: Duration = Duration::from_millis(5);
/// Refusals within so long are one line of the log: a line each would be work too.
const TELL_AFTER: Duration = Duration::from_secs(1);
/// What a request costs until one was served.
const COST_AT_FIRST: Duration = Duration::from_millis(1);
/// One in so many is what the latest request counts in the mean cost.
const MEAN_OVER: u32 = 32;

/// What a request is to whoever sends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A new feed: what costs most, and is lost on nobody who asks again later.
    Begins,
    /// All else. A next page costs a fifth of the first, and its reader has the first before them; an event was earned.
    GoesOn,
}

/// Of one worker: its thread takes requests in and works for them.
#[derive(Debug)]
pub(super) struct Backlog {
    waiting: Cell<usize>,
    /// Mean time of the worker that a request takes.
    cost: Cell<Duration>,
    /// A permit for whoever may begin; first come, first served.
    turns: Semaphore,
    /// Somebody waits.
    came: Notify,
    /// Turned away and not told of yet.
    refused: Cell<u64>,
}

impl Backlog {
    fn new() -> Self {
        Self { waiting: Cell::new(0), cost: Cell::new(COST_AT_FIRST), turns: Semaphore::new(0), came: Notify::new(), refused: Cell::new(0) }
    }

    /// Of the worker whose thread this is called on; lives as long as that.
    pub fn of_worker() -> Rc<Self> {
        let backlog = Rc::new(Self::new());
        actix_web::rt::spawn(Rc::clone(&backlog).call_up());
        backlog
    }

    /// Lets those who wait begin, a slice at a time.
    async fn call_up(self: Rc<Self>) {
        loop {
            self.came.notified().await;
            while self.waiting.get() > 0 {
                // All that is ready now is polled first: everybody who is there is taken in or refused before work goes on.
                yield_now().await;
                let waiting = self.waiting.get().saturating_sub(self.turns.available_permits());
                self.turns.add_permits(waiting.min(self.fitting(SLICE).max(1)));
            }
        }
    }

    /// A place among those that wait; `None`: it would wait too long.
    pub fn enter(self: &Rc<Self>, step: Step) -> Option<Waiting> {
        let waiting = self.waiting.get();
        if waiting >= self.places(step) {
            return None;
        }
        self.waiting.set(waiting + 1);
        self.came.notify_one();
        Some(Waiting(Rc::clone(self)))
    }

    /// Counts a request that was turned away, for a line of the log soon.
    pub fn refuse(self: &Rc<Self>) {
        if self.refused.replace(self.refused.get() + 1) == 0 {
            let backlog = Rc::clone(self);
            actix_web::rt::spawn(async move {
                sleep(TELL_AFTER).await;
                tracing::warn!(refused = backlog.refused.take(), "more is asked than can be done in time");
            });
        }
    }

    /// Whether so many wait that those who are served should make do with less.
    pub fn is_pressed(&self) -> bool {
        self.waiting.get() >= self.places(Step::Begins) / PRESSED_FROM
    }

    fn places(&self, step: Step) -> usize {
        let beginning = self.fitting(BEGINNING_WAIT_MAX).max(WAITING_MIN);
        match step {
            Step::Begins => beginning,
            Step::GoesOn => beginning.saturating_add(beginning / GOING_ON_OVER),
        }
    }

    /// Requests that the worker serves in that time.
    fn fitting(&self, time: Duration) -> usize {
        usize::try_from(time.as_nanos() / self.cost.get().as_nanos().max(1)).unwrap_or(usize::MAX)
    }

    /// `work`, with the time it takes of the worker counted.
    pub async fn measured<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        let mut spent = Duration::ZERO;
        let done = poll_fn(|context| {
            let watch = Stopwatch::start();
            let polled = work.as_mut().poll(context);
            spent += watch.elapsed();
            polled
        })
        .await;
        self.learn(spent);
        done
    }

    fn learn(&self, spent: Duration) {
        self.cost.set(self.cost.get() * (MEAN_OVER - 1) / MEAN_OVER + spent / MEAN_OVER);
    }
}

/// A request that waits for its worker until this is dropped.
#[derive(Debug)]
pub(super) struct Waiting(Rc<Backlog>);

impl Waiting {
    /// Ends when it is this request's turn.
    pub async fn over(self) {
        if let Ok(turn) = self.0.turns.acquire().await {
            turn.forget();
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.waiting.set(self.0.waiting.get() - 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken_in(backlog: &Rc<Backlog>, step: Step) -> Vec<Waiting> {
        std::iter::from_fn(|| backlog.enter(step)).take(100_000).collect()
    }

    #[test]
    fn the_cheaper_requests_are_the_more_may_wait() {
        let backlog = Rc::new(Backlog::new());
        let waiting = taken_in(&backlog, Step::Begins);
        assert_eq!(waiting.len(), 40, "40 ms of 1 ms");
        assert!(backlog.enter(Step::Begins).is_none());
        drop(waiting);
        (0..1_000).for_each(|_| backlog.learn(Duration::from_micros(100)));
        assert!((390..=400).contains(&taken_in(&backlog, Step::Begins).len()), "40 ms of 100 µs: {:?}", backlog.cost.get());
        (0..1_000).for_each(|_| backlog.learn(Duration::from_millis(500)));
        assert_eq!(taken_in(&backlog, Step::Begins).len(), WAITING_MIN, "slow work turns nobody away who comes alone");
        (0..10_000).for_each(|_| backlog.learn(Duration::ZERO));
        assert_eq!(taken_in(&backlog, Step::Begins).len(), 100_000, "what costs nothing may wait");
    }

    #[test]
    fn whoever_goes_on_has_a_place_when_nobody_begins_any_more() {
        let backlog = Rc::new(Backlog::new());
        let beginning = taken_in(&backlog, Step::Begins);
        let going_on = taken_in(&backlog, Step::GoesOn);
        assert_eq!((beginning.len(), going_on.len()), (40, 10), "50 ms of 1 ms in all");
        drop(beginning);
        assert_eq!(taken_in(&backlog, Step::GoesOn).len(), 40, "and all places when nobody begins");
        drop(going_on);
        (0..1_000).for_each(|_| backlog.learn(Duration::from_secs(1)));
        assert_eq!(taken_in(&backlog, Step::GoesOn).len(), WAITING_MIN + WAITING_MIN / GOING_ON_OVER);
    }

    #[test]
    fn half_of_the_places_taken_is_pressed() {
        let backlog = Rc::new(Backlog::new());
        let _nineteen: Vec<_> = (0..19).filter_map(|_| backlog.enter(Step::Begins)).collect();
        assert!(!backlog.is_pressed());
        let twentieth = backlog.enter(Step::GoesOn);
        assert!(twentieth.is_some() && backlog.is_pressed(), "whoever it is that waits");
        drop(twentieth);
        assert!(!backlog.is_pressed());
    }

    #[tokio::test]
    async fn time_that_others_take_does_not_count() {
        let backlog = Backlog::new();
        for _ in 0..1_000 {
            backlog.measured(tokio::task::yield_now()).await;
        }
        let cost = backlog.cost.get();
        assert!(cost < COST_AT_FIRST, "{cost:?}");
    }
}
