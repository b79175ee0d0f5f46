//! Six people with a history: what a feed does for each of them is what the demo shows.

use std::collections::HashMap;

use super::draw::{Draw, Weighted};
use crate::domain::{Event, EventId, EventKind, FacetValue, Item, ItemId, Scope, Span, Time, UserId};

/// A persona's history starts this long before now.
const HISTORY: Span = Span::days(30);
/// A persona's history ends this long before now.
const QUIET: Span = Span::minutes(30);

/// A person of the demo.
#[derive(Clone, Debug, PartialEq)]
pub struct Persona {
    pub user: UserId,
    pub name: &'static str,
    /// One sentence for the person who looks at the demo.
    pub about: &'static str,
    /// By time; all within the last 30 days and after the item's publication.
    pub events: Vec<Event>,
}

/// What somebody reads.
struct Taste {
    user: &'static str,
    name: &'static str,
    about: &'static str,
    /// Topic → share of the reading; the last resort `*` is any topic.
    topics: &'static [(&'static str, f64)],
    /// Factor for items of these viewpoints; others with a viewpoint count 1.
    viewpoints: &'static [(&'static str, f64)],
    /// Languages read, with their share.
    languages: &'static [(&'static str, f64)],
    opens: usize,
}

const TASTES: [Taste; 6] = [
    Taste {
        user: "ana",
        name: "Ana",
        about: "Reads politics almost only, and mostly from one side.",
        topics: &[("politics", 0.96), ("economy", 0.04)],
        viewpoints: &[("left", 1.0), ("center", 0.08), ("right", 0.01)],
        languages: &[("en", 1.0)],
        opens: 36,
    },
    Taste {
        user: "ben",
        name: "Ben",
        about: "Sport first, a little food; wants less politics.",
        topics: &[("sport", 0.85), ("food", 0.15)],
        viewpoints: &[],
        languages: &[("en", 1.0)],
        opens: 55,
    },
    Taste {
        user: "chloe",
        name: "Chloe",
        about: "Science and technology; follows three creators.",
        topics: &[("science", 0.55), ("technology", 0.45)],
        viewpoints: &[],
        languages: &[("en", 1.0)],
        opens: 60,
    },
    Taste {
        user: "dmitri",
        name: "Dmitri",
        about: "Reads a bit of everything, from every side.",
        topics: &[("*", 1.0)],
        viewpoints: &[],
        languages: &[("en", 0.9), ("de", 0.1)],
        opens: 65,
    },
    Taste {
        user: "emi",
        name: "Emi",
        about: "Culture and travel in four languages; has muted one creator.",
        topics: &[("culture", 0.55), ("travel", 0.45)],
        viewpoints: &[],
        languages: &[("en", 0.25), ("fr", 0.3), ("es", 0.25), ("de", 0.2)],
        opens: 50,
    },
    Taste {
        user: "farid",
        name: "Farid",
        about: "New here: three events so far.",
        topics: &[("food", 0.5), ("travel", 0.5)],
        viewpoints: &[],
        languages: &[("en", 1.0)],
        opens: 3,
    },
];

/// The six personas, in a fixed order. `items` is [`super::catalogue()`]'s of the same seed and time.
pub fn personas(seed: u64, now: Time, items: &[Item]) -> Vec<Persona> {
    TASTES.iter().filter_map(|taste| persona(seed, now, items, taste)).collect()
}

/// `None` never happens: the names are well formed ids.
fn persona(seed: u64, now: Time, items: &[Item], taste: &Taste) -> Option<Persona> {
    let user = UserId::new(taste.user).ok()?;
    let mut history = History { draw: Draw::new(seed, taste.user), user: user.clone(), now, events: Vec::new() };
    let read = history.read(items, taste);
    match taste.user {
        "ben" => history.less_of(items, "politics"),
        "chloe" => history.follow_most_read(&read, 3),
        "emi" => history.mute_a_creator(items, &read),
        _ => {}
    }
    history.events.sort_by_key(|event| event.at);
    // Ids by time: the history reads in order wherever it is shown.
    for (n, event) in history.events.iter_mut().enumerate() {
        event.id = EventId::new(format!("demo-{}-{:04}", taste.user, n + 1)).ok()?;
    }
    Some(Persona { user, name: taste.name, about: taste.about, events: history.events })
}

struct History {
    draw: Draw,
    user: UserId,
    now: Time,
    events: Vec<Event>,
}

