//! What operators want to know of a Redis: version, role, memory, persistence, clock, round trip. For `polyphony doctor`.

use std::{collections::HashMap, time::Duration};

use redis::aio::MultiplexedConnection;

use super::{errors::store_error, redacted_url};
use crate::{
    clock::{Clock, Stopwatch},
    domain::Time,
    store::StoreError,
};

/// Round trips that are timed; the median counts.
const PINGS: usize = 9;
/// For everything that is asked, the connection included.
const LOOK_TIMEOUT: Duration = Duration::from_secs(5);

/// A Redis as it was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Looked {
    /// `redis_version`: major and minor.
    pub version: (u32, u32),
    pub version_text: String,
    /// `standalone`, `cluster` or `sentinel`.
    pub mode: String,
    /// `master` takes writes.
    pub role: String,
    /// What it does when it is full; `noeviction` refuses writes and forgets nothing.
    pub maxmemory_policy: String,
    pub used_bytes: u64,
    /// 0: no limit.
    pub maxmemory_bytes: u64,
    pub appendonly: bool,
    /// Whether it saves snapshots; `None`: `CONFIG` is not allowed.
    pub snapshots: Option<bool>,
    /// Whether the last write to disk worked.
    pub last_save_ok: bool,
    /// Its clock less this machine's, in milliseconds.
    pub clock_ahead_ms: i64,
    /// The median of some.
    pub round_trip: Duration,
}

/// Looks at the Redis at `url`; writes nothing. Errors: it cannot be reached, or does not answer within five seconds.
pub async fn look(url: &str, clock: &dyn Clock) -> Result<Looked, StoreError> {
    tokio::time::timeout(LOOK_TIMEOUT, look_at(url, clock)).await.map_err(|_| StoreError::Timeout)?
}

async fn look_at(url: &str, clock: &dyn Clock) -> Result<Looked, StoreError> {
    let client = redis::Client::open(url).map_err(|fault| {
        let shown = redacted_url(url);
        StoreError::Refused(format!("`{shown}` is not a Redis URL ({fault}); write e.g. redis://user:password@host:6379/0"))
    })?;
    let mut connection = client.get_multiplexed_async_connection().await.map_err(|error| store_error(&error))?;
    let info: String = redis::cmd("INFO").query_async(&mut connection).await.map_err(|error| store_error(&error))?;
    let field = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap_or_default().trim();
    let number = |name: &str| field(name).parse().unwrap_or(0);
    let version_text = field("redis_version").to_owned();
    let mut parts = version_text.split('.').map(|part| part.parse().unwrap_or(0));
    let version = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    let saves: redis::RedisResult<HashMap<String, String>> = redis::cmd("CONFIG").arg("GET").arg("save").query_async(&mut connection).await;
    Ok(Looked {
        version,
        mode: field("redis_mode").to_owned(),
        role: field("role").to_owned(),
        maxmemory_policy: field("maxmemory_policy").to_owned(),
        used_bytes: number("used_memory"),
        maxmemory_bytes: number("maxmemory"),
        appendonly: field("aof_enabled") == "1",
        snapshots: saves.ok().map(|config| config.values().any(|rules| !rules.is_empty())),
        last_save_ok: field("rdb_last_bgsave_status") != "err" && field("aof_last_write_status") != "err",
        clock_ahead_ms: clock_ahead(&mut connection, clock).await?,
        round_trip: round_trip(&mut connection).await?,
        version_text,
    })
}

async fn round_trip(connection: &mut MultiplexedConnection) -> Result<Duration, StoreError> {
    let mut took = Vec::with_capacity(PINGS);
    for _ in 0..PINGS {
        let watch = Stopwatch::start();
        redis::cmd("PING").query_async::<String>(connection).await.map_err(|error| store_error(&error))?;
        took.push(watch.elapsed());
    }
    took.sort_unstable();
    Ok(took[PINGS / 2])
}

/// Compared with the middle of the time between question and answer.
async fn clock_ahead(connection: &mut MultiplexedConnection, clock: &dyn Clock) -> Result<i64, StoreError> {
    let Time(before) = clock.now();
    let (seconds, micros): (i64, i64) = redis::cmd("TIME").query_async(connection).await.map_err(|error| store_error(&error))?;
    let Time(after) = clock.now();
    Ok(seconds * 1_000 + micros / 1_000 - i64::midpoint(before, after))
}
