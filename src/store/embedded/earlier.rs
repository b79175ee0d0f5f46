//! Layout 1 kept people in clear under their ids: sealed once, when the file opens, in one transaction.

use std::collections::{BTreeMap, BTreeSet};

use redb::{ReadTransaction, ReadableTable, WriteTransaction};

use super::{
    engine::Fault,
    key_file::KeyFile,
    tables::{CONSENTS, EXPIRIES, FEEDS, PAGES, PROFILES, REMEMBERED},
};
use crate::{
    domain::{FeedId, UserId},
    store::{
        StoreError,
        seal::{Lookup, PersonKey, Record},
    },
};

/// Bytes of an event's digest in the de-duplication window, and of a whole entry of it.
const DIGEST_BYTES: usize = 16;
const ENTRY_BYTES: usize = 24;

/// Everybody a file of layout 1 knows, by id.
pub(super) fn people(transaction: &ReadTransaction) -> Result<BTreeSet<String>, Fault> {
    let mut people = BTreeSet::new();
    for row in transaction.open_table(PROFILES)?.iter()? {
        people.insert(row?.0.value().to_owned());
    }
    for row in transaction.open_table(CONSENTS)?.iter()? {
        people.insert(row?.0.value().to_owned());
    }
    for row in transaction.open_table(REMEMBERED)?.iter()? {
        people.insert(row?.0.value().to_owned());
    }
    for row in transaction.open_table(FEEDS)?.iter()? {
        people.insert(row?.0.value().0.to_owned());
    }
    people.remove("");
    Ok(people)
}

/// Where everybody is from now on.
pub(super) fn places(people: BTreeSet<String>, keys: &KeyFile) -> Result<BTreeMap<String, Lookup>, StoreError> {
    let known = people.into_iter().filter_map(|id| Some((UserId::new(&id).ok()?, id)));
    known.map(|(user, id)| Ok((id, keys.who(&user)?))).collect()
}

/// Moves every row about a person to its place, sealed; their keys must be there. What belongs to nobody stays.
pub(super) fn seal(transaction: &WriteTransaction, places: &BTreeMap<String, Lookup>, keys: &KeyFile) -> Result<(), Fault> {
    for (id, who) in places {
        let Some(key) = keys.key(who)? else { continue };
        seal_person(transaction, id, who, &key)?;
    }
    let mut expiries = transaction.open_table(EXPIRIES)?;
    let mut moved = Vec::new();
    for row in expiries.iter()? {
        let (key, _) = row?;
        let (at_ms, kind, first, second) = key.value();
        if let Some(who) = places.get(first) {
            moved.push((at_ms, kind, first.to_owned(), second.to_owned(), who));
        }
    }
    for (at_ms, kind, first, second, who) in &moved {
        expiries.remove((*at_ms, *kind, first.as_str(), second.as_str()))?;
        expiries.insert((*at_ms, *kind, &***who, second.as_str()), ())?;
    }
    Ok(())
}

fn seal_person(transaction: &WriteTransaction, id: &str, who: &str, key: &PersonKey) -> Result<(), Fault> {
    let mut profiles = transaction.open_table(PROFILES)?;
    let profile = profiles.remove(id)?.map(|row| {
        let (revision, expiry_ms, plain) = row.value();
        (revision, expiry_ms, plain.to_vec())
    });
    if let Some((revision, expiry_ms, plain)) = profile {
        profiles.insert(who, (revision, expiry_ms, key.seal(Record::Profile, &plain)?.as_slice()))?;
    }
    let mut consents = transaction.open_table(CONSENTS)?;
    let log = consents.remove(id)?.map(|row| (row.value().0, row.value().1.to_vec()));
    if let Some((expiry_ms, plain)) = log {
        consents.insert(who, (expiry_ms, key.seal(Record::Consents, &plain)?.as_slice()))?;
    }
    let mut remembered = transaction.open_table(REMEMBERED)?;
    let window = remembered.remove(id)?.map(|row| (row.value().0, row.value().1.to_vec()));
    if let Some((expiry_ms, mut window)) = window {
        for entry in window.as_chunks_mut::<ENTRY_BYTES>().0 {
            let digest = key.digest(&entry[..DIGEST_BYTES]);
            entry[..DIGEST_BYTES].copy_from_slice(&digest);
        }
        remembered.insert(who, (expiry_ms, window.as_slice()))?;
    }
    let mut feeds = transaction.open_table(FEEDS)?;
    let mut own = Vec::new();
    for row in feeds.range((id, "")..)? {
        let (at, row) = row?;
        let (owner, feed) = at.value();
        if owner != id {
            break;
        }
        own.push((feed.to_owned(), row.value().0, row.value().1.to_vec()));
    }
    for (feed, expiry_ms, plain) in own {
        feeds.remove((id, feed.as_str()))?;
        let Ok(feed_id) = FeedId::new(&feed) else { continue };
        feeds.insert((who, feed.as_str()), (expiry_ms, key.seal(Record::Feed(&feed_id), &plain)?.as_slice()))?;
        seal_pages(transaction, id, who, &feed_id, key)?;
    }
    Ok(())
}

fn seal_pages(transaction: &WriteTransaction, id: &str, who: &str, feed: &FeedId, key: &PersonKey) -> Result<(), Fault> {
    let mut pages = transaction.open_table(PAGES)?;
    let mut own = Vec::new();
    for row in pages.range((id, feed.as_str(), 0)..=(id, feed.as_str(), u32::MAX))? {
        let (at, page) = row?;
        own.push((at.value().2, page.value().to_vec()));
    }
    for (number, plain) in own {
        pages.remove((id, feed.as_str(), number))?;
        pages.insert((who, feed.as_str(), number), key.seal(Record::Page(feed, number), &plain)?.as_slice())?;
    }
    Ok(())
}
