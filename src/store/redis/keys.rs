//! Every key this store uses. The part in braces is the hash tag: keys with the same one live on the same Redis Cluster
//! node, and a script or transaction touches keys of one tag only.
//!
//! ```text
//! pf:{p:<digest>}:profile      string  revision (u64, little-endian) and the sealed codec::profile
//! pf:{p:<digest>}:consents     string  sealed codec::consent
//! pf:{p:<digest>}:pace         string  sealed codec::pace
//! pf:{p:<digest>}:dedupe       zset    keyed event digests (16 bytes) by expiry in ms
//! pf:{p:<digest>}:feeds        zset    feed ids by expiry in ms, so that erasure finds them
//! pf:{p:<digest>}:feed:<feed>  hash    h = sealed codec::feed, p0, p1, … = its sealed pages
//! pf:{p:<digest>}:key          string  the person's wrapped key; in the keys' own Redis where there is one
//! pf:{p:<digest>}:erased       string  when the person was erased, in ms
//! pf:erasures                  zset    digests of the erased by when, in ms
//! pf:{f:<feed>}:feed         hash    the same, for a feed that belongs to nobody
//! pf:{c:00…3f}:items         hash    item id → codec::item
//! pf:{c:00…3f}:popularity    hash    item id → codec::popularity
//! pf:{changes}               stream  one entry per change: p | d | w → item id (put, deleted, weight)
//! pf:policy:<digest>         string  a policy's JSON
//! pf:activations             list    the lines of the activation log, oldest first
//! pf:secret  pf:ping         string
//! pf:layout                  string  2: no rows of earlier versions are left
//! pf:keys:root               string  the secret behind the digests, wrapped; where the keys are
//! pf:keys:master             string  a master key that was made here; where the keys are
//! ```
//!
//! A digest is that of the person's id with a key only servers have ([`Lookup`]): no id stands in clear. Earlier versions kept
//! profiles, event ids and feeds under `pf:{u:<user>}:`.

use std::borrow::Cow;

