//! A closed loop around the real pipeline: readers click on what they are shown, the server learns from it, and serves again.
//!
//! Sources, scoring, placing, learning and popularity are the server's own, under its own policy; only items and readers
//! are made up. Nothing but the seed is random: one stream per purpose, the same for every arm, so that arms are compared
//! on the same items, the same readers and the same luck. Effects in simulation; they say nothing about what people believe.

mod arm;
mod measure;
mod reader;
mod world;

use std::{collections::BTreeMap, sync::Arc};

use polyphony::{
    catalogue::{Catalogue, CatalogueRecord, Row, Snapshot},
    domain::{Event, Popularity, Span, Time, policy::ActivePolicy},
    learn,
    rank::{View, metrics},
    source::{self, CandidateSource},
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

pub use arm::Arm;
use measure::Log;
pub use measure::{Interval, Measure, Outcome};
use reader::Reader;
pub use world::Readers;
use world::World;

/// Items on a slate.
pub const SLATE: usize = 10;
/// Last rounds that "still" speaks of.
pub const LAST: usize = 20;
/// Clicks of every reader on one of their interests before the first round: what a bubble can grow from.
pub const FIRST_CLICKS: usize = 5;
const START: Time = Time::from_secs(1_790_000_000);
const ROUND: Span = Span::days(1);

/// How much is simulated.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub readers: usize,
    pub rounds: usize,
}

/// What is random, by what it is for.
#[derive(Clone, Copy)]
#[repr(u64)]
enum Purpose {
    Topics = 1,
    Items,
    Truth,
    Clicks,
    Feed,
    Noise,
}

fn draws(seed: u64, purpose: Purpose, round: usize, reader: usize) -> ChaCha8Rng {
    let mut bytes = [0; 32];
    for (part, number) in bytes.chunks_mut(8).zip([seed, purpose as u64, round as u64, reader as u64]) {
        part.copy_from_slice(&number.to_le_bytes());
    }
    ChaCha8Rng::from_seed(bytes)
}

/// One arm with one seed. `ild` is the mean intra-list diversity of each round that [`Arm::Placebo`] is to have; the
/// others do not look at it. Returns what came of it, and the diversity of each round.
pub fn run(arm: Arm, readers: Readers, size: Size, seed: u64, ild: &[f64]) -> (Outcome, Vec<f64>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let server = Server::new(arm, seed);
    let mut world = World::new(readers, seed);
    let mut people: Vec<Reader> = (0..size.readers).map(|n| Reader::new(n, seed)).collect();
    let mut log = Log::new(people.iter().map(|reader| reader.interests.clone()).collect());
    // How much of a placebo's order is noise: steered from round to round.
    let mut noise = 0.3;
    for round in 0..size.rounds {
        let now = START.plus(Span(ROUND.0 * round as i64));
        server.catalogue.apply(world.next_round(round, now));
        let snapshot = server.catalogue.snapshot();
        let mut events = Vec::new();
        for reader in &mut people {
            if round == 0 {
                events.extend(reader.begin(&world, &snapshot, now));
            }
            let rows = runtime.block_on(server.slate(reader, &snapshot, now, round, noise));
            let topics: Vec<usize> = rows.iter().map(|row| world.facts(&snapshot, *row).topic).collect();
            let view = View::new(rows.iter().map(|row| Some(*row)), &snapshot, &server.policy.policy.diversify.similarity);
            let clicked = reader.read(&rows, &world, &snapshot, &mut draws(seed, Purpose::Clicks, round, reader.number));
            log.slate(reader.number, &topics, clicked.len(), metrics::ild(view.len(), |a, b| view.similarity(a, b)));
            events.extend(reader.learn(&rows, &clicked, &snapshot, now));
        }
        log.end_of_round(people.iter().map(Reader::surviving).sum::<f64>() / size.readers as f64);
        if let Some(wanted) = ild.get(round) {
            noise = (noise + wanted - log.ild_of(round)).clamp(0.0, 1.0);
        }
        server.count(&events);
    }
    (log.outcome(), log.ild())
}

/// The part of the server that decides what is shown.
struct Server {
    arm: Arm,
    seed: u64,
    policy: Arc<ActivePolicy>,
    sources: Vec<Box<dyn CandidateSource>>,
    catalogue: Catalogue,
}

impl Server {
    fn new(arm: Arm, seed: u64) -> Self {
        let policy = Arc::new(ActivePolicy::new(arm.policy()));
        let catalogue = Catalogue::new(world::DIMENSION, policy.policy.score.popularity_half_life);
        Self { arm, seed, policy, sources: source::in_process(), catalogue }
    }

    async fn slate(&self, reader: &Reader, snapshot: &Arc<Snapshot>, now: Time, round: usize, noise: f64) -> Vec<Row> {
        let seed = draws(self.seed, Purpose::Feed, round, reader.number).random();
        let profile = Some(Arc::clone(&reader.profile));
        let query = Arc::new(source::Query::new(Arc::clone(snapshot), profile, Arc::clone(&self.policy), now, seed, Vec::new()));
        // So far away that no source is ever late: lateness would not be repeatable.
        let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(3_600);
        let gathered = source::gather(&self.sources, &query, deadline).await;
        self.arm.place(gathered.candidates, &query, noise, &mut draws(self.seed, Purpose::Noise, round, reader.number))
    }

    /// Adds a round's events to the items' popularity.
    fn count(&self, events: &[Event]) {
        let snapshot = self.catalogue.snapshot();
        let mut sums: BTreeMap<&polyphony::domain::ItemId, Popularity> = BTreeMap::new();
        for event in events {
            let Some(row) = snapshot.find(&event.item) else { continue };
            let popularity = sums.entry(&event.item).or_insert_with(|| snapshot.popularity(row));
            popularity.add(learn::used(event), event.at, snapshot.popularity_half_life());
        }
        self.catalogue.apply(sums.into_iter().map(|(item, popularity)| CatalogueRecord::Popularity(item.clone(), popularity)));
    }
}
