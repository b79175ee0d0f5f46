//! The session a page is read in: what is known of it, and the answer without items while a break or a limit holds.

use std::sync::Arc;

use super::{Degradation, FeedError, FeedRequest, FeedService, Reader, Served, ServedParts, Timings, cursor::Cursor};
use crate::domain::{
    feed::{Dials, Owner, Page, StoredFeed},
    policy::ActivePolicy,
    session::{Rules, Turn},
};

impl FeedService {
    /// What becomes of the page by the surface's policy and the breaks the reader asked for; `None` where neither sets any.
    ///
    /// Errors: a token that is not ours.
    pub(super) fn turn(
        &self,
        request: &FeedRequest,
        policy: &ActivePolicy,
        reader: &Reader,
        cursor: Option<&Cursor>,
    ) -> Result<Option<Turn>, FeedError> {
        let user = request.user.as_ref();
        let read = |token: &String| self.signer.read_session_token(token, user).ok_or(FeedError::InvalidSession);
        let token = request.session_token.as_ref().map(read).transpose()?;
        let own_pauses = reader.profile.as_ref().map_or(&[][..], |profile| profile.preferences.pauses.as_slice());
        let of_minors = request.is_minor.then(|| policy.policy.session.for_minors());
        let rules = Rules { policy: of_minors.as_ref().unwrap_or(&policy.policy.session), own_pauses };
        // A cursor knows its own page: asking for it twice is one page.
        let before = cursor.and_then(|cursor| cursor.session).or(token);
        Ok(rules.bind().then(|| rules.turn(before, self.clock.now(), request.goes_on)))
    }

    /// An answer without items, whose cursor leads to the page that was asked for.
    pub(super) fn withheld(
        &self,
        request: &FeedRequest,
        policy: &Arc<ActivePolicy>,
        reader: &Reader,
        cursor: Option<Cursor>,
        degraded: Vec<Degradation>,
    ) -> Served {
        let now = self.clock.now();
        let feed = StoredFeed {
            id: cursor.as_ref().map_or_else(|| self.new_feed_id(now), |cursor| cursor.feed.clone()),
            owner: Owner::Nobody,
            surface: request.surface.clone(),
            policy_digest: policy.digest.clone(),
            diversity: policy.policy.diversify.diversity,
            dials: Dials::default(),
            seed: 0,
            created_at: now,
            expires_at: now.plus(policy.policy.feed.ttl),
            topics: Vec::new(),
            exemplars: Vec::new(),
            pool: Vec::new(),
        };
        let parts = ServedParts {
            feed: Arc::new(feed),
            policy: Arc::clone(policy),
            page: Page::default(),
            draws: Vec::new(),
            page_number: 0,
            prefix_indices: Vec::new(),
            snapshot: self.catalogue.snapshot(),
            rows: Vec::new(),
            restarted: false,
            outcome: None,
            timings: Timings::default(),
        };
        let mut served = self.served(parts, reader, degraded);
        let session = reader.turn.map(|turn| turn.session);
        served.next = cursor.map(|cursor| self.signer.cursor(&Cursor { session, ..cursor }, &reader.owner, &request.surface, reader.mode));
        served
    }
}
