//! Cursors and tracks: opaque, signed, bound. HMAC-SHA-256 (RFC 2104), cut to 128 bits.
//!
//! A cursor names a feed and a page and is bound to the surface and the owner: it is worth nothing to anybody else.

use arc_swap::ArcSwap;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::domain::{
    FeedId, ItemId, UserId,
    feed::Owner,
    profile::Mode,
    session::{SESSION_BYTES, Session},
};

/// Bytes of the signature kept.
const TAG_BYTES: usize = 16;
/// 128 bits of feed, 32 of page or position.
const BODY_BYTES: usize = 20;
const CURSOR_PREFIX: &str = "c1.";
/// A cursor that carries the session.
const SESSION_CURSOR_PREFIX: &str = "c2.";
const SESSION_PREFIX: &str = "s1.";
const TRACK_PREFIX: &str = "v1.";

/// Signs and checks. One key for every instance on a store.
pub struct Signer {
    /// The first signs; any of them checks. Never empty.
    keys: ArcSwap<Vec<Key>>,
}

/// A key that has been taken in: half of what a short signature costs.
#[derive(Clone)]
struct Key {
    bytes: [u8; 32],
    mac: Hmac<Sha256>,
}

impl Key {
    fn new(bytes: [u8; 32]) -> Self {
        // Of a block's size, as HMAC pads it: that cannot fail.
        let mut block = [0; 64];
        block[..bytes.len()].copy_from_slice(&bytes);
        Self { bytes, mac: Hmac::new(&block.into()) }
    }

    fn tag(&self, parts: &[&[u8]]) -> [u8; TAG_BYTES] {
        let mut mac = self.mac.clone();
        for part in parts {
            // Length first: no two part lists sign the same bytes.
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part);
        }
        let mut tag = [0; TAG_BYTES];
        tag.copy_from_slice(&mac.finalize().into_bytes()[..TAG_BYTES]);
        tag
    }
}

/// What a cursor says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    pub feed: FeedId,
    /// The page to serve, ≥ 1.
    pub page: u32,
    /// The session the feed is read in, where breaks or an end are set.
    pub session: Option<Session>,
}

impl Signer {
    pub fn new(key: [u8; 32]) -> Self {
        Self { keys: ArcSwap::from_pointee(vec![Key::new(key)]) }
    }

    /// Signs with `key` from now on; what was signed before stays good.
    pub fn renew(&self, key: [u8; 32]) {
        self.keys.rcu(|old| {
            let mut keys = vec![Key::new(key)];
            keys.extend(old.iter().filter(|old| old.bytes != key).cloned());
            keys
        });
    }

    fn sign(&self, parts: &[&[u8]]) -> [u8; TAG_BYTES] {
        self.keys.load()[0].tag(parts)
    }

    fn checks(&self, parts: &[&[u8]], given: &[u8]) -> bool {
        self.keys.load().iter().any(|key| key.tag(parts).as_slice().ct_eq(given).into())
    }

    /// The cursor of a page, bound to owner, surface and what of the owner the feed is made of.
    pub fn cursor(&self, cursor: &Cursor, owner: &Owner, surface: &str, mode: Mode) -> String {
        let body = body(&cursor.feed, cursor.page);
        let Some(session) = cursor.session.map(Session::to_bytes) else {
            let tag = self.sign(&cursor_parts(&body, owner, surface, mode));
            return format!("{CURSOR_PREFIX}{}", URL_SAFE_NO_PAD.encode([body.as_slice(), &tag].concat()));
        };
        let body = [body.as_slice(), &session].concat();
        let tag = self.sign(&cursor_parts(&body, owner, surface, mode));
        format!("{SESSION_CURSOR_PREFIX}{}", URL_SAFE_NO_PAD.encode([body.as_slice(), &tag].concat()))
    }

    /// Reads a cursor back; `None` when it is not one of ours for this owner, surface and mode.
    pub fn read_cursor(&self, text: &str, owner: &Owner, surface: &str, mode: Mode) -> Option<Cursor> {
        if let Some(text) = text.strip_prefix(SESSION_CURSOR_PREFIX) {
            let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
            let (signed, tag) = bytes.split_at_checked(BODY_BYTES + SESSION_BYTES)?;
            let (body, session) = signed.split_first_chunk::<BODY_BYTES>()?;
            let (feed, page) = self.checks(&cursor_parts(signed, owner, surface, mode), tag).then(|| parts(body))?;
            return Some(Cursor { feed, page, session: session.first_chunk().map(Session::from_bytes) });
        }
        let bytes = URL_SAFE_NO_PAD.decode(text.strip_prefix(CURSOR_PREFIX)?).ok()?;
        let (body, tag) = bytes.split_first_chunk::<BODY_BYTES>()?;
        let (feed, page) = self.checks(&cursor_parts(body, owner, surface, mode), tag).then(|| parts(body))?;
        Some(Cursor { feed, page, session: None })
    }

    /// What carries a session from one feed to the next, bound to who reads; `None`: nobody is named.
    pub fn session_token(&self, session: Session, user: Option<&UserId>) -> String {
        let body = session.to_bytes();
        let tag = self.sign(&session_parts(&body, user));
        format!("{SESSION_PREFIX}{}", URL_SAFE_NO_PAD.encode([body.as_slice(), &tag].concat()))
    }

    /// Reads a session back; `None` when it is not one of ours for this reader.
    pub fn read_session_token(&self, text: &str, user: Option<&UserId>) -> Option<Session> {
        let bytes = URL_SAFE_NO_PAD.decode(text.strip_prefix(SESSION_PREFIX)?).ok()?;
        let (body, tag) = bytes.split_first_chunk::<SESSION_BYTES>()?;
        self.checks(&session_parts(body, user), tag).then(|| Session::from_bytes(body))
    }

