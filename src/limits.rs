//! Rate limits: for each key and each person a bucket that fills again with time (GCRA, the generic cell rate algorithm).
//!
//! Buckets know nobody: they are found by a hash with a secret of this process, and hold one number each. Each server
//! counts for itself; several of them behind a load balancer serve as many times as much.

use std::{
    hash::{BuildHasher, RandomState},
    num::NonZeroU32,
    sync::Arc,
    time::Duration,
};

use governor::{
    Quota, RateLimiter,
    clock::{self, Clock as _},
    middleware::StateInformationMiddleware,
    nanos::Nanos,
    state::{InMemoryState, NotKeyed, StateStore},
};

use crate::{clock::Clock, settings};

/// Buckets of a limit, a power of two: half a megabyte, whoever comes. Any two share one in 65,536 times.
const BUCKETS: usize = 1 << 16;
/// A bucket that is empty is full again after this long.
pub const WINDOW_SECS: u64 = 60;

/// Whom a request counts for.
#[derive(Clone, Copy, Debug)]
pub enum Who<'a> {
    /// A valid server or admin key.
    Key(&'a str),
    /// A person, by their id, and whether the request writes.
    User { id: &'a str, writes: bool },
    /// Nobody with a valid key or token.
    Anonymous,
}

/// What a bucket still holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Name of the limit: `key`, `user_writes`, `user_reads` or `anonymous`.
    pub limit: &'static str,
    /// Requests a minute.
    pub quota: u32,
    /// Requests that may come at once.
    pub remaining: u32,
    /// Until the bucket is full again, in seconds, rounded up.
    pub reset_secs: u32,
}

/// Too many: the bucket is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exceeded {
    pub standing: Standing,
    /// Until the next request is served, in seconds, rounded up.
    pub retry_after_secs: u32,
}

/// Every limit that is on.
pub struct Limits {
    key: Option<Limit>,
    user_writes: Option<Limit>,
    user_reads: Option<Limit>,
    anonymous: Option<Limit>,
    secret: RandomState,
}

impl Limits {
    /// Full buckets.
    pub fn new(settings: &settings::Limits, clock: &Arc<dyn Clock>) -> Self {
        let limit = |name, per_minute| NonZeroU32::new(per_minute).map(|quota| Limit::new(name, quota, clock));
        Self {
            key: limit("key", settings.key_requests_per_minute),
            user_writes: limit("user_writes", settings.user_writes_per_minute),
            user_reads: limit("user_reads", settings.user_reads_per_minute),
            anonymous: limit("anonymous", settings.anonymous_requests_per_minute),
            secret: RandomState::new(),
        }
    }

    /// Counts a request. `Ok(None)`: it is not limited.
    pub fn count(&self, who: Who<'_>) -> Result<Option<Standing>, Exceeded> {
        let (limit, name) = match who {
            Who::Key(key) => (&self.key, key),
            Who::User { id, writes: true } => (&self.user_writes, id),
            Who::User { id, writes: false } => (&self.user_reads, id),
            Who::Anonymous => (&self.anonymous, ""),
        };
        limit.as_ref().map(|limit| limit.count(self.secret.hash_one(name))).transpose()
    }
}

/// One limit with all its buckets.
struct Limit {
    name: &'static str,
    quota: NonZeroU32,
    clock: Ticks,
    limiter: RateLimiter<u64, Buckets, Ticks, StateInformationMiddleware>,
}

impl Limit {
    fn new(name: &'static str, quota: NonZeroU32, clock: &Arc<dyn Clock>) -> Self {
        let clock = Ticks(Arc::clone(clock));
        let limiter = RateLimiter::new(Quota::per_minute(quota), Buckets::new(), clock.clone());
        Self { name, quota, clock, limiter }
    }

    fn count(&self, who: u64) -> Result<Standing, Exceeded> {
        match self.limiter.check_key(&who) {
            Ok(state) => Ok(self.standing(state.remaining_burst_capacity())),
            Err(until) => {
                Err(Exceeded { standing: self.standing(0), retry_after_secs: whole_secs(until.wait_time_from(self.clock.now())) })
            }
        }
    }

