//! Time-split replay: each person is asked a feed at a moment of their own past, knowing only what was known then.
//!
//! ```text
//! events in the order of time ──► learned: profiles, popularity ──► cut ──► a feed is asked for
//!                                                                     └──► what the person liked later: the truth
//! ```
//!
//! Nothing from after a person's cut reaches their feed: not their own events, not anybody else's, not popularity. A log
//! holds only what people came upon, so what they would have liked and never met counts as a miss: compare policies, and
//! do not read a number as the share of a feed that is good.

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use serde::Serialize;

use super::{
    learner::{Learner, NotLearned},
    pipeline::Asked,
};
use crate::{
    catalogue::Row,
    domain::{Event, EventKind, Item, Profile, Span, Time, UserId},
    learn,
};

/// Fewest rewards of a person: with fewer there is nothing to learn from or nothing to find.
pub const MIN_REWARDS_PER_PERSON: usize = 5;
/// Most people asked: each keeps a profile and the changed part of a catalogue.
pub const MAX_PEOPLE: usize = 20_000;

/// What people did, and with which items.
#[derive(Clone, Debug, Default)]
pub struct EventLog {
    pub items: Vec<Item>,
    /// In any order.
    pub events: Vec<Event>,
}

/// What counts as liked. Never the time somebody spent: a feed that holds people longer has not served them better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reward {
    /// Took it up: `open`, or an act that comes after it (`like`, `save`, `share`, `reply`).
    Opens,
    /// Said so: `like`.
    Likes,
}

impl Reward {
    pub const ALL: [Reward; 2] = [Self::Opens, Self::Likes];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Opens => "opens",
            Self::Likes => "likes",
        }
    }

    /// Whether an event of `kind` is one.
    pub const fn is_given_by(self, kind: &EventKind) -> bool {
        match self {
            Self::Opens => matches!(kind, EventKind::Open | EventKind::Like | EventKind::Save | EventKind::Share | EventKind::Reply),
            Self::Likes => matches!(kind, EventKind::Like),
        }
    }
}

/// Where a person's past ends. Both are splits by time; a random one would tell the future.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// For each person at their own time, after the first share of their rewards: everybody who has enough of them is asked.
    Person,
    /// For all at one time, after the first share of all events: as a server meets them, but who came only before or only
    /// after it is not asked. Meng, McCreadie, Macdonald & Ounis, RecSys 2020, compare the two.
    Calendar,
}

impl Split {
    pub const ALL: [Split; 2] = [Self::Person, Self::Calendar];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Calendar => "calendar",
        }
    }
}

/// How a log is replayed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Protocol {
    pub reward: Reward,
    pub split: Split,
    /// Share of the rewards (or, by the calendar, of all events) that is learned, in (0, 1).
    pub learned: f64,
    /// How many people are asked, drawn by the seed; `None`: all.
    pub people: Option<usize>,
    pub seed: u64,
}

/// The feeds to ask for, and what the log says besides.
pub struct Replay {
    /// One for each person, by user id.
    pub asked: Vec<Asked>,
    /// Of each item how many people of the whole log had to do with it: for novelty.
    pub met_by: HashMap<Row, u64>,
    pub summary: Summary,
}

/// What was replayed and what was left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Summary {
    pub items: usize,
    pub events: usize,
    pub people: usize,
    /// People a feed is asked for.
    pub asked: usize,
    /// Left out of those: too few rewards, or none on one side of the cut.
    pub too_few_rewards: usize,
    /// Left out: the sample did not draw them.
    pub not_sampled: usize,
    /// Rewards there are to find, of all people asked.
    pub to_find: usize,
    /// Events whose item is not in the catalogue.
    pub unknown_items: usize,
    /// Events that a profile refused, as the server would have.
    pub refused: usize,
}

impl Replay {
    /// Learns `log` and stops at each person's cut. `dimension` numbers in every embedding; popularity halves in
    /// `popularity_half_life`, the server's. Deterministic: the order of `log.events` matters only between equal times.
    pub fn new(log: EventLog, protocol: &Protocol, dimension: usize, popularity_half_life: Span) -> Self {
        let EventLog { items, mut events } = log;
        events.sort_by_key(|event| event.at);
        let mut summary = Summary { items: items.len(), events: events.len(), ..Summary::default() };
        let learner = Learner::new(items, dimension, popularity_half_life);
        let before = events.len();
        events.retain(|event| learner.find(&event.item).is_some());
        summary.unknown_items = before - events.len();
        let histories = histories(&events);
        summary.people = histories.len();
        let mut cuts: Vec<Cut> = histories.iter().filter_map(|(user, own)| Cut::new(user, own, &events, protocol)).collect();
        summary.too_few_rewards = summary.people - cuts.len();
        let wanted = protocol.people.unwrap_or(MAX_PEOPLE).min(MAX_PEOPLE);
        if cuts.len() > wanted {
            cuts.sort_by_key(|cut| cut.draw);
            summary.not_sampled = cuts.len() - wanted;
            cuts.truncate(wanted);
        }
        cuts.sort_by_key(|cut| (cut.at_event, cut.user));
        let met_by = met_by(&histories, &events, &learner);
        let mut run = Run { learner, profiles: HashMap::new(), asked: Vec::with_capacity(cuts.len()), summary };
        run.learn(&events, &cuts, &histories, protocol.reward);
        let Run { mut asked, mut summary, .. } = run;
        asked.sort_by(|a, b| a.0.cmp(b.0));
        let asked: Vec<Asked> = asked.into_iter().zip(0..).map(|((_, asked), person)| Asked { person, ..asked }).collect();
        summary.asked = asked.len();
        summary.to_find = asked.iter().map(|asked| asked.liked.len()).sum();
        Self { asked, met_by, summary }
    }
}

