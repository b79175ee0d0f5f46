//! What the file keeps about people, sealed before it is written and opened after it is read.

use std::{future::Future, sync::Arc, time::Duration};

use super::{
    EmbeddedStore, FORMAT, earlier,
    engine::{Engine, Fault},
    key_file::KeyFile,
    people::{self, Learned},
    tables::{CONSENTS, META},
};
use crate::{
    domain::{
        EventId, FeedId, Profile, Span, Time, UserId,
        consent::{CONSENT_KEEP, ConsentRecord, Decision},
        feed::{Owner, Page, StoredFeed},
    },
    store::{
        Commit, FeedRecord, Learning, Person, StoreError, codec,
        seal::{Home, Lookup, PersonKey, Record, opened, sealed},
    },
};

/// Brings a file of layout 1 up to this one, in one transaction; the keys come first.
pub(super) fn seal_earlier(engine: &Arc<Engine>, keys: &KeyFile) -> Result<(), StoreError> {
    let places = earlier::places(engine.read(earlier::people)?, keys)?;
    keys.make_all_here(&places.values().cloned().collect::<Vec<_>>())?;
    engine.write_here(|transaction| -> Result<(), Fault> {
        earlier::seal(transaction, &places, keys)?;
        transaction.open_table(META)?.insert("format", FORMAT)?;
        Ok(())
    })?;
    tracing::info!(people = places.len(), "what an earlier version kept in clear is sealed now");
    Ok(())
}

impl EmbeddedStore {
    /// Does `work` with the key to write with, made when there is none; no erasure comes between.
    ///
    /// Errors: of `work`; [`StoreError::Erased`], and then no key is left.
    pub(super) async fn with_key<T, F: Future<Output = Result<T, StoreError>> + Send>(
        &self,
        who: &Lookup,
        work: impl FnOnce(Arc<PersonKey>) -> F + Send,
    ) -> Result<T, StoreError> {
        let outcome = {
            let _together = self.erasing.read().await;
            match self.key_for_writing(who).await {
                Ok(key) => work(key).await,
                Err(error) => Err(error),
            }
        };
        if matches!(outcome, Err(StoreError::Erased)) {
            self.destroy_late_key(who).await?;
        }
        outcome
    }

    async fn key_for_writing(&self, who: &Lookup) -> Result<Arc<PersonKey>, StoreError> {
        if let Some(key) = self.keys.key(who)? {
            return Ok(key);
        }
        let key = self.keys.key_or_make(who).await?;
        // An erasure is noted before the key's end: whoever makes a key after that end sees it here.
        let is_erased = self.engine.read(|transaction| Ok(people::begin_learning(transaction, who, &[], self.now())?.is_erased))?;
        if is_erased { Err(StoreError::Erased) } else { Ok(key) }
    }

    /// Destroys a key that came after an erasure, unless the person came back meanwhile and has a new one.
    async fn destroy_late_key(&self, who: &Lookup) -> Result<(), StoreError> {
        let _alone = self.erasing.write().await;
        let is_erased = self.engine.read(|transaction| Ok(people::begin_learning(transaction, who, &[], self.now())?.is_erased))?;
        if is_erased { self.keys.destroy(vec![who.to_string()]).await } else { Ok(()) }
    }

    pub(super) fn read_person(&self, user: &UserId) -> Result<Option<Person>, StoreError> {
        let who = self.keys.who(user)?;
        // Without its key a row is what a backup brought back: nobody's any more.
        let Some(key) = self.keys.key(&who)? else { return Ok(None) };
        let now = self.now();
        let (profile, consents) = self.engine.read(|transaction| {
            let consents = people::consents(&transaction.open_table(CONSENTS)?, &who, now)?;
            Ok((people::profile(transaction, &who, now)?, consents))
        })?;
        let profile = profile.filter(|(sealed, _)| !key.is_foreign(sealed));
        let consents = consents.filter(|sealed| !key.is_foreign(sealed));
        if profile.is_none() && consents.is_none() {
            return Ok(None);
        }
        let profile = profile.map(|(sealed, _)| codec::profile::decode(&key.open(Record::Profile, &sealed)?).map(Arc::new)).transpose()?;
        let consents = consents.map(|sealed| codec::consent::decode(&key.open(Record::Consents, &sealed)?)).transpose()?;
        Ok(Some(Person { profile, consents: consents.unwrap_or_default().into() }))
    }

