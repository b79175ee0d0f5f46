//! Relevance features: what each adds, takes off, and that the parts are the whole.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::{
    catalogue::{Catalogue, CatalogueRecord, Snapshot},
    domain::{
        Creator, Embedding, Facet, Item, ItemId, Policy, Popularity, Profile, Span, Time,
        feed::{Placed, PoolEntry, Slot},
        policy::{Normalize, TopicPrior},
        profile::{Affinity, Dislike, Exposure, Interest, Seen},
    },
    rank::{SourceKind, Sources},
};

const NOW: Time = Time(1_700_000_000_000);

fn item(n: usize, topic: &str) -> Item {
    Item {
        id: ItemId::new(format!("item-{n:04}")).expect("valid"),
        title: topic.into(),
        description: None,
        url: None,
        image: None,
        creator: Some(Creator { id: format!("c{}", n % 3).into(), name: None }),
        topics: vec![(topic.into(), 1.0)],
        source: Some(format!("s{}", n % 2).into()),
        viewpoint: Some(["left", "right"][n % 2].into()),
        language: None,
        format: None,
        published_at: Some(NOW.minus(Span::hours(n as i64))),
        expires_at: None,
        embedding: Some(Embedding::of_text(topic, 32)),
        attributes: None,
        sponsored: None,
    }
}

/// Raw scores are what relevance is, so that they can be compared.
fn policy() -> Policy {
    let mut policy = Policy::default();
    policy.score.normalize = Normalize::None;
    policy.score.weights.recency = 0.0;
    policy
}

fn snapshot(items: &[Item], popularity: &[(usize, Popularity)]) -> Arc<Snapshot> {
    let catalogue = Catalogue::new(32, Span::hours(24));
    catalogue.apply(items.iter().cloned().map(|item| CatalogueRecord::Put(Box::new(item))));
    catalogue.apply(popularity.iter().map(|(n, popularity)| CatalogueRecord::Popularity(items[*n].id.clone(), *popularity)));
    catalogue.snapshot()
}

struct World {
    items: Vec<Item>,
    snapshot: Arc<Snapshot>,
    policy: Policy,
}

impl World {
    fn new(topics: &[&str], popularity: &[(usize, Popularity)]) -> Self {
        let items: Vec<Item> = topics.iter().enumerate().map(|(n, topic)| item(n, topic)).collect();
        Self { snapshot: snapshot(&items, popularity), items, policy: policy() }
    }

    fn context<'a>(&'a self, profile: Option<&'a Profile>) -> Context<'a> {
        Context { snapshot: &self.snapshot, profile, policy: &self.policy, now: NOW }
    }

    /// In the order of the items.
    fn scored(&self, profile: Option<&Profile>) -> Vec<Scored> {
        let rows: Vec<_> = self.items.iter().map(|item| self.snapshot.find(&item.id).expect("there")).collect();
        let candidate = |row: &_| Candidate { row: *row, sources: Sources::of(SourceKind::Fresh), relevance: 0.0 };
        let scored = score(&rows.iter().map(candidate).collect::<Vec<_>>(), &self.context(profile));
        rows.iter().map(|row| scored.iter().find(|s| s.row == *row).expect("scored").clone()).collect()
    }

    /// One feature's contribution to each item.
    fn part(&self, feature: Feature, profile: Option<&Profile>) -> Vec<f32> {
        self.scored(profile).iter().map(|s| s.contributions[feature as usize]).collect()
    }
}

fn liking(topic: &str, liking: f32) -> Affinity {
    Affinity { facet: Facet::Topic, value: topic.into(), liking, shown: 0.0 }
}

fn shown(topic: &str, shown: f32) -> Exposure {
    Exposure { facet: Facet::Topic, value: topic.into(), shown, opened: 0.0 }
}

fn seen(item: &Item, impressions: u8) -> Seen {
    Seen { item_hash: item.id.hash64(), at: NOW.minus(Span::days(9)), opened: false, impressions, given: 0, taught: 0 }
}

fn profile() -> Profile {
    Profile { as_of: NOW, events: 50, ..Profile::default() }
}

