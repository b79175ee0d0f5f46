//! `polyphony policy diff`.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::{Format, Named, as_json, asked, paint, printed, refused, usage};
use crate::{
    cli::{admin::Server, ground::Ground},
    policy::{self, PolicySet, diff},
};

/// Say what two policies serve differently
///
/// Not how the files differ: knob by knob and surface by surface, with what they inherit.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  polyphony policy diff balanced discovery
  polyphony policy diff active policies/home.toml --config polyphony.toml
  polyphony policy diff active policies/home.toml --server http://127.0.0.1:7720

Exit status: 0, whether they differ or not; 1 when a policy has errors, 2 when one cannot be read.")]
pub(super) struct Diff {
    /// A preset, a file, or `active`
    #[arg(value_name = "A")]
    from: String,
    /// A preset, a file, or `active`
    #[arg(value_name = "B")]
    to: String,
    #[command(flatten)]
    ground: Ground,
    #[command(flatten)]
    server: Server,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Diff {
    pub(super) fn run(self) -> ExitCode {
        let mut named = Vec::with_capacity(2);
        for what in [&self.from, &self.to] {
            match Named::read(what) {
                Ok(policy) => named.push(policy),
                Err(findings) => return refused(what, &findings),
            }
        }
        match asked(&self.server) {
            Err(code) => code,
            Ok(Some(admin)) => {
                let body = json!({ "from": named[0].for_server(), "to": named[1].for_server() });
                match admin.post("/v1/admin/policies/diff", &body).map(|answer| self.of_server(&answer)) {
                    Ok(text) => printed(&text),
                    Err(message) => usage(&message),
                }
            }
            Ok(None) => self.here(named),
        }
    }

    fn of_server(&self, answer: &Value) -> String {
        match serde_json::from_value::<diff::Diff>(answer.clone()) {
            Ok(told) if self.format == Format::Human => diff::human(&told, paint()),
            _ => as_json(answer),
        }
    }

    fn here(&self, named: Vec<Named>) -> ExitCode {
        let mut sets: Vec<Box<PolicySet>> = Vec::with_capacity(2);
        for policy in named {
            match policy {
                Named::Set(set) => sets.push(set),
                Named::Active => match self.ground.settings().and_then(|settings| policy::chosen(&settings).map_err(|e| e.to_string())) {
                    Ok(set) => sets.push(Box::new(set)),
                    Err(message) => return usage(&message),
                },
            }
        }
        let [from, to] = &sets[..] else { return ExitCode::FAILURE };
        let diff = diff::diff(from, to);
        printed(&if self.format == Format::Json { as_json(&diff) } else { diff::human(&diff, paint()) })
    }
}
