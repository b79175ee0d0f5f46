//! `polyphony policy check`.

use std::{process::ExitCode, time::Duration};

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::{as_json, asked, block_on, paint, printed, usage};
use crate::{
    cli::{
        EXIT_USAGE,
        admin::{Admin, Server},
        ground::{Ground, Trial},
    },
    feed::{supply::MAX_SAMPLED_READERS, verdict},
    http::policies::forms::{CheckBody, SampledBody},
    policy::{
        self, Checked, Code, Finding, Findings, Severity, Text,
        report::{Report, github, human, summary},
    },
};

/// After this no further readers are sampled, for each file.
const SAMPLE_TIME_MAX: Duration = Duration::from_secs(30);

/// Say everything that is wrong with policy files
///
/// By themselves; and with a catalogue also whether it has what their constraints and guardrails ask for: pages are made for
/// sampled readers, and nothing is written anywhere.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  polyphony policy check policies/home.toml
  polyphony policy check policies/*.toml --format github
  polyphony policy check policies/home.toml --demo
  polyphony policy check policies/home.toml --server http://127.0.0.1:7720

Exit status: 0 when no file has errors, 1 when one has, 2 when a file or the catalogue cannot be read.")]
pub(super) struct Check {
    /// Policy files, or names of presets
    #[arg(value_name = "FILE", required = true)]
    files: Vec<String>,
    #[command(flatten)]
    ground: Ground,
    #[command(flatten)]
    server: Server,
    /// Readers that pages are made for, with a catalogue
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=MAX_SAMPLED_READERS as i64))]
    readers: u16,
    /// Warnings fail as errors do
    #[arg(long)]
    strict: bool,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// To read, with source lines and carets
    #[default]
    Human,
    /// For other programs
    Json,
    /// Annotations beside the changed lines in a GitHub workflow
    Github,
}

/// A file that was checked.
struct Outcome {
    file: String,
    checked: Checked,
    sampled: Vec<Value>,
}

/// What files are tried on.
enum On {
    Nothing,
    Trial(Box<Trial>),
    Server(Admin),
}

impl Check {
    pub(super) fn run(self) -> ExitCode {
        let on = match self.on() {
            Ok(on) => on,
            Err(code) => return code,
        };
        let mut outcomes = Vec::with_capacity(self.files.len());
        for file in &self.files {
            match self.one(file, &on) {
                Ok(outcome) => outcomes.push(outcome),
                Err(message) => return usage(&message),
            }
        }
        self.print(&outcomes, &on);
        let findings = || outcomes.iter().flat_map(|outcome| outcome.checked.findings.iter());
        if findings().any(|finding| finding.code == Code::Unreadable) {
            return ExitCode::from(EXIT_USAGE);
        }
        let fails = findings().any(|finding| self.strict || finding.severity == Severity::Error);
        if fails { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }

    fn on(&self) -> Result<On, ExitCode> {
        if let Some(admin) = asked(&self.server)? {
            return Ok(On::Server(admin));
        }
        if !self.ground.is_named() {
            return Ok(On::Nothing);
        }
        block_on(self.ground.open()).map(|trial| On::Trial(Box::new(trial))).map_err(|message| usage(&message))
    }

    /// Errors: what it was to be tried on cannot be asked.
    fn one(&self, file: &str, on: &On) -> Result<Outcome, String> {
        let (text, library) = match policy::open(file) {
            Ok(opened) => opened,
            Err(findings) => {
                return Ok(Outcome { file: file.to_owned(), checked: Checked { set: None, findings, places: None }, sampled: Vec::new() });
            }
        };
        let checked = policy::check(&text, &library);
        let Some(set) = checked.set.clone() else { return Ok(Outcome { file: file.to_owned(), checked, sampled: Vec::new() }) };
        let (found, sampled) = match on {
            On::Nothing => (Findings::default(), Vec::new()),
            On::Trial(trial) => {
                let sampled = block_on(async { Ok(trial.app.feed.sample(&set, usize::from(self.readers), SAMPLE_TIME_MAX).await?) })?;
                let found = verdict::findings(&set, &sampled, checked.places.as_ref());
                (found, sampled.iter().map(|sampled| json!(SampledBody::from(sampled))).collect())
            }
            On::Server(admin) => {
                let body = json!({ "policy": { "toml": set.to_toml() }, "readers": self.readers });
                let answer = admin.post("/v1/admin/policies/check", &body)?;
                (of_server(&answer, &checked), answer["sampled"].as_array().cloned().unwrap_or_default())
            }
        };
        Ok(Outcome { file: text_name(&text), checked: checked.and(found), sampled })
    }

    fn print(&self, outcomes: &[Outcome], on: &On) {
        let mut out = String::new();
        match self.format {
            Format::Github => out.extend(outcomes.iter().map(|outcome| github(&outcome.file, &outcome.checked.findings))),
            Format::Json => {
                let body = |outcome: &Outcome| {
                    let mut body = json!(CheckBody { report: Report::new(&outcome.file, &outcome.checked), sampled: Vec::new() });
                    if !outcome.sampled.is_empty() {
                        body["sampled"] = json!(outcome.sampled);
                    }
                    body
                };
                out = as_json(&outcomes.iter().map(body).collect::<Vec<_>>());
            }
            Format::Human => {
                for outcome in outcomes {
                    out += &human(&outcome.checked.findings, paint());
                    out += &table(outcome, on);
                    out += &format!("{}\n", summary(&outcome.file, &outcome.checked));
                }
                let first = outcomes.iter().find_map(|outcome| outcome.checked.findings.iter().next());
                if let Some(first) = first {
                    out += &format!("`polyphony policy explain {}` says more about a code, or about a key.\n", first.code.as_str());
                }
            }
        }
        printed(&out);
    }
}

fn text_name(text: &Text) -> String {
    text.name.to_string()
}

/// What the server found on its catalogue, at the places of the file that is here.
fn of_server(answer: &Value, checked: &Checked) -> Findings {
    let mut found = Findings::default();
    for finding in answer["findings"].as_array().into_iter().flatten() {
        let text = |key: &str| finding[key].as_str().unwrap_or_default();
        let severity = if text("severity") == Severity::Error.name() { Severity::Error } else { Severity::Warning };
        // What can be told without a catalogue was told here, of the file as it is written.
        let Some(code) = Code::parse(text("code")).filter(|code| code.needs_catalogue()) else { continue };
        let key = text("key");
        let place = checked.places.as_ref().and_then(|places| places.place(None, key));
        found.add(Finding::new(severity, code, key, text("message").to_owned()).help(text("help")).at(place));
    }
    found
}

/// What sampled pages were like, a line per surface.
fn table(outcome: &Outcome, on: &On) -> String {
    let Some(first) = outcome.sampled.first() else { return String::new() };
    let on = match on {
        On::Trial(trial) => trial.on.as_str(),
        _ => "the server's catalogue",
    };
    let mut out = format!("Means over {} sampled pages of each surface, on {on}:\n", first["pages"]);
    out +=
        &format!("  {:<16}{:>14}{:>8}{:>8}{:>16}{:>13}\n", "surface", "relevance kept", "ILD", "topics", "entropy (bits)", "exploration");
    for surface in &outcome.sampled {
        let number = |key: &str| surface["metrics"][key].as_f64().unwrap_or(0.0);
        out += &format!(
            "  {:<16}{:>13.1}%{:>8.2}{:>8}{:>16.2}{:>12.0}%\n",
            surface["surface"].as_str().unwrap_or_default(),
            100.0 * number("relevance_kept"),
            number("ild"),
            number("topics"),
            number("topic_entropy"),
            100.0 * number("exploration_share"),
        );
    }
    out + "\n"
}
