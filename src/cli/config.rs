//! `polyphony config`: check settings before they are used, show the documented defaults.

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Subcommand};

use super::{EXIT_USAGE, SettingsArgs};
use crate::settings::Settings;

#[derive(Debug, Args)]
pub(super) struct Config {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Say everything that is wrong with a file and this environment; exit 0 if `serve` would start with them
    Check(Check),
    /// Print every key with its default and what it does
    Default,
    /// Print every key as a page of Markdown, with its kind and default
    Reference,
}

#[derive(Debug, Args)]
struct Check {
    /// Settings file; the same as --config
    #[arg(value_name = "FILE", conflicts_with = "config")]
    file: Option<PathBuf>,
    #[command(flatten)]
    settings: SettingsArgs,
    /// Do not ask for keys on an address that others can reach
    #[arg(long)]
    insecure: bool,
}

impl Config {
    pub(super) fn run(self) -> ExitCode {
        match self.command {
            Command::Check(check) => check.run(),
            Command::Reference => match Settings::reference() {
                Ok(page) => {
                    print!("{page}");
                    ExitCode::SUCCESS
                }
                Err(message) => {
                    eprintln!("error: {message}");
                    ExitCode::FAILURE
                }
            },
            Command::Default => {
                print!("{}", Settings::documented());
                ExitCode::SUCCESS
            }
        }
    }
}

impl Check {
    fn run(mut self) -> ExitCode {
        if self.file.is_some() {
            self.settings.config = self.file.take();
        }
        let settings = match self.settings.load() {
            Ok(settings) => settings,
            Err(code) => return code,
        };
        if !self.insecure
            && let Err(faults) = settings.check_exposure()
        {
            eprintln!("error: {faults}");
            return ExitCode::from(EXIT_USAGE);
        }
        println!("The settings are sound. Surfaces: {}.", settings.surface.keys().map(String::as_str).collect::<Vec<_>>().join(", "));
        ExitCode::SUCCESS
    }
}
