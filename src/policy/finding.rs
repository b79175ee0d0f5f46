//! What was found in a policy file: where, how grave, and what to do.

use std::fmt;

use serde::Serialize;
use utoipa::ToSchema;

use super::code::Code;

/// How grave a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The file cannot be used.
    Error,
    /// It can, and somebody should look.
    Warning,
}

impl Severity {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// As given to the check; a preset's name for a preset.
    pub file: String,
    /// 1-based.
    pub line: usize,
    /// 1-based, in characters.
    pub column: usize,
    /// The whole line.
    pub text: String,
    /// Characters from `column` on that it is about, at least 1, within the line.
    pub width: usize,
}

/// One thing found.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    pub severity: Severity,
    pub code: Code,
    /// Dotted key; empty when it is about the whole file.
    pub key: String,
    /// A sentence without its full stop, which names the key and the value.
    pub message: String,
    /// What to do, or what was probably meant; empty where the message says it all.
    pub help: String,
    /// `None`: the file as a whole, or a value that no file sets.
    pub place: Option<Place>,
}

/// Everything found, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Findings(Vec<Finding>);

/// Most findings of one file's keys and values.
const MAX_FINDINGS: usize = 100;

impl Findings {
    pub fn add(&mut self, finding: Finding) {
        self.0.push(finding);
    }

    pub fn append(&mut self, other: Findings) {
        self.0.extend(other.0);
    }

    pub fn iter(&self) -> impl Iterator<Item = &Finding> {
        self.0.iter()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// No more is looked for: a file with so many faults is another kind of file.
    pub(super) fn is_full(&self) -> bool {
        self.0.len() >= MAX_FINDINGS
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn count(&self, severity: Severity) -> usize {
        self.0.iter().filter(|finding| finding.severity == severity).count()
    }

    pub fn has_errors(&self) -> bool {
        self.count(Severity::Error) > 0
    }

    /// By file and place; findings without one come last, each group in the order found.
    pub(super) fn sort(&mut self) {
        let place = |finding: &Finding| finding.place.as_ref().map(|place| (place.file.clone(), place.line, place.column));
        self.0.sort_by_key(|finding| (finding.place.is_none(), place(finding)));
    }
}

impl Finding {
    pub fn new(severity: Severity, code: Code, key: &str, message: String) -> Self {
        Self { severity, code, key: key.to_owned(), message, help: String::new(), place: None }
    }

    #[must_use]
    pub fn at(mut self, place: Option<Place>) -> Self {
        self.place = place;
        self
    }

    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = help.into();
        self
    }
}

impl fmt::Display for Finding {
    /// On one line: `policies/home.toml:19:1: error[P0203]: unknown key `diversty`; did you mean `diversity`?`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{}:{}:{}: ", place.file, place.line, place.column)?;
        }
        write!(f, "{}[{}]: {}", self.severity.name(), self.code.as_str(), self.message)?;
        if self.help.is_empty() { Ok(()) } else { write!(f, "; {}", self.help) }
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the policy has {}:", counted(self))?;
        self.0.iter().try_for_each(|finding| write!(f, "\n  {finding}"))
    }
}

impl std::error::Error for Findings {}

/// `2 errors and 1 warning`.
pub fn counted(findings: &Findings) -> String {
    let of = |severity: Severity| {
        let count = findings.count(severity);
        (count > 0).then(|| format!("{count} {}{}", severity.name(), if count == 1 { "" } else { "s" }))
    };
    let parts: Vec<String> = [Severity::Error, Severity::Warning].into_iter().filter_map(of).collect();
    if parts.is_empty() { "nothing against it".to_owned() } else { parts.join(" and ") }
}
