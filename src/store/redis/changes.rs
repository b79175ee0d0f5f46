//! The change log: a Redis Stream whose entries name items; readers fetch the records as they stand.
//!
//! Whether anything is missing after a position is decided by one atomic script. The blocking read, on a connection of
//! its own, only wakes: what it returns is not used.

use std::{collections::BTreeMap, time::Duration};

use parking_lot::Mutex;
use redis::{Cmd, RedisResult, Value, aio::MultiplexedConnection};
use tokio::time::{Instant, timeout};

use super::{
    RedisStore,
    errors::{ends_connection, store_error},
    keys::bucket,
    link::{Ask, Lane},
};
use crate::{
    domain::ItemId,
    store::{
        CatalogueRecord, Changes, LogPosition, StoreError, codec,
        touched::{MAX_CHANGES_PER_READ, Touch, Touched, coalesce},
    },
};

/// How long after the end of its block Redis may take to say that nothing came.
const WAKE_GRACE: Duration = Duration::from_secs(1);
/// Where a log begins that nobody has written to.
const START: &str = "0-0";

/// The connection that waits for changes, while no one waits on it.
pub(super) type Idle = Mutex<Option<MultiplexedConnection>>;

impl Touch {
    const fn letter(self) -> &'static str {
        match self {
            Self::Put => "p",
            Self::Deleted => "d",
            Self::Popularity => "w",
        }
    }

    fn from_letter(letter: &str) -> Option<Self> {
        [Self::Put, Self::Deleted, Self::Popularity].into_iter().find(|touch| touch.letter() == letter)
    }
}

impl RedisStore {
    /// What adds the log entry of a change.
    pub(super) fn entry(&self, id: &ItemId, touch: Touch) -> Cmd {
        let mut add = redis::cmd("XADD");
        add.arg(self.keys.changes()).arg("MAXLEN").arg("~").arg(self.options.change_log_max);
        add.arg("*").arg(touch.letter()).arg(id.as_str());
        add
    }

    /// After everything logged so far.
    pub(super) async fn log_end(&self) -> Result<LogPosition, StoreError> {
        let mut last = redis::cmd("XREVRANGE");
        last.arg(self.keys.changes()).arg("+").arg("-").arg("COUNT").arg(1);
        let entries: Vec<(String, Value)> = self.link.ask(Lane::Bulk, Ask::Read(&last)).await?;
        Ok(LogPosition(entries.into_iter().next().map_or_else(|| START.into(), |(id, _)| id)))
    }

    pub(super) async fn read_changes(&self, position: &LogPosition, wait: Duration) -> Result<Changes, StoreError> {
        let deadline = Instant::now() + wait;
        if !is_stream_id(&position.0) {
            return Ok(Changes::Resync);
        }
        loop {
            let Some(entries) = self.log_entries(position).await? else { return Ok(Changes::Resync) };
            if let Some((last, ..)) = entries.last() {
                let next = LogPosition(last.clone());
                let touched = coalesce(entries.into_iter().filter_map(|(_, letter, id)| touch(&letter, &id)));
                return Ok(Changes::Records { records: self.current(touched).await?, next });
            }
            let left = deadline.saturating_duration_since(Instant::now());
            // A block of 0 ms would be for ever.
            if left < Duration::from_millis(1) {
                return Ok(Changes::Records { records: Vec::new(), next: position.clone() });
            }
            self.wait_for_entry(position, left).await?;
        }
    }

    /// The entries after `position` as (stream id, letter, item id); `None` when some of them may be missing.
    async fn log_entries(&self, position: &LogPosition) -> Result<Option<Vec<(String, String, String)>>, StoreError> {
        let mut read = self.scripts.read_log.key(self.keys.changes());
        read.arg(&position.0).arg(MAX_CHANGES_PER_READ);
        let flat: Option<Vec<String>> = self.link.ask(Lane::Bulk, Ask::ReadScript(&read)).await?;
        Ok(flat.map(|flat| flat.as_chunks::<3>().0.iter().cloned().map(Into::into).collect()))
    }

