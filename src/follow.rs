//! Keeps this instance's catalogue in step with the store: a full load, then the change log, for ever.

use std::{sync::Arc, time::Duration};

use crate::{
    catalogue::{Catalogue, CatalogueRecord},
    domain::Time,
    store::{Changes, LogPosition, Store, StoreError},
};

/// Pause after changes were applied, for more to gather: what is kept of an earlier snapshot has to catch up with each new one.
const GATHER: Duration = Duration::from_millis(50);
/// How long one wait for changes lasts.
const WAIT: Duration = Duration::from_secs(5);
/// Pause before the first retry; doubles to [`MAX_RETRY_PAUSE`].
const FIRST_RETRY_PAUSE: Duration = Duration::from_millis(50);
const MAX_RETRY_PAUSE: Duration = Duration::from_secs(2);

/// Times the same changes are read while this instance writes.
const MAX_READS: u32 = 4;

/// What a follower reports as it goes: for readiness and metrics.
#[derive(Debug)]
pub enum Report<'a> {
    /// The whole catalogue is loaded; so many damaged records were skipped.
    Loaded { corrupt: u64 },
    /// So many changes were applied; the last was logged at that time, by the store's clock, where it says so.
    Applied { records: usize, logged_at: Option<Time> },
    /// The store failed; the follower will try again.
    Failed(&'a StoreError),
}

/// Loads the catalogue and follows its changes; `trains`: whether searches are made in it. Never returns; abort the task to
/// stop it.
pub async fn follow(store: Arc<dyn Store>, catalogue: Arc<Catalogue>, trains: bool, report: impl Fn(Report<'_>) + Send + Sync) {
    let mut pause = FIRST_RETRY_PAUSE;
    let mut position: Option<LogPosition> = None;
    loop {
        let step = match &position {
            None => match load(&*store, &catalogue).await {
                Ok((at, corrupt)) => {
                    // Ready means fast, too: the first readers do not wait for scans.
                    train(&catalogue, trains).await;
                    report(Report::Loaded { corrupt });
                    Ok(Some(at))
                }
                Err(error) => Err(error),
            },
            Some(at) => advance(&*store, at, &catalogue, &report).await,
        };
        match step {
            Ok(next) => {
                train(&catalogue, trains).await;
                position = next;
                pause = FIRST_RETRY_PAUSE;
            }
            Err(error) => {
                report(Report::Failed(&error));
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(MAX_RETRY_PAUSE);
            }
        }
    }
}

/// Replaces the catalogue by what the store holds; returns where its changes go on, and how many records were damaged.
pub async fn load(store: &dyn Store, catalogue: &Catalogue) -> Result<(LogPosition, u64), StoreError> {
    let mut records: Vec<CatalogueRecord> = Vec::new();
    let (position, corrupt) = store.load_catalogue(&mut |batch| records.extend(batch)).await?;
    let (before, now) = (catalogue.snapshot().len(), records.len());
    if before > 0 && now == 0 {
        tracing::error!(items = before, "the store has no items any more: what was served until now is gone from it");
    }
    catalogue.replace(records);
    Ok((position, corrupt))
}

/// Makes search lists that are wanted, on a thread of its own: it takes up to seconds.
async fn train(catalogue: &Arc<Catalogue>, trains: bool) {
    if trains && catalogue.snapshot().wants_training() {
        let catalogue = Arc::clone(catalogue);
        let trained = tokio::task::spawn_blocking(move || catalogue.train()).await;
        tracing::info!(published = trained.unwrap_or(false), "search lists made");
    }
}

/// One wait for changes. `None` when the log no longer reaches back: load again.
async fn advance(
    store: &dyn Store,
    at: &LogPosition,
    catalogue: &Catalogue,
    report: &(impl Fn(Report<'_>) + Send + Sync),
) -> Result<Option<LogPosition>, StoreError> {
    let (mut wait, mut reads) = (WAIT, 0);
    loop {
        let since = catalogue.applied();
        let Changes::Records { records, next } = store.changes(at, wait).await? else { return Ok(None) };
        if records.is_empty() {
            return Ok(Some(next));
        }
        (wait, reads) = (Duration::ZERO, reads + 1);
        let count = records.len();
        // What this instance wrote while the records were on their way must not be undone by them: read again. While it
        // writes without a pause, apply them all the same: its own writes are in the log too and come last.
        let is_applied = if reads < MAX_READS {
            catalogue.apply_read(records, since)
        } else {
            catalogue.apply(records);
            true
        };
        if is_applied {
            report(Report::Applied { records: count, logged_at: store.logged_at(&next) });
            tokio::time::sleep(GATHER).await;
            return Ok(Some(next));
        }
    }
}
