//! Whether the catalogue has what a policy asks for: pages for sampled readers, through the real pipeline, without effects.
//!
//! The readers are made up from the catalogue itself: each has opened a dozen items of two kinds, one in five is new. So nobody's
//! profile is read, and a catalogue can be judged before it has readers.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use super::{FeedError, FeedRequest, FeedService, Reader, Served, first, first::First, preview};
use crate::{
    catalogue::{Row, Snapshot},
    clock::Stopwatch,
    domain::{
        Event, EventId, EventKind, Facet, Item, Profile, Scope, Span, Time, UserId,
        feed::{MAX_PAGE_ITEMS, RelaxedWhy},
        policy::{ActivePolicy, Constraint},
        profile::Mode,
    },
    learn,
    policy::PolicySet,
    rank::metrics::SlateMetrics,
};

/// Most readers in one sample.
pub const MAX_SAMPLED_READERS: usize = 1_000;
/// Items each made-up reader has opened, half of them of either kind.
const OPENED_ITEMS: usize = 12;
/// Items looked at to find those: topics rarer than that make readers with fewer opens.
const LOOKED_AT_ITEMS: usize = 20_000;
/// One reader of so many is new.
const ONE_NEW_IN: usize = 5;
/// Between two of a reader's opens.
const BETWEEN_OPENS: Span = Span::hours(5);
/// For all sources together: what is judged is the catalogue, not how busy the machine is.
const SAMPLE_DEADLINE: Duration = Duration::from_secs(5);

/// What the pages of one surface were like.
#[derive(Clone, Debug)]
pub struct Sampled {
    pub surface: String,
    pub policy: Arc<ActivePolicy>,
    pub pages: usize,
    /// Mean time for placing one page.
    pub placing: Duration,
    /// Means over the pages; `topics` rounded.
    pub metrics: SlateMetrics,
    /// One per constraint of the policy, in its order.
    pub constraints: Vec<Strain>,
}

/// How one constraint fared.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Strain {
    /// Pages on which it gave way.
    pub relaxed: usize,
    /// Of these, pages where the candidates could not meet it even alone.
    pub by_supply: usize,
    /// Of these, pages where the search for a way ended at its limit.
    pub by_budget: usize,
    /// Median over the pools of how many values of its facet they hold.
    pub values_median: usize,
    /// Median over the pools of how many items with its value they hold.
    pub items_median: usize,
    /// Items of the whole catalogue with its value.
    pub items_in_catalogue: u32,
}

impl FeedService {
    /// First pages of every surface of `set` for `readers` made-up readers (at most [`MAX_SAMPLED_READERS`]), or for as many as
    /// fit into `time`, at least one: the same readers for the same catalogue and time of day. Errors: an empty catalogue.
    pub async fn sample(&self, set: &PolicySet, readers: usize, time: Duration) -> Result<Vec<Sampled>, FeedError> {
        let snapshot = self.catalogue.snapshot();
        let watch = Stopwatch::start();
        let mut pages: Vec<Vec<PageOf>> = set.surfaces.0.iter().map(|_| Vec::new()).collect();
        for n in 0..readers.min(MAX_SAMPLED_READERS) {
            let reader = made_up(&snapshot, n, self.clock.now());
            for ((surface, policy), pages) in set.surfaces.0.iter().zip(&mut pages) {
                let first_page = self.sampled_page(surface, policy, n, &reader, None).await?;
                // Blocks and windows that reach past the first page are looked at whole.
                let reach = policy.policy.constraint.iter().map(reach).max().unwrap_or(0).min(MAX_PAGE_ITEMS as u32);
                let longer = match reach > policy.policy.page_size {
                    true => Some(self.sampled_page(surface, policy, n, &reader, Some(reach as usize)).await?),
                    false => None,
                };
                pages.push(page(&first_page, longer.as_ref().unwrap_or(&first_page)));
            }
            if watch.elapsed() > time {
                break;
            }
        }
        Ok(set.surfaces.0.iter().zip(&pages).map(|((surface, policy), pages)| summed_up(surface, policy, pages, &snapshot)).collect())
    }

