//! Cuts are where they should be, and nothing from behind them is known.

use super::*;
use crate::domain::{Embedding, EventId, ItemId, Scope};

const DIMENSION: usize = 8;
const HOUR: Span = Span::hours(1);

fn item(id: &str) -> Item {
    let topic = (id[..1].into(), 1.0);
    Item {
        id: ItemId::new(id).expect("an id"),
        title: id.into(),
        description: None,
        url: None,
        image: None,
        creator: None,
        topics: vec![topic],
        source: None,
        viewpoint: None,
        language: None,
        format: None,
        published_at: None,
        expires_at: None,
        embedding: Some(Embedding::of_text(id, DIMENSION)),
        attributes: None,
        sponsored: None,
    }
}

/// `user` did `kind` to `item` in hour `at`.
fn event(user: &str, kind: EventKind, item: &str, at: i64) -> Event {
    Event {
        id: EventId::new(format!("{user}-{item}-{at}")).expect("an id"),
        user: UserId::new(user).expect("an id"),
        kind,
        item: ItemId::new(item).expect("an id"),
        at: Time(at * HOUR.as_millis()),
        undo: false,
        scope: Scope::Item,
        feed: None,
        position: None,
        visible_ms: None,
    }
}

fn open(user: &str, item: &str, at: i64) -> Event {
    event(user, EventKind::Open, item, at)
}

fn items() -> Vec<Item> {
    ["a", "b", "c"].iter().flat_map(|topic| (0..10).map(move |n| item(&format!("{topic}{n}")))).collect()
}

fn protocol() -> Protocol {
    Protocol { reward: Reward::Opens, split: Split::Person, learned: 0.8, people: None, seed: 1 }
}

fn replay(events: Vec<Event>, protocol: Protocol) -> Replay {
    Replay::new(EventLog { items: items(), events }, &protocol, DIMENSION, HOUR)
}

fn liked(asked: &Asked) -> Vec<String> {
    let mut liked: Vec<String> = asked.liked.iter().map(|row| asked.snapshot.entry(*row).expect("an item").item.id.to_string()).collect();
    liked.sort();
    liked
}

/// Ann opens ten items, one an hour; Ben five, later.
fn two_people() -> Vec<Event> {
    let ann = (0..10).map(|n| open("ann", &format!("a{n}"), n));
    ann.chain((0..5).map(|n| open("ben", &format!("b{n}"), 20 + n))).collect()
}

#[test]
fn each_person_is_asked_at_their_own_cut() {
    let replay = replay(two_people(), protocol());
    let [ann, ben] = &replay.asked[..] else { panic!("{} asked", replay.asked.len()) };
    assert_eq!((ann.person, ben.person), (0, 1));
    assert_eq!((ann.now.0, ben.now.0), (8 * HOUR.as_millis(), 24 * HOUR.as_millis()));
    assert_eq!((ann.profile.events, ben.profile.events), (8, 4));
    assert_eq!((liked(ann), liked(ben)), (vec!["a8".to_owned(), "a9".to_owned()], vec!["b4".to_owned()]));
    let expected = Summary { items: 30, events: 15, people: 2, asked: 2, to_find: 3, ..Summary::default() };
    assert_eq!(replay.summary, expected);
    let met = |id: &str| replay.met_by.get(&ann.snapshot.find(&ItemId::new(id).unwrap()).unwrap()).copied();
    assert_eq!((met("a9"), met("c0")), (Some(1), None));
}

#[test]
fn the_catalogue_is_that_of_the_moment() {
    let popularity = |asked: &Asked, id: &str| asked.snapshot.popularity(asked.snapshot.find(&ItemId::new(id).unwrap()).unwrap()).opens;
    let replay = replay(two_people(), protocol());
    // Ann does not know her own later opens, nor Ben's; Ben knows all of hers.
    assert!(popularity(&replay.asked[0], "a7") > 0.0);
    assert_eq!((popularity(&replay.asked[0], "a8"), popularity(&replay.asked[0], "b0")), (0.0, 0.0));
    assert!(popularity(&replay.asked[1], "a9") > 0.0 && popularity(&replay.asked[1], "b3") > 0.0);
    assert_eq!(popularity(&replay.asked[1], "b4"), 0.0);
}

