//! The Redis store: the suite, what it leaves in Redis, and what happens to its change log.

mod failures;
mod supposed;

use std::{sync::Arc, time::Duration};

use polyphony::{
    clock::ManualClock,
    domain::{Span, feed::Owner},
    store::{
        Changes, LogPosition, Store, StoreError, StoreOptions,
        redis::{RedisOptions, RedisStore},
    },
};

use super::{
    conforms,
    sample::{NOW, event, feed, feed_id, item, item_id, page, profile, user},
    suite::{Reader, delta, load},
};
use crate::support::redis::RedisServer;

conforms!(Fixture::new());

const NO_WAIT: Duration = Duration::ZERO;

struct Fixture {
    server: RedisServer,
    clock: Arc<ManualClock>,
    redis: Arc<RedisStore>,
}

impl Fixture {
    fn new() -> Self {
        Self::on(RedisServer::start_new(), |_| ())
    }

    fn on(server: RedisServer, adjust: impl FnOnce(&mut RedisOptions)) -> Self {
        let mut options = RedisOptions {
            url: server.url(),
            // A busy test machine is slow; the failure tests set what they need.
            timeout: Span::secs(5),
            bulk_timeout: Span::secs(20),
            store: StoreOptions { profile_ttl: Span::days(30), popularity_half_life: Span::hours(24), ..StoreOptions::default() },
            ..RedisOptions::default()
        };
        adjust(&mut options);
        let clock = Arc::new(ManualClock::at(NOW));
        let redis = Arc::new(RedisStore::new(options, clock.clone()).unwrap());
        Self { server, clock, redis }
    }

    fn store(&self) -> Arc<dyn Store> {
        self.redis.clone()
    }

    /// The store of another process on the same Redis.
    fn another(&self) -> Arc<dyn Store> {
        let options = RedisOptions { url: self.server.url(), timeout: Span::secs(5), ..RedisOptions::default() };
        Arc::new(RedisStore::new(options, self.clock.clone()).unwrap())
    }

    /// Runs a command behind the store's back.
    /// `@ann:` stands for the beginning of Ann's keys.
    fn command<T: redis::FromRedisValue>(&self, command: &str) -> T {
        let who = self.redis.lookup(&user("ann")).unwrap_or_default();
        let command = command.replace("@ann:", &format!("pf:{{p:{who}}}:"));
        let mut words = command.split(' ');
        let mut built = redis::cmd(words.next().unwrap());
        words.for_each(|word| drop(built.arg(word).clone()));
        built.query(&mut self.server.connection()).unwrap()
    }
}

async fn fill(store: &Arc<dyn Store>) {
    store.put_items(&[item("a"), item("b")]).await.unwrap();
    store.add_popularity(&[delta("a", 1.0, NOW)]).await.unwrap();
    store.commit_profile(&user("ann"), 0, &profile(1), &[event("e")], NOW).await.unwrap();
    store.put_feed(&feed("fd_1", Owner::User(user("ann"))), &page(0), Duration::from_secs(600), None).await.unwrap();
    store.put_feed(&feed("fd_2", Owner::Nobody), &page(0), Duration::from_secs(600), None).await.unwrap();
}

#[tokio::test]
async fn every_key_of_a_person_has_a_time_to_live() {
    let fixture = Fixture::new();
    let store = fixture.store();
    fill(&store).await;
    store.freeze_page(&Owner::User(user("ann")), &feed_id("fd_1"), 1, &page(1), None).await.unwrap();
    store.put_policy("b3:1", "{}").await.unwrap();
    store.shared_secret([1; 32]).await.unwrap();
    store.ping().await.unwrap();
    let mut connection = fixture.server.connection();
    let mut kept: Vec<String> = redis::cmd("KEYS").arg("*").query(&mut connection).unwrap();
    kept.retain(|key| redis::cmd("PTTL").arg(key).query::<i64>(&mut connection).unwrap() < 0);
    kept.retain(|key| !key.starts_with("pf:{c:"));
    kept.sort();
    assert_eq!(kept, ["pf:keys:master", "pf:keys:root", "pf:policy:b3:1", "pf:secret", "pf:{changes}"]);

    let ttl = |key: &str| fixture.command::<i64>(&format!("PTTL {key}"));
    let near = |ttl_ms: i64, span: Span| (span.as_millis() - 60_000..=span.as_millis()).contains(&ttl_ms);
    assert!(near(ttl("@ann:profile"), Span::days(30)));
    assert!(near(ttl("@ann:dedupe"), Span::hours(48)));
    assert!(near(ttl("@ann:feed:fd_1"), Span::secs(600)));
    assert!(near(ttl("@ann:feeds"), Span::secs(600)));
    assert!(near(ttl("pf:{f:fd_2}:feed"), Span::secs(600)));
}

