//! Learning: what each kind does, order independence, undo, bounds.

use proptest::prelude::*;

use super::*;
use crate::domain::{
    Creator, Embedding, EventId, ItemId, Span, UserId,
    profile::{EXPOSURE_HALF_LIFE, MAX_AFFINITIES, MAX_EXPOSURES, MAX_IMPRESSIONS, MAX_INTERESTS, Seen},
    time::decay,
};

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
        sponsored: None,
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
    assert_eq!(profile.seen, [Seen { item_hash: item(1).id.hash64(), at: Time(0), opened: false, impressions: 1, given: 0, taught: 0 }]);
    let shown: Vec<_> = profile.exposures.iter().map(|e| (e.facet, &*e.value, e.weight())).collect();
    let expected = [
        (Facet::Topic, "t1", 1.0),
        (Facet::Topic, "zz", 0.5),
        (Facet::Creator, "c1", 1.0),
        (Facet::Source, "s1", 1.0),
        (Facet::Viewpoint, "left", 1.0),
    ];
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
    profile.preferences.mode = Mode::NoProfile;
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
    for n in 0..1_000u32 {
        let mut it = item(n);
        it.topics = vec![(format!("topic {n}").into(), 1.0)];
        learn(&mut profile, &event(EventKind::Seen, n, 3_000), &it, 0.0).expect("learned");
    }
    assert_eq!(profile.exposures.len(), MAX_EXPOSURES);
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

/// Four opens of the first subject, then four of others …: every subject its own words, so its own direction.
fn subject(n: u32, story: u32) -> Item {
    let words =
        ["football", "astronomy", "gardening", "jazz", "chess", "sailing", "pottery", "economics", "weather", "cinema", "trains", "bees"];
    let mut it = item(story);
    it.embedding = Some(Embedding::of_text(words[n as usize], 256));
    it
}

fn nearness(profile: &Profile, n: u32) -> f32 {
    let wanted = subject(n, 0).embedding.expect("has one");
    let cosine = |vector: &[half::f16]| vector.iter().zip(wanted.values.iter()).map(|(a, b)| a.to_f32() * b.to_f32()).sum::<f32>();
    profile.interests.iter().map(|i| cosine(&i.vector)).fold(0.0, f32::max)
}

#[test]
fn a_minor_interest_outlives_hundreds_of_events_and_ten_passing_ones() {
    let mut profile = Profile::default();
    let hour = Span::hours(1).as_millis();
    let mut open = |n: u32, story: u32| {
        learn(&mut profile, &event(EventKind::Open, story, i64::from(story) * hour), &subject(n, story), 0.0).expect("learned");
    };
    // Nine in ten of football, one of astronomy.
    (0..400).for_each(|story| open(u32::from(story % 10 == 0), story));
    (2..12).for_each(|n| open(n, 400 + n));
    (0..100).for_each(|story| open(0, 500 + story));
    assert_eq!(profile.interests.len(), MAX_INTERESTS);
    assert!(nearness(&profile, 0) > 0.95 && nearness(&profile, 1) > 0.95, "{} {}", nearness(&profile, 0), nearness(&profile, 1));
    // The ten passing ones share what is left: joined with each other, not lost and not with the two.
    for n in 2..12 {
        assert!(nearness(&profile, n) > 0.3, "subject {n}: {}", nearness(&profile, n));
    }
    let total: f32 = profile.interests.iter().map(|i| i.weight).sum();
    assert!(profile.interests.iter().all(|i| i.weight > 0.0 && i.weight <= total));
}

#[test]
fn an_open_says_more_from_far_down_and_less_of_what_everybody_is_shown() {
    let liking = |kind: EventKind, position: Option<u32>, prominence: f32| {
        let mut profile = Profile::default();
        let event = Event { position, ..event(kind, 1, 0) };
        learn(&mut profile, &event, &item(1), prominence).expect("learned");
        profile.affinity(Facet::Topic, "t1").map_or(0.0, |a| a.liking)
    };
    let open = |position, prominence| liking(EventKind::Open, position, prominence);
    assert_eq!(open(None, 0.0), 1.0);
    assert_eq!(open(Some(0), 0.0), 1.0);
    assert!(open(Some(5), 0.0) > open(Some(1), 0.0) && open(Some(1), 0.0) > 1.0);
    assert_eq!(open(Some(5_000), 0.0), 2.0);
    assert!((0.5..0.51).contains(&open(None, 0.99)));
    assert_eq!(open(None, 9.0), 0.5);
    // A deliberate act counts as it is.
    assert_eq!(liking(EventKind::Like, Some(50), 0.9), 2.0);
}