    /// First pages of `surface` under each of `policies` for the same made-up readers with the same draws: means of each, and how many
    /// readers there were. After `time` no further readers are asked. Alike is what the first policy says it is.
    pub async fn sample_each(
        &self,
        surface: &str,
        policies: &[Arc<ActivePolicy>],
        readers: usize,
        time: Duration,
    ) -> Result<(Vec<SlateMetrics>, usize), FeedError> {
        let snapshot = self.catalogue.snapshot();
        let watch = Stopwatch::start();
        let mut pages: Vec<Vec<SlateMetrics>> = policies.iter().map(|_| Vec::new()).collect();
        let Some(similarity) = policies.first().map(|first| &first.policy.diversify.similarity) else { return Ok((Vec::new(), 0)) };
        let mut asked = 0;
        while asked < readers.min(MAX_SAMPLED_READERS) && (asked == 0 || watch.elapsed() < time) {
            let reader = made_up(&snapshot, asked, self.clock.now());
            for (policy, pages) in policies.iter().zip(&mut pages) {
                let served = self.sampled_page(surface, policy, asked, &reader, None).await?;
                pages.push(preview::measured(&served, similarity));
            }
            asked += 1;
        }
        Ok((pages.iter().map(|pages| mean(pages)).collect(), asked))
    }

    async fn sampled_page(
        &self,
        surface: &str,
        policy: &Arc<ActivePolicy>,
        n: usize,
        reader: &Reader,
        limit: Option<usize>,
    ) -> Result<Served, FeedError> {
        let request = FeedRequest { limit, ..request(surface, n) };
        let first = First { request: &request, policy, reader, excluded: &[], deadline: SAMPLE_DEADLINE, looks_ahead: false };
        let made = self.make(&first, &mut Vec::new()).await?;
        Ok(self.served(made.into_parts(&first), reader, Vec::new()))
    }
}

/// Positions that a constraint counts together.
const fn reach(constraint: &Constraint) -> u32 {
    match constraint {
        Constraint::MaxShare { per, .. } | Constraint::MinShare { per, .. } | Constraint::MinDistinct { per, .. } => *per,
        Constraint::Cap { per, .. } => *per,
        Constraint::MinGap { gap, .. } => gap.saturating_add(1),
        Constraint::Pin { position, .. } => position.saturating_add(1),
    }
}

fn request(surface: &str, reader: usize) -> FeedRequest {
    FeedRequest {
        surface: surface.to_owned(),
        seed: Some(first::seed_of(format!("sample|{surface}|{reader}").as_bytes())),
        ..FeedRequest::default()
    }
}

/// What is kept of one page.
struct PageOf {
    metrics: SlateMetrics,
    placing: Duration,
    /// Per constraint: why it gave way first, if it did.
    relaxed: Vec<Option<RelaxedWhy>>,
    values: Vec<usize>,
    items: Vec<usize>,
}

/// `served` is the first page, `longer` as much as the constraints count together.
fn page(served: &Served, longer: &Served) -> PageOf {
    let constraints = &served.policy.policy.constraint;
    let rows: Vec<Row> = served.feed.pool.iter().filter_map(|entry| served.snapshot.find_hash(entry.item_hash)).collect();
    let (mut values, mut items) = (Vec::new(), Vec::new());
    for constraint in constraints {
        let codes = || rows.iter().filter_map(|row| served.snapshot.entry(*row)?.facet(constraint.facet()));
        let wanted = constraint.value().and_then(|value| served.snapshot.codes().get(constraint.facet(), value));
        values.push(codes().collect::<BTreeSet<_>>().len());
        items.push(codes().filter(|code| Some(*code) == wanted).count());
    }
    let why = |index: usize| longer.page.relaxed.iter().find(|relaxed| usize::from(relaxed.constraint) == index).map(|relaxed| relaxed.why);
    PageOf { metrics: served.metrics, placing: served.timings.diversify, relaxed: (0..constraints.len()).map(why).collect(), values, items }
}

