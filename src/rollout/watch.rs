//! The guardrails of a running canary, watched on what this server serves.
//!
//! Each person counts once per surface and side, with the first page of a feed they get while the canary runs: so values are of
//! different people, in the order they came. The intervals hold at every moment ([`crate::stats`]), so the watcher may look
//! as often as it likes and act the first time a guardrail lies outside.

use std::collections::{BTreeMap, HashSet};

use parking_lot::Mutex;

use super::entry::{Estimate, Evidence};
use crate::{
    domain::{feed::MAX_PAGE_ITEMS, lottery::Unit, policy::Guardrails},
    policy::{PolicySet, serving::Watched},
    rank::metrics::SlateMetrics,
    stats::MeanSequence,
};

/// Chance that a canary that keeps its guardrails is ever rolled back by this server, over all measures and surfaces. In a
/// fleet each server judges by what it served: of five, one is wrong with a chance of 5 % at most.
const ALPHA: f64 = 0.01;
/// Most people that are counted; by then everything is clear.
const MAX_WATCHED_PEOPLE: usize = 200_000;
/// Pages with fewer items say nothing about variety.
const MIN_PAGE_ITEMS: usize = 2;

/// What a guardrail bounds.
struct Measure {
    name: &'static str,
    /// Values are divided by this to lie in [0, 1].
    scale: f64,
    of: fn(&SlateMetrics) -> f64,
    bound: fn(&Guardrails) -> f32,
    /// Whether the bound is the least allowed, or the greatest.
    is_least: bool,
    /// The bound that holds nobody back.
    slack: f32,
}

/// Bits of entropy that a page of [`MAX_PAGE_ITEMS`] topics has: log₂ 100.
const MAX_ENTROPY_BITS: f64 = 6.643_856_189_774_724;
const _: () = assert!(MAX_PAGE_ITEMS == 100);

const MEASURES: [Measure; 4] = [
    Measure {
        name: "relevance_kept",
        scale: 1.0,
        of: |metrics| metrics.relevance_kept,
        bound: |guardrails| guardrails.relevance_kept_min,
        is_least: true,
        slack: 0.0,
    },
    Measure { name: "ild", scale: 1.0, of: |metrics| metrics.ild, bound: |guardrails| guardrails.ild_min, is_least: true, slack: 0.0 },
    Measure {
        name: "topic_entropy",
        scale: MAX_ENTROPY_BITS,
        of: |metrics| metrics.topic_entropy,
        bound: |guardrails| guardrails.topic_entropy_min,
        is_least: true,
        slack: 0.0,
    },
    Measure {
        name: "exploration_share",
        scale: 1.0,
        of: |metrics| metrics.exploration_share,
        bound: |guardrails| guardrails.exploration_share_max,
        is_least: false,
        slack: 1.0,
    },
];

/// A page that was served to somebody watched.
#[derive(Clone, Copy, Debug)]
pub struct WatchedPage<'a> {
    pub surface: &'a str,
    pub watched: Watched,
    pub items: usize,
    pub metrics: &'a SlateMetrics,
}

/// One canary under watch.
pub struct Watch {
    /// The entry it began with: another canary is watched anew.
    pub since: u64,
    guardrails: Guardrails,
    alpha: f64,
    seen: Mutex<Seen>,
}

struct Seen {
    people: HashSet<(bool, u32, Unit)>,
    surfaces: BTreeMap<String, Sides>,
}

/// Of one surface: its number, and what those with the canary and those without had.
struct Sides {
    number: u32,
    canary: [MeanSequence; MEASURES.len()],
    control: [MeanSequence; MEASURES.len()],
}

impl Watch {
    /// Watches what `set` promises.
    pub fn new(since: u64, set: &PolicySet) -> Self {
        let alpha = ALPHA / (MEASURES.len() * set.surfaces.0.len().max(1)) as f64;
        let sequences = || [(); MEASURES.len()].map(|()| MeanSequence::new(alpha));
        let sides = |number| Sides { number, canary: sequences(), control: sequences() };
        let surfaces = (0..).zip(set.surfaces.names()).map(|(number, name)| (name.to_owned(), sides(number))).collect();
        Self { since, guardrails: set.guardrails, alpha, seen: Mutex::new(Seen { people: HashSet::new(), surfaces }) }
    }

    /// Counts a first page, if it is the person's first.
    pub fn observe(&self, page: &WatchedPage<'_>) {
        if page.items < MIN_PAGE_ITEMS {
            return;
        }
        let seen = &mut *self.seen.lock();
        let Some(sides) = seen.surfaces.get_mut(page.surface) else { return };
        let Watched { is_canary, unit } = page.watched;
        if seen.people.len() >= MAX_WATCHED_PEOPLE || !seen.people.insert((is_canary, sides.number, unit)) {
            return;
        }
        let side = if is_canary { &mut sides.canary } else { &mut sides.control };
        for (sequence, measure) in side.iter_mut().zip(&MEASURES) {
            sequence.add((measure.of)(page.metrics) / measure.scale);
        }
    }