#[tokio::test]
async fn writes_refresh_the_time_to_live_and_short_feeds_do_not_shorten_it() {
    let fixture = Fixture::new();
    let store = fixture.store();
    fill(&store).await;
    fixture.command::<i64>("PEXPIRE @ann:profile 1000");
    let revision = store.begin_learning(&user("ann"), &[]).await.unwrap().revision;
    store.commit_profile(&user("ann"), revision, &profile(2), &[], NOW).await.unwrap();
    assert!(fixture.command::<i64>("PTTL @ann:profile") > 1_000_000);
    store.put_feed(&feed("fd_3", Owner::User(user("ann"))), &page(0), Duration::from_millis(1), None).await.unwrap();
    assert!(fixture.command::<i64>("PTTL @ann:feeds") > 100_000);
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(store.feed(&Owner::User(user("ann")), &feed_id("fd_3")).await.unwrap(), None);
    // What is over leaves the person's list with the next feed.
    store.put_feed(&feed("fd_4", Owner::User(user("ann"))), &page(0), Duration::from_secs(600), None).await.unwrap();
    let listed: Vec<String> = fixture.command("ZRANGE @ann:feeds 0 -1");
    assert_eq!(listed, ["fd_1", "fd_4"]);
}

#[tokio::test]
async fn forever_still_ends() {
    let fixture = Fixture::on(RedisServer::start_new(), |options| options.store.profile_ttl = Span::FOREVER);
    fill(&fixture.store()).await;
    fixture.store().put_feed(&feed("fd_9", Owner::Nobody), &page(0), Duration::MAX, None).await.unwrap();
    assert!(fixture.command::<i64>("PTTL @ann:profile") > 0);
    assert!(fixture.command::<i64>("PTTL pf:{f:fd_9}:feed") > 0);
}

#[tokio::test]
async fn erasure_leaves_no_key() {
    let fixture = Fixture::new();
    fill(&fixture.store()).await;
    assert!(fixture.command::<Vec<String>>("KEYS *ann*").is_empty(), "no id stands in clear");
    fixture.store().erase_user(&user("ann"), NOW).await.unwrap();
    assert_eq!(fixture.command::<Vec<String>>("KEYS pf:{p:*").len(), 1, "all but the note of it");
}

#[tokio::test]
async fn two_prefixes_are_two_stores() {
    let fixture = Fixture::new();
    let other = RedisOptions { url: fixture.server.url(), key_prefix: "other:".into(), timeout: Span::secs(5), ..RedisOptions::default() };
    let other: Arc<dyn Store> = Arc::new(RedisStore::new(other, fixture.clock.clone()).unwrap());
    fill(&fixture.store()).await;
    assert_eq!(other.profile(&user("ann")).await.unwrap(), None);
    assert_eq!(load(&other).await.0, Reader::default());
}

#[tokio::test]
async fn damaged_records_are_reported_and_left_out() {
    let fixture = Fixture::new();
    let store = fixture.store();
    fill(&store).await;
    let (_, position, _) = load(&store).await;
    let bucket = |kind: &str, id: &str| format!("pf:{{c:{:02x}}}:{kind}", item_id(id).hash64() % 64);
    fixture.command::<i64>(&format!("HSET {} a garbage", bucket("items", "a")));
    fixture.command::<i64>(&format!("HSET {} b garbage", bucket("popularity", "b")));
    for garbage in ["garbage-garbage", "x", ""] {
        fixture.command::<()>(&format!("SET @ann:profile {garbage}"));
        assert!(matches!(store.profile(&user("ann")).await, Err(StoreError::Corrupt { what: "profile", .. })));
        assert!(matches!(store.begin_learning(&user("ann"), &[event("e")]).await, Err(StoreError::Corrupt { what: "profile", .. })));
    }
    fixture.command::<i64>("HSET @ann:feed:fd_1 h garbage");
    assert!(matches!(store.feed(&Owner::User(user("ann")), &feed_id("fd_1")).await, Err(StoreError::Corrupt { what: "feed", .. })));
    fixture.command::<i64>("DEL pf:{f:fd_2}:feed");
    fixture.command::<()>("SET pf:{f:fd_2}:feed text");
    assert!(matches!(store.feed(&Owner::Nobody, &feed_id("fd_2")).await, Err(StoreError::Corrupt { what: "key", .. })));
    assert!(matches!(store.freeze_page(&Owner::Nobody, &feed_id("fd_2"), 1, &page(1), None).await, Err(StoreError::Corrupt { .. })));

    let mut records = Vec::new();
    let (_, damaged) = store.load_catalogue(&mut |batch| records.extend(batch)).await.unwrap();
    assert_eq!((records.len(), damaged), (2, 2));

    // The log passes damaged records by, and adding to a damaged sum begins it again.
    store.add_popularity(&[delta("b", 2.0, NOW)]).await.unwrap();
    store.put_items(&[item("c")]).await.unwrap();
    let Changes::Records { records, .. } = store.changes(&position, NO_WAIT).await.unwrap() else { panic!("resync") };
    assert_eq!(records.len(), 2);
    store.erase_user(&user("ann"), NOW).await.unwrap();
    assert_eq!(store.profile(&user("ann")).await.unwrap(), None);
}

