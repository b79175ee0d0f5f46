//! Who calls: a server with a key, an operator with an admin key, or a person's app with a user token.

use std::collections::BTreeSet;

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use subtle::{Choice, ConstantTimeEq};

use crate::{
    domain::{Span, Time, UserId, ids::IdError, privacy::AgeGroup},
    settings,
};

/// Clocks of token makers may be off by this much.
pub const TOKEN_LEEWAY: Span = Span::secs(30);
/// Longest token read, in bytes.
pub const TOKEN_BYTES_MAX: usize = 4_096;

/// Why a caller may not do what it asks. The messages are written for the caller.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    #[error("Send a key or user token: `Authorization: Bearer …` (keys also as `X-API-Key: …`).")]
    Missing,
    /// `reason` is for the log: it would help to guess.
    #[error("The key or user token is not valid here.")]
    Invalid { reason: String },
    #[error("The user token has expired; get a fresh one.")]
    Expired,
    #[error("The user token is not valid yet.")]
    NotYet,
    #[error("The user token's `sub` {0}.")]
    Subject(#[source] IdError),
    #[error("A user token speaks only for its own subject. Leave out `user`, or use a server key.")]
    OtherUser,
    #[error("This user token is for other surfaces: {0}.")]
    OtherSurface(String),
    #[error("This needs a server key; a user token speaks only for its own subject.")]
    NeedsServer,
    #[error("This needs an admin key (`auth.admin_keys`).")]
    NeedsAdmin,
}

impl AuthError {
    /// Whether another credential would help (401) rather than other rights (403).
    pub const fn is_about_identity(&self) -> bool {
        matches!(self, Self::Missing | Self::Invalid { .. } | Self::Expired | Self::NotYet | Self::Subject(_))
    }
}

/// Who sends a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// No keys are configured: everybody may do everything.
    Open,
    /// A backend: speaks for any user.
    Server,
    /// An operator: everything a server may, and the admin routes.
    Admin,
    /// A person's own app: speaks for that person only.
    User {
        id: UserId,
        /// `None`: every surface.
        surfaces: Option<BTreeSet<String>>,
        /// As whoever signed the token says.
        age_group: Option<AgeGroup>,
    },
}

impl Caller {
    /// The user a request is for. A user token speaks only for its subject: naming another user is forbidden.
    pub fn user_for(&self, requested: Option<UserId>) -> Result<Option<UserId>, AuthError> {
        match (self, requested) {
            (Self::User { id, .. }, Some(requested)) if *id != requested => Err(AuthError::OtherUser),
            (Self::User { id, .. }, _) => Ok(Some(id.clone())),
            (Self::Open | Self::Server | Self::Admin, requested) => Ok(requested),
        }
    }

    /// For admin routes.
    pub fn require_admin(&self) -> Result<(), AuthError> {
        match self {
            Self::Open | Self::Admin => Ok(()),
            Self::Server | Self::User { .. } => Err(AuthError::NeedsAdmin),
        }
    }

    /// For routes that are not about the caller's own data: the catalogue, other users.
    pub fn require_server(&self) -> Result<(), AuthError> {
        match self {
            Self::Open | Self::Server | Self::Admin => Ok(()),
            Self::User { .. } => Err(AuthError::NeedsServer),
        }
    }

    /// For routes with a surface: a user token may be limited to some.
    pub fn require_surface(&self, surface: &str) -> Result<(), AuthError> {
        match self {
            Self::User { surfaces: Some(surfaces), .. } if !surfaces.contains(surface) => {
                let allowed = surfaces.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
                Err(AuthError::OtherSurface(allowed))
            }
            _ => Ok(()),
        }
    }
}

/// The configured keys, as hashes, and the secret of user tokens.
pub struct Auth {
    server: Vec<KeyHash>,
    admin: Vec<KeyHash>,
    tokens: Option<(DecodingKey, Validation)>,
}

#[derive(Debug, Deserialize)]
struct Claims {
    sub: String,
    /// Seconds since the epoch; fractions are allowed (RFC 7519, NumericDate).
    exp: f64,
    nbf: Option<f64>,
    surfaces: Option<BTreeSet<String>>,
    age_group: Option<AgeGroup>,
}

