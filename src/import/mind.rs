//! MIND (and NeMig): `news.tsv` and `behaviors.tsv`, tab-separated without header.
//!
//! | file | columns | becomes |
//! |---|---|---|
//! | `news.tsv` | id, category, subcategory, title, abstract, address, … | an item; category and subcategory as topics |
//! | `behaviors.tsv` | impression, user, time, history, `item-clicked` … | clicked: `open`; shown only: `seen`; history: `open` before |
//!
//! NeMig's variant has no time column: line n counts as [`TIMELESS_START`] plus n minutes. A person's history repeats on
//! each of their lines, so it is taken from the first one only: one `open` every [`HISTORY_STEP`] up to that impression.

use std::{collections::HashSet, fs::File, io::BufReader, path::Path};

use serde_json::Value;

use super::{
    dates,
    draft::Draft,
    lines::{Lines, utf8},
    row::{Content, Known, Notes, Row, Rows},
};
use crate::{
    domain::{Event, EventId, EventKind, ItemId, Scope, Span, Time, UserId},
    wire::read::shown,
};

/// 2022-12-01T00:00:00Z: after the last article of NeMig.
pub const TIMELESS_START: Time = Time(1_669_852_800_000);
/// Time between two opens of a history.
pub const HISTORY_STEP: Span = Span::hours(1);
/// What a subcategory counts beside its category.
const SUBCATEGORY_WEIGHT: f32 = 0.6;

const MIN_NEWS_CELLS: usize = 6;

/// The articles of `news.tsv`.
pub fn news(path: &Path, known: Known, dimension: usize) -> std::io::Result<Rows> {
    let lines = Lines::new(BufReader::new(File::open(path)?));
    Ok(Box::new(lines.map(move |line| {
        let (content, notes) = match line.bytes.and_then(utf8).and_then(|text| article(&text)) {
            Ok(draft) => {
                let (item, notes) = draft.finish(dimension);
                (item.map(|item| Content::Item(Box::new(item))), notes)
            }
            Err(detail) => (Err(detail), Notes::default()),
        };
        if let Ok(Content::Item(item)) = &content {
            known.lock().insert(item.id.clone());
        }
        Row { line: line.number, end: line.end, content, notes }
    })))
}

fn article(line: &str) -> Result<Draft, String> {
    let cells: Vec<&str> = line.split('\t').collect();
    let [id, category, subcategory, title, about, url, ..] = cells[..] else {
        let found = cells.len();
        return Err(format!("has {found} cells; expected at least {MIN_NEWS_CELLS}: id, category, subcategory, title, abstract, url"));
    };
    let mut draft = Draft::default();
    draft.set("id", Value::from(id));
    draft.text("title", title);
    draft.text("description", about);
    draft.url("url", url);
    draft.facet("language", "en");
    draft.facet("format", "article");
    draft.topic(category, 1.0);
    draft.topic(subcategory, SUBCATEGORY_WEIGHT);
    Ok(draft)
}

/// The impressions of `behaviors.tsv`. With `known`, events about other items are left out and counted.
pub fn behaviors(path: &Path, known: Option<Known>) -> std::io::Result<Rows> {
    let lines = Lines::new(BufReader::new(File::open(path)?));
    let mut met = HashSet::new();
    Ok(Box::new(lines.map(move |line| {
        let mut notes = Notes::default();
        let events = line.bytes.and_then(utf8).and_then(|text| impression(&text, line.number, &mut met));
        let content = events.map(|mut events| {
            if let Some(known) = &known {
                let (before, known) = (events.len(), known.lock());
                events.retain(|event| known.contains(&event.item));
                notes.add_many("events left out: the item is not in news.tsv", (before - events.len()) as u64);
            }
            Content::Events(events)
        });
        Row { line: line.number, end: line.end, content, notes }
    })))
}

fn impression(line: &str, number: u64, met: &mut HashSet<UserId>) -> Result<Vec<Event>, String> {
    let cells: Vec<&str> = line.split('\t').collect();
    let (id, user, time, history, shown_items) = match cells[..] {
        [id, user, time, history, items] => (id, user, Some(time), history, items),
        [id, user, history, items] => (id, user, None, history, items),
        _ => {
            let found = cells.len();
            return Err(format!("has {found} cells; expected 5 (impression, user, time, history, items) or 4 without time"));
        }
    };
    let user = UserId::new(user).map_err(|error| format!("has a user id that {error}"))?;
    let at = match time {
        Some(text) => dates::month_day_year_clock(text)
            .ok_or_else(|| format!("has the time `{}`; expected e.g. 11/12/2019 2:14:46 PM", shown(text)))?,
        None => TIMELESS_START.plus(Span::minutes(i64::try_from(number).unwrap_or(0))),
    };
    let mut events = if met.insert(user.clone()) { opened_before(history, &user, at)? } else { Vec::new() };
    for (position, entry) in shown_items.split_whitespace().enumerate() {
        let (item, kind) = match entry.rsplit_once('-') {
            Some((item, "1")) => (item, EventKind::Open),
            Some((item, "0")) => (item, EventKind::Seen),
            // Test sets do not say what was clicked.
            None => (entry, EventKind::Seen),
            Some(_) => return Err(format!("has `{}`; expected an item with -0 or -1", shown(entry))),
        };
        let position = u32::try_from(position).unwrap_or(u32::MAX);
        let event_id = format!("mind-{id}-{position}");
        events.push(Event { position: Some(position), ..event(&event_id, &user, kind, item, at)? });
    }
    Ok(events)
}

fn opened_before(history: &str, user: &UserId, at: Time) -> Result<Vec<Event>, String> {
    let items: Vec<&str> = history.split_whitespace().collect();
    let steps_back = |n: usize| i64::try_from(items.len() - n).unwrap_or(i64::MAX).saturating_mul(HISTORY_STEP.as_millis());
    let opened = items
        .iter()
        .enumerate()
        .map(|(n, item)| event(&format!("mind-{user}-h{n}"), user, EventKind::Open, item, at.minus(Span::millis(steps_back(n)))));
    opened.collect()
}

fn event(id: &str, user: &UserId, kind: EventKind, item: &str, at: Time) -> Result<Event, String> {
    Ok(Event {
        id: EventId::new(id).map_err(|error| format!("has an event id that {error}"))?,
        user: user.clone(),
        kind,
        item: ItemId::new(item).map_err(|error| format!("has an item id that {error}"))?,
        at,
        undo: false,
        scope: Scope::Item,
        feed: None,
        position: None,
        visible_ms: None,
    })
}
