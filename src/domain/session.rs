//! A session: how long somebody has been reading, when a break is due, and when the feed ends. Pure: what is known of the
//! session before a page and the time in, what becomes of the page out.
//!
//! It is carried by whoever reads: in cursors and in a token, both signed. The server keeps nothing of it.

use super::{Span, Time, policy};

/// Bytes of a session as it is carried.
pub const SESSION_BYTES: usize = 30;

/// What is known of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    /// When its first page was served.
    pub begun: Time,
    /// When its last page was served.
    pub served: Time,
    /// Pages since it began, or since the client last asked to go on.
    pub pages: u32,
    /// Breaks that were had or passed over.
    pub pauses: u8,
    /// Since when nothing is served, and why.
    pub held: Option<(Held, Time)>,
}

/// Why nothing is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// A break that cannot be passed over.
    Pause,
    /// The policy's limit is reached.
    Limit,
}

impl Held {
    /// As in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Limit => "limit",
        }
    }
}

impl Session {
    const fn new(now: Time) -> Self {
        Self { begun: now, served: now, pages: 0, pauses: 0, held: None }
    }

    /// As it is carried; little-endian.
    pub fn to_bytes(self) -> [u8; SESSION_BYTES] {
        let (why, since) = match self.held {
            None => (0, 0),
            Some((Held::Pause, since)) => (1, since.0),
            Some((Held::Limit, since)) => (2, since.0),
        };
        let mut bytes = [0; SESSION_BYTES];
        bytes[..8].copy_from_slice(&self.begun.0.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.served.0.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.pages.to_le_bytes());
        bytes[20] = self.pauses;
        bytes[21] = why;
        bytes[22..].copy_from_slice(&i64::to_le_bytes(since));
        bytes
    }

    pub fn from_bytes(bytes: &[u8; SESSION_BYTES]) -> Self {
        let number = |at: usize| {
            let mut number = [0; 8];
            number.copy_from_slice(&bytes[at..at + 8]);
            Time(i64::from_le_bytes(number))
        };
        let mut pages = [0; 4];
        pages.copy_from_slice(&bytes[16..20]);
        let held = match bytes[21] {
            1 => Some((Held::Pause, number(22))),
            2 => Some((Held::Limit, number(22))),
            _ => None,
        };
        Self { begun: number(0), served: number(8), pages: u32::from_le_bytes(pages), pauses: bytes[20], held }
    }
}

/// What holds for a session: the policy's rules, and the breaks the reader asked for.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    pub policy: &'a policy::Session,
    pub own_pauses: &'a [Span],
}

/// What becomes of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// The session with this page.
    pub session: Session,
    pub now: Time,
    /// A break is due, which the client may pass over.
    pub pause_due: bool,
    /// Nothing is served until then.
    pub withheld: Option<(Held, Time)>,
    /// The feed ends here, unless the client asks to go on.
    pub ends: bool,
    pub dismissible: bool,
}

