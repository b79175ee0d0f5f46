//! Reasons for people: whole sentences in every language, and the control that changes each. One place, so that code, sentence
//! and control cannot drift apart.

use std::{borrow::Cow, cell::RefCell};

use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use super::language::Language;
use crate::{
    catalogue::{Entry, Snapshot},
    domain::ItemId,
    rank::{Reason, ReasonCode},
};

/// Why the item is here.
#[derive(Serialize, ToSchema)]
#[schema(as = Reason)]
pub struct ReasonBody {
    /// `matches_topic follows_creator likes_creator similar_to fresh popular caller_relevance new_item surface_topic breadth new_to_you fallback`
    #[schema(examples("matches_topic"))]
    pub code: &'static str,
    /// What the code speaks of: `topic`, `creator`, `item`, `title`; `chance`, of a draw, as a fraction.
    #[serde(skip_serializing_if = "Params::is_empty")]
    #[schema(value_type = BTreeMap<String, String>)]
    pub params: Params,
    /// For people, in the language of `Accept-Language`: English, German or French.
    #[schema(value_type = String, examples("Because of your interest in science"))]
    pub text: Cow<'static, str>,
    /// The setting that changes it.
    #[schema(value_type = String, examples("topics.science"))]
    pub control: Cow<'static, str>,
}

/// A small map in the order of its keys: there are three at most.
#[derive(Default)]
pub struct Params(Vec<(&'static str, String)>);

impl Params {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn put(&mut self, key: &'static str, value: String) {
        let at = self.0.partition_point(|(other, _)| *other < key);
        self.0.insert(at, (key, value));
    }
}

impl Serialize for Params {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

/// The titles of what the person chose, which reasons of a page name again and again.
pub struct Titles<'a> {
    snapshot: &'a Snapshot,
    known: RefCell<Vec<(ItemId, Option<&'a str>)>>,
}

impl<'a> Titles<'a> {
    pub fn of(snapshot: &'a Snapshot) -> Self {
        Self { snapshot, known: RefCell::default() }
    }

    /// `None`: the item is gone.
    fn get(&self, id: &ItemId) -> Option<&'a str> {
        if let Some((_, title)) = self.known.borrow().iter().find(|(known, _)| known == id) {
            return *title;
        }
        let title = self.snapshot.find(id).and_then(|row| self.snapshot.entry(row)).map(|entry| entry.item.title.as_str());
        self.known.borrow_mut().push((id.clone(), title));
        title
    }
}

impl ReasonBody {
    /// `entry`: the item it is about, while that is in the catalogue.
    pub fn new(reason: &Reason, entry: Option<&Entry>, titles: &Titles, language: Language) -> Self {
        let mut params = Params::default();
        let creator = entry.and_then(|entry| entry.item.creator.as_ref());
        // What stands in the sentence.
        let mut about = None;
        match reason.code {
            ReasonCode::MatchesTopic | ReasonCode::NewToYou => {
                about = reason.topic.as_deref().or_else(|| heaviest_topic(entry));
                about.into_iter().for_each(|topic| params.put("topic", topic.to_owned()));
            }
            ReasonCode::FollowsCreator | ReasonCode::LikesCreator => {
                about = creator.map(|creator| creator.name.as_deref().unwrap_or(&creator.id));
                creator.into_iter().for_each(|creator| params.put("creator", creator.id.to_string()));
            }
            ReasonCode::SimilarTo => {
                let similar = reason.item.as_ref();
                about = similar.and_then(|id| titles.get(id));
                similar.into_iter().for_each(|id| params.put("item", id.to_string()));
                about.into_iter().for_each(|title| params.put("title", title.to_owned()));
            }
            _ => {}
        }
        let control = match (reason.code, about) {
            (ReasonCode::MatchesTopic, Some(topic)) => ["topics.", topic].concat().into(),
            (code, _) => control(code).into(),
        };
        let mut text = sentence(reason.code, language, about);
        if let Some(chance) = reason.chance.map(fraction) {
            text = format!("{text} ({} {chance})", probability(language)).into();
            params.put("chance", chance);
        }
        Self { code: reason.code.name(), params, text, control }
    }
}

/// A probability in (0, 1]: as one in so many, or in percent where it is not that to half a percent.
fn fraction(chance: f64) -> String {
    let one_in = (1.0 / chance).round().max(1.0);
    if (chance * one_in - 1.0).abs() < FRACTION_TOLERANCE {
        return format!("1/{one_in}");
    }
    let percent = 100.0 * chance;
    if percent < 10.0 { format!("{percent:.1} %") } else { format!("{percent:.0} %") }
}

const fn probability(language: Language) -> &'static str {
    match language {
        Language::English => "chance",
        Language::German => "Wahrscheinlichkeit",
        Language::French => "probabilité",
    }
}

fn heaviest_topic(entry: Option<&Entry>) -> Option<&str> {
    let topics = &entry?.item.topics;
    topics
        .iter()
        .fold(None, |best: Option<&(_, f32)>, t| if best.is_none_or(|b| t.1 > b.1) { Some(t) } else { best })
        .map(|(topic, _)| &**topic)
}

const fn control(code: ReasonCode) -> &'static str {
    match code {
        ReasonCode::MatchesTopic => "topics",
        ReasonCode::FollowsCreator => "follows",
        ReasonCode::LikesCreator => "creators",
        ReasonCode::SimilarTo => "interests",
        ReasonCode::Fresh => "recency",
        ReasonCode::Popular => "popularity",
        ReasonCode::CallerRelevance => "relevance",
        ReasonCode::NewItem => "uncertainty",
        ReasonCode::SurfaceTopic => "surface",
        ReasonCode::Breadth => "diversity",
        ReasonCode::NewToYou => "exploration",
        ReasonCode::Fallback => "profile",
    }
}