proptest! {
    /// Whatever is known, the contributions are all there is to a raw score.
    #[test]
    fn the_contributions_sum_to_the_raw_score(
        likings in prop::array::uniform3(0.0f32..5.0),
        exposures in prop::array::uniform3(0.0f32..60.0),
        dislike in 0.0f32..9.0,
        impressions in prop::array::uniform3(0u8..16),
        used in prop::collection::vec((0.0f64..90.0, 0.0f64..300.0, 0.0f64..90.0), 3),
        discount in 0.0f32..=1.0,
    ) {
        let popularity: Vec<_> =
            used.iter().enumerate().map(|(n, (weight, impressions, opens))| (n, Popularity { weight: *weight, as_of: NOW, impressions: *impressions, opens: *opens, ..Popularity::default() })).collect();
        let mut world = World::new(&["a", "b", "c"], &popularity);
        world.policy.repeat.impression_discount = discount;
        world.policy.score.weights.uncertainty = 0.5;
        world.policy.score.prior = vec![TopicPrior { topic: "b".into(), weight: 0.7 }];
        let mut known = profile();
        known.affinities = ["a", "b", "c"].iter().zip(likings).map(|(t, l)| liking(t, l)).collect();
        known.exposures = ["a", "b", "c"].iter().zip(exposures).map(|(t, e)| shown(t, e)).collect();
        known.dislikes = vec![Dislike { facet: Facet::Topic, value: "c".into(), weight: dislike, at: NOW }];
        known.seen = world.items.iter().zip(impressions).map(|(item, count)| seen(item, count)).collect();
        let vector = world.items[0].embedding.clone().expect("has one");
        known.interests = vec![Interest { vector: vector.values.to_vec(), space: vector.space, weight: 1.0, exemplar: world.items[0].id.clone() }];
        for (at, scored) in world.scored(Some(&known)).iter().enumerate() {
            let parts = &scored.contributions;
            let sum: f32 = parts.iter().sum();
            prop_assert!((scored.relevance - sum.clamp(0.0, 1.0)).abs() < 1e-5, "{parts:?}");
            // The discount is exactly the stated factor of the rest.
            let rest = sum - parts[Feature::Impressions as usize];
            let expected = if rest > 0.0 { rest * discount.powi(i32::from(impressions[at])) } else { rest };
            prop_assert!((sum - expected).abs() < 1e-5, "{parts:?}");
            for (feature, part) in Feature::ALL.into_iter().zip(parts) {
                let subtracts = matches!(feature, Feature::LessLike | Feature::Repetition | Feature::Impressions);
                prop_assert!(part.is_finite() && if subtracts { *part <= 0.0 } else { *part >= 0.0 }, "{feature:?} {part}");
            }
        }
    }
}

#[test]
fn what_was_shown_much_gives_way_among_what_is_liked_alike() {
    let world = World::new(&["a", "b"], &[]);
    let mut known = profile();
    known.affinities = vec![liking("a", 1.0), liking("b", 1.0)];
    known.exposures = vec![shown("a", 20.0), shown("b", 2.0)];
    let scored = world.scored(Some(&known));
    assert!(scored[1].relevance > scored[0].relevance);
    // Yet it never cancels a liking, however often it was shown.
    known.affinities = vec![liking("a", 1.0)];
    known.exposures = vec![shown("a", 1e6)];
    let scored = world.scored(Some(&known));
    assert!(scored[0].relevance > scored[1].relevance + 0.1);
    assert!(scored[0].contributions[Feature::Repetition as usize] < 0.0);
}

#[test]
fn a_viewpoint_shown_much_gives_way_and_is_never_a_liking() {
    let world = World::new(&["a", "a"], &[]);
    let mut known = profile();
    known.exposures = vec![Exposure { facet: Facet::Viewpoint, value: "left".into(), shown: 30.0, opened: 30.0 }];
    let scored = world.scored(Some(&known));
    assert!(scored[0].contributions[Feature::Repetition as usize] < scored[1].contributions[Feature::Repetition as usize]);
    assert!(scored.iter().all(|s| s.contributions.iter().all(|part| *part <= 0.0)), "{scored:?}");
}

#[test]
fn exposures_fade_within_days() {
    let world = World::new(&["a"], &[]);
    let mut known = profile();
    known.exposures = vec![shown("a", 20.0)];
    let now = world.part(Feature::Repetition, Some(&known))[0];
    known.as_of = NOW.minus(Span::days(30));
    let later = world.part(Feature::Repetition, Some(&known))[0];
    assert!(now < -0.01 && later > now / 100.0, "{now} {later}");
}