impl Rules<'_> {
    /// Whether there is anything to hold to.
    pub fn bind(&self) -> bool {
        let Self { policy, own_pauses } = self;
        policy.natural_stop_after_pages > 0 || policy.limit != Span::FOREVER || !policy.pauses.is_empty() || !own_pauses.is_empty()
    }

    /// Breaks due once a session is `elapsed` old.
    fn due(&self, elapsed: i64) -> u8 {
        let mut marks: Vec<Span> = self.policy.pauses.iter().chain(self.own_pauses).copied().collect();
        marks.sort_unstable();
        marks.dedup();
        u8::try_from(marks.iter().filter(|mark| mark.as_millis() <= elapsed).count()).unwrap_or(u8::MAX)
    }

    /// A page at `now`; `goes_on`: the client asks for more past the end or the break.
    pub fn turn(&self, before: Option<Session>, now: Time, goes_on: bool) -> Turn {
        let policy = self.policy;
        let mut session = self.resumed(before, now);
        let turn = |session, pause_due, withheld, ends| Turn { session, now, pause_due, withheld, ends, dismissible: policy.dismissible };
        if let Some((why, since)) = session.held {
            return turn(session, false, Some((why, since.plus(self.length(why)))), false);
        }
        let elapsed = now.since(session.begun);
        if elapsed >= policy.limit.as_millis() {
            session.held = Some((Held::Limit, now));
            return turn(session, false, Some((Held::Limit, now.plus(policy.rest))), false);
        }
        let due = self.due(elapsed);
        let was_away = now.since(session.served) >= policy.pause_length.as_millis();
        let passes = goes_on && policy.dismissible;
        let pause_due = due > session.pauses && !was_away && !passes;
        if pause_due && !policy.dismissible {
            session.held = Some((Held::Pause, now));
            return turn(session, false, Some((Held::Pause, now.plus(policy.pause_length))), false);
        }
        if !pause_due {
            session.pauses = session.pauses.max(due);
        }
        session.served = now;
        session.pages = if goes_on { 0 } else { session.pages.saturating_add(1) };
        let ends = policy.natural_stop_after_pages > 0 && session.pages >= policy.natural_stop_after_pages;
        turn(session, pause_due, None, ends)
    }

    /// The session as it stands at `now`, with what is over taken off; a new one where it is over itself.
    fn resumed(&self, before: Option<Session>, now: Time) -> Session {
        let Some(mut session) = before.filter(|session| session.begun <= now) else { return Session::new(now) };
        let mut quiet_since = session.served;
        match session.held {
            Some((why, since)) if now < since.plus(self.length(why)) => return session,
            Some((Held::Limit, _)) => return Session::new(now),
            Some((Held::Pause, since)) => {
                session.held = None;
                session.pauses = session.pauses.max(self.due(since.since(session.begun)));
                quiet_since = since.plus(self.policy.pause_length);
            }
            None => {}
        }
        if now.since(quiet_since) >= self.policy.gap.as_millis() { Session::new(now) } else { session }
    }

    const fn length(&self, why: Held) -> Span {
        match why {
            Held::Pause => self.policy.pause_length,
            Held::Limit => self.policy.rest,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(minutes: i64) -> Time {
        Time(0).plus(Span::minutes(minutes))
    }

    fn policy(change: impl FnOnce(&mut policy::Session)) -> policy::Session {
        let mut policy = policy::Session::default();
        change(&mut policy);
        policy
    }

    #[test]
    fn a_session_is_carried_whole() {
        for held in [None, Some((Held::Pause, at(3))), Some((Held::Limit, Time(i64::MAX)))] {
            let session = Session { begun: at(1), served: at(2), pages: 70_000, pauses: 8, held };
            assert_eq!(Session::from_bytes(&session.to_bytes()), session);
        }
    }

    #[test]
    fn a_break_stays_due_until_it_was_had_or_passed_over() {
        let policy = policy(|policy| policy.pauses = vec![Span::minutes(20)]);
        let rules = Rules { policy: &policy, own_pauses: &[Span::minutes(10)] };
        let first = rules.turn(None, at(0), false);
        let mid = [4, 8].into_iter().fold(first, |turn, minute| rules.turn(Some(turn.session), at(minute), false));
        let due = rules.turn(Some(mid.session), at(10), false);
        assert!(!first.pause_due && due.pause_due && due.withheld.is_none());
        assert!(!rules.turn(Some(mid.session), at(9), false).pause_due);
        let again = rules.turn(Some(due.session), at(12), false);
        assert!(again.pause_due);
        assert!(!rules.turn(Some(again.session), at(13), true).pause_due, "passed over");
        let back = rules.turn(Some(again.session), at(17), false);
        assert!(!back.pause_due, "away for five minutes");
        assert!(rules.turn(Some(back.session), at(21), false).pause_due, "the next one");
        assert_eq!(rules.turn(Some(back.session), at(47), false).session.begun, at(47), "over after half an hour");
    }

    #[test]
    fn a_break_that_binds_is_had_and_a_limit_ends_the_session() {
        let policy = policy(|policy| {
            policy.pauses = vec![Span::minutes(15), Span::minutes(60)];
            (policy.limit, policy.dismissible) = (Span::minutes(70), false);
        });
        let rules = Rules { policy: &policy, own_pauses: &[] };
        let first = rules.turn(None, at(0), false);
        let before = rules.turn(Some(first.session), at(14), false);
        let held = rules.turn(Some(before.session), at(16), true);
        assert_eq!(held.withheld, Some((Held::Pause, at(21))));
        assert_eq!(rules.turn(Some(held.session), at(20), true).withheld, held.withheld, "asking does not lengthen it");
        let on = rules.turn(Some(held.session), at(21), false);
        assert_eq!((on.withheld, on.session.begun, on.session.pauses), (None, at(0), 1));
        let mut session = on.session;
        for minute in (23..60).step_by(2) {
            let turn = rules.turn(Some(session), at(minute), false);
            assert_eq!(turn.withheld, None, "{minute}");
            session = turn.session;
        }
        let second = rules.turn(Some(session), at(61), false);
        assert_eq!(second.withheld, Some((Held::Pause, at(66))), "two minutes away are none");
        let on = rules.turn(Some(second.session), at(66), false);
        let limit = rules.turn(Some(on.session), at(70), true);
        assert_eq!(limit.withheld, Some((Held::Limit, at(70 + 8 * 60))));
        assert_eq!(rules.turn(Some(limit.session), at(200), false).withheld, limit.withheld, "the gap does not end the rest");
        assert_eq!(rules.turn(Some(limit.session), at(70 + 8 * 60), false).session.begun, at(70 + 8 * 60));
    }

    #[test]
    fn a_feed_ends_after_its_pages_until_more_is_asked_for() {
        let policy = policy(|policy| policy.natural_stop_after_pages = 2);
        let rules = Rules { policy: &policy, own_pauses: &[] };
        let first = rules.turn(None, at(0), false);
        let second = rules.turn(Some(first.session), at(1), false);
        assert!(!first.ends && second.ends);
        let on = rules.turn(Some(first.session), at(1), true);
        let third = rules.turn(Some(on.session), at(2), false);
        assert!(!on.ends && !third.ends && rules.turn(Some(third.session), at(3), false).ends);
    }
}
