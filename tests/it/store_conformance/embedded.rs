//! The embedded store: the suite, and what is its own: one file that survives crashes, expiry, one process at a time.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use polyphony::{
    clock::{Clock, ManualClock},
    domain::{Span, event::DEDUPE_WINDOW, feed::Owner},
    store::{
        Changes, Commit, Store, StoreError, StoreOptions,
        embedded::{EmbeddedOptions, EmbeddedStore},
    },
};
use redb::TableDefinition;
use tempfile::TempDir;

use super::{
    conforms,
    sample::{NOW, event, feed, feed_id, item, item_id, page, profile, user},
    suite::{delta, load},
};

conforms!(Fixture::new());

/// Set for the process that [`a_killed_process_loses_nothing_it_acknowledged`] starts and kills.
const VICTIM_FILE: &str = "POLYPHONY_TEST_VICTIM_FILE";

struct Fixture {
    folder: TempDir,
    clock: Arc<ManualClock>,
    open: Option<Arc<EmbeddedStore>>,
}

impl Fixture {
    fn new() -> Self {
        let mut fixture = Self { folder: tempfile::tempdir().unwrap(), clock: Arc::new(ManualClock::at(NOW)), open: None };
        fixture.reopen();
        fixture
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("data").join("polyphony.redb")
    }

    fn close(&mut self) {
        self.open = None;
    }

    fn reopen(&mut self) {
        self.close();
        self.open = Some(Arc::new(open(&self.path(), self.clock.clone()).unwrap()));
    }

    fn embedded(&self) -> &Arc<EmbeddedStore> {
        self.open.as_ref().unwrap()
    }

    fn store(&self) -> Arc<dyn Store> {
        self.embedded().clone()
    }
}

fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<EmbeddedStore, StoreError> {
    let store = StoreOptions { profile_ttl: Span::days(30), popularity_half_life: Span::hours(24), ..StoreOptions::default() };
    EmbeddedStore::open(EmbeddedOptions { path: path.to_owned(), store }, clock)
}

/// The message of a failed opening.
fn refusal(path: &Path) -> String {
    match open(path, Arc::new(ManualClock::at(NOW))) {
        Ok(_) => panic!("{} was opened", path.display()),
        Err(error) => error.to_string(),
    }
}

async fn fill(store: &Arc<dyn Store>) {
    store.put_items(&[item("a"), item("b")]).await.unwrap();
    store.add_popularity(&[delta("a", 1.0, NOW)]).await.unwrap();
    store.commit_profile(&user("ann"), 0, &profile(1), &[event("e")], NOW).await.unwrap();
    store.put_feed(&feed("fd_1", Owner::User(user("ann"))), &page(0), Duration::from_secs(600), None).await.unwrap();
}

#[tokio::test]
async fn everything_survives_reopening() {
    let mut fixture = Fixture::new();
    fill(&fixture.store()).await;
    fixture.store().put_policy("b3:1", "{}").await.unwrap();
    let secret = fixture.store().shared_secret([7; 32]).await.unwrap();
    let (before, position, _) = load(&fixture.store()).await;

    fixture.reopen();
    let store = fixture.store();
    let (after, ..) = load(&store).await;
    assert_eq!(after, before);
    let learning = store.begin_learning(&user("ann"), &[event("e")]).await.unwrap();
    assert_eq!((learning.profile, learning.known), (profile(1), vec![true]));
    assert_eq!(store.feed(&Owner::User(user("ann")), &feed_id("fd_1")).await.unwrap().unwrap().pages, [page(0)]);
    assert_eq!(store.policy("b3:1").await.unwrap().as_deref(), Some("{}"));
    assert_eq!(store.shared_secret([8; 32]).await.unwrap(), secret);
    assert_eq!(store.changes(&position, Duration::ZERO).await.unwrap(), Changes::Resync);
}

