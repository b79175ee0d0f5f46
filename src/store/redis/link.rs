//! The way to Redis: connections, time limits, repetitions and circuit breakers. Everything this store asks goes through
//! [`Link::ask`].
//!
//! There is one connection per async runtime and [`Lane`]. The server has one runtime per worker, so a worker's answers
//! never wait for another worker's thread; and catalogue replies of half a megabyte never stand in front of a profile.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::future::{BoxFuture, FutureExt, Shared, try_join_all};
use parking_lot::Mutex;
use rand::RngExt;
use redis::{Cmd, FromRedisValue, Pipeline, PushInfo, PushKind, RedisResult, Value};
use tokio::{
    runtime::{Handle, Id},
    time::{Instant, timeout_at},
};

use super::{
    breaker::{Breaker, FAILURES_TO_OPEN},
    dial::{CONNECT_LIMIT, Dialer, Wire},
    errors::{changed_nothing, ends_connection, store_error},
    keys::{SLOTS, slot},
    scripts::Invocation,
};
use crate::store::StoreError;

/// Most runtimes with a connection of their own; beyond, all begin again. Only a test that makes many comes near.
const MAX_RUNTIMES: usize = 256;
/// Most times one call asks.
const MAX_TRIES: u32 = 3;
/// Bounds of the pause before the second try, in microseconds; they double before the third. Drawn, so that callers who failed
/// together do not come back together.
const RETRY_PAUSE_US: std::ops::Range<u64> = 500..4_000;
/// Parts of a cluster's slots with a breaker of their own: a primary that is gone takes only its own readers with it.
const CLUSTER_BREAKERS: u16 = 64;

/// What a call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    /// One person's records, while they wait.
    Serving,
    /// The catalogue: large answers, a longer limit.
    Bulk,
}

