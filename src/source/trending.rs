//! What everybody uses most lately.

use std::sync::Arc;

use async_trait::async_trait;

use super::{CandidateSource, Found, Query, SourceError};
use crate::rank::SourceKind;

pub struct Trending;

#[async_trait]
impl CandidateSource for Trending {
    fn kind(&self) -> SourceKind {
        SourceKind::Trending
    }

    fn applies(&self, _: &Query) -> bool {
        true
    }

    async fn fetch(&self, query: Arc<Query>, limit: usize) -> Result<Found, SourceError> {
        Ok(Found::take(query.snapshot.trending(), limit, usize::MAX, &query))
    }
}
