//! Whether a consent form asks fairly. The rules are those regulators fined for: CNIL's decisions on refusal buttons (2021,
//! 2022), EDPB Guidelines 05/2020 on consent and 03/2022 on deceptive patterns.

use std::collections::BTreeSet;

use super::form::{Action, Component, Does, Emphasis, Form};
use crate::domain::consent::Purpose;

/// Most words of one purpose's text.
pub const MAX_PURPOSE_WORDS: usize = 40;
/// Longer words count as hard in [`lix`], in letters.
const LONG_WORD_LETTERS: usize = 6;

/// What is unfair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// Refusing is not as easy as accepting: another screen, component, emphasis or number of ways.
    UnequalChoices,
    /// The refusal does not say that it refuses.
    UnclearRefusal,
    /// Choices are told apart by colour alone.
    ColourOnly,
    PreTicked,
    /// One switch for several purposes.
    BundledPurposes,
    /// A purpose that is not one, stands twice, or is in one language only.
    Purposes,
    LongText,
    HardToRead,
    EmotionalWords,
    Countdown,
}

impl Rule {
    pub const fn name(self) -> &'static str {
        match self {
            Self::UnequalChoices => "unequal_choices",
            Self::UnclearRefusal => "unclear_refusal",
            Self::ColourOnly => "colour_only",
            Self::PreTicked => "pre_ticked",
            Self::BundledPurposes => "bundled_purposes",
            Self::Purposes => "purposes",
            Self::LongText => "long_text",
            Self::HardToRead => "hard_to_read",
            Self::EmotionalWords => "emotional_words",
            Self::Countdown => "countdown",
        }
    }
}

/// One fault of a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub language: String,
    /// As in the file: `toggle[2].text`.
    pub key: String,
    pub rule: Rule,
    pub detail: String,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}: {} [{}]", self.language, self.key, self.detail, self.rule.name())
    }
}

/// Words that stand for a refusal and words that press, by language; forms in other languages are not checked for words.
struct Words {
    language: &'static str,
    refusing: &'static [&'static str],
    pressing: &'static [&'static str],
    /// Highest [`lix`]: about what a daily newspaper has in the language.
    max_lix: f64,
}

const WORDS: [Words; 3] = [
    Words {
        language: "en",
        refusing: &["refuse", "reject", "decline", "no"],
        pressing: &["please", "sorry", "unfortunately", "miss", "lose", "best", "amazing", "love", "hurry", "only"],
        max_lix: 45.0,
    },
    Words {
        language: "de",
        refusing: &["ablehnen", "verweigern", "nein"],
        pressing: &["bitte", "leider", "schade", "verpassen", "verlieren", "beste", "besten", "tolle", "lieben", "nur"],
        max_lix: 55.0,
    },
    Words {
        language: "fr",
        refusing: &["refuser", "rejeter", "non"],
        pressing: &["hélas", "malheureusement", "dommage", "manquer", "perdre", "meilleur", "meilleure", "adorer", "vite", "seulement"],
        max_lix: 50.0,
    },
];

/// Every fault of every form, and where they differ from each other.
pub fn lint(forms: &[Form]) -> Vec<Finding> {
    let mut found: Vec<Finding> = forms.iter().flat_map(lint_one).collect();
    let all: BTreeSet<&str> = forms.iter().flat_map(purposes).collect();
    for form in forms {
        let own: BTreeSet<&str> = purposes(form).collect();
        for missing in all.difference(&own) {
            found.push(finding(form, "toggle", Rule::Purposes, format!("has no switch for `{missing}`, which another language has")));
        }
    }
    found
}

fn purposes(form: &Form) -> impl Iterator<Item = &str> {
    form.toggle.iter().flat_map(|toggle| &toggle.purposes).map(String::as_str)
}

fn finding(form: &Form, key: impl Into<String>, rule: Rule, detail: impl Into<String>) -> Finding {
    Finding { language: form.language.clone(), key: key.into(), rule, detail: detail.into() }
}

fn lint_one(form: &Form) -> Vec<Finding> {
    let mut found = Vec::new();
    choices(form, &mut found);
    toggles(form, &mut found);
    words(form, &mut found);
    if form.countdown_secs.is_some() {
        found.push(finding(form, "countdown_secs", Rule::Countdown, "gives a time to decide; expected none"));
    }
    found
}