fn summed_up(surface: &str, policy: &Arc<ActivePolicy>, pages: &[PageOf], snapshot: &Snapshot) -> Sampled {
    let strain = |(index, constraint): (usize, &Constraint)| {
        let code = constraint.value().and_then(|value| snapshot.codes().get(constraint.facet(), value));
        let by = |why| pages.iter().filter(|page| page.relaxed[index] == Some(why)).count();
        Strain {
            relaxed: pages.iter().filter(|page| page.relaxed[index].is_some()).count(),
            by_supply: by(RelaxedWhy::Supply),
            by_budget: by(RelaxedWhy::Budget),
            values_median: median(pages.iter().map(|page| page.values[index])),
            items_median: median(pages.iter().map(|page| page.items[index])),
            items_in_catalogue: code.map_or(0, |code| snapshot.items_with(code)),
        }
    };
    let metrics: Vec<SlateMetrics> = pages.iter().map(|page| page.metrics).collect();
    Sampled {
        surface: surface.to_owned(),
        policy: Arc::clone(policy),
        pages: pages.len(),
        placing: pages.iter().map(|page| page.placing).sum::<Duration>() / pages.len().max(1) as u32,
        metrics: mean(&metrics),
        constraints: policy.policy.constraint.iter().enumerate().map(strain).collect(),
    }
}

fn mean(pages: &[SlateMetrics]) -> SlateMetrics {
    let mean = |of: fn(&SlateMetrics) -> f64| pages.iter().map(of).sum::<f64>() / pages.len().max(1) as f64;
    SlateMetrics {
        ild: mean(|m| m.ild),
        topics: mean(|m| m.topics as f64).round() as usize,
        topic_entropy: mean(|m| m.topic_entropy),
        exploration_share: mean(|m| m.exploration_share),
        relevance_kept: mean(|m| m.relevance_kept),
    }
}

fn median(values: impl Iterator<Item = usize>) -> usize {
    let mut values: Vec<usize> = values.collect();
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or(0)
}

/// A reader whose taste is made of what the catalogue holds.
fn made_up(snapshot: &Snapshot, n: usize, now: Time) -> Reader {
    let mut profile = Profile::default();
    if !n.is_multiple_of(ONE_NEW_IN) {
        for (k, item) in taste(snapshot, n).into_iter().enumerate() {
            let at = now.minus(Span::millis(BETWEEN_OPENS.as_millis() * (OPENED_ITEMS - k) as i64));
            if let Some(event) = open(&item, at) {
                // An open is always learned.
                let _ = learn::learn(&mut profile, &event, &item, 0.0);
            }
        }
    }
    Reader { mode: Mode::Profile, profile: Some(Arc::new(profile)), ..Reader::default() }
}

/// Items of two kinds: around each of two items drawn by their hashes, others with the same topic.
fn taste(snapshot: &Snapshot, reader: usize) -> Vec<Item> {
    let mut items = Vec::with_capacity(OPENED_ITEMS);
    for half in 0..2 {
        let start = first::seed_of(format!("reader|{reader}|{half}").as_bytes());
        let Some(anchor) = snapshot.walk_from(start).next() else { continue };
        let topic = snapshot.entry(anchor).and_then(|entry| entry.facet(Facet::Topic));
        let near = snapshot.walk_from(start).take(LOOKED_AT_ITEMS);
        let alike = near.filter(|row| snapshot.entry(*row).and_then(|entry| entry.facet(Facet::Topic)) == topic);
        items.extend(alike.take(OPENED_ITEMS / 2).filter_map(|row| snapshot.item(row)));
    }
    items
}

fn open(item: &Item, at: Time) -> Option<Event> {
    Some(Event {
        id: EventId::new(item.id.as_str()).ok()?,
        user: UserId::new("sampled").ok()?,
        kind: EventKind::Open,
        item: item.id.clone(),
        at,
        undo: false,
        scope: Scope::Item,
        feed: None,
        position: None,
        visible_ms: None,
    })
}
