//! What came of a run, and how sure that is over seeds.

use polyphony::rank::metrics::{entropy_bits, js_divergence_bits};

use super::{LAST, SLATE, reader::INTERESTS, world::TOPICS};

/// What is measured, means over readers. The discriminant is the index into an [`Outcome`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Measure {
    /// Share of the true interests that were ever shown.
    Ever,
    /// Share of the true interests shown within the last [`LAST`] rounds.
    Still,
    /// Share of the true interests that did not fade away.
    Surviving,
    /// Clicks per slate.
    Clicks,
    /// Entropy of the topics shown within the last [`LAST`] rounds, in bits.
    Entropy,
    /// Intra-list diversity under the policy's similarity.
    Ild,
    /// Jensen–Shannon divergence of the topics shown to two readers within the last [`LAST`] rounds, in bits; mean of pairs.
    Between,
    /// Slope of the entropy of one slate's topics over rounds, in bits per 100 rounds (least squares).
    EntropySlope,
    /// Slope of the share of true interests on one slate, in percentage points per 100 rounds.
    InterestSlope,
    /// Rounds until 80 % of the true interests were shown, on the mean over readers; all rounds when that never came.
    RoundsTo80,
}

impl Measure {
    pub const ALL: [Measure; 10] = [
        Self::Ever,
        Self::Still,
        Self::Surviving,
        Self::Clicks,
        Self::Entropy,
        Self::Ild,
        Self::Between,
        Self::EntropySlope,
        Self::InterestSlope,
        Self::RoundsTo80,
    ];
}

/// One number for each [`Measure`].
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome([f64; Measure::ALL.len()]);

impl Outcome {
    pub fn get(&self, measure: Measure) -> f64 {
        self.0[measure as usize]
    }
}

/// A mean over seeds with half the width of its 95 % interval (Student's t).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    pub mean: f64,
    pub half: f64,
}

impl Interval {
    /// Of at least two values.
    pub fn of(values: &[f64]) -> Self {
        /// The 97.5 % quantile of Student's t by degrees of freedom, from 1.
        const T: [f64; 9] = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262];
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0);
        Self { mean, half: T[values.len() - 2] * (variance / n).sqrt() }
    }
}

/// What was shown and clicked, round by round.
pub struct Log {
    /// Of each reader.
    interests: Vec<Vec<usize>>,
    /// Of each reader: the topics of each slate.
    slates: Vec<Vec<Vec<usize>>>,
    clicks: usize,
    /// Of the round at hand: sum over readers.
    ild_sum: f64,
    /// Of each round: mean over readers.
    ild: Vec<f64>,
    surviving: f64,
}

impl Log {
    pub fn new(interests: Vec<Vec<usize>>) -> Self {
        let slates = vec![Vec::new(); interests.len()];
        Self { interests, slates, clicks: 0, ild_sum: 0.0, ild: Vec::new(), surviving: 1.0 }
    }

    pub fn slate(&mut self, reader: usize, topics: &[usize], clicks: usize, ild: f64) {
        assert_eq!(topics.len(), SLATE, "a full slate");
        self.slates[reader].push(topics.to_vec());
        self.clicks += clicks;
        self.ild_sum += ild;
    }

    pub fn end_of_round(&mut self, surviving: f64) {
        self.ild.push(std::mem::take(&mut self.ild_sum) / self.interests.len() as f64);
        self.surviving = surviving;
    }

    pub fn ild_of(&self, round: usize) -> f64 {
        self.ild[round]
    }

    /// Of each round.
    pub fn ild(&self) -> Vec<f64> {
        self.ild.clone()
    }

    pub fn outcome(&self) -> Outcome {
        let rounds = self.ild.len();
        let last = rounds.saturating_sub(LAST);
        let exposures: Vec<Vec<(usize, f64)>> = self.slates.iter().map(|slates| exposure(&slates[last..])).collect();
        let entropies = self.slates.iter().map(|slates| entropy(&slates[last..]));
        let slate_entropy = |round: usize| self.over_readers(|reader| entropy(&self.slates[reader][round..=round]));
        let slate_share = |round: usize| self.over_readers(|reader| self.shown(reader, round, round + 1));
        let slope_of = |of: &dyn Fn(usize) -> f64| slope(&(0..rounds).map(of).collect::<Vec<_>>());
        let reached = (1..=rounds).find(|round| self.over_readers(|reader| self.shown(reader, 0, *round)) >= 0.8);
        let mut outcome = Outcome([0.0; Measure::ALL.len()]);
        for measure in Measure::ALL {
            outcome.0[measure as usize] = match measure {
                Measure::Ever => self.over_readers(|reader| self.shown(reader, 0, rounds)),
                Measure::Still => self.over_readers(|reader| self.shown(reader, last, rounds)),
                Measure::Surviving => self.surviving,
                Measure::Clicks => self.clicks as f64 / (self.interests.len() * rounds) as f64,
                Measure::Entropy => entropies.clone().sum::<f64>() / self.interests.len() as f64,
                Measure::Ild => self.ild.iter().sum::<f64>() / rounds as f64,
                Measure::Between => between(&exposures),
                Measure::EntropySlope => 100.0 * slope_of(&slate_entropy),
                Measure::InterestSlope => 100.0 * 100.0 * slope_of(&slate_share),
                Measure::RoundsTo80 => reached.unwrap_or(rounds) as f64,
            };
        }
        outcome
    }

    fn over_readers(&self, of: impl Fn(usize) -> f64) -> f64 {
        (0..self.interests.len()).map(of).sum::<f64>() / self.interests.len() as f64
    }

    /// Share of a reader's interests shown in rounds `from..to`.
    fn shown(&self, reader: usize, from: usize, to: usize) -> f64 {
        let met = |topic: &usize| self.slates[reader][from..to].iter().any(|slate| slate.contains(topic));
        self.interests[reader].iter().filter(|topic| met(topic)).count() as f64 / INTERESTS as f64
    }
}

fn counts(slates: &[Vec<usize>]) -> [usize; TOPICS] {
    let mut counts = [0; TOPICS];
    slates.iter().flatten().for_each(|topic| counts[*topic] += 1);
    counts
}

fn exposure(slates: &[Vec<usize>]) -> Vec<(usize, f64)> {
    counts(slates).into_iter().enumerate().map(|(topic, count)| (topic, count as f64)).collect()
}

fn entropy(slates: &[Vec<usize>]) -> f64 {
    entropy_bits(counts(slates))
}

/// Mean divergence over all pairs of readers.
fn between(exposures: &[Vec<(usize, f64)>]) -> f64 {
    let pairs = exposures.iter().enumerate().flat_map(|(n, a)| exposures[n + 1..].iter().map(move |b| js_divergence_bits(a, b)));
    let (sum, count) = pairs.fold((0.0, 0), |(sum, count), divergence| (sum + divergence, count + 1));
    sum / f64::from(count)
}

/// Least-squares slope per step.
fn slope(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let middle = (n - 1.0) / 2.0;
    let mean = values.iter().sum::<f64>() / n;
    let products = values.iter().enumerate().map(|(x, y)| (x as f64 - middle) * (y - mean)).sum::<f64>();
    products / values.iter().enumerate().map(|(x, _)| (x as f64 - middle).powi(2)).sum::<f64>()
}
