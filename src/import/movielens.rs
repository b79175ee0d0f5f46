//! MovieLens 100K: `u.item` and `u.data` of the data set's folder.
//!
//! | file | becomes |
//! |---|---|
//! | `u.item` (Latin-1, `\|`) | an item: genres as topics, release date, IMDb address, `attributes.year` |
//! | `u.data` (tabs) | an event at the rating's time: ≥ 4 `like`, 3 `open`, ≤ 2 `less_like` of the item |
//! | `--creators` (JSON lines) | the first director as creator |

use std::{collections::HashMap, fs::File, io::BufReader, path::Path};

use serde_json::{Value, json};

use super::{
    dates,
    draft::{Draft, slug},
    jsonl,
    lines::{Line, Lines, latin1, utf8},
    row::{Content, Known, Notes, Row, Rows},
};
use crate::domain::{Event, EventId, EventKind, ItemId, Scope, Time, UserId};

/// The genre flags of `u.item`, in the order of `u.genre`; the first is no topic.
const GENRES: [&str; 19] = [
    "unknown",
    "action",
    "adventure",
    "animation",
    "children's",
    "comedy",
    "crime",
    "documentary",
    "drama",
    "fantasy",
    "film-noir",
    "horror",
    "musical",
    "mystery",
    "romance",
    "sci-fi",
    "thriller",
    "war",
    "western",
];
/// Cells before the flags: id, title, release date, video release date, address.
const CELLS_BEFORE_GENRES: usize = 5;

/// Movie → first director.
pub type Creators = HashMap<String, String>;

/// Reads `{"item_id": 1, "directors": ["John Lasseter", …]}` per line. Errors: the first wrong line, as `line: detail`.
pub fn creators(path: &Path) -> Result<Creators, String> {
    let file = File::open(path).map_err(|error| format!("cannot be opened: {error}"))?;
    let mut creators = Creators::new();
    for line in Lines::new(BufReader::new(file)) {
        let value = line.bytes.and_then(jsonl::parse).map_err(|detail| format!("line {}: {detail}", line.number))?;
        let id = match &value["item_id"] {
            Value::Number(number) => number.to_string(),
            Value::String(text) => text.clone(),
            _ => return Err(format!("line {}: has no `item_id`; expected a number or a string", line.number)),
        };
        if let Some(director) = value["directors"][0].as_str() {
            creators.insert(id, director.to_owned());
        }
    }
    Ok(creators)
}

/// The movies of `u.item`.
pub fn items(path: &Path, creators: Creators, known: Known, dimension: usize) -> std::io::Result<Rows> {
    let lines = Lines::new(BufReader::new(File::open(path)?));
    Ok(Box::new(lines.map(move |line| {
        let (content, notes) = match line.bytes.map(|bytes| movie(&latin1(&bytes), &creators)) {
            Ok(Ok(draft)) => {
                let (item, notes) = draft.finish(dimension);
                (item.map(|item| Content::Item(Box::new(item))), notes)
            }
            Ok(Err(detail)) | Err(detail) => (Err(detail), Notes::default()),
        };
        if let Ok(Content::Item(item)) = &content {
            known.lock().insert(item.id.clone());
        }
        Row { line: line.number, end: line.end, content, notes }
    })))
}

fn movie(line: &str, creators: &Creators) -> Result<Draft, String> {
    let cells: Vec<&str> = line.split('|').collect();
    let expected = CELLS_BEFORE_GENRES + GENRES.len();
    if cells.len() != expected {
        return Err(format!("has {} cells; expected {expected} separated by |", cells.len()));
    }
    let (id, title, released) = (cells[0], cells[1], cells[2]);
    let mut draft = Draft::default();
    draft.set("id", Value::from(id));
    draft.text("title", title);
    draft.url("url", cells[4]);
    draft.facet("language", "en");
    draft.facet("format", "movie");
    for (genre, flag) in GENRES.iter().zip(&cells[CELLS_BEFORE_GENRES..]).skip(1) {
        match *flag {
            "0" => {}
            "1" => draft.topic(genre, 1.0),
            other => return Err(format!("has `{other}` as the flag of {genre}; expected 0 or 1")),
        }
    }
    let time = dates::day_month_year(released);
    match time {
        Some(time) => draft.time("published_at", time),
        None if released.is_empty() => {}
        None => draft.notes.add("published_at left out: not a date like 01-Jan-1995"),
    }
    if let Some(year) = year_of(title) {
        draft.set("attributes", json!({"year": year}));
    }
    if let Some(director) = creators.get(id) {
        draft.creator(&slug(director), Some(director));
    }
    Ok(draft)
}

/// `Toy Story (1995)` → 1995.
fn year_of(title: &str) -> Option<u16> {
    title.trim_end().strip_suffix(')')?.rsplit_once('(')?.1.parse().ok()
}

/// The ratings of `u.data` by time, then line; wrong lines come first.
pub fn ratings(path: &Path, known: Known) -> std::io::Result<Rows> {
    let lines = Lines::new(BufReader::new(File::open(path)?));
    // Sorting needs all of them, but only once the items before them were read.
    let sorted = std::iter::once_with(move || {
        let mut rows: Vec<Row> = lines.map(|line| rating(line, &known)).collect();
        rows.sort_by_key(|row| (row.content.as_ref().ok().and_then(first_time), row.line));
        rows
    });
    Ok(Box::new(sorted.flatten()))
}

fn first_time(content: &Content) -> Option<Time> {
    match content {
        Content::Events(events) => events.first().map(|event| event.at),
        Content::Item(_) => None,
    }
}

fn rating(line: Line, known: &Known) -> Row {
    let mut notes = Notes::default();
    let event = line.bytes.and_then(utf8).and_then(|text| rating_event(&text));
    let content = event.map(|event| {
        if known.lock().contains(&event.item) {
            return Content::Events(vec![event]);
        }
        notes.add("events left out: the item is not in u.item");
        Content::Events(Vec::new())
    });
    Row { line: line.number, end: line.end, content, notes }
}

fn rating_event(line: &str) -> Result<Event, String> {
    let cells: Vec<&str> = line.split('\t').collect();
    let [user, item, rating, seconds] = cells[..] else {
        return Err(format!("has {} cells; expected 4 separated by tabs: user, item, rating, seconds", cells.len()));
    };
    let kind = match rating {
        "4" | "5" => EventKind::Like,
        "3" => EventKind::Open,
        "1" | "2" => EventKind::LessLike,
        other => return Err(format!("has the rating `{}`; expected 1 to 5", crate::wire::read::shown(other))),
    };
    let secs = seconds.parse().ok().filter(|secs| dates::is_plausible(Time::from_secs(*secs)));
    let secs = secs.ok_or_else(|| format!("has the time `{}`; expected Unix seconds", crate::wire::read::shown(seconds)))?;
    let id = EventId::new(format!("ml-{user}-{item}-{secs}")).map_err(|error| format!("has an event id that {error}"))?;
    Ok(Event {
        id,
        user: UserId::new(user).map_err(|error| format!("has a user id that {error}"))?,
        kind,
        item: ItemId::new(item).map_err(|error| format!("has an item id that {error}"))?,
        at: Time::from_secs(secs),
        undo: false,
        scope: Scope::Item,
        feed: None,
        position: None,
        visible_ms: None,
    })
}