/// Whatever happens after the last cut, and in whatever order the log is written.
#[test]
fn nothing_behind_a_cut_is_known() {
    let before = replay(two_people(), protocol());
    let mut later = two_people();
    later.extend((0..40).flat_map(|n| [open("cat", &format!("c{}", n % 10), 30 + n), event("dan", EventKind::Seen, "a1", 25 + n)]));
    later.reverse();
    let after = replay(later, protocol());
    for (before, after) in before.asked.iter().zip(&after.asked) {
        assert_eq!((before.now, &before.profile, &before.liked, before.seed), (after.now, &after.profile, &after.liked, after.seed));
        for (row, _) in before.snapshot.iter() {
            let id = &before.snapshot.entry(row).unwrap().item.id;
            let found = after.snapshot.find(id).unwrap();
            assert_eq!(before.snapshot.popularity(row), after.snapshot.popularity(found), "{id}");
        }
    }
}

#[test]
fn by_the_calendar_all_are_asked_at_one_time() {
    let mut events = two_people();
    events.extend((0..10).map(|n| open("cat", &format!("c{n}"), 2 * n)));
    let replay = replay(events, Protocol { split: Split::Calendar, learned: 0.5, ..protocol() });
    // 25 events, the 13th is in hour 8: Ann and Cat are on both sides of it, Ben only after.
    assert_eq!(replay.asked.len(), 2);
    assert!(replay.asked.iter().all(|asked| asked.now == replay.asked[0].now));
    assert_eq!(replay.summary.too_few_rewards, 1);
    let at = replay.asked[0].now.0 / HOUR.as_millis();
    assert_eq!(liked(&replay.asked[0]).len() as i64, 10 - at);
}

#[test]
fn what_was_met_before_is_not_to_be_found_again() {
    let mut events = two_people();
    events.extend([open("ann", "a0", 11), event("ann", EventKind::Seen, "a9", 3)]);
    let ann = &replay(events, protocol()).asked[0];
    // Opened once more, and seen before: neither can tell a good feed from a bad one.
    assert_eq!(liked(ann), ["a8"]);
}

#[test]
fn only_rewards_count_and_only_where_there_are_enough() {
    let mut events: Vec<Event> = (0..10).map(|n| event("ann", EventKind::Like, &format!("a{n}"), n)).collect();
    events.extend((0..10).map(|n| event("ben", EventKind::Seen, &format!("b{n}"), n)));
    events.extend((0..4).map(|n| open("cat", &format!("c{n}"), n)));
    events.push(open("ann", "nowhere", 3));
    let likes = replay(events.clone(), Protocol { reward: Reward::Likes, ..protocol() });
    assert_eq!((likes.summary.asked, likes.summary.too_few_rewards, likes.summary.unknown_items), (1, 2, 1));
    // What is liked was taken up.
    assert_eq!(replay(events.clone(), protocol()).summary.asked, 1);
    // A like that was taken back is none.
    events.iter_mut().filter(|event| event.user.as_str() == "ann").for_each(|event| event.undo = event.item.as_str() > "a3");
    assert_eq!(replay(events, Protocol { reward: Reward::Likes, ..protocol() }).summary.asked, 0);
}

#[test]
fn a_sample_is_the_same_each_time_and_part_of_the_whole() {
    let events = || (0..40).flat_map(|n| (0..6).map(move |k| open(&format!("p{n:02}"), &format!("a{k}"), 10 * n + k))).collect::<Vec<_>>();
    let sample = |people, seed| replay(events(), Protocol { people, seed, ..protocol() });
    let (all, some, again, other) = (sample(None, 1), sample(Some(10), 1), sample(Some(10), 1), sample(Some(10), 2));
    let moments = |replay: &Replay| replay.asked.iter().map(|asked| asked.now).collect::<Vec<_>>();
    assert_eq!((all.asked.len(), some.asked.len(), some.summary.not_sampled), (40, 10, 30));
    assert_eq!(moments(&some), moments(&again));
    assert_ne!(moments(&some), moments(&other));
    for asked in &some.asked {
        let same = all.asked.iter().find(|other| other.now == asked.now).expect("part of the whole");
        assert_eq!((asked.seed, &asked.profile), (same.seed, &same.profile));
    }
}

#[test]
fn an_empty_log_asks_nobody() {
    let nothing = Replay::new(EventLog::default(), &protocol(), DIMENSION, HOUR);
    assert_eq!((nothing.asked.len(), nothing.summary), (0, Summary::default()));
}
