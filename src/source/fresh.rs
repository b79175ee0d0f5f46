//! The newest items.

use std::sync::Arc;

use async_trait::async_trait;

use super::{CandidateSource, Found, Query, SourceError};
use crate::rank::SourceKind;

pub struct Fresh;

#[async_trait]
impl CandidateSource for Fresh {
    fn kind(&self) -> SourceKind {
        SourceKind::Fresh
    }

    fn applies(&self, _: &Query) -> bool {
        true
    }

    async fn fetch(&self, query: Arc<Query>, limit: usize) -> Result<Found, SourceError> {
        Ok(Found::take(query.snapshot.fresh(), limit, usize::MAX, &query))
    }
}
