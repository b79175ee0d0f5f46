//! The way to Redis: connections, time limits and the circuit breaker. Everything this store asks goes through
//! [`Link::call`].
//!
//! There is one connection per async runtime and [`Lane`]. The server has one runtime per worker, so a worker's answers
//! never wait for another worker's thread; and catalogue replies of half a megabyte never stand in front of a profile.

use std::{
    collections::HashMap,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use redis::{
    Client, PushInfo, PushKind, RedisResult,
    aio::{ConnectionManager, ConnectionManagerConfig},
};
use tokio::{
    runtime::{Handle, Id},
    time::{Instant, timeout},
};

use super::{
    breaker::{Breaker, FAILURES_TO_OPEN},
    errors::{ends_connection, store_error},
};
use crate::store::StoreError;

/// Longest a connection may take to come up. Longer than a call's limit: it goes on in the background.
pub(super) const CONNECT_LIMIT: Duration = Duration::from_secs(1);
/// Commands waiting to be written to one connection before callers wait, too (the crate's own 50 costs under load).
const PIPELINE_BUFFER_COMMANDS: usize = 1_024;
/// Most runtimes with a connection of their own; beyond, all begin again. Only a test that makes many comes near.
const MAX_RUNTIMES: usize = 256;

/// What a call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    /// One person's records, while they wait.
    Serving,
    /// The catalogue: large answers, a longer limit.
    Bulk,
}

pub(super) struct Link {
    client: Client,
    serving: Connections,
    bulk: Connections,
    breaker: Mutex<Breaker>,
}

impl Link {
    pub(super) fn new(client: Client, serving_limit: Duration, bulk_limit: Duration) -> Self {
        Self { client, serving: Connections::new(serving_limit), bulk: Connections::new(bulk_limit), breaker: Mutex::default() }
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// Runs `work` on the lane's connection within the lane's limit.
    ///
    /// Errors: [`StoreError::Timeout`] (the work may have been done), [`StoreError::Unreachable`] at once while the
    /// breaker is open, and what Redis said.
    pub(super) async fn call<T, F>(&self, lane: Lane, work: impl FnOnce(ConnectionManager) -> F + Send) -> Result<T, StoreError>
    where
        F: Future<Output = RedisResult<T>> + Send,
    {
        if !self.breaker.lock().admits(Instant::now()) {
            return Err(StoreError::Unreachable(format!("not asked for a moment after {FAILURES_TO_OPEN} failures in a row")));
        }
        let connections = match lane {
            Lane::Serving => &self.serving,
            Lane::Bulk => &self.bulk,
        };
        let connection = connections.of_this_runtime(&self.client)?;
        let outcome = match timeout(connections.limit, work(connection.manager.clone())).await {
            Ok(answer) => answer.map_err(|error| store_error(&error)),
            Err(_) => Err(StoreError::Timeout),
        };
        match &outcome {
            Err(StoreError::Timeout | StoreError::Unreachable(_)) => self.breaker.lock().failed(Instant::now()),
            _ => {
                self.breaker.lock().answered();
                *connection.health.answered.lock() = Instant::now();
            }
        }
        if outcome.as_ref().is_err_and(|error| ends_connection(error) || connection.is_silent_after(error)) {
            connections.discard(&connection);
        }
        outcome
    }
}

#[derive(Clone)]
struct Connection {
    runtime: Id,
    /// Tells apart the connections a runtime had one after another.
    number: u64,
    health: Arc<Health>,
    manager: ConnectionManager,
}

struct Health {
    /// Redis closed it. Left to itself, the manager would dial once, too early after a restart, and keep that failure
    /// for the next call.
    closed: AtomicBool,
    /// When it last answered, or was made.
    answered: Mutex<Instant>,
}

impl Connection {
    /// Whether it may lead nowhere for good: a host that vanished sends no goodbye. One that is still coming up, or
    /// answered a moment ago, gets its time.
    fn is_silent_after(&self, error: &StoreError) -> bool {
        matches!(error, StoreError::Timeout) && self.health.answered.lock().elapsed() > CONNECT_LIMIT
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

    fn of_this_runtime(&self, client: &Client) -> Result<Connection, StoreError> {
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
        let manager = connect(client, self.limit, health.clone())?;
        let connection = Connection { runtime, number: *made, health, manager };
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
fn connect(client: &Client, answer_limit: Duration, health: Arc<Health>) -> Result<ConnectionManager, StoreError> {
    let on_push = move |push: PushInfo| {
        if push.kind == PushKind::Disconnection {
            health.closed.store(true, Ordering::Relaxed);
        }
        Ok::<(), redis::aio::SendError>(())
    };
    let config = ConnectionManagerConfig::new()
        // Calls and the breaker repeat; a repetition underneath them would only answer late.
        .set_number_of_retries(0)
        .set_connection_timeout(Some(CONNECT_LIMIT))
        .set_response_timeout(Some(answer_limit))
        .set_push_sender(on_push)
        .set_pipeline_buffer_size(PIPELINE_BUFFER_COMMANDS);
    let manager = ConnectionManager::new_lazy_with_config(client.clone(), config).map_err(|error| store_error(&error))?;
    let mut driven = manager.clone();
    tokio::spawn(async move {
        // Only there to bring it up when every caller has given up; what comes of it shows in the next call.
        let _ = timeout(CONNECT_LIMIT, redis::cmd("PING").exec_async(&mut driven)).await;
    });
    Ok(manager)
}
