//! `polyphony consent`: what people are asked, checked before anybody is asked it.

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Subcommand};

use crate::consent::{FormsRefused, Notices};

/// Check the forms people are asked to consent with
#[derive(Debug, Args)]
pub(super) struct Consent {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Lint(Lint),
}

/// Check forms: equal choices, nothing ticked beforehand, one purpose per switch, plain words; exit 1 on faults
#[derive(Debug, Args)]
struct Lint {
    /// Folder of `form.<language>.toml` [default: the shipped forms]
    #[arg(value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

impl Consent {
    pub(super) fn run(self) -> ExitCode {
        let Command::Lint(Lint { folder }) = self.command;
        match Notices::load(&folder.unwrap_or_default()) {
            Ok(notices) => {
                for notice in notices.shown() {
                    println!("{}: asks fairly; {}", notice.form.language, notice.hash);
                }
                ExitCode::SUCCESS
            }
            Err(FormsRefused::Unfair(findings)) => {
                findings.iter().for_each(|finding| println!("{finding}"));
                ExitCode::FAILURE
            }
            Err(refused) => {
                eprintln!("error: {refused}");
                ExitCode::from(super::EXIT_USAGE)
            }
        }
    }
}
