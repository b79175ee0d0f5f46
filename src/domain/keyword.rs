//! Blocked keywords: words and phrases that no item a person is shown may say.
//!
//! Words are those of UAX #29, so that scripts without spaces have some, cut at everything that is neither letter nor digit
//! (`Smith's` is `smith` and `s`). Texts are compared in NFKC with their case folded, less what cannot be seen: however a word is
//! composed, cased or interrupted, it is one word. A phrase is its words in a row.

use std::{collections::HashMap, hash::BuildHasher};

use caseless::Caseless;
use foldhash::fast::FixedState;
use unicode_normalization::UnicodeNormalization;
use unicode_segmentation::UnicodeSegmentation;

use super::Item;

/// Most keywords a person blocks.
pub const MAX_BLOCKED_KEYWORDS: usize = 50;
pub const MIN_KEYWORD_CHARS: usize = 2;
pub const MAX_KEYWORD_CHARS: usize = 64;

/// Stands between two texts of an item: no phrase reaches over it.
const BREAK: u64 = 0;

/// Why a text cannot be blocked.
pub fn fault(text: &str) -> Option<String> {
    let chars = text.chars().count();
    if !(MIN_KEYWORD_CHARS..=MAX_KEYWORD_CHARS).contains(&chars) {
        return Some(format!("is {chars} characters long; expected {MIN_KEYWORD_CHARS} to {MAX_KEYWORD_CHARS}"));
    }
    // Of `c++` a lone `c` would be compared.
    let compared = words(text).map(|word| word.chars().count()).sum::<usize>();
    (compared < MIN_KEYWORD_CHARS).then(|| format!("has {compared} letters and digits, which are what is compared; expected at least 2"))
}

/// Whether two keywords block the same.
pub fn is_same(a: &str, b: &str) -> bool {
    words(a).eq(words(b))
}

/// The text as it is compared. Close to `toNFKC_Casefold` (The Unicode Standard, 3.13).
fn folded(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    text.chars().filter(|c| !is_unseen(*c)).nfkc().default_case_fold().nfkc().collect()
}

/// Soft hyphens, joiners, marks of direction, and the choice of a glyph: in a word they are nothing that a reader sees.
const fn is_unseen(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}')
}

fn words(text: &str) -> impl Iterator<Item = String> {
    let text = folded(text);
    let runs = text.unicode_words().flat_map(|word| word.split(|c: char| !c.is_alphanumeric()));
    runs.filter(|run| !run.is_empty()).map(str::to_owned).collect::<Vec<_>>().into_iter()
}

fn numbers(text: &str) -> impl Iterator<Item = u64> {
    words(text).map(|word| FixedState::default().hash_one(word).max(BREAK + 1))
}

/// The words an item says, as numbers: of its title, description, topics, creator's name and source. Free-form attributes
/// are not read.
pub fn words_of(item: &Item) -> Box<[u64]> {
    let single = [Some(item.title.as_str()), item.description.as_deref(), item.source.as_deref()];
    let name = item.creator.as_ref().and_then(|creator| creator.name.as_deref());
    let texts = single.into_iter().flatten().chain(name).chain(item.topics.iter().map(|(topic, _)| &**topic));
    texts.flat_map(|text| numbers(text).chain([BREAK])).collect()
}

/// Keywords made ready to look for in many items.
#[derive(Debug, Default)]
pub struct Keywords {
    /// By the first word of each.
    phrases: HashMap<u64, Vec<Box<[u64]>>, FixedState>,
}

impl Keywords {
    pub fn new<'a>(keywords: impl IntoIterator<Item = &'a String>) -> Self {
        let mut phrases: HashMap<u64, Vec<Box<[u64]>>, FixedState> = HashMap::default();
        for keyword in keywords {
            let phrase: Box<[u64]> = numbers(keyword).collect();
            if let Some(first) = phrase.first() {
                phrases.entry(*first).or_default().push(phrase);
            }
        }
        Self { phrases }
    }

    pub fn is_empty(&self) -> bool {
        self.phrases.is_empty()
    }

    /// Whether any of them stands in `said` ([`words_of`]).
    pub fn are_in(&self, said: &[u64]) -> bool {
        let starts = |at: usize| self.phrases.get(&said[at]).is_some_and(|phrases| phrases.iter().any(|p| said[at..].starts_with(p)));
        !self.is_empty() && (0..said.len()).any(starts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_in(keyword: &str, text: &str) -> bool {
        let said: Vec<u64> = numbers(text).collect();
        Keywords::new(&[keyword.to_owned()]).are_in(&said)
    }

    #[test]
    fn whole_words_in_any_case_and_script() {
        for (keyword, text) in [
            ("trump", "What Trump's lawyers said"),
            ("ÄRZTE", "Streik der Ärzte"),
            ("climate change", "On climate-change and us"),
            ("ai", "Is AI, after all, new?"),
            ("машина", "Новая МАШИНА времени"),
            ("战争", "关于战争的报道"),
            ("covid-19", "COVID 19: what is left"),
            ("u2", "U2 are back"),
            // Composed or not, wide or narrow, as a ligature, with its case folded.
            ("café", "Das cafe\u{301} am Platz"),
            ("cafe\u{301}", "Das Café am Platz"),
            ("straße", "DIE STRASSE"),
            ("ΣΊΣΥΦΟΣ", "ο Σίσυφος"),
            ("finale", "das ﬁnale"),
            ("covid", "ＣＯＶＩＤ in full width"),
            ("ガス", "ｶﾞｽの値段"),
            ("हिन्दी", "समाचार हिन्दी में"),
            ("한국", "한국 뉴스"),
            // What cannot be seen hides nothing.
            ("klima", "Kli\u{ad}ma und wir"),
            ("война", "во\u{200b}йна"),
            ("می\u{200c}خواهم", "میخواهم بدانم"),
        ] {
            assert!(is_in(keyword, text), "{keyword} in {text}");
        }
        for (keyword, text) in [
            ("trump", "A trumpet concert"),
            ("ai", "Said again"),
            ("climate change", "A change of climate"),
            ("climate change", "climate"),
            ("art", "Bart and Arthur"),
            ("cafe", "Das Café am Platz"),
            ("война", "военный"),
        ] {
            assert!(!is_in(keyword, text), "{keyword} in {text}");
        }
    }

    #[test]
    fn phrases_do_not_reach_from_one_text_into_the_next() {
        let said: Vec<u64> = numbers("the end of war").chain([BREAK]).chain(numbers("games")).collect();
        let found = |keyword: &str| Keywords::new(&[keyword.to_owned()]).are_in(&said);
        assert!(found("end of war") && found("games") && !found("war games"));
    }

    #[test]
    fn what_cannot_be_compared_is_refused() {
        for sound in ["ai", "climate change", "战争", &"x".repeat(64)] {
            assert_eq!(fault(sound), None, "{sound}");
        }
        for wrong in ["", "a", "c++", "--", "🎉🎉", &"x".repeat(65)] {
            assert!(fault(wrong).is_some(), "{wrong}");
        }
    }
}
