//! Findings as text to read, as JSON, and as annotations of a GitHub workflow.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Checked, PolicySet,
    finding::{Finding, Findings, Severity, counted},
};

/// Columns that longer sentences are wrapped at.
pub(super) const COLUMNS: usize = 110;
/// Longest part of a source line shown, in characters.
const SOURCE_COLUMNS: usize = 120;

/// How the parts of a report are set off: escape codes for a terminal, nothing for anything else.
#[derive(Clone, Copy, Debug, Default)]
pub struct Paint {
    pub error: &'static str,
    pub warning: &'static str,
    pub quiet: &'static str,
    pub strong: &'static str,
    pub end: &'static str,
}

impl Paint {
    /// For a terminal.
    pub const TERMINAL: Paint = Paint { error: "\x1b[1;31m", warning: "\x1b[1;33m", quiet: "\x1b[34m", strong: "\x1b[1m", end: "\x1b[0m" };
}

/// Every finding with its source line and a caret, one blank line after each.
pub fn human(findings: &Findings, paint: Paint) -> String {
    let number = |finding: &Finding| finding.place.as_ref().map_or(0, |place| place.line.to_string().len());
    let margin = findings.iter().map(number).max().unwrap_or(0).max(1);
    findings.iter().map(|finding| one(finding, margin, paint)).collect()
}

fn one(finding: &Finding, margin: usize, paint: Paint) -> String {
    let Paint { quiet, strong, end, .. } = paint;
    let grave = if finding.severity == Severity::Error { paint.error } else { paint.warning };
    let title = format!("{}[{}]", finding.severity.name(), finding.code.as_str());
    let message = wrapped(&finding.message, title.chars().count() + 2, margin + 3);
    let mut out = format!("{grave}{title}{end}{strong}: {message}{end}\n");
    let pad = " ".repeat(margin);
    if let Some(place) = &finding.place {
        let (source, column, width) = cut(&place.text, place.column, place.width);
        out += &format!("{pad}{quiet}-->{end} {}:{}:{}\n", place.file, place.line, place.column);
        out += &format!("{pad} {quiet}|{end}\n");
        out += format!("{quiet}{:>margin$} |{end} {source}", place.line).trim_end();
        out.push('\n');
        out += &format!("{pad} {quiet}|{end} {}{grave}{}{end}\n", " ".repeat(column - 1), "^".repeat(width));
    }
    if !finding.help.is_empty() {
        out += &format!("{pad} {quiet}={end} {strong}help{end}: {}\n", wrapped(&finding.help, margin + 9, margin + 9));
    }
    out.push('\n');
    out
}

/// The part of a long line that the caret is in; tabs are one column wide.
fn cut(text: &str, column: usize, width: usize) -> (String, usize, usize) {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let count = text.chars().count();
    if count <= SOURCE_COLUMNS {
        return (text.chars().map(plain).collect(), column, width);
    }
    let skip = (column - 1).saturating_sub(SOURCE_COLUMNS / 3).min(count - SOURCE_COLUMNS);
    let shown: String = text.chars().skip(skip).take(SOURCE_COLUMNS).map(plain).collect();
    let lead = if skip > 0 { "…" } else { "" };
    let tail = if skip + SOURCE_COLUMNS < count { "…" } else { "" };
    let column = column - skip + lead.chars().count();
    // A place may lie past the last character, between those of the line's end: it keeps one caret.
    let room = (SOURCE_COLUMNS + lead.chars().count() + 1).saturating_sub(column).max(1);
    (format!("{lead}{shown}{tail}"), column, width.min(room))
}

/// `text` broken at blanks: the first line has `used` columns less, the others are indented by `indent`.
pub fn wrapped(text: &str, used: usize, indent: usize) -> String {
    let (mut out, mut column) = (String::new(), used);
    for (n, word) in text.split(' ').enumerate() {
        let length = word.chars().count();
        if n > 0 && column + 1 + length > COLUMNS {
            out.push('\n');
            out += &" ".repeat(indent);
            column = indent;
        } else if n > 0 {
            out.push(' ');
            column += 1;
        }
        out += word;
        column += length;
    }
    out
}

/// A check's result, for other programs.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PolicyReport)]
pub struct Report<'a> {
    /// As given to the check.
    pub file: &'a str,
    /// No finding is an error.
    pub sound: bool,
    /// Absent when it is not sound.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub policy: Option<PolicyRef>,
    pub findings: Vec<FindingForm<'a>>,
}

/// A policy file by name, version and content.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = PolicyVersion)]
pub struct PolicyRef {
    #[schema(examples("balanced"))]
    pub id: String,
    pub version: u32,
    /// Of all that is served, on every surface, and of the guardrails.
    #[schema(examples("b3:9f2c41d0a1b2c3d4"))]
    pub digest: String,
}

