//! The items: who writes what about which subtopic, when, and how it is titled.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::{
    draw::{Draw, Weighted},
    people::{Maker, Source, makers, sources},
    words::{DESCRIPTIONS, Language, PLACES, Subtopic, TOPICS, lines},
};
use crate::domain::{Embedding, FacetValue, Item, ItemId, Span, Time};

/// Items in the demo catalogue.
pub const CATALOGUE_ITEMS: usize = 2_400;
/// Every so many-th item is past its time: feeds must not show it.
const EXPIRED_EVERY: usize = 100;
/// The oldest item.
const MAX_AGE: Span = Span::days(120);
/// The newest item.
const MIN_AGE: Span = Span::minutes(2);
/// Draws for a title nobody has yet, before a number makes it different.
const MAX_TITLE_DRAWS: usize = 64;

/// [`CATALOGUE_ITEMS`] items published before `now`, with hashed text embeddings of `dimension` (≥ 1) numbers.
pub fn catalogue(seed: u64, now: Time, dimension: usize) -> Vec<Item> {
    let words: Vec<TopicTables> = TOPICS.iter().map(TopicTables::new).collect();
    let sources = sources();
    let makers = makers(seed, &sources);
    // A long tail: the first creators make dozens of items, the last ones one or two.
    let sizes = Weighted::new((0..makers.len()).map(|rank| 1.0 / (rank as f64 + 4.0).powf(0.8)));
    let mut writer = Writer { draw: Draw::new(seed, "items"), values: HashMap::new(), titles: HashSet::new() };
    let mut items = Vec::with_capacity(CATALOGUE_ITEMS);
    for number in 0..CATALOGUE_ITEMS {
        let maker = if number < makers.len() { number } else { sizes.draw(&mut writer.draw).unwrap_or(0) };
        items.extend(writer.item(number, &makers[maker], &sources, &words, now));
    }
    for item in &mut items {
        item.embedding = Some(Embedding::of_text(&item.text(), dimension));
    }
    items
}

/// A topic's tables, taken apart once.
struct TopicTables {
    subtopics: Vec<Subtopic>,
    /// By language, in the order of [`Language::ALL`].
    titles: [Vec<&'static str>; 4],
}

impl TopicTables {
    fn new(words: &super::words::TopicWords) -> Self {
        Self { subtopics: words.subtopics(), titles: Language::ALL.map(|language| words.titles(language)) }
    }
}

struct Writer {
    draw: Draw,
    /// One allocation per facet value.
    values: HashMap<&'static str, FacetValue>,
    /// Every title so far.
    titles: HashSet<String>,
}

impl Writer {
    /// `None` never happens: the ids are well formed.
    fn item(&mut self, number: usize, maker: &Maker, sources: &[Source], words: &[TopicTables], now: Time) -> Option<Item> {
        let source = &sources[maker.source];
        let topic = self.topic_of(maker);
        let tables = &words[topic];
        let subtopic = &tables.subtopics[self.draw.below(tables.subtopics.len())];
        let format = ["article", "video", "podcast"][[0, 0, 0, 0, 0, 0, 0, 1, 1, 2][self.draw.below(10)]];
        let language = source.language;
        let phrase = *self.draw.pick(subtopic.phrases(language));
        let title = self.title(&tables.titles[language as usize], phrase, language, format);
        let description = self.description(phrase, language, maker);
        let published_at = now.minus(self.age());
        let minutes = 2 + self.draw.below(if format == "article" { 12 } else { 45 });
        Some(Item {
            id: ItemId::new(format!("itm_{:04}", number + 1)).ok()?,
            title,
            description: Some(description),
            url: Some(format!("https://example.org/{}/{}/{:04}", TOPICS[topic].name, subtopic.slug, number + 1)),
            image: None,
            creator: Some(maker.creator.clone()),
            topics: self.topics(topic, subtopic.slug),
            source: Some(source.name.clone()),
            viewpoint: self.viewpoint(topic, source.leaning),
            language: Some(self.value(language.tag())),
            format: Some(self.value(format)),
            published_at: Some(published_at),
            expires_at: self.expiry(number, published_at, now),
            embedding: None,
            attributes: Some(Arc::from(format!("{{\"minutes\":{minutes}}}"))),
            sponsored: None,
        })
    }

