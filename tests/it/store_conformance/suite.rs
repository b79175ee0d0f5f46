//! What every store promises. Each function is one promise, on an empty store.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use polyphony::{
    clock::{Clock, ManualClock},
    domain::{
        Item, ItemId, Profile, Span, Time,
        consent::{Decision, Purpose},
        event::DEDUPE_WINDOW,
        feed::Owner,
    },
    store::{CatalogueRecord, Changes, Commit, LogPosition, Popularity, PopularityDelta, Store, Use},
};

use super::consents::consent;
use super::sample::{NOW, event, feed, feed_id, item, item_id, page, profile, user};
pub use super::{
    consents::{a_consent_log_only_grows, a_pace_is_replaced_as_it_was_read, no_consent_is_lost_to_another},
    erasure::*,
};

type Shared = Arc<dyn Store>;

const KEEP: Duration = Duration::from_secs(600);
const NO_WAIT: Duration = Duration::ZERO;

/// A catalogue as a server holds it: what loading and following the log lead to.
#[derive(Debug, Default, PartialEq)]
pub struct Reader {
    pub items: BTreeMap<ItemId, Item>,
    pub popularity: BTreeMap<ItemId, Popularity>,
}

impl Reader {
    fn apply(&mut self, records: Vec<CatalogueRecord>) {
        for record in records {
            match record {
                CatalogueRecord::Put(item) => drop(self.items.insert(item.id.clone(), *item)),
                CatalogueRecord::Deleted(id) => {
                    self.items.remove(&id);
                    self.popularity.remove(&id);
                }
                CatalogueRecord::Popularity(id, popularity) => {
                    assert!(self.items.contains_key(&id), "popularity before its item");
                    self.popularity.insert(id, popularity);
                }
            }
        }
    }

    /// Reads the log from `position` to its end.
    async fn follow(&mut self, store: &Shared, mut position: LogPosition) -> LogPosition {
        loop {
            let Changes::Records { records, next } = store.changes(&position, NO_WAIT).await.unwrap() else { panic!("resync") };
            if next == position {
                assert_eq!(records, []);
                return position;
            }
            self.apply(records);
            position = next;
        }
    }
}

pub async fn load(store: &Shared) -> (Reader, LogPosition, u64) {
    let mut reader = Reader::default();
    let (position, damaged) = store.load_catalogue(&mut |records| reader.apply(records)).await.unwrap();
    (reader, position, damaged)
}

async fn revision(store: &Shared, id: &str) -> u64 {
    store.begin_learning(&user(id), &[]).await.unwrap().revision
}

/// Every sum gets its own share, so that none can stand for another.
fn of_weight(weight: f64) -> Use {
    Use { weight, newcomer_weight: weight * 2.0, impressions: weight / 2.0, opens: weight / 4.0 }
}

pub fn delta(id: &str, weight: f64, at: Time) -> PopularityDelta {
    PopularityDelta { item: item_id(id), used: of_weight(weight), at }
}

pub async fn a_profile_comes_back_as_written(store: Shared, _: &ManualClock) {
    let written = profile(7);
    assert_eq!(store.commit_profile(&user("ann"), 0, &written, &[], NOW).await.unwrap(), Commit::Done);
    assert_eq!(store.profile(&user("ann")).await.unwrap(), Some(written.clone()));
    let learning = store.begin_learning(&user("ann"), &[event("e")]).await.unwrap();
    assert_eq!((learning.profile, learning.known), (written, vec![false]));
    assert_ne!(learning.revision, 0);
}

pub async fn concurrent_writers_lose_nothing(store: Shared, _: &ManualClock) {
    const WRITERS: u64 = 8;
    const COMMITS: u64 = 10;
    let writer = |n: u64| {
        let store = store.clone();
        tokio::spawn(async move {
            for commit in 0..COMMITS {
                let id = event(&format!("{n}-{commit}"));
                loop {
                    let mut learning = store.begin_learning(&user("ann"), std::slice::from_ref(&id)).await.unwrap();
                    assert_eq!(learning.known, [false]);
                    learning.profile.events += 1;
                    let ids = std::slice::from_ref(&id);
                    if store.commit_profile(&user("ann"), learning.revision, &learning.profile, ids, NOW).await.unwrap() == Commit::Done {
                        break;
                    }
                }
            }
        })
    };
    for task in (0..WRITERS).map(writer).collect::<Vec<_>>() {
        task.await.unwrap();
    }
    assert_eq!(store.profile(&user("ann")).await.unwrap().unwrap().events, WRITERS * COMMITS);
}

