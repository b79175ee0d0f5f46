//! The cursor contract, line by line, whatever happens between two pages.

use std::collections::{HashMap, HashSet};

use polyphony::domain::{FeedId, Span, UserId, feed::Owner};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use crate::support::world::{Answer, StoreKind, World, event, item, many, on_both_stores};

on_both_stores! {
    no_interleaving_breaks_the_contract
    forty_pages_while_everything_changes
    twenty_at_once_get_the_same_page
    a_retry_with_another_limit_gets_the_page_as_it_was
    the_last_page_has_no_next
    constraints_hold_across_pages
    hide_filters_the_tail_and_leaves_served_pages_alone
    the_page_size_may_change
    what_was_seen_still_counts_for_what_follows
    a_page_made_ahead_follows_what_changes
    a_foreign_cursor_is_refused
    a_tampered_cursor_is_refused
    an_expired_cursor_restarts_without_repeats
    an_expired_cursor_can_be_an_error
    a_restart_is_personal_and_of_the_policy_of_now
}

const TOPICS: [&str; 6] = ["science", "politics", "food", "music", "sport", "travel"];

/// Everything of a served position but the words: the card and the reasons' texts show the item as it is now.
fn frozen(answer: &Answer) -> Vec<Value> {
    let without_words = |placed: &Value| {
        let mut placed = placed.clone();
        placed.as_object_mut().unwrap().remove("item");
        let codes: Vec<Value> = placed["reasons"].as_array().unwrap().iter().map(|reason| reason["code"].clone()).collect();
        placed["reasons"] = codes.into();
        placed
    };
    answer.items().iter().map(without_words).collect()
}

/// The ids of a feed's whole pool.
async fn pool(world: &World, user: &str, feed_id: &str) -> HashSet<String> {
    let (owner, id) = (Owner::User(UserId::new(user).unwrap()), FeedId::new(feed_id).unwrap());
    let record = world.app.store.feed(&owner, &id).await.unwrap().unwrap();
    let catalogue = world.app.feed.catalogue.snapshot();
    let id = |hash| catalogue.entry(catalogue.find_hash(hash)?).map(|entry| entry.item.id.to_string());
    record.feed.pool.iter().filter_map(|entry| id(entry.item_hash)).collect()
}

/// Pages on from `page` to the end.
async fn rest(world: &World, user: &str, page: &Answer, limit: usize) -> Vec<Answer> {
    let mut pages = Vec::new();
    let mut next = page.next();
    while let Some(cursor) = next {
        let page = world.feed(user).cursor(&cursor).limit(limit).explain_full().get().await.ok();
        next = page.next();
        pages.push(page);
    }
    pages
}

/// One reader of one feed, and what the contract says about it.
struct Reading<'a> {
    world: &'a World,
    user: String,
    random: ChaCha8Rng,
    /// Cursor and what it answered first.
    served: Vec<(String, Vec<Value>)>,
    ids: Vec<String>,
    next: Option<String>,
    feed_id: String,
    /// Not allowed at this moment.
    gone: HashSet<String>,
    /// Not allowed at some moment.
    ever_gone: HashSet<String>,
    pool: HashSet<String>,
}

impl<'a> Reading<'a> {
    async fn begin(world: &'a World, seed: u64) -> Self {
        let user = format!("reader_{seed}");
        world.events(&user, [event("open", "itm_001"), event("open", "itm_007")]).await;
        let first = world.feed(&user).limit(3).get().await.ok();
        let pool = pool(world, &user, first.feed_id()).await;
        let random = ChaCha8Rng::seed_from_u64(seed);
        let (ids, next, feed_id) = (first.ids(), first.next(), first.feed_id().to_owned());
        Self { world, user, random, served: Vec::new(), ids, next, feed_id, gone: HashSet::new(), ever_gone: HashSet::new(), pool }
    }

    async fn step(&mut self) {
        match self.random.random_range(0..10) {
            0..4 => self.read_on().await,
            4..6 => self.retry().await,
            6 => self.world.clock.advance(Span::secs(self.random.random_range(0..20))),
            7 => self.item_changes().await,
            8 => self.speaks_out().await,
            _ => {
                let diversity = self.random.random_range(0.0..1.0);
                self.world.swap_policy("home", |policy| policy.diversify.diversity = diversity).await;
            }
        }
    }

