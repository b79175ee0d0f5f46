//! The Redis store behind Sentinels, over TLS, and as a user who may do no more than it must.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use polyphony::{
    clock::ManualClock,
    domain::Span,
    settings::{RedisMode, Secret, Sentinel},
    store::{
        Changes, Store, StoreError,
        redis::{RedisOptions, RedisStore, TlsFiles},
    },
};

use super::{
    keeps_all,
    sample::{NOW, event, item, profile, user},
    suite::load,
};
use crate::support::{
    redis::RedisServer,
    sentinel::{PASSWORD, PRIMARY, Watched},
    tls::{TlsServer, certificates},
};

/// Longest a failover may take to be noticed, on a busy machine.
const HEAL_LIMIT: Duration = Duration::from_secs(40);

fn options(url: String) -> RedisOptions {
    RedisOptions { url, timeout: Span::secs(5), bulk_timeout: Span::secs(20), ..RedisOptions::default() }
}

fn store(options: RedisOptions) -> Arc<dyn Store> {
    Arc::new(RedisStore::new(options, Arc::new(ManualClock::at(NOW))).unwrap())
}

async fn eventually<T>(mut call: impl AsyncFnMut() -> Result<T, StoreError>) -> T {
    let began = Instant::now();
    loop {
        match call().await {
            Ok(answer) => return answer,
            Err(error) if began.elapsed() > HEAL_LIMIT => panic!("still failing: {error}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sentinels_say_where_the_primary_is() {
    let mut watched = Watched::start_new();
    let sentinel = Sentinel { primary: PRIMARY.into(), username: String::new(), password: Secret::new(PASSWORD) };
    let store = store(RedisOptions { mode: RedisMode::Sentinel, sentinel, timeout: Span::secs(1), ..options(watched.url()) });
    eventually(async || store.ping().await).await;
    store.put_items(&[item("a")]).await.unwrap();
    store.commit_profile(&user("ann"), 0, &profile(1), &[event("e")], NOW).await.unwrap();
    let (before, position, _) = load(&store).await;
    let shipped: u64 = redis::cmd("WAIT").arg(1).arg(20_000).query(&mut watched.primary.connection()).unwrap();
    assert_eq!(shipped, 1, "the replica has all of it");

    watched.primary.stop();
    eventually(async || store.ping().await).await;
    let role: Vec<redis::Value> = redis::cmd("ROLE").query(&mut watched.replica.connection()).unwrap();
    assert_eq!(role[0], redis::Value::BulkString(b"master".to_vec()), "the replica was promoted");
    assert_eq!(eventually(async || store.profile(&user("ann")).await).await, Some(profile(1)));
    assert_eq!(store.begin_learning(&user("ann"), &[event("e")]).await.unwrap().known, [true]);
    store.put_items(&[item("b")]).await.unwrap();
    let changes = eventually(async || store.changes(&position, Duration::from_secs(5)).await).await;
    assert!(matches!(changes, Changes::Records { records, .. } if records.len() == 1));
    assert_eq!(load(&store).await.0.items.len(), before.items.len() + 1);
}

#[tokio::test]
async fn a_primary_nobody_watches_is_not_found() {
    let watched = Watched::start_new();
    let sentinel = Sentinel { primary: "another".into(), username: String::new(), password: Secret::new(PASSWORD) };
    let store = store(RedisOptions { mode: RedisMode::Sentinel, sentinel, ..options(watched.url()) });
    let error = store.ping().await.unwrap_err();
    assert!(matches!(error, StoreError::Unreachable(_)) && !error.to_string().contains(PASSWORD), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_is_spoken_and_checked() {
    let (own, foreign) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    certificates(own.path());
    certificates(foreign.path());
    let tls = TlsServer::start_new(own.path(), true);
    let client = Some((tls.file("client.pem"), tls.file("client.key")));
    let with = |ca: Option<std::path::PathBuf>, client| store(RedisOptions { tls: TlsFiles { ca, client }, ..options(tls.url()) });

    let trusted = with(Some(tls.file("ca.pem")), client.clone());
    trusted.ping().await.unwrap();
    trusted.put_items(&[item("a")]).await.unwrap();
    let (reader, position, _) = load(&trusted).await;
    assert_eq!(reader.items.len(), 1);
    // The connection that waits for changes has its certificates, too.
    trusted.changes(&position, Duration::from_millis(5)).await.unwrap();

    for (what, refused) in [
        ("signed by somebody else", with(Some(foreign.path().join("ca.pem")), client.clone())),
        ("signed by nobody the machine knows", with(None, client)),
        ("no certificate of ours", with(Some(tls.file("ca.pem")), None)),
    ] {
        let outcome = refused.ping().await;
        assert!(matches!(outcome, Err(StoreError::Unreachable(_) | StoreError::Timeout)), "{what}: {outcome:?}");
    }
}

#[tokio::test]
async fn tls_files_that_are_none_are_told() {
    let folder = tempfile::tempdir().unwrap();
    certificates(folder.path());
    let tls = TlsServer::start_new(folder.path(), false);
    std::fs::write(folder.path().join("nonsense.pem"), "-----BEGIN CERTIFICATE-----\nnonsense\n").unwrap();
    let files = TlsFiles { ca: Some(tls.file("nonsense.pem")), client: None };
    let outcome = store(RedisOptions { tls: files, ..options(tls.url()) }).ping().await;
    assert!(
        matches!(&outcome, Err(error) if error.to_string().contains("PEM") || error.to_string().contains("certificate")),
        "{outcome:?}"
    );
}

/// The line for a user in docs/redis.md, as words.
fn documented_user() -> Vec<String> {
    let text = include_str!("../../../docs/redis.md");
    let line = text.lines().find(|line| line.starts_with("ACL SETUSER ")).expect("docs/redis.md has the line");
    line.replace(">PASSWORD", ">secret").split(' ').skip(2).map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_documented_user_may_do_all_that_is_done_and_nothing_else() {
    let server = RedisServer::start_new();
    let user = documented_user();
    redis::cmd("ACL").arg("SETUSER").arg(&user).exec(&mut server.connection()).unwrap();
    let url = server.url().replace("://", &format!("://{}:secret@", user[0]));
    let fresh = |promise: &str| {
        // An earlier version's row, so that what seals those is used as well.
        redis::cmd("FLUSHALL").exec(&mut server.connection()).unwrap();
        if promise.starts_with("the_catalogue") {
            redis::cmd("SET").arg("pf:{u:old}:profile").arg("damaged").exec(&mut server.connection()).unwrap();
        }
        let clock = Arc::new(ManualClock::at(NOW));
        let store: Arc<dyn Store> = Arc::new(RedisStore::new(options(url.clone()), clock.clone()).unwrap());
        (store, clock)
    };
    redis::cmd("CONFIG").arg("RESETSTAT").exec(&mut server.connection()).unwrap();
    keeps_all!(fresh);
    // What no promise is about.
    let (store, _) = fresh("rotation");
    store.commit_profile(&super::sample::user("ann"), 0, &profile(1), &[], NOW).await.unwrap();
    store.rotate_keys().await.unwrap();
    store.erased_since(NOW).await.unwrap();

    let said: String = redis::cmd("INFO").arg("commandstats").query(&mut server.connection()).unwrap();
    let used: BTreeSet<&str> = said.lines().filter_map(|line| line.strip_prefix("cmdstat_")?.split(':').next()).collect();
    let granted: BTreeSet<&str> = user.iter().filter_map(|word| word.strip_prefix('+')).collect();
    let idle: Vec<_> = granted.difference(&used).collect();
    assert!(idle.is_empty(), "granted and never used: {idle:?}");
    // Everything works, so nothing is missing; but say so where a failure was swallowed.
    let denied: Vec<Vec<redis::Value>> = redis::cmd("ACL").arg("LOG").query(&mut server.connection()).unwrap();
    assert!(denied.is_empty(), "{denied:?}");
}
