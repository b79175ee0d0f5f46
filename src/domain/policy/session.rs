//! When a feed comes to an end, and when a break is due.

use serde::{Deserialize, Serialize};

use super::check::{Faults, Rule};
use crate::domain::Span;

/// Most breaks in one session, of a policy and of a reader.
pub const MAX_PAUSES: usize = 8;
/// The shortest and the longest time until a break.
pub const PAUSE_MIN: Span = Span::minutes(1);
pub const PAUSE_MAX: Span = Span::hours(24);

/// Ends and breaks of a session: what one person reads, on any surface, without being away for `gap`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Session {
    /// Pages after which the feed ends unless the client asks to go on, 0 to 5,000; 0 = it ends when it is used up.
    pub natural_stop_after_pages: u32,
    /// A session is over when nothing was served for this long, 1 m to 1 d.
    pub gap: Span,
    /// Times into the session at which a break is due, ascending; at most [`MAX_PAUSES`], each 1 m to 1 d.
    pub pauses: Vec<Span>,
    /// How long a break is, 1 m to 1 d. Whoever was away for this long has had it.
    pub pause_length: Span,
    /// Most time in one session, 1 m or more.
    pub limit: Span,
    /// After the limit nothing is served for this long, 1 m to 7 d.
    pub rest: Span,
    /// Whether the client may go on without the break.
    pub dismissible: bool,
}

impl Default for Session {
    fn default() -> Self {
        Self {
            natural_stop_after_pages: 0,
            gap: Span::minutes(30),
            pauses: Vec::new(),
            pause_length: Span::minutes(5),
            limit: Span::FOREVER,
            rest: Span::hours(8),
            dismissible: true,
        }
    }
}

impl Session {
    /// The rules for minors: breaks at 15, 60 and 90 minutes and an end after two hours that hold, besides the policy's own where
    /// they are stricter (ICO Children's Code, standard 13; Commission guidelines C(2025) 6826).
    #[must_use]
    pub fn for_minors(&self) -> Self {
        let mut pauses: Vec<Span> = self.pauses.iter().copied().chain([15, 60, 90].map(Span::minutes)).collect();
        pauses.sort_unstable();
        pauses.dedup();
        Self { pauses, limit: self.limit.min(Span::hours(2)), dismissible: false, ..self.clone() }
    }

    pub(super) fn check(&self, faults: &mut Faults) {
        faults.held("session.natural_stop_after_pages", self.natural_stop_after_pages);
        faults.held("session.gap", self.gap);
        faults.held("session.pause_length", self.pause_length);
        faults.held("session.limit", self.limit);
        faults.held("session.rest", self.rest);
        if self.pauses.len() > MAX_PAUSES {
            faults.add(Rule::Count, "session.pauses", format!("has {} entries; expected at most {MAX_PAUSES}", self.pauses.len()));
        }
        if let Some(pause) = self.pauses.iter().find(|pause| **pause < PAUSE_MIN || **pause > PAUSE_MAX) {
            faults.add(Rule::Range, "session.pauses", format!("has {pause}; expected {PAUSE_MIN} to {PAUSE_MAX}"));
        }
        if !self.pauses.is_sorted_by(|a, b| a < b) {
            faults.add(Rule::Ends, "session.pauses", "are not in order; expected each later than the one before".to_owned());
        }
    }
}