    pub(super) async fn write_consent(&self, user: &UserId, expected: usize, record: &ConsentRecord) -> Result<Commit, StoreError> {
        let who = self.keys.who(user)?;
        let outcome = match record.decision {
            Decision::Given => {
                // Between the note of an erasure and the key's end nobody comes back.
                let _alone = self.erasing.write().await;
                let is_new = self.keys.key(&who)?.is_none();
                let key = self.keys.key_or_make(&who).await?;
                self.append(&who, key, is_new, expected, record).await
            }
            _ => {
                let is_new = self.keys.key(&who)?.is_none();
                self.with_key(&who, |key| self.append(&who, key, is_new, expected, record)).await
            }
        };
        match outcome {
            Err(StoreError::Erased) => Ok(Commit::Erased),
            outcome => outcome,
        }
    }

    async fn append(
        &self,
        who: &Lookup,
        key: Arc<PersonKey>,
        is_new: bool,
        expected: usize,
        record: &ConsentRecord,
    ) -> Result<Commit, StoreError> {
        let (who, record, now) = (who.clone(), record.clone(), self.now());
        let append = move |transaction: &redb::WriteTransaction| -> Result<Commit, Fault> {
            let is_erased = people::is_erased(transaction, &who, now)?;
            if is_erased && record.decision != Decision::Given {
                return Ok(Commit::Erased);
            }
            let stored = people::consents(&transaction.open_table(CONSENTS)?, &who, now)?;
            let stored = stored
                .filter(|stored| !key.is_older(is_new, stored))
                .map(|sealed| codec::consent::decode(&key.open(Record::Consents, &sealed)?));
            let mut log = stored.transpose()?.unwrap_or_default();
            if log.len() != expected {
                return Ok(Commit::Conflict);
            }
            if is_erased {
                people::lift_erasure(transaction, &who)?;
            }
            log.push(record.clone());
            let sealed = key.seal(Record::Consents, &codec::consent::encode(&log)?)?;
            people::keep_consents(transaction, &who, &sealed, now.plus(CONSENT_KEEP))?;
            Ok(Commit::Done)
        };
        match self.engine.write(append).await? {
            Commit::Erased => Err(StoreError::Erased),
            commit => Ok(commit),
        }
    }

    pub(super) fn read_learning(&self, user: &UserId, ids: &[EventId]) -> Result<Learning, StoreError> {
        let who = self.keys.who(user)?;
        let key = self.keys.key(&who)?;
        let digests: Vec<_> = key.iter().flat_map(|key| ids.iter().map(|id| key.event_digest(id))).collect();
        let begun = self.engine.read(|transaction| people::begin_learning(transaction, &who, &digests, self.now()))?;
        let mut learning = Learning { known: begun.known, is_erased: begun.is_erased, ..Learning::default() };
        learning.known.resize(ids.len(), false);
        if let Some((sealed, revision)) = begun.profile {
            learning.revision = revision;
            // A row whose key is gone says nothing, and is written over.
            if let Some(key) = key.filter(|key| !key.is_foreign(&sealed)) {
                learning.profile = codec::profile::decode(&key.open(Record::Profile, &sealed)?)?;
            }
        }
        Ok(learning)
    }

    pub(super) async fn write_profile(
        &self,
        user: &UserId,
        expected: u64,
        profile: &Profile,
        ids: &[EventId],
        now: Time,
    ) -> Result<Commit, StoreError> {
        let who = self.keys.who(user)?;
        let written = self.with_key(&who, |key| async move {
            let learned = Learned {
                who: self.keys.who(user)?.to_string(),
                expected,
                profile: key.seal(Record::Profile, &codec::profile::encode(profile)?)?,
                profile_expiry: now.plus(self.options.profile_ttl),
                digests: ids.iter().map(|id| key.event_digest(id)).collect(),
                now,
            };
            match self.engine.write(move |transaction| people::commit(transaction, &learned)).await? {
                Commit::Erased => Err(StoreError::Erased),
                commit => Ok(commit),
            }
        });
        match written.await {
            Err(StoreError::Erased) => Ok(Commit::Erased),
            outcome => outcome,
        }
    }

