//! Any bytes to a reader of what comes over the network: none panics, and each keeps its promises (`src/http/fuzz.rs`).
//!
//! `READER` names the one to run; without it the first byte of each input chooses.
#![no_main]

#[path = "../../tests/it/support/reading.rs"]
mod reading;

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use polyphony::{app::App, http::fuzz::READERS};

static APP: LazyLock<App> = LazyLock::new(reading::app);
static ONE: LazyLock<Option<String>> = LazyLock::new(|| std::env::var("READER").ok());

fuzz_target!(|bytes: &[u8]| {
    match &*ONE {
        Some(name) => {
            let (_, read) = READERS.iter().find(|(reader, _)| reader == name).expect("READER names a reader");
            read(&APP, bytes);
        }
        None => {
            let Some((first, rest)) = bytes.split_first() else { return };
            let (_, read) = READERS[usize::from(*first) % READERS.len()];
            read(&APP, rest);
        }
    }
});
