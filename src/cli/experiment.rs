//! `polyphony experiment`: what an experiment shows.

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Args, Subcommand, ValueEnum};
use serde_json::Value;

use super::{
    EXIT_USAGE,
    admin::Server,
    policy::{needed, refused},
};
use crate::{
    clock::{Clock, SystemClock},
    experiment::{self, Results},
    journal::JournalReader,
    policy::{self as policies, PolicySet},
};

#[derive(Debug, Args)]
pub(super) struct Experiment {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Results(Show),
}

/// Compare an experiment's arms: what people did, what their pages were like, and whether they came in as they should
///
/// From a running server's own journal, or from journals here: those of all servers together say most. Intervals hold however
/// often one looks (95 %, each). Never how long people stayed.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  polyphony experiment results home-breadth --server http://127.0.0.1:7720
  polyphony experiment results home-breadth --policy policies/home.toml --journal a/journal --journal b/journal

Exit status: 0, or 1 when the arms did not get the people they were meant to get, 2 when something cannot be read or asked.")]
struct Show {
    /// The experiment
    #[arg(value_name = "ID")]
    id: String,
    /// Directory of a journal; may be given again
    #[arg(long, value_name = "DIR", requires = "policy")]
    journal: Vec<PathBuf>,
    /// The policy that says the experiment: a file
    #[arg(long, value_name = "FILE", requires = "journal")]
    policy: Option<String>,
    #[command(flatten)]
    server: Server,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
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

impl Experiment {
    pub(super) fn run(self) -> ExitCode {
        match self.command {
            Command::Results(show) => show.run(),
        }
    }
}

impl Show {
    fn run(self) -> ExitCode {
        let results = match &self.policy {
            Some(file) => match policies::load_from(file) {
                Ok(set) => self.of_journals(&set),
                Err(findings) => return refused(file, &findings),
            },
            None => needed(&self.server).and_then(|admin| admin.get(&format!("/v1/admin/experiments/{}", self.id))),
        };
        let results = match results {
            Ok(results) => results,
            Err(message) => {
                eprintln!("error: {message}");
                return ExitCode::from(EXIT_USAGE);
            }
        };
        let told = match self.format {
            Format::Json => serde_json::to_string_pretty(&results).unwrap_or_default() + "\n",
            Format::Human => human(&results),
        };
        // A closed pipe (`| head`) is no failure.
        let _ = io::stdout().write_all(told.as_bytes());
        if results["mismatch"]["is_suspicious"] == true { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }

    fn of_journals(&self, set: &PolicySet) -> Result<Value, String> {
        let Some(experiment) = set.experiments.iter().find(|experiment| experiment.id == self.id) else {
            let known: Vec<&str> = set.experiments.iter().map(|experiment| experiment.id.as_str()).collect();
            return Err(format!("{} has no experiment `{}`; it has {}", set.id, self.id, known.join(", ")));
        };
        let open = || -> io::Result<_> {
            let named = |directory: &PathBuf| {
                JournalReader::open(directory).map_err(|error| io::Error::new(error.kind(), format!("{} {error}", directory.display())))
            };
            let readers: Vec<JournalReader> = self.journal.iter().map(named).collect::<io::Result<_>>()?;
            Ok(readers.into_iter().flatten())
        };
        let results: Results = experiment::results(experiment, set, SystemClock.now(), open).map_err(|error| error.to_string())?;
        serde_json::to_value(results).map_err(|error| error.to_string())
    }
}

fn human(results: &Value) -> String {
    let text = |value: &Value, key: &str| value[key].as_str().unwrap_or("?").to_owned();
    let list = |value: &Value, key: &str| value[key].as_array().cloned().unwrap_or_default();
    let mut out = format!("{} (allocation {})\n", text(results, "experiment"), text(results, "allocation"));
    let mut arms = list(results, "arms");
    arms.extend(results.get("holdout").cloned());
    for arm in &arms {
        out += &format!(
            "\n{} (weight {}): {} units exposed, {} complete\n",
            text(arm, "arm"),
            arm["weight"],
            arm["exposed_units"],
            arm["complete_units"]
        );
        for measured in list(arm, "measures") {
            out += &measure(&measured);
        }
    }
    let p_value = results["mismatch"]["p_value"].as_f64().unwrap_or(f64::NAN);
    out += &match results["mismatch"]["is_suspicious"] == true {
        true => format!("\nThe arms did NOT get the people they were meant to get (p = {p_value:.2e}): do not believe the rest.\n"),
        false => format!("\nPeople came into the arms as they should (p = {p_value:.3}).\n"),
    };
    for (key, what) in [("mixed_units", "in two arms or under another allocation before"), ("left_out_units", "past the limit")] {
        if results[key].as_u64().is_some_and(|count| count > 0) {
            out += &format!("Not counted, {what}: {} units.\n", results[key]);
        }
    }
    out
}

fn measure(measured: &Value) -> String {
    let number = |value: &Value, key: &str| value[key].as_f64();
    let mut out = format!("  {:<18} {:.4}", measured["measure"].as_str().unwrap_or("?"), number(measured, "mean").unwrap_or(f64::NAN));
    if let (Some(lower), Some(upper)) = (number(measured, "lower"), number(measured, "upper")) {
        out += &format!(" [{lower:.4}, {upper:.4}]");
    }
    if let Some(difference) = measured.get("difference") {
        let of = |key: &str| number(difference, key).unwrap_or(f64::NAN);
        let mark = if difference["is_different"] == true { " *" } else { "" };
        out += &format!("   {:+.4} [{:+.4}, {:+.4}] against the control{mark}", of("estimate"), of("lower"), of("upper"));
    }
    out + "\n"
}