    pub(super) async fn erase(&self, user: &UserId, now: Time) -> Result<Time, StoreError> {
        let _alone = self.erasing.write().await;
        let who = self.keys.who(user)?.to_string();
        let erased = who.clone();
        let at = self.engine.write(move |transaction| people::erase(transaction, &erased, now)).await?;
        self.keys.destroy(vec![who]).await?;
        Ok(at)
    }

    /// `None` for a person without a key, who has no feeds.
    fn home(&self, owner: &Owner) -> Result<Option<Home>, StoreError> {
        let Owner::User(user) = owner else { return Ok(Some(None)) };
        let who = self.keys.who(user)?;
        Ok(self.keys.key(&who)?.map(|key| Some((who, key))))
    }

    pub(super) async fn write_feed(&self, feed: &StoredFeed, first: &Page, keep: Duration) -> Result<(), StoreError> {
        let Owner::User(user) = &feed.owner else { return self.put_feed_at(None, feed, first, keep).await };
        let who = self.keys.who(user)?;
        self.with_key(&who, |key| self.put_feed_at(Some((who.clone(), key)), feed, first, keep)).await
    }

    async fn put_feed_at(&self, home: Home, feed: &StoredFeed, first: &Page, keep: Duration) -> Result<(), StoreError> {
        let (who, id) = (place(&home), feed.id.clone());
        let stored = sealed(&home, Record::Feed(&id), codec::feed::encode(feed)?)?;
        let first = sealed(&home, Record::Page(&id, 0), codec::feed::encode_page(first)?)?;
        let now = self.now();
        let expiry = now.plus(Span::millis(i64::try_from(keep.as_millis()).unwrap_or(i64::MAX)));
        let put =
            move |transaction: &redb::WriteTransaction| people::put_feed(transaction, (&who, id.as_str()), &stored, &first, (now, expiry));
        if self.engine.write(put).await? { Ok(()) } else { Err(StoreError::Erased) }
    }

    pub(super) fn read_feed(&self, owner: &Owner, id: &FeedId) -> Result<Option<FeedRecord>, StoreError> {
        let Some(home) = self.home(owner)? else { return Ok(None) };
        let who = place(&home);
        let stored = self.engine.read(|transaction| people::feed(transaction, (&who, id.as_str()), self.now()))?;
        let Some((feed, pages)) = stored else { return Ok(None) };
        if home.as_ref().is_some_and(|(_, key)| key.is_foreign(&feed)) {
            return Ok(None);
        }
        let feed = opened(&home, Record::Feed(id), feed)?;
        let pages = (0u32..).zip(pages).map(|(number, page)| opened(&home, Record::Page(id, number), page));
        let pages = pages.collect::<Result<Vec<_>, _>>()?;
        codec::feed::decode_record(&feed, pages.iter().map(Vec::as_slice)).map(Some)
    }

    pub(super) async fn keep_page(&self, owner: &Owner, id: &FeedId, number: u32, page: &Page) -> Result<Option<Page>, StoreError> {
        let Some(home) = self.home(owner)? else { return Ok(None) };
        let record = Record::Page(id, number);
        let (who, feed, now) = (place(&home), id.clone(), self.now());
        let page = sealed(&home, record, codec::feed::encode_page(page)?)?;
        let freeze =
            move |transaction: &redb::WriteTransaction| people::freeze_page(transaction, (&who, feed.as_str()), number, &page, now);
        let frozen = self.engine.write(freeze).await?;
        frozen.map(|page| codec::feed::decode_page(&opened(&home, record, page)?)).transpose()
    }
}

/// The first part of a feed's key.
fn place(home: &Home) -> String {
    home.as_ref().map(|(who, _)| who.to_string()).unwrap_or_default()
}
