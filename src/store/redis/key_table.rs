//! People's keys in Redis: with everything else, or in a Redis of their own, of which no backup should be kept for long.

use std::{collections::HashSet, sync::Arc};

use futures_util::future::try_join;
use redis::Pipeline;
use zeroize::Zeroizing;

use super::{
    RedisStore,
    link::{Ask, Lane, Link},
    people::ttl_ms,
};
use crate::{
    domain::{Span, Time, UserId, consent::CONSENT_KEEP},
    store::{
        Rotated, StoreError, TOMBSTONE_TTL,
        seal::{KeyRing, Lookup, MASTER_KEY_BYTES, MasterKeys, PersonKey, ROOT},
    },
};

/// A key stays this much longer than what is not written to: it never goes before what it opens.
const KEY_OUTLIVES_ROWS: Span = Span::days(30);
const MASTER: &str = "keys:master";
const ROOT_NAME: &str = "keys:root";
const ERASURES: &str = "erasures";

impl RedisStore {
    fn key_link(&self) -> &Link {
        self.key_link.as_ref().unwrap_or(&self.link)
    }

    /// Whether keys are with everything else, so that one command may touch both.
    pub(super) fn keys_are_here(&self) -> bool {
        self.key_link.is_none()
    }

    pub(super) fn key_ttl_ms(&self) -> i64 {
        let longest_ms = self.options.store.profile_ttl.as_millis().max(CONSENT_KEEP.as_millis());
        ttl_ms(Span::millis(longest_ms.saturating_add(KEY_OUTLIVES_ROWS.as_millis())).as_std())
    }

    /// The keys this process knows, from Redis with the first call.
    pub(super) async fn ring(&self) -> Result<&KeyRing, StoreError> {
        self.ring.get_or_try_init(|| self.load_ring()).await
    }

    async fn load_ring(&self) -> Result<KeyRing, StoreError> {
        let made = match &self.options.store.keys.masters {
            Some(_) => self.read(MASTER).await?,
            None => Some(self.read_or_put(MASTER, &rand::random::<[u8; MASTER_KEY_BYTES]>()).await?),
        };
        let made = made.map(|made| super::super::secret(&made).map(Zeroizing::new)).transpose()?;
        let made_keys = made.as_ref().map(|made| MasterKeys::of(made));
        let masters = match (self.options.store.keys.masters.clone(), made_keys) {
            (Some(configured), Some(made)) => configured.before(made),
            (Some(masters), None) | (None, Some(masters)) => masters,
            (None, None) => return Err(StoreError::Refused("there is no master key".into())),
        };
        let fresh = masters.make(ROOT)?;
        let ring = KeyRing::new(masters, made);
        ring.set_root(&self.read_or_put(ROOT_NAME, &fresh).await?)?;
        Ok(ring)
    }

    async fn read(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let mut get = redis::cmd("GET");
        get.arg(self.keys.named(name));
        self.key_link().ask(Lane::Serving, Ask::Read(&get)).await
    }

    /// What is kept under `name`; `fresh` if there is nothing.
    async fn read_or_put(&self, name: &str, fresh: &[u8]) -> Result<Vec<u8>, StoreError> {
        // Read first: a full Redis still answers.
        if let Some(kept) = self.read(name).await? {
            return Ok(kept);
        }
        let mut pipeline = Pipeline::new();
        pipeline.cmd("SETNX").arg(self.keys.named(name)).arg(fresh).ignore();
        pipeline.cmd("GET").arg(self.keys.named(name));
        let (kept,): (Vec<u8>,) = self.key_link().ask(Lane::Serving, Ask::Together(&pipeline)).await?;
        Ok(kept)
    }

    /// Where the person's records are.
    pub(super) async fn who(&self, user: &UserId) -> Result<Lookup, StoreError> {
        self.ring().await?.lookup(user).ok_or_else(|| StoreError::Refused("the lookup secret is not there".into()))
    }

    /// The key as it is now, from Redis.
    pub(super) async fn current_key(&self, who: &Lookup) -> Result<Option<Arc<PersonKey>>, StoreError> {
        let mut get = redis::cmd("GET");
        get.arg(self.keys.key(who));
        let row: Option<Vec<u8>> = self.key_link().ask(Lane::Serving, Ask::Read(&get)).await?;
        self.key_in(who, row.as_deref()).await
    }

    /// The key in a row that was just read.
    pub(super) async fn key_in(&self, who: &Lookup, row: Option<&[u8]>) -> Result<Option<Arc<PersonKey>>, StoreError> {
        let ring = self.ring().await?;
        match row {
            Some(row) => ring.key_of(who, row).map(Some),
            None => {
                ring.forget(who);
                Ok(None)
            }
        }
    }

    /// The key as this process last saw it, or as it is now.
    pub(super) async fn known_key(&self, who: &Lookup) -> Result<Option<Arc<PersonKey>>, StoreError> {
        match self.ring().await?.cached(who) {
            Some(key) => Ok(Some(key)),
            None => self.current_key(who).await,
        }
    }

    /// The key to write with, made when there is none. Errors: [`StoreError::Erased`].
    pub(super) async fn key_for_writing(&self, who: &Lookup) -> Result<Arc<PersonKey>, StoreError> {
        if let Some(key) = self.ring().await?.cached(who) {
            return Ok(key);
        }
        let (key, _) = self.make_key(who).await?;
        // The tombstone comes before the key's end: whoever makes a key after that end sees it here.
        let mut exists = redis::cmd("EXISTS");
        exists.arg(self.keys.erased(who));
        if self.link.ask(Lane::Serving, Ask::Read(&exists)).await? {
            self.destroy_late_key(who).await?;
            return Err(StoreError::Erased);
        }
        Ok(key)
    }

