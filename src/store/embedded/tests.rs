//! A disk that fills up, and makes room again.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use redb::{StorageBackend, backends::InMemoryBackend};

use super::{
    engine::{Opener, builder},
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
        self.contents.sync_data()
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.check(offset + data.len() as u64)?;
        self.contents.write(offset, data)
    }
}

#[tokio::test]
async fn a_full_disk_is_named_loses_nothing_and_heals() {
    let disk = SmallDisk { contents: Arc::default(), room_bytes: Arc::new(AtomicU64::new(8 << 20)) };
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