impl Auth {
    /// Takes keys and token secret out of the settings, so that the keys are not kept in clear.
    pub fn take(settings: &mut settings::Auth) -> Self {
        let hashes = |keys: Vec<settings::Secret>| keys.iter().map(|key| KeyHash::of(key.expose())).collect();
        let secret = std::mem::take(&mut settings.jwt_secret);
        let tokens = (!secret.is_empty()).then(|| {
            let mut validation = Validation::new(Algorithm::HS256);
            // Times are checked below, against the server's own clock.
            validation.validate_exp = false;
            validation.set_required_spec_claims(&["exp", "sub"]);
            validation.validate_aud = false;
            (DecodingKey::from_secret(secret.expose().as_bytes()), validation)
        });
        Self { server: hashes(std::mem::take(&mut settings.server_keys)), admin: hashes(std::mem::take(&mut settings.admin_keys)), tokens }
    }

    /// Whether nothing is configured.
    pub fn is_open(&self) -> bool {
        self.server.is_empty() && self.admin.is_empty() && self.tokens.is_none()
    }

    /// The caller who sent `credential`. Errors: there is none and one is needed, or it is not valid.
    pub fn caller(&self, credential: Option<&str>, now: Time) -> Result<Caller, AuthError> {
        if self.is_open() {
            return Ok(Caller::Open);
        }
        let Some(credential) = credential else {
            // Only the admin routes are closed: everybody else counts as a server.
            if self.server.is_empty() && self.tokens.is_none() {
                return Ok(Caller::Server);
            }
            return Err(AuthError::Missing);
        };
        if credential.len() > TOKEN_BYTES_MAX {
            return Err(invalid("longer than any key or token"));
        }
        let hash = KeyHash::of(credential);
        // Both lists are searched whole, whatever is found.
        let (admin, server) = (hash.is_in(&self.admin), hash.is_in(&self.server));
        if bool::from(admin) {
            return Ok(Caller::Admin);
        }
        if bool::from(server) {
            return Ok(Caller::Server);
        }
        self.user(credential, now)
    }

    fn user(&self, token: &str, now: Time) -> Result<Caller, AuthError> {
        let Some((key, validation)) = &self.tokens else { return Err(invalid("no such key")) };
        let claims = jsonwebtoken::decode::<Claims>(token, key, validation).map_err(invalid)?.claims;
        let now_secs = now.0 as f64 / 1_000.0;
        let leeway_secs = TOKEN_LEEWAY.as_millis() as f64 / 1_000.0;
        // Written so that a date that is not a number is refused.
        let in_time = claims.exp + leeway_secs > now_secs;
        if !in_time {
            return Err(AuthError::Expired);
        }
        let begun = claims.nbf.is_none_or(|nbf| nbf - leeway_secs <= now_secs);
        if !begun {
            return Err(AuthError::NotYet);
        }
        let id = UserId::new(&claims.sub).map_err(AuthError::Subject)?;
        Ok(Caller::User { id, surfaces: claims.surfaces, age_group: claims.age_group })
    }
}

fn invalid(reason: impl ToString) -> AuthError {
    AuthError::Invalid { reason: reason.to_string() }
}

/// A key's hash. Keys are long and random, so a plain hash tells nothing about them.
struct KeyHash([u8; 32]);

impl KeyHash {
    fn of(key: &str) -> Self {
        Self(*blake3::hash(key.as_bytes()).as_bytes())
    }