    async fn read_on(&mut self) {
        let Some(cursor) = self.next.clone() else { return };
        let limit = self.random.random_range(1..=13);
        let page = self.world.feed(&self.user).cursor(&cursor).limit(limit).get().await.ok();
        assert_eq!(page.feed_id(), self.feed_id);
        assert!(page.ids().len() <= limit);
        assert!(page.ids().len() == limit || page.next().is_none(), "a short page is the last");
        for id in page.ids() {
            assert!(!self.ids.contains(&id), "{id} comes twice");
            assert!(self.pool.contains(&id), "{id} came after the feed was made");
            assert!(!self.gone.contains(&id), "{id} must not be shown any more");
            self.ids.push(id);
        }
        self.next = page.next();
        self.served.push((cursor, frozen(&page)));
    }

    async fn retry(&mut self) {
        if self.served.is_empty() {
            return;
        }
        let (cursor, first) = &self.served[self.random.random_range(0..self.served.len())];
        let again = self.world.feed(&self.user).cursor(cursor).limit(self.random.random_range(1..=13)).get().await.ok();
        assert_eq!(&frozen(&again), first);
    }

    fn some_id(&mut self) -> String {
        format!("itm_{:03}", self.random.random_range(0..120))
    }

    async fn item_changes(&mut self) {
        let id = self.some_id();
        if self.random.random_bool(0.4) {
            self.world.delete_item(&id).await;
            self.gone.insert(id.clone());
            self.ever_gone.insert(id);
        } else {
            let topic = TOPICS[self.random.random_range(0..TOPICS.len())];
            self.world.put_item(item(&id, topic, "crt_new", 1)).await;
            let hidden = self.world.feed(&self.user).limit(1).get().await.ok();
            // It is back, unless the person hid it.
            if pool(self.world, &self.user, hidden.feed_id()).await.contains(&id) {
                self.gone.remove(&id);
            }
            self.world.put_item(item(&format!("new_{}", self.random.random_range(0..1_000)), topic, "crt_new", 0)).await;
        }
    }

    async fn speaks_out(&mut self) {
        let id = self.some_id();
        let kind = ["hide", "less_like"][self.random.random_range(0..2)];
        let answer = self.world.try_events(&self.user, &[event(kind, &id)]).await;
        if answer.body["accepted"] == 1 {
            self.gone.insert(id.clone());
            self.ever_gone.insert(id);
        }
    }

    /// Reads to the end: nothing that stayed allowed is missing.
    async fn finish(mut self) {
        while self.next.is_some() {
            self.read_on().await;
        }
        let served: HashSet<&String> = self.ids.iter().collect();
        let missing: Vec<&String> = self.pool.iter().filter(|id| !served.contains(id) && !self.ever_gone.contains(*id)).collect();
        assert!(missing.is_empty(), "never served: {missing:?}");
    }
}

async fn no_interleaving_breaks_the_contract(kind: StoreKind) {
    for seed in 0..6 {
        let world = World::start(kind).await;
        world.items(many(120, &TOPICS, 17)).await;
        let mut reading = Reading::begin(&world, seed).await;
        for _ in 0..50 {
            reading.step().await;
        }
        reading.finish().await;
    }
}