/// How far a probability may be from the fraction that stands for it, as a share of it.
const FRACTION_TOLERANCE: f64 = 0.005;
/// Stands in a sentence for what it speaks of.
const ABOUT: &str = "{}";

/// The whole sentence of a code. `about`: the topic, creator or title it speaks of, if that is known.
fn sentence(code: ReasonCode, language: Language, about: Option<&str>) -> Cow<'static, str> {
    let [named, unnamed] = sentences(code, language);
    match (about, named.split_once(ABOUT)) {
        (Some(about), Some((before, after))) => [before, about, after].concat().into(),
        _ => unnamed.into(),
    }
}

/// A code's sentence that names what it speaks of, and the one that does not.
const fn sentences(code: ReasonCode, language: Language) -> [&'static str; 2] {
    match language {
        Language::English => english(code),
        Language::German => german(code),
        Language::French => french(code),
    }
}

const fn english(code: ReasonCode) -> [&'static str; 2] {
    match code {
        ReasonCode::MatchesTopic => ["Because of your interest in {}", "Because of your interest in this"],
        ReasonCode::FollowsCreator => ["You follow {}", "You follow this creator"],
        ReasonCode::LikesCreator => ["You often choose {}", "You often choose this creator"],
        ReasonCode::SimilarTo => ["Similar to “{}”", "Similar to something you chose"],
        ReasonCode::Fresh => ["New"; 2],
        ReasonCode::Popular => ["Popular now"; 2],
        ReasonCode::CallerRelevance => ["Relevant to your request"; 2],
        ReasonCode::NewItem => ["Few have seen it yet"; 2],
        ReasonCode::SurfaceTopic => ["A topic of this feed"; 2],
        ReasonCode::Breadth => ["For variety: different from what stands above it"; 2],
        ReasonCode::NewToYou => ["Something new, picked by chance: {}", "Something new, picked by chance"],
        ReasonCode::Fallback => ["Nothing better is known yet"; 2],
    }
}

