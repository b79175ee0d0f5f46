//! Learning: what each kind does, order independence, undo, bounds.

use proptest::prelude::*;

use super::*;
use crate::domain::{Creator, Embedding, EventId, ItemId, Span, UserId, profile::{MAX_AFFINITIES, Seen}};

fn item(n: u32) -> Item {
    Item {
        id: ItemId::new(format!("i{n}")).expect("valid"),
        title: format!("Story {n}"),
        description: None,
        url: None,
        image: None,
        creator: Some(Creator { id: format!("c{}", n % 5).into(), name: None }),
        topics: vec![(format!("t{}", n % 7).into(), 1.0), ("zz".into(), 0.5)],
        source: Some(format!("s{}", n % 3).into()),
        viewpoint: Some("left".into()),
        language: Some("en".into()),
        format: None,
        published_at: None,
        expires_at: None,
        embedding: Some(Embedding::of_text(&format!("story about t{}", n % 7), 32)),
        attributes: None,
    }
}

fn event(kind: EventKind, n: u32, at: i64) -> Event {
    Event {
        id: EventId::new(format!("e{n}-{at}")).expect("valid"),
        user: UserId::new("u").expect("valid"),
        kind,
        item: item(n).id,
        at: Time(at),
        undo: false,
        scope: Scope::Item,
        feed: None,
        position: None,
        visible_ms: None,
    }
}

fn learned(events: &[(EventKind, u32, i64)]) -> Profile {
    let mut profile = Profile::default();
    for (kind, n, at) in events {
        learn(&mut profile, &event(kind.clone(), *n, *at), &item(*n), 0.0).expect("learned");
    }
    profile
}

#[test]
fn an_open_raises_topic_creator_and_source_but_never_viewpoint() {
    let profile = learned(&[(EventKind::Open, 1, 0)]);
    assert_eq!(profile.affinity(Facet::Topic, "t1").map(|a| a.liking), Some(1.0));
    assert_eq!(profile.affinity(Facet::Topic, "zz").map(|a| a.liking), Some(0.5));
    assert_eq!(profile.affinity(Facet::Creator, "c1").map(|a| a.liking), Some(0.7));
    assert!(profile.affinity(Facet::Viewpoint, "left").is_none());
    assert_eq!(profile.interests.len(), 1);
    assert!(profile.seen[0].opened);
}

#[test]
fn seen_is_an_exposure_and_no_liking() {
    let profile = learned(&[(EventKind::Seen, 1, 0)]);
    assert!(profile.affinities.iter().all(|a| a.liking == 0.0) && profile.interests.is_empty() && profile.dislikes.is_empty());
    assert!(profile.is_cold());
    assert_eq!(profile.seen, [Seen { item_hash: item(1).id.hash64(), at: Time(0), opened: false, impressions: 1 }]);
    let shown: Vec<_> = profile.exposures.iter().map(|e| (e.facet, &*e.value, e.weight())).collect();
    let expected =
        [(Facet::Topic, "t1", 1.0), (Facet::Topic, "zz", 0.5), (Facet::Creator, "c1", 1.0), (Facet::Source, "s1", 1.0), (Facet::Viewpoint, "left", 1.0)];
    assert_eq!(shown, expected);
}

#[test]
fn hiding_by_scope_mutes_that_facet_and_undo_lifts_it() {
    let mut profile = Profile::default();
    let mut hide = event(EventKind::Hide, 2, 5);
    hide.scope = Scope::Creator;
    learn(&mut profile, &hide, &item(2), 0.0).expect("learned");
    assert!(profile.mutes(&MuteTarget::Facet(Facet::Creator, "c2".into())));
    hide.undo = true;
    learn(&mut profile, &hide, &item(2), 0.0).expect("undone");
    assert!(profile.mutes.is_empty());
    assert_eq!(learn(&mut profile, &hide, &item(2), 0.0), Err(LearnError::NothingToUndo("hide")));
}

