//! Everything kept about a person: profile, consent log, de-duplication window, feeds; sealed with their key. Every key has a time
//! to live, set with every write.

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures_util::future::try_join;

use super::{
    RedisStore,
    link::{Ask, Lane},
    scripts::Invocation,
};
use crate::{
    domain::{
        EventId, FeedId, Profile, Span, Time, UserId,
        consent::{CONSENT_KEEP, ConsentRecord, Decision},
        event::DEDUPE_WINDOW,
        feed::{Owner, Page, StoredFeed},
    },
    store::{
        Basis, Commit, FeedRecord, Learning, MAX_REMEMBERED_EVENTS, Person, StoreError, TOMBSTONE_TTL, codec,
        seal::{Home, Lookup, PersonKey, Record, opened, sealed},
    },
};

/// Longest time to live, in ms: "forever" still ends, and Redis refuses times that overflow.
const MAX_TTL_MS: i64 = Span::days(3_650).as_millis();
/// Field of a feed's hash with the feed itself; `p0`, `p1`, … are its pages.
const FEED_FIELD: &str = "h";
/// What scripts return when the person was erased.
const ERASED: u8 = 2;
/// What scripts return when the person is not as they were supposed to be.
const OUTDATED: u8 = 3;
/// What `freeze_page.lua` returns when the feed is gone.
const GONE: u8 = 0;

/// What is under a key, if there is anything.
pub(super) type Stored = Option<Vec<u8>>;

/// A profile, when each id asked about is forgotten, and whether the person was erased: `begin_learning.lua`.
type Begun = (Stored, Vec<Option<f64>>, bool);

impl RedisStore {
    /// Key, profile and consent log in one round trip.
    pub(super) async fn read_person(&self, user: &UserId) -> Result<Option<Person>, StoreError> {
        let who = self.who(user).await?;
        let mut get = redis::cmd("MGET");
        get.arg(self.keys.profile(&who)).arg(self.keys.consents(&who));
        let (key, (profile, consents)) = if self.keys_are_here() {
            get.arg(self.keys.key(&who));
            let (profile, consents, row): (Stored, Stored, Stored) = self.link.ask(Lane::Serving, Ask::Read(&get)).await?;
            (self.key_in(&who, row.as_deref()).await?, (profile, consents))
        } else {
            try_join(self.current_key(&who), self.link.ask::<(Stored, Stored)>(Lane::Serving, Ask::Read(&get))).await?
        };
        // Without its key a row is what a backup brought back: nobody's any more.
        let Some(key) = key else { return Ok(None) };
        let own_profile = profile.as_deref().filter(|stored| !is_foreign(&key, stored));
        let own_consents = consents.as_deref().filter(|stored| !key.is_foreign(stored));
        if own_profile.is_none() && own_consents.is_none() {
            return Ok(None);
        }
        let opened = own_profile.map(|stored| open_profile(&key, stored).map(|(profile, _)| Arc::new(profile))).transpose()?;
        let log = own_consents.map(|stored| codec::consent::decode(&key.open(Record::Consents, stored)?)).transpose()?;
        let person = Person { profile: opened, consents: log.unwrap_or_default().into() };
        self.remembered.remember(&who, &person, &profile, &consents);
        Ok(Some(person))
    }