#[test]
fn what_is_shown_and_passed_by_takes_back_a_bounded_share_of_a_liking() {
    let mut profile = learned(&[(EventKind::Open, 1, 0)]);
    let liking = profile.affinity(Facet::Topic, "t1").expect("liked").net_liking();
    assert_eq!(liking, 1.0);
    let mut before = liking;
    for n in 0..500u32 {
        learn(&mut profile, &event(EventKind::Seen, 1 + 7 * n, 0), &item(1), 0.0).expect("learned");
        let now = profile.affinity(Facet::Topic, "t1").expect("liked").net_liking();
        assert!(now < before && now >= 0.7, "{now}");
        before = now;
    }
    assert!(before < 0.71 && profile.mutes.is_empty() && profile.dislikes.is_empty());
    // As long as both fade alike, the share stays the same.
    let share = |profile: &Profile| profile.affinity(Facet::Topic, "t1").map(|a| a.net_liking() / a.liking).expect("liked");
    let then = share(&profile);
    learn(&mut profile, &event(EventKind::Open, 3, Span::days(40).as_millis()), &item(3), 0.0).expect("learned");
    assert!((share(&profile) - then).abs() < 1e-4);
}

#[test]
fn impressions_are_counted_until_the_item_is_opened() {
    let seen = |events: &[(EventKind, u32, i64)]| learned(events).seen[0];
    let shown = |count: i64| (0..count).map(|at| (EventKind::Seen, 1, at)).collect::<Vec<_>>();
    assert_eq!(seen(&shown(3)).passed_by(), 3);
    assert_eq!(seen(&shown(100)).passed_by(), MAX_IMPRESSIONS);
    let mut opened = shown(3);
    opened.push((EventKind::Open, 1, 9));
    assert_eq!(seen(&opened).passed_by(), 0);
    assert_eq!(seen(&[(EventKind::LessLike, 1, 0)]).passed_by(), 0);
}

#[test]
fn an_exposure_that_was_opened_counts_less() {
    let weight = |events: &[(EventKind, u32, i64)]| learned(events).exposure(Facet::Topic, "t1").map_or(0.0, |e| e.weight());
    let (shown, opened) = ((EventKind::Seen, 1, 0), (EventKind::Open, 1, 0));
    assert_eq!(weight(std::slice::from_ref(&shown)), 1.0);
    assert!((weight(&[shown.clone(), opened.clone()]) - 0.3).abs() < 1e-6);
    assert!((weight(std::slice::from_ref(&opened)) - 0.3).abs() < 1e-6);
    assert!(weight(&[shown.clone(), shown, opened]) > 1.0);
}

#[test]
fn a_dislike_is_kept_as_it_was_said() {
    let mut profile = Profile::default();
    let mut less = event(EventKind::LessLike, 1, 7);
    less.scope = Scope::Topic;
    learn(&mut profile, &less, &item(1), 0.0).expect("learned");
    let said = profile.dislikes.clone();
    assert_eq!((said[0].facet, &*said[0].value, said[0].weight, said[0].at), (Facet::Topic, "t1", 3.0, Time(7)));
    // Years and thousands of likings later it stands as it was.
    for n in 0..2_000u32 {
        let mut it = item(n);
        it.topics = vec![(format!("topic {n}").into(), 1.0)];
        learn(&mut profile, &event(EventKind::Like, n, i64::from(n) * Span::days(1).as_millis()), &it, 0.0).expect("learned");
    }
    assert_eq!(profile.dislikes, said);
    // Said again, it counts from then; taken back, what was said before remains.
    less.at = Time(Span::days(2_001).as_millis());
    learn(&mut profile, &less, &item(1), 0.0).expect("learned");
    assert_eq!((profile.dislikes[0].weight, profile.dislikes[0].at), (6.0, less.at));
    less.undo = true;
    learn(&mut profile, &less, &item(1), 0.0).expect("undone");
    assert_eq!(profile.dislikes[0].weight, 3.0);
}

