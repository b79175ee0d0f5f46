//! Cursors and tracks: opaque, signed, bound. HMAC-SHA-256 (RFC 2104), cut to 128 bits.
//!
//! A cursor names a feed and a page and is bound to the surface and the owner: it is worth nothing to anybody else.

use arc_swap::ArcSwap;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::domain::{FeedId, ItemId, feed::Owner};

/// Bytes of the signature kept.
const TAG_BYTES: usize = 16;
/// 128 bits of feed, 32 of page or position.
const BODY_BYTES: usize = 20;
const CURSOR_PREFIX: &str = "c1.";
const TRACK_PREFIX: &str = "v1.";

/// Signs and checks. One key for every instance on a store.
pub struct Signer {
    /// The first signs; any of them checks.
    keys: ArcSwap<Vec<[u8; 32]>>,
}

/// What a cursor says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    pub feed: FeedId,
    /// The page to serve, ≥ 1.
    pub page: u32,
}

impl Signer {
    pub fn new(key: [u8; 32]) -> Self {
        Self { keys: ArcSwap::from_pointee(vec![key]) }
    }

    /// Signs with `key` from now on; what was signed before stays good.
    pub fn renew(&self, key: [u8; 32]) {
        self.keys.rcu(|old| {
            let mut keys = vec![key];
            keys.extend(old.iter().filter(|k| **k != key));
            keys
        });
    }

    fn sign(&self, parts: &[&[u8]]) -> [u8; TAG_BYTES] {
        tag(self.keys.load().first().unwrap_or(&[0; 32]), parts)
    }

    fn checks(&self, parts: &[&[u8]], given: &[u8]) -> bool {
        self.keys.load().iter().any(|key| tag(key, parts).as_slice().ct_eq(given).into())
    }

    /// The cursor of a page, bound to owner and surface.
    pub fn cursor(&self, cursor: &Cursor, owner: &Owner, surface: &str) -> String {
        let body = body(&cursor.feed, cursor.page);
        let tag = self.sign(&cursor_parts(&body, owner, surface));
        format!("{CURSOR_PREFIX}{}", URL_SAFE_NO_PAD.encode([body.as_slice(), &tag].concat()))
    }

    /// Reads a cursor back; `None` when it is not one of ours for this owner and surface.
    pub fn read_cursor(&self, text: &str, owner: &Owner, surface: &str) -> Option<Cursor> {
        let bytes = URL_SAFE_NO_PAD.decode(text.strip_prefix(CURSOR_PREFIX)?).ok()?;
        let (body, tag) = bytes.split_first_chunk::<BODY_BYTES>()?;
        let (feed, page) = self.checks(&cursor_parts(body, owner, surface), tag).then(|| parts(body))?;
        Some(Cursor { feed, page })
    }

    /// The track of an item at a position: proof that we served it there.
    pub fn track(&self, feed: &FeedId, position: u32, item: &ItemId) -> String {
        let body = body(feed, position);
        let tag = self.sign(&[b"track", &body, item.as_str().as_bytes()]);
        format!("{TRACK_PREFIX}{}", URL_SAFE_NO_PAD.encode([body.as_slice(), &tag].concat()))
    }

    /// The feed and position a track of `item` names; `None` when we did not make it.
    pub fn read_track(&self, text: &str, item: &ItemId) -> Option<(FeedId, u32)> {
        let bytes = URL_SAFE_NO_PAD.decode(text.strip_prefix(TRACK_PREFIX)?).ok()?;
        let (body, tag) = bytes.split_first_chunk::<BODY_BYTES>()?;
        self.checks(&[b"track", body, item.as_str().as_bytes()], tag).then(|| parts(body))
    }
}

fn tag(key: &[u8; 32], parts: &[&[u8]]) -> [u8; TAG_BYTES] {
    let mut tag = [0; TAG_BYTES];
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return tag };
    for part in parts {
        // Length first: no two part lists sign the same bytes.
        mac.update(&(part.len() as u64).to_le_bytes());
        mac.update(part);
    }
    tag.copy_from_slice(&mac.finalize().into_bytes()[..TAG_BYTES]);
    tag
}

fn cursor_parts<'a>(body: &'a [u8; BODY_BYTES], owner: &'a Owner, surface: &'a str) -> [&'a [u8]; 5] {
    let (kind, user) = match owner {
        Owner::User(user) => (b"user".as_slice(), user.as_str()),
        Owner::Nobody => (b"nobody".as_slice(), ""),
    };
    [b"cursor", body, kind, user.as_bytes(), surface.as_bytes()]
}

/// Feed bits, then a page or position, both little-endian.
fn body(feed: &FeedId, number: u32) -> [u8; BODY_BYTES] {
    let mut body = [0; BODY_BYTES];
    body[..16].copy_from_slice(&feed.bits().unwrap_or(0).to_le_bytes());
    body[16..].copy_from_slice(&number.to_le_bytes());
    body
}

fn parts(body: &[u8; BODY_BYTES]) -> (FeedId, u32) {
    let (mut bits, mut number) = ([0; 16], [0; 4]);
    bits.copy_from_slice(&body[..16]);
    number.copy_from_slice(&body[16..]);
    (FeedId::from_bits(u128::from_le_bytes(bits)), u32::from_le_bytes(number))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::UserId;

    fn owner(name: &str) -> Owner {
        Owner::User(UserId::new(name).expect("valid"))
    }

    proptest! {
        #[test]
        fn a_cursor_reads_back_for_its_owner_and_surface_alone(id in any::<u128>(), page in any::<u32>(), flip in 0usize..47, bit in 0u8..6) {
            let signer = Signer::new([3; 32]);
            let cursor = Cursor { feed: FeedId::from_bits(id), page };
            let text = signer.cursor(&cursor, &owner("ana"), "home");
            prop_assert_eq!(signer.read_cursor(&text, &owner("ana"), "home"), Some(cursor));
            prop_assert_eq!(signer.read_cursor(&text, &owner("ben"), "home"), None);
            prop_assert_eq!(signer.read_cursor(&text, &Owner::Nobody, "home"), None);
            prop_assert_eq!(signer.read_cursor(&text, &owner("ana"), "video"), None);
            prop_assert_eq!(Signer::new([4; 32]).read_cursor(&text, &owner("ana"), "home"), None);
            let mut bytes = URL_SAFE_NO_PAD.decode(&text[3..]).expect("base64");
            let at = flip % bytes.len();
            bytes[at] ^= 1 << bit;
            let tampered = format!("c1.{}", URL_SAFE_NO_PAD.encode(bytes));
            prop_assert_eq!(signer.read_cursor(&tampered, &owner("ana"), "home"), None);
        }

        #[test]
        fn any_text_is_refused_without_harm(text in ".{0,80}") {
            let signer = Signer::new([3; 32]);
            prop_assert_eq!(signer.read_cursor(&text, &Owner::Nobody, "home"), None);
            prop_assert_eq!(signer.read_track(&text, &ItemId::new("i").expect("valid")), None);
        }
    }

    #[test]
    fn a_track_proves_feed_position_and_item() {
        let signer = Signer::new([3; 32]);
        let feed = FeedId::from_bits(7);
        let (a, b) = (ItemId::new("a").expect("valid"), ItemId::new("b").expect("valid"));
        let track = signer.track(&feed, 4, &a);
        assert_eq!(signer.read_track(&track, &a), Some((feed, 4)));
        assert_eq!(signer.read_track(&track, &b), None);
    }
}