async fn forty_pages_while_everything_changes(kind: StoreKind) {
    let world = World::start(kind).await;
    // However soon the 36 that go are gone, 164 items are 41 pages.
    world.items(many(200, &TOPICS, 23)).await;
    world.events("ana", [event("open", "itm_004")]).await;
    let first = world.feed("ana").limit(4).get().await.ok();
    let pool = pool(&world, "ana", first.feed_id()).await;
    let reading = async {
        let (mut ids, mut next, mut pages) = (first.ids(), first.next(), 1);
        while let Some(cursor) = next {
            let page = world.feed("ana").cursor(&cursor).limit(4).get().await.ok();
            assert_eq!(page.feed_id(), first.feed_id());
            ids.extend(page.ids());
            next = page.next();
            pages += 1;
        }
        (ids, pages)
    };
    // Every item whose number ends in 9 goes away at some time, one way or another.
    let changing = async {
        for n in 0..18 {
            let id = format!("itm_{:03}", n * 10 + 9);
            world.put_item(item(&format!("new_{n}"), TOPICS[n % 6], "crt_new", 0)).await;
            match n % 3 {
                0 => drop(world.delete_item(&id).await),
                1 => world.events("ana", [event("hide", &id)]).await,
                _ => world.events("ana", [event("less_like", &id), event("more_like", &format!("itm_{:03}", n * 10))]).await,
            }
            world.swap_policy("home", |policy| policy.diversify.diversity = n as f32 / 20.0).await;
            world.clock.advance(Span::secs(10));
        }
    };
    let ((ids, pages), ()) = tokio::join!(reading, changing);
    assert!(pages >= 40, "{pages}");
    let distinct: HashSet<String> = ids.iter().cloned().collect();
    assert_eq!(distinct.len(), ids.len(), "an item came twice");
    // `more_like` counts as having read it: those may be left out too.
    let may_miss = |id: &&String| id.ends_with('9') || id.ends_with('0');
    let missing: Vec<&String> = pool.iter().filter(|id| !may_miss(id) && !distinct.contains(*id)).collect();
    assert!(missing.is_empty(), "never served: {missing:?}");
    assert!(distinct.is_subset(&pool));
}

async fn twenty_at_once_get_the_same_page(kind: StoreKind) {
    let world = World::start(kind).await;
    world.items(many(120, &TOPICS, 17)).await;
    let mut page = world.feed("ana").get().await.ok();
    for _ in 0..3 {
        let cursor = page.next().unwrap();
        let asked = (0..20).map(|n| world.feed("ana").cursor(&cursor).limit(3 + n % 5).get());
        let answers = futures_util::future::join_all(asked).await;
        let first = frozen(&answers[0]);
        for answer in answers {
            page = answer.ok();
            assert_eq!(frozen(&page), first);
        }
    }
}

async fn a_retry_with_another_limit_gets_the_page_as_it_was(kind: StoreKind) {
    let world = World::start(kind).await;
    world.items(many(60, &TOPICS, 17)).await;
    let cursor = world.feed("ana").limit(5).get().await.ok().next().unwrap();
    let page = world.feed("ana").cursor(&cursor).limit(7).get().await.ok();
    let again = world.feed("ana").cursor(&cursor).limit(2).diversity(1.0).get().await.ok();
    let (mut page, mut again) = (page.body, again.body);
    assert_ne!(page["request_id"], again["request_id"]);
    page["request_id"] = Value::Null;
    again["request_id"] = Value::Null;
    assert_eq!(page, again);
}

async fn the_last_page_has_no_next(kind: StoreKind) {
    let world = World::start(kind).await;
    world.items(many(30, &TOPICS, 17)).await;
    let first = world.feed("ana").limit(10).get().await.ok();
    let pages = rest(&world, "ana", &first, 10).await;
    assert_eq!(pages.len(), 2);
    assert_eq!(pages[1].body["page"], serde_json::json!({"end_of_feed": true}));
    assert_eq!(pages[1].ids().len(), 10);
    assert_eq!(world.feed("ben").limit(30).get().await.ok().next(), None);
}

/// Recomputes `max_share` and `min_gap` over the whole feed and compares with what `explain=full` says was relaxed.
fn check_constraints(values: &[Option<String>], relaxed: &[Vec<String>], name: &str, broken_at: impl Fn(usize) -> bool) -> usize {
    let mut found = 0;
    for position in 0..values.len() {
        let says = relaxed[position].iter().any(|relaxed| relaxed == name);
        assert_eq!(broken_at(position), says, "{name} at {position}: {values:?}");
        found += usize::from(says);
    }
    found
}

