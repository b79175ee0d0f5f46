//! The stages of an item on its way into a slate: one type per stage.

use crate::{catalogue::Row, domain::feed::FEATURES};

/// Where a candidate came from. The discriminant is its bit in [`Sources`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum SourceKind {
    Interest = 0,
    Followed = 1,
    Trending = 2,
    Fresh = 3,
    /// Outside the person's profile: may fill exploration slots.
    Outside = 4,
    /// Given by the caller of `POST /v1/rerank`.
    Caller = 5,
}

impl SourceKind {
    pub const ALL: [SourceKind; 6] = [Self::Interest, Self::Followed, Self::Trending, Self::Fresh, Self::Outside, Self::Caller];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Interest => "interest",
            Self::Followed => "followed",
            Self::Trending => "trending",
            Self::Fresh => "fresh",
            Self::Outside => "outside",
            Self::Caller => "caller",
        }
    }
}

/// A set of [`SourceKind`]s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sources(pub u8);

impl Sources {
    pub const fn of(kind: SourceKind) -> Self {
        Self(1 << kind as u8)
    }
    pub const fn with(self, other: Sources) -> Self {
        Self(self.0 | other.0)
    }
    pub const fn without(self, kind: SourceKind) -> Self {
        Self(self.0 & !(1 << kind as u8))
    }
    pub const fn has(self, kind: SourceKind) -> bool {
        self.0 & (1 << kind as u8) != 0
    }
    pub fn iter(self) -> impl Iterator<Item = SourceKind> {
        SourceKind::ALL.into_iter().filter(move |kind| self.has(*kind))
    }
}

/// In the pool.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    pub row: Row,
    pub sources: Sources,
    /// The caller's own relevance, in [0, 1]; 0 for catalogue candidates.
    pub relevance: f32,
}

/// Has relevance.
#[derive(Clone, Debug, PartialEq)]
pub struct Scored {
    pub row: Row,
    pub sources: Sources,
    /// Normalised within the feed, in [0, 1].
    pub relevance: f32,
    /// What each [`super::Feature`] added to the raw relevance.
    pub contributions: [f32; FEATURES],
    /// The topic that contributed most: index into the item's topics.
    pub topic: Option<u8>,
    /// The interest it is nearest to: index into the profile's interests.
    pub interest: Option<u8>,
}
