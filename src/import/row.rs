//! What a parser says about one line of a file.

use std::{collections::HashSet, sync::Arc};

use parking_lot::Mutex;

use crate::domain::{Event, Item, ItemId};

/// One line, parsed.
#[derive(Debug)]
pub struct Row {
    /// 1-based.
    pub line: u64,
    /// Bytes of the file read so far, for the progress bar.
    pub end: u64,
    /// Or what is wrong with the line and what is expected.
    pub content: Result<Content, String>,
    pub notes: Notes,
}

/// What a line holds.
#[derive(Debug)]
pub enum Content {
    /// The embedding is the one the line brought, if it did.
    Item(Box<Item>),
    /// In the order they happened; may be empty.
    Events(Vec<Event>),
}

/// Things left out of good lines, with how often. A closed set of texts, so that they can be counted over a whole file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notes(Vec<(&'static str, u64)>);

impl Notes {
    pub fn add(&mut self, note: &'static str) {
        self.add_many(note, 1);
    }

    pub fn add_many(&mut self, note: &'static str, times: u64) {
        match self.0.iter_mut().find(|(known, _)| *known == note) {
            Some((_, count)) => *count += times,
            None if times > 0 => self.0.push((note, times)),
            None => {}
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.0.iter().copied()
    }
}

/// Rows of one file, in the order of the file (or another order that is the same every time).
pub type Rows = Box<dyn Iterator<Item = Row> + Send>;

/// Ids of the items of this import: filled while items are read, asked while events are.
pub type Known = Arc<Mutex<HashSet<ItemId>>>;
