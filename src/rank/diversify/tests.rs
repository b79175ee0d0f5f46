//! Each method against its plain definition, and the promises all methods share.

use half::f16;
use proptest::prelude::*;

use super::*;
use crate::{
    catalogue::{Entry, Row, Snapshot},
    domain::{
        Creator, Embedding, EmbeddingSpace, Facet, Item, ItemId, Policy, Span,
        policy::{Calibrate, EditorialShare, SimilarityWeights, Toward},
    },
};

const DIMENSION: usize = 24;

/// Relevance step, embedding (`None`: missing), creator, viewpoint, topics with whether they are heavy.
type Drawn = (u8, Option<u8>, Option<u8>, Option<u8>, Vec<(u8, bool)>);

/// A random pool: few distinct values everywhere, so that ties, duplicates and missing values are common.
#[derive(Clone, Debug)]
struct World {
    items: Vec<Drawn>,
    diversify: Diversify,
    diversity: f32,
    count: usize,
}

fn world(method: Method) -> impl Strategy<Value = World> {
    let some = |of: u8| prop::option::weighted(0.85, 0..of);
    let topics = prop::collection::btree_map(0u8..6, any::<bool>(), 0..3).prop_map(|topics| topics.into_iter().collect());
    let item = (0u8..12, some(20), some(5), some(3), topics);
    let knobs = (0u8..=10, 0u32..4, any::<(bool, bool, bool)>(), 0u8..5);
    (prop::collection::vec(item, 0..40), knobs, 0usize..45).prop_map(move |(items, (dial, window, flags, mixed), count)| {
        let (mean, windowed, editorial) = flags;
        let mut diversify = Policy::default().diversify;
        diversify.method = method;
        diversify.aggregate = if mean { Aggregate::Mean } else { Aggregate::Max };
        diversify.window = if windowed { window + 1 } else { 0 };
        diversify.similarity = match mixed {
            0 => SimilarityWeights { topic: 0.0, creator: 0.0, source: 0.0, viewpoint: 0.0, language: 0.0, embedding: 1.0 },
            1 => SimilarityWeights { topic: 0.5, creator: 0.3, source: 0.0, viewpoint: 0.2, language: 0.0, embedding: 0.0 },
            _ => SimilarityWeights { topic: 0.3, creator: 0.2, source: 0.0, viewpoint: 0.1, language: 0.0, embedding: 0.4 },
        };
        let facet = if mixed % 2 == 0 { Facet::Topic } else { Facet::Viewpoint };
        let toward = if editorial { Toward::Editorial } else { Toward::Catalogue };
        let shares = [0.5, 0.3, 0.2].into_iter().enumerate();
        diversify.calibrate =
            Calibrate { facet, toward, editorial: shares.map(|(n, share)| EditorialShare { value: format!("v{n}"), share }).collect() };
        World { items, diversify, diversity: f32::from(dial) / 10.0, count }
    })
}

impl World {
    fn snapshot(&self) -> (Snapshot, Vec<Row>, Vec<f32>) {
        let mut order: Vec<usize> = (0..self.items.len()).collect();
        // Pools come sorted by relevance, then id.
        order.sort_by_key(|at| (std::cmp::Reverse(self.items[*at].0), *at));
        let snapshot = Snapshot::of_items(self.items.iter().enumerate().map(|(n, item)| item_of(n, item)), DIMENSION, Span::hours(24));
        let row = |n: &usize| snapshot.find(&id(*n)).expect("there");
        let rows: Vec<Row> = order.iter().map(row).collect();
        let relevance = order.iter().map(|n| f32::from(self.items[*n].0) / 11.0).collect();
        (snapshot, rows, relevance)
    }

    fn select(&self, evaluation: Evaluation) -> Vec<(usize, f32)> {
        let (snapshot, rows, relevance) = self.snapshot();
        let view = View::new(rows.iter().map(|row| Some(*row)), &snapshot, &self.diversify.similarity);
        select(&self.problem(&view, evaluation), &relevance, Some(self.mix(&snapshot, &rows)), self.count)
    }

    fn problem<'a>(&'a self, view: &'a View<'a>, evaluation: Evaluation) -> Problem<'a> {
        Problem { view, diversify: &self.diversify, diversity: self.diversity, slate: 10, slots: self.count, evaluation }
    }

    fn mix(&self, snapshot: &Snapshot, rows: &[Row]) -> Mix {
        let entries: Vec<Option<&Entry>> = rows.iter().map(|row| snapshot.entry(*row)).collect();
        Mix::new(&self.diversify.calibrate, entries.into_iter(), snapshot, None)
    }
}

fn id(n: usize) -> ItemId {
    ItemId::new(format!("i{n:03}")).expect("valid")
}

