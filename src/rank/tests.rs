//! The slate's promises, on random catalogues: each test is a property of `score` and `place` together.

use std::{collections::HashSet, sync::Arc};

use proptest::prelude::*;

use super::{explore::Arm, place::PoolCandidate, *};
use crate::{
    catalogue::{Catalogue, CatalogueRecord, Entry, FacetCode, Row, Snapshot},
    domain::{
        Creator, Embedding, Facet, Item, ItemId, Span,
        feed::{Dials, Page, Placed, Slot},
        policy::{Aggregate, Constraint, ExploreMethod, Normalize},
        profile::Affinity,
    },
};

const NOW: Time = Time(1_700_000_000_000);

fn item(n: usize, topics: u32, creators: u32, mixed: u64) -> Item {
    let pick = |salt: u64, of: u32| (mixed.wrapping_mul(salt) >> 33) as u32 % of;
    Item {
        id: ItemId::new(format!("item-{n:04}")).expect("valid"),
        title: format!("Story {} of {}", n, pick(3, topics)),
        description: None,
        url: None,
        image: None,
        creator: (pick(5, 9) > 0).then(|| Creator { id: format!("c{}", pick(7, creators)).into(), name: None }),
        topics: (pick(11, 9) > 0).then(|| (format!("t{}", pick(3, topics)).into(), 1.0)).into_iter().collect(),
        source: Some(format!("s{}", pick(13, 4)).into()),
        viewpoint: None,
        language: None,
        format: None,
        published_at: Some(Time(NOW.0 - i64::from(pick(17, 1_000_000)) * 1_000)),
        expires_at: None,
        embedding: (pick(19, 9) > 0).then(|| Embedding::of_text(&format!("subject {} {}", pick(3, topics), pick(23, 40)), 32)),
        attributes: None,
        sponsored: None,
    }
}

#[derive(Clone, Debug)]
struct World {
    items: usize,
    topics: u32,
    creators: u32,
    salt: u64,
    policy: Policy,
}