    /// Everything the guardrails bound, on surfaces where somebody got the canary.
    pub fn evidence(&self) -> Vec<Evidence> {
        let seen = self.seen.lock();
        let mut evidence = Vec::new();
        for (surface, sides) in &seen.surfaces {
            for (index, measure) in MEASURES.iter().enumerate() {
                let bound = (measure.bound)(&self.guardrails);
                let guardrail = decimal(bound);
                let (canary, control) = (&sides.canary[index], &sides.control[index]);
                if bound == measure.slack || canary.count() == 0 {
                    continue;
                }
                let canary = estimate(canary, measure);
                let violated = if measure.is_least { canary.upper < guardrail } else { canary.lower > guardrail };
                evidence.push(Evidence {
                    surface: surface.clone(),
                    measure: measure.name.to_owned(),
                    guardrail,
                    violated,
                    canary,
                    control: estimate(control, measure),
                    confidence: 1.0 - self.alpha,
                });
            }
        }
        evidence
    }
}

/// 0.4 as an `f32` is not 0.4 as an `f64`.
fn decimal(number: f32) -> f64 {
    (f64::from(number) * 1e6).round() / 1e6
}

fn estimate(of: &MeanSequence, measure: &Measure) -> Estimate {
    let interval = of.interval();
    let scaled = |value: f64| value * measure.scale;
    Estimate { people: of.count(), mean: scaled(of.mean()), lower: scaled(interval.lower), upper: scaled(interval.upper) }
}

/// The violations as one sentence for the log's reason.
pub fn reason(evidence: &[Evidence]) -> String {
    let told = |e: &&Evidence| {
        let Evidence { surface, measure, guardrail, canary, control, .. } = e;
        let (side, bound) = if canary.upper < *guardrail { ("at most", canary.upper) } else { ("at least", canary.lower) };
        format!(
            "{measure} on {surface} is {side} {bound:.3} ({} people, mean {:.3}; others {:.3}), guardrail {guardrail:.3}",
            canary.people, canary.mean, control.mean
        )
    };
    evidence.iter().filter(|e| e.violated).map(|e| told(&e)).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::load_from;

    fn watch() -> Watch {
        Watch::new(1, &load_from("balanced").unwrap())
    }

    fn page(watch: &Watch, is_canary: bool, person: usize, ild: f64, exploration_share: f64) {
        let metrics = SlateMetrics { ild, topics: 5, topic_entropy: 2.0, exploration_share, relevance_kept: 0.9 };
        let watched = Watched { is_canary, unit: Unit::new(&person.to_string()) };
        watch.observe(&WatchedPage { surface: "home", watched, items: 20, metrics: &metrics });
    }

    fn violated(watch: &Watch) -> Vec<String> {
        watch.evidence().into_iter().filter(|e| e.violated).map(|e| e.measure).collect()
    }

    #[test]
    fn a_bad_canary_is_noticed_soon_and_a_good_one_is_not() {
        let (bad, good) = (watch(), watch());
        let noticed = (0..2_000).find(|person| {
            page(&bad, true, *person, 0.1, 0.1);
            page(&bad, false, *person, 0.6, 0.1);
            page(&good, true, *person, 0.45 + 0.1 * (person % 2) as f64, 0.1);
            !violated(&bad).is_empty()
        });
        assert!(noticed.is_some_and(|people| people < 120), "{noticed:?}");
        assert_eq!(violated(&bad), ["ild"]);
        assert!(violated(&good).is_empty());
        let told = reason(&bad.evidence());
        assert!(told.starts_with("ild on home is at most 0.") && told.contains("mean 0.100; others 0.600), guardrail 0.400"), "{told}");
    }

    #[test]
    fn the_greatest_allowed_is_watched_too() {
        let watch = watch();
        (0..400).for_each(|person| page(&watch, true, person, 0.6, 0.4));
        assert_eq!(violated(&watch), ["exploration_share"]);
    }

    #[test]
    fn a_person_counts_once_a_side_and_a_short_page_not_at_all() {
        let watch = watch();
        for _ in 0..500 {
            page(&watch, true, 1, 0.0, 0.0);
            page(&watch, false, 1, 0.6, 0.0);
        }
        let metrics = SlateMetrics { ild: 0.0, topics: 1, topic_entropy: 0.0, exploration_share: 0.0, relevance_kept: 0.0 };
        let watched = Watched { is_canary: true, unit: Unit(7) };
        watch.observe(&WatchedPage { surface: "home", watched, items: 1, metrics: &metrics });
        watch.observe(&WatchedPage { surface: "nowhere", watched, items: 9, metrics: &metrics });
        let evidence = watch.evidence();
        assert!(evidence.iter().all(|e| (e.canary.people, e.control.people, e.violated) == (1, 1, false)));
        assert_eq!(evidence.len(), 4);
    }

    /// At the guardrail itself nothing is violated: the promise is about the mean.
    #[test]
    fn at_the_bound_nothing_happens() {
        let watch = watch();
        for person in 0..5_000 {
            page(&watch, true, person, if person % 5 < 2 { 1.0 } else { 0.0 }, 0.2);
            assert!(violated(&watch).is_empty(), "after {person}");
        }
    }
}