/// One finding.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PolicyFinding)]
pub struct FindingForm<'a> {
    pub severity: Severity,
    /// Of a closed list: `polyphony policy explain P0203`.
    #[schema(examples("P0203"))]
    pub code: &'static str,
    #[schema(examples("unknown key"))]
    pub title: &'static str,
    /// Dotted; absent when it is about the whole file.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub key: &'a str,
    pub message: &'a str,
    /// What to do, or what was probably meant.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub help: &'a str,
    /// Where it stands: the file, a line counted from 1, a column counted from 1 in characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub file: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub line: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub column: Option<usize>,
}

impl<'a> Report<'a> {
    pub fn new(file: &'a str, checked: &'a Checked) -> Self {
        let policy = checked.set.as_ref().map(PolicyRef::from);
        Self { file, sound: policy.is_some(), policy, findings: checked.findings.iter().map(FindingForm::from).collect() }
    }
}

impl From<&PolicySet> for PolicyRef {
    fn from(set: &PolicySet) -> Self {
        Self { id: set.id.clone(), version: set.version, digest: set.digest.clone() }
    }
}

impl<'a> From<&'a Finding> for FindingForm<'a> {
    fn from(finding: &'a Finding) -> Self {
        let place = finding.place.as_ref();
        Self {
            severity: finding.severity,
            code: finding.code.as_str(),
            title: finding.code.title(),
            key: &finding.key,
            message: &finding.message,
            help: &finding.help,
            file: place.map(|place| place.file.as_str()),
            line: place.map(|place| place.line),
            column: place.map(|place| place.column),
        }
    }
}

/// Workflow commands that GitHub shows beside the changed lines.
/// <https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions#setting-an-error-message>
pub fn github(file: &str, findings: &Findings) -> String {
    let escaped = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let property = |text: &str| escaped(text).replace(':', "%3A").replace(',', "%2C");
    let line = |finding: &Finding| {
        let place = match &finding.place {
            Some(place) => {
                let end = place.column + place.width;
                format!("file={},line={},col={},endColumn={end}", property(&place.file), place.line, place.column)
            }
            None => format!("file={}", property(file)),
        };
        let title = property(&format!("{} {}", finding.code.as_str(), finding.code.title()));
        let help = if finding.help.is_empty() { String::new() } else { format!("\n{}", finding.help) };
        format!("::{} {place},title={title}::{}\n", finding.severity.name(), escaped(&format!("{}{help}", finding.message)))
    };
    findings.iter().map(line).collect()
}

/// The last line of a report: `policies/home.toml: 2 errors and 1 warning`.
pub fn summary(file: &str, checked: &Checked) -> String {
    match &checked.set {
        None => format!("{file}: {}", counted(&checked.findings)),
        Some(set) => {
            let but = if checked.findings.is_empty() { String::new() } else { format!(", with {}", counted(&checked.findings)) };
            let surfaces = set.surfaces.names().collect::<Vec<_>>().join(", ");
            format!("{file}: sound{but} · {} v{} ({}) · surfaces {surfaces}", set.id, set.version, set.digest)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Library, Text, check};

    fn findings(text: &str) -> Findings {
        check(&Text::new("policies/home, new.toml", text), &Library::presets()).findings
    }

    #[test]
    fn long_lines_are_cut_around_the_caret() {
        let long =
            format!("schema = 1\nid = \"a\"\nversion = 1\ndescription = \"{}\" # {}\npage_size = 0\n", "x".repeat(10), "y".repeat(300));
        assert!(human(&findings(&long), Paint::default()).contains("page_size = 0\n  |             ^\n"));
        let (text, column, width) = cut(&"é".repeat(500), 400, 300);
        assert_eq!((text.chars().count(), column, width), (122, 42, 80));
        assert_eq!(text.chars().nth(column - 1), Some('é'));
        // Past the line's end, as of a file that stops between `\r` and `\n`.
        let (text, column, width) = cut(&"é".repeat(500), 502, 1);
        assert_eq!((text.chars().count(), column, width), (121, 123, 1));
        assert_eq!(cut("a\tb", 3, 1), ("a b".into(), 3, 1));
    }

    #[test]
    fn annotations_survive_odd_names() {
        let told = github("policies/home, new.toml", &findings("schema = 1\nid = \"a\"\nversion = 1\npage_sise = 7\n"));
        let expected = "::error file=policies/home%2C new.toml,line=4,col=1,endColumn=10,title=P0203 unknown key::unknown key `page_sise`%0A\
            did you mean `page_size`? (Items on a page when the request names no `limit`, 1 to 100)\n";
        assert_eq!(told, expected);
    }

    #[test]
    fn sentences_are_wrapped() {
        let told = wrapped(&"word ".repeat(60), 10, 4);
        assert!(told.lines().all(|line| line.chars().count() <= COLUMNS) && told.lines().count() == 3, "{told}");
    }
}
