//! Collects, per unit, what it was shown and what it did.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::MAX_UNITS;
use crate::{
    journal::{EventRecord, ExposureRecord, ServedRecord},
    policy::{Experiment, PolicySet, UnitKind, serving::HOLDOUT_ARM},
    stats::Moments,
};

/// What people do that says how content they are: its name, and the events that count.
pub(super) const SIGNALS: [(&str, &[&str]); 4] = [
    ("open_rate", &["open"]),
    ("like_rate", &["like", "save", "share", "more_like"]),
    ("hide_rate", &["hide"]),
    ("less_like_rate", &["less_like", "report"]),
];
/// What pages were measured to have.
pub(super) const PAGES: [&str; 4] = ["ild", "topic_entropy", "relevance_kept", "exploration_share"];

/// One unit's life in the experiment.
#[derive(Debug, Default)]
pub(super) struct Unit {
    /// Index of its arm; `None`: held out.
    pub arm: Option<usize>,
    /// First exposure, in ms.
    pub first: i64,
    /// It was in two arms, or in another allocation before: it cannot tell one from the other.
    pub is_mixed: bool,
    /// Hashes of the items it was served within its window.
    items: HashSet<u64>,
    /// Of these, those it gave each of [`SIGNALS`].
    signals: [HashSet<u64>; SIGNALS.len()],
    /// Means over its pages within its window, of [`PAGES`].
    pages: [Moments; PAGES.len()],
}

/// See the module.
pub(super) struct Units<'a> {
    experiment: &'a Experiment,
    allocation: String,
    /// Where the holdout counts, too.
    surfaces: BTreeSet<&'a str>,
    by_key: HashMap<String, usize>,
    pub all: Vec<Unit>,
    /// Unit by feed.
    feeds: HashMap<String, usize>,
    /// Units past [`MAX_UNITS`].
    pub left_out: u64,
    /// Served pages whose unit's window is not known yet, by unit: a page may be read before an earlier one.
    pages: Vec<(usize, ServedPage)>,
}

struct ServedPage {
    at: i64,
    items: Vec<u64>,
    measured: Option<[f64; PAGES.len()]>,
}

impl<'a> Units<'a> {
    pub fn new(experiment: &'a Experiment, own: &'a PolicySet) -> Self {
        let surfaces = experiment.surfaces.iter().map(String::as_str).filter(|surface| experiment.differs_on(own, surface)).collect();
        Self {
            experiment,
            allocation: experiment.allocation(own),
            surfaces,
            by_key: HashMap::new(),
            all: Vec::new(),
            feeds: HashMap::new(),
            left_out: 0,
            pages: Vec::new(),
        }
    }

    /// A page that may be an exposure.
    pub fn served(&mut self, served: &ServedRecord) {
        let Some(exposure) = &served.experiment else { return };
        let is_holdout = exposure.id.is_none() && exposure.arm == HOLDOUT_ARM && exposure.layer == self.experiment.layer;
        let is_ours = exposure.id.as_deref() == Some(&self.experiment.id);
        let counts = is_ours || (is_holdout && self.surfaces.contains(served.surface.as_str()));
        if !counts {
            return;
        }
        let Some(unit) = self.unit_of(served, exposure) else { return };
        let arm = if is_holdout { None } else { self.experiment.arms.iter().position(|arm| arm.name == exposure.arm) };
        let is_known_arm = is_holdout || (arm.is_some() && exposure.allocation == self.allocation);
        let is_new = self.all.get(unit).is_none();
        if is_new {
            self.all.push(Unit { arm, first: served.at, is_mixed: !is_known_arm, ..Unit::default() });
        }
        let Some(known) = self.all.get_mut(unit) else { return };
        known.is_mixed |= !is_known_arm || known.arm != arm;
        known.first = known.first.min(served.at);
        self.feeds.insert(served.feed_id.clone(), unit);
        let measured = served.metrics.map(|of| [of.ild, of.topic_entropy, of.relevance_kept, of.exploration_share].map(f64::from));
        self.pages.push((unit, ServedPage { at: served.at, items: served.items.iter().map(|item| hash(&item.id)).collect(), measured }));
    }

    /// Index of the exposed unit; one past the end for a new one.
    fn unit_of(&mut self, served: &ServedRecord, exposure: &ExposureRecord) -> Option<usize> {
        let key = match self.experiment.unit {
            UnitKind::User => served.user.as_ref()?,
            UnitKind::Session => exposure.session.as_ref()?,
        };
        if let Some(unit) = self.by_key.get(key) {
            return Some(*unit);
        }
        if self.all.len() >= MAX_UNITS {
            self.left_out += 1;
            return None;
        }
        self.by_key.insert(key.clone(), self.all.len());
        Some(self.all.len())
    }

    /// Puts the pages to their units, now that all first exposures are known.
    pub fn settle(&mut self) {
        for (unit, page) in std::mem::take(&mut self.pages) {
            let Some(unit) = self.all.get_mut(unit).filter(|unit| within(self.experiment, unit.first, page.at)) else { continue };
            unit.items.extend(page.items);
            for (moments, value) in unit.pages.iter_mut().zip(page.measured.into_iter().flatten()) {
                moments.add(value);
            }
        }
    }

    /// Something somebody did, once all pages are settled.
    pub fn did(&mut self, event: &EventRecord) {
        let Some(signal) = SIGNALS.iter().position(|(_, kinds)| kinds.contains(&event.event_type.as_str())) else { return };
        let by_feed = event.feed_id.as_ref().and_then(|feed| self.feeds.get(feed));
        // Without the feed, people are known by who they are; a visit is not.
        let by_user = || self.by_key.get(&event.user).filter(|_| self.experiment.unit == UnitKind::User);
        let Some(unit) = by_feed.or_else(by_user).and_then(|unit| self.all.get_mut(*unit)) else { return };
        let item = hash(&event.item);
        if !unit.items.contains(&item) || !within(self.experiment, unit.first, event.at) {
            return;
        }
        if event.undo {
            unit.signals[signal].remove(&item);
        } else {
            unit.signals[signal].insert(item);
        }
    }
}

impl Unit {
    /// The unit's outcome: [`SIGNALS`] as shares of the items it was served, then [`PAGES`]. `None` where there is none.
    pub fn outcome(&self) -> impl Iterator<Item = Option<f64>> {
        let items = self.items.len();
        let rates = self.signals.iter().map(move |given| (items > 0).then(|| given.len() as f64 / items as f64));
        rates.chain(self.pages.iter().map(|moments| (moments.count() > 0).then(|| moments.mean())))
    }
}

/// Whether `at` lies in the window that begins at `first`.
fn within(experiment: &Experiment, first: i64, at: i64) -> bool {
    (0..experiment.outcome_window.as_millis()).contains(&at.saturating_sub(first))
}

fn hash(item: &str) -> u64 {
    let mut first = [0; 8];
    first.copy_from_slice(&blake3::hash(item.as_bytes()).as_bytes()[..8]);
    u64::from_le_bytes(first)
}