    /// Reads the log, and replaces it where it still is what was read.
    pub(super) async fn write_consent(&self, user: &UserId, expected: usize, record: &ConsentRecord) -> Result<Commit, StoreError> {
        let who = self.who(user).await?;
        let lifts = record.decision == Decision::Given;
        let (key, is_new) = match self.key_for_consent(&who, lifts).await {
            Ok(found) => found,
            Err(StoreError::Erased) => return Ok(Commit::Erased),
            Err(error) => return Err(error),
        };
        let mut get = redis::cmd("GET");
        get.arg(self.keys.consents(&who));
        let stored: Stored = self.link.ask(Lane::Serving, Ask::Read(&get)).await?;
        let readable = stored.as_deref().filter(|stored| !key.is_older(is_new, stored));
        let mut log = readable.map(|stored| codec::consent::decode(&key.open(Record::Consents, stored)?)).transpose()?.unwrap_or_default();
        if log.len() != expected {
            return Ok(Commit::Conflict);
        }
        log.push(record.clone());
        let mut append = self.scripts.append_consent.key(self.keys.consents(&who));
        append.key(self.keys.erased(&who));
        if self.keys_are_here() {
            append.key(self.keys.key(&who));
        }
        append.arg(stored.unwrap_or_default()).arg(key.seal(Record::Consents, &codec::consent::encode(&log)?)?);
        append.arg(ttl_ms(CONSENT_KEEP.as_std())).arg(u8::from(lifts)).arg(self.key_ttl_ms()).arg(key.pseudonym().0.as_slice());
        let code = self.link.ask(Lane::Serving, Ask::Script(&append)).await?;
        self.committed(&who, code).await
    }

    /// What a script's code says became of a write, with what is left to do about the person's key.
    pub(super) async fn committed(&self, who: &Lookup, code: u8) -> Result<Commit, StoreError> {
        self.remembered.forget(who);
        match code {
            1 => {
                if !self.keys_are_here() {
                    self.keep_key(who).await?;
                }
                Ok(Commit::Done)
            }
            ERASED => {
                self.destroy_late_key(who).await?;
                Ok(Commit::Erased)
            }
            _ => Ok(Commit::Conflict),
        }
    }

    pub(super) async fn read_learning(&self, user: &UserId, ids: &[EventId]) -> Result<Learning, StoreError> {
        let who = self.who(user).await?;
        let cached = self.ring().await?.cached(&who);
        let (key, mut begun) = try_join(self.current_key(&who), self.begin(&who, cached.as_deref(), ids)).await?;
        let is_same = |key: &Arc<PersonKey>| cached.as_ref().is_some_and(|cached| cached.pseudonym() == key.pseudonym());
        if let Some(key) = key.as_ref().filter(|key| !is_same(key)) {
            begun = self.begin(&who, Some(key), ids).await?;
        }
        let (stored, expiries, is_erased) = begun;
        let now_ms = self.clock.now().0 as f64;
        let known = expiries.into_iter().map(|expiry_ms| expiry_ms.is_some_and(|expiry_ms| expiry_ms > now_ms));
        let mut learning = Learning { known: known.collect(), is_erased, ..Learning::default() };
        learning.known.resize(ids.len(), false);
        match (stored, key) {
            (Some(stored), Some(key)) if !is_foreign(&key, &stored) => (learning.profile, learning.revision) = open_profile(&key, &stored)?,
            // A row whose key is gone says nothing, and is written over.
            (Some(stored), _) => {
                learning.revision = split_revision(&stored)?.0;
                learning.known.fill(false);
            }
            (None, _) => {}
        }
        Ok(learning)
    }

    /// Without a key no event id is known.
    async fn begin(&self, who: &Lookup, key: Option<&PersonKey>, ids: &[EventId]) -> Result<Begun, StoreError> {
        let mut begin = self.scripts.begin_learning.key(self.keys.profile(who));
        begin.key(self.keys.dedupe(who)).key(self.keys.erased(who));
        for id in ids {
            begin.arg(key.map(|key| key.event_digest(id)).unwrap_or_default().as_slice());
        }
        self.link.ask(Lane::Serving, Ask::ReadScript(&begin)).await
    }