pub async fn a_stale_revision_conflicts(store: Shared, _: &ManualClock) {
    let commit = async |expected, events, id| {
        let ids = [event(id)];
        store.commit_profile(&user("ann"), expected, &profile(events), &ids, NOW).await.unwrap()
    };
    assert_eq!(commit(5, 1, "a").await, Commit::Conflict);
    assert_eq!(commit(0, 1, "b").await, Commit::Done);
    assert_eq!(commit(0, 2, "c").await, Commit::Conflict);
    let learning = store.begin_learning(&user("ann"), &[event("a"), event("b"), event("c")]).await.unwrap();
    assert_eq!((learning.profile.events, learning.known), (1, vec![false, true, false]));
    assert_eq!(commit(learning.revision, 3, "d").await, Commit::Done);
    assert_ne!(revision(&store, "ann").await, learning.revision);
}

pub async fn a_slow_writer_brings_nothing_back(store: Shared, _: &ManualClock) {
    store.commit_profile(&user("ann"), 0, &profile(1), &[], NOW).await.unwrap();
    let held = revision(&store, "ann").await;
    store.erase_user(&user("ann"), NOW).await.unwrap();
    for expected in [held, 0] {
        assert_eq!(store.commit_profile(&user("ann"), expected, &profile(2), &[], NOW).await.unwrap(), Commit::Erased);
    }
    assert!(store.begin_learning(&user("ann"), &[]).await.unwrap().is_erased);
}

pub async fn event_ids_are_known_within_the_window(store: Shared, clock: &ManualClock) {
    let known = async |ids: &[&str]| {
        let ids: Vec<_> = ids.iter().map(|id| event(id)).collect();
        store.begin_learning(&user("ann"), &ids).await.unwrap().known
    };
    store.commit_profile(&user("ann"), 0, &profile(1), &[event("a"), event("b")], NOW).await.unwrap();
    assert_eq!(known(&["b", "x", "a", "b"]).await, [true, false, true, true]);
    assert_eq!(store.begin_learning(&user("bob"), &[event("a")]).await.unwrap().known, [false]);

    let half = Span::millis(DEDUPE_WINDOW.as_millis() / 2);
    clock.set(NOW.plus(half));
    let current = revision(&store, "ann").await;
    store.commit_profile(&user("ann"), current, &profile(2), &[event("c")], clock.now()).await.unwrap();
    clock.set(Time(NOW.plus(DEDUPE_WINDOW).0 - 1));
    assert_eq!(known(&["a", "c"]).await, [true, true]);
    clock.set(NOW.plus(DEDUPE_WINDOW));
    assert_eq!(known(&["a", "c"]).await, [false, true]);
}

pub async fn a_person_is_erased_completely(store: Shared, _: &ManualClock) {
    for id in ["ann", "annie"] {
        store.commit_profile(&user(id), 0, &profile(1), &[event("e")], NOW).await.unwrap();
        store.append_consent(&user(id), 0, &consent(Purpose::Email, Decision::Given, NOW)).await.unwrap();
        for number in 0..3 {
            let feed = feed(&format!("fd_{number}"), Owner::User(user(id)));
            store.put_feed(&feed, &page(0), KEEP, None).await.unwrap();
            store.freeze_page(&feed.owner, &feed.id, 1, &page(1), None).await.unwrap();
        }
    }
    store.erase_user(&user("ann"), NOW).await.unwrap();
    store.erase_user(&user("ann"), NOW).await.unwrap();
    store.erase_user(&user("nobody we know"), NOW).await.unwrap();

    let learning = store.begin_learning(&user("ann"), &[event("e")]).await.unwrap();
    assert_eq!((learning.profile, learning.revision, learning.known), (Profile::default(), 0, vec![false]));
    assert_eq!(store.person(&user("ann")).await.unwrap(), None);
    assert_eq!(store.person(&user("annie")).await.unwrap().unwrap().consents.len(), 1);
    for number in 0..3 {
        let id = feed_id(&format!("fd_{number}"));
        assert_eq!(store.feed(&Owner::User(user("ann")), &id).await.unwrap(), None);
        assert_eq!(store.freeze_page(&Owner::User(user("ann")), &id, 1, &page(1), None).await.unwrap(), None);
        assert_eq!(store.feed(&Owner::User(user("annie")), &id).await.unwrap().unwrap().pages.len(), 2);
    }
    assert_eq!(store.begin_learning(&user("annie"), &[event("e")]).await.unwrap().known, [true]);
}

