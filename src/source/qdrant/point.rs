//! An item as a point: id, named vector, and a digest that tells whether the vector is still the item's.

use std::collections::HashMap;

use qdrant_client::{
    Payload,
    qdrant::{PointId, PointStruct, RetrievedPoint, Value, point_id::PointIdOptions, value::Kind},
};

use crate::{catalogue::VectorView, domain::EmbeddingSpace};

/// The one key of the payload.
pub(super) const DIGEST: &str = "digest";
/// Of every space there is.
pub(super) const SPACES: [EmbeddingSpace; 2] = [EmbeddingSpace::Model, EmbeddingSpace::HashedText];

/// The name that the vectors of a space stand under.
pub(super) const fn name(space: EmbeddingSpace) -> &'static str {
    match space {
        EmbeddingSpace::Model => "model",
        EmbeddingSpace::HashedText => "hashed_text",
    }
}

/// `None` for an id that this server did not give.
pub(super) fn hash(id: &PointId) -> Option<u64> {
    match id.point_id_options.as_ref()? {
        PointIdOptions::Num(hash) => Some(*hash),
        PointIdOptions::Uuid(_) => None,
    }
}

/// The point of the item with this hash.
pub(super) fn of(hash: u64, vector: VectorView<'_>) -> PointStruct {
    let values: Vec<f32> = vector.values.iter().map(|x| x.to_f32()).collect();
    let payload: Payload = HashMap::from([(DIGEST.to_owned(), Value::from(digest(vector)))]).into();
    PointStruct::new(hash, HashMap::from([(name(vector.space).to_owned(), values)]), payload)
}

/// Another number for another vector or space.
pub(super) fn digest(vector: VectorView<'_>) -> i64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(name(vector.space).as_bytes());
    hasher.update(bytemuck::cast_slice(vector.values));
    let bytes = hasher.finalize();
    let [a, b, c, d, e, f, g, h, ..] = *bytes.as_bytes();
    i64::from_le_bytes([a, b, c, d, e, f, g, h])
}

/// The digest it was put with.
pub(super) fn put_with(point: &RetrievedPoint) -> Option<i64> {
    match point.payload.get(DIGEST)?.kind.as_ref()? {
        Kind::IntegerValue(digest) => Some(*digest),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Embedding;

    #[test]
    fn a_digest_tells_vectors_and_spaces_apart() {
        let embedding = Embedding::of_text("a rover on Mars", 16);
        let view = |space| VectorView { space, values: &embedding.values };
        let (text, model) = (digest(view(EmbeddingSpace::HashedText)), digest(view(EmbeddingSpace::Model)));
        assert_ne!(text, model);
        assert_eq!(text, digest(view(EmbeddingSpace::HashedText)));
        let other = Embedding::of_text("a central bank", 16);
        assert_ne!(text, digest(VectorView { space: EmbeddingSpace::HashedText, values: &other.values }));
    }
}
