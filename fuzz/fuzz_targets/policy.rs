//! Any text as a policy file: reading, checking, reporting and writing it again never panic and keep their promises.
#![no_main]

#[path = "../../tests/it/policies/promises.rs"]
mod promises;

use libfuzzer_sys::fuzz_target;
use polyphony::policy::{Library, Text};

fuzz_target!(|text: &str| promises::hold(&Text::new("fuzz", text), &Library::presets()));
