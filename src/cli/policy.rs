//! `polyphony policy`: what a product team does with a policy before it is shown to anybody.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::sweep;

#[derive(Debug, Args)]
pub(super) struct Policy {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Sweep(sweep::Sweep),
}

impl Policy {
    pub(super) fn run(self) -> ExitCode {
        match self.command {
            Command::Sweep(command) => command.run(),
        }
    }
}