#[test]
fn a_full_list_of_dislikes_refuses_and_a_report_still_mutes() {
    let about = |n: usize| Item { topics: vec![(format!("topic {n}").into(), 1.0)], ..item(n as u32) };
    let mut profile = Profile::default();
    let mut less = event(EventKind::LessLike, 1, 0);
    less.scope = Scope::Topic;
    for n in 0..MAX_DISLIKES {
        learn(&mut profile, &less, &about(n), 0.0).expect("room");
    }
    let before = profile.clone();
    for scope in [Scope::Topic, Scope::Item] {
        less.scope = scope;
        assert_eq!(learn(&mut profile, &less, &about(MAX_DISLIKES), 0.0), Err(LearnError::DislikesFull));
        assert_eq!(profile, before);
    }
    learn(&mut profile, &less, &about(3), 0.0).expect("said before");
    learn(&mut profile, &event(EventKind::Report, 9, 0), &about(MAX_DISLIKES), 0.0).expect("learned");
    assert!(profile.mutes(&MuteTarget::Item(about(MAX_DISLIKES).id)));
    assert_eq!(profile.dislikes.len(), MAX_DISLIKES);
}

#[test]
fn events_count_for_popularity_as_documented() {
    let of = |kind: EventKind, position| used(&Event { position, ..event(kind, 1, 0) });
    assert_eq!(of(EventKind::Open, Some(9)), Use { weight: 1.0, opens: 1.0, ..Use::default() });
    assert_eq!(of(EventKind::Seen, None), Use { impressions: 1.0, ..Use::default() });
    assert!(of(EventKind::Seen, Some(4)).impressions < 0.7);
    assert_eq!(of(EventKind::Like, None).weight, 2.0);
    assert!(of(EventKind::Hide, None).is_nothing());
    assert!(used(&Event { undo: true, ..event(EventKind::Like, 1, 0) }).is_nothing());
}