impl World {
    fn snapshot(&self, reversed: bool) -> Arc<Snapshot> {
        let catalogue = Catalogue::new(32, Span::hours(24));
        let mixed = |n: usize| (n as u64 + 1).wrapping_mul(self.salt | 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut order: Vec<usize> = (0..self.items).collect();
        if reversed {
            order.reverse();
        }
        for n in order {
            catalogue.apply([CatalogueRecord::Put(Box::new(item(n, self.topics, self.creators, mixed(n))))]);
        }
        catalogue.snapshot()
    }

    fn profile(&self) -> Profile {
        let affinity = |topic: u32, liking| Affinity { facet: Facet::Topic, value: format!("t{topic}").into(), liking, shown: 0.0 };
        let mut affinities = vec![affinity(0, 4.0), affinity(1, 1.0)];
        affinities.sort_by(|a, b| (a.facet, &a.value).cmp(&(b.facet, &b.value)));
        Profile { as_of: NOW, affinities, events: 5, ..Profile::default() }
    }

    /// Every item is a candidate; the second half of the hash order counts as outside the profile.
    fn candidates(snapshot: &Snapshot) -> Vec<Candidate> {
        let rows: Vec<Row> = snapshot.walk_from(0).collect();
        let kind = |index: usize| if index.is_multiple_of(2) { SourceKind::Outside } else { SourceKind::Fresh };
        rows.iter().enumerate().map(|(i, row)| Candidate { row: *row, sources: Sources::of(kind(i)), relevance: 0.0 }).collect()
    }

    fn run(
        &self,
        snapshot: &Snapshot,
        candidates: Vec<Candidate>,
        seed: u64,
        pages: &[usize],
    ) -> (Vec<PoolCandidate>, Vec<Page>, Vec<String>) {
        let profile = self.profile();
        let context = Context { snapshot, profile: Some(&profile), policy: &self.policy, now: NOW };
        let scored = score(candidates, &[], &context).scored;
        let pool: Vec<PoolCandidate> = scored.iter().map(PoolCandidate::from).collect();
        let mut placed = Vec::new();
        let mut out = Vec::new();
        for count in pages {
            let page = place(
                &Pool { candidates: &pool, diversity: self.policy.diversify.diversity, seed, exemplars: &[], dials: Dials::default() },
                &placed,
                *count,
                &context,
            );
            placed.extend(page.placed.clone());
            out.push(page);
        }
        let ids = placed.iter().map(|p| snapshot.entry(scored[p.pool_index as usize].row).expect("there").item.id.to_string()).collect();
        (pool, out, ids)
    }
}

fn world() -> impl Strategy<Value = World> {
    let constraint = prop_oneof![
        (1u32..3, 3u32..8).prop_map(|(max, per)| Constraint::MaxShare { facet: Facet::Creator, value: None, max, per, top: None }),
        (1u32..4, prop::option::of(5u32..30)).prop_map(|(gap, top)| Constraint::MinGap { facet: Facet::Topic, gap, top }),
        (2u32..4, 5u32..9).prop_map(|(min, per)| Constraint::MinDistinct { facet: Facet::Topic, min, per, top: None }),
        (1u32..3, 5u32..9).prop_map(|(min, per)| Constraint::MinShare { facet: Facet::Source, value: "s1".into(), min, per, top: None }),
        (0u32..30).prop_map(|position| Constraint::Pin { facet: Facet::Topic, value: "t0".into(), position }),
    ];
    (
        1usize..80,
        1u32..8,
        1u32..12,
        any::<u64>(),
        prop::collection::vec(constraint, 0..4),
        0.0f32..=1.0,
        0.0f32..0.5,
        any::<(bool, bool, bool)>(),
    )
        .prop_map(|(items, topics, creators, salt, constraint, diversity, share, (mean, softmax, minmax))| {
            let mut policy = Policy { constraint, ..Policy::default() };
            policy.diversify.diversity = diversity;
            policy.diversify.aggregate = if mean { Aggregate::Mean } else { Aggregate::Max };
            policy.explore.share = share;
            policy.explore.method = if softmax { ExploreMethod::Softmax } else { ExploreMethod::Epsilon };
            policy.score.normalize = if minmax { Normalize::Minmax } else { Normalize::Percentile };
            World { items, topics, creators, salt, policy }
        })
}

/// Where a slate breaks a constraint, as it reads: positions, or whole blocks that miss something.
fn broken_in(constraint: &Constraint, slate: &[&Entry]) -> Vec<(usize, usize)> {
    let values: Vec<Option<FacetCode>> = slate.iter().map(|entry| entry.facet(constraint.facet())).collect();
    let is_named = |entry: &Entry, value: &str| match constraint.facet() {
        Facet::Source => entry.item.source.as_deref() == Some(value),
        _ => entry.item.topics.first().is_some_and(|(topic, _)| **topic == *value),
    };
    let repeats = |position: usize, before: u32| {
        let earlier = &values[position.saturating_sub(before as usize)..position];
        earlier.iter().filter(|value| value.is_some() && **value == values[position]).count()
    };
    let blocks = |per: &u32| (0..slate.len() / *per as usize).map(|block| (block * *per as usize, (block + 1) * *per as usize)).collect();
    let positions = || (0..slate.len()).map(|position| (position, position + 1));
    match constraint {
        Constraint::MaxShare { max, per, .. } => positions().filter(|(at, _)| repeats(*at, per - 1) >= *max as usize).collect(),
        Constraint::MinGap { gap, top, .. } => {
            positions().filter(|(at, _)| top.is_none_or(|top| *at < top as usize) && repeats(*at, *gap) > 0).collect()
        }
        Constraint::MinDistinct { min, per, .. } => {
            let mut blocks: Vec<_> = blocks(per);
            blocks.retain(|(start, end)| values[*start..*end].iter().flatten().collect::<HashSet<_>>().len() < *min as usize);
            blocks
        }
        Constraint::MinShare { value, min, per, .. } => {
            let mut blocks: Vec<_> = blocks(per);
            blocks.retain(|(start, end)| slate[*start..*end].iter().filter(|e| is_named(e, value)).count() < *min as usize);
            blocks
        }
        Constraint::Cap { .. } => Vec::new(),
        Constraint::Pin { value, position, .. } => {
            positions().filter(|(at, _)| *at == *position as usize && !is_named(slate[*at], value)).collect()
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_candidate_is_lost_or_served_twice(world in world(), seed in any::<u64>()) {
        let snapshot = world.snapshot(false);
        let (pool, pages, ids) = world.run(&snapshot, World::candidates(&snapshot), seed, &[world.items, 5]);
        prop_assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len());
        prop_assert_eq!(ids.len(), pool.len());
        prop_assert!(!pages[0].has_next);
        prop_assert!(pages[1].placed.is_empty());
    }

    #[test]
    fn pages_cut_anywhere_give_the_same_slate(world in world(), seed in any::<u64>(), cuts in prop::collection::vec(1usize..12, 1..8)) {
        let snapshot = world.snapshot(false);
        let whole = world.run(&snapshot, World::candidates(&snapshot), seed, &[cuts.iter().sum()]);
        let cut = world.run(&snapshot, World::candidates(&snapshot), seed, &cuts);
        prop_assert_eq!(whole.2, cut.2);
        let placed = |pages: &[Page]| pages.iter().flat_map(|p| p.placed.clone()).collect::<Vec<_>>();
        prop_assert_eq!(placed(&whole.1), placed(&cut.1));
        prop_assert_eq!(&whole.1[0].relaxed, &cut.1.iter().flat_map(|p| p.relaxed.clone()).collect::<Vec<_>>());
    }

    #[test]
    fn what_was_placed_is_placed_again_and_rests_on_its_parts(world in world(), seed in any::<u64>()) {
        let snapshot = world.snapshot(false);
        let (pool, pages, _) = world.run(&snapshot, World::candidates(&snapshot), seed, &[7, 15]);
        let recorded: Vec<Placed> = pages.into_iter().flat_map(|page| page.placed).collect();
        let profile = world.profile();
        let context = Context { snapshot: &snapshot, profile: Some(&profile), policy: &world.policy, now: NOW };
        let pool = Pool { candidates: &pool, diversity: world.policy.diversify.diversity, seed, exemplars: &[], dials: Dials::default() };
        let replayed = place::replay(&pool, &recorded, &context);
        prop_assert_eq!(replayed.len(), recorded.len());
        for (again, placed) in replayed.iter().zip(&recorded) {
            prop_assert_eq!(again.placed.as_ref(), Some(placed));
            prop_assert_eq!(again.standing.is_some(), placed.slot == Slot::Ranked);
            prop_assert_eq!(again.arms > 0, placed.slot == Slot::Exploration);
            if let Some(standing) = again.standing {
                prop_assert_eq!(standing.index, placed.pool_index as usize);
                prop_assert!((standing.relevance_part + standing.diversity_part - f64::from(placed.objective)).abs() < 1e-9);
                prop_assert!(standing.margin.is_none_or(|margin| margin >= 0.0));
                prop_assert!(standing.displaces.is_none_or(|other| other < standing.index));
            }
        }
    }

    #[test]
    fn order_of_ingestion_and_of_the_pool_does_not_matter(world in world(), seed in any::<u64>()) {
        let (forward, backward) = (world.snapshot(false), world.snapshot(true));
        let mut shuffled = World::candidates(&backward);
        shuffled.rotate_left(world.items / 3);
        shuffled.reverse();
        let a = world.run(&forward, World::candidates(&forward), seed, &[30]);
        let b = world.run(&backward, shuffled, seed, &[30]);
        prop_assert_eq!(a.2, b.2);
        prop_assert_eq!(&a.1, &b.1);
    }

    #[test]
    fn a_broken_constraint_is_always_reported(world in world(), seed in any::<u64>()) {
        let snapshot = world.snapshot(false);
        let (pool, pages, _) = world.run(&snapshot, World::candidates(&snapshot), seed, &[25]);
        let slate: Vec<&Entry> = pages[0]
            .placed
            .iter()
            .map(|placed| pool[placed.pool_index as usize].row.and_then(|row| snapshot.entry(row)).expect("there"))
            .collect();
        for (index, constraint) in world.policy.constraint.iter().enumerate() {
            let reported: Vec<usize> =
                pages[0].relaxed.iter().filter(|r| usize::from(r.constraint) == index).map(|r| r.position as usize).collect();
            let broken = broken_in(constraint, &slate);
            if matches!(constraint, Constraint::MinShare { .. } | Constraint::MinDistinct { .. }) {
                for (start, end) in broken {
                    prop_assert!(reported.iter().any(|at| (start..end).contains(at)), "{constraint}: {start}..{end} is not in {reported:?}");
                }
            } else {
                prop_assert_eq!(broken.into_iter().map(|(start, _)| start).collect::<Vec<_>>(), reported, "{}", constraint);
            }
        }
    }

    #[test]
    fn without_diversity_constraints_and_chance_the_slate_is_relevance_order(mut world in world(), seed in any::<u64>()) {
        world.policy.diversify.diversity = 0.0;
        world.policy.constraint.clear();
        world.policy.explore.share = 0.0;
        let snapshot = world.snapshot(false);
        let (_, pages, _) = world.run(&snapshot, World::candidates(&snapshot), seed, &[world.items]);
        let order: Vec<u32> = pages[0].placed.iter().map(|p| p.pool_index).collect();
        prop_assert_eq!(order, (0..world.items as u32).collect::<Vec<_>>());
    }

    #[test]
    fn similarity_is_symmetric_bounded_and_one_with_itself(world in world()) {
        let snapshot = world.snapshot(false);
        let rows: Vec<Row> = snapshot.walk_from(0).take(12).collect();
        let view = View::new(rows.iter().map(|row| Some(*row)), &snapshot, &world.policy.diversify.similarity);
        for a in 0..view.len() {
            let pinned = view.pin(a);
            for b in 0..view.len() {
                let s = view.similarity(a, b);
                prop_assert!((0.0..=1.0).contains(&s));
                prop_assert_eq!(s.to_bits(), view.similarity(b, a).to_bits());
                prop_assert_eq!(s.to_bits(), view.similarity_to(&pinned, b).to_bits());
                prop_assert!(view.kernels_to([&pinned], b)[0] <= s);
            }
            prop_assert!((view.similarity(a, a) - 1.0).abs() < 2e-3);
        }
    }
}

/// Pearson's chi-square over 20,000 seeds: drawn frequencies against the propensities recorded.
#[test]
fn draws_follow_their_propensities() {
    let posterior = [(0.1, 0.09), (0.1, 0.09), (0.3, 0.02), (0.2, 0.05)];
    for (method, epsilon) in
        [(ExploreMethod::Epsilon, 1.0), (ExploreMethod::Epsilon, 0.3), (ExploreMethod::Softmax, 1.0), (ExploreMethod::Thompson, 1.0)]
    {
        let explore = crate::domain::policy::Explore { method, epsilon, temperature: 0.5, ..Policy::default().explore };
        let arm = |i: usize| Arm { relevance: i as f32 / 11.0, mean: posterior[i % 4].0, deviation: posterior[i % 4].1 };
        let arms: Vec<Arm> = (0..12).map(arm).collect();
        let expected = explore::propensities(&arms, &explore);
        assert!((expected.iter().sum::<f64>() - 1.0).abs() < 1e-4, "{method:?}: {expected:?}");
        let draws = 20_000;
        let mut counts = vec![0u32; arms.len()];
        for seed in 0..draws {
            let (index, propensity) = explore::draw(&arms, &explore, seed, 9).expect("eligible");
            assert_eq!(propensity.to_bits(), expected[index].to_bits());
            counts[index] += 1;
        }
        let chi_square: f64 =
            counts.iter().zip(&expected).map(|(c, p)| (f64::from(*c) - draws as f64 * p).powi(2) / (draws as f64 * p)).sum();
        // 11 degrees of freedom: 31.26 is the 0.001 quantile.
        assert!(chi_square < 31.26, "{method:?}: {chi_square} {counts:?} {expected:?}");
    }
}

/// What everybody opens when shown wins more often than what nobody does, and what is unknown gets its chance.
#[test]
fn thompson_prefers_what_is_opened_and_keeps_trying_what_is_unknown() {
    let arm = |mean, deviation| Arm { relevance: 0.5, mean, deviation };
    let explore = crate::domain::policy::Explore { method: ExploreMethod::Thompson, ..Policy::default().explore };
    let chances = explore::propensities(&[arm(0.30, 0.01), arm(0.05, 0.01), arm(0.10, 0.09)], &explore);
    assert!(chances[0] > 0.9 && chances[1] < 1e-6 && chances[2] > 0.005, "{chances:?}");
    // Two alike: one half each, to the precision stated.
    let halves = explore::propensities(&[arm(0.1, 0.02), arm(0.1, 0.02)], &explore);
    assert!((halves[0] - 0.5).abs() < 1e-4 && halves[0] == halves[1], "{halves:?}");
    assert_eq!(explore::draw(&[], &explore, 1, 1), None);
}

#[test]
fn exploration_slots_keep_their_share_and_their_first_position() {
    let explore = crate::domain::policy::Explore { share: 0.1, earliest_position: 4, ..Policy::default().explore };
    let slots: Vec<usize> = (0..60).filter(|p| explore::is_slot(*p, &explore)).collect();
    assert_eq!(slots, [9, 19, 29, 39, 49, 59]);
    let early = crate::domain::policy::Explore { share: 0.5, earliest_position: 3, ..explore };
    assert_eq!((0..10).filter(|p| explore::is_slot(*p, &early)).collect::<Vec<_>>(), [3, 5, 7, 9]);
}

#[test]
fn explored_items_come_from_outside_the_profile() {
    let mut policy = Policy { constraint: vec![], ..Policy::default() };
    policy.explore.share = 0.3;
    let world = World { items: 60, topics: 5, creators: 9, salt: 99, policy };
    let snapshot = world.snapshot(false);
    let (pool, pages, _) = world.run(&snapshot, World::candidates(&snapshot), 5, &[30]);
    let explored: Vec<_> = pages[0].placed.iter().filter(|p| p.slot == Slot::Exploration).collect();
    assert!(explored.len() >= 7, "{}", explored.len());
    for placed in explored {
        assert!(pool[placed.pool_index as usize].sources.has(SourceKind::Outside));
        assert!(placed.propensity > 0.0 && placed.propensity < 1.0);
    }
}

#[test]
fn metrics_match_worked_values() {
    assert_eq!(metrics::entropy_bits([4, 4, 4, 4]), 2.0);
    assert_eq!(metrics::entropy_bits([7]), 0.0);
    assert_eq!(metrics::entropy_bits([]), 0.0);
    assert!((metrics::entropy_bits([1, 3]) - 0.811_278_124_459_132_8).abs() < 1e-12);
    assert_eq!(metrics::relevance_kept([0.5f32, 0.5].into_iter(), [1.0f32, 1.0, 0.5].into_iter()), 0.5);
    assert_eq!(metrics::relevance_kept([].into_iter(), [1.0f32].into_iter()), 1.0);
}

/// What the policy asks for is had whenever some diversity gives it and keeps enough, and what is said is what is there.
#[test]
fn a_target_is_reached_where_it_can_be_and_otherwise_said() {
    use crate::domain::policy::{Target, TargetMetric};
    let mut seen = HashSet::new();
    for (salt, metric, at_least, kept_min) in [
        (3u64, TargetMetric::Distinct, 5.0, 0.5),
        (5, TargetMetric::Entropy, 2.0, 0.5),
        (7, TargetMetric::Ild, 0.55, 0.5),
        (11, TargetMetric::Distinct, 60.0, 0.5),
        (13, TargetMetric::Ild, 0.62, 0.99),
        (17, TargetMetric::Entropy, 0.0, 0.0),
    ] {
        let mut policy = Policy { constraint: vec![], ..Policy::default() };
        policy.explore.share = 0.0;
        policy.diversify.target = Target { metric, at_least, relevance_kept_min: kept_min };
        let world = World { items: 80, topics: 7, creators: 9, salt, policy };
        let snapshot = world.snapshot(false);
        let profile = world.profile();
        let context = Context { snapshot: &snapshot, profile: Some(&profile), policy: &world.policy, now: NOW };
        let scored = score(World::candidates(&snapshot), &[], &context).scored;
        let candidates: Vec<PoolCandidate> = scored.iter().map(PoolCandidate::from).collect();
        let pool = Pool { candidates: &candidates, diversity: 0.35, seed: 1, exemplars: &[], dials: Dials::default() };
        let (page, outcome) = target::aim(&pool, 20, [0.0, 1.0], &context);
        assert!(outcome.runs <= target::MAX_RUNS);
        assert_eq!(
            page,
            place(&Pool { diversity: outcome.diversity, ..pool }, &[], 20, &context),
            "the page is the one of the weight said"
        );
        let holds = outcome.achieved >= f64::from(at_least) && outcome.relevance_kept >= f64::from(kept_min);
        assert_eq!(outcome.missed.is_none(), holds, "{outcome:?}");
        if let Some(missed) = outcome.missed {
            // No weight on a fine grid does it either.
            for step in 0..=64 {
                let one = target::Attempt::new(&pool, step as f32 / 64.0, 20, &context);
                assert!(
                    !(one.achieved >= f64::from(at_least) && one.relevance_kept >= f64::from(kept_min)),
                    "{missed:?} {}",
                    one.diversity
                );
            }
        }
        seen.insert(outcome.missed);
    }
    assert_eq!(seen.len(), 3, "reached, out of reach, and too dear: {seen:?}");
}

/// Whatever the reader likes: of the same candidates, chance takes the same one with the same probability.
#[test]
fn an_even_draw_knows_nothing_of_the_profile() {
    let explore = crate::domain::policy::Explore { method: ExploreMethod::Epsilon, epsilon: 1.0, ..Policy::default().explore };
    let arms = |liked: usize| -> Vec<Arm> {
        let relevance = |n: usize| if n == liked { 1.0 } else { n as f32 / 24.0 };
        (0..12).map(|n| Arm { relevance: relevance(n), mean: 0.1, deviation: 0.05 }).collect()
    };
    for position in 0..500 {
        let drawn = explore::draw(&arms(0), &explore, 7, position).expect("there are arms");
        assert!((drawn.1 - 1.0 / 12.0).abs() < 1e-12, "{drawn:?}");
        for liked in 1..12 {
            assert_eq!(explore::draw(&arms(liked), &explore, 7, position), Some(drawn));
        }
    }
}