/// Embeddings in few directions: exact duplicates, near ones, opposite ones.
fn item_of(n: usize, (_, vector, creator, viewpoint, topics): &Drawn) -> Item {
    let numbers = |seed: u8| -> Vec<f32> {
        let direction = |at: usize| f32::from((u16::from(seed % 10) * 37 + at as u16 * 101) % 17) - 8.0;
        (0..DIMENSION).map(|at| direction(at) * if seed == 9 { -1.0 } else { 1.0 } + f32::from(seed / 10) * (at % 3) as f32).collect()
    };
    Item {
        id: id(n),
        title: format!("Story {n}"),
        description: None,
        url: None,
        image: None,
        creator: creator.map(|creator| Creator { id: format!("c{creator}").into(), name: None }),
        topics: topics.iter().map(|(topic, heavy)| (format!("v{topic}").into(), if *heavy { 1.0 } else { 0.4 })).collect(),
        source: None,
        viewpoint: viewpoint.map(|viewpoint| format!("v{viewpoint}").into()),
        language: None,
        format: None,
        published_at: None,
        expires_at: None,
        embedding: vector.map(|seed| match seed {
            19 => Embedding { space: EmbeddingSpace::HashedText, values: vec![f16::from_f32(0.2); DIMENSION].into() },
            18 => Embedding { space: EmbeddingSpace::Model, values: vec![f16::ZERO; DIMENSION].into() },
            seed => Embedding::from_model(&numbers(seed), DIMENSION).expect("a direction"),
        }),
        attributes: None,
        sponsored: None,
    }
}

fn bits(slate: &[(usize, f32)]) -> Vec<(usize, u32)> {
    slate.iter().map(|(index, objective)| (*index, objective.to_bits())).collect()
}

/// Ten thousand pools: the lazy slate is the scan's, id for id and bit for bit.
macro_rules! lazy_is_the_scan {
    ($($name:ident: $method:expr),*) => { $(
        proptest! {
            #![proptest_config(ProptestConfig::with_cases(10_000))]
            #[test]
            fn $name(world in world($method)) {
                prop_assert_eq!(bits(&world.select(Evaluation::Lazy)), bits(&world.select(Evaluation::Scan)));
            }
        }
    )* };
}
lazy_is_the_scan! {
    lazy_mmr_is_the_scan: Method::Mmr,
    lazy_dpp_is_the_scan: Method::Dpp,
    lazy_msd_is_the_scan: Method::Msd,
    lazy_ssd_is_the_scan: Method::Ssd,
    lazy_coverage_is_the_scan: Method::Coverage,
    lazy_calibrated_is_the_scan: Method::Calibrated
}

/// The objective as its formula reads, in double precision, from the set placed so far.
fn defined(world: &World, view: &View, relevance: &[f32], facts: &Facts, placed: &[usize], index: usize) -> f64 {
    let lambda = f64::from(lambda(&world.diversify, world.diversity));
    let window = world.diversify.window as usize;
    let recent = if window > 0 { &placed[placed.len().saturating_sub(window)..] } else { placed };
    let alike = |set: &[usize]| set.iter().map(|j| f64::from(view.similarity(*j, index))).collect::<Vec<f64>>();
    let adds = match world.diversify.method {
        Method::None => 0.0,
        Method::Mmr => {
            let alike = alike(recent);
            let mean = alike.iter().sum::<f64>() / alike.len().max(1) as f64;
            -if world.diversify.aggregate == Aggregate::Max { alike.into_iter().fold(0.0, f64::max) } else { mean }
        }
        Method::Msd => 2.0 / f64::max(9.0, placed.len() as f64) * alike(placed).iter().map(|s| 1.0 - s).sum::<f64>(),
        Method::Dpp => residual(view, recent, index).max(f64::from(SPANNED)).ln(),
        Method::Ssd => residual(view, recent, index).max(f64::from(SPANNED)).sqrt(),
        Method::Coverage => facts.coverage(placed, index),
        Method::Calibrated => -facts.divergence(placed, index),
    };
    lambda * f64::from(relevance[index]) + (1.0 - lambda) * adds
}

/// `1 − k K⁻¹ k` by Gaussian elimination over the placed items that are not spanned by those before them.
fn residual(view: &View, placed: &[usize], index: usize) -> f64 {
    let kernel = |a: usize, b: usize| if a == b { 1.0 } else { f64::from(view.kernels_to([&view.pin(a)], b)[0]) };
    let against = |basis: &[usize], index: usize| {
        let n = basis.len();
        let mut rows: Vec<Vec<f64>> =
            basis.iter().map(|a| basis.iter().map(|b| kernel(*a, *b)).chain([kernel(*a, index)]).collect()).collect();
        for at in 0..n {
            for other in 0..n {
                if other != at {
                    let factor = rows[other][at] / rows[at][at];
                    let pivot = rows[at].clone();
                    rows[other].iter_mut().zip(&pivot).skip(at).for_each(|(x, y)| *x -= factor * y);
                }
            }
        }
        1.0 - (0..n).map(|at| rows[at][n] / rows[at][at] * kernel(basis[at], index)).sum::<f64>()
    };
    let mut basis = Vec::new();
    for item in placed {
        if against(&basis, *item) >= f64::from(SPANNED) {
            basis.push(*item);
        }
    }
    against(&basis, index)
}

