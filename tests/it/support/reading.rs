//! A server that reads and never serves: for the fuzzer, and for the test that runs its corpus.

use std::sync::Arc;

use polyphony::{
    app::App,
    clock::ManualClock,
    domain::Time,
    settings::{Secret, Settings},
    store::{
        StoreOptions,
        embedded::{EmbeddedOptions, EmbeddedStore},
    },
};

/// With keys and user tokens on, so that nobody is let in for want of them. Its store is gone with the process.
pub fn app() -> App {
    let mut settings = Settings::default();
    settings.journal.enabled = false;
    settings.catalogue.dimension = 8;
    settings.auth.server_keys = vec![Secret::new("a-server-key-that-nobody-guesses")];
    settings.auth.admin_keys = vec![Secret::new("an-admin-key-that-nobody-guesses")];
    settings.auth.jwt_secret = Secret::new("a secret of more than thirty-two bytes");
    let clock = Arc::new(ManualClock::at(Time::from_secs(1_791_533_700)));
    let folder = std::env::temp_dir().join(format!("polyphony-reading-{}", std::process::id()));
    let options = EmbeddedOptions { path: folder.join("store.redb"), store: StoreOptions::default() };
    std::fs::create_dir_all(&folder).expect("a folder for the store");
    let store = EmbeddedStore::open(options, clock.clone()).expect("a new store");
    let app = App::new(settings, clock, Arc::new(store)).expect("settings that are sound");
    // The files stay open; nobody else needs their names.
    std::fs::remove_dir_all(&folder).expect("the folder is there");
    app
}