#[test]
fn undo_takes_back_a_like_even_after_decay() {
    let month = Span::days(20).as_millis();
    let mut with = learned(&[(EventKind::Open, 1, 0), (EventKind::Like, 8, 10), (EventKind::Open, 3, month)]);
    let mut undo = event(EventKind::Like, 8, month);
    undo.undo = true;
    learn(&mut with, &undo, &item(8), 0.0).expect("undone");
    let without = learned(&[(EventKind::Open, 1, 0), (EventKind::Open, 3, month)]);
    assert_eq!(with.affinities.len(), without.affinities.len());
    for (a, b) in with.affinities.iter().zip(&without.affinities) {
        assert_eq!((a.facet, &a.value), (b.facet, &b.value));
        assert!((a.liking - b.liking).abs() < 1e-5, "{a:?} {b:?}");
    }
}

#[test]
fn a_scope_the_item_lacks_is_refused_and_changes_nothing() {
    let mut bare = item(1);
    bare.source = None;
    let mut profile = Profile::default();
    for kind in [EventKind::Hide, EventKind::LessLike, EventKind::MoreLike] {
        let mut event = event(kind, 1, 0);
        event.scope = Scope::Source;
        assert_eq!(learn(&mut profile, &event, &bare, 0.0), Err(LearnError::NoSuchFacet("source")));
        assert_eq!(profile, Profile::default());
    }
}

#[test]
fn a_paused_profile_obeys_controls_and_infers_nothing() {
    let mut profile = Profile::default();
    profile.preferences.mode = ProfileMode::Paused;
    learn(&mut profile, &event(EventKind::Like, 1, 0), &item(1), 0.0).expect("learned");
    learn(&mut profile, &event(EventKind::Hide, 2, 0), &item(2), 0.0).expect("learned");
    assert!(profile.affinities.is_empty() && profile.interests.is_empty());
    assert_eq!(profile.mutes.len(), 1);
}

#[test]
fn every_list_stays_within_its_bound() {
    let mut profile = Profile::default();
    for n in 0..3_000u32 {
        let mut it = item(n);
        it.topics = vec![(format!("topic {n}").into(), 1.0)];
        it.embedding = Some(Embedding::of_text(&format!("wholly different {n} {}", n * 7919), 64));
        learn(&mut profile, &event(EventKind::Like, n, i64::from(n)), &it, 0.0).expect("learned");
    }
    assert!(profile.affinities.len() <= MAX_AFFINITIES);
    assert!(profile.interests.len() <= crate::domain::profile::MAX_INTERESTS);
    assert_eq!(profile.seen.len(), crate::domain::profile::MAX_SEEN);
    assert!(profile.actions.len() <= MAX_ACTIONS);
    for n in 0..MAX_MUTES as u32 {
        learn(&mut profile, &event(EventKind::Hide, 10_000 + n, 0), &item(10_000 + n), 0.0).expect("room");
    }
    let before = profile.clone();
    assert_eq!(learn(&mut profile, &event(EventKind::Hide, 99_999, 0), &item(99_999), 0.0), Err(LearnError::MutesFull));
    assert_eq!(profile, before);
}

proptest! {
    #[test]
    fn order_of_arrival_does_not_matter_for_affinities(
        mut events in prop::collection::vec((0u32..12, 0i64..Span::days(60).as_millis()), 1..30),
        seed in any::<u64>(),
    ) {
        let of = |events: &[(u32, i64)]| learned(&events.iter().map(|(n, at)| (EventKind::Open, *n, *at)).collect::<Vec<_>>());
        let forward = of(&events);
        let len = events.len();
        events.rotate_left(seed as usize % len);
        events.reverse();
        let shuffled = of(&events);
        prop_assert_eq!(forward.as_of, shuffled.as_of);
        prop_assert_eq!(&forward.seen, &shuffled.seen);
        for a in &forward.affinities {
            let b = shuffled.affinity(a.facet, &a.value).map_or(0.0, |b| b.liking);
            prop_assert!((a.liking - b).abs() <= 2e-3 * (1.0 + a.liking), "{:?} {}", a, b);
        }
    }
}
