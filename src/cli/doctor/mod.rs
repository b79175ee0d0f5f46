//! `polyphony doctor`: looks at an installation and says what is wrong with it, and what to do. Changes nothing.

mod machine;
#[cfg(feature = "qdrant")]
mod search;
mod secrets;
mod store;

use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::{SettingsArgs, settings_of};
use crate::{
    policy::{self, Library, Severity, Text},
    settings::Settings,
};

/// Check an installation: settings, keys, files, disk, port, limits, policy, store and catalogue
///
/// Each line says ok, warning or fault, and what to do. Exit code 0: no fault; 1: at least one.
#[derive(Debug, Args)]
pub(super) struct Doctor {
    #[command(flatten)]
    settings: SettingsArgs,
    /// Print JSON, for other programs
    #[arg(long)]
    json: bool,
    /// Do not ask for keys on an address that others can reach
    #[arg(long)]
    insecure: bool,
}

/// How something was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    Ok,
    /// It works, and will hurt one day.
    Warning,
    /// The server does not start, or loses what it promises to keep.
    Fault,
}

impl Status {
    const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Fault => "fault",
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Finding {
    check: &'static str,
    status: Status,
    detail: String,
    /// What to do; nothing where all is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<String>,
}

/// Everything that was looked at, in the order of looking.
#[derive(Debug, Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn ok(&mut self, check: &'static str, detail: impl Into<String>) {
        self.0.push(Finding { check, status: Status::Ok, detail: detail.into(), fix: None });
    }

    fn warn(&mut self, check: &'static str, detail: impl Into<String>, fix: impl Into<String>) {
        self.0.push(Finding { check, status: Status::Warning, detail: detail.into(), fix: Some(fix.into()) });
    }

    fn fault(&mut self, check: &'static str, detail: impl Into<String>, fix: impl Into<String>) {
        self.0.push(Finding { check, status: Status::Fault, detail: detail.into(), fix: Some(fix.into()) });
    }

    fn worst(&self) -> Status {
        self.0.iter().map(|finding| finding.status).max().unwrap_or(Status::Ok)
    }

    fn count(&self, status: Status) -> usize {
        self.0.iter().filter(|finding| finding.status == status).count()
    }

    fn text(&self) -> String {
        let mut out = String::new();
        for Finding { check, status, detail, fix } in &self.0 {
            let detail = detail.replace('\n', "\n                      ");
            out += &format!("{:<9}{check:<13}{detail}\n", status.name());
            out.extend(fix.iter().map(|fix| format!("{:22}→ {}\n", "", fix.replace('\n', "\n                        "))));
        }
        let [faults, warnings, ok] = [Status::Fault, Status::Warning, Status::Ok].map(|status| self.count(status));
        out + &format!("\n{faults} fault(s), {warnings} warning(s), {ok} ok\n")
    }
}

#[derive(Serialize)]
struct Report<'a> {
    status: Status,
    checks: &'a [Finding],
}

impl Doctor {
    pub(super) fn run(self) -> ExitCode {
        let mut findings = Findings::default();
        match settings_of(&self.settings.layers()) {
            Ok(settings) => self.look(&settings, &mut findings),
            Err(told) => findings.fault("settings", told, "correct each of them; `polyphony config reference` lists every key"),
        }
        self.print(&findings);
        if findings.worst() == Status::Fault { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }

    fn look(&self, settings: &Settings, findings: &mut Findings) {
        let surfaces: Vec<&str> = settings.surface.keys().map(String::as_str).collect();
        findings.ok("settings", format!("sound; surfaces {}", surfaces.join(", ")));
        secrets::look(settings, self.settings.config.as_deref(), self.insecure, findings);
        let is_running = machine::port(settings.server.listen, findings);
        machine::files(settings, findings);
        machine::limits(settings, findings);
        policy(settings, findings);
        store::look(settings, is_running, findings);
        #[cfg(feature = "qdrant")]
        search::look(settings, findings);
    }

    fn print(&self, findings: &Findings) {
        if self.json {
            let report = Report { status: findings.worst(), checks: &findings.0 };
            println!("{}", serde_json::to_string_pretty(&report).unwrap_or_default());
        } else {
            print!("{}", findings.text());
        }
    }
}

/// What `polyphony policy check` says of the policy that the settings name.
fn policy(settings: &Settings, findings: &mut Findings) {
    let file = settings.policies.file.as_str();
    let opened = match file {
        "" => policy::chosen(settings)
            .map(|set| (Text::new("the settings", set.to_toml()), Library::presets()))
            .map_err(|refused| refused.to_string()),
        file => policy::open(file).map_err(|refused| refused.to_string()),
    };
    let (text, library) = match opened {
        Ok(opened) => opened,
        Err(told) => return findings.fault("policy", told, "polyphony policy check FILE"),
    };
    let checked = policy::check(&text, &library);
    let name = checked.set.as_ref().map(|set| format!("{} version {}, {}", set.id, set.version, set.digest)).unwrap_or_default();
    let said: Vec<String> = checked.findings.iter().map(|finding| format!("{}: {}", finding.code.as_str(), finding.message)).collect();
    let fix = format!("polyphony policy check {}", if file.is_empty() { "FILE" } else { file });
    if checked.findings.has_errors() {
        findings.fault("policy", said.join("\n"), fix);
    } else if checked.findings.count(Severity::Warning) > 0 {
        findings.warn("policy", format!("{name}\n{}", said.join("\n")), fix);
    } else {
        findings.ok("policy", name);
    }
}