proptest! {
    #[test]
    fn order_of_arrival_does_not_matter_for_affinities(
        mut events in prop::collection::vec((0u32..12, 0i64..Span::days(60).as_millis()), 1..30),
        seed in any::<u64>(),
    ) {
        // Past what an item may teach, those count that came first.
        let mut opens = [0; 12];
        events.retain(|(n, _)| {
            opens[*n as usize] += 1;
            opens[*n as usize] as f32 <= MAX_TAUGHT_PER_ITEM
        });
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

    /// Against the plain definition: every impression and open decayed from its own time to the last.
    #[test]
    fn exposures_are_the_decayed_sums_in_any_order(
        mut events in prop::collection::vec((any::<bool>(), 0u32..12, 0i64..Span::days(12).as_millis()), 1..30),
        turn in any::<prop::sample::Index>(),
    ) {
        let last = events.iter().map(|e| e.2).max().unwrap_or(0);
        let plain = |opened: bool, topic: &str| {
            let of = |n: u32| item(n).topics.iter().find(|(t, _)| &**t == topic).map_or(0.0, |(_, weight)| f64::from(*weight));
            events.iter().filter(|e| e.0 == opened).map(|e| of(e.1) * decay(last - e.2, EXPOSURE_HALF_LIFE)).sum::<f64>()
        };
        let expected: Vec<_> = ["t0", "t3", "zz"].map(|t| (t, plain(false, t), plain(true, t))).to_vec();
        let turn = turn.index(events.len());
        events.rotate_left(turn);
        let kind = |opened: bool| if opened { EventKind::Open } else { EventKind::Seen };
        let profile = learned(&events.iter().map(|(opened, n, at)| (kind(*opened), *n, *at)).collect::<Vec<_>>());
        for (topic, shown, opened) in expected {
            let got = profile.exposure(Facet::Topic, topic).map_or((0.0, 0.0), |e| (f64::from(e.shown), f64::from(e.opened)));
            prop_assert!((got.0 - shown).abs() < 1e-3 * (1.0 + shown) && (got.1 - opened).abs() < 1e-3 * (1.0 + opened), "{topic} {got:?} {shown} {opened}");
        }
    }
}

#[test]
fn what_is_said_is_kept_without_a_profile_and_can_be_taken_back() {
    let mut profile = Profile::default();
    profile.preferences.mode = Mode::ExplicitOnly;
    let mut less = event(EventKind::LessLike, 1, 0);
    less.scope = Scope::Topic;
    learn(&mut profile, &less, &item(1), 0.0).expect("learned");
    assert_eq!(profile.dislikes.len(), 1);
    assert!(profile.affinities.is_empty() && profile.interests.is_empty() && profile.seen.is_empty());
    learn(&mut profile, &Event { undo: true, ..less }, &item(1), 0.0).expect("taken back");
    assert!(profile.dislikes.is_empty());
}

#[test]
fn nothing_is_inferred_of_a_locked_topic_nor_in_its_stead() {
    let mut profile = Profile { locked_topics: ["t1".into()].into(), ..Profile::default() };
    for kind in [EventKind::Open, EventKind::Like, EventKind::Share, EventKind::Seen] {
        learn(&mut profile, &event(kind, 1, 0), &item(1), 0.0).expect("learned");
    }
    assert!(profile.affinities.iter().all(|a| a.liking == 0.0 && &*a.value != "t1") && profile.interests.is_empty(), "{profile:?}");
    assert!(profile.seen[0].opened && !profile.exposures.is_empty(), "what was shown is remembered");
    // Another item's lighter topic: the rest of it is learned.
    profile.locked_topics = ["zz".into()].into();
    learn(&mut profile, &event(EventKind::Open, 2, 0), &item(2), 0.0).expect("learned");
    let liking = |topic| profile.affinity(Facet::Topic, topic).map_or(0.0, |a| a.liking);
    assert_eq!((liking("t2"), liking("zz")), (1.0, 0.0));
    assert_eq!(profile.interests.len(), 1);
    // Asked for by name, it is refused; more of its creator is another matter.
    profile.locked_topics = ["t1".into(), "zz".into()].into();
    let before = profile.clone();
    let mut more = event(EventKind::MoreLike, 1, 0);
    more.scope = Scope::Topic;
    assert_eq!(learn(&mut profile, &more, &item(1), 0.0), Err(LearnError::Locked));
    assert_eq!(profile, before);
    more.scope = Scope::Creator;
    learn(&mut profile, &more, &item(1), 0.0).expect("learned");
    assert_eq!(profile.affinity(Facet::Creator, "c1").map(|a| a.liking), Some(3.0));
    // What is said against it is kept as ever.
    let mut less = event(EventKind::LessLike, 1, 0);
    less.scope = Scope::Topic;
    learn(&mut profile, &less, &item(1), 0.0).expect("learned");
    assert!(profile.dislike(Facet::Topic, "t1").is_some());
}

#[test]
fn full_lists_of_controls_refuse_and_change_nothing() {
    let topic = |n: usize| -> FacetValue { format!("x{n}").into() };
    let mut profile = Profile { locked_topics: (0..MAX_LOCKED_TOPICS).map(topic).collect(), ..Profile::default() };
    profile.mutes =
        (0..MAX_MUTES).map(|n| Mute { target: MuteTarget::Facet(Facet::Topic, topic(n)), since: Time(0), until: Some(Time(10)) }).collect();
    let before = profile.clone();
    assert_eq!(controls::remove_interest(&mut profile, &"y".into(), |_| true, |_| false), Err(LearnError::LockedFull));
    assert_eq!(controls::set_interest(&mut profile, &"y".into(), 0.5, true, |_| true), Err(LearnError::LockedFull));
    assert_eq!(controls::snooze(&mut profile, Facet::Topic, &"y".into(), Time(20), Time(9)), Err(LearnError::MutesFull));
    assert_eq!(profile, before);
    controls::remove_interest(&mut profile, &topic(3), |_| true, |_| false).expect("locked already");
    // One snooze is set anew in its place, and what is over makes room.
    controls::snooze(&mut profile, Facet::Topic, &topic(3), Time(20), Time(9)).expect("stands already");
    assert_eq!(profile.mutes.len(), MAX_MUTES);
    controls::snooze(&mut profile, Facet::Topic, &"y".into(), Time(20), Time(10)).expect("the others are over");
    assert_eq!(profile.mutes.len(), 2);
}