/// Target and shares by name, as the formulas of the mixes read.
struct Facts {
    target: std::collections::BTreeMap<String, f64>,
    shares: Vec<std::collections::BTreeMap<String, f64>>,
}

impl Facts {
    fn new(world: &World, snapshot: &Snapshot, rows: &[Row]) -> Self {
        let calibrate = &world.diversify.calibrate;
        let shares: Vec<std::collections::BTreeMap<String, f64>> = rows
            .iter()
            .map(|row| {
                let item = &snapshot.entry(*row).expect("there").item;
                let values: Vec<(String, f64)> = item
                    .facets()
                    .filter(|(facet, _, _)| *facet == calibrate.facet)
                    .map(|(_, v, w)| (v.to_string(), f64::from(w)))
                    .collect();
                let sum: f64 = values.iter().map(|(_, weight)| weight).sum();
                values.into_iter().map(|(value, weight)| (value, weight / sum)).collect()
            })
            .collect();
        let mut target = std::collections::BTreeMap::new();
        for shares in &shares {
            for value in shares.keys() {
                let share = match calibrate.toward {
                    // Set below.
                    Toward::Editorial => 0.0,
                    _ => *target.get(value).unwrap_or(&0.0) + 1.0,
                };
                target.insert(value.clone(), share);
            }
        }
        if calibrate.toward == Toward::Editorial {
            // A value nobody in the catalogue has is out of reach, whatever its share.
            let known = |e: &&EditorialShare| snapshot.codes().get(calibrate.facet, &e.value).is_some();
            target = calibrate.editorial.iter().filter(known).map(|e| (e.value.clone(), f64::from(e.share))).collect();
        }
        let sum: f64 = target.values().sum();
        target.values_mut().for_each(|share| *share /= sum);
        Self { target, shares }
    }

    fn divergence(&self, placed: &[usize], index: usize) -> f64 {
        let slate: Vec<usize> = placed.iter().copied().chain([index]).filter(|i| !self.shares[*i].is_empty()).collect();
        let kl = |(value, p): (&String, &f64)| {
            let q = slate.iter().map(|i| self.shares[*i].get(value).unwrap_or(&0.0)).sum::<f64>() / slate.len().max(1) as f64;
            if *p > 0.0 { p * (p / (0.99 * q + 0.01 * p)).ln() } else { 0.0 }
        };
        self.target.iter().map(kl).sum()
    }

    fn coverage(&self, placed: &[usize], index: usize) -> f64 {
        let most = self.target.values().copied().fold(0.0, f64::max);
        let covered = |value: &String, i: &usize| 0.5 * self.shares[*i].get(value).unwrap_or(&0.0);
        let gain = |(value, p): (&String, &f64)| {
            let share = self.shares[index].get(value).unwrap_or(&0.0);
            p / most * share * placed.iter().map(|j| 1.0 - covered(value, j)).product::<f64>()
        };
        if most > 0.0 { self.target.iter().map(gain).sum() } else { 0.0 }
    }
}

