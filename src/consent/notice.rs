//! The notices people decide on, each addressed by the hash of its text: a record names exactly what was shown.

use std::sync::LazyLock;

/// A notice. Its text never changes: another text is another notice.
#[derive(Debug)]
pub struct Notice {
    /// `b3:` and the 64 hex digits of the text's BLAKE3.
    pub hash: String,
    pub language: &'static str,
    pub text: &'static str,
}

impl Notice {
    fn new(language: &'static str, text: &'static str) -> Self {
        Self { hash: format!("b3:{}", blake3::hash(text.as_bytes()).to_hex()), language, text }
    }

    /// The notice at `hash`.
    pub fn at(hash: &str) -> Option<&'static Self> {
        [&*CURRENT, &*GPC].into_iter().find(|notice| notice.hash == hash)
    }
}

/// What stands for a notice where no person was shown one: the browser spoke for them.
pub static GPC: LazyLock<Notice> = LazyLock::new(|| Notice::new("en", include_str!("../../config/consent/gpc.en.txt")));

/// The notice to show. A new one is added, and the old ones stay: records name them.
pub static CURRENT: LazyLock<Notice> = LazyLock::new(|| Notice::new("en", include_str!("../../config/consent/notice.en.txt")));