/// What is asked. All of it is about keys of one slot.
#[derive(Clone, Copy)]
pub(super) enum Ask<'a> {
    /// Changes nothing, so it is asked again whenever no answer came.
    Read(&'a Cmd),
    /// Asked again only when it surely was not done.
    Write(&'a Cmd),
    Together(&'a Pipeline),
    ReadScript(&'a Invocation<'a>),
    Script(&'a Invocation<'a>),
}

impl Ask<'_> {
    const fn is_read(self) -> bool {
        matches!(self, Self::Read(_) | Self::ReadScript(_))
    }

    fn slot(self) -> u16 {
        match self {
            Self::Read(command) | Self::Write(command) => slot(key_of(command)),
            Self::Together(pipeline) => pipeline.cmd_iter().next().map_or(0, |command| slot(key_of(command))),
            Self::ReadScript(call) | Self::Script(call) => slot(call.first_key()),
        }
    }

    async fn on(self, wire: &mut Wire) -> RedisResult<Value> {
        match self {
            Self::Read(command) | Self::Write(command) => command.query_async(wire).await,
            Self::Together(pipeline) => pipeline.query_async(wire).await,
            Self::ReadScript(call) | Self::Script(call) => match call.by_hash().query_async(wire).await {
                Err(error) if error.code() == Some("NOSCRIPT") => call.by_text().query_async(wire).await,
                outcome => outcome,
            },
        }
    }
}

/// The first argument: all commands of this store have their key there.
fn key_of(command: &Cmd) -> &[u8] {
    match command.args_iter().nth(1) {
        Some(redis::Arg::Simple(key)) => key,
        _ => &[],
    }
}

pub(super) struct Link {
    dialer: Dialer,
    serving: Connections,
    bulk: Connections,
    breakers: Vec<Mutex<Breaker>>,
}

impl Link {
    pub(super) fn new(dialer: Dialer, serving_limit: Duration, bulk_limit: Duration) -> Self {
        let breakers = if dialer.is_cluster() { CLUSTER_BREAKERS } else { 1 };
        Self {
            dialer,
            serving: Connections::new(serving_limit),
            bulk: Connections::new(bulk_limit),
            breakers: (0..breakers).map(|_| Mutex::default()).collect(),
        }
    }

    pub(super) const fn dialer(&self) -> &Dialer {
        &self.dialer
    }

    const fn lane(&self, lane: Lane) -> &Connections {
        match lane {
            Lane::Serving => &self.serving,
            Lane::Bulk => &self.bulk,
        }
    }

    pub(super) const fn limit(&self, lane: Lane) -> Duration {
        self.lane(lane).limit
    }

    /// Asks on the lane's connection within the lane's limit, again where that is safe and there is time.
    ///
    /// Errors: [`StoreError::Timeout`] (it may have been done), [`StoreError::Unreachable`] at once while the breaker is
    /// open, and what Redis said.
    pub(super) async fn ask<T: FromRedisValue>(&self, lane: Lane, ask: Ask<'_>) -> Result<T, StoreError> {
        let connections = self.lane(lane);
        let deadline = Instant::now() + connections.limit;
        let breaker = self.breaker(ask.slot());
        let mut pause_us = RETRY_PAUSE_US;
        for tries_left in (0..MAX_TRIES).rev() {
            if !breaker.lock().admits(Instant::now()) {
                return Err(StoreError::Unreachable(format!("not asked for a moment after {FAILURES_TO_OPEN} failures in a row")));
            }
            let failure = match self.try_once(connections, ask, deadline, breaker).await {
                Ok(answer) => return redis::from_redis_value(answer).map_err(|error| store_error(&error.into())),
                Err(failure) => failure,
            };
            let again = failure.changed_nothing || (ask.is_read() && ends_connection(&failure.error));
            let pause = Duration::from_micros(rand::rng().random_range(pause_us.clone()));
            if !again || tries_left == 0 || Instant::now() + pause >= deadline {
                return Err(failure.error);
            }
            tokio::time::sleep(pause).await;
            pause_us = pause_us.start * 2..pause_us.end * 2;
        }
        Err(StoreError::Timeout)
    }

    /// Whether the last call about keys in the slot of `key` was answered.
    pub(super) fn is_well(&self, key: &str) -> bool {
        self.breaker(slot(key.as_bytes())).lock().is_well()
    }

    fn breaker(&self, slot: u16) -> &Mutex<Breaker> {
        &self.breakers[usize::from(slot) * self.breakers.len() / usize::from(SLOTS)]
    }

    async fn try_once(
        &self,
        connections: &Connections,
        ask: Ask<'_>,
        deadline: Instant,
        breaker: &Mutex<Breaker>,
    ) -> Result<Value, Failure> {
        let connection = connections.of_this_runtime(&self.dialer).map_err(Failure::before)?;
        let work = async {
            let mut wire = connection.dialled.clone().await.map_err(|error| Failure::before(unreachable(&error)))?;
            ask.on(&mut wire).await.map_err(|error| Failure {
                changed_nothing: changed_nothing(&error),
                error: store_error(&error),
                is_undialled: false,
            })
        };
        let late = || Err(Failure { error: StoreError::Timeout, changed_nothing: false, is_undialled: false });
        let outcome = timeout_at(deadline, work).await.unwrap_or_else(|_| late());
        match &outcome {
            Err(Failure { error: StoreError::Timeout | StoreError::Unreachable(_), .. }) => breaker.lock().failed(Instant::now()),
            _ => {
                breaker.lock().answered();
                *connection.health.answered.lock() = Instant::now();
            }
        }
        if let Err(failure) = &outcome {
            let is_over = if self.dialer.is_cluster() {
                // Its client repairs single nodes by itself; it begins anew where it never began, or nobody answers for long.
                failure.is_undialled || connection.is_silent_after(&failure.error)
            } else {
                ends_connection(&failure.error) || connection.is_silent_after(&failure.error)
            };
            if is_over {
                connections.discard(&connection);
            }
        }
        outcome
    }

    /// Runs `first`, then `then`, and answers each in that order. Commands with keys of one slot stay in order; a cluster is
    /// asked slot by slot, everything of `first` before anything of `then`.
    pub(super) async fn ask_many(&self, lane: Lane, first: Vec<Cmd>, then: Vec<Cmd>) -> Result<Vec<Value>, StoreError> {
        if self.dialer.is_cluster() {
            let mut answers = self.slot_by_slot(lane, first).await?;
            answers.extend(self.slot_by_slot(lane, then).await?);
            return Ok(answers);
        }
        let mut pipeline = Pipeline::new();
        for command in first.into_iter().chain(then) {
            pipeline.add_command(command);
        }
        if pipeline.is_empty() { Ok(Vec::new()) } else { self.ask(lane, Ask::Together(&pipeline)).await }
    }

    async fn slot_by_slot(&self, lane: Lane, commands: Vec<Cmd>) -> Result<Vec<Value>, StoreError> {
        let mut answers = vec![Value::Nil; commands.len()];
        let mut slots: BTreeMap<u16, (Vec<usize>, Pipeline)> = BTreeMap::new();
        for (index, command) in commands.into_iter().enumerate() {
            let (indices, pipeline) = slots.entry(slot(key_of(&command))).or_default();
            indices.push(index);
            pipeline.add_command(command);
        }
        let asked = slots.values().map(|(_, pipeline)| self.ask::<Vec<Value>>(lane, Ask::Together(pipeline)));
        for ((indices, _), answered) in slots.values().zip(try_join_all(asked).await?) {
            for (index, answer) in indices.iter().zip(answered) {
                if let Some(place) = answers.get_mut(*index) {
                    *place = answer;
                }
            }
        }
        Ok(answers)
    }
}

/// A try that failed.
struct Failure {
    error: StoreError,
    /// It surely was not done.
    changed_nothing: bool,
    /// There was no connection to ask on.
    is_undialled: bool,
}

impl Failure {
    const fn before(error: StoreError) -> Self {
        Self { error, changed_nothing: true, is_undialled: true }
    }
}

/// Whatever kept a connection from coming up, Redis is not there for us.
fn unreachable(error: &redis::RedisError) -> StoreError {
    match store_error(error) {
        StoreError::Timeout => StoreError::Unreachable(error.to_string()),
        error => error,
    }
}

type Dialled = Shared<BoxFuture<'static, RedisResult<Wire>>>;

#[derive(Clone)]
struct Connection {
    runtime: Id,
    /// Tells apart the connections a runtime had one after another.
    number: u64,
    health: Arc<Health>,
    dialled: Dialled,
}

struct Health {
    /// Redis closed it.
    closed: AtomicBool,
    /// When it last answered, or was made.
    answered: Mutex<Instant>,
}

impl Connection {
    /// Whether it may lead nowhere for good: a host that vanished sends no goodbye. One that is still coming up, or
    /// answered a moment ago, gets its time.
    fn is_silent_after(&self, error: &StoreError) -> bool {
        matches!(error, StoreError::Timeout | StoreError::Unreachable(_)) && self.health.answered.lock().elapsed() > CONNECT_LIMIT
    }
}

/// One lane's connections by runtime.
struct Connections {
    limit: Duration,
    open: Mutex<(u64, HashMap<Id, Connection>)>,
}

impl Connections {
    fn new(limit: Duration) -> Self {
        Self { limit, open: Mutex::default() }
    }

    fn of_this_runtime(&self, dialer: &Dialer) -> Result<Connection, StoreError> {
        let runtime = Handle::try_current().map_err(|_| StoreError::Refused("called outside an async runtime".into()))?.id();
        let mut guard = self.open.lock();
        let (made, open) = &mut *guard;
        if let Some(connection) = open.get(&runtime).filter(|connection| !connection.health.closed.load(Ordering::Relaxed)) {
            return Ok(connection.clone());
        }
        if open.len() >= MAX_RUNTIMES {
            open.clear();
        }
        *made += 1;
        let health = Arc::new(Health { closed: AtomicBool::new(false), answered: Mutex::new(Instant::now()) });
        let dialled = connect(dialer.clone(), self.limit, health.clone());
        let connection = Connection { runtime, number: *made, health, dialled };
        open.insert(runtime, connection.clone());
        Ok(connection)
    }

    /// Forgets `connection`, unless a newer one took its place.
    fn discard(&self, connection: &Connection) {
        let (_, open) = &mut *self.open.lock();
        if open.get(&connection.runtime).is_some_and(|kept| kept.number == connection.number) {
            open.remove(&connection.runtime);
        }
    }
}

/// A connection that comes up in the background; calls made meanwhile wait for it up to their own limit.
fn connect(dialer: Dialer, answer_limit: Duration, health: Arc<Health>) -> Dialled {
    let on_push = move |push: PushInfo| {
        if push.kind == PushKind::Disconnection {
            health.closed.store(true, Ordering::Relaxed);
        }
        Ok::<(), redis::aio::SendError>(())
    };
    let dialled = async move { dialer.dial(Some(answer_limit), on_push).await }.boxed().shared();
    // It comes up although every caller may have given up; what comes of it shows in the next call.
    tokio::spawn(dialled.clone());
    dialled
}