/// Every choice has, within rounding, the greatest objective by its formula, and every objective said is the formula's.
fn follows_its_definition(world: &World) -> Result<(), TestCaseError> {
    let (snapshot, rows, relevance) = world.snapshot();
    let view = View::new(rows.iter().map(|row| Some(*row)), &snapshot, &world.diversify.similarity);
    let facts = Facts::new(world, &snapshot, &rows);
    let mut placed = Vec::new();
    for (index, objective) in world.select(Evaluation::Lazy) {
        let value = |i: usize| defined(world, &view, &relevance, &facts, &placed, i);
        let best = (0..rows.len()).filter(|i| !placed.contains(i)).map(value).fold(f64::MIN, f64::max);
        // Near the rank the logarithm magnifies rounding.
        let slack = if world.diversify.method == Method::Dpp { 0.02 } else { 2e-3 };
        prop_assert!((value(index) - f64::from(objective)).abs() < slack, "{index}: said {objective}, is {}", value(index));
        prop_assert!(best - value(index) < slack, "{index} has {}, the best {best}", value(index));
        placed.push(index);
    }
    prop_assert_eq!(placed.len(), world.count.min(rows.len()));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn mmr_follows_its_definition(world in world(Method::Mmr)) { follows_its_definition(&world)?; }
    #[test]
    fn msd_follows_its_definition(world in world(Method::Msd)) { follows_its_definition(&world)?; }
    #[test]
    fn coverage_follows_its_definition(world in world(Method::Coverage)) { follows_its_definition(&world)?; }
    #[test]
    fn calibration_follows_its_definition(world in world(Method::Calibrated)) { follows_its_definition(&world)?; }

    /// The kernel is a Gram matrix where nothing is missing: that is where the formula of the residual has a meaning.
    #[test]
    fn dpp_follows_its_definition(mut world in world(Method::Dpp)) { complete(&mut world); follows_its_definition(&world)?; }
    #[test]
    fn ssd_follows_its_definition(mut world in world(Method::Ssd)) { complete(&mut world); follows_its_definition(&world)?; }

    #[test]
    fn relevance_that_is_no_number_comes_last_and_nothing_is_lost(
        method in prop::sample::select(Method::ALL.to_vec()),
        world in world(Method::None),
        bad in prop::collection::vec((0usize..40, prop::sample::select(vec![f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -3.0, f32::MAX])), 0..8),
    ) {
        let world = World { diversify: Diversify { method, ..world.diversify.clone() }, count: 100, ..world };
        let (snapshot, rows, mut relevance) = world.snapshot();
        for (at, value) in bad {
            if let Some(slot) = relevance.get_mut(at) {
                *slot = value;
            }
        }
        let view = View::new(rows.iter().map(|row| Some(*row)), &snapshot, &world.diversify.similarity);
        let slates = [Evaluation::Lazy, Evaluation::Scan]
            .map(|evaluation| select(&world.problem(&view, evaluation), &relevance, Some(world.mix(&snapshot, &rows)), 100));
        prop_assert_eq!(bits(&slates[0]), bits(&slates[1]));
        let mut indices: Vec<usize> = slates[0].iter().map(|(index, _)| *index).collect();
        indices.sort_unstable();
        prop_assert_eq!(indices, (0..rows.len()).collect::<Vec<_>>());
    }
}

/// Gives every item every axis.
fn complete(world: &mut World) {
    for (n, (_, vector, creator, viewpoint, topics)) in world.items.iter_mut().enumerate() {
        *vector = Some(vector.unwrap_or(n as u8) % 18);
        creator.get_or_insert(0);
        viewpoint.get_or_insert(0);
        if topics.is_empty() {
            topics.push((0, true));
        }
    }
}

proptest! {
    #[test]
    fn the_dial_goes_from_relevance_alone_to_diversity_alone(
        method in prop::sample::select(Method::ALL.to_vec()),
        mean in any::<bool>(),
        (a, b) in (0.0f32..=1.0, 0.0f32..=1.0),
    ) {
        let aggregate = if mean { Aggregate::Mean } else { Aggregate::Max };
        let diversify = Diversify { method, aggregate, ..Policy::default().diversify };
        let of = |d| lambda(&diversify, d);
        prop_assert_eq!([of(0.0), of(1.0), of(-0.5), of(7.0), of(f32::NAN)], [1.0, 0.0, 1.0, 0.0, 1.0]);
        prop_assert!(of(a.min(b)) >= of(a.max(b)), "{} {}", of(a), of(b));
        // No steeper than κ = 4 makes it at the far end, no flatter than it makes it at the near one.
        let slope = (of(a.min(b)) - of(a.max(b))) / (a - b).abs().max(1e-3);
        prop_assert!(slope <= 4.01 && ((a - b).abs() < 1e-2 || slope >= 0.24), "{slope}");
        prop_assert!((diversity_of(&diversify, of(a)) - a).abs() < 1e-5, "{a}");
    }
}

#[test]
fn the_shipped_dial_is_one_less_lambda_and_dpp_has_its_odds_divided_by_four() {
    let shipped = Policy::default().diversify;
    assert_eq!(lambda(&shipped, 0.35), 1.0 - 0.35);
    // 0.8 : 0.2 are odds of 4.
    assert!((lambda(&Diversify { method: Method::Dpp, ..shipped }, 0.8) - 0.5).abs() < 1e-6);
}

#[test]
fn an_empty_pool_and_a_slate_of_none() {
    for method in Method::ALL {
        let diversify = Diversify { method, ..Policy::default().diversify };
        let world = World { items: vec![], diversify, diversity: 0.5, count: 5 };
        assert_eq!(world.select(Evaluation::Lazy), []);
        let world = World { items: vec![(1, Some(1), None, None, vec![])], count: 0, ..world };
        assert_eq!(world.select(Evaluation::Lazy), []);
    }
}