pub async fn a_feed_keeps_its_pages(store: Shared, _: &ManualClock) {
    for owner in [Owner::User(user("ann")), Owner::Nobody] {
        let written = feed("fd_1", owner.clone());
        store.put_feed(&written, &page(0), KEEP, None).await.unwrap();
        // Twelve: numbers are ordered as numbers, not as text.
        for number in 1..12 {
            assert_eq!(store.freeze_page(&owner, &written.id, number, &page(number), None).await.unwrap(), Some(page(number)));
        }
        let record = store.feed(&owner, &written.id).await.unwrap().unwrap();
        assert_eq!(*record.feed, written);
        assert_eq!(record.pages, (0..12).map(page).collect::<Vec<_>>());
        assert!(store.freeze_page(&owner, &written.id, 0, &page(0), None).await.is_err());
    }
}

pub async fn the_first_freezer_wins(store: Shared, _: &ManualClock) {
    let owner = Owner::User(user("ann"));
    store.put_feed(&feed("fd_1", owner.clone()), &page(0), KEEP, None).await.unwrap();
    let freezer = |n: u32| {
        let (store, owner) = (store.clone(), owner.clone());
        tokio::spawn(async move { store.freeze_page(&owner, &feed_id("fd_1"), 1, &page(n), None).await.unwrap().unwrap() })
    };
    let mut winners = Vec::new();
    for task in (1..40).map(freezer).collect::<Vec<_>>() {
        winners.push(task.await.unwrap());
    }
    assert!(winners.iter().all(|page| *page == winners[0]));
    assert_eq!(store.feed(&owner, &feed_id("fd_1")).await.unwrap().unwrap().pages[1], winners[0]);
    assert_eq!(store.freeze_page(&owner, &feed_id("fd_1"), 1, &page(99), None).await.unwrap().as_ref(), Some(&winners[0]));
}

pub async fn unknown_ids_are_nothing(store: Shared, _: &ManualClock) {
    assert_eq!(store.profile(&user("x")).await.unwrap(), None);
    let learning = store.begin_learning(&user("x"), &[]).await.unwrap();
    assert_eq!((learning.profile, learning.revision, learning.known), (Profile::default(), 0, vec![]));
    for owner in [Owner::User(user("x")), Owner::Nobody] {
        assert_eq!(store.feed(&owner, &feed_id("x")).await.unwrap(), None);
        assert_eq!(store.freeze_page(&owner, &feed_id("x"), 1, &page(1), None).await.unwrap(), None);
        assert_eq!(store.feed(&owner, &feed_id("x")).await.unwrap(), None);
    }
    assert_eq!(store.policy("x").await.unwrap(), None);
    assert_eq!(store.delete_items(&[item_id("x")]).await.unwrap(), [false]);
}

pub async fn a_feed_belongs_to_its_owner(store: Shared, _: &ManualClock) {
    let written = feed("fd_1", Owner::User(user("ann")));
    store.put_feed(&written, &page(0), KEEP, None).await.unwrap();
    for other in [Owner::User(user("bob")), Owner::Nobody] {
        assert_eq!(store.feed(&other, &written.id).await.unwrap(), None);
        assert_eq!(store.freeze_page(&other, &written.id, 1, &page(1), None).await.unwrap(), None);
    }
}

