//! Everything kept about a person in the file: profile, consent log, de-duplication window, feeds; sealed with their key. Every row
//! has an expiry, written to [`EXPIRIES`] in the same transaction, so that a sweep finds what is due without looking at the rest.

use redb::{ReadTransaction, ReadableTable, WriteTransaction};

use super::{
    engine::Fault,
    tables::{CONSENTS, ERASED, EXPIRIES, FEEDS, Kind, PACES, PAGES, PROFILES, REMEMBERED, Remembered},
};
use crate::{
    domain::{Time, event::DEDUPE_WINDOW},
    store::{Commit, TOMBSTONE_TTL},
};

/// Most records one sweep removes: it holds the one write transaction.
pub(super) const MAX_SWEPT_RECORDS: usize = 1_000;

/// The sealed consent log in [`CONSENTS`].
pub(super) fn consents(
    table: &impl ReadableTable<&'static str, (i64, &'static [u8])>,
    who: &str,
    now: Time,
) -> Result<Option<Vec<u8>>, Fault> {
    let Some(row) = table.get(who)? else { return Ok(None) };
    let (expiry_ms, sealed) = row.value();
    Ok((expiry_ms > now.0).then(|| sealed.to_vec()))
}

/// Writes the sealed consent log over the one before.
pub(super) fn keep_consents(transaction: &WriteTransaction, who: &str, sealed: &[u8], expiry: Time) -> Result<(), Fault> {
    let mut table = transaction.open_table(CONSENTS)?;
    let before = table.insert(who, (expiry.0, sealed))?.map(|row| row.value().0);
    expire(transaction, Kind::Consents, (who, ""), before, expiry)
}

/// The person came back: what they do counts again.
pub(super) fn lift_erasure(transaction: &WriteTransaction, who: &str) -> Result<(), Fault> {
    let at = transaction.open_table(ERASED)?.remove(who)?.map(|row| Time(row.value()));
    if let Some(at) = at {
        transaction.open_table(EXPIRIES)?.remove((at.plus(TOMBSTONE_TTL).0, Kind::Erased as u8, who, ""))?;
    }
    Ok(())
}

/// The sealed profile and its revision.
pub(super) fn profile(transaction: &ReadTransaction, who: &str, now: Time) -> Result<Option<(Vec<u8>, u64)>, Fault> {
    let table = transaction.open_table(PROFILES)?;
    let Some(row) = table.get(who)? else { return Ok(None) };
    let (revision, expiry_ms, sealed) = row.value();
    Ok((expiry_ms > now.0).then(|| (sealed.to_vec(), revision)))
}

/// What an event is learned upon.
pub(super) struct Begun {
    /// The sealed profile and its revision.
    pub profile: Option<(Vec<u8>, u64)>,
    pub known: Vec<bool>,
    pub is_erased: bool,
}

pub(super) fn begin_learning(transaction: &ReadTransaction, who: &str, digests: &[[u8; 16]], now: Time) -> Result<Begun, Fault> {
    let profile = profile(transaction, who, now)?;
    let window = match transaction.open_table(REMEMBERED)?.get(who)? {
        Some(row) => Remembered::decode(row.value().1)?,
        None => Remembered::default(),
    };
    let known = digests.iter().map(|digest| window.knows(digest, now)).collect();
    let is_erased = erased_at(&transaction.open_table(ERASED)?, who, now)?.is_some();
    Ok(Begun { profile, known, is_erased })
}

/// When the person was erased, while that is remembered.
fn erased_at(table: &impl ReadableTable<&'static str, i64>, who: &str, now: Time) -> Result<Option<Time>, Fault> {
    let at = table.get(who)?.map(|row| Time(row.value()));
    Ok(at.filter(|at| now < at.plus(TOMBSTONE_TTL)))
}

/// Whether nothing may be written about the person.
pub(super) fn is_erased(transaction: &WriteTransaction, who: &str, now: Time) -> Result<bool, Fault> {
    Ok(erased_at(&transaction.open_table(ERASED)?, who, now)?.is_some())
}

/// Everybody whose erasure is remembered.
pub(super) fn erased(transaction: &ReadTransaction, now: Time) -> Result<Vec<String>, Fault> {
    let table = transaction.open_table(ERASED)?;
    let mut erased = Vec::new();
    for row in table.iter()? {
        let (who, at) = row?;
        if now < Time(at.value()).plus(TOMBSTONE_TTL) {
            erased.push(who.value().to_owned());
        }
    }
    Ok(erased)
}

/// What [`commit`] writes.
pub(super) struct Learned {
    pub who: String,
    pub expected: u64,
    /// Sealed `codec::profile`.
    pub profile: Vec<u8>,
    pub profile_expiry: Time,
    pub digests: Vec<[u8; 16]>,
    pub now: Time,
}

