//! `polyphony policy explain`.

use std::process::ExitCode;

use clap::Args;

use super::{Format, as_json, printed, refused, usage};
use crate::policy::{self, explain};

/// Say what a key or a finding's code means
///
/// A key's meaning, what it takes, its default, what is typical, what it trades, and where a file sets it. Without a name: every key.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  polyphony policy explain
  polyphony policy explain diversify.diversity
  polyphony policy explain explore --policy policies/home.toml
  polyphony policy explain P0402")]
pub(super) struct Explain {
    /// A key, a section or a code
    #[arg(value_name = "KEY")]
    key: Option<String>,
    /// Also say where this policy file, or what it extends, sets the key
    #[arg(long, value_name = "FILE")]
    policy: Option<String>,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Explain {
    pub(super) fn run(self) -> ExitCode {
        let Some(key) = &self.key else {
            let all = explain::all();
            return printed(&if self.format == Format::Json { as_json(&all) } else { explain::overview(&all) });
        };
        let opened = match self.policy.as_deref().map(policy::open).transpose() {
            Ok(opened) => opened,
            Err(findings) => return refused(self.policy.as_deref().unwrap_or_default(), &findings),
        };
        match explain::explain(key, opened.as_ref().map(|(text, library)| (text, library))) {
            Ok(explanation) if self.format == Format::Json => printed(&as_json(&explanation)),
            Ok(explanation) => printed(&explain::human(&explanation)),
            Err(message) => usage(&message),
        }
    }
}
