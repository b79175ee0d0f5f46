//! Items and their popularity: 64 hashes of each.

use std::collections::BTreeMap;

use futures_util::future::try_join_all;
use redis::Value;

use super::{
    RedisStore,
    keys::{CATALOGUE_BUCKETS, bucket},
    link::{Ask, Lane},
};
use crate::{
    domain::{Item, ItemId, Span},
    store::{
        CatalogueRecord, LogPosition, PopularityDelta, StoreError, codec,
        touched::{Touch, coalesce},
    },
};

/// Items written or deleted in one round trip.
const BATCH_ITEMS: usize = 500;
/// Records asked for in one step of a scan, about half a megabyte of answer. A hint: Redis may send more.
const SCAN_RECORDS: usize = 500;

impl RedisStore {
    pub(super) async fn write_items(&self, items: &[Item]) -> Result<(), StoreError> {
        for batch in items.chunks(BATCH_ITEMS) {
            let mut sets = Vec::with_capacity(batch.len());
            for item in batch {
                let mut set = redis::cmd("HSET");
                set.arg(self.keys.items(bucket(&item.id))).arg(item.id.as_str()).arg(codec::item::encode(item)?);
                sets.push(set);
            }
            // After the items: a reader that sees the entry finds the item.
            let entries = batch.iter().map(|item| self.entry(&item.id, Touch::Put)).collect();
            self.link.ask_many(Lane::Bulk, sets, entries).await?;
        }
        Ok(())
    }

    pub(super) async fn remove_items(&self, ids: &[ItemId]) -> Result<Vec<bool>, StoreError> {
        let mut there = Vec::with_capacity(ids.len());
        for batch in ids.chunks(BATCH_ITEMS) {
            let mut deletions = Vec::with_capacity(2 * batch.len());
            for id in batch {
                // The item first: without it, nobody adds to its popularity again.
                for key in [self.keys.items(bucket(id)), self.keys.popularity(bucket(id))] {
                    let mut delete = redis::cmd("HDEL");
                    delete.arg(key).arg(id.as_str());
                    deletions.push(delete);
                }
            }
            // Also for those that were not there: an earlier try may have deleted them and failed to say so.
            let entries = batch.iter().map(|id| self.entry(id, Touch::Deleted)).collect();
            let answers = self.link.ask_many(Lane::Bulk, deletions, entries).await?;
            let of_items = answers.into_iter().step_by(2).take(batch.len());
            there.extend(of_items.map(|answer| matches!(answer, Value::Int(1..))));
        }
        Ok(there)
    }

    pub(super) async fn add_weights(&self, deltas: &[PopularityDelta]) -> Result<(), StoreError> {
        let mut buckets: BTreeMap<u8, Vec<&PopularityDelta>> = BTreeMap::new();
        for delta in deltas.iter().filter(|delta| delta.used.is_finite()) {
            buckets.entry(bucket(&delta.item)).or_default().push(delta);
        }
        let half_life_ms = match self.options.store.popularity_half_life {
            Span::FOREVER => -1,
            span => span.as_millis(),
        };
        let add = async |(bucket, deltas): (u8, Vec<&PopularityDelta>)| {
            let mut add = self.scripts.add_popularity.key(self.keys.items(bucket));
            add.key(self.keys.popularity(bucket)).arg(half_life_ms);
            for delta in deltas {
                let used = delta.used;
                add.arg(delta.item.as_str()).arg(delta.at.0);
                add.arg(used.weight).arg(used.impressions).arg(used.opens).arg(used.newcomer_weight);
            }
            self.link.ask::<Vec<String>>(Lane::Bulk, Ask::Script(&add)).await
        };
        let touched = try_join_all(buckets.into_iter().map(add)).await?;
        let touched = touched.into_iter().flatten().filter_map(|id| Some((ItemId::new(id).ok()?, Touch::Popularity)));
        let touched = coalesce(touched);
        if touched.is_empty() {
            return Ok(());
        }
        let entries = touched.iter().map(|(id, _)| self.entry(id, Touch::Popularity)).collect();
        self.link.ask_many(Lane::Bulk, entries, Vec::new()).await.map(drop)
    }

    pub(super) async fn load(&self, sink: &mut (dyn FnMut(Vec<CatalogueRecord>) + Send)) -> Result<(LogPosition, u64), StoreError> {
        self.seal_earlier_rows().await?;
        let position = self.log_end().await?;
        let mut damaged = 0;
        for bucket in 0..CATALOGUE_BUCKETS {
            damaged += self.scan(self.keys.items(bucket), item_record, sink).await?;
            damaged += self.scan(self.keys.popularity(bucket), popularity_record, sink).await?;
        }
        Ok((position, damaged))
    }

    /// Hands every record of one hash to `sink`; returns how many were damaged.
    async fn scan(
        &self,
        key: String,
        decode: fn(&[u8], &[u8]) -> Result<CatalogueRecord, StoreError>,
        sink: &mut (dyn FnMut(Vec<CatalogueRecord>) + Send),
    ) -> Result<u64, StoreError> {
        let (mut cursor, mut damaged) = (0u64, 0u64);
        loop {
            let mut step = redis::cmd("HSCAN");
            step.arg(&key).arg(cursor).arg("COUNT").arg(SCAN_RECORDS);
            let (next, flat): (u64, Vec<Vec<u8>>) = self.link.ask(Lane::Bulk, Ask::Read(&step)).await?;
            let mut records = Vec::with_capacity(flat.len() / 2);
            for [id, bytes] in flat.as_chunks::<2>().0 {
                match decode(id, bytes) {
                    Ok(record) => records.push(record),
                    Err(error) => {
                        damaged += 1;
                        tracing::error!(item = %String::from_utf8_lossy(id), %error, "a damaged record was left out");
                    }
                }
            }
            if !records.is_empty() {
                sink(records);
            }
            if next == 0 {
                return Ok(damaged);
            }
            cursor = next;
        }
    }
}

fn item_record(_: &[u8], bytes: &[u8]) -> Result<CatalogueRecord, StoreError> {
    Ok(CatalogueRecord::Put(Box::new(codec::item::decode(bytes)?)))
}

fn popularity_record(id: &[u8], bytes: &[u8]) -> Result<CatalogueRecord, StoreError> {
    let damaged = |detail: String| StoreError::Corrupt { what: "popularity", detail };
    let id = std::str::from_utf8(id).map_err(|fault| damaged(format!("its item id: {fault}")))?;
    let id = ItemId::new(id).map_err(|fault| damaged(format!("its item id {fault}")))?;
    Ok(CatalogueRecord::Popularity(id, codec::popularity::decode(bytes)?))
}
