//! Where policies are found: the presets compiled in, a folder of files, and the policy in force.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    PolicySet,
    code::Code,
    finding::{Finding, Findings, Severity},
    load,
    text::Text,
};
use crate::domain::suggest::closest;

/// Longest policy file read, in bytes.
pub const MAX_POLICY_BYTES: u64 = 256 * 1024;
/// The name of the policy in force, where there is one.
pub const ACTIVE: &str = "active";

/// The presets, by name: from least to most variety.
pub const PRESETS: [(&str, &str); 3] = [
    ("relevance-first", include_str!("../../config/policies/relevance-first.toml")),
    ("balanced", include_str!("../../config/policies/balanced.toml")),
    ("discovery", include_str!("../../config/policies/discovery.toml")),
];

/// What a policy file may extend, and what a command may name.
#[derive(Clone, Debug, Default)]
pub struct Library {
    /// Files of this folder, by name without `.toml`.
    folder: Option<PathBuf>,
    active: Option<Arc<PolicySet>>,
    /// By name; before presets and files.
    own: BTreeMap<String, Arc<str>>,
}

impl Library {
    /// The presets alone.
    pub fn presets() -> Self {
        Self::default()
    }

    /// The presets and the files beside `file`.
    pub fn beside(file: &Path) -> Self {
        Self { folder: Some(file.parent().map_or_else(PathBuf::new, Path::to_owned)), ..Self::default() }
    }

    /// The same, with `active` standing for the policy in force.
    #[must_use]
    pub fn with_active(self, active: Arc<PolicySet>) -> Self {
        Self { active: Some(active), ..self }
    }

    /// The same, with what came along with a policy, by name.
    #[must_use]
    pub fn with_own(self, own: BTreeMap<String, Arc<str>>) -> Self {
        Self { own, ..self }
    }

    pub fn active(&self) -> Option<&Arc<PolicySet>> {
        self.active.as_ref()
    }

    /// The policy of that name: the one in force, a preset, or a file of the folder. Errors: every finding.
    pub fn load(&self, name: &str) -> Result<Arc<PolicySet>, Findings> {
        if let Some(active) = self.active.as_ref().filter(|_| name == ACTIVE) {
            return Ok(Arc::clone(active));
        }
        let text = self.find(name).map_err(|(message, help)| {
            let mut findings = Findings::default();
            findings.add(Finding::new(Severity::Error, Code::Extends, "", message).help(help));
            findings
        })?;
        load(&text, self).map(Arc::new)
    }

    /// What `extends = "name"` stands for. Errors: what is wrong, and what to do.
    pub(super) fn find(&self, name: &str) -> Result<Text, (String, String)> {
        if let Some(text) = self.own.get(name) {
            return Ok(Text::new(name, Arc::clone(text)));
        }
        if let Some(preset) = preset(name) {
            return Ok(preset);
        }
        let known = self.names();
        let unknown = || {
            let meant = did_you_mean(name, known.iter().map(String::as_str));
            let help = if meant.is_empty() { format!("there are {}", known.join(", ")) } else { meant };
            (format!("there is no policy \"{}\" to be found here", shown(name)), help)
        };
        // A name, never a path: a draft sent to a server must not reach other files.
        let folder = self.folder.as_ref().filter(|_| is_file_name(name)).ok_or_else(unknown)?;
        let file = folder.join(format!("{name}.toml"));
        if !file.is_file() {
            return Err(unknown());
        }
        read(&file).map_err(|message| (message, String::new()))
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = PRESETS.iter().map(|(name, _)| (*name).to_owned()).collect();
        names.extend(self.own.keys().filter(|name| preset(name).is_none()).cloned());
        names.extend(self.active.as_ref().map(|_| ACTIVE.to_owned()));
        if let Some(folder) = &self.folder
            && let Ok(entries) = std::fs::read_dir(if folder.as_os_str().is_empty() { Path::new(".") } else { folder })
        {
            let files = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
            let mut files: Vec<String> =
                files.filter_map(|file| file.strip_suffix(".toml").filter(|name| is_file_name(name)).map(str::to_owned)).collect();
            files.retain(|file| !names.contains(file));
            files.sort();
            names.extend(files);
        }
        names
    }
}

/// A preset's text.
pub fn preset(name: &str) -> Option<Text> {
    PRESETS.iter().find(|(preset, _)| *preset == name).map(|(name, text)| Text::new(*name, *text))
}

/// The text of a preset or file, and what it may extend. Anything that is not a preset's name is a path.
pub fn open(what: &str) -> Result<(Text, Library), Findings> {
    if let Some(preset) = preset(what) {
        return Ok((preset, Library::presets()));
    }
    let path = Path::new(what);
    let text = read(path).map_err(|message| {
        let mut findings = Findings::default();
        let help = did_you_mean(what, PRESETS.map(|(name, _)| name));
        findings.add(Finding::new(Severity::Error, Code::Unreadable, "", message).help(help));
        findings
    })?;
    Ok((text, Library::beside(path)))
}

/// Errors: why it cannot be read.
fn read(file: &Path) -> Result<Text, String> {
    use std::io::Read;
    let name = file.display().to_string();
    let mut bytes = Vec::new();
    // Opening a pipe waits for whoever writes into it, for ever.
    if std::fs::metadata(file).is_ok_and(|metadata| !metadata.is_file()) {
        return Err(format!("{name} is not a regular file"));
    }
    let opened = std::fs::File::open(file).and_then(|file| file.take(MAX_POLICY_BYTES + 1).read_to_end(&mut bytes));
    opened.map_err(|error| format!("{name} cannot be read: {error}"))?;
    if bytes.len() as u64 > MAX_POLICY_BYTES {
        return Err(format!("{name} is longer than {} KiB", MAX_POLICY_BYTES / 1024));
    }
    let text = String::from_utf8(bytes).map_err(|error| format!("{name} is not UTF-8 text: byte {}", error.utf8_error().valid_up_to()))?;
    Ok(Text::new(name, text))
}

/// As a policy's id: 1 to 64 of a-z, 0-9 and -.
pub(super) fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// As the name of a file without `.toml`: a name, or one with `_`.
fn is_file_name(text: &str) -> bool {
    is_name(&text.replace('_', "-"))
}

/// ``did you mean `x`?``, or nothing.
pub(super) fn did_you_mean<'a>(text: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    closest(text, names).map(|meant| format!("did you mean `{meant}`?")).unwrap_or_default()
}

/// Longest part of a value repeated in a message, in characters.
const SHOWN_MAX_CHARS: usize = 60;

/// Cut to what a message can hold, on one line.
pub(super) fn shown(text: &str) -> String {
    let plain = |c: char| if c.is_control() { '�' } else { c };
    if text.chars().count() <= SHOWN_MAX_CHARS {
        return text.chars().map(plain).collect();
    }
    text.chars().take(SHOWN_MAX_CHARS).map(plain).chain(['…']).collect()
}
