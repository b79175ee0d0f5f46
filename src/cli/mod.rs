//! The command line: one file per command.

mod admin;
mod card;
mod config;
mod consent;
mod demo;
mod doctor;
mod evaluate;
mod experiment;
mod ground;
mod healthcheck;
mod import;
mod keys;
mod policy;
mod serve;
mod show;
mod store;
mod sweep;
mod table;
mod verify;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};

use crate::{
    policy as policies,
    settings::{Layers, Override, Settings},
};

/// The settings or the arguments are wrong.
const EXIT_USAGE: u8 = 2;

/// A content feed server that ranks by relevance and opens the feed.
#[derive(Debug, Parser)]
#[command(name = "polyphony", version, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server with a built-in catalogue and personas: nothing to install, nothing leaves this machine
    Demo(demo::Demo),
    /// Run the server
    Serve(serve::Serve),
    Import(import::Import),
    Evaluate(evaluate::Evaluate),
    /// Check, explain, compare and preview policies before they are shown to anybody
    Policy(policy::Policy),
    Consent(consent::Consent),
    Card(card::Card),
    /// See what experiments show
    Experiment(experiment::Experiment),
    Verify(verify::Verify),
    /// Show a feed's JSON from standard input as lines to read
    Show(show::Show),
    /// Ask a running server whether it is ready; exit 0 if it is (for container health checks)
    Healthcheck(healthcheck::Healthcheck),
    /// Check an installation: settings, files, limits, store, policy; say what to do about each fault
    Doctor(doctor::Doctor),
    /// Print the API's OpenAPI 3.1 document
    Openapi,
    /// See to the keys that seal what is kept about people
    Keys(keys::Keys),
    /// Check or show settings
    Config(config::Config),
}

impl Cli {
    /// Runs the command.
    pub fn run(self) -> ExitCode {
        match self.command {
            Command::Demo(command) => command.run(),
            Command::Serve(command) => command.run(),
            Command::Import(command) => command.run(),
            Command::Evaluate(command) => command.run(),
            Command::Policy(command) => command.run(),
            Command::Consent(command) => command.run(),
            Command::Card(command) => command.run(),
            Command::Experiment(command) => command.run(),
            Command::Verify(command) => command.run(),
            Command::Show(command) => command.run(),
            Command::Healthcheck(command) => command.run(),
            Command::Doctor(command) => command.run(),
            Command::Openapi => {
                println!("{}", crate::http::openapi::json());
                ExitCode::SUCCESS
            }
            Command::Keys(command) => command.run(),
            Command::Config(command) => command.run(),
        }
    }
}

/// The settings' layers that come from the command line.
#[derive(Debug, Args)]
pub(crate) struct SettingsArgs {
    /// Settings file (TOML); without one the defaults hold
    #[arg(long, value_name = "FILE", env = "POLYPHONY_CONFIG")]
    config: Option<PathBuf>,
    /// Address and port to listen on [default: 127.0.0.1:7720]
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// Directory of the embedded store and the journal [default: data]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Use this Redis instead of the embedded store; give it by POLYPHONY__STORE__REDIS__URL if it has a password
    #[arg(long, value_name = "URL")]
    redis: Option<String>,
    /// Set any other key of the settings; may be given again
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    set: Vec<(String, String)>,
}

impl SettingsArgs {
    /// Loads every layer. On faults prints them all and says which exit code to end with.
    fn load(&self) -> Result<Settings, ExitCode> {
        loaded(&self.layers())
    }

    fn layers(&self) -> Layers {
        let over = |flag: &str, key: &str, value: String| Override { flag: flag.to_owned(), key: key.to_owned(), value };
        let mut overrides = Vec::new();
        if let Some(data) = &self.data {
            overrides.push(over("--data", "store.embedded.path", data.join("polyphony.redb").to_string_lossy().into_owned()));
            overrides.push(over("--data", "journal.path", data.join("journal").to_string_lossy().into_owned()));
        }
        if let Some(url) = &self.redis {
            overrides.push(over("--redis", "store.redis.url", url.clone()));
        }
        if let Some(address) = &self.listen {
            overrides.push(over("--listen", "server.listen", address.clone()));
        }
        for (key, value) in &self.set {
            overrides.push(over("--set", key, value.clone()));
        }
        Layers::of_process(self.config.clone(), overrides)
    }
}

/// The defaults with these overrides; no settings file. On faults as [`SettingsArgs::load`].
fn settings_with(overrides: Vec<Override>) -> Result<Settings, ExitCode> {
    loaded(&Layers::of_process(None, overrides))
}

fn loaded(layers: &Layers) -> Result<Settings, ExitCode> {
    settings_of(layers).map_err(|told| {
        eprintln!("error: {told}");
        ExitCode::from(EXIT_USAGE)
    })
}

/// The settings with their policy in place. Errors: every fault, as text.
fn settings_of(layers: &Layers) -> Result<Settings, String> {
    let mut settings = Settings::load(layers).map_err(|faults| faults.to_string())?;
    // A policy file takes the place of the policy sections, before anything is made by them.
    let set = policies::chosen(&settings).map_err(|refused| refused.to_string())?;
    set.put_into(&mut settings);
    Ok(settings)
}

fn key_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE, e.g. policy.diversify.diversity=0.4")?;
    Ok((key.trim().to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
