//! An item as the catalogue holds it.

use std::{ops::Deref, sync::OnceLock};

use serde_json::value::RawValue;

use crate::domain::{Item, keyword};

/// An item, the JSON of its card and the words it says: the same for everybody, so they are made once.
#[derive(Debug)]
pub struct Listed {
    item: Item,
    card: OnceLock<Box<RawValue>>,
    /// About as large as the text itself, so only made once somebody who blocks keywords comes across the item.
    words: OnceLock<Box<[u64]>>,
}

impl Listed {
    pub(super) const fn new(item: Item) -> Self {
        Self { item, card: OnceLock::new(), words: OnceLock::new() }
    }

    /// The item's card, by `make` when it is first asked for; `make` must depend on the item alone.
    pub fn card(&self, make: impl FnOnce(&Item) -> Box<RawValue>) -> &RawValue {
        self.card.get_or_init(|| make(&self.item))
    }

    /// [`keyword::words_of`] the item.
    pub fn words(&self) -> &[u64] {
        self.words.get_or_init(|| keyword::words_of(&self.item))
    }
}

impl Deref for Listed {
    type Target = Item;

    fn deref(&self) -> &Item {
        &self.item
    }
}