pub async fn awkward_ids_stay_apart(store: Shared, _: &ManualClock) {
    let long = "ž".repeat(64);
    let ids = ["}", "{", "{}", "a}b", "a{b", "a%7Db", "a b", "a:b", "feed:x", "日本語 🐎", &long, "p0", "h", "*", "[a]", "a\\b", "\"'"];
    for (events, id) in (1..).zip(ids) {
        store.commit_profile(&user(id), 0, &profile(events), &[event(id)], NOW).await.unwrap();
        let written = feed(id, Owner::User(user(id)));
        store.put_feed(&written, &page(events as u32), KEEP, None).await.unwrap();
        store.put_feed(&feed(id, Owner::Nobody), &page(0), KEEP, None).await.unwrap();
        store.put_items(&[item(id)]).await.unwrap();
        store.add_popularity(&[delta(id, events as f64, NOW)]).await.unwrap();
        store.put_policy(id, id).await.unwrap();
    }
    let (reader, ..) = load(&store).await;
    for (events, id) in (1..).zip(ids) {
        assert_eq!(store.profile(&user(id)).await.unwrap().unwrap().events, events, "{id}");
        assert_eq!(store.begin_learning(&user(id), &ids.map(event)).await.unwrap().known, ids.map(|other| other == id));
        let record = store.feed(&Owner::User(user(id)), &feed_id(id)).await.unwrap().unwrap();
        assert_eq!(record.pages, [page(events as u32)], "{id}");
        assert_eq!(reader.items[&item_id(id)], item(id));
        let weight = events as f64;
        let expected = Popularity { weight, newcomer_weight: weight * 2.0, as_of: NOW, impressions: weight / 2.0, opens: weight / 4.0 };
        assert_eq!(reader.popularity[&item_id(id)], expected);
        assert_eq!(store.policy(id).await.unwrap().as_deref(), Some(id));
    }
    for id in ids {
        store.erase_user(&user(id), NOW).await.unwrap();
        assert_eq!(store.feed(&Owner::User(user(id)), &feed_id(id)).await.unwrap(), None);
    }
    assert_eq!(store.delete_items(&ids.map(item_id)).await.unwrap(), ids.map(|_| true));
    assert_eq!(load(&store).await.0, Reader::default());
}

pub async fn the_catalogue_loads_as_written(store: Shared, _: &ManualClock) {
    let bare = Item { description: None, topics: vec![], embedding: None, attributes: None, creator: None, ..item("bare") };
    store.put_items(&[item("a"), bare.clone(), item("a")]).await.unwrap();
    let changed = Item { title: "Another".into(), ..item("a") };
    store.put_items(std::slice::from_ref(&changed)).await.unwrap();
    let (reader, _, damaged) = load(&store).await;
    assert_eq!(reader.items.into_values().collect::<Vec<_>>(), [changed, bare]);
    assert_eq!(damaged, 0);
}

pub async fn ten_thousand_items_load(store: Shared, _: &ManualClock) {
    let items: Vec<Item> = (0..10_000).map(|n| item(&format!("item-{n}"))).collect();
    store.put_items(&items).await.unwrap();
    let deltas: Vec<_> = (0..1_000).map(|n| delta(&format!("item-{n}"), 1.0, NOW)).collect();
    store.add_popularity(&deltas).await.unwrap();
    let (reader, _, damaged) = load(&store).await;
    assert_eq!((reader.items.len(), reader.popularity.len(), damaged), (10_000, 1_000, 0));
}

pub async fn deleting_tells_what_was_there(store: Shared, _: &ManualClock) {
    store.put_items(&[item("a"), item("b")]).await.unwrap();
    let ids = ["x", "a", "a", "b"].map(item_id);
    assert_eq!(store.delete_items(&ids).await.unwrap(), [false, true, false, true]);
    assert_eq!(load(&store).await.0, Reader::default());
}

pub async fn deleting_an_item_deletes_its_popularity(store: Shared, _: &ManualClock) {
    store.put_items(&[item("a"), item("b")]).await.unwrap();
    store.add_popularity(&[delta("a", 1.0, NOW), delta("b", 1.0, NOW)]).await.unwrap();
    let (_, position, _) = load(&store).await;
    store.delete_items(&[item_id("a")]).await.unwrap();
    store.put_items(&[item("a")]).await.unwrap();
    let (reader, ..) = load(&store).await;
    assert_eq!(reader.popularity.into_keys().collect::<Vec<_>>(), [item_id("b")]);
    assert!(matches!(store.changes(&position, NO_WAIT).await.unwrap(), Changes::Records { .. }));
}

