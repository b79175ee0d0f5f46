//! The words the demo catalogue is made of: twelve topics with eight subtopics each, titles and descriptions.
//!
//! A topic's table has one subtopic per line: `slug | English phrases ; … | German | French | Spanish`. Phrases are put
//! into titles for `{s}` (`{S}` capitalised), so they carry their article and no verb may have to agree with them.
//! German nouns stand without article, French and Spanish ones are singular.

mod life;
mod public;
mod stories;

pub use stories::{DESCRIPTIONS, PLACES, TITLES_DE, TITLES_ES, TITLES_FR};

/// One main topic.
pub struct TopicWords {
    pub name: &'static str,
    /// Opinions differ by side: its items have a viewpoint.
    pub civic: bool,
    /// Another main topic some items also belong to.
    pub related: &'static str,
    /// Eight lines, see the module.
    pub subtopics: &'static str,
    /// English titles, one per line.
    pub titles: &'static str,
}

/// The main topics, in the order creators are dealt out to them.
pub const TOPICS: [TopicWords; 12] = [
    public::SCIENCE,
    public::POLITICS,
    life::SPORT,
    life::CULTURE,
    public::TECHNOLOGY,
    public::WORLD,
    life::FOOD,
    public::ECONOMY,
    life::HEALTH,
    public::ENVIRONMENT,
    life::TRAVEL,
    public::EDUCATION,
];

/// The languages of the catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    English,
    German,
    French,
    Spanish,
}

impl Language {
    pub const ALL: [Language; 4] = [Self::English, Self::German, Self::French, Self::Spanish];

    /// BCP 47.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
            Self::French => "fr",
            Self::Spanish => "es",
        }
    }
}

/// A subtopic's line, taken apart.
pub struct Subtopic {
    pub slug: &'static str,
    english: Vec<&'static str>,
    german: &'static str,
    french: &'static str,
    spanish: &'static str,
}

impl Subtopic {
    /// The phrases that stand for it in `language`; never empty.
    pub fn phrases(&self, language: Language) -> &[&'static str] {
        match language {
            Language::English => &self.english,
            Language::German => std::slice::from_ref(&self.german),
            Language::French => std::slice::from_ref(&self.french),
            Language::Spanish => std::slice::from_ref(&self.spanish),
        }
    }
}

impl TopicWords {
    pub fn subtopics(&self) -> Vec<Subtopic> {
        lines(self.subtopics)
            .map(|line| {
                let mut cells = line.split('|').map(str::trim);
                let mut cell = || cells.next().unwrap_or_default();
                Subtopic {
                    slug: cell(),
                    english: cell().split(';').map(str::trim).collect(),
                    german: cell(),
                    french: cell(),
                    spanish: cell(),
                }
            })
            .collect()
    }

    pub fn titles(&self, language: Language) -> Vec<&'static str> {
        lines(match language {
            Language::English => self.titles,
            Language::German => TITLES_DE,
            Language::French => TITLES_FR,
            Language::Spanish => TITLES_ES,
        })
        .collect()
    }
}

/// The lines of a table that hold something.
pub fn lines(table: &'static str) -> impl Iterator<Item = &'static str> {
    table.lines().map(str::trim).filter(|line| !line.is_empty())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn tables_are_complete() {
        let mut slugs = BTreeSet::new();
        for topic in &TOPICS {
            assert!(TOPICS.iter().any(|t| t.name == topic.related), "{}", topic.name);
            let subtopics = topic.subtopics();
            assert_eq!(subtopics.len(), 8, "{}", topic.name);
            assert!(topic.titles(Language::English).len() >= 12, "{}", topic.name);
            for subtopic in subtopics {
                assert!(slugs.insert(subtopic.slug), "{} twice", subtopic.slug);
                assert_eq!(subtopic.phrases(Language::English).len(), 5, "{}", subtopic.slug);
                for language in Language::ALL {
                    assert!(subtopic.phrases(language).iter().all(|p| !p.is_empty()), "{}", subtopic.slug);
                }
            }
        }
    }

    #[test]
    fn templates_name_known_holes_only() {
        let tables = TOPICS.iter().map(|t| t.titles).chain([TITLES_DE, TITLES_ES, TITLES_FR]).chain(DESCRIPTIONS);
        for line in tables.flat_map(lines) {
            let rest = ["{s}", "{S}", "{p}", "{n}", "{c}"].iter().fold(line.to_owned(), |text, hole| text.replace(hole, ""));
            assert!(!rest.contains(['{', '}']), "{line}");
        }
    }
}