pub(super) fn commit(transaction: &WriteTransaction, learned: &Learned) -> Result<Commit, Fault> {
    let Learned { who, expected, profile, profile_expiry, digests, now } = learned;
    let user = who.as_str();
    if is_erased(transaction, user, *now)? {
        return Ok(Commit::Erased);
    }
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
pub(super) fn expire(
    transaction: &WriteTransaction,
    kind: Kind,
    key: (&str, &str),
    before_ms: Option<i64>,
    expiry: Time,
) -> Result<(), Fault> {
    let mut table = transaction.open_table(EXPIRIES)?;
    if let Some(before_ms) = before_ms {
        table.remove((before_ms, kind as u8, key.0, key.1))?;
    }
    table.insert((expiry.0, kind as u8, key.0, key.1), ())?;
    Ok(())
}

/// Removes every row and notes the erasure; returns when it was noted first.
pub(super) fn erase(transaction: &WriteTransaction, user: &str, now: Time) -> Result<Time, Fault> {
    let at = {
        let mut erased = transaction.open_table(ERASED)?;
        let at = erased_at(&erased, user, now)?.unwrap_or(now);
        let before = erased.insert(user, at.0)?.map(|row| Time(row.value()).plus(TOMBSTONE_TTL).0);
        expire(transaction, Kind::Erased, (user, ""), before, at.plus(TOMBSTONE_TTL))?;
        at
    };
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
    if let Some(row) = transaction.open_table(PACES)?.remove(user)? {
        expiries.remove((row.value().0, Kind::Pace as u8, user, ""))?;
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
    Ok(at)
}

fn remove_pages(transaction: &WriteTransaction, (owner, id): (&str, &str)) -> Result<(), Fault> {
    transaction.open_table(PAGES)?.retain_in((owner, id, 0)..=(owner, id, u32::MAX), |_, _| false)?;
    Ok(())
}

/// Keeps a feed; `false`: its owner was erased.
pub(super) fn put_feed(
    transaction: &WriteTransaction,
    key: (&str, &str),
    feed: &[u8],
    first: &[u8],
    (now, expiry): (Time, Time),
) -> Result<bool, Fault> {
    if is_erased(transaction, key.0, now)? {
        return Ok(false);
    }
    let mut feeds = transaction.open_table(FEEDS)?;
    let before = feeds.insert(key, (expiry.0, feed))?.map(|row| row.value().0);
    expire(transaction, Kind::Feed, key, before, expiry)?;
    transaction.open_table(PAGES)?.insert((key.0, key.1, 0), first)?;
    Ok(true)
}

/// A feed and its pages, page 0 first, as they are stored.
pub(super) type StoredRecord = (Vec<u8>, Vec<Vec<u8>>);

pub(super) fn feed(transaction: &ReadTransaction, key: (&str, &str), now: Time) -> Result<Option<StoredRecord>, Fault> {
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
    Ok(Some((feed.to_vec(), pages)))
}

/// The page that is frozen, as it is stored; `None` when the feed is gone.
pub(super) fn freeze_page(
    transaction: &WriteTransaction,
    key: (&str, &str),
    number: u32,
    page: &[u8],
    now: Time,
) -> Result<Option<Vec<u8>>, Fault> {
    let alive = transaction.open_table(FEEDS)?.get(key)?.is_some_and(|row| row.value().0 > now.0);
    if !alive {
        return Ok(None);
    }
    let mut pages = transaction.open_table(PAGES)?;
    let frozen = pages.get((key.0, key.1, number))?.map(|bytes| bytes.value().to_vec());
    if frozen.is_none() {
        pages.insert((key.0, key.1, number), page)?;
    }
    Ok(Some(frozen.unwrap_or_else(|| page.to_vec())))
}

/// Whether anything is due at `now`.
pub(super) fn is_due(transaction: &ReadTransaction, now: Time) -> Result<bool, Fault> {
    let first = transaction.open_table(EXPIRIES)?.range(..=(now.0, u8::MAX, "", ""))?.next().transpose()?;
    Ok(first.is_some())
}

/// Removes up to [`MAX_SWEPT_RECORDS`] records whose time is over at `now`.
pub(super) fn sweep(transaction: &WriteTransaction, now: Time) -> Result<Swept, Fault> {
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
            Some(Kind::Pace) => drop(transaction.open_table(PACES)?.remove(first.as_str())?),
            Some(Kind::Feed) => {
                transaction.open_table(FEEDS)?.remove((first.as_str(), second.as_str()))?;
                remove_pages(transaction, (first, second))?;
            }
            Some(Kind::Erased) => drop(transaction.open_table(ERASED)?.remove(first.as_str())?),
            None => {}
        }
    }
    Ok(Swept { records: due.len(), unkept: unkept(transaction, due.into_iter().map(|(_, _, who, _)| who))? })
}

/// What a sweep did.
pub(super) struct Swept {
    pub records: usize,
    /// People of whom nothing is left: their keys seal nothing any more.
    pub unkept: Vec<String>,
}

fn unkept(transaction: &WriteTransaction, people: impl Iterator<Item = String>) -> Result<Vec<String>, Fault> {
    let (profiles, remembered) = (transaction.open_table(PROFILES)?, transaction.open_table(REMEMBERED)?);
    let (consents, feeds) = (transaction.open_table(CONSENTS)?, transaction.open_table(FEEDS)?);
    let paces = transaction.open_table(PACES)?;
    let mut unkept = Vec::new();
    for who in people.filter(|who| !who.is_empty()) {
        let has_feed = feeds.range((who.as_str(), "")..)?.next().transpose()?.is_some_and(|(key, _)| key.value().0 == who);
        let has_row = profiles.get(who.as_str())?.is_some() || remembered.get(who.as_str())?.is_some();
        if !has_feed && !has_row && consents.get(who.as_str())?.is_none() && paces.get(who.as_str())?.is_none() {
            unkept.push(who);
        }
    }
    Ok(unkept)
}
