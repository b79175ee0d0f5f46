//! Ids: checked once, cheap to clone, never empty, never longer than [`MAX_ID_BYTES`], never with control characters.

use std::{borrow::Borrow, fmt, sync::Arc};

/// Longest id in bytes of UTF-8.
pub const MAX_ID_BYTES: usize = 128;

/// Why a text is not an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    #[error("must not be empty; expected 1 to {MAX_ID_BYTES} bytes")]
    Empty,
    #[error("is {0} bytes long; expected 1 to {MAX_ID_BYTES} bytes")]
    TooLong(usize),
    #[error("has a control character at byte {0}; expected printable UTF-8")]
    Control(usize),
}

fn check(text: &str) -> Result<(), IdError> {
    if text.is_empty() {
        return Err(IdError::Empty);
    }
    if text.len() > MAX_ID_BYTES {
        return Err(IdError::TooLong(text.len()));
    }
    match text.char_indices().find(|(_, c)| c.is_control()) {
        Some((at, _)) => Err(IdError::Control(at)),
        None => Ok(()),
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks length and characters. Errors: [`IdError`].
            pub fn new(text: impl AsRef<str>) -> Result<Self, IdError> {
                check(text.as_ref())?;
                Ok(Self(Arc::from(text.as_ref())))
            }
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }
        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
        impl TryFrom<&str> for $name {
            type Error = IdError;
            fn try_from(text: &str) -> Result<Self, IdError> {
                Self::new(text)
            }
        }
    };
}

id!(
    /// A catalogue entry's id, chosen by the caller.
    ItemId
);
id!(
    /// The person a feed is for. Personal data: never logged in clear (`Debug` is for tests only).
    UserId
);
id!(
    /// A visit, as the client names it: for experiments that count visits. Not kept in clear.
    SessionId
);
id!(
    /// An event's id, chosen by the client; the key of de-duplication.
    EventId
);
id!(
    /// A stored feed: `fd_` + 32 hex digits of a UUIDv7.
    FeedId
);

/// What stands for a person where their id must not: random, kept beside their key and gone with it, never made from the id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pseudonym(pub [u8; 16]);

impl fmt::Display for Pseudonym {
    /// 32 hex digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FeedId {
    /// The feed id of 128 bits (a UUIDv7): `fd_` + 32 hex digits.
    pub fn from_bits(bits: u128) -> Self {
        Self(Arc::from(format!("fd_{bits:032x}")))
    }

    /// The 128 bits of an id made by [`FeedId::from_bits`]; `None` for any other text.
    pub fn bits(&self) -> Option<u128> {
        let digits = self.0.strip_prefix("fd_")?;
        (digits.len() == 32).then(|| u128::from_str_radix(digits, 16).ok())?
    }
}

impl ItemId {
    /// A stable 64-bit hash (first 8 bytes, little-endian, of BLAKE3): the same on every machine and release.
    pub fn hash64(&self) -> u64 {
        let digest = blake3::hash(self.0.as_bytes());
        let mut first = [0u8; 8];
        first.copy_from_slice(&digest.as_bytes()[..8]);
        u64::from_le_bytes(first)
    }
}

impl EventId {
    /// 128 bits of BLAKE3: the stored form in the de-duplication window.
    pub fn digest(&self) -> [u8; 16] {
        let digest = blake3::hash(self.0.as_bytes());
        let mut first = [0u8; 16];
        first.copy_from_slice(&digest.as_bytes()[..16]);
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_ids_are_refused_with_the_reason() {
        assert_eq!(ItemId::new(""), Err(IdError::Empty));
        assert_eq!(ItemId::new("x".repeat(129)), Err(IdError::TooLong(129)));
        assert_eq!(ItemId::new("a\u{0}b"), Err(IdError::Control(1)));
        assert_eq!(ItemId::new("a\u{85}b"), Err(IdError::Control(1)));
        assert!(ItemId::new("x".repeat(128)).is_ok());
        assert!(ItemId::new("žluťoučký kůň 🐎").is_ok());
    }
}
