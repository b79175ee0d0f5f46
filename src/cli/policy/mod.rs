//! `polyphony policy`: what a product team does with a policy before it is shown to anybody.

mod activate;
mod check;
mod diff;
mod explain;
mod log;
mod preview;
mod story;

pub(super) use activate::needed;

use std::{
    future::Future,
    io::{self, Write},
    process::ExitCode,
};

use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;

use super::{EXIT_USAGE, admin::Admin, sweep};
use crate::policy::{
    self as policies, ACTIVE, Findings, PolicySet,
    report::{Paint, human},
    schema,
};

#[derive(Debug, Args)]
pub(super) struct Policy {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Check(check::Check),
    Explain(explain::Explain),
    Diff(diff::Diff),
    Preview(preview::Preview),
    Sweep(sweep::Sweep),
    Activate(activate::Activate),
    Rollback(activate::Rollback),
    Log(log::Log),
    /// Print the JSON Schema of policy files, for editors
    Schema,
}

impl Policy {
    pub(super) fn run(self) -> ExitCode {
        match self.command {
            Command::Check(command) => command.run(),
            Command::Explain(command) => command.run(),
            Command::Diff(command) => command.run(),
            Command::Preview(command) => command.run(),
            Command::Sweep(command) => command.run(),
            Command::Activate(command) => command.run(),
            Command::Rollback(command) => command.run(),
            Command::Log(command) => command.run(),
            Command::Schema => printed(&schema::json()),
        }
    }
}

/// How an answer is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// To read
    #[default]
    Human,
    /// For other programs
    Json,
}

/// Writes to standard output. A closed pipe (`| head`) is no failure.
fn printed(text: &str) -> ExitCode {
    let _ = io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

fn as_json(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}

/// For a terminal that shows colours.
fn paint() -> Paint {
    let choice = anstream::AutoStream::choice(&io::stdout());
    if choice == anstream::ColorChoice::Never { Paint::default() } else { Paint::TERMINAL }
}

/// The command was given something it cannot work with.
fn usage(message: &str) -> ExitCode {
    eprintln!("error: {message}");
    ExitCode::from(EXIT_USAGE)
}

/// A policy has errors: they are shown as `check` shows them.
pub(super) fn refused(what: &str, findings: &Findings) -> ExitCode {
    let _ = io::stdout().write_all(human(findings, paint()).as_bytes());
    let unreadable = findings.iter().all(|finding| finding.code == policies::Code::Unreadable);
    eprintln!("error: {what} cannot be used: {}", policies::counted(findings));
    if unreadable { ExitCode::from(EXIT_USAGE) } else { ExitCode::FAILURE }
}

/// A policy as a command names it.
enum Named {
    /// The one in force on the server that is asked.
    Active,
    Set(Box<PolicySet>),
}

impl Named {
    /// Reads a preset's name or a file; `active` stays a name.
    fn read(what: &str) -> Result<Self, Findings> {
        if what == ACTIVE {
            return Ok(Self::Active);
        }
        policies::load_from(what).map(|set| Self::Set(Box::new(set)))
    }

    /// As a request names it: a file is sent whole, with what it extends, because the server has other files.
    fn for_server(&self) -> serde_json::Value {
        match self {
            Self::Active => ACTIVE.into(),
            Self::Set(set) => {
                let policies::Bundle { policy, files } = policies::Bundle::from(&**set);
                if files.is_empty() { serde_json::json!({ "toml": policy }) } else { serde_json::json!({ "toml": policy, "files": files }) }
            }
        }
    }
}

/// Runs something asynchronous to its end.
fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| error.to_string())?;
    runtime.block_on(work).map_err(|error| format!("{error:#}"))
}

/// The server that was named, or the reason why there is none.
fn asked(server: &super::admin::Server) -> Result<Option<Admin>, ExitCode> {
    server.open().map_err(|message| usage(&message))
}
