//! Objectives of the slate's mix over the values of one facet: calibration to a target, and coverage of it.

use super::{
    Shared,
    flat::{CLOSED, Gain},
};
use crate::{
    catalogue::{Entry, FacetCode, Snapshot},
    domain::{Facet, Profile, policy::Calibrate, policy::Toward},
};

/// Share of the target mixed into the slate's distribution, so that the divergence stays finite (Steck, RecSys 2018).
const SMOOTHING: f64 = 0.01;
/// How much of a value one item with nothing else covers; the rest stays for the next (α of α-nDCG: Clarke et al., SIGIR 2008).
const COVERED_BY_ONE: f32 = 0.5;

/// A target distribution over facet values, and what each candidate adds to it.
pub struct Mix {
    /// Sums to 1; empty when nothing is known to aim at.
    target: Vec<f64>,
    /// `(index into target, share of the candidate)` of all candidates, one after another. Values outside the target are left out.
    members: Vec<(u32, f32)>,
    spans: Vec<std::ops::Range<u32>>,
    /// Whether the candidate has the facet at all.
    counted: Vec<bool>,
}

impl Mix {
    /// The mix that `calibrate` asks for, over candidates in index order (`None`: gone). A reader without likings in the
    /// facet is calibrated toward the catalogue.
    pub fn new<'e>(
        calibrate: &Calibrate,
        candidates: impl ExactSizeIterator<Item = Option<&'e Entry>>,
        snapshot: &Snapshot,
        profile: Option<&Profile>,
    ) -> Self {
        let candidates: Vec<Option<&Entry>> = candidates.collect();
        let mut codes = target_codes(calibrate, &candidates, snapshot, profile);
        // In code order for the search below; summed in value order above, so that the order of ingestion decides nothing.
        codes.sort_unstable_by_key(|(code, _, _)| *code);
        let mut mix = Self {
            target: Vec::with_capacity(codes.len()),
            members: Vec::with_capacity(2 * candidates.len()),
            spans: Vec::with_capacity(candidates.len()),
            counted: Vec::with_capacity(candidates.len()),
        };
        for entry in &candidates {
            let first = mix.members.len() as u32;
            let shares = entry.map(|entry| Shares::of(entry, calibrate.facet));
            for (code, share) in shares.iter().flat_map(Shares::iter) {
                if let Ok(at) = codes.binary_search_by_key(&code, |(c, _, _)| *c) {
                    mix.members.push((codes[at].1, share));
                }
            }
            mix.spans.push(first..mix.members.len() as u32);
            mix.counted.push(shares.is_some_and(|shares| shares.iter().next().is_some()));
        }
        mix.target = vec![0.0; codes.len()];
        for (_, at, share) in codes {
            mix.target[at as usize] = share;
        }
        mix
    }

    fn members(&self, index: usize) -> &[(u32, f32)] {
        &self.members[self.spans[index].start as usize..self.spans[index].end as usize]
    }
}

/// What one item is of a facet: `(value, share)`, the shares summing to 1.
enum Shares<'e> {
    Topics(&'e [(FacetCode, f32)], f32),
    Single(Option<FacetCode>),
}

impl<'e> Shares<'e> {
    fn of(entry: &'e Entry, facet: Facet) -> Self {
        match facet {
            Facet::Topic => Self::Topics(&entry.topics, entry.topic_mass),
            _ => Self::Single(entry.facet(facet)),
        }
    }

    fn iter(&self) -> impl Iterator<Item = (FacetCode, f32)> + '_ {
        let (topics, mass, single) = match self {
            Self::Topics(topics, mass) => (*topics, *mass, None),
            Self::Single(code) => (&[][..], 1.0, *code),
        };
        topics.iter().map(move |(code, weight)| (*code, weight / mass)).chain(single.map(|code| (code, 1.0)))
    }
}

/// `(code, index in value order, share)` of the target.
fn target_codes(
    calibrate: &Calibrate,
    candidates: &[Option<&Entry>],
    snapshot: &Snapshot,
    profile: Option<&Profile>,
) -> Vec<(FacetCode, u32, f64)> {
    let facet = calibrate.facet;
    let codes = snapshot.codes();
    let weights = match calibrate.toward {
        Toward::Editorial => {
            calibrate.editorial.iter().filter_map(|wanted| Some((codes.get(facet, &wanted.value)?, f64::from(wanted.share)))).collect()
        }
        Toward::Catalogue => catalogue(facet, candidates, snapshot),
        Toward::UserHistory => {
            let history = profile.map(|profile| history(facet, profile, snapshot)).unwrap_or_default();
            if history.is_empty() { catalogue(facet, candidates, snapshot) } else { history }
        }
    };
    let sum: f64 = weights.iter().map(|(_, weight)| weight).sum();
    let known = weights.into_iter().filter(|(_, weight)| *weight > 0.0);
    known.enumerate().map(|(at, (code, weight))| (code, at as u32, weight / sum)).collect()
}

/// The person's likings in the facet, in value order; topics set by hand count as they were set.
fn history(facet: Facet, profile: &Profile, snapshot: &Snapshot) -> Vec<(FacetCode, f64)> {
    let most = profile.inferred(facet).map(|a| a.liking).fold(0.0, f32::max);
    let mut likings: std::collections::BTreeMap<&str, f64> = std::collections::BTreeMap::new();
    for affinity in profile.inferred(facet).filter(|a| a.liking > 0.0) {
        likings.insert(&affinity.value, f64::from(affinity.liking / most));
    }
    if facet == Facet::Topic {
        let asked = profile.preferences.topics.iter().filter(|(_, level)| **level > 0.0);
        likings.extend(asked.map(|(topic, level)| (&**topic, f64::from(*level))));
    }
    likings.into_iter().filter_map(|(value, liking)| Some((snapshot.codes().get(facet, value)?, liking))).collect()
}

