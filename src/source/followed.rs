//! The newest items of each followed creator, in turns.

use std::sync::Arc;

use async_trait::async_trait;

use super::{CandidateSource, Found, Query, SourceError};
use crate::{catalogue::Row, domain::Facet, rank::SourceKind};

/// Newest items looked at per creator.
const LOOK_AT_MOST_PER_CREATOR: usize = 64;

pub struct Followed;

#[async_trait]
impl CandidateSource for Followed {
    fn kind(&self) -> SourceKind {
        SourceKind::Followed
    }

    fn applies(&self, query: &Query) -> bool {
        query.profile.as_ref().is_some_and(|p| !p.follows.is_empty())
    }

    async fn fetch(&self, query: Arc<Query>, limit: usize) -> Result<Found, SourceError> {
        let Some(profile) = &query.profile else { return Ok(Found::default()) };
        let codes = profile.follows.iter().filter_map(|c| query.snapshot.codes().get(Facet::Creator, c));
        let postings: Vec<&[Row]> = codes.map(|code| query.snapshot.posting(code)).collect();
        // Turn by turn, so that one prolific creator does not take every place.
        let in_turns = (0..LOOK_AT_MOST_PER_CREATOR).flat_map(|turn| postings.iter().filter_map(move |rows| rows.get(turn).copied()));
        Ok(Found::take(in_turns, limit, usize::MAX, &query))
    }
}