/// Not a test of its own: writes until it is killed, and says what it was told is written.
#[tokio::test]
async fn victim() {
    let Some(path) = std::env::var_os(VICTIM_FILE) else { return };
    let store = open(Path::new(&path), Arc::new(ManualClock::at(NOW))).unwrap();
    for n in 0u64.. {
        store.commit_profile(&user(&format!("u{n}")), 0, &profile(n), &[event("e")], NOW).await.unwrap();
        println!("written {n}");
    }
}

#[tokio::test]
async fn a_killed_process_loses_nothing_it_acknowledged() {
    let mut fixture = Fixture::new();
    fixture.close();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store_conformance::embedded::victim", "--nocapture"])
        .env(VICTIM_FILE, fixture.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let written = lines.map_while(Result::ok).filter_map(|line| line.rsplit_once("written ")?.1.parse::<u64>().ok());
    let last = written.take(50).last();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(last, Some(49));

    fixture.reopen();
    for n in 0..50 {
        let id = user(&format!("u{n}"));
        assert_eq!(fixture.store().profile(&id).await.unwrap(), Some(profile(n)));
        assert_eq!(fixture.store().begin_learning(&id, &[event("e")]).await.unwrap().known, [true]);
    }
}

#[tokio::test]
async fn what_is_over_is_not_served_and_a_sweep_removes_it() {
    let fixture = Fixture::new();
    let store = fixture.store();
    fill(&store).await;
    let ann = Owner::User(user("ann"));
    let (feed_over, profile_over) = (NOW.plus(Span::secs(600)), NOW.plus(Span::days(30)));

    fixture.clock.set(feed_over);
    assert_eq!(store.feed(&ann, &feed_id("fd_1")).await.unwrap(), None);
    assert_eq!(store.freeze_page(&ann, &feed_id("fd_1"), 1, &page(1), None).await.unwrap(), None);
    assert!(store.profile(&user("ann")).await.unwrap().is_some());
    fixture.clock.set(profile_over);
    assert_eq!(store.profile(&user("ann")).await.unwrap(), None);
    assert_eq!(store.begin_learning(&user("ann"), &[event("e")]).await.unwrap().known, [false]);

    // Swept as of a time: the feed, then the window, then the profile.
    let sweep = async |now| fixture.embedded().sweep(now).await.unwrap();
    assert_eq!(sweep(NOW).await, 0);
    assert_eq!(sweep(feed_over).await, 1);
    assert_eq!(sweep(NOW.plus(DEDUPE_WINDOW)).await, 1);
    assert_eq!(sweep(profile_over).await, 1);
    assert_eq!(sweep(profile_over).await, 0);
    fixture.clock.set(NOW);
    assert_eq!(store.profile(&user("ann")).await.unwrap(), None);
    assert_eq!(store.feed(&ann, &feed_id("fd_1")).await.unwrap(), None);
    assert_eq!(load(&store).await.0.items.len(), 2);
}

#[tokio::test]
async fn a_write_moves_the_expiry() {
    let fixture = Fixture::new();
    let store = fixture.store();
    store.commit_profile(&user("ann"), 0, &profile(1), &[], NOW).await.unwrap();
    let later = NOW.plus(Span::days(20));
    fixture.clock.set(later);
    let revision = store.begin_learning(&user("ann"), &[]).await.unwrap().revision;
    store.commit_profile(&user("ann"), revision, &profile(2), &[], later).await.unwrap();
    assert_eq!(fixture.embedded().sweep(NOW.plus(Span::days(49))).await.unwrap(), 0);
    fixture.clock.set(NOW.plus(Span::days(49)));
    assert_eq!(store.profile(&user("ann")).await.unwrap(), Some(profile(2)));
    // Over, but not swept: as good as unknown, also for the next commit.
    fixture.clock.set(NOW.plus(Span::days(50)));
    assert_eq!(store.begin_learning(&user("ann"), &[]).await.unwrap().revision, 0);
    store.commit_profile(&user("ann"), 0, &profile(3), &[], fixture.clock.now()).await.unwrap();
    assert_eq!(fixture.embedded().sweep(fixture.clock.now()).await.unwrap(), 0);
    assert_eq!(store.profile(&user("ann")).await.unwrap(), Some(profile(3)));
}

#[tokio::test]
async fn a_sweep_is_bounded() {
    let fixture = Fixture::new();
    let store = fixture.store();
    for n in 0..501 {
        store.commit_profile(&user(&format!("u{n}")), 0, &profile(n), &[event("e")], NOW).await.unwrap();
    }
    let over = NOW.plus(Span::days(31));
    assert_eq!(fixture.embedded().sweep(over).await.unwrap(), 1_000);
    assert_eq!(fixture.embedded().sweep(over).await.unwrap(), 2);
}

#[tokio::test]
async fn a_second_opener_is_told_who_holds_the_file() {
    let fixture = Fixture::new();
    let message = refusal(&fixture.path());
    assert!(message.contains("polyphony.redb is in use by another process; stop it or give this one its own file"), "{message}");
}

#[tokio::test]
async fn a_damaged_file_is_refused_at_once() {
    let mut fixture = Fixture::new();
    fill(&fixture.store()).await;
    fixture.close();
    let path = fixture.path();
    let sound = std::fs::read(&path).unwrap();
    // Not a database; cut short; a page overwritten, wherever it is.
    let mut damaged = vec![b"this is no database, whatever its name says".repeat(200), sound[..sound.len() / 2].to_vec()];
    for page in [0, sound.len() / 4096 / 2, sound.len() / 4096 - 1] {
        let mut bytes = sound.clone();
        bytes[page * 4096..][..4096].fill(0xa5);
        damaged.push(bytes);
    }
    for (case, bytes) in damaged.into_iter().enumerate() {
        std::fs::write(&path, bytes).unwrap();
        match open(&path, fixture.clock.clone()) {
            Err(StoreError::Corrupt { what: "database file", detail }) => assert!(detail.contains("restore it from a backup"), "{detail}"),
            Err(error) => panic!("case {case}: {error}"),
            // A page that held nothing may be overwritten without loss.
            Ok(store) => assert_eq!(store.profile(&user("ann")).await.unwrap(), Some(profile(1)), "case {case}"),
        }
    }
    std::fs::write(&path, sound).unwrap();
    fixture.reopen();
    assert_eq!(fixture.store().profile(&user("ann")).await.unwrap(), Some(profile(1)));
}

#[tokio::test]
async fn damaged_records_are_reported_and_left_out() {
    const ITEMS: TableDefinition<&str, &[u8]> = TableDefinition::new("items");
    const POPULARITY: TableDefinition<&str, &[u8]> = TableDefinition::new("popularity");
    const PROFILES: TableDefinition<&str, (u64, i64, &[u8])> = TableDefinition::new("profiles");
    let mut fixture = Fixture::new();
    fill(&fixture.store()).await;
    let ann = fixture.store().lookup(&user("ann")).unwrap();
    fixture.close();
    let database = redb::Database::open(fixture.path()).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(ITEMS).unwrap().insert("a", &[9u8, 9][..]).unwrap();
    transaction.open_table(POPULARITY).unwrap().insert("b", &[][..]).unwrap();
    transaction.open_table(PROFILES).unwrap().insert(ann.as_str(), (5, i64::MAX, &[1u8, 2, 3][..])).unwrap();
    transaction.commit().unwrap();
    drop(database);

    fixture.reopen();
    let store = fixture.store();
    let mut records = Vec::new();
    store.delete_items(&[item_id("x")]).await.unwrap();
    let (_, damaged) = store.load_catalogue(&mut |batch| records.extend(batch)).await.unwrap();
    assert_eq!((records.len(), damaged), (2, 2));
    assert!(matches!(store.profile(&user("ann")).await, Err(StoreError::Corrupt { what: "profile", .. })));
    assert!(matches!(store.begin_learning(&user("ann"), &[]).await, Err(StoreError::Corrupt { what: "profile", .. })));
    store.erase_user(&user("ann"), NOW).await.unwrap();
    assert_eq!(store.profile(&user("ann")).await.unwrap(), None);
}

#[cfg(unix)]
#[tokio::test]
async fn the_file_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let fixture = Fixture::new();
    assert_eq!(std::fs::metadata(fixture.path()).unwrap().permissions().mode() & 0o077, 0);
}

