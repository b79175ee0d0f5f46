//! The demo catalogue: its six personas, and readers of one or two topics who have opened a few items.

use std::collections::BTreeSet;

use polyphony::{
    demo,
    domain::{Event, EventKind, Item, ItemId, Span, Time},
};
use rand::{RngExt, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

use super::{World, data::DIMENSION, readers};

const SEED: u64 = 7;
const NOW: Time = Time::from_secs(1_791_533_700);
/// One reader in so many is a persona.
const PERSONA_EVERY: usize = 4;
/// Of what a persona opened, the last fifth is kept back.
const HELD_OUT_EVERY: usize = 5;
/// Most items that a random reader likes besides those they opened.
const LIKED: usize = 10;

pub fn world(feeds: usize) -> World {
    let items = demo::catalogue(SEED, NOW, DIMENSION);
    let personas: Vec<readers::Reader> = demo::personas(SEED, NOW, &items).into_iter().map(|p| persona(p.events)).collect();
    let background = demo::background(SEED, NOW, &items);
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    let mut all = Vec::with_capacity(feeds);
    for n in 0..feeds {
        let reader = match n % PERSONA_EVERY {
            0 => personas[n / PERSONA_EVERY % personas.len()].clone(),
            _ => random_reader(n, &items, &mut rng),
        };
        all.push(reader);
    }
    readers::world(items, &all, &background, NOW, feeds)
}

/// Learns from all but the items opened last.
fn persona(events: Vec<Event>) -> readers::Reader {
    let opened: Vec<&ItemId> = events.iter().filter(|event| event.kind == EventKind::Open).map(|event| &event.item).collect();
    let held_out: BTreeSet<ItemId> = opened.iter().rev().take(opened.len().div_ceil(HELD_OUT_EVERY)).map(|item| (*item).clone()).collect();
    let events = events.into_iter().filter(|event| !held_out.contains(&event.item)).collect();
    readers::Reader { events, liked: held_out.into_iter().collect() }
}

/// Opens 3 to 12 items of one or two topics in one language, in the last days.
fn random_reader(number: usize, items: &[Item], rng: &mut ChaCha8Rng) -> readers::Reader {
    let language = &items[rng.random_range(0..items.len())].language;
    let topics = [(); 2].map(|()| main_topic(&items[rng.random_range(0..items.len())]));
    let topics = &topics[..rng.random_range(1..=2)];
    let readable = |item: &&Item| {
        let there = item.expires_at.is_none_or(|at| at > NOW) && item.published_at.is_some_and(|at| at < NOW.minus(Span::days(1)));
        there && item.language == *language && topics.contains(&main_topic(item))
    };
    let mut readable: Vec<&ItemId> = items.iter().filter(readable).map(|item| &item.id).collect();
    readable.shuffle(rng);
    let opens = rng.random_range(3..=12).min(readable.len());
    let user = format!("reader-{number}");
    let event = |(n, item): (usize, &&ItemId)| readers::open(&user, item, NOW.minus(Span::hours(20 - n as i64)));
    let events = readable[..opens].iter().enumerate().map(event).collect();
    readers::Reader { events, liked: readable[opens..].iter().take(LIKED).map(|item| (*item).clone()).collect() }
}

fn main_topic(item: &Item) -> Option<&str> {
    item.topics.iter().find(|(_, weight)| *weight >= 1.0).map(|(topic, _)| &**topic)
}
