//! Everything kept under a person's id in the file: profile, consent log, de-duplication window, feeds. Every row has an expiry,
//! written to [`EXPIRIES`] in the same transaction, so that a sweep finds what is due without looking at the rest.

use redb::{ReadTransaction, ReadableTable, WriteTransaction};

use super::{
    engine::Fault,
    tables::{CONSENTS, EXPIRIES, FEEDS, Kind, PAGES, PROFILES, REMEMBERED, Remembered, feed_key},
};
use crate::{
    domain::{
        EventId, FeedId, Profile, Time, UserId,
        consent::{CONSENT_KEEP, ConsentRecord},
        event::DEDUPE_WINDOW,
        feed::{Owner, Page},
    },
    store::{Commit, FeedRecord, Learning, Person, codec},
};

/// Most records one sweep removes: it holds the one write transaction.
pub(super) const MAX_SWEPT_RECORDS: usize = 1_000;

pub(super) fn person(transaction: &ReadTransaction, user: &UserId, now: Time) -> Result<Option<Person>, Fault> {
    let profile = profile_and_revision(transaction, user, now)?.map(|(profile, _)| profile);
    let consents = match transaction.open_table(CONSENTS)?.get(user.as_str())? {
        Some(row) if row.value().0 > now.0 => codec::consent::decode(row.value().1)?,
        _ => Vec::new(),
    };
    let is_known = profile.is_some() || !consents.is_empty();
    Ok(is_known.then_some(Person { profile, consents }))
}

pub(super) fn append_consent(
    transaction: &WriteTransaction,
    user: &UserId,
    expected: usize,
    record: &ConsentRecord,
    now: Time,
) -> Result<Commit, Fault> {
    let user = user.as_str();
    let mut table = transaction.open_table(CONSENTS)?;
    let (before, mut log) = match table.get(user)? {
        Some(row) if row.value().0 > now.0 => (Some(row.value().0), codec::consent::decode(row.value().1)?),
        Some(row) => (Some(row.value().0), Vec::new()),
        None => (None, Vec::new()),
    };
    if log.len() != expected {
        return Ok(Commit::Conflict);
    }
    log.push(record.clone());
    let expiry = now.plus(CONSENT_KEEP);
    expire(transaction, Kind::Consents, (user, ""), before, expiry)?;
    table.insert(user, (expiry.0, codec::consent::encode(&log)?.as_slice()))?;
    Ok(Commit::Done)
}

fn profile_and_revision(transaction: &ReadTransaction, user: &UserId, now: Time) -> Result<Option<(Profile, u64)>, Fault> {
    let table = transaction.open_table(PROFILES)?;
    let Some(row) = table.get(user.as_str())? else { return Ok(None) };
    let (revision, expiry_ms, bytes) = row.value();
    if expiry_ms <= now.0 {
        return Ok(None);
    }
    Ok(Some((codec::profile::decode(bytes)?, revision)))
}

pub(super) fn begin_learning(transaction: &ReadTransaction, user: &UserId, ids: &[EventId], now: Time) -> Result<Learning, Fault> {
    let (profile, revision) = profile_and_revision(transaction, user, now)?.unwrap_or_default();
    let window = match transaction.open_table(REMEMBERED)?.get(user.as_str())? {
        Some(row) => Remembered::decode(row.value().1)?,
        None => Remembered::default(),
    };
    let known = ids.iter().map(|id| window.knows(id, now)).collect();
    Ok(Learning { profile, revision, known })
}

/// What [`commit`] writes.
pub(super) struct Learned {
    pub user: UserId,
    pub expected: u64,
    /// `codec::profile`.
    pub profile: Vec<u8>,
    pub profile_expiry: Time,
    pub digests: Vec<[u8; 16]>,
    pub now: Time,
}