pub async fn popularity_does_not_depend_on_order(store: Shared, _: &ManualClock) {
    store.put_items(&[item("forward"), item("backward"), item("at once")]).await.unwrap();
    let hours = [0, 1, 5, 24, 25, 100];
    let at = |hour: i64| NOW.plus(Span::hours(hour));
    let mut expected = Popularity { as_of: NOW, ..Popularity::default() };
    for hour in hours {
        store.add_popularity(&[delta("forward", hour as f64 + 0.5, at(hour))]).await.unwrap();
        expected.add(of_weight(hour as f64 + 0.5), at(hour), Span::hours(24));
    }
    for hour in hours.into_iter().rev() {
        store.add_popularity(&[delta("backward", hour as f64 + 0.5, at(hour))]).await.unwrap();
    }
    let mixed = [5, 100, 0, 25, 1, 24].map(|hour| delta("at once", hour as f64 + 0.5, at(hour)));
    store.add_popularity(&mixed).await.unwrap();
    let (reader, ..) = load(&store).await;
    for id in ["forward", "backward", "at once"] {
        let stored = reader.popularity[&item_id(id)];
        assert_eq!(stored.as_of, expected.as_of);
        let sums = |p: &Popularity| [p.weight, p.impressions, p.opens];
        let near = sums(&stored).into_iter().zip(sums(&expected)).all(|(a, b)| (a - b).abs() < 1e-9);
        assert!(near, "{id}: {stored:?}, expected {expected:?}");
    }
}

pub async fn popularity_of_unknown_items_is_skipped(store: Shared, _: &ManualClock) {
    store.put_items(&[item("a")]).await.unwrap();
    let (_, position, _) = load(&store).await;
    store.add_popularity(&[delta("x", 1.0, NOW), delta("a", f64::NAN, NOW), delta("a", f64::INFINITY, NOW)]).await.unwrap();
    assert_eq!(load(&store).await.0.popularity, BTreeMap::new());
    assert_eq!(store.changes(&position, NO_WAIT).await.unwrap(), Changes::Records { records: vec![], next: position });
}

pub async fn changes_resume_after_a_position(store: Shared, _: &ManualClock) {
    let (mut reader, mut position, _) = load(&store).await;
    store.put_items(&[item("a"), item("b"), item("c")]).await.unwrap();
    position = reader.follow(&store, position).await;
    store.add_popularity(&[delta("a", 1.0, NOW), delta("b", 2.0, NOW), delta("a", 1.0, NOW)]).await.unwrap();
    store.delete_items(&[item_id("b")]).await.unwrap();
    store.put_items(&[Item { title: "Another".into(), ..item("c") }]).await.unwrap();
    let before = position.clone();
    position = reader.follow(&store, position).await;
    assert_eq!(reader, load(&store).await.0);
    assert_eq!(reader.popularity[&item_id("a")].weight, 2.0);

    // Reading the same stretch again leads to the same place.
    assert_eq!(reader.follow(&store, before).await, position);
    assert_eq!(reader, load(&store).await.0);
    let (_, end, _) = load(&store).await;
    assert_eq!(end, position);
}

pub async fn a_deleted_item_that_returns_starts_without_popularity(store: Shared, _: &ManualClock) {
    store.put_items(&[item("a")]).await.unwrap();
    store.add_popularity(&[delta("a", 9.0, NOW)]).await.unwrap();
    let (mut reader, position, _) = load(&store).await;
    store.delete_items(&[item_id("a")]).await.unwrap();
    store.put_items(&[item("a")]).await.unwrap();
    reader.follow(&store, position).await;
    assert_eq!((reader.items.len(), reader.popularity.len()), (1, 0));
}

pub async fn many_changes_come_in_pieces(store: Shared, _: &ManualClock) {
    let (mut reader, mut position, _) = load(&store).await;
    let items: Vec<Item> = (0..10_000).map(|n| item(&format!("item-{n}"))).collect();
    store.put_items(&items).await.unwrap();
    let mut pieces = 0;
    loop {
        let Changes::Records { records, next } = store.changes(&position, NO_WAIT).await.unwrap() else { panic!("resync") };
        if records.is_empty() {
            break;
        }
        assert!(records.len() <= 4_000);
        reader.apply(records);
        position = next;
        pieces += 1;
    }
    assert_eq!((pieces, reader.items.len()), (3, 10_000));
}

pub async fn waiting_ends_with_the_first_change(store: Shared, _: &ManualClock) {
    for round in 0..3 {
        let (_, position, _) = load(&store).await;
        let writer = store.clone();
        let write = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(100)).await;
            writer.put_items(&[item(&format!("a{round}"))]).await.unwrap();
        });
        let began = Instant::now();
        let changes = store.changes(&position, Duration::from_secs(30)).await.unwrap();
        assert!(began.elapsed() < Duration::from_secs(20));
        assert!(
            matches!(changes, Changes::Records { records, .. } if records == [CatalogueRecord::Put(Box::new(item(&format!("a{round}"))))])
        );
        write.await.unwrap();
    }
}