    /// In constant time for a list of given length.
    fn is_in(&self, keys: &[Self]) -> Choice {
        keys.iter().fold(Choice::from(0), |found, key| found | key.0.ct_eq(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{EncodingKey, Header};
    use serde_json::{Value, json};

    use super::*;
    use crate::settings::Secret;

    const TOKEN_SECRET: &str = "0123456789abcdef0123456789abcdef";
    const NOW: Time = Time::from_secs(1_000_000);

    fn auth(server: &[&str], admin: &[&str], secret: &str) -> Auth {
        let keys = |keys: &[&str]| keys.iter().map(|key| Secret::new(*key)).collect();
        let mut settings = settings::Auth {
            server_keys: keys(server),
            admin_keys: keys(admin),
            jwt_secret: Secret::new(secret),
            cursor_secret: Secret::default(),
        };
        let auth = Auth::take(&mut settings);
        assert_eq!(settings, settings::Auth::default(), "the keys are taken out");
        auth
    }

    fn token(claims: Value, algorithm: Algorithm, secret: &str) -> String {
        jsonwebtoken::encode(&Header::new(algorithm), &claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
    }

    #[test]
    fn who_calls_without_a_credential() {
        assert_eq!(auth(&[], &[], "").caller(None, NOW).unwrap(), Caller::Open);
        assert_eq!(auth(&[], &["admin-key-0000000"], "").caller(None, NOW).unwrap(), Caller::Server);
        assert!(matches!(auth(&["server-key-000000"], &[], "").caller(None, NOW), Err(AuthError::Missing)));
        assert!(matches!(auth(&[], &[], TOKEN_SECRET).caller(None, NOW), Err(AuthError::Missing)));
    }

    #[test]
    fn keys_are_told_apart() {
        let auth = auth(&["server-key-000000", "server-key-000001"], &["admin-key-0000000"], "");
        assert_eq!(auth.caller(Some("server-key-000001"), NOW).unwrap(), Caller::Server);
        assert_eq!(auth.caller(Some("admin-key-0000000"), NOW).unwrap(), Caller::Admin);
        for wrong in ["", "server-key-00000", "server-key-0000000", "a.b.c", &"x".repeat(5_000)] {
            assert!(matches!(auth.caller(Some(wrong), NOW), Err(AuthError::Invalid { .. })), "{wrong}");
        }
    }

    #[test]
    fn a_token_speaks_for_its_subject_only() {
        let auth = auth(&["server-key-000000"], &[], TOKEN_SECRET);
        let token = token(json!({"sub": "ann", "exp": 1_000_001, "surfaces": ["home"]}), Algorithm::HS256, TOKEN_SECRET);
        let caller = auth.caller(Some(&token), NOW).unwrap();
        let ann = UserId::new("ann").unwrap();
        assert_eq!(caller.user_for(None).unwrap(), Some(ann.clone()));
        assert_eq!(caller.user_for(Some(ann.clone())).unwrap(), Some(ann));
        assert!(matches!(caller.user_for(Some(UserId::new("bob").unwrap())), Err(AuthError::OtherUser)));
        assert!(caller.require_surface("home").is_ok());
        assert!(matches!(caller.require_surface("video"), Err(AuthError::OtherSurface(allowed)) if allowed == "home"));
        assert!(caller.require_server().is_err());
        assert!(caller.require_admin().is_err());
    }

    #[test]
    fn tokens_that_must_be_refused() {
        let auth = auth(&[], &[], TOKEN_SECRET);
        let refused = |claims: Value, algorithm, secret| auth.caller(Some(&token(claims, algorithm, secret)), NOW).unwrap_err();
        let sound = json!({"sub": "ann", "exp": 1_000_100});
        assert!(matches!(refused(sound.clone(), Algorithm::HS256, "another-secret-another-secret-32"), AuthError::Invalid { .. }));
        assert!(matches!(refused(sound, Algorithm::HS512, TOKEN_SECRET), AuthError::Invalid { .. }));
        assert!(matches!(refused(json!({"sub": "ann"}), Algorithm::HS256, TOKEN_SECRET), AuthError::Invalid { .. }));
        assert!(matches!(refused(json!({"exp": 1_000_100}), Algorithm::HS256, TOKEN_SECRET), AuthError::Invalid { .. }));
        assert!(matches!(refused(json!({"sub": "ann", "exp": 999_970}), Algorithm::HS256, TOKEN_SECRET), AuthError::Expired));
        assert!(matches!(refused(json!({"sub": "", "exp": 1_000_100}), Algorithm::HS256, TOKEN_SECRET), AuthError::Subject(_)));
        let early = json!({"sub": "ann", "exp": 1_000_100, "nbf": 1_000_050});
        assert!(matches!(refused(early, Algorithm::HS256, TOKEN_SECRET), AuthError::NotYet));
        // The unsigned token of RFC 7519, 6.1.
        let unsigned = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbm4iLCJleHAiOjEwMDAxMDB9.";
        assert!(matches!(auth.caller(Some(unsigned), NOW), Err(AuthError::Invalid { .. })));
    }
}
