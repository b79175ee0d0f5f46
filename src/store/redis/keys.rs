//! Every key this store uses. The part in braces is the hash tag: keys with the same one live on the same Redis Cluster
//! node, and a script or transaction touches keys of one tag only.
//!
//! ```text
//! pf:{u:<user>}:profile      string  revision (u64, little-endian) and codec::profile
//! pf:{u:<user>}:consents     string  codec::consent
//! pf:{u:<user>}:dedupe       zset    event digests (16 bytes) by expiry in ms
//! pf:{u:<user>}:feeds        zset    feed ids by expiry in ms, so that erasure finds them
//! pf:{u:<user>}:feed:<feed>  hash    h = codec::feed, p0, p1, … = its pages
//! pf:{f:<feed>}:feed         hash    the same, for a feed that belongs to nobody
//! pf:{c:00…3f}:items         hash    item id → codec::item
//! pf:{c:00…3f}:popularity    hash    item id → codec::popularity
//! pf:{changes}               stream  one entry per change: p | d | w → item id (put, deleted, weight)
//! pf:policy:<digest>         string  a policy's JSON
//! pf:activations             list    the lines of the activation log, oldest first
//! pf:secret  pf:ping         string
//! ```

use std::borrow::Cow;

use crate::domain::{FeedId, ItemId, UserId, feed::Owner};

/// Parts of the catalogue, so that no one key grows with all of it.
pub(super) const CATALOGUE_BUCKETS: u8 = 64;

pub(super) struct Keys {
    prefix: String,
}

impl Keys {
    /// `prefix` has no brace.
    pub(super) fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned() }
    }

    fn person(&self, user: &UserId, what: &str) -> String {
        format!("{}{{u:{}}}:{what}", self.prefix, tag(user.as_str()))
    }

    pub(super) fn profile(&self, user: &UserId) -> String {
        self.person(user, "profile")
    }

    pub(super) fn consents(&self, user: &UserId) -> String {
        self.person(user, "consents")
    }

    pub(super) fn dedupe(&self, user: &UserId) -> String {
        self.person(user, "dedupe")
    }

    pub(super) fn feeds(&self, user: &UserId) -> String {
        self.person(user, "feeds")
    }

    /// What the key of each of the person's feeds begins with; the feed id follows.
    pub(super) fn feed_prefix(&self, user: &UserId) -> String {
        self.person(user, "feed:")
    }

    pub(super) fn feed(&self, owner: &Owner, id: &FeedId) -> String {
        match owner {
            Owner::User(user) => self.feed_prefix(user) + id.as_str(),
            Owner::Nobody => format!("{}{{f:{}}}:feed", self.prefix, tag(id.as_str())),
        }
    }

    pub(super) fn items(&self, bucket: u8) -> String {
        format!("{}{{c:{bucket:02x}}}:items", self.prefix)
    }

    pub(super) fn popularity(&self, bucket: u8) -> String {
        format!("{}{{c:{bucket:02x}}}:popularity", self.prefix)
    }

    pub(super) fn changes(&self) -> String {
        format!("{}{{changes}}", self.prefix)
    }

    pub(super) fn policy(&self, digest: &str) -> String {
        format!("{}policy:{}", self.prefix, tag(digest))
    }

    pub(super) fn activations(&self) -> String {
        format!("{}activations", self.prefix)
    }

    pub(super) fn secret(&self) -> String {
        format!("{}secret", self.prefix)
    }

    pub(super) fn ping(&self) -> String {
        format!("{}ping", self.prefix)
    }
}

/// The part of the catalogue an item is in: the same on every machine and release.
pub(super) fn bucket(id: &ItemId) -> u8 {
    (id.hash64() % u64::from(CATALOGUE_BUCKETS)) as u8
}

/// `text` without braces: a tag ends at the first `}`.
fn tag(text: &str) -> Cow<'_, str> {
    if text.contains(['%', '{', '}']) { text.replace('%', "%25").replace('{', "%7B").replace('}', "%7D").into() } else { text.into() }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// What Redis Cluster hashes of a key: between the first `{` and the first `}` after it.
    fn hashed(key: &str) -> &str {
        let Some((_, after)) = key.split_once('{') else { return key };
        match after.split_once('}') {
            Some((tag, _)) if !tag.is_empty() => tag,
            _ => key,
        }
    }

    #[test]
    fn all_keys_of_a_person_share_one_tag_and_no_two_people_do() {
        let keys = Keys::new("pf:");
        let mut tags = HashSet::new();
        let users = ["ann", "a}b", "a{b", "}", "{}", "a%7Db", "a%b", "}:profile", "žluťoučký 🐎", "ann}:feed:x"];
        for user in users.map(|user| UserId::new(user).unwrap()) {
            let feed = FeedId::new("fd}{_1").unwrap();
            let tag = hashed(&keys.profile(&user)).to_owned();
            for key in [
                keys.consents(&user),
                keys.dedupe(&user),
                keys.feeds(&user),
                keys.feed(&Owner::User(user.clone()), &feed),
                keys.feed_prefix(&user),
            ] {
                assert_eq!(hashed(&key), tag, "{key}");
            }
            assert!(tag.starts_with("u:") && tags.insert(tag.clone()), "{tag}");
        }
    }

    #[test]
    fn keys_read_as_documented() {
        let keys = Keys::new("pf:");
        let (user, feed) = (UserId::new("ann").unwrap(), FeedId::new("fd_1").unwrap());
        assert_eq!(keys.profile(&user), "pf:{u:ann}:profile");
        assert_eq!(keys.dedupe(&user), "pf:{u:ann}:dedupe");
        assert_eq!(keys.feed(&Owner::User(user), &feed), "pf:{u:ann}:feed:fd_1");
        assert_eq!(keys.feed(&Owner::Nobody, &feed), "pf:{f:fd_1}:feed");
        assert_eq!(keys.items(63), "pf:{c:3f}:items");
        assert_eq!(keys.popularity(0), "pf:{c:00}:popularity");
        assert_eq!(keys.changes(), "pf:{changes}");
        assert_eq!(keys.policy("b3:12"), "pf:policy:b3:12");
    }

    #[test]
    fn items_spread_over_all_buckets() {
        let buckets: HashSet<u8> = (0..2_000).map(|n| bucket(&ItemId::new(format!("item-{n}")).unwrap())).collect();
        assert_eq!(buckets.len(), usize::from(CATALOGUE_BUCKETS));
        assert_eq!(bucket(&ItemId::new("item-1").unwrap()), bucket(&ItemId::new("item-1").unwrap()));
    }
}
