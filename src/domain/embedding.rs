//! Embeddings: unit vectors of the configured dimension, and the hashed text embedding for items that bring none.

use std::sync::Arc;

use half::f16;

/// Which space a vector lives in: vectors of different spaces are never compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EmbeddingSpace {
    /// Given by the caller: a model's output.
    Model,
    /// [`Embedding::of_text`].
    HashedText,
}

impl EmbeddingSpace {
    /// Cosine from which an item joins an interest. Hashed text is sparser than a model's space.
    pub const fn near_enough(self) -> f32 {
        match self {
            Self::Model => 0.45,
            Self::HashedText => 0.2,
        }
    }

    /// Cosine from which a person would call two items alike.
    pub const fn alike(self) -> f32 {
        match self {
            Self::Model => 0.5,
            Self::HashedText => 0.5,
        }
    }
}

/// A unit vector (L2 norm 1 within f16 rounding), half precision.
#[derive(Clone, Debug, PartialEq)]
pub struct Embedding {
    pub space: EmbeddingSpace,
    pub values: Arc<[f16]>,
}

/// Why numbers are not an embedding.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum EmbeddingError {
    #[error("has {found} numbers; this server is configured for `catalogue.dimension = {expected}`")]
    Dimension { found: usize, expected: usize },
    #[error("has a non-finite number at index {0}; every number must be finite")]
    NonFinite(usize),
    #[error("is all zeros; a direction is needed")]
    Zero,
}

impl Embedding {
    /// Scales `numbers` to unit length. Errors: wrong dimension, a non-finite number, all zeros.
    pub fn from_model(numbers: &[f32], dimension: usize) -> Result<Self, EmbeddingError> {
        if numbers.len() != dimension {
            return Err(EmbeddingError::Dimension { found: numbers.len(), expected: dimension });
        }
        if let Some(at) = numbers.iter().position(|x| !x.is_finite()) {
            return Err(EmbeddingError::NonFinite(at));
        }
        let values = unit(numbers).ok_or(EmbeddingError::Zero)?;
        Ok(Self { space: EmbeddingSpace::Model, values })
    }

    /// Feature hashing of a text (Weinberger et al., ICML 2009): lower-cased words and their character trigrams,
    /// each hashed to a signed coordinate, scaled to unit length. Deterministic on every machine.
    ///
    /// Shape: `dimension` numbers, `dimension` ≥ 1. A text without letters or digits hashes as one token.
    pub fn of_text(text: &str, dimension: usize) -> Self {
        let mut sums = vec![0.0f32; dimension];
        let mut add = |token: &[u8], weight: f32| {
            let digest = blake3::hash(token);
            let bytes = digest.as_bytes();
            let index = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize % dimension;
            let sign = if bytes[4] & 1 == 0 { 1.0 } else { -1.0 };
            sums[index] += sign * weight;
        };
        let lower = text.to_lowercase();
        let mut any = false;
        for word in lower.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()) {
            any = true;
            let chars: Vec<char> = word.chars().collect();
            // Short words are mostly grammar, in most languages.
            add(word.as_bytes(), if chars.len() < 4 { 0.25 } else { 1.0 });
            for trigram in chars.windows(3) {
                let token: String = trigram.iter().collect();
                add(format!("#{token}").as_bytes(), 0.35);
            }
        }
        if !any {
            add(lower.as_bytes(), 1.0);
        }
        // Opposite signs can cancel to zero in tiny dimensions: then the first coordinate stands in.
        let values = unit(&sums).unwrap_or_else(|| {
            let mut first = vec![f16::ZERO; dimension];
            first[0] = f16::ONE;
            first.into()
        });
        Self { space: EmbeddingSpace::HashedText, values }
    }

    pub fn to_f32(&self) -> Vec<f32> {
        self.values.iter().map(|x| x.to_f32()).collect()
    }
}

fn unit(numbers: &[f32]) -> Option<Arc<[f16]>> {
    let norm = numbers.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>().sqrt();
    if norm <= 0.0 || !norm.is_finite() {
        return None;
    }
    Some(numbers.iter().map(|x| f16::from_f64(f64::from(*x) / norm)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cosine(a: &Embedding, b: &Embedding) -> f32 {
        a.to_f32().iter().zip(b.to_f32()).map(|(x, y)| x * y).sum()
    }

    #[test]
    fn wrong_numbers_are_refused() {
        assert_eq!(Embedding::from_model(&[1.0], 2), Err(EmbeddingError::Dimension { found: 1, expected: 2 }));
        assert_eq!(Embedding::from_model(&[1.0, f32::NAN], 2), Err(EmbeddingError::NonFinite(1)));
        assert_eq!(Embedding::from_model(&[0.0, 0.0], 2), Err(EmbeddingError::Zero));
        assert!(Embedding::from_model(&[f32::MAX, f32::MAX], 2).is_ok());
    }

    #[test]
    fn related_texts_are_nearer_than_unrelated_ones() {
        let a = Embedding::of_text("Rover finds water on Mars", 384);
        let b = Embedding::of_text("Mars rover finds more water ice", 384);
        let c = Embedding::of_text("Central bank raises interest rates", 384);
        assert!(cosine(&a, &b) > cosine(&a, &c) + 0.3);
        assert!((cosine(&a, &a) - 1.0).abs() < 1e-2);
        assert_eq!(a, Embedding::of_text("Rover finds water on Mars", 384));
    }

    #[test]
    fn every_text_has_a_unit_vector() {
        for text in ["", "!!!", "a", "日本語のニュース"] {
            for dimension in [1, 2, 8, 384] {
                let e = Embedding::of_text(text, dimension);
                assert_eq!(e.values.len(), dimension);
                assert!((cosine(&e, &e) - 1.0).abs() < 1e-2, "{text:?} {dimension}");
            }
        }
    }
}