#[tokio::test]
async fn a_trimmed_log_means_loading_again() {
    let fixture = Fixture::on(RedisServer::start_new(), |options| options.change_log_max = 10);
    let store = fixture.store();
    let (_, empty, _) = load(&store).await;
    store.put_items(&[item("a")]).await.unwrap();
    let (_, old, _) = load(&store).await;
    let items: Vec<_> = (0..1_000).map(|n| item(&format!("item-{n}"))).collect();
    store.put_items(&items).await.unwrap();
    assert!(fixture.command::<u64>("XLEN pf:{changes}") < 500);
    for position in [empty, old] {
        assert_eq!(store.changes(&position, NO_WAIT).await.unwrap(), Changes::Resync);
    }
    let (_, position, _) = load(&store).await;
    assert!(matches!(store.changes(&position, NO_WAIT).await.unwrap(), Changes::Records { records, .. } if records.is_empty()));
}

#[tokio::test]
async fn a_log_that_was_never_written_to_is_followed_from_its_start() {
    let fixture = Fixture::new();
    let store = fixture.store();
    let (_, position, _) = load(&store).await;
    assert_eq!(position, LogPosition("0-0".into()));
    assert!(matches!(store.changes(&position, NO_WAIT).await.unwrap(), Changes::Records { records, .. } if records.is_empty()));
    store.put_items(&[item("a")]).await.unwrap();
    assert!(matches!(store.changes(&position, NO_WAIT).await.unwrap(), Changes::Records { records, .. } if records.len() == 1));
    // A log that somebody emptied: nothing to say, then nothing to trust, and loading again settles it.
    fixture.command::<i64>("XTRIM pf:{changes} MAXLEN 0");
    let (_, position, _) = load(&store).await;
    assert!(matches!(store.changes(&position, NO_WAIT).await.unwrap(), Changes::Records { records, .. } if records.is_empty()));
    store.put_items(&[item("b")]).await.unwrap();
    assert_eq!(store.changes(&position, NO_WAIT).await.unwrap(), Changes::Resync);
    let (reader, position, _) = load(&store).await;
    assert_eq!(reader.items.len(), 2);
    assert!(matches!(store.changes(&position, NO_WAIT).await.unwrap(), Changes::Records { records, .. } if records.is_empty()));
}

#[tokio::test]
async fn a_flushed_redis_means_loading_again() {
    let fixture = Fixture::new();
    let store = fixture.store();
    fill(&store).await;
    let (_, position, _) = load(&store).await;
    fixture.command::<()>("FLUSHALL");
    assert_eq!(store.changes(&position, NO_WAIT).await.unwrap(), Changes::Resync);
    store.put_items(&[item("z")]).await.unwrap();
    assert_eq!(store.changes(&position, NO_WAIT).await.unwrap(), Changes::Resync);
    let (reader, ..) = load(&store).await;
    assert_eq!(reader.items.into_keys().collect::<Vec<_>>(), [item_id("z")]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_readers_hold_up_nobody() {
    let fixture = Fixture::on(RedisServer::start_new(), |options| options.timeout = Span::secs(2));
    let store = fixture.store();
    let (_, position, _) = load(&store).await;
    let waiting = |_| {
        let (store, position) = (store.clone(), position.clone());
        tokio::spawn(async move { store.changes(&position, Duration::from_secs(30)).await.unwrap() })
    };
    let readers: Vec<_> = (0..3).map(waiting).collect();
    tokio::time::sleep(Duration::from_millis(100)).await;
    for n in 0..20 {
        store.commit_profile(&user(&format!("u{n}")), 0, &profile(1), &[], NOW).await.unwrap();
    }
    assert!(readers.iter().all(|reader| !reader.is_finished()));
    store.put_items(&[item("a")]).await.unwrap();
    for reader in readers {
        assert!(matches!(reader.await.unwrap(), Changes::Records { records, .. } if records.len() == 1));
    }
}

#[tokio::test]
async fn old_event_ids_are_forgotten_in_redis_too() {
    let fixture = Fixture::new();
    let store = fixture.store();
    for day in 0..6 {
        let now = NOW.plus(Span::days(day));
        let revision = store.begin_learning(&user("ann"), &[]).await.unwrap().revision;
        let ids: Vec<_> = (0..10).map(|n| event(&format!("{day}-{n}"))).collect();
        store.commit_profile(&user("ann"), revision, &profile(1), &ids, now).await.unwrap();
    }
    assert_eq!(fixture.command::<u64>("ZCARD @ann:dedupe"), 20);
}
