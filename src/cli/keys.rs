//! `polyphony keys`: the keys that seal what is kept about people.

use std::{process::ExitCode, sync::Arc};

use anyhow::Context;
use clap::{Args, Subcommand};

use super::{SettingsArgs, store};
use crate::{clock::SystemClock, settings::Settings, store::Rotated};

#[derive(Debug, Args)]
pub(super) struct Keys {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Wrap everybody's key by the first of `privacy.master_keys`; when it is done, the others can be taken out of the settings
    ///
    /// Safe to repeat. With Redis servers go on meanwhile; the embedded store's files belong to one process: stop the server first.
    Rotate {
        #[command(flatten)]
        settings: SettingsArgs,
    },
}

impl Keys {
    pub(super) fn run(self) -> ExitCode {
        let Command::Rotate { settings } = self.command;
        let settings = match settings.load() {
            Ok(settings) => settings,
            Err(code) => return code,
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        match runtime.map_err(anyhow::Error::from).and_then(|runtime| runtime.block_on(rotate(&settings))) {
            Ok(Rotated { rewrapped, current, unreadable }) => {
                println!("{rewrapped} wrapped anew, {current} wrapped by the newest master key already, {unreadable} unreadable");
                if unreadable == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
            }
            Err(error) => {
                eprintln!("error: {error:#}");
                ExitCode::FAILURE
            }
        }
    }
}

async fn rotate(settings: &Settings) -> anyhow::Result<Rotated> {
    let store = store::open(settings, Arc::new(SystemClock))?;
    store.rotate_keys().await.context("the keys cannot be rotated")
}