async fn constraints_hold_across_pages(kind: StoreKind) {
    let world = World::start(kind).await;
    // Plenty of creators, then far too few: the rules must give way, and say so.
    for (round, creators) in [(0, 29), (1, 4)] {
        let items = many(90, &TOPICS, creators);
        let creator_of: HashMap<String, String> =
            items.iter().map(|item| (item["id"].as_str().unwrap().to_owned(), item["creator"].as_str().unwrap().to_owned())).collect();
        world.items(items).await;
        let user = format!("ana_{round}");
        let first = world.feed(&user).limit(7).explain_full().get().await.ok();
        let mut pages = vec![];
        let mut next = first.next();
        let mut limit = 1;
        pages.push(first);
        while let Some(cursor) = next {
            limit = limit % 9 + 2;
            let page = world.feed(&user).cursor(&cursor).limit(limit).explain_full().get().await.ok();
            next = page.next();
            pages.push(page);
        }
        let placed: Vec<&Value> = pages.iter().flat_map(|page| page.items()).collect();
        let values: Vec<Option<String>> = placed.iter().map(|p| creator_of.get(p["id"].as_str().unwrap()).cloned()).collect();
        let relaxed = |p: &&Value| {
            let relaxed = p["explain"]["relaxed"].as_array().into_iter().flatten();
            relaxed.map(|r| r["constraint"].as_str().unwrap().into()).collect()
        };
        let relaxed: Vec<Vec<String>> = placed.iter().map(relaxed).collect();
        assert_eq!(values.len(), 90);
        for page in &pages {
            let explained: Vec<&Value> = page.items().iter().filter_map(|p| p["explain"]["relaxed"].as_array()).flatten().collect();
            assert_eq!(page.body["relaxed"].as_array().into_iter().flatten().collect::<Vec<_>>(), explained);
            assert!(explained.iter().all(|relaxed| ["supply", "conflict", "budget"].contains(&relaxed["why"].as_str().unwrap())));
        }
        let before = |position: usize, n: usize| values[position.saturating_sub(n)..position].to_vec();
        let mut given_way = check_constraints(&values, &relaxed, "max_share creator 2/10", |position| {
            before(position, 9).iter().filter(|value| **value == values[position]).count() >= 2
        });
        given_way += check_constraints(&values, &relaxed, "min_gap creator 1", |position| before(position, 1).contains(&values[position]));
        assert_eq!(given_way > 0, round == 1, "{given_way} relaxations with {creators} creators");
    }
}

async fn hide_filters_the_tail_and_leaves_served_pages_alone(kind: StoreKind) {
    let world = World::start(kind).await;
    world.items(many(60, &TOPICS, 17)).await;
    let first = world.feed("ana").limit(5).get().await.ok();
    let second_cursor = first.next().unwrap();
    let second = world.feed("ana").cursor(&second_cursor).limit(5).get().await.ok();
    let unserved: Vec<String> = {
        let served: HashSet<String> = first.ids().into_iter().chain(second.ids()).collect();
        (0..60).map(|n| format!("itm_{n:03}")).filter(|id| !served.contains(id)).collect()
    };
    let served_hidden = second.ids()[2].clone();
    world.events("ana", [event("hide", &served_hidden), event("hide", &unserved[0]), event("less_like", &unserved[1])]).await;
    let mut by_creator = event("hide", &unserved[2]);
    by_creator["scope"] = "creator".into();
    world.events("ana", [by_creator]).await;
    let creator = world.item(&unserved[2]).creator.unwrap().id;
    assert_eq!(frozen(&world.feed("ana").cursor(&second_cursor).get().await.ok()), frozen(&second));
    let pages = rest(&world, "ana", &second, 6).await;
    let tail: Vec<String> = pages.iter().flat_map(Answer::ids).collect();
    assert!(!tail.contains(&unserved[0]) && !tail.contains(&unserved[1]) && !tail.contains(&served_hidden));
    assert!(tail.iter().all(|id| world.item(id).creator.unwrap().id != creator));
    // And nothing else is missing.
    let expected = unserved.iter().skip(2).filter(|id| world.item(id).creator.unwrap().id != creator).count();
    assert_eq!(tail.len(), expected);
}

