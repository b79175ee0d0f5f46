//! `polyphony policy log`: the story of a server's policies, and whether nobody changed it afterwards.

use std::{
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Subcommand};

use super::{Format, activate::needed, as_json, printed, story, usage};
use crate::{
    cli::admin::Server,
    rollout::{
        chain::{self, Link},
        entry::Entry,
    },
};

/// Longest log read, in bytes.
const MAX_LOG_BYTES: u64 = 256 * 1024 * 1024;

/// Show the activation log, newest first; `log verify` checks that it is what was written
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Log {
    #[command(subcommand)]
    command: Option<Command>,
    /// Entries
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=100))]
    limit: u16,
    /// Print the whole log as it is kept, oldest first: to store elsewhere, and for `log verify FILE`
    #[arg(long)]
    raw: bool,
    #[command(flatten)]
    server: Server,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Debug, Subcommand)]
enum Command {
    Verify(Verify),
}

/// Check the chain of hashes: where an entry was changed, taken out or put in
///
/// The server's word is not taken for it: every hash is computed here. A log whose end was cut off shows only against a hash kept
/// elsewhere.
#[derive(Debug, Args)]
struct Verify {
    /// A log printed by `log --raw`; `-` reads standard input. Without it the server's
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// The last hash, as it was noted down before: the log must have it
    #[arg(long, value_name = "HASH")]
    hash: Option<String>,
    #[command(flatten)]
    server: Server,
}

impl Log {
    pub(super) fn run(self) -> ExitCode {
        if let Some(Command::Verify(verify)) = self.command {
            return verify.run();
        }
        let admin = match needed(&self.server) {
            Ok(admin) => admin,
            Err(message) => return usage(&message),
        };
        if self.raw {
            return match admin.text("/v1/admin/policies/activations/log") {
                Ok(text) => printed(&text),
                Err(message) => usage(&message),
            };
        }
        match admin.get(&format!("/v1/admin/policies/activations?limit={}", self.limit)) {
            Err(message) => usage(&message),
            Ok(rollout) if self.format == Format::Json => printed(&as_json(&rollout)),
            Ok(rollout) => printed(&story::rollout(&rollout)),
        }
    }
}

impl Verify {
    fn run(self) -> ExitCode {
        let text = match &self.file {
            Some(file) => read(file),
            None => needed(&self.server).and_then(|admin| admin.text("/v1/admin/policies/activations/log")),
        };
        let text = match text {
            Ok(text) => text,
            Err(message) => return usage(&message),
        };
        match verified(&text, self.hash.as_deref()) {
            Ok(told) => printed(&told),
            Err(message) => {
                eprintln!("error: {message}");
                ExitCode::FAILURE
            }
        }
    }
}

fn read(file: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    let outcome = match file.to_str() {
        Some("-") => io::stdin().take(MAX_LOG_BYTES).read_to_end(&mut bytes),
        _ => fs::File::open(file).and_then(|file| file.take(MAX_LOG_BYTES).read_to_end(&mut bytes)),
    };
    outcome.map_err(|error| format!("{}: {error}", file.display()))?;
    // What is no text is no entry; the chain says which.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn verified(text: &str, hash: Option<&str>) -> Result<String, String> {
    let lines: Vec<&str> = text.lines().collect();
    let last = chain::verify(lines.iter().copied()).map_err(|broken| broken.to_string())?;
    for (index, line) in lines.iter().enumerate() {
        let entry = chain::Line::parse(line).and_then(|line| serde_json::from_str::<Entry>(line.text).ok());
        if entry.is_none_or(|entry| entry.seq != index as u64 + 1) {
            return Err(format!("entry {} is not an entry of that number", index + 1));
        }
    }
    if let Some(hash) = hash {
        let noted = Link::parse(hash).ok_or("--hash: expected 64 hex digits in lower case")?;
        let links = lines.iter().filter_map(|line| chain::Line::parse(line)).map(|line| line.link);
        if !links.chain([last]).any(|link| link == noted) {
            return Err(format!("the log does not have {hash}: entries were cut off or written anew"));
        }
    }
    Ok(format!("{} entries, each as it was written. Last hash: {last}\n", lines.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollout::{
        chain::Line,
        entry::{Action, Cause, SetRef},
    };

    fn log(entries: u64) -> String {
        let (mut link, mut text) = (Link::START, String::new());
        for seq in 1..=entries {
            let set = SetRef { id: "p".into(), version: seq as u32, digest: "d".into() };
            let entry = Entry {
                seq,
                at: 0,
                actor: "a".into(),
                cause: Cause::Operator,
                action: Action::Activate,
                reason: "r".into(),
                from: set.clone(),
                to: set,
                share: None,
                diff: vec![],
                preview: vec![],
                evidence: vec![],
                skipped: vec![],
            };
            let json = serde_json::to_string(&entry).unwrap();
            let line = Line::next(link, &json);
            link = line.link;
            text += &format!("{line}\n");
        }
        text
    }

    #[test]
    fn a_sound_log_is_told_from_a_changed_or_cut_one() {
        let whole = log(3);
        let told = verified(&whole, None).unwrap();
        assert!(told.starts_with("3 entries, each as it was written."), "{told}");
        let last = told.trim().rsplit(' ').next().unwrap().to_owned();
        assert!(verified(&whole, Some(&last)).is_ok() && verified(&log(4), Some(&last)).is_ok());
        assert!(verified(&log(2), Some(&last)).unwrap_err().contains("cut off"));
        let changed = whole.replacen("\"version\":2", "\"version\":7", 1);
        assert_eq!(
            verified(&changed, None).unwrap_err(),
            "the chain breaks at entry 2: its text is not what was written: the entries after it build on another text"
        );
        assert_eq!(verified("", None).unwrap().split(',').next(), Some("0 entries"));
        assert!(verified(&whole, Some("abc")).is_err());
    }
}
