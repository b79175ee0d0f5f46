//! What is written into an entry of the log so that it can be read without the policies themselves.

use super::{
    By,
    entry::{Action, DIFF_LINES_MAX, Entry},
    state::Wish,
};
use crate::policy::{PolicySet, diff::diff as compared};

/// Longest value repeated in a line, in characters.
const VALUE_CHARS_MAX: usize = 200;

/// What `to` serves otherwise than `from`, one knob a line.
pub(super) fn diff(from: &PolicySet, to: &PolicySet) -> Vec<String> {
    let compared = compared(from, to);
    let shown = |value: Option<&toml::Value>| {
        let text = value.map_or_else(|| "–".to_owned(), ToString::to_string);
        if text.chars().count() <= VALUE_CHARS_MAX { text } else { text.chars().take(VALUE_CHARS_MAX).chain(['…']).collect() }
    };
    let knobs = compared.changes.iter().map(|change| {
        let on = if change.surfaces.is_empty() { String::new() } else { format!(" on {}", change.surfaces.join(", ")) };
        format!("{}{on}: {} → {}", change.key, shown(change.from.as_ref()), shown(change.to.as_ref()))
    });
    let added = compared.surfaces_added.iter().map(|name| format!("surface {name} added"));
    let removed = compared.surfaces_removed.iter().map(|name| format!("surface {name} removed"));
    let mut lines: Vec<String> = knobs.chain(added).chain(removed).chain(compared.experiments.iter().cloned()).collect();
    if lines.len() > DIFF_LINES_MAX {
        let more = lines.len() - DIFF_LINES_MAX;
        lines.truncate(DIFF_LINES_MAX);
        lines.push(format!("and {more} more"));
    }
    lines
}

/// Whether an entry is what `wish` of `by` leads to.
pub(super) fn is_of(entry: &Entry, wish: &Wish, by: &By) -> bool {
    let is_it = match wish {
        Wish::Canary { set, share } => entry.action == Action::Canary && entry.to == *set && entry.share == Some(*share),
        Wish::All { set, .. } => entry.action == Action::Activate && entry.to == *set,
        Wish::RollBack => entry.action == Action::Rollback,
    };
    is_it && entry.reason == by.reason && entry.actor == by.actor
}