    /// The track of an item at a position: proof that we served it there.
    pub fn track(&self, feed: &FeedId, position: u32, item: &ItemId) -> String {
        let body = body(feed, position);
        let tag = self.sign(&[b"track", &body, item.as_str().as_bytes()]);
        let mut signed = [0; BODY_BYTES + TAG_BYTES];
        signed[..BODY_BYTES].copy_from_slice(&body);
        signed[BODY_BYTES..].copy_from_slice(&tag);
        let mut text = String::with_capacity(TRACK_PREFIX.len() + signed.len().div_ceil(3) * 4);
        text.push_str(TRACK_PREFIX);
        URL_SAFE_NO_PAD.encode_string(signed, &mut text);
        text
    }

    /// The feed and position a track of `item` names; `None` when we did not make it.
    pub fn read_track(&self, text: &str, item: &ItemId) -> Option<(FeedId, u32)> {
        let bytes = URL_SAFE_NO_PAD.decode(text.strip_prefix(TRACK_PREFIX)?).ok()?;
        let (body, tag) = bytes.split_first_chunk::<BODY_BYTES>()?;
        self.checks(&[b"track", body, item.as_str().as_bytes()], tag).then(|| parts(body))
    }
}

fn session_parts<'a>(body: &'a [u8], user: Option<&'a UserId>) -> [&'a [u8]; 4] {
    let (kind, user) = user.map_or((b"nobody".as_slice(), ""), |user| (b"user".as_slice(), user.as_str()));
    [b"session", body, kind, user.as_bytes()]
}

fn cursor_parts<'a>(body: &'a [u8], owner: &'a Owner, surface: &'a str, mode: Mode) -> [&'a [u8]; 5] {
    let (kind, user) = match owner {
        Owner::User(user) if mode == Mode::ExplicitOnly => (b"explicit_only".as_slice(), user.as_str()),
        Owner::User(user) => (b"user".as_slice(), user.as_str()),
        // Nothing of anybody, whatever the mode.
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
    use crate::domain::Time;

    fn owner(name: &str) -> Owner {
        Owner::User(UserId::new(name).expect("valid"))
    }

    proptest! {
        #[test]
        fn a_cursor_reads_back_for_its_owner_and_surface_alone(id in any::<u128>(), page in any::<u32>(), flip in 0usize..47, bit in 0u8..6) {
            let signer = Signer::new([3; 32]);
            let cursor = Cursor { feed: FeedId::from_bits(id), page, session: None };
            let text = signer.cursor(&cursor, &owner("ana"), "home", Mode::Profile);
            prop_assert_eq!(signer.read_cursor(&text, &owner("ana"), "home", Mode::Profile), Some(cursor));
            prop_assert_eq!(signer.read_cursor(&text, &owner("ana"), "home", Mode::ExplicitOnly), None);
            prop_assert_eq!(signer.read_cursor(&text, &owner("ben"), "home", Mode::Profile), None);
            prop_assert_eq!(signer.read_cursor(&text, &Owner::Nobody, "home", Mode::Profile), None);
            prop_assert_eq!(signer.read_cursor(&text, &owner("ana"), "video", Mode::Profile), None);
            prop_assert_eq!(Signer::new([4; 32]).read_cursor(&text, &owner("ana"), "home", Mode::Profile), None);
            let mut bytes = URL_SAFE_NO_PAD.decode(&text[3..]).expect("base64");
            let at = flip % bytes.len();
            bytes[at] ^= 1 << bit;
            let tampered = format!("c1.{}", URL_SAFE_NO_PAD.encode(bytes));
            prop_assert_eq!(signer.read_cursor(&tampered, &owner("ana"), "home", Mode::Profile), None);
        }

        #[test]
        fn any_text_is_refused_without_harm(text in ".{0,80}") {
            let signer = Signer::new([3; 32]);
            prop_assert_eq!(signer.read_cursor(&text, &Owner::Nobody, "home", Mode::Profile), None);
            prop_assert_eq!(signer.read_track(&text, &ItemId::new("i").expect("valid")), None);
        }
    }

    #[test]
    fn a_session_is_carried_by_its_reader_alone() {
        let signer = Signer::new([3; 32]);
        let session = Session { begun: Time(5), served: Time(9), pages: 3, pauses: 1, held: None };
        let cursor = Cursor { feed: FeedId::from_bits(7), page: 2, session: Some(session) };
        let text = signer.cursor(&cursor, &owner("ana"), "home", Mode::Profile);
        assert_eq!(signer.read_cursor(&text, &owner("ana"), "home", Mode::Profile), Some(cursor));
        assert_eq!(signer.read_cursor(&text, &owner("ben"), "home", Mode::Profile), None);
        let (ana, ben) = (UserId::new("ana").expect("valid"), UserId::new("ben").expect("valid"));
        let token = signer.session_token(session, Some(&ana));
        assert_eq!(signer.read_session_token(&token, Some(&ana)), Some(session));
        assert_eq!(signer.read_session_token(&token, Some(&ben)), None);
        assert_eq!(signer.read_session_token(&token, None), None);
        for at in 3..text.len() {
            let mut forged = text.clone().into_bytes();
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            let forged = String::from_utf8(forged).expect("text");
            let read = signer.read_cursor(&forged, &owner("ana"), "home", Mode::Profile);
            // The last letter holds bits that count for nothing.
            assert!(read.is_none() || at + 1 == text.len(), "{at}");
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