pub async fn waiting_ends_with_nothing(store: Shared, _: &ManualClock) {
    let (_, position, _) = load(&store).await;
    for wait in [NO_WAIT, Duration::from_millis(50)] {
        let began = Instant::now();
        assert_eq!(store.changes(&position, wait).await.unwrap(), Changes::Records { records: vec![], next: position.clone() });
        assert!(began.elapsed() >= wait);
    }
}

pub async fn a_foreign_position_resyncs(store: Shared, _: &ManualClock) {
    store.put_items(&[item("a")]).await.unwrap();
    let foreign = ["", "nonsense", "9999999999999-0", "1-1", "0193:5", "18446744073709551615-18446744073709551615"];
    for position in foreign.map(|text| LogPosition(text.into())) {
        assert_eq!(store.changes(&position, NO_WAIT).await.unwrap(), Changes::Resync, "{position:?}");
    }
}

pub async fn empty_batches_change_nothing(store: Shared, _: &ManualClock) {
    let (_, position, _) = load(&store).await;
    store.put_items(&[]).await.unwrap();
    assert!(store.delete_items(&[]).await.unwrap().is_empty());
    store.add_popularity(&[]).await.unwrap();
    let (reader, end, damaged) = load(&store).await;
    assert_eq!((reader, end, damaged), (Reader::default(), position, 0));
}

pub async fn policies_are_kept_by_digest(store: Shared, _: &ManualClock) {
    for _ in 0..2 {
        store.put_policy("b3:1", r#"{"a":1}"#).await.unwrap();
        store.put_policy("b3:2", "{}").await.unwrap();
    }
    assert_eq!(store.policy("b3:1").await.unwrap().as_deref(), Some(r#"{"a":1}"#));
    assert_eq!(store.policy("b3:2").await.unwrap().as_deref(), Some("{}"));
}

pub async fn the_activation_log_only_grows(store: Shared, _: &ManualClock) {
    assert_eq!(store.activations(0).await.unwrap(), [""; 0]);
    for (number, line) in ["one {\"a\": 1}", "zwei: žluťoučký\t🐎", "drei"].into_iter().enumerate() {
        assert_eq!(store.append_activation(number as u64 + 1, line).await.unwrap(), Commit::Conflict);
        assert_eq!(store.append_activation(number as u64, line).await.unwrap(), Commit::Done);
        assert_eq!(store.append_activation(number as u64, line).await.unwrap(), Commit::Conflict);
    }
    assert_eq!(store.activations(1).await.unwrap(), ["zwei: žluťoučký\t🐎", "drei"]);
    assert_eq!(store.activations(3).await.unwrap(), [""; 0]);
    assert_eq!(store.activations(u64::MAX).await.unwrap(), [""; 0]);
}

pub async fn one_of_many_appends_to_the_activation_log(store: Shared, _: &ManualClock) {
    let appender = |n: u64| {
        let store = store.clone();
        tokio::spawn(async move { store.append_activation(0, &n.to_string()).await.unwrap() })
    };
    let mut winners = Vec::new();
    for (n, task) in (0..20).map(appender).collect::<Vec<_>>().into_iter().enumerate() {
        winners.extend((task.await.unwrap() == Commit::Done).then(|| n.to_string()));
    }
    assert_eq!(store.activations(0).await.unwrap(), winners);
    assert_eq!(winners.len(), 1);
    for number in 1..1_100 {
        assert_eq!(store.append_activation(number, &number.to_string()).await.unwrap(), Commit::Done);
    }
    let read = store.activations(1).await.unwrap();
    assert_eq!((read.len(), read[999].as_str()), (1_000, "1000"));
}

pub async fn the_secret_is_the_first_one(store: Shared, _: &ManualClock) {
    let asking = |n: u8| {
        let store = store.clone();
        tokio::spawn(async move { store.shared_secret([n; 32]).await.unwrap() })
    };
    let mut answers = HashSet::new();
    for task in (0..10).map(asking).collect::<Vec<_>>() {
        answers.insert(task.await.unwrap());
    }
    assert_eq!(answers.len(), 1);
    assert!(answers.contains(&store.shared_secret([99; 32]).await.unwrap()));
}

pub async fn it_answers_pings(store: Shared, _: &ManualClock) {
    store.ping().await.unwrap();
    store.ping().await.unwrap();
}
