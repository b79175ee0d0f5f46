//! A reader: what they truly like, which the server never sees, and their profile, which is all it knows.

use std::{collections::BTreeMap, sync::Arc};

use polyphony::{
    catalogue::{Row, Snapshot},
    domain::{Event, EventId, EventKind, Item, Profile, Scope, Span, Time, UserId},
    learn,
};
use rand::{RngExt, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

use super::{
    FIRST_CLICKS, Purpose, draws,
    world::{Facts, TOPICS, World},
};

/// True interests of a reader.
pub const INTERESTS: usize = 6;
/// Chance of a click on an item that is looked at, of full interest and of mean appeal.
const CLICK: f64 = 0.5;
/// An interest that was not shown in a round keeps this much: it halves in 23 rounds.
const KEPT: f64 = 0.97;
/// What a click adds to an interest, of what is missing to 1.
const GROWN: f64 = 0.2;
/// An interest below this is lost.
const LOST: f64 = 0.25;

pub struct Reader {
    pub number: usize,
    /// The topics they like, the one their profile starts with first.
    pub interests: Vec<usize>,
    /// How much, in [0, 1], by topic.
    strengths: BTreeMap<usize, f64>,
    pub profile: Arc<Profile>,
}

impl Reader {
    pub fn new(number: usize, seed: u64) -> Self {
        let mut rng = draws(seed, Purpose::Truth, 0, number);
        let mut topics: Vec<usize> = (0..TOPICS).collect();
        topics.shuffle(&mut rng);
        topics.truncate(INTERESTS);
        let strengths = topics.iter().map(|topic| (*topic, rng.random_range(0.6..1.0))).collect();
        Self { number, interests: topics, strengths, profile: Arc::default() }
    }

    /// The clicks before the first round, all on one interest.
    pub fn begin(&mut self, world: &World, snapshot: &Snapshot, now: Time) -> Vec<Event> {
        let before = now.minus(Span::hours(1));
        let mut known: Vec<Row> = snapshot.fresh().filter(|row| world.facts(snapshot, *row).topic == self.interests[0]).collect();
        known.truncate(FIRST_CLICKS);
        let opens = known.into_iter().map(|row| self.learn_one(EventKind::Open, row, None, snapshot, before));
        opens.collect()
    }

    /// Looks at a slate: the positions that are clicked. The chance is position × interest × appeal: the position-based
    /// model with the discount of DCG, 1 / log2(rank + 1), which is not the one the server assumes. Then interests change.
    pub fn read(&mut self, rows: &[Row], world: &World, snapshot: &Snapshot, rng: &mut ChaCha8Rng) -> Vec<usize> {
        let mut clicked = Vec::new();
        let mut shown = [false; TOPICS];
        for (position, row) in rows.iter().enumerate() {
            let facts = world.facts(snapshot, *row);
            let examined = 1.0 / (position as f64 + 2.0).log2();
            shown[facts.topic] = true;
            if rng.random::<f64>() < examined * facts.appeal * self.liked(&facts).max(world.readers.stray_click()) {
                clicked.push(position);
                if let Some(strength) = self.strengths.get_mut(&facts.topic) {
                    *strength += GROWN * (1.0 - *strength);
                }
            }
        }
        for (topic, strength) in &mut self.strengths {
            if !shown[*topic] {
                *strength *= KEPT;
            }
        }
        clicked
    }

    /// Chance of a click on an item that is looked at and of mean appeal: by its topic, or by its second one.
    fn liked(&self, facts: &Facts) -> f64 {
        let of = |topic: usize| self.strengths.get(&topic).copied().unwrap_or(0.0);
        let second = facts.second.map_or(0.0, |(topic, weight)| f64::from(weight) * of(topic));
        CLICK * of(facts.topic).max(second)
    }

    /// Reports what was seen and opened, and learns it as the server does.
    pub fn learn(&mut self, rows: &[Row], clicked: &[usize], snapshot: &Snapshot, now: Time) -> Vec<Event> {
        let mut events = Vec::with_capacity(rows.len() + clicked.len());
        for (position, row) in rows.iter().enumerate() {
            let at = now.plus(Span::secs(position as i64));
            events.push(self.learn_one(EventKind::Seen, *row, Some(position), snapshot, at));
            if clicked.contains(&position) {
                events.push(self.learn_one(EventKind::Open, *row, Some(position), snapshot, at));
            }
        }
        events
    }

    fn learn_one(&mut self, kind: EventKind, row: Row, position: Option<usize>, snapshot: &Snapshot, at: Time) -> Event {
        let item: &Item = &snapshot.entry(row).expect("a served item is in the catalogue").item;
        let event = Event {
            id: EventId::new(format!("{}-{}-{}", kind.name(), self.number, item.id)).expect("a valid id"),
            user: UserId::new(format!("reader-{}", self.number)).expect("a valid id"),
            kind,
            item: item.id.clone(),
            at,
            undo: false,
            scope: Scope::Item,
            feed: None,
            position: position.map(|position| position as u32),
            visible_ms: None,
        };
        let most = snapshot.trending().next().map(|row| snapshot.popularity(row)).unwrap_or_default();
        let prominence = snapshot.popularity(row).prominence(&most, at, snapshot.popularity_half_life());
        learn::learn(Arc::make_mut(&mut self.profile), &event, item, prominence).expect("nothing to refuse");
        event
    }

    /// Share of the interests that are not lost.
    pub fn surviving(&self) -> f64 {
        self.strengths.values().filter(|strength| **strength >= LOST).count() as f64 / INTERESTS as f64
    }
}