    pub(super) async fn write_profile(
        &self,
        user: &UserId,
        expected: u64,
        profile: &Profile,
        ids: &[EventId],
        now: Time,
    ) -> Result<Commit, StoreError> {
        let who = self.who(user).await?;
        let key = match self.key_for_writing(&who).await {
            Ok(key) => key,
            Err(StoreError::Erased) => return Ok(Commit::Erased),
            Err(error) => return Err(error),
        };
        let mut commit = self.scripts.commit_profile.key(self.keys.profile(&who));
        commit.key(self.keys.dedupe(&who)).key(self.keys.erased(&who));
        if self.keys_are_here() {
            commit.key(self.keys.key(&who));
        }
        commit.arg(expected).arg(key.seal(Record::Profile, &codec::profile::encode(profile)?)?);
        commit.arg(ttl_ms(self.options.store.profile_ttl.as_std())).arg(now.0);
        commit.arg(now.plus(DEDUPE_WINDOW).0).arg(ttl_ms(DEDUPE_WINDOW.as_std())).arg(MAX_REMEMBERED_EVENTS);
        commit.arg(self.key_ttl_ms()).arg(key.pseudonym().0.as_slice());
        for id in ids {
            commit.arg(key.event_digest(id).as_slice());
        }
        let code = self.link.ask(Lane::Serving, Ask::Script(&commit)).await?;
        self.committed(&who, code).await
    }

    pub(super) async fn erase(&self, user: &UserId, now: Time) -> Result<Time, StoreError> {
        let who = self.who(user).await?;
        let mut erase = self.scripts.erase_user.key(self.keys.profile(&who));
        erase.key(self.keys.dedupe(&who)).key(self.keys.feeds(&who)).key(self.keys.erased(&who)).key(self.keys.consents(&who));
        erase.key(self.keys.pace(&who));
        if self.keys_are_here() {
            erase.key(self.keys.key(&who));
        }
        erase.arg(self.keys.feed_prefix(&who)).arg(now.0).arg(TOMBSTONE_TTL.as_millis());
        let erased: String = self.link.ask(Lane::Serving, Ask::Script(&erase)).await?;
        self.remembered.forget(&who);
        match self.keys_are_here() {
            // The script did. Whoever comes back from now on has a new one.
            true => self.ring().await?.forget(&who),
            false => self.destroy_key(&who).await?,
        }
        self.announce_erasure(&who, now).await?;
        erased.parse().map(Time).map_err(|_| StoreError::Corrupt { what: "tombstone", detail: "it is no time".into() })
    }

    /// Where the owner's feeds are; `None` for a person without a key, who has none.
    async fn home(&self, owner: &Owner) -> Result<Option<Home>, StoreError> {
        let Owner::User(user) = owner else { return Ok(Some(None)) };
        let who = self.who(user).await?;
        Ok(self.known_key(&who).await?.map(|key| Some((who, key))))
    }

    pub(super) async fn write_feed(
        &self,
        feed: &StoredFeed,
        first: &Page,
        keep: Duration,
        basis: Option<&Basis>,
    ) -> Result<(), StoreError> {
        let home = match &feed.owner {
            Owner::User(user) => {
                let who = self.who(user).await?;
                let key = self.key_for_writing(&who).await?;
                Some((who, key))
            }
            Owner::Nobody => None,
        };
        let mut put = self.scripts.put_feed.key(self.keys.feed(home.as_ref().map(|(who, _)| who), &feed.id));
        put.arg(sealed(&home, Record::Feed(&feed.id), codec::feed::encode(feed)?)?);
        put.arg(sealed(&home, Record::Page(&feed.id, 0), codec::feed::encode_page(first)?)?).arg(ttl_ms(keep));
        if let Some((who, key)) = &home {
            put.key(self.keys.feeds(who)).key(self.keys.erased(who)).arg(feed.id.as_str());
            if self.keys_are_here() {
                put.key(self.keys.key(who)).arg(key.pseudonym().0.as_slice());
                self.name_basis(&mut put, who, basis);
            }
        }
        let code: u8 = self.link.ask(Lane::Serving, Ask::Script(&put)).await?;
        let Some((who, _)) = home else { return Ok(()) };
        if basis.is_some() {
            self.remembered.turned_out(&who, code == 1);
        }
        match code {
            ERASED => {
                self.destroy_late_key(&who).await?;
                Err(StoreError::Erased)
            }
            OUTDATED => Err(StoreError::Outdated),
            _ => Ok(()),
        }
    }

