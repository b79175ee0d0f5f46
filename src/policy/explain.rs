//! What a key means: the comments of `config/policies/balanced.toml`, read once, with the table of knobs.

use std::{collections::BTreeMap, sync::LazyLock};

use super::library::PRESETS;

/// What the annotated preset says of a key or section.
#[derive(Clone, Debug, Default, PartialEq)]
struct Note {
    /// The comment above it, as one paragraph.
    above: String,
    /// The value as written; empty for a section.
    value: String,
}

static NOTES: LazyLock<BTreeMap<String, Note>> = LazyLock::new(|| notes(PRESETS[1].1));

/// What the key means and which values it takes, as one paragraph.
pub fn about(key: &str) -> Option<&'static str> {
    NOTES.get(key).map(|note| note.above.as_str()).filter(|about| !about.is_empty())
}

/// The first sentence of [`about`], without its full stop.
pub(super) fn in_short(key: &str) -> Option<&'static str> {
    let about = about(key)?;
    let end = about.match_indices(". ").map(|(at, _)| at).next().unwrap_or(about.len());
    Some(about[..end].trim_end_matches('.'))
}

/// The comment above every key and section of an annotated file. Keys of surfaces and of lists' tables are left out.
fn notes(text: &str) -> BTreeMap<String, Note> {
    let mut notes = BTreeMap::new();
    let (mut section, mut comment) = (String::new(), Vec::new());
    for line in text.lines() {
        if let Some(words) = line.strip_prefix('#') {
            comment.push(words.trim());
            continue;
        }
        let above = std::mem::take(&mut comment).join(" ");
        if let Some(header) = line.strip_prefix('[') {
            section = header.split(']').next().unwrap_or_default().trim_start_matches('[').to_owned();
            let is_list = line.starts_with("[[");
            // Of several tables the text stands above the list, which is the comment before the first.
            if !is_list && !section.starts_with("surface") {
                notes.insert(section.clone(), Note { above, value: String::new() });
            } else if is_list {
                section = "[]".to_owned();
            }
        } else if let Some((key, value)) = line.split_once(" = ") {
            if section != "[]" && !section.starts_with("surface") {
                let dotted = if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") };
                notes.insert(dotted, Note { above, value: value.to_owned() });
            }
        } else if above.starts_with("Hard rules on the slate") {
            notes.insert("constraint".to_owned(), Note { above, value: String::new() });
        }
    }
    notes
}
