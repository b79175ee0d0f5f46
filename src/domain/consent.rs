//! Consent as data: one record per change, kept in a log that only grows. What holds now is a fold over the log.

use serde::{Deserialize, Serialize};

use super::{Span, Time};

/// Most records in one person's log. A full log refuses the next one: no decision is ever forgotten to make room.
pub const MAX_CONSENT_RECORDS: usize = 1_024;
/// A log that gets no record for this long is forgotten: consent must be shown for as long as it is relied on (GDPR,
/// article 7(1)), and no consent is relied on longer than [`CONSENT_VALID`].
pub const CONSENT_KEEP: Span = Span::days(1_826);
/// A given consent counts for this long, then the person is asked again. Refusals and withdrawals do not expire.
pub const CONSENT_VALID: Span = Span::days(365);
/// A person who refused or withdrew is not asked again before this has passed (CCPA regulations, §7028; 12 months).
pub const NO_PROMPT_FOR: Span = Span::days(365);

/// What data about a person may be used for. A closed list; each is decided on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// Keep a profile learned from what the person does.
    ProfileCreate,
    /// Rank by the kept profile.
    ProfileUse,
    /// Count what is shown and opened.
    Measure,
    /// Compare policies on what people do.
    Improve,
    /// Learn from how long the person looks at items.
    Dwell,
    /// Learn from items about health (GDPR, article 9; so are the next five).
    SensitiveHealth,
    SensitivePolitics,
    SensitiveBelief,
    SensitiveUnion,
    SensitiveSexLife,
    SensitiveOrigin,
    /// Special categories without saying which: in older logs. It allows nothing, and is not asked for any more.
    Sensitive,
    Email,
    Push,
    Research,
    /// Sell data about the person or share it with others (CCPA). The server does neither; the systems around it may.
    SaleShare,
}

impl Purpose {
    /// Those people are asked about.
    pub const ALL: [Self; 15] = [
        Self::ProfileCreate,
        Self::ProfileUse,
        Self::Measure,
        Self::Improve,
        Self::Dwell,
        Self::SensitiveHealth,
        Self::SensitivePolitics,
        Self::SensitiveBelief,
        Self::SensitiveUnion,
        Self::SensitiveSexLife,
        Self::SensitiveOrigin,
        Self::Email,
        Self::Push,
        Self::Research,
        Self::SaleShare,
    ];

    /// As in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ProfileCreate => "profile_create",
            Self::ProfileUse => "profile_use",
            Self::Measure => "measure",
            Self::Improve => "improve",
            Self::Dwell => "dwell",
            Self::SensitiveHealth => "sensitive_health",
            Self::SensitivePolitics => "sensitive_politics",
            Self::SensitiveBelief => "sensitive_belief",
            Self::SensitiveUnion => "sensitive_union",
            Self::SensitiveSexLife => "sensitive_sex_life",
            Self::SensitiveOrigin => "sensitive_origin",
            Self::Sensitive => "sensitive",
            Self::Email => "email",
            Self::Push => "push",
            Self::Research => "research",
            Self::SaleShare => "sale_share",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.name() == name)
    }
}

/// What the person decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    Given,
    Refused,
    /// Refused after it was given.
    Withdrawn,
}

impl Decision {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Given => "given",
            Self::Refused => "refused",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// One change. Never altered once it is in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsentRecord {
    pub purpose: Purpose,
    pub decision: Decision,
    pub at: Time,
    /// Address of the notice the person was shown: `b3:` and 64 hex digits.
    pub notice: String,
    /// Ed25519 over the record and the one before it; 64 bytes.
    pub signature: Vec<u8>,
}

/// What the log says of one purpose at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Never decided.
    Unasked,
    Given,
    Refused,
    Withdrawn,
    /// Given longer than [`CONSENT_VALID`] ago.
    Expired,
}

impl Standing {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unasked => "unasked",
            Self::Given => "given",
            Self::Refused => "refused",
            Self::Withdrawn => "withdrawn",
            Self::Expired => "expired",
        }
    }
}