#[test]
fn each_impression_discounts_once_more_and_an_open_ends_it() {
    let mut world = World::new(&["a", "a", "a", "a"], &[]);
    world.policy.repeat.impression_discount = 0.5;
    world.policy.score.weights.creator = 0.0;
    let mut known = profile();
    known.affinities = vec![liking("a", 1.0)];
    known.seen = vec![seen(&world.items[1], 1), seen(&world.items[2], 3), Seen { opened: true, ..seen(&world.items[3], 3) }];
    let relevance: Vec<f32> = world.scored(Some(&known)).iter().map(|s| s.relevance).collect();
    assert!((relevance[1] - relevance[0] / 2.0).abs() < 1e-6 && (relevance[2] - relevance[0] / 8.0).abs() < 1e-6, "{relevance:?}");
    assert!((relevance[3] - relevance[0]).abs() < 1e-6);
}

#[test]
fn a_dislike_fades_as_the_policy_says() {
    let mut world = World::new(&["a"], &[]);
    let mut known = profile();
    known.dislikes = vec![Dislike { facet: Facet::Topic, value: "a".into(), weight: 3.0, at: NOW.minus(Span::days(300)) }];
    let at = |world: &World| world.part(Feature::LessLike, Some(&known))[0];
    let faded = at(&world);
    world.policy.repeat.less_like_half_life = Span::FOREVER;
    let kept = at(&world);
    assert!(faded < 0.0 && faded > kept / 100.0, "{faded} {kept}");
    let sum: f32 = world.policy.score.weights.interest + 0.6 + 0.3 + 0.3 + 0.1;
    assert!((kept + 0.75 / sum).abs() < 1e-6, "{kept}");
}

#[test]
fn new_items_get_a_start_only_where_others_are_known() {
    let known = Popularity { weight: 100.0, as_of: NOW, impressions: 1_000.0, opens: 100.0, ..Popularity::default() };
    let told_apart = World::new(&["a", "a"], &[(0, known)]);
    let parts = told_apart.part(Feature::Uncertainty, None);
    assert!(parts[1] > 0.0 && parts[0] > 0.0 && parts[0] < parts[1] / 5.0, "{parts:?}");
    let alike = World::new(&["a", "a"], &[(0, Popularity { impressions: 0.0, opens: 0.0, ..known })]);
    assert_eq!(alike.part(Feature::Uncertainty, None), [0.0, 0.0]);
}

#[test]
fn popular_for_having_been_shown_counts_less() {
    let of = |impressions| Popularity { weight: 100.0, as_of: NOW, impressions, opens: 100.0, ..Popularity::default() };
    let pushed = World::new(&["a", "a"], &[(0, of(5_000.0)), (1, of(400.0))]);
    let parts = pushed.part(Feature::Popularity, None);
    assert!(parts[0] < parts[1] / 3.0, "{parts:?}");
    // Without impressions reported nothing can be said, and popularity is what it was.
    let unknown = World::new(&["a", "a"], &[(0, of(0.0)), (1, Popularity { weight: 25.0, ..of(0.0) })]);
    let parts = unknown.part(Feature::Popularity, None);
    assert!((parts[1] - parts[0] / 2.0).abs() < 1e-6, "{parts:?}");
}

#[test]
fn a_surface_gives_strangers_its_topics_and_steps_back_as_they_become_known() {
    let mut world = World::new(&["a", "b"], &[]);
    world.policy.score.prior = vec![TopicPrior { topic: "b".into(), weight: 0.8 }];
    let nobody = world.part(Feature::Prior, None);
    assert!(nobody[0] == 0.0 && nobody[1] > 0.0);
    let of = |events: u64| {
        let known = Profile { events, ..profile() };
        world.part(Feature::Prior, Some(&known))[1]
    };
    assert!(of(0) > of(5) && of(5) > of(500));
    assert!((of(20) - of(0) / 2.0).abs() < 1e-6 && of(500) < of(0) / 20.0);
    // What the reader likes more by themselves is theirs, not the surface's; what they turned down by hand is not offered.
    let mut known = Profile { events: 0, ..profile() };
    known.affinities = vec![liking("b", 3.0)];
    assert_eq!(world.part(Feature::Prior, Some(&known)), [0.0, 0.0]);
    known.affinities.clear();
    known.preferences.topics = [("b".into(), -0.5)].into();
    assert_eq!(world.part(Feature::Prior, Some(&known)), [0.0, 0.0]);
}

