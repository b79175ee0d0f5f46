//! Which candidates may be shown at all. Filters run before scoring; each removal keeps its reason.

use super::{Candidate, Context};
use crate::{
    catalogue::{Entry, FacetCode, NumberSet, Row},
    domain::{
        Facet, FacetValue, Profile, Span, Time,
        keyword::Keywords,
        policy::{Constraint, Repeat},
        profile::{MuteTarget, Seen},
    },
};

/// Why a candidate was taken out: a closed list, in the order the filters run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Why {
    /// `expires_at` has passed.
    Expired,
    /// `published_at` lies ahead.
    NotYetPublished,
    /// Named in the request's `exclude`, or served earlier in the feed this one continues.
    Excluded,
    /// Seen or opened within the policy's cooldown.
    Seen,
    /// The person muted the item, its topic, creator or source, or set a topic to −1.
    Muted,
    /// Of topics that a cap keeps from filling what the person is shown.
    Capped,
    /// It says a keyword the person blocked.
    Keyword,
    /// Not in a language the person chose.
    Language,
}

impl Why {
    pub const ALL: [Why; 8] =
        [Self::Expired, Self::NotYetPublished, Self::Excluded, Self::Seen, Self::Muted, Self::Capped, Self::Keyword, Self::Language];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::NotYetPublished => "not_yet_published",
            Self::Excluded => "excluded",
            Self::Seen => "seen",
            Self::Muted => "muted",
            Self::Capped => "capped",
            Self::Keyword => "keyword",
            Self::Language => "language",
        }
    }
}

/// A candidate that a filter took out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Removed {
    pub row: Row,
    pub why: Why,
}

/// Splits candidates into kept and removed, both in the order given. `excluded` holds item hashes.
pub fn filter(candidates: Vec<Candidate>, excluded: &[u64], context: &Context) -> (Vec<Candidate>, Vec<Removed>) {
    let rules = Rules::new(excluded, context);
    let mut kept = Vec::with_capacity(candidates.len());
    let mut removed = Vec::new();
    for candidate in candidates {
        let Some(entry) = context.snapshot.entry(candidate.row) else { continue };
        match rules.check(entry) {
            None => kept.push(candidate),
            Some(why) => removed.push(Removed { row: candidate.row, why }),
        }
    }
    (kept, removed)
}

/// The filters of one request, prepared for many items.
#[derive(Debug)]
pub struct Rules {
    now: Time,
    excluded: NumberSet<u64>,
    /// Items seen or opened within the policy's cooldown.
    cooling: NumberSet<u64>,
    muted_items: NumberSet<u64>,
    muted_facets: NumberSet<FacetCode>,
    capped_topics: NumberSet<FacetCode>,
    keywords: Keywords,
    languages: NumberSet<FacetCode>,
}

impl Rules {
    pub fn new(excluded: &[u64], context: &Context) -> Self {
        let mut rules = Self {
            now: context.now,
            excluded: excluded.iter().copied().collect(),
            cooling: NumberSet::default(),
            muted_items: NumberSet::default(),
            muted_facets: NumberSet::default(),
            capped_topics: NumberSet::default(),
            keywords: Keywords::default(),
            languages: NumberSet::default(),
        };
        if let Some(profile) = context.profile {
            rules.cooling.reserve(profile.seen.len());
            let repeat = &context.policy.repeat;
            rules.cooling.extend(profile.seen.iter().filter(|seen| is_cooling(seen, repeat, context.now)).map(|seen| seen.item_hash));
            rules.learn_mutes(profile, context);
            rules.learn_caps(profile, context);
        }
        rules
    }

    /// Caps whose topics have filled their share of what the person was shown lately.
    fn learn_caps(&mut self, profile: &Profile, context: &Context) {
        for constraint in &context.policy.constraint {
            let Constraint::Cap { topics, rolling_share: Some(most), liftable, .. } = constraint else { continue };
            let shown = |is_in: &dyn Fn(&FacetValue) -> bool| {
                let topics = profile.exposures.iter().filter(|exposure| exposure.facet == Facet::Topic && is_in(&exposure.value));
                topics.map(|exposure| exposure.shown).sum::<f32>()
            };
            let (all, capped) = (shown(&|_| true), shown(&|topic| topics.contains(topic)));
            let is_lifted = *liftable && profile.preferences.lifts_caps;
            if !is_lifted && capped > 0.0 && capped >= most * all {
                self.capped_topics.extend(topics.iter().filter_map(|topic| context.snapshot.codes().get(Facet::Topic, topic)));
            }
        }
    }

    fn learn_mutes(&mut self, profile: &Profile, context: &Context) {
        let codes = context.snapshot.codes();
        for mute in profile.mutes.iter().filter(|mute| mute.binds(context.now)) {
            match &mute.target {
                MuteTarget::Item(id) => {
                    self.muted_items.insert(id.hash64());
                }
                MuteTarget::Facet(facet, value) => self.muted_facets.extend(codes.get(*facet, value)),
            }
        }
        let never = profile.preferences.topics.iter().filter(|(_, level)| **level <= -1.0);
        self.muted_facets.extend(never.filter_map(|(topic, _)| codes.get(Facet::Topic, topic)));
        self.keywords = Keywords::new(&profile.preferences.blocked_keywords);
        // A language nobody publishes in must still exclude the others: its code is made, not looked up.
        self.languages.extend(profile.preferences.languages.iter().map(|l| codes.intern(Facet::Language, l)));
    }

    /// The first filter that takes the item out, if any.
    pub fn check(&self, entry: &Entry) -> Option<Why> {
        if entry.expires_at.is_some_and(|at| at <= self.now) {
            return Some(Why::Expired);
        }
        if entry.published_at.is_some_and(|at| at > self.now) {
            return Some(Why::NotYetPublished);
        }
        if self.excluded.contains(&entry.hash) {
            return Some(Why::Excluded);
        }
        if self.cooling.contains(&entry.hash) {
            return Some(Why::Seen);
        }
        if self.is_muted(entry) {
            return Some(Why::Muted);
        }
        if !self.capped_topics.is_empty() && entry.topics.iter().any(|(code, _)| self.capped_topics.contains(code)) {
            return Some(Why::Capped);
        }
        if !self.keywords.is_empty() && self.keywords.are_in(entry.item.words()) {
            return Some(Why::Keyword);
        }
        let other_language = entry.language.is_some_and(|code| !self.languages.contains(&code));
        (!self.languages.is_empty() && other_language).then_some(Why::Language)
    }

    fn is_muted(&self, entry: &Entry) -> bool {
        if self.muted_items.contains(&entry.hash) {
            return true;
        }
        if self.muted_facets.is_empty() {
            return false;
        }
        let single = [entry.creator, entry.source, entry.viewpoint, entry.language, entry.format];
        single.into_iter().flatten().chain(entry.topics.iter().map(|(code, _)| *code)).any(|code| self.muted_facets.contains(&code))
    }
}

fn is_cooling(seen: &Seen, repeat: &Repeat, now: Time) -> bool {
    let cooldown = if seen.opened { repeat.opened_cooldown } else { repeat.seen_cooldown };
    cooldown == Span::FOREVER || now.since(seen.at) < cooldown.as_millis()
}
