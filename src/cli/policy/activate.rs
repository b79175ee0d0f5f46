//! `polyphony policy activate` and `rollback`.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::{Format, Named, as_json, printed, refused, story, usage};
use crate::{
    cli::admin::{Admin, Server},
    rollout::entry::Step,
};

/// Where the rollout stands on a server, and where it is changed.
const ACTIVATIONS: &str = "/v1/admin/policies/activations";

/// Give a policy to a share of people, then to all
///
/// The file is checked here, tried on the server's catalogue, and given to a share of people, who keep it while the share grows.
/// While that lasts every server compares them with all others, and rolls back by itself when a guardrail of the policy is
/// violated. `--to all` ends it. Every step is written to the activation log.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  polyphony policy activate policies/home.toml --reason \"more breadth, ticket 4711\" --server http://127.0.0.1:7720
  polyphony policy activate policies/home.toml --reason \"no complaints\" --canary 50%
  polyphony policy activate policies/home.toml --reason \"it holds\" --to all

Exit status: 0, or 1 when the policy has errors, 2 when the step is refused or the server cannot be asked.")]
pub(super) struct Activate {
    /// A preset, a file, or `active`
    #[arg(value_name = "POLICY")]
    policy: String,
    /// Why; it stays in the log for ever, so name no persons
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Share of people [default: 10%]
    #[arg(long, value_name = "PERCENT", value_parser = share, conflicts_with = "to")]
    canary: Option<f64>,
    /// Give it to everybody
    #[arg(long, value_enum)]
    to: Option<Everybody>,
    /// Leave out a step, which the log will say; may be given again
    #[arg(long, value_name = "STEP", value_parser = Step::NAMES)]
    skip: Vec<String>,
    /// Who, in a word that names no person: a team, a tool
    #[arg(long, value_name = "WORD")]
    actor: Option<String>,
    #[command(flatten)]
    server: Server,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Everybody {
    All,
}

/// End a canary, or give everybody the policy before
#[derive(Debug, Args)]
pub(super) struct Rollback {
    /// Why; it stays in the log for ever, so name no persons
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Who, in a word that names no person: a team, a tool
    #[arg(long, value_name = "WORD")]
    actor: Option<String>,
    #[command(flatten)]
    server: Server,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Activate {
    pub(super) fn run(self) -> ExitCode {
        let named = match Named::read(&self.policy) {
            Ok(named) => named,
            Err(findings) => return refused(&self.policy, &findings),
        };
        let mut body = json!({ "policy": named.for_server(), "reason": self.reason, "skip": self.skip });
        match (self.to, self.canary) {
            (Some(Everybody::All), _) => body["stage"] = "all".into(),
            (None, Some(share)) => body["share"] = share.into(),
            (None, None) => {}
        }
        taken(&self.server, ACTIVATIONS, body, self.actor, self.format)
    }
}

impl Rollback {
    pub(super) fn run(self) -> ExitCode {
        taken(&self.server, "/v1/admin/policies/rollback", json!({ "reason": self.reason }), self.actor, self.format)
    }
}

/// Takes a step, on the grounds of what the log says now: somebody else's step in between is not passed over.
fn taken(server: &Server, path: &str, mut body: Value, actor: Option<String>, format: Format) -> ExitCode {
    let step = || -> Result<Value, String> {
        let admin = needed(server)?;
        body["expected"] = admin.get(&format!("{ACTIVATIONS}?limit=1"))?["log_entries"].clone();
        if let Some(actor) = actor {
            body["actor"] = actor.into();
        }
        admin.post(path, &body)
    };
    match step() {
        Err(message) => usage(&message),
        Ok(answer) if format == Format::Json => printed(&as_json(&answer)),
        Ok(answer) => printed(&match answer.get("entry") {
            Some(entry) => story::entry(entry),
            None => "It is so already; nothing was changed.\n".to_owned(),
        }),
    }
}

/// The server that was named.
pub(in crate::cli) fn needed(server: &Server) -> Result<Admin, String> {
    server.open()?.ok_or_else(|| "name the server: --server http://HOST:PORT, or POLYPHONY_SERVER".to_owned())
}

/// `10%` or `0.1`.
fn share(text: &str) -> Result<f64, String> {
    let wrong = || format!("`{text}` is no share of people; expected 0.1% to 90%");
    let (number, scale) = text.strip_suffix('%').map_or((text, 1.0), |number| (number, 100.0));
    let share = number.trim().parse::<f64>().map_err(|_| wrong())? / scale;
    if (0.001..=0.9).contains(&share) { Ok(share) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_read() {
        assert_eq!((share("10%"), share("0.25"), share("90 %")), (Ok(0.1), Ok(0.25), Ok(0.9)));
        for wrong in ["", "%", "95%", "0", "ten", "10"] {
            assert!(share(wrong).is_err(), "{wrong}");
        }
    }
}
