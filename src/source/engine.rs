//! Who finds the items nearest to an interest: this process, or an engine outside it.

use std::sync::Arc;
#[cfg(feature = "qdrant")]
use std::time::Duration;

#[cfg(feature = "qdrant")]
use super::qdrant::QdrantEngine;
use crate::{
    catalogue::Catalogue,
    settings::{self, SearchEngine},
    telemetry::Metrics,
};

/// How often it is looked whether the catalogue is loaded.
#[cfg(feature = "qdrant")]
const LOADED_LOOK_EVERY: Duration = Duration::from_millis(50);

/// Who is asked for the items nearest to a vector.
#[derive(Clone)]
pub enum Engine {
    /// [`Snapshot::near`](crate::catalogue::Snapshot::near).
    InProcess,
    #[cfg(feature = "qdrant")]
    Qdrant(Arc<QdrantEngine>),
}

/// Why an engine outside this process did not find what is near.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SearchError {
    #[error("no answer in time")]
    Timeout,
    /// What the connection says.
    #[error("cannot be reached: {0}")]
    Unreachable(String),
    /// What the engine says, or what its collection lacks.
    #[error("{0}")]
    Refused(String),
    #[error("there is no such collection")]
    NoCollection,
    #[error("it does not have the catalogue yet")]
    Behind,
}

impl SearchError {
    /// A closed list: `search_timeout`, `search_unreachable`, `search_refused`, `search_behind`.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Timeout => "search_timeout",
            Self::Unreachable(_) => "search_unreachable",
            Self::Refused(_) => "search_refused",
            Self::NoCollection | Self::Behind => "search_behind",
        }
    }
}

impl Engine {
    /// The one that the settings name. A server that was built without it searches by itself; its settings are refused before.
    #[cfg_attr(not(feature = "qdrant"), allow(unused_variables, reason = "only an engine outside has metrics of its own"))]
    pub fn of(settings: &settings::Catalogue, metrics: &Arc<Metrics>) -> Self {
        match settings.search.engine {
            #[cfg(feature = "qdrant")]
            SearchEngine::Qdrant => Self::Qdrant(Arc::new(QdrantEngine::new(&settings.search.qdrant, settings.dimension, metrics))),
            #[cfg(not(feature = "qdrant"))]
            SearchEngine::Qdrant => Self::InProcess,
            SearchEngine::InProcess => Self::InProcess,
        }
    }

    /// Whether searches are made here, by lists that must be trained.
    pub const fn is_in_process(&self) -> bool {
        matches!(self, Self::InProcess)
    }

    /// Brings the catalogue's changes to the engine, once it `is_loaded`. Goes on for ever where the
    /// engine is outside; abort the task to stop it.
    #[cfg_attr(not(feature = "qdrant"), allow(unused_variables, clippy::unused_async, reason = "there is nobody to bring them to"))]
    pub async fn keep_up(self, catalogue: Arc<Catalogue>, is_loaded: impl Fn() -> bool) {
        match self {
            Self::InProcess => {}
            #[cfg(feature = "qdrant")]
            Self::Qdrant(engine) => {
                // An empty catalogue that is yet to be loaded would empty the engine too.
                while !is_loaded() {
                    tokio::time::sleep(LOADED_LOOK_EVERY).await;
                }
                engine.mirror(&catalogue).await;
            }
        }
    }

    /// How long a search may take: as set, and short enough that the source still has time for what it finds without.
    #[cfg(feature = "qdrant")]
    pub(super) fn within(timeout: Duration, deadline: Duration) -> Duration {
        timeout.min(deadline * 3 / 4)
    }
}
