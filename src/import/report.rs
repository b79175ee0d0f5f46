//! What a person is told during and after an import: progress, wrong lines, what was left out, totals.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

use indicatif::{HumanCount, ProgressBar, ProgressStyle};

use super::row::Notes;

/// Wrong lines that are printed; the rest are counted.
pub const MAX_FAULTS_SHOWN: usize = 20;

/// A line that was not imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineFault {
    pub file: PathBuf,
    /// 1-based.
    pub line: u64,
    /// What is wrong and what is expected.
    pub detail: String,
}

impl fmt::Display for LineFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file.display(), self.line, self.detail)
    }
}

/// The outcome of an import or a check.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    /// Given to the sink and acknowledged; in a check, those that would be.
    pub items: u64,
    /// As `items`, without those that the sink left out.
    pub events: u64,
    /// Lines done by an earlier, interrupted run.
    pub already: u64,
    /// Wrong lines, also those an earlier run met.
    pub failed: u64,
    /// The first [`MAX_FAULTS_SHOWN`] of them.
    pub faults: Vec<LineFault>,
    /// What was left out of good lines, or by the sink, with how often.
    pub notes: BTreeMap<&'static str, u64>,
    /// `--strict` and a wrong line: nothing was imported.
    pub refused: bool,
    /// Wall-clock time in milliseconds.
    pub took_ms: i64,
}

impl Summary {
    /// Whether every line was good.
    pub fn is_clean(&self) -> bool {
        self.failed == 0
    }

    /// Items and events per second.
    pub fn rate(&self) -> f64 {
        (self.items + self.events) as f64 / (self.took_ms.max(1) as f64 / 1_000.0)
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.faults.len() as u64;
        if self.failed > shown {
            writeln!(f, "… and {} more wrong lines", HumanCount(self.failed - shown))?;
        }
        for (note, times) in &self.notes {
            writeln!(f, "{} × {note}", HumanCount(*times))?;
        }
        if self.already > 0 {
            writeln!(f, "{} lines were imported before the interruption", HumanCount(self.already))?;
        }
        if self.refused {
            return write!(f, "nothing was imported: {} wrong lines and --strict", HumanCount(self.failed));
        }
        let (items, events, failed) = (HumanCount(self.items), HumanCount(self.events), HumanCount(self.failed));
        let (secs, rate) = (self.took_ms as f64 / 1_000.0, HumanCount(self.rate() as u64));
        write!(f, "{items} items, {events} events, {failed} lines skipped in {secs:.1} s ({rate} per second)")
    }
}

/// Prints as it goes, counts, and ends as a [`Summary`]. The bar shows only on a terminal.
pub struct Report {
    pub summary: Summary,
    bar: ProgressBar,
    /// Rows may come in another order than the file's; the bar never goes back.
    furthest_bytes: u64,
}

impl Report {
    pub fn new(total_bytes: u64) -> Self {
        let bar = ProgressBar::new(total_bytes);
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {bytes}/{total_bytes}  {msg}  {eta}") {
            bar.set_style(style);
        }
        Self { summary: Summary::default(), bar, furthest_bytes: 0 }
    }

    pub fn position(&mut self, bytes: u64) {
        self.furthest_bytes = self.furthest_bytes.max(bytes);
        self.bar.set_position(self.furthest_bytes);
    }

    pub fn counted(&self) {
        let (items, events) = (HumanCount(self.summary.items), HumanCount(self.summary.events));
        self.bar.set_message(format!("{items} items, {events} events"));
    }

    pub fn say(&self, line: &str) {
        self.bar.suspend(|| eprintln!("{line}"));
    }

    pub fn fault(&mut self, file: &Path, line: u64, detail: String) {
        self.summary.failed += 1;
        if self.summary.faults.len() < MAX_FAULTS_SHOWN {
            let fault = LineFault { file: file.to_path_buf(), line, detail };
            self.say(&fault.to_string());
            self.summary.faults.push(fault);
        }
    }

    pub fn notes(&mut self, notes: &Notes) {
        for (note, times) in notes.iter() {
            *self.summary.notes.entry(note).or_insert(0) += times;
        }
    }

    pub fn finish(self, took_ms: i64) -> Summary {
        self.bar.finish_and_clear();
        Summary { took_ms, ..self.summary }
    }
}