impl History {
    /// Draws items by taste without repetition, and what was done with each. Returns them.
    fn read<'a>(&mut self, items: &'a [Item], taste: &Taste) -> Vec<&'a Item> {
        let brief = taste.opens <= 3;
        let mut weights: Vec<f64> = items.iter().map(|item| self.liking(item, taste)).collect();
        let mut read = Vec::with_capacity(taste.opens);
        while read.len() < taste.opens {
            let Some(at) = Weighted::new(weights.iter().copied()).draw(&mut self.draw) else { break };
            weights[at] = 0.0;
            let item = &items[at];
            let opened = self.moment(item);
            self.note(EventKind::Open, item, opened, Scope::Item, None);
            read.push(item);
            if brief {
                continue;
            }
            if self.draw.chance(0.6) {
                let visible_ms = 15_000 + self.draw.below(240_000) as u32;
                self.note(EventKind::Dwell, item, opened.plus(Span::millis(i64::from(visible_ms))), Scope::Item, Some(visible_ms));
            }
            if self.draw.chance(0.3) {
                self.note(EventKind::Like, item, opened.plus(Span::secs(20)), Scope::Item, None);
            }
            if self.draw.chance(0.08) {
                self.note(EventKind::Save, item, opened.plus(Span::secs(30)), Scope::Item, None);
            }
        }
        read
    }

    fn liking(&self, item: &Item, taste: &Taste) -> f64 {
        let quiet_since = self.now.minus(QUIET);
        if item.published_at.is_none_or(|at| at >= quiet_since) || item.expires_at.is_some_and(|at| at <= self.now) {
            return 0.0;
        }
        let main = item.topics.iter().find(|(_, weight)| *weight == 1.0).map_or("", |(topic, _)| &**topic);
        let topic = share_of(taste.topics, main).or(share_of(taste.topics, "*")).unwrap_or(0.0);
        let language = share_of(taste.languages, item.language.as_deref().unwrap_or_default()).unwrap_or(0.0);
        let viewpoint = item.viewpoint.as_deref().and_then(|v| share_of(taste.viewpoints, v)).unwrap_or(1.0);
        topic * language * viewpoint
    }

    /// Somewhere in the history, after the item was published.
    fn moment(&mut self, item: &Item) -> Time {
        let from = self.now.minus(HISTORY).max(item.published_at.unwrap_or(self.now));
        Time(self.draw.between(from.0 + 1, self.now.minus(QUIET).0))
    }

    fn note(&mut self, kind: EventKind, item: &Item, at: Time, scope: Scope, visible_ms: Option<u32>) {
        // Numbered anew once the history is sorted.
        let Ok(id) = EventId::new("demo") else { return };
        let event = Event {
            id,
            user: self.user.clone(),
            kind,
            item: item.id.clone(),
            at: at.min(self.now),
            undo: false,
            scope,
            feed: None,
            position: None,
            visible_ms,
        };
        self.events.push(event);
    }

    fn less_of(&mut self, items: &[Item], topic: &str) {
        let found = items.iter().find(|item| item.topics.len() == 1 && &*item.topics[0].0 == topic);
        if let Some(item) = found {
            let at = self.moment(item);
            self.note(EventKind::LessLike, item, at, Scope::Topic, None);
        }
    }

    /// Follows the `count` creators read most, on the last item read of each.
    fn follow_most_read(&mut self, read: &[&Item], count: usize) {
        let mut counts: HashMap<&FacetValue, (usize, &Item)> = HashMap::new();
        for item in read {
            if let Some(creator) = &item.creator {
                let entry = counts.entry(&creator.id).or_insert((0, item));
                *entry = (entry.0 + 1, item);
            }
        }
        let mut ranked: Vec<(usize, &ItemId, &Item)> = counts.into_values().map(|(n, item)| (n, &item.id, item)).collect();
        ranked.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(b.1)));
        for (_, _, item) in ranked.into_iter().take(count) {
            let at = self.moment(item);
            self.note(EventKind::Follow, item, at, Scope::Item, None);
        }
    }

    /// Hides the creator of an item like those read, but not of one that was read.
    fn mute_a_creator(&mut self, items: &[Item], read: &[&Item]) {
        let known = |item: &Item| read.iter().any(|r| r.creator == item.creator);
        let found = items.iter().find(|item| item.topics.iter().any(|(topic, _)| &**topic == "culture") && !known(item));
        if let Some(item) = found {
            let at = self.moment(item);
            self.note(EventKind::Hide, item, at, Scope::Creator, None);
        }
    }
}

fn share_of(shares: &[(&str, f64)], name: &str) -> Option<f64> {
    shares.iter().find(|(key, _)| *key == name).map(|(_, share)| *share)
}
