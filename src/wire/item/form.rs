//! Serialisable and documented shapes of an item: what responses carry and what requests may bring.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    domain::{Creator, EmbeddingSpace, FacetValue, Item, item::Sponsored},
    wire::time,
};

/// An item as responses show it. Keys without a value are left out.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct ItemForm {
    #[schema(example = "itm_8c1f", min_length = 1, max_length = 128)]
    pub id: String,
    #[schema(example = "Rover finds water ice under the dunes")]
    pub title: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub image: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub creator: Option<CreatorForm>,
    /// Sorted by topic.
    pub topics: Vec<TopicForm>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "Harbour Post")]
    pub source: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "center")]
    pub viewpoint: Option<String>,
    /// BCP 47, as given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "en")]
    pub language: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "article")]
    pub format: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime, example = "2026-10-09T08:15:00Z")]
    pub published_at: Option<String>,
    /// Not served at or after this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime)]
    pub expires_at: Option<String>,
    /// Only when asked for, and only an embedding that was given: the hashed text embedding is never shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub embedding: Option<Vec<f32>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Object)]
    pub attributes: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub sponsored: Option<SponsoredForm>,
}

/// Who pays for an item to be shown, and where. Such an item is in no feed: it stands in sponsored slots.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct SponsoredForm {
    /// Shown with the item.
    #[schema(example = "Acme Shoes", min_length = 1, max_length = 256)]
    pub payer: String,
    /// On whose behalf, where that is somebody else.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, min_length = 1, max_length = 256)]
    pub on_behalf_of: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub targeting: Option<TargetingForm>,
}

/// Where a sponsored item may be shown: all that is left out is open. At most 32 values each. Nothing about people.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct TargetingForm {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_items = 32)]
    pub surfaces: Option<Vec<String>>,
    /// Of the request (`Accept-Language`).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_items = 32)]
    pub languages: Option<Vec<String>>,
    /// Of the page, where no profile shaped it; never a sensitive one (`privacy.sensitive`, and what the policy adds in `sponsored.sensitive_topics`).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, max_items = 32)]
    pub topics: Option<Vec<String>>,
}

impl From<&Sponsored> for SponsoredForm {
    fn from(sponsored: &Sponsored) -> Self {
        let Sponsored { payer, on_behalf_of, surfaces, languages, topics } = sponsored;
        let given = |values: Vec<String>| (!values.is_empty()).then_some(values);
        let texts = |values: &[FacetValue]| given(values.iter().map(ToString::to_string).collect());
        let targeting = TargetingForm { surfaces: given(surfaces.clone()), languages: texts(languages), topics: texts(topics) };
        let is_open = surfaces.is_empty() && languages.is_empty() && topics.is_empty();
        Self { payer: payer.clone(), on_behalf_of: on_behalf_of.clone(), targeting: (!is_open).then_some(targeting) }
    }
}

/// Who made an item.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct CreatorForm {
    #[schema(example = "crt_12")]
    pub id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "Ana Reyes")]
    pub name: Option<String>,
}

/// One topic of an item.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct TopicForm {
    #[schema(example = "science")]
    pub topic: String,
    /// Above 0, at most 1.
    #[schema(example = 0.8)]
    pub weight: f32,
}

impl From<&Creator> for CreatorForm {
    fn from(creator: &Creator) -> Self {
        Self { id: creator.id.to_string(), name: creator.name.clone() }
    }
}

impl From<&Item> for ItemForm {
    /// Everything but the embedding.
    fn from(item: &Item) -> Self {
        let facet = |value: &Option<crate::domain::FacetValue>| value.as_ref().map(|v| v.to_string());
        Self {
            id: item.id.to_string(),
            title: item.title.clone(),
            description: item.description.clone(),
            url: item.url.clone(),
            image: item.image.clone(),
            creator: item.creator.as_ref().map(CreatorForm::from),
            topics: item.topics.iter().map(|(topic, weight)| TopicForm { topic: topic.to_string(), weight: *weight }).collect(),
            source: facet(&item.source),
            viewpoint: facet(&item.viewpoint),
            language: facet(&item.language),
            format: facet(&item.format),
            published_at: item.published_at.map(time::render),
            expires_at: item.expires_at.map(time::render),
            embedding: None,
            // The text was made from an object when the item was read.
            attributes: item.attributes.as_deref().and_then(|text| serde_json::from_str(text).ok()),
            sponsored: item.sponsored.as_ref().map(SponsoredForm::from),
        }
    }
}