/// The last record about `purpose`.
pub fn latest(log: &[ConsentRecord], purpose: Purpose) -> Option<&ConsentRecord> {
    log.iter().rev().find(|record| record.purpose == purpose)
}

/// The fold: what holds for `purpose` at `now`. `log` is oldest first.
pub fn standing(log: &[ConsentRecord], purpose: Purpose, now: Time) -> Standing {
    match latest(log, purpose) {
        None => Standing::Unasked,
        Some(record) => match record.decision {
            Decision::Given if now.since(record.at) >= CONSENT_VALID.as_millis() => Standing::Expired,
            Decision::Given => Standing::Given,
            Decision::Refused => Standing::Refused,
            Decision::Withdrawn => Standing::Withdrawn,
        },
    }
}

/// When the person may be asked about `purpose`; `None`: at any time.
pub fn prompt_not_before(log: &[ConsentRecord], purpose: Purpose) -> Option<Time> {
    latest(log, purpose).map(|record| match record.decision {
        Decision::Given => record.at.plus(CONSENT_VALID),
        Decision::Refused | Decision::Withdrawn => record.at.plus(NO_PROMPT_FOR),
    })
}

/// What counts for somebody who was never asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConsentDefault {
    /// Nothing is allowed before it is given.
    #[default]
    Required,
    /// Profiles are kept and used until the person objects. Nothing else is assumed.
    Assumed,
}

impl ConsentDefault {
    /// Whether `purpose` is allowed at `now`.
    pub fn allows(self, log: &[ConsentRecord], purpose: Purpose, now: Time) -> bool {
        match standing(log, purpose, now) {
            Standing::Given => true,
            Standing::Unasked => self == Self::Assumed && matches!(purpose, Purpose::ProfileCreate | Purpose::ProfileUse),
            Standing::Refused | Standing::Withdrawn | Standing::Expired => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(purpose: Purpose, decision: Decision, at: Time) -> ConsentRecord {
        ConsentRecord { purpose, decision, at, notice: String::new(), signature: Vec::new() }
    }

    #[test]
    fn the_last_word_counts_and_each_purpose_stands_alone() {
        let day = |n| Time(0).plus(Span::days(n));
        let mut log = vec![record(Purpose::ProfileUse, Decision::Given, day(1))];
        assert_eq!(standing(&log, Purpose::ProfileUse, day(2)), Standing::Given);
        assert_eq!(standing(&log, Purpose::ProfileCreate, day(2)), Standing::Unasked);
        assert_eq!(standing(&log, Purpose::ProfileUse, day(366)), Standing::Expired);
        log.push(record(Purpose::ProfileUse, Decision::Withdrawn, day(3)));
        assert_eq!(standing(&log, Purpose::ProfileUse, day(2_000)), Standing::Withdrawn);
        assert_eq!(prompt_not_before(&log, Purpose::ProfileUse), Some(day(368)));
        assert_eq!(prompt_not_before(&log, Purpose::Push), None);
    }

    #[test]
    fn an_assumption_covers_the_profile_only_and_never_outweighs_a_word() {
        let now = Time(0).plus(Span::days(10));
        for purpose in Purpose::ALL {
            let is_profile = matches!(purpose, Purpose::ProfileCreate | Purpose::ProfileUse);
            assert!(!ConsentDefault::Required.allows(&[], purpose, now));
            assert_eq!(ConsentDefault::Assumed.allows(&[], purpose, now), is_profile);
            for decision in [Decision::Refused, Decision::Withdrawn] {
                assert!(!ConsentDefault::Assumed.allows(&[record(purpose, decision, now)], purpose, now));
            }
            assert!(ConsentDefault::Required.allows(&[record(purpose, Decision::Given, now)], purpose, now));
            assert_eq!(Purpose::parse(purpose.name()), Some(purpose));
        }
    }
}