/// The catalogue's share of every value that a candidate has, in the order in which the candidates bring them.
fn catalogue(facet: Facet, candidates: &[Option<&Entry>], snapshot: &Snapshot) -> Vec<(FacetCode, f64)> {
    let mut found = std::collections::HashSet::new();
    let mut weights = Vec::new();
    for entry in candidates.iter().flatten() {
        for (code, _) in Shares::of(entry, facet).iter() {
            if found.insert(code) {
                weights.push((code, snapshot.items_with(code) as f64));
            }
        }
    }
    weights
}

/// `λr − (1−λ)·KL(p ‖ q̃)` with `q̃ = (1−α)q + αp`, q the slate's mix with the candidate in it, natural logarithm
/// (Steck, RecSys 2018). Every open candidate is evaluated each round: the divergence of the rest is shared.
pub(super) struct Calibrated {
    mix: Mix,
    /// Items per target value, and items that have the facet.
    counts: Vec<f64>,
    total: f64,
    /// Of this round: the divergence with one more item of none of the values, each value's part of it, and the divergence as it is.
    base: f64,
    parts: Vec<f64>,
    unchanged: f64,
    /// Each value's part if the next item is wholly of it.
    whole: Vec<f64>,
}

impl Calibrated {
    pub fn new(mix: Mix) -> Self {
        let values = mix.target.len();
        let zeros = || vec![0.0; values];
        Self { mix, counts: zeros(), total: 0.0, base: 0.0, parts: zeros(), unchanged: 0.0, whole: zeros() }
    }

    fn part(target: f64, count: f64, total: f64) -> f64 {
        let share = if total > 0.0 { count / total } else { 0.0 };
        target * (target / ((1.0 - SMOOTHING) * share + SMOOTHING * target)).ln()
    }

    fn divergence(&self, index: usize) -> f64 {
        if !self.mix.counted[index] {
            return self.unchanged;
        }
        let mut divergence = self.base;
        for (at, share) in self.mix.members(index) {
            let at = *at as usize;
            let part = match *share {
                1.0 => self.whole[at],
                share => Self::part(self.mix.target[at], self.counts[at] + f64::from(share), self.total + 1.0),
            };
            divergence += part - self.parts[at];
        }
        divergence
    }
}

impl Gain for Calibrated {
    fn rebound(&mut self, shared: &Shared, bounds: &mut [f32], _: usize) {
        self.base = 0.0;
        self.unchanged = 0.0;
        for at in 0..self.counts.len() {
            let (target, count) = (self.mix.target[at], self.counts[at]);
            self.parts[at] = Self::part(target, count, self.total + 1.0);
            self.whole[at] = Self::part(target, count + 1.0, self.total + 1.0);
            self.base += self.parts[at];
            self.unchanged += Self::part(target, count, self.total);
        }
        for (index, bound) in bounds.iter_mut().enumerate().filter(|(_, bound)| **bound != CLOSED) {
            *bound = self.refine(shared, index, CLOSED);
        }
    }

    fn refine(&mut self, shared: &Shared, index: usize, _: f32) -> f32 {
        shared.lambda * shared.relevance[index] - (1.0 - shared.lambda) * self.divergence(index) as f32
    }

    fn place(&mut self, _: &Shared, index: usize) {
        if self.mix.counted[index] {
            self.total += 1.0;
        }
        for (at, share) in self.mix.members(index) {
            self.counts[*at as usize] += f64::from(*share);
        }
    }
}

/// `λr + (1−λ)·Σ_t p_t·P(t|i)·Π_{j∈S}(1 − P(t|j)) / max p`, with `P(t|i)` the item's share of `t` times one half: what the
/// item still adds to the values wanted (xQuAD: Santos et al., WWW 2010). In [0, 1].
pub(super) struct Coverage {
    mix: Mix,
    /// What is left to cover of each value, times its share of the target, relative to the greatest.
    open: Vec<f32>,
}

impl Coverage {
    pub fn new(mix: Mix) -> Self {
        let most = mix.target.iter().copied().fold(0.0, f64::max);
        let open = mix.target.iter().map(|share| (share / most) as f32).collect();
        Self { mix, open }
    }
}

impl Gain for Coverage {
    fn rebound(&mut self, shared: &Shared, bounds: &mut [f32], _: usize) {
        for (index, bound) in bounds.iter_mut().enumerate().filter(|(_, bound)| **bound != CLOSED) {
            *bound = self.refine(shared, index, CLOSED);
        }
    }

    fn refine(&mut self, shared: &Shared, index: usize, _: f32) -> f32 {
        let gain: f32 = self.mix.members(index).iter().map(|(at, share)| share * self.open[*at as usize]).sum();
        shared.lambda * shared.relevance[index] + (1.0 - shared.lambda) * gain
    }

    fn place(&mut self, _: &Shared, index: usize) {
        for (at, share) in self.mix.members(index) {
            self.open[*at as usize] *= 1.0 - COVERED_BY_ONE * share;
        }
    }
}