/// As layout 1 kept a person: in clear, under their id.
#[tokio::test]
async fn what_an_earlier_version_kept_in_clear_is_sealed_and_nothing_is_lost() {
    const PROFILES: TableDefinition<&str, (u64, i64, &[u8])> = TableDefinition::new("profiles");
    const REMEMBERED: TableDefinition<&str, (i64, &[u8])> = TableDefinition::new("remembered");
    const EXPIRIES: TableDefinition<(i64, u8, &str, &str), ()> = TableDefinition::new("expiries");
    const META: TableDefinition<&str, &[u8]> = TableDefinition::new("meta");
    let mut fixture = Fixture::new();
    fixture.close();
    let (id, expiry) = ("canary-5d1f8e0b", NOW.plus(Span::days(3)));
    {
        let database = redb::Database::open(fixture.path()).unwrap();
        let transaction = database.begin_write().unwrap();
        let plain = polyphony::store::codec::profile::encode(&profile(4)).unwrap();
        let window = [&event("e").digest()[..], &expiry.0.to_le_bytes()].concat();
        transaction.open_table(PROFILES).unwrap().insert(id, (9, expiry.0, plain.as_slice())).unwrap();
        transaction.open_table(REMEMBERED).unwrap().insert(id, (expiry.0, window.as_slice())).unwrap();
        transaction.open_table(EXPIRIES).unwrap().insert((expiry.0, 0, id, ""), ()).unwrap();
        transaction.open_table(META).unwrap().insert("format", &b"1"[..]).unwrap();
        transaction.commit().unwrap();
    }
    fixture.reopen();
    let learning = fixture.store().begin_learning(&user(id), &[event("e"), event("f")]).await.unwrap();
    assert_eq!((learning.profile, learning.revision, learning.known), (profile(4), 9, vec![true, false]));
    fixture.close();
    let database = redb::Database::open(fixture.path()).unwrap();
    let transaction = redb::ReadableDatabase::begin_read(&database).unwrap();
    assert!(transaction.open_table(PROFILES).unwrap().get(id).unwrap().is_none());
    let expiries = transaction.open_table(EXPIRIES).unwrap();
    let rows: Vec<_> = redb::ReadableTable::iter(&expiries).unwrap().map(|row| row.unwrap().0.value().2.to_owned()).collect();
    assert!(rows.len() == 1 && rows[0] != id, "{rows:?}");
}

#[tokio::test]
async fn a_backup_says_nothing_once_the_key_is_gone() {
    let mut fixture = Fixture::new();
    fill(&fixture.store()).await;
    fixture.close();
    let backup = std::fs::read(fixture.path()).unwrap();
    fixture.reopen();
    assert_eq!(fixture.store().profile(&user("ann")).await.unwrap(), Some(profile(1)));
    fixture.store().erase_user(&user("ann"), NOW).await.unwrap();
    fixture.close();
    std::fs::write(fixture.path(), &backup).unwrap();
    fixture.reopen();
    // The rows are there again; nobody can read them, and they hold up nobody.
    let store = fixture.store();
    assert_eq!(store.profile(&user("ann")).await.unwrap(), None);
    let learning = store.begin_learning(&user("ann"), &[event("e")]).await.unwrap();
    assert_eq!((learning.profile, learning.known), (Default::default(), vec![false]));
    assert_eq!(store.commit_profile(&user("ann"), learning.revision, &profile(2), &[], NOW).await.unwrap(), Commit::Done);
    assert_eq!(store.profile(&user("ann")).await.unwrap(), Some(profile(2)));
}
