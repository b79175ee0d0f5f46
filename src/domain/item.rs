//! An item: one entry of the catalogue.

use std::sync::Arc;

use super::{Embedding, Facet, FacetValue, ItemId, Time};

/// Who made an item. `id` is the value of [`Facet::Creator`]; `name` is for display.
#[derive(Clone, Debug, PartialEq)]
pub struct Creator {
    pub id: FacetValue,
    pub name: Option<String>,
}

/// Most values of each targeting parameter.
pub const MAX_TARGETING_VALUES: usize = 32;

/// Who pays for an item, and where it wants to be shown. Nothing here can speak of a person.
#[derive(Clone, Debug, PartialEq)]
pub struct Sponsored {
    /// 1 to 256 bytes.
    pub payer: String,
    /// On whose behalf it is shown, where that is somebody else; 1 to 256 bytes.
    pub on_behalf_of: Option<String>,
    /// Surfaces it may be shown on; empty: any. At most [`MAX_TARGETING_VALUES`].
    pub surfaces: Vec<String>,
    /// Languages of requests it may be shown to; empty: any. At most [`MAX_TARGETING_VALUES`].
    pub languages: Vec<FacetValue>,
    /// Topics of pages it may be shown beside; empty: any. At most [`MAX_TARGETING_VALUES`].
    pub topics: Vec<FacetValue>,
}

/// A catalogue entry. Checked at the edge (`wire::item`); every field here is within its documented range.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    pub id: ItemId,
    /// 1 to 1,000 bytes.
    pub title: String,
    /// At most 10,000 bytes; feeds the text embedding, not shown on cards.
    pub description: Option<String>,
    pub url: Option<String>,
    pub image: Option<String>,
    pub creator: Option<Creator>,
    /// Sorted by value, no duplicates, each weight in (0, 1]; at most [`super::facet::MAX_TOPICS_PER_ITEM`].
    pub topics: Vec<(FacetValue, f32)>,
    pub source: Option<FacetValue>,
    pub viewpoint: Option<FacetValue>,
    /// BCP 47, as given.
    pub language: Option<FacetValue>,
    /// `article`, `video`, … as given.
    pub format: Option<FacetValue>,
    pub published_at: Option<Time>,
    /// Not served at or after this time.
    pub expires_at: Option<Time>,
    /// Always present in the catalogue: items that bring none get [`Embedding::of_text`].
    pub embedding: Option<Embedding>,
    /// Free-form, returned with `hydrate=full`; at most 16 KiB of JSON. Kept as the JSON text.
    pub attributes: Option<Arc<str>>,
    /// Somebody pays for it to be shown: it stands in slots of its own and is never ranked with the others.
    pub sponsored: Option<Sponsored>,
}

impl Item {
    /// Every `(facet, value, weight)` of the item; weight 1 for the single-valued facets.
    pub fn facets(&self) -> impl Iterator<Item = (Facet, &FacetValue, f32)> {
        let topics = self.topics.iter().map(|(value, weight)| (Facet::Topic, value, *weight));
        let single = [
            (Facet::Creator, self.creator.as_ref().map(|c| &c.id)),
            (Facet::Source, self.source.as_ref()),
            (Facet::Viewpoint, self.viewpoint.as_ref()),
            (Facet::Language, self.language.as_ref()),
            (Facet::Format, self.format.as_ref()),
        ];
        topics.chain(single.into_iter().filter_map(|(facet, value)| value.map(|v| (facet, v, 1.0))))
    }

    /// The text that stands for the item when it brings no embedding: title, topics, description.
    pub fn text(&self) -> String {
        let mut text = self.title.clone();
        for (topic, _) in &self.topics {
            text.push(' ');
            text.push_str(topic);
        }
        if let Some(description) = &self.description {
            text.push(' ');
            text.push_str(description);
        }
        text
    }
}