use crate::{
    domain::{FeedId, ItemId},
    store::seal::Lookup,
};

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

    fn person(&self, who: &Lookup, what: &str) -> String {
        format!("{}{{p:{}}}:{what}", self.prefix, &**who)
    }

    pub(super) fn profile(&self, who: &Lookup) -> String {
        self.person(who, "profile")
    }

    pub(super) fn consents(&self, who: &Lookup) -> String {
        self.person(who, "consents")
    }

    pub(super) fn pace(&self, who: &Lookup) -> String {
        self.person(who, "pace")
    }

    pub(super) fn dedupe(&self, who: &Lookup) -> String {
        self.person(who, "dedupe")
    }

    pub(super) fn feeds(&self, who: &Lookup) -> String {
        self.person(who, "feeds")
    }

    pub(super) fn key(&self, who: &Lookup) -> String {
        self.person(who, "key")
    }

    pub(super) fn erased(&self, who: &Lookup) -> String {
        self.person(who, "erased")
    }

    /// What the key of each of the person's feeds begins with; the feed id follows.
    pub(super) fn feed_prefix(&self, who: &Lookup) -> String {
        self.person(who, "feed:")
    }

    /// A person's feed, or one that belongs to nobody.
    pub(super) fn feed(&self, who: Option<&Lookup>, id: &FeedId) -> String {
        match who {
            Some(who) => self.feed_prefix(who) + id.as_str(),
            None => format!("{}{{f:{}}}:feed", self.prefix, tag(id.as_str())),
        }
    }

    /// A key of an earlier version, which had the person's id in it.
    pub(super) fn earlier(&self, user: &str, what: &str) -> String {
        format!("{}{{u:{}}}:{what}", self.prefix, tag(user))
    }

    /// Whose key of an earlier version this is.
    pub(super) fn earlier_user(&self, key: &str) -> Option<String> {
        let (tag, _) = key.strip_prefix(&self.prefix)?.strip_prefix("{u:")?.split_once('}')?;
        Some(tag.replace("%7D", "}").replace("%7B", "{").replace("%25", "%"))
    }

    /// Matches every key of an earlier version that is about a person.
    pub(super) fn earlier_pattern(&self) -> String {
        format!("{}{{u:*", self.prefix)
    }

    pub(super) fn named(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
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

/// Slots of a Redis Cluster.
pub(super) const SLOTS: u16 = 16_384;

/// The slot of a key in a Redis Cluster: the CRC of its hash tag.
pub(super) fn slot(key: &[u8]) -> u16 {
    crc16::State::<crc16::XMODEM>::calculate(hashed(key)) % SLOTS
}

/// What Redis Cluster hashes of a key: between the first `{` and the first `}` after it.
fn hashed(key: &[u8]) -> &[u8] {
    let Some(open) = key.iter().position(|byte| *byte == b'{') else { return key };
    let after = &key[open + 1..];
    match after.iter().position(|byte| *byte == b'}') {
        Some(length @ 1..) => &after[..length],
        _ => key,
    }
}

/// `text` without braces: a tag ends at the first `}`.
fn tag(text: &str) -> Cow<'_, str> {
    if text.contains(['%', '{', '}']) { text.replace('%', "%25").replace('{', "%7B").replace('}', "%7D").into() } else { text.into() }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::{
        domain::UserId,
        store::seal::{KeyRing, MasterKeys, ROOT},
    };

    fn tag_of(key: &str) -> &str {
        std::str::from_utf8(hashed(key.as_bytes())).unwrap()
    }

    #[test]
    fn slots_are_those_of_redis() {
        // By `CLUSTER KEYSLOT`.
        for (key, expected) in [("foo", 12_182), ("bar", 5_061), ("{foo}bar", 12_182), ("x{}y", 16_116), ("{a}b}c", 15_495)] {
            assert_eq!(slot(key.as_bytes()), expected, "{key}");
        }
    }

    fn lookups() -> Vec<Lookup> {
        let ring = KeyRing::new(MasterKeys::of(&[1; 32]), None);
        ring.set_root(&MasterKeys::of(&[1; 32]).make(ROOT).unwrap()).unwrap();
        ["ann", "a}b", "}"].map(|user| ring.lookup(&UserId::new(user).unwrap()).unwrap()).to_vec()
    }

    #[test]
    fn all_keys_of_a_person_share_one_tag_and_no_two_people_do() {
        let keys = Keys::new("pf:");
        let mut tags = HashSet::new();
        for who in lookups() {
            let feed = FeedId::new("fd}{_1").unwrap();
            let tag = tag_of(&keys.profile(&who)).to_owned();
            let own = [keys.dedupe(&who), keys.feeds(&who), keys.feed(Some(&who), &feed), keys.key(&who), keys.erased(&who)];
            for key in own.into_iter().chain([keys.consents(&who), keys.pace(&who)]) {
                assert_eq!(tag_of(&key), tag, "{key}");
            }
            assert!(tag.starts_with("p:") && tags.insert(tag.clone()), "{tag}");
        }
    }

    #[test]
    fn keys_of_earlier_versions_tell_whose_they_are() {
        let keys = Keys::new("pf:");
        for user in ["ann", "a}b", "a{b", "}", "{}", "a%7Db", "a%b", "}:profile", "žluťoučký 🐎", "ann}:feed:x"] {
            assert_eq!(keys.earlier_user(&keys.earlier(user, "profile")).as_deref(), Some(user));
        }
        assert_eq!(keys.earlier_user("pf:{f:fd_1}:feed"), None);
    }

    #[test]
    fn keys_read_as_documented() {
        let keys = Keys::new("pf:");
        let (who, feed) = (&lookups()[0], FeedId::new("fd_1").unwrap());
        let digest: &str = who;
        assert_eq!(keys.profile(who), format!("pf:{{p:{digest}}}:profile"));
        assert_eq!(keys.dedupe(who), format!("pf:{{p:{digest}}}:dedupe"));
        assert_eq!(keys.feed(Some(who), &feed), format!("pf:{{p:{digest}}}:feed:fd_1"));
        assert_eq!(keys.feed(None, &feed), "pf:{f:fd_1}:feed");
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