    fn standing(&self, remaining: u32) -> Standing {
        let quota = self.quota.get();
        let used = u64::from(quota.saturating_sub(remaining));
        let reset_secs = (used * WINDOW_SECS).div_ceil(u64::from(quota)) as u32;
        Standing { limit: self.name, quota, remaining, reset_secs }
    }
}

fn whole_secs(span: Duration) -> u32 {
    span.as_secs_f64().ceil() as u32
}

/// As many buckets as ever: whoever makes up names fills no memory.
struct Buckets(Box<[InMemoryState]>);

impl Buckets {
    fn new() -> Self {
        Self(std::iter::repeat_with(InMemoryState::default).take(BUCKETS).collect())
    }
}

impl StateStore for Buckets {
    type Key = u64;

    fn measure_and_replace<T, F, E>(&self, key: &u64, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        self.0[*key as usize % BUCKETS].measure_and_replace(&NotKeyed::NonKey, decide)
    }
}

/// The server's clock, as the algorithm asks for it.
#[derive(Clone)]
struct Ticks(Arc<dyn Clock>);

impl clock::Clock for Ticks {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::from(u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::ManualClock,
        domain::{Span, Time},
    };

    const NOW: Time = Time::from_secs(1_791_533_700);

    fn limits(change: impl FnOnce(&mut settings::Limits)) -> (Limits, Arc<ManualClock>) {
        let mut settings = settings::Limits::default();
        change(&mut settings);
        let clock = Arc::new(ManualClock::at(NOW));
        (Limits::new(&settings, &(Arc::clone(&clock) as Arc<dyn Clock>)), clock)
    }

    #[test]
    fn a_burst_is_served_then_refused_then_served_again() {
        let (limits, clock) = limits(|settings| settings.user_writes_per_minute = 6);
        let write = || limits.count(Who::User { id: "ana", writes: true });
        for remaining in (0..6).rev() {
            let standing = write().unwrap().unwrap();
            assert_eq!((standing.limit, standing.quota, standing.remaining), ("user_writes", 6, remaining));
            assert_eq!(standing.reset_secs, 10 * (6 - remaining));
        }
        let exceeded = write().unwrap_err();
        assert_eq!((exceeded.standing.remaining, exceeded.retry_after_secs), (0, 10));
        clock.advance(Span::millis(9_500));
        assert_eq!(write().unwrap_err().retry_after_secs, 1);
        clock.advance(Span::millis(500));
        assert!(write().is_ok() && write().is_err());
        clock.advance(Span::minutes(10));
        assert_eq!(write().unwrap().unwrap().remaining, 5, "no more than a minute's worth is saved up");
    }

    #[test]
    fn everybody_has_a_bucket_of_their_own() {
        let (limits, _) = limits(|settings| {
            settings.key_requests_per_minute = 1;
            settings.user_reads_per_minute = 1;
            settings.anonymous_requests_per_minute = 1;
        });
        let all = [
            Who::Key("server-key-0"),
            Who::Key("server-key-1"),
            Who::User { id: "ana", writes: false },
            Who::User { id: "ben", writes: false },
            Who::Anonymous,
        ];
        assert!(all.iter().all(|who| limits.count(*who).is_ok()));
        assert!(all.iter().all(|who| limits.count(*who).is_err()));
        assert!(limits.count(Who::User { id: "ana", writes: true }).is_ok(), "writes count apart from reads");
    }

    #[test]
    fn nought_is_no_limit() {
        let (limits, _) = limits(|settings| settings.user_writes_per_minute = 0);
        for who in [Who::Key("key"), Who::User { id: "ana", writes: true }, Who::User { id: "ana", writes: false }, Who::Anonymous] {
            assert!((0..1_000).all(|_| limits.count(who) == Ok(None)));
        }
    }
}