#[test]
fn the_start_of_an_item_and_of_a_surface_are_given_as_reasons() {
    let entry = |feature: Feature| {
        let mut contributions = [0.0; FEATURES];
        contributions[feature as usize] = 0.2;
        contributions[Feature::Repetition as usize] = -0.4;
        PoolEntry { item_hash: 0, relevance: 1.0, contributions, sources: 1, topic: None, interest: None }
    };
    let code = |feature: Feature| {
        let feed = crate::domain::feed::StoredFeed {
            id: crate::domain::FeedId::new("f").expect("valid"),
            owner: crate::domain::feed::Owner::Nobody,
            surface: "home".into(),
            policy_digest: String::new(),
            dials: Default::default(),
            diversity: 0.0,
            seed: 0,
            created_at: NOW,
            expires_at: NOW,
            topics: vec![],
            exemplars: vec![],
            pool: vec![entry(feature)],
        };
        let placed = Placed {
            item: item(0, "a").id,
            pool_index: 0,
            is_like_exemplar: true,
            slot: Slot::Ranked,
            propensity: 1.0,
            max_similarity: 0.0,
            objective: 1.0,
            bound_by: None,
        };
        crate::rank::explain::reasons(&feed, &placed, 0)[0].code.name()
    };
    assert_eq!((code(Feature::Uncertainty), code(Feature::Prior)), ("new_item", "surface_topic"));
    // What takes off is never the reason for being here.
    assert_eq!(code(Feature::Impressions), "fallback");
}

#[test]
fn what_is_said_against_a_running_feed_demotes_what_is_frozen_once() {
    let world = World::new(&["a", "b"], &[]);
    let frozen = |less_like: f32| {
        let mut contributions = [0.0; FEATURES];
        contributions[Feature::LessLike as usize] = less_like;
        PoolEntry { item_hash: 0, relevance: 0.8, contributions, sources: 1, topic: None, interest: None }
    };
    let entry = |n: usize| world.snapshot.entry(world.snapshot.find(&world.items[n].id).expect("there")).expect("there");
    let mut known = profile();
    let dislike = |at| Dislike { facet: Facet::Topic, value: "a".into(), weight: 3.0, at };
    let demoted = |world: &World, known: &Profile, n, less_like| {
        Demotion::new(&world.context(Some(known)), NOW.minus(Span::minutes(5))).of(&frozen(less_like), entry(n))
    };
    known.dislikes = vec![dislike(NOW)];
    let said = demoted(&world, &known, 0, 0.0);
    assert!((said.relevance - 0.2).abs() < 1e-6 && !said.may_explore, "{said:?}");
    assert_eq!(demoted(&world, &known, 1, 0.0).relevance, 0.8);
    // Known when the feed was made: the frozen relevance has it already.
    known.dislikes = vec![dislike(NOW.minus(Span::hours(1)))];
    assert_eq!(demoted(&world, &known, 0, -0.3).relevance, 0.8);
    // Of before the feed, but not in it: the event came late.
    assert!(demoted(&world, &known, 0, 0.0).relevance < 0.3);
    let mut deaf = World::new(&["a", "b"], &[]);
    deaf.policy.score.weights.less_like = 0.0;
    assert_eq!(demoted(&deaf, &known, 0, 0.0).relevance, 0.8);
}

/// A vector has no topic of its own: for items of a topic that only counts as it was set, it does not speak.
#[test]
fn no_vector_brings_back_a_topic_that_was_closed_by_hand() {
    let world = World::new(&["a", "b"], &[]);
    let mut known = profile();
    let vector = world.items[0].embedding.clone().expect("has one");
    known.interests =
        vec![Interest { vector: vector.values.to_vec(), space: vector.space, weight: 1.0, exemplar: world.items[0].id.clone() }];
    let open = world.scored(Some(&known));
    assert!(open[0].contributions[Feature::Interest as usize] > 0.3 && open[0].interest == Some(0));
    let mut locked = known.clone();
    locked.locked_topics = ["a".into()].into();
    let mut declined = known.clone();
    declined.preferences.topics = [("a".into(), 0.0)].into();
    for closed in [locked, declined] {
        let scored = world.scored(Some(&closed));
        assert_eq!((scored[0].contributions[Feature::Interest as usize], scored[0].interest), (0.0, None));
        assert_eq!(scored[1].contributions, open[1].contributions, "another topic's items are what they were");
    }
}

/// What is said of a topic is what counts, below as well as above what was inferred.
#[test]
fn a_topic_set_by_hand_counts_as_it_was_set() {
    let world = World::new(&["a", "b"], &[]);
    let mut known = profile();
    known.affinities = vec![liking("a", 9.0), liking("b", 3.0)];
    let inferred = world.part(Feature::Topic, Some(&known));
    known.preferences.topics = [("a".into(), 0.25)].into();
    let said = world.part(Feature::Topic, Some(&known));
    assert!((said[0] - 0.25 * inferred[0]).abs() < 1e-6 && said[0] < said[1], "{inferred:?} {said:?}");
}
