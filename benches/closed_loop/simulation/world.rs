//! What there is to read: topics, and new items every round.

use std::collections::{HashMap, VecDeque};

use polyphony::{
    catalogue::{CatalogueRecord, Row, Snapshot},
    domain::{Creator, Embedding, Item, ItemId, Span, Time},
};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::{Purpose, draws};

pub const TOPICS: usize = 30;
/// Numbers in an embedding.
pub const DIMENSION: usize = 32;
const ITEMS_PER_ROUND: usize = 600;
const CREATORS_PER_TOPIC: usize = 8;
const SOURCES: usize = 10;
/// Rounds an item stays in the catalogue.
const ROUNDS_KEPT: usize = 2;

/// How clearly items and readers show what they are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readers {
    /// Every item has one topic and lies close to it, all topics are alike large, readers hardly ever click outside their
    /// interests: the server can tell topics apart well, so it narrows fast.
    Sharp,
    /// Every item has a slighter second topic and lies away from its own, the largest topic has six times the items of the
    /// smallest, readers click outside their interests now and then: relevance alone comes upon a third of the interests.
    Soft,
    /// The same with second topics nearly as heavy and items still further off: relevance alone comes upon most interests,
    /// if not for long.
    Diffuse,
}

impl Readers {
    /// Length of the noise on an item's embedding, beside a topic's direction of length 1.
    const fn spread(self) -> f32 {
        match self {
            Self::Sharp => 0.5,
            Self::Soft => 1.2,
            Self::Diffuse => 1.5,
        }
    }

    /// Weight of an item's second topic beside 1 of its own.
    const fn second_topic(self) -> Option<f32> {
        match self {
            Self::Sharp => None,
            Self::Soft => Some(0.65),
            Self::Diffuse => Some(0.8),
        }
    }

    /// Items of a topic in proportion.
    fn size(self, topic: usize) -> f64 {
        match self {
            Self::Sharp => 1.0,
            Self::Soft | Self::Diffuse => 1.0 / (topic as f64 + 6.0),
        }
    }

    /// Chance of a click on what is looked at and of no interest.
    pub const fn stray_click(self) -> f64 {
        match self {
            Self::Sharp => 0.01,
            Self::Soft | Self::Diffuse => 0.05,
        }
    }
}

/// What readers see in an item, and the server does not.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    pub topic: usize,
    /// Another topic and its weight beside 1.
    pub second: Option<(usize, f32)>,
    /// Factor of the chance of a click, 0.6 to 1.4.
    pub appeal: f64,
}

pub struct World {
    pub readers: Readers,
    seed: u64,
    directions: Vec<Vec<f32>>,
    facts: HashMap<ItemId, Facts>,
    /// Ids by round, the oldest first.
    kept: VecDeque<Vec<ItemId>>,
}

impl World {
    pub fn new(readers: Readers, seed: u64) -> Self {
        let mut rng = draws(seed, Purpose::Topics, 0, 0);
        let directions = (0..TOPICS).map(|_| direction(&mut rng)).collect();
        Self { readers, seed, directions, facts: HashMap::new(), kept: VecDeque::new() }
    }

    /// The round's new items, published within the day before `now`; the oldest go.
    pub fn next_round(&mut self, round: usize, now: Time) -> Vec<CatalogueRecord> {
        let mut rng = draws(self.seed, Purpose::Items, round, 0);
        let topics: Vec<usize> = (0..TOPICS).flat_map(|topic| std::iter::repeat_n(topic, self.items_of(topic))).collect();
        let mut records = Vec::with_capacity(2 * ITEMS_PER_ROUND);
        if self.kept.len() == ROUNDS_KEPT {
            let gone = self.kept.pop_front().unwrap_or_default();
            for id in &gone {
                self.facts.remove(id);
            }
            records.extend(gone.into_iter().map(CatalogueRecord::Deleted));
        }
        let mut ids = Vec::with_capacity(ITEMS_PER_ROUND);
        for (n, topic) in topics.into_iter().enumerate() {
            let other = (topic + rng.random_range(1..TOPICS)) % TOPICS;
            let facts =
                Facts { topic, second: self.readers.second_topic().map(|weight| (other, weight)), appeal: rng.random_range(0.6..1.4) };
            let item = self.item(format!("r{round}-{n}"), facts, now, &mut rng);
            self.facts.insert(item.id.clone(), facts);
            ids.push(item.id.clone());
            records.push(CatalogueRecord::Put(Box::new(item)));
        }
        self.kept.push_back(ids);
        records
    }

    fn items_of(&self, topic: usize) -> usize {
        let all: f64 = (0..TOPICS).map(|topic| self.readers.size(topic)).sum();
        (ITEMS_PER_ROUND as f64 * self.readers.size(topic) / all).round() as usize
    }

    fn item(&self, id: String, facts: Facts, now: Time, rng: &mut ChaCha8Rng) -> Item {
        let Facts { topic, second, .. } = facts;
        let mut topics = vec![(name(topic).into(), 1.0)];
        topics.extend(second.map(|(second, weight)| (name(second).into(), weight)));
        topics.sort_by(|a: &(std::sync::Arc<str>, f32), b| a.0.cmp(&b.0));
        let noise = direction(rng);
        let mut numbers: Vec<f32> =
            self.directions[topic].iter().zip(noise).map(|(center, noise)| center + self.readers.spread() * noise).collect();
        if let Some((second, weight)) = second {
            numbers.iter_mut().zip(&self.directions[second]).for_each(|(number, center)| *number += weight * center);
        }
        Item {
            title: id.clone(),
            id: ItemId::new(id).expect("a valid id"),
            description: None,
            url: None,
            image: None,
            creator: Some(Creator { id: format!("c{topic}-{}", rng.random_range(0..CREATORS_PER_TOPIC)).into(), name: None }),
            topics,
            source: Some(format!("s{}", rng.random_range(0..SOURCES)).into()),
            viewpoint: None,
            language: None,
            format: None,
            published_at: Some(now.minus(Span(rng.random_range(0..super::ROUND.0)))),
            expires_at: None,
            embedding: Some(Embedding::from_model(&numbers, DIMENSION).expect("finite numbers")),
            attributes: None,
            sponsored: None,
        }
    }

    pub fn facts(&self, snapshot: &Snapshot, row: Row) -> Facts {
        self.facts[&snapshot.entry(row).expect("a served item is in the catalogue").item.id]
    }
}

fn name(topic: usize) -> String {
    format!("t{topic:02}")
}

/// A uniform direction of length 1 (normal numbers, scaled).
fn direction(rng: &mut ChaCha8Rng) -> Vec<f32> {
    let mut normal = || {
        let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
        radius * (std::f64::consts::TAU * rng.random::<f64>()).cos()
    };
    let numbers: Vec<f64> = (0..DIMENSION).map(|_| normal()).collect();
    let length = numbers.iter().map(|x| x * x).sum::<f64>().sqrt();
    numbers.into_iter().map(|x| (x / length) as f32).collect()
}
