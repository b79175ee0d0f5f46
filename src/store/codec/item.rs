//! The stored form of an [`Item`].

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{as_bytes, corrupt, halves_from_bytes, halves_to_bytes};
use crate::{
    domain::{Creator, Embedding, EmbeddingSpace, FacetValue, Item, ItemId, Time, item::Sponsored},
    store::StoreError,
};

const WHAT: &str = "item";
/// Newest version.
const VERSION: u8 = 2;

pub fn encode(item: &Item) -> Result<Vec<u8>, StoreError> {
    match &item.sponsored {
        // As servers of the version before read it.
        None => super::encode(WHAT, super::VERSION, &ItemV1::from(item)),
        Some(sponsored) => super::encode(WHAT, VERSION, &ItemV2 { before: item.into(), sponsored: sponsored.into() }),
    }
}

/// Errors: [`StoreError::Corrupt`].
pub fn decode(bytes: &[u8]) -> Result<Item, StoreError> {
    let (version, payload) = super::payload(WHAT, bytes, VERSION)?;
    let (stored, sponsored): (ItemV1, _) = match version {
        1 => (super::read(WHAT, payload)?, None),
        _ => {
            let ItemV2 { before, sponsored } = super::read(WHAT, payload)?;
            (before, Some(sponsored.into()))
        }
    };
    let item: Item = stored.try_into().map_err(|detail: String| corrupt(WHAT, detail))?;
    Ok(Item { sponsored, ..item })
}

/// A sponsored item: what version 1 had, and after it who pays.
#[derive(Serialize, Deserialize)]
struct ItemV2<'a> {
    #[serde(borrow)]
    before: ItemV1<'a>,
    sponsored: SponsoredV2<'a>,
}

#[derive(Serialize, Deserialize)]
struct SponsoredV2<'a> {
    payer: &'a str,
    on_behalf_of: Option<&'a str>,
    #[serde(borrow)]
    surfaces: Vec<&'a str>,
    languages: Vec<&'a str>,
    topics: Vec<&'a str>,
}

impl<'a> From<&'a Sponsored> for SponsoredV2<'a> {
    fn from(sponsored: &'a Sponsored) -> Self {
        Self {
            payer: &sponsored.payer,
            on_behalf_of: sponsored.on_behalf_of.as_deref(),
            surfaces: sponsored.surfaces.iter().map(String::as_str).collect(),
            languages: sponsored.languages.iter().map(|language| &**language).collect(),
            topics: sponsored.topics.iter().map(|topic| &**topic).collect(),
        }
    }
}

impl From<SponsoredV2<'_>> for Sponsored {
    fn from(stored: SponsoredV2<'_>) -> Self {
        Self {
            payer: stored.payer.into(),
            on_behalf_of: stored.on_behalf_of.map(Into::into),
            surfaces: stored.surfaces.into_iter().map(Into::into).collect(),
            languages: stored.languages.into_iter().map(Into::into).collect(),
            topics: stored.topics.into_iter().map(Into::into).collect(),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct ItemV1<'a> {
    id: &'a str,
    title: &'a str,
    description: Option<&'a str>,
    url: Option<&'a str>,
    image: Option<&'a str>,
    creator: Option<CreatorV1<'a>>,
    #[serde(borrow)]
    topics: Vec<(&'a str, f32)>,
    source: Option<&'a str>,
    viewpoint: Option<&'a str>,
    language: Option<&'a str>,
    format: Option<&'a str>,
    published_at_ms: Option<i64>,
    expires_at_ms: Option<i64>,
    embedding: Option<EmbeddingV1<'a>>,
    /// JSON text.
    attributes: Option<&'a str>,
}

#[derive(Serialize, Deserialize)]
struct CreatorV1<'a> {
    id: &'a str,
    name: Option<&'a str>,
}

#[derive(Serialize, Deserialize)]
struct EmbeddingV1<'a> {
    space: SpaceV1,
    #[serde(borrow, serialize_with = "as_bytes")]
    values: Cow<'a, [u8]>,
}

/// By position: only append.
#[derive(Serialize, Deserialize)]
pub(super) enum SpaceV1 {
    Model,
    HashedText,
}

impl From<EmbeddingSpace> for SpaceV1 {
    fn from(space: EmbeddingSpace) -> Self {
        match space {
            EmbeddingSpace::Model => Self::Model,
            EmbeddingSpace::HashedText => Self::HashedText,
        }
    }
}

impl From<SpaceV1> for EmbeddingSpace {
    fn from(stored: SpaceV1) -> Self {
        match stored {
            SpaceV1::Model => Self::Model,
            SpaceV1::HashedText => Self::HashedText,
        }
    }
}

impl<'a> From<&'a Item> for ItemV1<'a> {
    fn from(item: &'a Item) -> Self {
        Self {
            id: item.id.as_str(),
            title: &item.title,
            description: item.description.as_deref(),
            url: item.url.as_deref(),
            image: item.image.as_deref(),
            creator: item.creator.as_ref().map(|c| CreatorV1 { id: &c.id, name: c.name.as_deref() }),
            topics: item.topics.iter().map(|(value, weight)| (&**value, *weight)).collect(),
            source: item.source.as_deref(),
            viewpoint: item.viewpoint.as_deref(),
            language: item.language.as_deref(),
            format: item.format.as_deref(),
            published_at_ms: item.published_at.map(|t| t.0),
            expires_at_ms: item.expires_at.map(|t| t.0),
            embedding: item.embedding.as_ref().map(EmbeddingV1::from),
            attributes: item.attributes.as_deref(),
        }
    }
}

impl From<&Embedding> for EmbeddingV1<'_> {
    fn from(embedding: &Embedding) -> Self {
        Self { space: embedding.space.into(), values: halves_to_bytes(&embedding.values).into() }
    }
}

impl TryFrom<ItemV1<'_>> for Item {
    type Error = String;

    fn try_from(stored: ItemV1<'_>) -> Result<Self, String> {
        Ok(Self {
            id: ItemId::new(stored.id).map_err(|fault| format!("its id {fault}"))?,
            title: stored.title.into(),
            description: stored.description.map(Into::into),
            url: stored.url.map(Into::into),
            image: stored.image.map(Into::into),
            creator: stored.creator.map(|c| Creator { id: c.id.into(), name: c.name.map(Into::into) }),
            topics: stored.topics.into_iter().map(|(value, weight)| (FacetValue::from(value), weight)).collect(),
            source: stored.source.map(Into::into),
            viewpoint: stored.viewpoint.map(Into::into),
            language: stored.language.map(Into::into),
            format: stored.format.map(Into::into),
            published_at: stored.published_at_ms.map(Time),
            expires_at: stored.expires_at_ms.map(Time),
            embedding: stored.embedding.map(Embedding::try_from).transpose()?,
            attributes: stored.attributes.map(Into::into),
            sponsored: None,
        })
    }
}

impl TryFrom<EmbeddingV1<'_>> for Embedding {
    type Error = String;

    fn try_from(stored: EmbeddingV1<'_>) -> Result<Self, String> {
        Ok(Self { space: stored.space.into(), values: halves_from_bytes(&stored.values)?.collect() })
    }
}