const fn german(code: ReasonCode) -> [&'static str; 2] {
    match code {
        ReasonCode::MatchesTopic => ["Weil dich das Thema „{}“ interessiert", "Weil dich das Thema interessiert"],
        ReasonCode::FollowsCreator => ["Du folgst {}", "Du folgst dem, von dem es kommt"],
        ReasonCode::LikesCreator => ["Du wählst oft {}", "Du wählst oft, was von dort kommt"],
        ReasonCode::SimilarTo => ["Ähnlich wie „{}“", "Ähnlich wie etwas, das du gewählt hast"],
        ReasonCode::Fresh => ["Neu"; 2],
        ReasonCode::Popular => ["Gerade beliebt"; 2],
        ReasonCode::CallerRelevance => ["Passt zu deiner Anfrage"; 2],
        ReasonCode::NewItem => ["Bisher haben es wenige gesehen"; 2],
        ReasonCode::SurfaceTopic => ["Ein Thema dieses Feeds"; 2],
        ReasonCode::Breadth => ["Zur Abwechslung: anders als das, was darüber steht"; 2],
        ReasonCode::NewToYou => ["Etwas Neues, zufällig gewählt: {}", "Etwas Neues, zufällig gewählt"],
        ReasonCode::Fallback => ["Noch ist nichts Besseres bekannt"; 2],
    }
}

const fn french(code: ReasonCode) -> [&'static str; 2] {
    match code {
        ReasonCode::MatchesTopic => ["Parce que le thème « {} » vous intéresse", "Parce que ce thème vous intéresse"],
        ReasonCode::FollowsCreator => ["Vous suivez {}", "Vous suivez cette source"],
        ReasonCode::LikesCreator => ["Vous choisissez souvent {}", "Vous choisissez souvent cette source"],
        ReasonCode::SimilarTo => ["Proche de « {} »", "Proche de ce que vous avez choisi"],
        ReasonCode::Fresh => ["Nouveau"; 2],
        ReasonCode::Popular => ["Populaire en ce moment"; 2],
        ReasonCode::CallerRelevance => ["En rapport avec votre demande"; 2],
        ReasonCode::NewItem => ["Peu de gens l’ont déjà vu"; 2],
        ReasonCode::SurfaceTopic => ["Un thème de ce fil"; 2],
        ReasonCode::Breadth => ["Pour varier : différent de ce qui précède"; 2],
        ReasonCode::NewToYou => ["Une nouveauté, choisie au hasard : {}", "Une nouveauté, choisie au hasard"],
        ReasonCode::Fallback => ["Rien de mieux n’est encore connu"; 2],
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_code_has_its_sentence_in_every_language() {
        let mut seen = BTreeSet::new();
        for language in Language::ALL {
            for code in ReasonCode::ALL {
                let [named, unnamed] = sentences(code, language);
                let speaks = named.matches(ABOUT).count();
                assert!(!unnamed.contains(['{', '}']) && !unnamed.is_empty() && speaks <= 1, "{code:?} {language:?}");
                assert_eq!(speaks, sentences(code, Language::English)[0].matches(ABOUT).count(), "the same in all: {code:?} {language:?}");
                assert_eq!(named == unnamed, speaks == 0, "{code:?} {language:?}");
                assert!(seen.insert(named) && (speaks == 0 || seen.insert(unnamed)), "said for something else too: {named}");
                assert!(!control(code).is_empty());
            }
        }
    }

    #[test]
    fn chances_are_told_as_one_in_so_many() {
        for (chance, told) in [(1.0, "1/1"), (0.5, "1/2"), (1.0 / 87.0, "1/87"), (0.3, "30 %"), (0.7, "70 %"), (1.0 / 12.4, "8.1 %")] {
            assert_eq!(fraction(chance), told);
        }
    }

    #[test]
    fn what_is_spoken_of_stands_in_the_sentence_as_it_is() {
        for language in Language::ALL {
            let text = sentence(ReasonCode::SimilarTo, language, Some("{} & {title}"));
            assert!(text.contains("{} & {title}"), "{text}");
            assert_eq!(sentence(ReasonCode::Fresh, language, Some("x")), sentence(ReasonCode::Fresh, language, None));
        }
    }
}
