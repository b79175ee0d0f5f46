//! The connection that searches go over. It is made beside them: a search never waits for one, and while there is none it fails
//! at once.
//!
//! ```text
//! none ──dial──► connected ──broken, or 5 searches in a row without an answer──► none ──250 ms──► dial …
//! ```

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use qdrant_client::{Qdrant, QdrantError, qdrant::HealthCheckReply};
use tokio::time::timeout;

use super::SearchError;
use crate::settings::QdrantSearch;

/// Searches in a row without an answer after which the connection is given up.
const FAILURES_TO_OPEN: u32 = 5;
/// Before a connection that broke is made again.
const DIAL_PAUSE: Duration = Duration::from_millis(250);
/// For a connection and its first answer.
pub(super) const DIAL_LIMIT: Duration = Duration::from_secs(2);
/// The client's own limit. Every call has a shorter one here: the client repeats a call that ran into its own.
const CLIENT_LIMIT: Duration = Duration::from_secs(120);

/// Codes of gRPC that say something of the question or of the collection; every other one is the connection's or the server's.
const INVALID_ARGUMENT: i32 = 3;
const NOT_FOUND: i32 = 5;
const ALREADY_EXISTS: i32 = 6;
const PERMISSION_DENIED: i32 = 7;
const FAILED_PRECONDITION: i32 = 9;
const UNIMPLEMENTED: i32 = 12;
const UNAUTHENTICATED: i32 = 16;

pub(super) struct Link {
    settings: QdrantSearch,
    client: ArcSwapOption<Qdrant>,
    /// Searches in a row without an answer.
    failures: AtomicU32,
    is_dialling: AtomicBool,
}

impl Link {
    pub(super) fn new(settings: &QdrantSearch) -> Self {
        Self {
            settings: settings.clone(),
            client: ArcSwapOption::empty(),
            failures: AtomicU32::new(0),
            is_dialling: AtomicBool::new(false),
        }
    }

    pub(super) fn is_connected(&self) -> bool {
        self.client.load().is_some()
    }

    /// Asks once, and waits no longer than `limit`.
    pub(super) async fn ask<T, F>(self: &Arc<Self>, limit: Duration, call: impl FnOnce(Arc<Qdrant>) -> F) -> Result<T, SearchError>
    where
        F: Future<Output = Result<T, QdrantError>>,
    {
        let Some(client) = self.client.load_full() else {
            self.dial();
            return Err(SearchError::Unreachable("there is no connection".into()));
        };
        match timeout(limit, call(client)).await {
            Ok(answer) => {
                let answer = answer.map_err(|error| told(&error));
                match &answer {
                    Err(SearchError::Unreachable(_)) => self.redial(),
                    _ => self.failures.store(0, Ordering::Relaxed),
                }
                answer
            }
            Err(_) => {
                // A peer that vanished resets nothing: only a new connection tells.
                if self.failures.fetch_add(1, Ordering::Relaxed) + 1 >= FAILURES_TO_OPEN {
                    self.redial();
                }
                Err(SearchError::Timeout)
            }
        }
    }

    fn redial(self: &Arc<Self>) {
        self.client.store(None);
        self.dial();
    }

    /// Makes a connection in the background, unless one is being made.
    pub(super) fn dial(self: &Arc<Self>) {
        if self.is_dialling.swap(true, Ordering::Relaxed) {
            return;
        }
        let link = Arc::clone(self);
        tokio::spawn(async move {
            if link.failures.load(Ordering::Relaxed) > 0 {
                tokio::time::sleep(DIAL_PAUSE).await;
            }
            match connect(&link.settings).await {
                Ok((client, _)) => {
                    link.failures.store(0, Ordering::Relaxed);
                    link.client.store(Some(Arc::new(client)));
                }
                Err(error) => {
                    link.failures.fetch_add(1, Ordering::Relaxed);
                    tracing::debug!(%error, "no connection to Qdrant");
                }
            }
            link.is_dialling.store(false, Ordering::Relaxed);
        });
    }
}

/// A client that was answered, and what it was told. Errors: not within [`DIAL_LIMIT`].
pub(super) async fn connect(settings: &QdrantSearch) -> Result<(Qdrant, HealthCheckReply), SearchError> {
    let mut builder = Qdrant::from_url(&settings.url)
        .timeout(CLIENT_LIMIT)
        .connect_timeout(DIAL_LIMIT)
        .keep_alive_while_idle()
        .skip_compatibility_check();
    // One connection carries many calls at once.
    builder.set_pool_size(1);
    if !settings.api_key.is_empty() {
        builder.set_api_key(settings.api_key.expose());
    }
    let client = builder.build().map_err(|error| told(&error))?;
    let reply = timeout(DIAL_LIMIT, client.health_check()).await.map_err(|_| SearchError::Timeout)?.map_err(|error| told(&error))?;
    Ok((client, reply))
}

/// What the client says in our words, without what came along with the answer.
pub(super) fn told(error: &QdrantError) -> SearchError {
    let (QdrantError::ResponseError { status } | QdrantError::ResourceExhaustedError { status, .. }) = error else {
        return SearchError::Unreachable(error.to_string());
    };
    let said = format!("{:?}: {}", status.code(), status.message());
    match i32::from(status.code()) {
        NOT_FOUND => SearchError::NoCollection,
        INVALID_ARGUMENT | ALREADY_EXISTS | PERMISSION_DENIED | FAILED_PRECONDITION | UNIMPLEMENTED | UNAUTHENTICATED => {
            SearchError::Refused(said)
        }
        _ => SearchError::Unreachable(said),
    }
}
