//! A look at Qdrant from outside, for `polyphony doctor`.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::{SearchError, collection, link};
use crate::settings::QdrantSearch;

/// What is there.
#[derive(Clone, Debug)]
pub struct Looked {
    pub version: String,
    /// Of a call over a connection that is there.
    pub round_trip: Duration,
    /// `None`: there is no collection yet.
    pub points: Option<u64>,
}

/// Looks, and changes nothing. Errors: Qdrant cannot be reached, or its collection is not for embeddings of `dimension` numbers.
pub async fn look(settings: &QdrantSearch, dimension: usize) -> Result<Looked, SearchError> {
    let (client, reply) = link::connect(settings).await?;
    let began = Instant::now();
    let info = timeout(link::DIAL_LIMIT, collection::info(&client, &settings.collection)).await.map_err(|_| SearchError::Timeout)?;
    let round_trip = began.elapsed();
    let points = match info {
        Err(SearchError::NoCollection) => None,
        Err(error) => return Err(error),
        Ok(info) => match collection::fault(&info, &settings.collection, dimension) {
            Some(fault) => return Err(SearchError::Refused(fault)),
            None => info.points_count,
        },
    };
    Ok(Looked { version: reply.version, round_trip, points })
}
