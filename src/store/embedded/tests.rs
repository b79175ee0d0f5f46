//! A disk that fills up, and makes room again; and writes that come at the same time.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use redb::{StorageBackend, WriteTransaction, backends::InMemoryBackend};

use super::{
    engine::{Engine, Opener, builder},
    *,
};
use crate::{
    clock::ManualClock,
    store::{codec::tests::plain_item, seal::MasterKeys},
};

/// A disk of `room` bytes whose contents outlive the database opened on it.
#[derive(Clone, Debug)]
struct SmallDisk {
    contents: Arc<InMemoryBackend>,
    room_bytes: Arc<AtomicU64>,
    syncs: Arc<AtomicU64>,
}

impl SmallDisk {
    fn check(&self, end: u64) -> io::Result<()> {
        if end > self.room_bytes.load(Ordering::SeqCst) { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}

impl StorageBackend for SmallDisk {
    fn len(&self) -> io::Result<u64> {
        self.contents.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.contents.read(offset, out)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.check(len)?;
        self.contents.set_len(len)
    }
    fn sync_data(&self) -> io::Result<()> {
        self.syncs.fetch_add(1, Ordering::SeqCst);
        self.contents.sync_data()
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.check(offset + data.len() as u64)?;
        self.contents.write(offset, data)
    }
}

#[tokio::test]
async fn a_full_disk_is_named_loses_nothing_and_heals() {
    let disk = SmallDisk { contents: Arc::default(), room_bytes: Arc::new(AtomicU64::new(8 << 20)), syncs: Arc::default() };
    let opened = disk.clone();
    let open: Opener = Box::new(move || builder().create_with_backend(opened.clone()));
    let clock = Arc::new(ManualClock::at(Time(1)));
    let open_keys: Opener = Box::new(|| builder().create_with_backend(InMemoryBackend::new()));
    let keys = KeyFile::open_with("keys".into(), open_keys, MasterKeys::of(&[1; 32])).unwrap();
    let engine = Engine::open("disk".into(), open).unwrap();
    let store = EmbeddedStore::with("disk".into(), engine, keys, StoreOptions::default(), clock).unwrap();
    let item = |n: u32| Item { description: Some("x".repeat(10_000)), ..plain_item(&format!("item-{n}")) };
    let batch = |n: u32| (n * 100..(n + 1) * 100).map(item).collect::<Vec<_>>();

    let mut kept = 0;
    let refused = loop {
        match store.put_items(&batch(kept)).await {
            Ok(()) => kept += 1,
            Err(error) => break error,
        }
    };
    assert!(kept > 0 && matches!(refused, StoreError::Full(_)), "{kept}: {refused}");
    assert!(matches!(store.ping().await, Err(StoreError::Full(_))));

    disk.room_bytes.store(1 << 30, Ordering::SeqCst);
    let began = std::time::Instant::now();
    while let Err(error) = store.put_items(&batch(kept)).await {
        assert!(began.elapsed() < Duration::from_secs(20), "{error}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut items = 0;
    let (_, damaged) = store.load_catalogue(&mut |records| items += records.len()).await.unwrap();
    assert_eq!((items, damaged), ((kept as usize + 1) * 100, 0));
}

/// Work that keeps `value` under `key` among what the file says of itself.
fn keeping(key: &'static str, value: &'static [u8]) -> impl Fn(&WriteTransaction) -> Result<(), Fault> + Send + 'static {
    move |transaction| {
        transaction.open_table(META)?.insert(key, value)?;
        Ok(())
    }
}

/// The engine, its disk, and a thread that keeps its writer busy until the sender is dropped.
async fn busy_engine() -> (Arc<Engine>, SmallDisk, std::sync::mpsc::Sender<()>, tokio::task::JoinHandle<Result<(), StoreError>>) {
    let disk = SmallDisk { contents: Arc::default(), room_bytes: Arc::new(AtomicU64::new(1 << 30)), syncs: Arc::default() };
    let opened = disk.clone();
    let engine = Engine::open("disk".into(), Box::new(move || builder().create_with_backend(opened.clone()))).unwrap();
    let (begun, begins) = std::sync::mpsc::channel();
    let (release, released) = std::sync::mpsc::channel::<()>();
    let released = parking_lot::Mutex::new(released);
    let writer = engine.clone();
    let busy = tokio::spawn(async move {
        let wait = move |_: &WriteTransaction| -> Result<(), Fault> {
            let _ = begun.send(());
            let _ = released.lock().recv();
            Ok(())
        };
        writer.write(wait).await
    });
    tokio::task::spawn_blocking(move || begins.recv()).await.unwrap().unwrap();
    (engine, disk, release, busy)
}

/// Queues a write and says when it is.
async fn queued<T: Send + 'static>(
    engine: &Arc<Engine>,
    work: impl Fn(&WriteTransaction) -> Result<T, Fault> + Send + 'static,
) -> tokio::task::JoinHandle<Result<T, StoreError>> {
    let engine = engine.clone();
    let write = tokio::spawn(async move { engine.write(work).await });
    // A spawned task of this runtime runs until it waits.
    tokio::task::yield_now().await;
    write
}

fn kept(engine: &Arc<Engine>, key: &'static str) -> Option<Vec<u8>> {
    engine.read(|transaction| Ok(transaction.open_table(META)?.get(key)?.map(|value| value.value().to_vec()))).unwrap()
}

#[tokio::test]
async fn writes_that_wait_together_are_synced_together() {
    let (engine, disk, release, busy) = busy_engine().await;
    let keys: Vec<&'static str> = (0..100).map(|n| &*format!("key-{n}").leak()).collect();
    let mut writes = Vec::new();
    for key in &keys {
        writes.push(queued(&engine, keeping(key, b"kept")).await);
    }
    let before = disk.syncs.load(Ordering::SeqCst);
    drop(release);
    busy.await.unwrap().unwrap();
    for write in writes {
        write.await.unwrap().unwrap();
    }
    assert!(keys.iter().all(|key| kept(&engine, key).is_some()));
    let syncs = disk.syncs.load(Ordering::SeqCst) - before;
    assert!(syncs < 20, "{syncs} syncs for two transactions");
}

#[tokio::test]
async fn a_write_that_fails_undoes_itself_alone() {
    let (engine, _, release, busy) = busy_engine().await;
    let first = queued(&engine, keeping("first", b"1")).await;
    let damaged = |transaction: &WriteTransaction| -> Result<(), Fault> {
        transaction.open_table(META)?.insert("damaged", b"half".as_slice())?;
        Err(StoreError::Refused("says no".into()).into())
    };
    let damaged = queued(&engine, damaged).await;
    let panicking = |transaction: &WriteTransaction| -> Result<(), Fault> {
        transaction.open_table(META)?.insert("panicked", b"half".as_slice())?;
        panic!("a work that stops")
    };
    let panicking = queued(&engine, panicking).await;
    let given_up = queued(&engine, keeping("given up", b"2")).await;
    given_up.abort();
    let last = queued(&engine, keeping("last", b"3")).await;
    drop(release);
    busy.await.unwrap().unwrap();
    assert!(first.await.unwrap().is_ok() && last.await.unwrap().is_ok());
    assert!(matches!(damaged.await.unwrap(), Err(StoreError::Refused(said)) if said == "says no"));
    assert!(matches!(panicking.await.unwrap(), Err(StoreError::Refused(said)) if said.contains("stopped")));
    let found = ["first", "damaged", "panicked", "given up", "last"].map(|key| kept(&engine, key).is_some());
    assert_eq!(found, [true, false, false, false, true]);
    engine.write(keeping("after", b"4")).await.unwrap();
    assert!(kept(&engine, "after").is_some(), "and it goes on");
}