impl ItemForm {
    /// With the embedding, if the item brought one.
    pub fn with_embedding(item: &Item) -> Self {
        let given = item.embedding.as_ref().filter(|embedding| embedding.space == EmbeddingSpace::Model);
        Self { embedding: given.map(|embedding| embedding.to_f32()), ..Self::from(item) }
    }
}

/// An item as requests and files bring it. Unknown keys are refused; `null` counts as left out.
///
/// Documents what [`super::read()`] takes; never built by the server.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ItemInput {
    /// Chosen by you; putting the same id again replaces the item.
    #[schema(example = "itm_8c1f", min_length = 1, max_length = 128)]
    pub id: String,
    #[schema(example = "Rover finds water ice under the dunes", min_length = 1, max_length = 1000)]
    pub title: String,
    /// Feeds the text embedding; not shown on cards.
    #[schema(max_length = 10000)]
    pub description: Option<String>,
    /// `http` or `https`.
    #[schema(max_length = 2048, example = "https://example.org/rover")]
    pub url: Option<String>,
    /// `http` or `https`.
    #[schema(max_length = 2048)]
    pub image: Option<String>,
    pub creator: Option<CreatorInput>,
    pub topics: Option<TopicsInput>,
    #[schema(example = "Harbour Post", min_length = 1, max_length = 128)]
    pub source: Option<String>,
    #[schema(example = "center", min_length = 1, max_length = 128)]
    pub viewpoint: Option<String>,
    /// BCP 47.
    #[schema(example = "en", min_length = 1, max_length = 128)]
    pub language: Option<String>,
    #[schema(example = "article", min_length = 1, max_length = 128)]
    pub format: Option<String>,
    /// RFC 3339, or a date for midnight UTC.
    #[schema(example = "2026-10-09T08:15:00Z")]
    pub published_at: Option<String>,
    /// RFC 3339, or a date for midnight UTC. Not served at or after this time.
    pub expires_at: Option<String>,
    /// `catalogue.dimension` finite numbers, not all zero; scaled to unit length. Left out: made from the text.
    pub embedding: Option<Vec<f32>>,
    /// Free-form, at most 16 KiB of JSON; returned with `hydrate=full`.
    #[schema(value_type = Option<Object>)]
    pub attributes: Option<Value>,
    /// Somebody pays for it to be shown.
    pub sponsored: Option<SponsoredInput>,
}

/// Who pays for an item to be shown, and where. Such an item is in no feed: it stands in sponsored slots.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SponsoredInput {
    /// Shown with the item.
    #[schema(example = "Acme Shoes", min_length = 1, max_length = 256)]
    pub payer: String,
    /// On whose behalf, where that is somebody else.
    #[schema(min_length = 1, max_length = 256)]
    pub on_behalf_of: Option<String>,
    pub targeting: Option<TargetingInput>,
}

/// Where a sponsored item may be shown: all that is left out is open. At most 32 values each. Nothing about people.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct TargetingInput {
    #[schema(max_items = 32)]
    pub surfaces: Option<Vec<String>>,
    /// Of the request (`Accept-Language`).
    #[schema(max_items = 32)]
    pub languages: Option<Vec<String>>,
    /// Of the page, where no profile shaped it; never a sensitive one (`privacy.sensitive`, and what the policy adds in `sponsored.sensitive_topics`).
    #[schema(max_items = 32)]
    pub topics: Option<Vec<String>>,
}

/// A creator's id, or id and name.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum CreatorInput {
    Id(String),
    Named {
        id: String,
        #[schema(min_length = 1, max_length = 256)]
        name: Option<String>,
    },
}

/// At most 32 topics: names (weight 1), weights by name, or a list of names and weights. Duplicates keep the greater weight.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum TopicsInput {
    List(Vec<TopicEntry>),
    Weights(BTreeMap<String, f32>),
}

/// A topic's name, or name and weight.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum TopicEntry {
    Name(String),
    Weighted(TopicInput),
}

/// One topic of an item.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct TopicInput {
    #[schema(example = "science")]
    pub topic: String,
    /// Above 0, at most 1; 1 if left out.
    #[schema(exclusive_minimum = 0, maximum = 1, example = 0.8)]
    pub weight: Option<f32>,
}
