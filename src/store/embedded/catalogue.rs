//! Items and their popularity in the file.

use redb::{ReadTransaction, ReadableTable, WriteTransaction};

use super::{
    engine::Fault,
    tables::{ITEMS, POPULARITY},
};
use crate::{
    domain::{Item, ItemId, Span},
    store::{
        CatalogueRecord, Popularity, PopularityDelta, StoreError, codec,
        touched::{Touch, Touched},
    },
};

/// Records handed over at once while loading.
const LOAD_BATCH_RECORDS: usize = 500;

pub(super) fn put(transaction: &WriteTransaction, items: &[Item]) -> Result<(), Fault> {
    let mut table = transaction.open_table(ITEMS)?;
    for item in items {
        table.insert(item.id.as_str(), codec::item::encode(item)?.as_slice())?;
    }
    Ok(())
}

pub(super) fn delete(transaction: &WriteTransaction, ids: &[ItemId]) -> Result<Vec<bool>, Fault> {
    let mut items = transaction.open_table(ITEMS)?;
    let mut popularity = transaction.open_table(POPULARITY)?;
    let mut there = Vec::with_capacity(ids.len());
    for id in ids {
        there.push(items.remove(id.as_str())?.is_some());
        popularity.remove(id.as_str())?;
    }
    Ok(there)
}

/// Returns the items that are there: the ones whose popularity changed.
pub(super) fn add_popularity(
    transaction: &WriteTransaction,
    deltas: &[PopularityDelta],
    half_life: Span,
) -> Result<Vec<(ItemId, Touch)>, Fault> {
    let items = transaction.open_table(ITEMS)?;
    let mut table = transaction.open_table(POPULARITY)?;
    let mut touched = Vec::new();
    for delta in deltas {
        let id = delta.item.as_str();
        if !delta.used.is_finite() || items.get(id)?.is_none() {
            continue;
        }
        // A damaged sum begins again: it is a statistic, and refusing would stop it for good.
        let stored = table.get(id)?.and_then(|bytes| codec::popularity::decode(bytes.value()).ok());
        let mut popularity = stored.unwrap_or(Popularity { as_of: delta.at, ..Popularity::default() });
        popularity.add(delta.used, delta.at, half_life);
        table.insert(id, codec::popularity::encode(&popularity).as_slice())?;
        touched.push((delta.item.clone(), Touch::Popularity));
    }
    Ok(touched)
}

/// The current records of what was touched. Damaged ones are left out and logged.
pub(super) fn current(transaction: &ReadTransaction, touched: Vec<(ItemId, Touched)>) -> Result<Vec<CatalogueRecord>, Fault> {
    let items = transaction.open_table(ITEMS)?;
    let popularities = transaction.open_table(POPULARITY)?;
    let mut records = Vec::new();
    for (id, touched) in touched {
        let item = match items.get(id.as_str())? {
            Some(bytes) => match readable(&id, codec::item::decode(bytes.value())) {
                Some(item) => Some(item),
                None => continue,
            },
            None => None,
        };
        let popularity = match popularities.get(id.as_str())? {
            Some(bytes) => readable(&id, codec::popularity::decode(bytes.value())),
            None => None,
        };
        records.extend(touched.records(&id, item, popularity));
    }
    Ok(records)
}

fn readable<T>(id: &ItemId, decoded: Result<T, StoreError>) -> Option<T> {
    decoded.inspect_err(|error| tracing::error!(item = %id, %error, "a damaged record was left out")).ok()
}

/// Hands the whole catalogue to `send` in batches, items first, until `send` says stop. Returns how many were damaged.
pub(super) fn load(transaction: &ReadTransaction, mut send: impl FnMut(Vec<CatalogueRecord>) -> bool) -> Result<u64, Fault> {
    let mut damaged = 0u64;
    let mut batch = Vec::new();
    let mut take = |id: &str, decoded: Result<CatalogueRecord, StoreError>| {
        match decoded {
            Ok(record) => batch.push(record),
            Err(error) => {
                damaged += 1;
                tracing::error!(item = id, %error, "a damaged record was left out");
            }
        }
        batch.len() < LOAD_BATCH_RECORDS || send(std::mem::take(&mut batch))
    };
    for row in transaction.open_table(ITEMS)?.iter()? {
        let (id, bytes) = row?;
        if !take(id.value(), codec::item::decode(bytes.value()).map(|item| CatalogueRecord::Put(Box::new(item)))) {
            return Ok(damaged);
        }
    }
    for row in transaction.open_table(POPULARITY)?.iter()? {
        let (id, bytes) = row?;
        if !take(id.value(), popularity_record(id.value(), bytes.value())) {
            return Ok(damaged);
        }
    }
    if !batch.is_empty() {
        send(batch);
    }
    Ok(damaged)
}

fn popularity_record(id: &str, bytes: &[u8]) -> Result<CatalogueRecord, StoreError> {
    let item = ItemId::new(id).map_err(|fault| StoreError::Corrupt { what: "popularity", detail: format!("its item id {fault}") })?;
    Ok(CatalogueRecord::Popularity(item, codec::popularity::decode(bytes)?))
}
