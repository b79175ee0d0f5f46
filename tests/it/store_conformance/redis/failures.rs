//! Redis goes away in every way it can, and comes back.

use std::{sync::Arc, time::Duration};

use polyphony::{
    domain::{Span, feed::Owner},
    store::{Changes, Commit, LogPosition, Store, StoreError},
};

use super::{
    super::{
        sample::{NOW, event, feed, feed_id, item, page, profile, user},
        suite::load,
    },
    Fixture, NO_WAIT, fill,
};
use crate::support::{proxy::Proxy, redis::RedisServer};

/// Longest a healed store may take to notice, on a busy machine.
const HEAL_LIMIT: Duration = Duration::from_secs(20);

/// Repeats `call` until it succeeds.
async fn eventually<T>(mut call: impl AsyncFnMut() -> Result<T, StoreError>) -> T {
    let began = std::time::Instant::now();
    loop {
        match call().await {
            Ok(answer) => return answer,
            Err(error) if began.elapsed() > HEAL_LIMIT => panic!("still failing: {error}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

/// Every call fails, each as `expected` says.
async fn assert_all_fail(store: &Arc<dyn Store>, expected: impl Fn(&StoreError) -> bool) {
    let owner = Owner::User(user("ann"));
    let position = LogPosition("1-0".into());
    let failures = [
        store.profile(&user("ann")).await.err(),
        store.begin_learning(&user("ann"), &[event("e")]).await.err(),
        store.commit_profile(&user("ann"), 0, &profile(1), &[event("e")], NOW).await.err(),
        store.erase_user(&user("ann"), NOW).await.err(),
        store.put_feed(&feed("fd_1", owner.clone()), &page(0), Duration::from_secs(9), None).await.err(),
        store.feed(&owner, &feed_id("fd_1")).await.err(),
        store.freeze_page(&owner, &feed_id("fd_1"), 1, &page(1), None).await.err(),
        store.put_items(&[item("a")]).await.err(),
        store.delete_items(&[item("a").id]).await.err(),
        store.load_catalogue(&mut |_| ()).await.err(),
        store.changes(&position, Duration::from_millis(10)).await.err(),
        store.policy("x").await.err(),
        store.put_policy("x", "{}").await.err(),
        store.shared_secret([0; 32]).await.err(),
        store.ping().await.err(),
    ];
    for (call, failure) in failures.into_iter().enumerate() {
        let failure = failure.unwrap_or_else(|| panic!("call {call} succeeded"));
        assert!(expected(&failure), "call {call}: {failure}");
    }
}

fn serving_limit(fixture: RedisServer, limit: Span) -> Fixture {
    Fixture::on(fixture, |options| {
        options.timeout = limit;
        options.bulk_timeout = limit;
    })
}

#[tokio::test]
async fn a_redis_that_starts_later_is_found() {
    let mut fixture = Fixture::on(RedisServer::reserved(&["--save", ""]), |_| ());
    let store = fixture.store();
    assert_all_fail(&store, |error| matches!(error, StoreError::Unreachable(_))).await;
    fixture.server.start();
    eventually(async || store.ping().await).await;
    fill(&store).await;
}

#[tokio::test]
async fn a_restarted_redis_is_found_again() {
    let mut fixture = Fixture::on(RedisServer::persistent(), |_| ());
    let store = fixture.store();
    fill(&store).await;
    let (before, position, _) = load(&store).await;
    for _ in 0..2 {
        fixture.server.stop();
        assert_all_fail(&store, |error| matches!(error, StoreError::Unreachable(_))).await;
        fixture.server.start();
        eventually(async || store.ping().await).await;
        assert_eq!(store.profile(&user("ann")).await.unwrap(), Some(profile(1)));
        assert_eq!(load(&store).await.0, before);
        // It kept its log: nothing was missed.
        let changes = eventually(async || store.changes(&position, Duration::from_millis(50)).await).await;
        assert_eq!(changes, Changes::Records { records: vec![], next: position.clone() });
    }
}

#[tokio::test]
async fn a_quick_restart_fails_no_call() {
    let mut fixture = Fixture::on(RedisServer::persistent(), |_| ());
    let store = fixture.store();
    fill(&store).await;
    let (_, position, _) = load(&store).await;
    store.changes(&position, Duration::from_millis(5)).await.unwrap();
    fixture.server.stop();
    fixture.server.start();
    // Time to learn that the old connections are closed.
    tokio::time::sleep(Duration::from_millis(200)).await;
    store.ping().await.unwrap();
    load(&store).await;
    store.changes(&position, Duration::from_millis(5)).await.unwrap();
}

#[tokio::test]
async fn a_redis_that_lost_its_data_means_loading_again() {
    let mut fixture = Fixture::new();
    let store = fixture.store();
    fill(&store).await;
    let (_, position, _) = load(&store).await;
    fixture.server.stop();
    fixture.server.start();
    let changes = eventually(async || store.changes(&position, NO_WAIT).await).await;
    assert_eq!(changes, Changes::Resync);
    assert_eq!(store.profile(&user("ann")).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_waits_is_told_when_redis_dies() {
    let mut fixture = Fixture::new();
    let store = fixture.store();
    fill(&store).await;
    let (_, position, _) = load(&store).await;
    let waiting = tokio::spawn(async move { store.changes(&position, Duration::from_secs(60)).await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    fixture.server.stop();
    let outcome = tokio::time::timeout(HEAL_LIMIT, waiting).await.expect("told before its time is over").unwrap();
    assert!(matches!(outcome, Err(StoreError::Unreachable(_))), "{outcome:?}");
}

#[tokio::test]
async fn lost_scripts_are_sent_again() {
    let fixture = Fixture::new();
    let store = fixture.store();
    fill(&store).await;
    fixture.command::<()>("SCRIPT FLUSH");
    let revision = store.begin_learning(&user("ann"), &[]).await.unwrap().revision;
    assert_eq!(store.commit_profile(&user("ann"), revision, &profile(2), &[], NOW).await.unwrap(), Commit::Done);
    fixture.command::<()>("FLUSHALL");
    fixture.command::<()>("SCRIPT FLUSH");
    assert_eq!(store.person(&user("ann")).await.unwrap(), None, "whoever reads learns that the key is gone");
    fill(&store).await;
    assert_eq!(load(&store).await.0.popularity.len(), 1);
}

#[tokio::test]
async fn a_silent_redis_costs_a_timeout_then_nothing() {
    let fixture = serving_limit(RedisServer::start_new(), Span::millis(50));
    let store = fixture.store();
    eventually(async || store.ping().await).await;
    fixture.server.pause();
    let first = store.profile(&user("ann")).await;
    assert!(matches!(first, Err(StoreError::Timeout)), "{first:?}");
    let began = std::time::Instant::now();
    let mut fast = 0;
    for _ in 0..400 {
        match store.profile(&user("ann")).await {
            Err(StoreError::Timeout) => {}
            Err(StoreError::Unreachable(_)) => fast += 1,
            other => panic!("{other:?}"),
        }
    }
    // Without the breaker: 400 × 50 ms.
    assert!(fast > 200 && began.elapsed() < Duration::from_secs(10), "{fast} failed fast in {:?}", began.elapsed());
    assert_all_fail(&store, |error| matches!(error, StoreError::Timeout | StoreError::Unreachable(_))).await;

    fixture.server.resume();
    eventually(async || store.ping().await).await;
    eventually(async || store.profile(&user("ann")).await).await;
}

#[tokio::test]
async fn a_connection_that_leads_nowhere_is_given_up() {
    let server = RedisServer::start_new();
    let proxy = Proxy::to(server.port());
    let fixture = Fixture::on(server, |options| {
        options.url = format!("redis://127.0.0.1:{}", proxy.port());
        options.timeout = Span::millis(100);
        options.bulk_timeout = Span::millis(500);
    });
    let store = fixture.store();
    eventually(async || store.ping().await).await;
    let (_, position, _) = load(&store).await;
    // Something waits on a lost connection, too.
    store.changes(&position, Duration::from_millis(5)).await.unwrap();
    proxy.lose_connections();
    eventually(async || store.ping().await).await;
    eventually(async || store.put_items(&[item("a")]).await).await;
    let changes = eventually(async || store.changes(&position, Duration::from_millis(5)).await).await;
    assert!(matches!(changes, Changes::Records { records, .. } if records.len() == 1));
    let (_, position, _) = load(&store).await;
    eventually(async || store.changes(&position, Duration::from_millis(5)).await).await;
}

#[tokio::test]
async fn a_full_redis_refuses_writes_and_serves_reads() {
    let fixture = Fixture::on(RedisServer::with(&["--save", "", "--maxmemory-policy", "noeviction"]), |_| ());
    let store = fixture.store();
    let owner = Owner::User(user("ann"));
    fill(&store).await;
    store.freeze_page(&owner, &feed_id("fd_1"), 1, &page(1), None).await.unwrap();
    let (before, position, _) = load(&store).await;
    fixture.command::<()>("CONFIG SET maxmemory 1");

    let full = |outcome: Result<(), StoreError>| assert!(matches!(outcome, Err(StoreError::Full(_))), "{outcome:?}");
    let revision = store.begin_learning(&user("ann"), &[event("e")]).await.unwrap().revision;
    full(store.commit_profile(&user("ann"), revision, &profile(2), &[event("f")], NOW).await.map(drop));
    full(store.put_items(&[item("z")]).await);
    full(store.put_feed(&feed("fd_9", owner.clone()), &page(0), Duration::from_secs(9), None).await);
    full(store.freeze_page(&owner, &feed_id("fd_1"), 2, &page(2), None).await.map(drop));
    full(store.add_popularity(&[super::delta("a", 1.0, NOW)]).await);
    full(store.put_policy("x", "{}").await);
    full(store.ping().await);

    assert_eq!(store.profile(&user("ann")).await.unwrap(), Some(profile(1)));
    assert_eq!(store.begin_learning(&user("ann"), &[event("e"), event("f")]).await.unwrap().known, [true, false]);
    assert_eq!(store.feed(&owner, &feed_id("fd_1")).await.unwrap().unwrap().pages.len(), 2);
    // A page that is frozen already needs no room.
    assert_eq!(store.freeze_page(&owner, &feed_id("fd_1"), 1, &page(5), None).await.unwrap(), Some(page(1)));
    assert_eq!(load(&store).await.0, before);
    assert!(matches!(store.changes(&position, NO_WAIT).await.unwrap(), Changes::Records { .. }));
    // Forgetting makes room, so it is never refused for lack of it.
    store.erase_user(&user("ann"), NOW).await.unwrap();

    fixture.command::<()>("CONFIG SET maxmemory 0");
    store.put_items(&[item("z")]).await.unwrap();
}

#[tokio::test]
async fn a_wrong_password_is_named_without_being_shown() {
    let fixture = Fixture::on(RedisServer::start_new(), |options| options.url = options.url.replace("://", "://:s3cret@"));
    fixture.command::<()>("CONFIG SET requirepass another");
    let store = fixture.store();
    assert_all_fail(&store, |error| !error.to_string().contains("s3cret") && matches!(error, StoreError::Unreachable(_))).await;
    assert!(!format!("{:?}", fixture.redis).contains("s3cret"));
    let mut connection = redis::Client::open(fixture.server.url().replace("://", "://:another@")).unwrap().get_connection().unwrap();
    redis::cmd("CONFIG").arg("SET").arg("requirepass").arg("s3cret").exec(&mut connection).unwrap();
    eventually(async || store.ping().await).await;
}

#[tokio::test]
async fn a_replica_refuses_writes() {
    let fixture = Fixture::new();
    let store = fixture.store();
    fill(&store).await;
    // A replica of nobody: it keeps its data and takes no writes.
    fixture.command::<()>("REPLICAOF 127.0.0.1 1");
    let refused = store.ping().await;
    assert!(matches!(&refused, Err(StoreError::Refused(text)) if text.starts_with("READONLY")), "{refused:?}");
    fixture.command::<()>("REPLICAOF NO ONE");
    eventually(async || store.ping().await).await;
}

/// Each test has its own runtime; a store outlives one, as when a worker is replaced.
#[test]
fn a_store_is_not_tied_to_one_runtime() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let fixture = Fixture::new();
    let store = fixture.store();
    for _ in 0..3 {
        runtime().block_on(async {
            store.ping().await.unwrap();
            let (_, position, _) = load(&store).await;
            store.changes(&position, Duration::from_millis(5)).await.unwrap();
        });
    }
}
