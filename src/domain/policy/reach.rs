//! How often a person is reached outside the feed: by push and by mail.

use serde::{Deserialize, Serialize};

use super::check::Faults;
use crate::domain::Span;

/// Caps of what is sent to a person who is not there. None of them rises with absence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reach {
    /// Pushes within 24 h, 0 to 10; 0 = none.
    pub push_per_day: u32,
    /// Least time between two digests, 1 h to 30 d.
    pub digest_every: Span,
    /// No push from this local hour on, 0 to 23 …
    pub quiet_from: u32,
    /// … until this one, 0 to 23. The same hour: no quiet hours.
    pub quiet_until: u32,
    /// Whoever was away for this long gets at most one push and one digest a week, 1 d or more.
    pub fade_after: Span,
    /// Whoever was away for this long gets nothing, 1 d or more.
    pub stop_after: Span,
}

impl Default for Reach {
    fn default() -> Self {
        Self {
            push_per_day: 1,
            digest_every: Span::hours(20),
            quiet_from: 22,
            quiet_until: 7,
            fade_after: Span::days(7),
            stop_after: Span::days(30),
        }
    }
}

impl Reach {
    /// The rules for minors: no push between 22 and 7, whatever hours the policy has.
    #[must_use]
    pub fn for_minors(&self) -> Self {
        Self { quiet_from: 22, quiet_until: 7, ..self.clone() }
    }

    pub(super) fn check(&self, faults: &mut Faults) {
        faults.held("reach.push_per_day", self.push_per_day);
        faults.held("reach.digest_every", self.digest_every);
        faults.held("reach.quiet_from", self.quiet_from);
        faults.held("reach.quiet_until", self.quiet_until);
        faults.held("reach.fade_after", self.fade_after);
        faults.held("reach.stop_after", self.stop_after);
    }
}
