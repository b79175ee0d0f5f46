//! Counterfactuals for people: one whole sentence each, in every language, and the setting it is about.

use serde::Serialize;
use utoipa::ToSchema;

use super::language::Language;
use crate::rank::{
    Feature,
    explain::{Change, Counterfactual},
};

/// With `change` at `to` instead of `from`, the item would not have come at its position or before.
#[derive(Serialize, ToSchema)]
#[schema(as = Counterfactual)]
pub struct CounterfactualBody {
    /// A factor of the item's own score, or `diversity`: the dial, within what the operator allows.
    #[schema(examples("diversity"))]
    pub change: &'static str,
    pub from: f64,
    pub to: f64,
    /// Here it still came as early: a hundredth of the change away from `to`, and what rounding `to` to three decimals adds.
    pub keeps: f64,
    /// For people, in the language of `Accept-Language`: English, German or French.
    #[schema(examples("With “diversity” at 0.42 instead of 0.35 it would have come later"))]
    pub text: String,
}

impl CounterfactualBody {
    pub fn new(found: &Counterfactual, language: Language) -> Self {
        let Counterfactual { change, from, to, keeps } = *found;
        Self { change: change.name(), from, to, keeps, text: sentence(change, from, to, language) }
    }
}

fn sentence(change: Change, from: f64, to: f64, language: Language) -> String {
    let (from, to) = (number(from, language), number(to, language));
    let what = label(change, language);
    match language {
        Language::English => format!("With “{what}” at {to} instead of {from} it would have come later"),
        Language::German => format!("Mit „{what}“ bei {to} statt {from} wäre es später gekommen"),
        Language::French => format!("Avec « {what} » à {to} au lieu de {from}, il serait venu plus tard"),
    }
}

/// Three decimals at most, as the language writes them.
fn number(value: f64, language: Language) -> String {
    let text = format!("{value:.3}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if language == Language::English { text.to_owned() } else { text.replace('.', ",") }
}

/// What a change is of, as a heading.
const fn label(change: Change, language: Language) -> &'static str {
    let [english, german, french] = match change {
        Change::Diversity => ["diversity", "Vielfalt", "diversité"],
        Change::Part(feature) => labels(feature),
    };
    match language {
        Language::English => english,
        Language::German => german,
        Language::French => french,
    }
}

/// In English, German and French.
const fn labels(feature: Feature) -> [&'static str; 3] {
    match feature {
        Feature::Interest => ["likeness to your interests", "Nähe zu deinen Interessen", "proximité de vos intérêts"],
        Feature::Topic => ["your topics", "deine Themen", "vos thèmes"],
        Feature::Creator => ["creators you choose", "Quellen, die du wählst", "sources que vous choisissez"],
        Feature::Follow => ["creators you follow", "Quellen, denen du folgst", "sources que vous suivez"],
        Feature::Recency => ["newness", "Neuheit", "nouveauté"],
        Feature::Popularity => ["popularity", "Beliebtheit", "popularité"],
        Feature::Relevance => ["relevance to your request", "Bezug zu deiner Anfrage", "rapport avec votre demande"],
        Feature::LessLike => ["less of this", "weniger davon", "moins de cela"],
        Feature::Repetition => ["repetition", "Wiederholung", "répétition"],
        Feature::Uncertainty => ["seldom seen", "selten gesehen", "rarement vu"],
        Feature::Prior => ["topics of this feed", "Themen dieses Feeds", "thèmes de ce fil"],
        Feature::Impressions => ["passed over", "übergangen", "passé sans l’ouvrir"],
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_change_has_its_sentence_in_every_language() {
        let changes: Vec<Change> = Feature::ALL.into_iter().map(Change::Part).chain([Change::Diversity]).collect();
        let mut seen = BTreeSet::new();
        for language in Language::ALL {
            for change in &changes {
                let text = sentence(*change, 0.35, 0.0625, language);
                let [from, to] = if language == Language::English { ["0.35", "0.06"] } else { ["0,35", "0,06"] };
                assert!(text.contains(from) && text.contains(to) && text.contains(label(*change, language)), "{text}");
                assert!(seen.insert(text));
            }
        }
        assert_eq!(number(0.0, Language::English), "0");
        assert_eq!(number(1.0, Language::German), "1");
        assert_eq!(number(0.42, Language::French), "0,42");
    }
}