fn choices(form: &Form, found: &mut Vec<Finding>) {
    let ways = |does: Does| form.action.iter().filter(move |action| action.does == does);
    let looks = |action: &Action| (action.screen, action.component == Component::Link, action.emphasis == Emphasis::None);
    let mut accepting: Vec<_> = ways(Does::AcceptAll).map(looks).collect();
    let mut refusing: Vec<_> = ways(Does::RefuseAll).map(looks).collect();
    accepting.sort_unstable();
    refusing.sort_unstable();
    if accepting != refusing || refusing.is_empty() {
        let detail = format!(
            "{} to accept and {} to refuse; expected as many of both, at least one, on the same screens, of the same component and emphasis",
            accepting.len(),
            refusing.len()
        );
        found.push(finding(form, "action", Rule::UnequalChoices, detail));
    }
    for (index, action) in form.action.iter().enumerate().filter(|(_, action)| action.emphasis == Emphasis::Colour) {
        let detail = format!("`{}` is set apart by colour alone; not everybody sees it", action.label);
        found.push(finding(form, format!("action[{index}].emphasis"), Rule::ColourOnly, detail));
    }
}

fn toggles(form: &Form, found: &mut Vec<Finding>) {
    let mut known = BTreeSet::new();
    for (index, toggle) in form.toggle.iter().enumerate() {
        let key = |field: &str| format!("toggle[{index}].{field}");
        if toggle.purposes.len() != 1 {
            let detail = format!("has {} purposes; expected one, so that each is decided on its own", toggle.purposes.len());
            found.push(finding(form, key("purposes"), Rule::BundledPurposes, detail));
        }
        for purpose in &toggle.purposes {
            if Purpose::parse(purpose).is_none() {
                let names = Purpose::ALL.map(Purpose::name).join(", ");
                found.push(finding(form, key("purposes"), Rule::Purposes, format!("`{purpose}` is no purpose; expected one of {names}")));
            } else if !known.insert(purpose.as_str()) {
                found.push(finding(form, key("purposes"), Rule::Purposes, format!("`{purpose}` has a switch already")));
            }
        }
        if toggle.pre_ticked {
            found.push(finding(form, key("pre_ticked"), Rule::PreTicked, "is on before the person touches it; expected off"));
        }
        let count = toggle.text.split_whitespace().count();
        if !(1..=MAX_PURPOSE_WORDS).contains(&count) {
            found.push(finding(form, key("text"), Rule::LongText, format!("has {count} words; expected 1 to {MAX_PURPOSE_WORDS}")));
        }
    }
}

fn words(form: &Form, found: &mut Vec<Finding>) {
    let Some(words) = WORDS.iter().find(|words| form.language.split('-').next() == Some(words.language)) else { return };
    for (index, action) in form.action.iter().enumerate().filter(|(_, action)| action.does == Does::RefuseAll) {
        if !spoken(&action.label).any(|word| words.refusing.contains(&word.as_str())) {
            let detail = format!("`{}` does not say that it refuses; expected one of {}", action.label, words.refusing.join(", "));
            found.push(finding(form, format!("action[{index}].label"), Rule::UnclearRefusal, detail));
        }
    }
    for (key, text) in texts(form) {
        for word in spoken(text).filter(|word| words.pressing.contains(&word.as_str())) {
            found.push(finding(form, &key, Rule::EmotionalWords, format!("`{word}` presses; say it plainly")));
        }
    }
    let all: Vec<&str> = [form.intro.as_str()].into_iter().chain(form.toggle.iter().map(|t| t.text.as_str())).collect();
    let lix = lix(&all.join(" "));
    if lix > words.max_lix {
        let detail = format!("reads at a LIX of {lix:.0}; expected at most {:.0}: shorter words and sentences", words.max_lix);
        found.push(finding(form, "toggle", Rule::HardToRead, detail));
    }
}

/// Everything a person reads, by its key.
fn texts(form: &Form) -> Vec<(String, &str)> {
    let mut texts: Vec<(String, &str)> = [("title", &form.title), ("intro", &form.intro), ("closing", &form.closing)]
        .map(|(key, text)| (key.to_owned(), text.as_str()))
        .into();
    for (index, toggle) in form.toggle.iter().enumerate() {
        texts.push((format!("toggle[{index}].label"), &toggle.label));
        texts.push((format!("toggle[{index}].text"), &toggle.text));
    }
    texts.extend(form.action.iter().enumerate().map(|(index, action)| (format!("action[{index}].label"), action.label.as_str())));
    texts
}