pub(super) fn commit(transaction: &WriteTransaction, learned: &Learned) -> Result<Commit, Fault> {
    let Learned { user, expected, profile, profile_expiry, digests, now } = learned;
    let user = user.as_str();
    let mut profiles = transaction.open_table(PROFILES)?;
    let before = profiles.get(user)?.map(|row| {
        let (revision, expiry_ms, _) = row.value();
        (revision, expiry_ms)
    });
    let revision = before.filter(|(_, expiry_ms)| *expiry_ms > now.0).map_or(0, |(revision, _)| revision);
    if revision != *expected {
        return Ok(Commit::Conflict);
    }
    expire(transaction, Kind::Profile, (user, ""), before.map(|(_, expiry_ms)| expiry_ms), *profile_expiry)?;
    profiles.insert(user, (next_revision(revision, *now), profile_expiry.0, profile.as_slice()))?;
    if !digests.is_empty() {
        remember(transaction, user, digests, *now)?;
    }
    Ok(Commit::Done)
}

/// A new record's revisions begin at the time, so that a record that was erased and made anew never repeats one that a
/// slow writer still holds.
fn next_revision(revision: u64, now: Time) -> u64 {
    match revision {
        0 => u64::try_from(now.0).unwrap_or(0).max(1),
        _ => revision + 1,
    }
}

fn remember(transaction: &WriteTransaction, user: &str, digests: &[[u8; 16]], now: Time) -> Result<(), Fault> {
    let mut table = transaction.open_table(REMEMBERED)?;
    let (before, mut window) = match table.get(user)? {
        Some(row) => (Some(row.value().0), Remembered::decode(row.value().1)?),
        None => (None, Remembered::default()),
    };
    let expiry = now.plus(DEDUPE_WINDOW);
    window.add(digests, now, expiry);
    expire(transaction, Kind::Remembered, (user, ""), before, expiry)?;
    table.insert(user, (expiry.0, window.encode().as_slice()))?;
    Ok(())
}

/// Moves a row's entry in [`EXPIRIES`].
fn expire(transaction: &WriteTransaction, kind: Kind, key: (&str, &str), before_ms: Option<i64>, expiry: Time) -> Result<(), Fault> {
    let mut table = transaction.open_table(EXPIRIES)?;
    if let Some(before_ms) = before_ms {
        table.remove((before_ms, kind as u8, key.0, key.1))?;
    }
    table.insert((expiry.0, kind as u8, key.0, key.1), ())?;
    Ok(())
}

pub(super) fn erase(transaction: &WriteTransaction, user: &UserId) -> Result<(), Fault> {
    let user = user.as_str();
    let mut expiries = transaction.open_table(EXPIRIES)?;
    if let Some(row) = transaction.open_table(PROFILES)?.remove(user)? {
        expiries.remove((row.value().1, Kind::Profile as u8, user, ""))?;
    }
    if let Some(row) = transaction.open_table(REMEMBERED)?.remove(user)? {
        expiries.remove((row.value().0, Kind::Remembered as u8, user, ""))?;
    }
    if let Some(row) = transaction.open_table(CONSENTS)?.remove(user)? {
        expiries.remove((row.value().0, Kind::Consents as u8, user, ""))?;
    }
    let mut feeds = transaction.open_table(FEEDS)?;
    let mut ids = Vec::new();
    for row in feeds.range((user, "")..)? {
        let (key, value) = row?;
        let (owner, id) = key.value();
        if owner != user {
            break;
        }
        ids.push((id.to_owned(), value.value().0));
    }
    for (id, expiry_ms) in ids {
        feeds.remove((user, id.as_str()))?;
        remove_pages(transaction, (user, &id))?;
        expiries.remove((expiry_ms, Kind::Feed as u8, user, id.as_str()))?;
    }
    Ok(())
}

fn remove_pages(transaction: &WriteTransaction, (owner, id): (&str, &str)) -> Result<(), Fault> {
    transaction.open_table(PAGES)?.retain_in((owner, id, 0)..=(owner, id, u32::MAX), |_, _| false)?;
    Ok(())
}