    /// Most creators stick to their one or two topics.
    fn topic_of(&mut self, maker: &Maker) -> usize {
        let point = self.draw.unit();
        match maker.second {
            Some(second) if point < 0.30 => second,
            _ if point > 0.96 => self.draw.below(TOPICS.len()),
            _ => maker.main,
        }
    }

    fn topics(&mut self, topic: usize, subtopic: &'static str) -> Vec<(FacetValue, f32)> {
        let mut topics = vec![(self.value(TOPICS[topic].name), 1.0)];
        if self.draw.chance(0.7) {
            topics.push((self.value(subtopic), *self.draw.pick(&[0.4, 0.5, 0.6, 0.7])));
        }
        if self.draw.chance(0.15) {
            topics.push((self.value(TOPICS[topic].related), 0.3));
        }
        topics.sort_by(|a, b| a.0.cmp(&b.0));
        topics
    }

    /// On civic topics mostly the source's leaning; the center publishes both sides now and then.
    fn viewpoint(&mut self, topic: usize, leaning: &'static str) -> Option<FacetValue> {
        if !TOPICS[topic].civic {
            return None;
        }
        let stands = self.draw.chance(0.8);
        let viewpoint = match (stands, leaning) {
            (true, leaning) => leaning,
            (false, "center") => *self.draw.pick(&["left", "right"]),
            (false, _) => "center",
        };
        Some(self.value(viewpoint))
    }

    /// Minutes to [`MAX_AGE`], denser towards now.
    fn age(&mut self) -> Span {
        let share = self.draw.unit().powi(3);
        Span::millis(MIN_AGE.as_millis() + (share * (MAX_AGE.as_millis() - MIN_AGE.as_millis()) as f64) as i64)
    }

    fn expiry(&mut self, number: usize, published_at: Time, now: Time) -> Option<Time> {
        if number % EXPIRED_EVERY == EXPIRED_EVERY - 1 {
            return Some(Time(self.draw.between(published_at.0 + 1, now.0)));
        }
        self.draw.chance(0.03).then(|| now.plus(Span::hours(6 + self.draw.below(240) as i64)))
    }

    fn title(&mut self, templates: &[&'static str], phrase: &str, language: Language, format: &str) -> String {
        for _ in 0..MAX_TITLE_DRAWS {
            let template = *self.draw.pick(templates);
            let place = *self.draw.pick(PLACES[language as usize]);
            let title = fill(template, phrase, place, 3 + self.draw.below(7), "");
            let title = self.announced(title, language, format);
            if self.titles.insert(title.clone()) {
                return title;
            }
        }
        // Every wording is taken: the part number tells them apart.
        let title = format!("{} ({})", capitalised(phrase), self.titles.len());
        self.titles.insert(title.clone());
        title
    }

    fn announced(&mut self, title: String, language: Language, format: &str) -> String {
        let episode = 2 + self.draw.below(180);
        match (format, language) {
            ("podcast", Language::English) => format!("Episode {episode}: {title}"),
            ("podcast", Language::German) => format!("Folge {episode}: {title}"),
            ("podcast", Language::French) => format!("Épisode {episode} : {title}"),
            ("podcast", Language::Spanish) => format!("Episodio {episode}: {title}"),
            ("video", Language::English) if self.draw.chance(0.3) => format!("Watch: {title}"),
            _ => title,
        }
    }

    fn description(&mut self, phrase: &str, language: Language, maker: &Maker) -> String {
        let templates: Vec<&str> = lines(DESCRIPTIONS[language as usize]).collect();
        let place = *self.draw.pick(PLACES[language as usize]);
        let template = *self.draw.pick(&templates);
        fill(template, phrase, place, 0, maker.creator.name.as_deref().unwrap_or_default())
    }

    fn value(&mut self, text: &'static str) -> FacetValue {
        self.values.entry(text).or_insert_with(|| Arc::from(text)).clone()
    }
}

fn fill(template: &str, phrase: &str, place: &str, number: usize, creator: &str) -> String {
    template
        .replace("{s}", phrase)
        .replace("{S}", &capitalised(phrase))
        .replace("{p}", place)
        .replace("{n}", &number.to_string())
        .replace("{c}", creator)
}

fn capitalised(phrase: &str) -> String {
    let mut chars = phrase.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}
