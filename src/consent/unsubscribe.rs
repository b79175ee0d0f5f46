//! Tokens by which a mail can be unsubscribed from without a login: the person's id, sealed, and nothing else.
//!
//! XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03) with a key of the shared secret. Ids are padded, so that their length says
//! little. A token never ends: it can only withdraw.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chacha20poly1305::{
    Key, KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};

use crate::domain::UserId;

const NONCE_BYTES: usize = 24;
const PAD_BYTES: usize = 64;
const CONTEXT: &[u8] = b"polyphony unsubscribe 1";
/// Longest token read, in bytes.
const MAX_TOKEN_BYTES: usize = 512;

/// Makes and reads tokens. One key for every instance on a store; none until it is shared.
#[derive(Default)]
pub struct Unsubscribe(ArcSwapOption<XChaCha20Poly1305>);

impl Unsubscribe {
    /// Tokens are made and read with this key from now on.
    pub fn renew(&self, key: [u8; 32]) {
        self.0.store(Some(Arc::new(XChaCha20Poly1305::new(&Key::from(key)))));
    }

    /// A token for the person; no two are the same. `None`: there is no key yet.
    pub fn token(&self, user: &UserId) -> Option<String> {
        let cipher = self.0.load_full()?;
        let nonce: [u8; NONCE_BYTES] = rand::random();
        let mut padded = user.as_str().as_bytes().to_vec();
        // No id holds a zero byte.
        padded.resize(padded.len().next_multiple_of(PAD_BYTES), 0);
        let sealed = cipher.encrypt(&XNonce::from(nonce), Payload { msg: &padded, aad: CONTEXT }).ok()?;
        Some(URL_SAFE_NO_PAD.encode([nonce.as_slice(), &sealed].concat()))
    }

    /// Whom a token is for; `None`: it is none of ours.
    pub fn read(&self, token: &str) -> Option<UserId> {
        let cipher = self.0.load_full()?;
        let bytes = URL_SAFE_NO_PAD.decode(token.as_bytes().get(..token.len().min(MAX_TOKEN_BYTES))?).ok()?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE_BYTES>()?;
        let padded = cipher.decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad: CONTEXT }).ok()?;
        let end = padded.iter().position(|byte| *byte == 0).unwrap_or(padded.len());
        UserId::new(std::str::from_utf8(&padded[..end]).ok()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_says_nothing_and_comes_back() {
        let tokens = Unsubscribe::default();
        let ana = UserId::new("ana").expect("valid");
        assert_eq!(tokens.token(&ana), None, "no key yet");
        tokens.renew([7; 32]);
        let (one, other) = (tokens.token(&ana).expect("a key"), tokens.token(&ana).expect("a key"));
        assert_ne!(one, other);
        assert!(!URL_SAFE_NO_PAD.decode(&one).expect("base64").windows(3).any(|window| window == b"ana"));
        assert_eq!(one.len(), tokens.token(&UserId::new("a".repeat(64)).expect("valid")).expect("a key").len());
        assert_eq!(tokens.read(&one), Some(ana));
        // Another first letter than the token's own.
        let changed = format!("{}{}", if one.starts_with('A') { 'B' } else { 'A' }, &one[1..]);
        for wrong in ["", "x", &one[1..], &changed, &"é".repeat(300)] {
            assert_eq!(tokens.read(wrong), None, "{wrong}");
        }
        let others = Unsubscribe::default();
        others.renew([8; 32]);
        assert_eq!(others.read(&one), None);
    }
}
