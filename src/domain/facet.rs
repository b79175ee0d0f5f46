//! Facets: the groupings an item belongs to. Affinities, mutes, similarity and constraints all speak of `(facet, value)`.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

/// Longest facet value in bytes of UTF-8.
pub const MAX_FACET_VALUE_BYTES: usize = 128;
/// Most topics one item may carry.
pub const MAX_TOPICS_PER_ITEM: usize = 32;

/// A value of a facet: `"science"`, `"crt_12"`, `"left"`.
pub type FacetValue = Arc<str>;

/// A grouping of items. `Topic` is many-valued and weighted; the others have at most one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Facet {
    Topic,
    Creator,
    Source,
    Viewpoint,
    Language,
    Format,
}

impl Facet {
    pub const ALL: [Facet; 6] = [Self::Topic, Self::Creator, Self::Source, Self::Viewpoint, Self::Language, Self::Format];

    /// The one name in config, API, metrics and docs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Topic => "topic",
            Self::Creator => "creator",
            Self::Source => "source",
            Self::Viewpoint => "viewpoint",
            Self::Language => "language",
            Self::Format => "format",
        }
    }
}

impl fmt::Display for Facet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