    /// Adds what the person's records must still begin with.
    fn name_basis(&self, call: &mut Invocation<'_>, who: &Lookup, basis: Option<&Basis>) {
        if let Some(Basis { profile, consents }) = basis {
            call.key(self.keys.profile(who)).key(self.keys.consents(who)).arg(&**profile).arg(&**consents);
        }
    }

    pub(super) async fn read_feed(&self, owner: &Owner, id: &FeedId) -> Result<Option<FeedRecord>, StoreError> {
        let Some(home) = self.home(owner).await? else { return Ok(None) };
        let mut get = redis::cmd("HGETALL");
        get.arg(self.keys.feed(home.as_ref().map(|(who, _)| who), id));
        let mut fields: HashMap<String, Vec<u8>> = self.link.ask(Lane::Serving, Ask::Read(&get)).await?;
        let Some(feed) = fields.remove(FEED_FIELD) else { return Ok(None) };
        if home.as_ref().is_some_and(|(_, key)| key.is_foreign(&feed)) {
            return Ok(None);
        }
        let feed = opened(&home, Record::Feed(id), feed)?;
        // Pages are cut in order; what follows a gap cannot be continued from.
        let pages = (0u32..).map_while(|number| Some((number, fields.remove(&page_field(number))?)));
        let pages = pages.map(|(number, page)| opened(&home, Record::Page(id, number), page)).collect::<Result<Vec<_>, _>>()?;
        codec::feed::decode_record(&feed, pages.iter().map(Vec::as_slice)).map(Some)
    }

    pub(super) async fn keep_page(
        &self,
        (owner, id, number): (&Owner, &FeedId, u32),
        page: &Page,
        basis: Option<&Basis>,
    ) -> Result<Option<Page>, StoreError> {
        let Some(home) = self.home(owner).await? else { return Ok(None) };
        let record = Record::Page(id, number);
        let mut freeze = self.scripts.freeze_page.key(self.keys.feed(home.as_ref().map(|(who, _)| who), id));
        freeze.arg(page_field(number)).arg(sealed(&home, record, codec::feed::encode_page(page)?)?);
        if let Some((who, _)) = &home {
            self.name_basis(&mut freeze, who, basis);
        }
        let (code, frozen): (u8, Stored) = self.link.ask(Lane::Serving, Ask::Script(&freeze)).await?;
        if let Some((who, _)) = home.as_ref().filter(|_| basis.is_some()) {
            self.remembered.turned_out(who, code != OUTDATED);
        }
        match (code, frozen) {
            (OUTDATED, _) => Err(StoreError::Outdated),
            // Somebody else was faster.
            (_, Some(frozen)) => codec::feed::decode_page(&opened(&home, record, frozen)?).map(Some),
            (GONE, None) => Ok(None),
            (_, None) => Ok(Some(page.clone())),
        }
    }
}

fn page_field(number: u32) -> String {
    format!("p{number}")
}

/// At least 1 ms: Redis deletes a key whose time is 0, and refuses to set one.
pub(super) fn ttl_ms(keep: Duration) -> i64 {
    i64::try_from(keep.as_millis()).unwrap_or(MAX_TTL_MS).clamp(1, MAX_TTL_MS)
}

/// Whether a profile is of another key.
fn is_foreign(key: &PersonKey, stored: &[u8]) -> bool {
    split_revision(stored).is_ok_and(|(_, sealed)| key.is_foreign(sealed))
}

/// The profile and its revision.
fn open_profile(key: &PersonKey, stored: &[u8]) -> Result<(Profile, u64), StoreError> {
    let (revision, sealed) = split_revision(stored)?;
    Ok((codec::profile::decode(&key.open(Record::Profile, sealed)?)?, revision))
}

/// The revision before a stored profile, and the profile.
pub(super) fn split_revision(stored: &[u8]) -> Result<(u64, &[u8]), StoreError> {
    let Some((revision, profile)) = stored.split_first_chunk::<8>() else {
        return Err(StoreError::Corrupt { what: "profile", detail: format!("{} bytes", stored.len()) });
    };
    Ok((u64::from_le_bytes(*revision), profile))
}