async fn the_page_size_may_change(kind: StoreKind) {
    let world = World::start(kind).await;
    world.items(many(60, &TOPICS, 17)).await;
    // The same draw in one piece and in many.
    let whole = world.feed("ana").seed(5).limit(60).get().await.ok().ids();
    let first = world.feed("ana").seed(5).limit(1).get().await.ok();
    let (mut pieces, mut next, mut limit) = (first.ids(), first.next(), 1);
    while let Some(cursor) = next {
        limit += 3;
        let page = world.feed("ana").cursor(&cursor).limit(limit).get().await.ok();
        pieces.extend(page.ids());
        next = page.next();
    }
    assert_eq!(pieces, whole);
}

/// An app reports what was seen before it asks for the next page. Those items rest, and still stand above what follows.
async fn what_was_seen_still_counts_for_what_follows(kind: StoreKind) {
    let world = World::start(kind).await;
    world.items(many(60, &TOPICS, 5)).await;
    let whole = world.feed("ana").seed(5).limit(60).get().await.ok().ids();
    let mut page = world.feed("ana").seed(5).limit(7).get().await.ok();
    let mut pieces = page.ids();
    while let Some(cursor) = page.next() {
        world.events("ana", page.ids().iter().map(|id| event("seen", id))).await;
        page = world.feed("ana").cursor(&cursor).limit(7).get().await.ok();
        pieces.extend(page.ids());
    }
    assert_eq!(pieces, whole);
}

async fn a_page_made_ahead_follows_what_changes(kind: StoreKind) {
    let world = World::start(kind).await;
    world.items(many(60, &TOPICS, 29)).await;
    let usual = world.feed("ana").seed(5).limit(10).get().await.ok().ids()[5..].to_vec();
    let begin = async || world.feed("ana").seed(5).limit(5).get().await.ok().next().unwrap();
    let second = async |cursor: &str| world.feed("ana").cursor(cursor).limit(5).get().await.ok().ids();
    assert_eq!(second(&begin().await).await, usual);
    let cursor = begin().await;
    let shorter = world.feed("ana").cursor(&cursor).limit(3).get().await.ok().ids();
    assert_eq!(shorter, usual[..3], "another size");

    // The item changes its creator to the one right above it: a constraint keeps the two apart.
    let cursor = begin().await;
    let mut changed = many(60, &TOPICS, 29).into_iter().find(|item| item["id"] == usual[1].as_str()).unwrap();
    changed["creator"] = world.item(&usual[0]).creator.unwrap().id.to_string().into();
    world.items([changed]).await;
    let apart = second(&cursor).await;
    assert_eq!(apart[0], usual[0]);
    assert_ne!(apart[1], usual[1]);

    let cursor = begin().await;
    world.delete_item(&apart[0]).await;
    assert!(!second(&cursor).await.contains(&apart[0]), "gone");
    let cursor = begin().await;
    let hidden = world.feed("ana").seed(5).limit(10).get().await.ok().ids()[6].clone();
    world.events("ana", [event("hide", &hidden)]).await;
    assert!(!second(&cursor).await.contains(&hidden), "hidden");
}

async fn a_foreign_cursor_is_refused(kind: StoreKind) {
    let world = World::start(kind).await;
    let other = World::start(kind).await;
    world.items(many(30, &TOPICS, 17)).await;
    other.items(many(30, &TOPICS, 17)).await;
    let cursor = world.feed("ana").limit(5).get().await.ok().next().unwrap();
    let of_eve = world.feed("eve").limit(5).get().await.ok().next().unwrap();
    let anonymous = world.feed("").limit(5).get().await.ok().next().unwrap();
    let elsewhere = other.feed("ana").limit(5).get().await.ok().next().unwrap();
    for (what, ask) in [
        ("another user", world.feed("ben").cursor(&cursor)),
        ("nobody", world.feed("").cursor(&cursor)),
        ("another surface", world.feed("ana").param("surface", "video").cursor(&cursor)),
        ("profile=off", world.feed("ana").param("profile", "off").cursor(&cursor)),
        ("Sec-GPC", world.feed("eve").header("Sec-GPC", "1").cursor(&of_eve)),
        ("an anonymous one", world.feed("ana").cursor(&anonymous)),
        ("another server's", world.feed("ana").cursor(&elsewhere)),
    ] {
        assert_eq!(ask.clone().get().await.problem(), (400, "invalid-cursor"), "{what}");
        assert_eq!(ask.post().await.problem(), (400, "invalid-cursor"), "{what}, POST");
    }
    assert_eq!(world.feed("ana").cursor(&cursor).get().await.ok().items().len(), 20);
}