    /// Returns when something follows `position`, or after `wait`.
    async fn wait_for_entry(&self, position: &LogPosition, wait: Duration) -> Result<(), StoreError> {
        let idle = self.idle.lock().take();
        if let Some(connection) = idle {
            match self.block(connection, position, wait).await {
                // It was closed while idle, by a restart for example: that says nothing about Redis now.
                Err(error) if ends_connection(&error) => {}
                outcome => return outcome,
            }
        }
        let connection = self.link.dialer().dial_for(&self.keys.changes()).await.map_err(|error| store_error(&error))?;
        self.block(connection, position, wait).await
    }

    async fn block(&self, mut connection: MultiplexedConnection, position: &LogPosition, wait: Duration) -> Result<(), StoreError> {
        let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1);
        let mut read = redis::cmd("XREAD");
        read.arg("COUNT").arg(1).arg("BLOCK").arg(wait_ms).arg("STREAMS").arg(self.keys.changes()).arg(&position.0);
        let answer: RedisResult<Value> = match timeout(wait + WAKE_GRACE, read.query_async(&mut connection)).await {
            Ok(answer) => answer,
            Err(_) => return Err(StoreError::Timeout),
        };
        answer.map_err(|error| store_error(&error))?;
        *self.idle.lock() = Some(connection);
        Ok(())
    }

    /// The records of what was touched, as they stand. Damaged ones are left out and logged.
    async fn current(&self, touched: Vec<(ItemId, Touched)>) -> Result<Vec<CatalogueRecord>, StoreError> {
        let mut buckets: BTreeMap<u8, Vec<&ItemId>> = BTreeMap::new();
        for (id, _) in &touched {
            buckets.entry(bucket(id)).or_default().push(id);
        }
        let mut gets = Vec::with_capacity(2 * buckets.len());
        for (bucket, ids) in &buckets {
            for key in [self.keys.items(*bucket), self.keys.popularity(*bucket)] {
                let mut get = redis::cmd("HMGET");
                get.arg(key);
                for id in ids {
                    get.arg(id.as_str());
                }
                gets.push(get);
            }
        }
        let answers = self.link.ask_many(Lane::Bulk, gets, Vec::new()).await?;
        let read = |answer| redis::from_redis_value::<Vec<Option<Vec<u8>>>>(answer).map_err(|error| store_error(&error.into()));
        let answers = answers.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;

        let mut stored = std::collections::HashMap::new();
        for (ids, answers) in buckets.values().zip(answers.as_chunks::<2>().0) {
            let [items, popularities] = answers;
            for (id, (item, popularity)) in ids.iter().zip(items.iter().zip(popularities)) {
                stored.insert(*id, (item.as_deref(), popularity.as_deref()));
            }
        }
        let mut records = Vec::new();
        for (id, touched) in &touched {
            let (item, popularity) = stored.get(id).copied().unwrap_or_default();
            match (item.map(codec::item::decode).transpose(), popularity.map(codec::popularity::decode).transpose()) {
                (Ok(item), Ok(popularity)) => records.extend(touched.records(id, item, popularity)),
                (Err(error), _) => tracing::error!(item = %id, %error, "a damaged record was left out"),
                (Ok(item), Err(error)) => {
                    tracing::error!(item = %id, %error, "a damaged record was left out");
                    records.extend(touched.records(id, item, None));
                }
            }
        }
        Ok(records)
    }
}

/// `None` for an entry of a newer server: what it speaks of comes with the next whole load.
fn touch(letter: &str, id: &str) -> Option<(ItemId, Touch)> {
    Some((ItemId::new(id).ok()?, Touch::from_letter(letter)?))
}

/// `<milliseconds>-<sequence>`: what Redis makes. Anything else is another store's position.
fn is_stream_id(text: &str) -> bool {
    text.split_once('-').is_some_and(|(ms, sequence)| ms.parse::<u64>().is_ok() && sequence.parse::<u64>().is_ok())
}