/// Each person's events, as indices in the order of time.
type Histories<'a> = BTreeMap<&'a UserId, Vec<usize>>;

fn histories(events: &[Event]) -> Histories<'_> {
    let mut histories = Histories::new();
    for (index, event) in events.iter().enumerate() {
        histories.entry(&event.user).or_default().push(index);
    }
    histories
}

fn met_by(histories: &Histories, events: &[Event], learner: &Learner) -> HashMap<Row, u64> {
    let mut met_by = HashMap::new();
    for own in histories.values() {
        let rows: HashSet<Row> = own.iter().filter_map(|index| learner.find(&events[*index].item)).collect();
        rows.into_iter().for_each(|row| *met_by.entry(row).or_insert(0) += 1);
    }
    met_by
}

/// Where one person's past ends.
struct Cut<'a> {
    user: &'a UserId,
    /// Index of the first event that is not known.
    at_event: usize,
    now: Time,
    /// Orders people for sampling, whatever their ids look like.
    draw: u64,
    seed: u64,
}

impl<'a> Cut<'a> {
    /// `None`: too few rewards, or none on one side.
    fn new(user: &'a UserId, own: &[usize], events: &[Event], protocol: &Protocol) -> Option<Self> {
        let is_reward = |index: &usize| !events[*index].undo && protocol.reward.is_given_by(&events[*index].kind);
        let rewards: Vec<usize> = own.iter().copied().filter(is_reward).collect();
        if rewards.len() < MIN_REWARDS_PER_PERSON {
            return None;
        }
        let at_event = match protocol.split {
            Split::Person => {
                let learned = (rewards.len() as f64 * protocol.learned) as usize;
                *rewards.get(learned.clamp(1, rewards.len() - 1))?
            }
            Split::Calendar => {
                let at = events.get((events.len() as f64 * protocol.learned) as usize)?.at;
                events.partition_point(|event| event.at < at)
            }
        };
        let both_sides = rewards[0] < at_event && rewards[rewards.len() - 1] >= at_event;
        let number = |purpose: &str| {
            let hash = blake3::hash(format!("{purpose}|{}|{user}", protocol.seed).as_bytes());
            let mut first = [0; 8];
            first.copy_from_slice(&hash.as_bytes()[..8]);
            u64::from_le_bytes(first)
        };
        both_sides.then(|| Self { user, at_event, now: events[at_event].at, draw: number("sample"), seed: number("feed") })
    }
}

struct Run<'a> {
    learner: Learner,
    profiles: HashMap<&'a UserId, Profile>,
    asked: Vec<(&'a UserId, Asked)>,
    summary: Summary,
}

impl<'a> Run<'a> {
    /// Goes through the log once; `cuts` come in its order.
    fn learn(&mut self, events: &'a [Event], cuts: &[Cut<'a>], histories: &Histories<'a>, reward: Reward) {
        let mut open: HashMap<&UserId, usize> = cuts.iter().map(|cut| (cut.user, cut.at_event)).collect();
        let mut next = cuts.iter().peekable();
        for (index, event) in events.iter().enumerate() {
            while let Some(cut) = next.next_if(|cut| cut.at_event <= index) {
                self.ask(cut, events, &histories[cut.user], reward);
                open.remove(cut.user);
            }
            match open.get(&event.user) {
                Some(_) => self.learn_one(event),
                // Nobody asks for this person's feed any more, but the item was used.
                None => {
                    if let Some(row) = self.learner.find(&event.item) {
                        self.learner.count(row, learn::used(event), event.at);
                    }
                }
            }
        }
    }

    fn learn_one(&mut self, event: &'a Event) {
        let profile = self.profiles.entry(&event.user).or_default();
        if let Err(NotLearned::Refused(_)) = self.learner.learn(profile, event) {
            self.summary.refused += 1;
        }
    }

    fn ask(&mut self, cut: &Cut<'a>, events: &[Event], own: &[usize], reward: Reward) {
        let met = |index: &&usize| **index < cut.at_event;
        let known: HashSet<Row> = own.iter().take_while(met).filter_map(|index| self.learner.find(&events[*index].item)).collect();
        let later = own.iter().skip_while(met).map(|index| &events[*index]);
        let rewarded = later.filter(|event| !event.undo && reward.is_given_by(&event.kind));
        let liked: HashSet<Row> = rewarded.filter_map(|event| self.learner.find(&event.item)).filter(|row| !known.contains(row)).collect();
        if liked.is_empty() {
            self.summary.too_few_rewards += 1;
            return;
        }
        let profile = Arc::new(self.profiles.remove(cut.user).unwrap_or_default());
        let asked = Asked { person: 0, snapshot: self.learner.snapshot(), now: cut.now, profile, liked, seed: cut.seed };
        self.asked.push((cut.user, asked));
    }
}