    /// The key to write a decision about consent with, and whether it was made now. One that `lifts` an erasure takes no notice of it.
    ///
    /// Errors: [`StoreError::Erased`].
    pub(super) async fn key_for_consent(&self, who: &Lookup, lifts: bool) -> Result<(Arc<PersonKey>, bool), StoreError> {
        if let Some(key) = self.current_key(who).await? {
            return Ok((key, false));
        }
        match lifts {
            true => self.make_key(who).await,
            false => Ok((self.key_for_writing(who).await?, true)),
        }
    }

    /// The key, made if there is none; and whether it was.
    async fn make_key(&self, who: &Lookup) -> Result<(Arc<PersonKey>, bool), StoreError> {
        let fresh = self.ring().await?.masters().make(who)?;
        let mut set = redis::cmd("SET");
        set.arg(self.keys.key(who)).arg(&fresh).arg("NX").arg("GET").arg("PX").arg(self.key_ttl_ms());
        let before: Option<Vec<u8>> = self.key_link().ask(Lane::Serving, Ask::Write(&set)).await?;
        let key = self.ring().await?.key_of(who, before.as_deref().unwrap_or(&fresh))?;
        Ok((key, before.is_none()))
    }

    /// Deletes a key that came after an erasure, unless the person came back meanwhile and has a new one.
    pub(super) async fn destroy_late_key(&self, who: &Lookup) -> Result<(), StoreError> {
        if !self.keys_are_here() {
            return self.destroy_key(who).await;
        }
        let mut destroy = self.scripts.destroy_late.key(self.keys.erased(who));
        destroy.key(self.keys.key(who));
        let destroyed = self.link.ask::<()>(Lane::Serving, Ask::Script(&destroy)).await;
        self.ring().await?.forget(who);
        destroyed
    }

    /// Deletes the key, here and in Redis.
    pub(super) async fn destroy_key(&self, who: &Lookup) -> Result<(), StoreError> {
        let mut delete = redis::cmd("DEL");
        delete.arg(self.keys.key(who));
        let deleted = self.key_link().ask::<()>(Lane::Serving, Ask::Write(&delete)).await;
        self.ring().await?.forget(who);
        deleted
    }

    /// The key was used: it stays as long as what it seals. Only needed where the keys are elsewhere.
    pub(super) async fn keep_key(&self, who: &Lookup) -> Result<(), StoreError> {
        let mut expire = redis::cmd("PEXPIRE");
        expire.arg(self.keys.key(who)).arg(self.key_ttl_ms()).arg("GT");
        self.key_link().ask::<()>(Lane::Serving, Ask::Write(&expire)).await
    }

    /// Tells the other processes on this store of an erasure.
    pub(super) async fn announce_erasure(&self, who: &Lookup, now: Time) -> Result<(), StoreError> {
        let mut announce = self.scripts.announce_erasure.key(self.keys.named(ERASURES));
        announce.arg(&**who).arg(now.0).arg(TOMBSTONE_TTL.as_millis());
        self.link.ask(Lane::Serving, Ask::Script(&announce)).await
    }

    pub(super) async fn follow_erasures(&self, since: Time) -> Result<HashSet<String>, StoreError> {
        let ring = self.ring().await?;
        let mut range = redis::cmd("ZRANGEBYSCORE");
        range.arg(self.keys.named(ERASURES)).arg(format!("({}", since.0)).arg("+inf");
        let erased = self.link.ask(Lane::Serving, Ask::Read(&range));
        let known = ring.root_row();
        let (erased, root): (HashSet<String>, Vec<u8>) = try_join(erased, self.read_or_put(ROOT_NAME, &known)).await?;
        if let Some(made) = ring.made() {
            // Also after a flush: another process must find the key that wrapped the root.
            self.read_or_put(MASTER, made).await?;
        }
        for who in &erased {
            ring.forget(who);
            self.remembered.forget(&Lookup::of(who));
        }
        // A Redis that was emptied and begun anew by another process: what was known leads nowhere.
        if root != *known {
            ring.set_root(&root)?;
            ring.clear();
            self.remembered.clear();
        }
        Ok(erased)
    }

    pub(super) async fn rewrap_keys(&self) -> Result<Rotated, StoreError> {
        let masters = self.ring().await?.masters();
        let mut rotated = Rotated::default();
        self.rewrap(&self.keys.named(ROOT_NAME), ROOT, masters, &mut rotated).await?;
        let mut keys = self.key_link().scan(self.keys.named("{p:*}:key")).await?;
        while let Some(found) = keys.next().await? {
            for key in found {
                let who = key.split_once("{p:").and_then(|(_, rest)| rest.split_once('}')).map_or("", |(who, _)| who);
                self.rewrap(&key, who, masters, &mut rotated).await?;
            }
        }
        Ok(rotated)
    }

    /// Wraps one row anew, if nobody changed it meanwhile.
    async fn rewrap(&self, key: &str, who: &str, masters: &MasterKeys, rotated: &mut Rotated) -> Result<(), StoreError> {
        let mut get = redis::cmd("GET");
        get.arg(key);
        let row: Option<Vec<u8>> = self.key_link().ask(Lane::Bulk, Ask::Read(&get)).await?;
        let Some(row) = row else { return Ok(()) };
        match masters.rewrap(who, &row) {
            Ok(None) => rotated.current += 1,
            Ok(Some(new)) => {
                let mut swap = self.scripts.swap_key.key(key);
                swap.arg(row).arg(new);
                let swapped: u64 = self.key_link().ask(Lane::Bulk, Ask::Script(&swap)).await?;
                rotated.rewrapped += swapped;
            }
            Err(_) => rotated.unreadable += 1,
        }
        Ok(())
    }
}
