//! The notices people decide on, each addressed by the hash of its text: a record names exactly what was shown.

use std::{collections::BTreeMap, fs, path::Path, sync::LazyLock};

use super::{
    form::Form,
    lint::{Finding, lint},
};

/// Of the shipped forms, and of a folder's where it has it.
const USUAL_LANGUAGE: &str = "en";
const SHIPPED: [(&str, &str); 3] = [
    ("form.en.toml", include_str!("../../config/consent/form.en.toml")),
    ("form.de.toml", include_str!("../../config/consent/form.de.toml")),
    ("form.fr.toml", include_str!("../../config/consent/form.fr.toml")),
];

/// A form and the text it shows. Its text never changes: another text is another notice.
#[derive(Clone, Debug)]
pub struct Notice {
    /// `b3:` and the 64 hex digits of the text's BLAKE3.
    pub hash: String,
    pub form: Form,
    pub text: String,
}

/// Every notice that records may name.
#[derive(Clone, Debug)]
pub struct Notices {
    /// To show: one for each language, never empty.
    current: BTreeMap<String, Notice>,
    usual: Notice,
    /// Not shown any more.
    earlier: Vec<Notice>,
}

/// Why forms are not shown to anybody.
#[derive(Debug, thiserror::Error)]
pub enum FormsRefused {
    #[error("{0}: {1}")]
    Unread(String, String),
    #[error("there is no form in {0}; expected files `form.<language>.toml`")]
    NoForm(String),
    #[error("the forms do not ask fairly:\n{}", .0.iter().map(|finding| format!("  {finding}")).collect::<Vec<_>>().join("\n"))]
    Unfair(Vec<Finding>),
}

/// The address of what stands for a notice where no person was shown one: the browser spoke for them.
pub static GPC_NOTICE: LazyLock<String> = LazyLock::new(|| address(GPC_TEXT));
/// What is at [`GPC_NOTICE`].
pub const GPC_TEXT: &str = include_str!("../../config/consent/gpc.en.txt");

/// The address of what stands for a notice where a person unsubscribed by the link of a mail.
pub static UNSUBSCRIBE_NOTICE: LazyLock<String> = LazyLock::new(|| address(UNSUBSCRIBE_TEXT));
/// What is at [`UNSUBSCRIBE_NOTICE`].
pub const UNSUBSCRIBE_TEXT: &str = include_str!("../../config/consent/unsubscribe.en.txt");

fn address(text: &str) -> String {
    format!("b3:{}", blake3::hash(text.as_bytes()).to_hex())
}

impl Notice {
    fn new(form: Form) -> Self {
        let text = form.notice();
        Self { hash: address(&text), form, text }
    }
}

impl Notices {
    /// Errors: none, as a test shows; the forms are read as any others.
    pub fn shipped() -> Result<Self, FormsRefused> {
        Self::of(SHIPPED.map(|(name, text)| (name.to_owned(), text.to_owned())).into(), "the program")
    }

    /// The forms of a folder; the shipped ones where `folder` is empty. `form.<language>.toml` is shown, any other `.toml` is an
    /// earlier form that records still name. Errors: [`FormsRefused`], with every fault.
    pub fn load(folder: &Path) -> Result<Self, FormsRefused> {
        if folder.as_os_str().is_empty() {
            return Self::shipped();
        }
        let unread = |path: &Path, error: std::io::Error| FormsRefused::Unread(path.display().to_string(), error.to_string());
        let mut files = Vec::new();
        for entry in fs::read_dir(folder).map_err(|error| unread(folder, error))? {
            let path = entry.map_err(|error| unread(folder, error))?.path();
            if path.extension().is_some_and(|extension| extension == "toml") {
                let text = fs::read_to_string(&path).map_err(|error| unread(&path, error))?;
                files.push((path.file_name().unwrap_or_default().to_string_lossy().into_owned(), text));
            }
        }
        files.sort();
        Self::of(files, &folder.display().to_string())
    }

    fn of(files: Vec<(String, String)>, from: &str) -> Result<Self, FormsRefused> {
        let (mut current, mut earlier) = (BTreeMap::new(), Vec::new());
        for (name, text) in files {
            let form = Form::read(&text).map_err(|detail| FormsRefused::Unread(name.clone(), detail))?;
            if name == format!("form.{}.toml", form.language) {
                current.insert(form.language.clone(), Notice::new(form));
            } else {
                earlier.push(Notice::new(form));
            }
        }
        // What was shown was shown: only what will be is checked.
        let forms: Vec<Form> = current.values().map(|notice| notice.form.clone()).collect();
        let findings = lint(&forms);
        if !findings.is_empty() {
            return Err(FormsRefused::Unfair(findings));
        }
        let usual = current.get(USUAL_LANGUAGE).or_else(|| current.values().next()).cloned();
        let usual = usual.ok_or_else(|| FormsRefused::NoForm(from.to_owned()))?;
        Ok(Self { current, usual, earlier })
    }

    /// What to show, by language.
    pub fn shown(&self) -> impl Iterator<Item = &Notice> {
        self.current.values()
    }

    /// What to show in `language`, or in the usual one where there is none.
    pub fn current(&self, language: Option<&str>) -> &Notice {
        language.and_then(|language| self.current.get(language)).unwrap_or(&self.usual)
    }

    /// The notice at `hash`, shown now or earlier.
    pub fn at(&self, hash: &str) -> Option<&Notice> {
        self.current.values().chain(&self.earlier).find(|notice| notice.hash == hash)
    }
}