pub(super) fn put_feed(
    transaction: &WriteTransaction,
    (owner, id): (&Owner, &FeedId),
    feed: &[u8],
    first: &[u8],
    expiry: Time,
) -> Result<(), Fault> {
    let key = feed_key(owner, id);
    let mut feeds = transaction.open_table(FEEDS)?;
    let before = feeds.insert(key, (expiry.0, feed))?.map(|row| row.value().0);
    expire(transaction, Kind::Feed, key, before, expiry)?;
    transaction.open_table(PAGES)?.insert((key.0, key.1, 0), first)?;
    Ok(())
}

pub(super) fn feed(transaction: &ReadTransaction, owner: &Owner, id: &FeedId, now: Time) -> Result<Option<FeedRecord>, Fault> {
    let key = feed_key(owner, id);
    let feeds = transaction.open_table(FEEDS)?;
    let Some(row) = feeds.get(key)? else { return Ok(None) };
    let (expiry_ms, feed) = row.value();
    if expiry_ms <= now.0 {
        return Ok(None);
    }
    let mut pages: Vec<Vec<u8>> = Vec::new();
    for row in transaction.open_table(PAGES)?.range((key.0, key.1, 0)..=(key.0, key.1, u32::MAX))? {
        let (key, page) = row?;
        // Pages are cut in order; what follows a gap cannot be continued from.
        if key.value().2 as usize != pages.len() {
            break;
        }
        pages.push(page.value().to_vec());
    }
    Ok(Some(codec::feed::decode_record(feed, pages.iter().map(Vec::as_slice))?))
}

pub(super) fn freeze_page(
    transaction: &WriteTransaction,
    (owner, id): (&Owner, &FeedId),
    number: u32,
    page: &[u8],
    now: Time,
) -> Result<Option<Page>, Fault> {
    let key = feed_key(owner, id);
    let alive = transaction.open_table(FEEDS)?.get(key)?.is_some_and(|row| row.value().0 > now.0);
    if !alive {
        return Ok(None);
    }
    let mut pages = transaction.open_table(PAGES)?;
    let frozen = pages.get((key.0, key.1, number))?.map(|bytes| bytes.value().to_vec());
    if frozen.is_none() {
        pages.insert((key.0, key.1, number), page)?;
    }
    Ok(Some(codec::feed::decode_page(frozen.as_deref().unwrap_or(page))?))
}

/// Whether anything is due at `now`.
pub(super) fn is_due(transaction: &ReadTransaction, now: Time) -> Result<bool, Fault> {
    let first = transaction.open_table(EXPIRIES)?.range(..=(now.0, u8::MAX, "", ""))?.next().transpose()?;
    Ok(first.is_some())
}

/// Removes up to [`MAX_SWEPT_RECORDS`] records whose time is over at `now`; returns how many.
pub(super) fn sweep(transaction: &WriteTransaction, now: Time) -> Result<usize, Fault> {
    let mut expiries = transaction.open_table(EXPIRIES)?;
    let mut due = Vec::new();
    for row in expiries.range(..=(now.0, u8::MAX, "", ""))?.take(MAX_SWEPT_RECORDS) {
        let (key, _) = row?;
        let (at_ms, kind, first, second) = key.value();
        due.push((at_ms, kind, first.to_owned(), second.to_owned()));
    }
    for (at_ms, kind, first, second) in &due {
        expiries.remove((*at_ms, *kind, first.as_str(), second.as_str()))?;
        match Kind::from_byte(*kind) {
            Some(Kind::Profile) => drop(transaction.open_table(PROFILES)?.remove(first.as_str())?),
            Some(Kind::Remembered) => drop(transaction.open_table(REMEMBERED)?.remove(first.as_str())?),
            Some(Kind::Consents) => drop(transaction.open_table(CONSENTS)?.remove(first.as_str())?),
            Some(Kind::Feed) => {
                transaction.open_table(FEEDS)?.remove((first.as_str(), second.as_str()))?;
                remove_pages(transaction, (first, second))?;
            }
            None => {}
        }
    }
    Ok(due.len())
}