fn spoken(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase)
}

/// How hard a text is to read, in any language with spaces: words per sentence and the percentage of words of more than 6
/// letters, added (Björnsson 1968, LIX). About 20 for a picture book, 40 for a newspaper, 60 for a law.
pub fn lix(text: &str) -> f64 {
    let words: Vec<String> = spoken(text).collect();
    let sentences = text.split(['.', ':', ';', '!', '?']).filter(|sentence| spoken(sentence).next().is_some()).count();
    let long = words.iter().filter(|word| word.chars().count() > LONG_WORD_LETTERS).count();
    let count = words.len().max(1) as f64;
    count / sentences.max(1) as f64 + 100.0 * long as f64 / count
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consent::Notices;

    fn sound() -> Form {
        Notices::shipped().unwrap().current(Some("en")).form.clone()
    }

    fn found(change: impl FnOnce(&mut Form)) -> Vec<(String, Rule)> {
        let mut form = sound();
        change(&mut form);
        lint(&[form]).into_iter().map(|finding| (finding.key, finding.rule)).collect()
    }

    #[test]
    fn every_rule_finds_its_fault_and_nothing_else() {
        assert_eq!(found(|_| {}), []);
        let one = |key: &str, rule: Rule| vec![(key.to_owned(), rule)];
        assert_eq!(found(|f| f.action[1].screen = 2), one("action", Rule::UnequalChoices));
        assert_eq!(found(|f| f.action[1].component = Component::Link), one("action", Rule::UnequalChoices));
        assert_eq!(found(|f| f.action[0].emphasis = Emphasis::Primary), one("action", Rule::UnequalChoices));
        assert_eq!(found(|f| drop(f.action.remove(1))), one("action", Rule::UnequalChoices));
        assert_eq!(found(|f| f.action.retain(|a| a.does == Does::SaveChoices)), one("action", Rule::UnequalChoices));
        assert_eq!(found(|f| f.action[1].label = "Continue without accepting".into()), one("action[1].label", Rule::UnclearRefusal));
        assert_eq!(found(|f| f.action[2].emphasis = Emphasis::Colour), one("action[2].emphasis", Rule::ColourOnly));
        assert_eq!(found(|f| f.toggle[3].pre_ticked = true), one("toggle[3].pre_ticked", Rule::PreTicked));
        assert_eq!(found(|f| f.toggle[1].purposes[0] = "fun".into()), one("toggle[1].purposes", Rule::Purposes));
        assert_eq!(found(|f| f.toggle[1].purposes[0] = "measure".into()), one("toggle[2].purposes", Rule::Purposes));
        assert_eq!(found(|f| f.toggle[4].text = "a b ".repeat(21)), one("toggle[4].text", Rule::LongText));
        assert_eq!(found(|f| f.closing = "Sorry to see you go.".into()), one("closing", Rule::EmotionalWords));
        assert_eq!(found(|f| f.countdown_secs = Some(10)), one("countdown_secs", Rule::Countdown));
        let bundled = found(|f| {
            let second = f.toggle.remove(1).purposes.remove(0);
            f.toggle[0].purposes.push(second);
        });
        assert_eq!(bundled, one("toggle[0].purposes", Rule::BundledPurposes));
        let stilted = "Personalisation functionality necessitates comprehensive consideration";
        assert_eq!(found(|f| f.toggle.iter_mut().for_each(|t| t.text = stilted.into())), one("toggle", Rule::HardToRead));
    }

    #[test]
    fn languages_ask_the_same() {
        let (english, mut other) = (sound(), sound());
        other.language = "pt".into();
        let gone = other.toggle.remove(5).purposes.remove(0);
        let findings = lint(&[english, other]);
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!((findings[0].language.as_str(), findings[0].rule), ("pt", Rule::Purposes));
        assert!(findings[0].detail.contains(&gone));
    }

    #[test]
    fn lix_of_a_worked_text() {
        // 9 words, 2 sentences, 2 words of more than 6 letters: 4.5 + 22.2.
        assert!((lix("The cat sat. Researchers observed it for a while.") - (4.5 + 100.0 * 2.0 / 9.0)).abs() < 1e-9);
    }
}