async fn a_tampered_cursor_is_refused(kind: StoreKind) {
    let world = World::start(kind).await;
    world.items(many(30, &TOPICS, 17)).await;
    let cursor = world.feed("ana").limit(5).get().await.ok().next().unwrap();
    for at in 0..cursor.len() {
        let mut bytes = cursor.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let tampered = String::from_utf8(bytes).unwrap();
        assert_eq!(world.feed("ana").cursor(&tampered).get().await.problem(), (400, "invalid-cursor"), "{tampered}");
    }
    let long = "A".repeat(5_000);
    let (cut, padded) = (&cursor[..cursor.len() - 1], format!("{cursor}="));
    for wrong in ["", "c1.", "c1.%00", "c2.AAAA", "nonsense", "ünïcode", "c1.\u{0}", long.as_str(), cut, padded.as_str()] {
        assert_eq!(world.feed("ana").cursor(wrong).get().await.status, 400, "{wrong:?}");
    }
}

async fn an_expired_cursor_restarts_without_repeats(kind: StoreKind) {
    let world = World::start(kind).await;
    world.items(many(60, &TOPICS, 17)).await;
    let first = world.feed("ana").limit(10).get().await.ok();
    let second = world.feed("ana").cursor(&first.next().unwrap()).limit(10).get().await.ok();
    let cursor = second.next().unwrap();
    let expiry = second.body["page"]["expires_at"].as_str().unwrap().to_owned();
    assert_eq!(expiry, "2026-10-09T09:00:00Z");
    world.clock.advance(Span::millis(45 * 60_000 - 1));
    assert_eq!(world.feed("ana").cursor(&cursor).limit(10).get().await.ok().feed_id(), first.feed_id(), "not yet");
    world.clock.advance(Span::millis(1));
    let third = world.feed("ana").cursor(&cursor).limit(10).get().await.ok();
    assert_ne!(third.feed_id(), first.feed_id());
    assert_eq!(third.body["page"]["restarted"], true);
    let mut ids: Vec<String> = [&first, &second, &third].into_iter().flat_map(Answer::ids).collect();
    for page in rest(&world, "ana", &third, 10).await {
        assert_eq!(page.feed_id(), third.feed_id());
        ids.extend(page.ids());
    }
    let distinct: HashSet<&String> = ids.iter().collect();
    assert_eq!(distinct.len(), ids.len(), "a restarted feed repeats nothing");
}

async fn an_expired_cursor_can_be_an_error(kind: StoreKind) {
    let world = World::start(kind).await;
    world.items(many(30, &TOPICS, 17)).await;
    let cursor = world.feed("ana").limit(10).get().await.ok().next().unwrap();
    let strict = || world.feed("ana").cursor(&cursor).param("strict", true);
    strict().get().await.ok();
    world.clock.advance(Span::minutes(45));
    assert_eq!(strict().get().await.problem(), (410, "cursor-expired"));
    assert_eq!(strict().post().await.problem(), (410, "cursor-expired"));
}

async fn a_restart_is_personal_and_of_the_policy_of_now(kind: StoreKind) {
    let world = World::start(kind).await;
    world.items(many(60, &TOPICS, 17)).await;
    world.events("ana", [event("open", "itm_000")]).await;
    let first = world.feed("ana").limit(10).get().await.ok();
    world.swap_policy("home", |policy| policy.id = "another".into()).await;
    let second = world.feed("ana").cursor(&first.next().unwrap()).limit(10).get().await.ok();
    assert_eq!(second.body["policy"], first.body["policy"], "a feed goes on as it began");
    world.clock.advance(Span::hours(1));
    let third = world.feed("ana").cursor(&second.next().unwrap()).get().await.ok();
    assert_eq!(third.body["policy"]["id"], "another");
    assert_eq!(third.body["personalised"], true);
}
