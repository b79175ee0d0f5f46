//! An item as the catalogue holds it.

use std::{ops::Deref, sync::OnceLock};

use serde_json::value::RawValue;

use crate::domain::Item;

/// An item, and the JSON of its card: the same for everybody, so it is made once.
#[derive(Debug)]
pub struct Listed {
    item: Item,
    card: OnceLock<Box<RawValue>>,
}

impl Listed {
    pub(super) const fn new(item: Item) -> Self {
        Self { item, card: OnceLock::new() }
    }

    /// The item's card, by `make` when it is first asked for; `make` must depend on the item alone.
    pub fn card(&self, make: impl FnOnce(&Item) -> Box<RawValue>) -> &RawValue {
        self.card.get_or_init(|| make(&self.item))
    }
}

impl Deref for Listed {
    type Target = Item;

    fn deref(&self) -> &Item {
        &self.item
    }
}
