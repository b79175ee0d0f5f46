//! The store: whether it is reached, keeps what it is told, agrees on the time, and holds a catalogue that fits.

use std::{sync::Arc, time::Duration};

use super::{Findings, machine::mebibytes};
use crate::{
    catalogue::CatalogueRecord,
    cli::store,
    clock::{Clock, SystemClock},
    settings::Settings,
    store::{
        StoreError,
        redis::{
            look::{Looked, look as look_at},
            redacted_url,
        },
    },
};

/// Older ones lack what the server's scripts use.
const REDIS_MIN: (u32, u32) = (7, 0);
/// Of its memory limit; above it somebody should add memory.
const FULL_RATIO: f64 = 0.8;
/// Popularity, seen items and expiries are told by clocks: off by this much shows.
const CLOCK_WARN_MS: i64 = 1_000;
const CLOCK_FAULT_MS: i64 = 60_000;
/// For reading the whole catalogue.
const CATALOGUE_TIMEOUT: Duration = Duration::from_secs(60);

pub(super) fn look(settings: &Settings, is_running: bool, findings: &mut Findings) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return findings.fault("store", format!("no runtime can be made to look: {error}"), "look at the process's limits"),
    };
    let url = settings.store.redis.url.expose();
    if url.is_empty() {
        runtime.block_on(embedded(settings, is_running, findings));
        return;
    }
    runtime.block_on(async {
        let mut is_there = true;
        for node in nodes(url) {
            is_there &= redis("store", &node, settings, findings).await;
        }
        if is_there {
            catalogue(settings, findings).await;
        }
        let keys = settings.privacy.keys.redis.url.expose();
        for node in nodes(keys) {
            redis("key store", &node, settings, findings).await;
        }
    });
}

/// A URL per host: a cluster's or Sentinels' URL names several, with commas between them. None where there is no URL.
fn nodes(url: &str) -> Vec<String> {
    if url.is_empty() {
        return Vec::new();
    }
    let start = url.find("://").map_or(0, |at| at + 3);
    let start = url[start..].rfind('@').map_or(start, |at| start + at + 1);
    let end = url[start..].find(['/', '?']).map_or(url.len(), |at| start + at);
    url[start..end].split(',').map(|host| format!("{}{host}{}", &url[..start], &url[end..])).collect()
}

async fn embedded(settings: &Settings, is_running: bool, findings: &mut Findings) {
    let path = settings.store.embedded.path.display();
    if !settings.store.embedded.path.exists() {
        findings.ok("store", format!("{path} is made at the first start"));
    } else if is_running {
        findings.ok("store", format!("{path} belongs to the server that runs; stop it to look inside"));
    } else {
        catalogue(settings, findings).await;
    }
}

/// Whether it can be asked more.
async fn redis(check: &'static str, url: &str, settings: &Settings, findings: &mut Findings) -> bool {
    let looked = match look_at(url, &SystemClock).await {
        Ok(looked) => looked,
        Err(error) => {
            findings.fault(check, format!("{}: {error}", redacted_url(url)), reach_fix(&error));
            return false;
        }
    };
    if looked.mode == "sentinel" {
        findings.ok(check, format!("a Sentinel, version {}", looked.version_text));
        return true;
    }
    reached(check, &looked, settings, findings);
    memory(check, &looked, findings);
    persistence(check, &looked, findings);
    clock(check, &looked, findings);
    true
}

const fn reach_fix(error: &StoreError) -> &'static str {
    match error {
        StoreError::Timeout => "is the address right, and does a firewall let this machine through?",
        StoreError::Unreachable(_) => "start Redis, or correct store.redis.url (its password is part of it)",
        _ => "correct store.redis.url, or the rights of its user",
    }
}

fn reached(check: &'static str, looked: &Looked, settings: &Settings, findings: &mut Findings) {
    let took = looked.round_trip.as_secs_f64() * 1e3;
    let detail = format!("version {}, {}, round trip {took:.2} ms", looked.version_text, looked.role);
    let limit = settings.store.redis.timeout.as_std();
    if looked.version < REDIS_MIN {
        let fix = format!("Redis {}.{} or Valkey; older ones lack what the scripts use", REDIS_MIN.0, REDIS_MIN.1);
        findings.fault(check, detail, fix);
    } else if looked.role != "master" && looked.mode != "cluster" {
        findings.fault(check, detail, "name the primary in store.redis.url: a replica takes no writes");
    } else if looked.round_trip > limit {
        findings.fault(
            check,
            detail,
            format!("every call would miss store.redis.timeout ({}): move it nearer", settings.store.redis.timeout),
        );
    } else if looked.round_trip * 4 > limit {
        let fix = format!("a feed makes several calls within store.redis.timeout ({}): move it nearer", settings.store.redis.timeout);
        findings.warn(check, detail, fix);
    } else {
        findings.ok(check, detail);
    }
}

fn memory(check: &'static str, looked: &Looked, findings: &mut Findings) {
    let (used, limit) = (looked.used_bytes, looked.maxmemory_bytes);
    let of = if limit == 0 { "without a limit".to_owned() } else { format!("of {}", mebibytes(limit)) };
    let detail = format!("memory: {} used {of}, maxmemory-policy {}", mebibytes(used), looked.maxmemory_policy);
    if looked.maxmemory_policy != "noeviction" {
        let fix =
            "redis-cli CONFIG SET maxmemory-policy noeviction, and in redis.conf: a full Redis must refuse, not forget people's choices";
        findings.fault(check, detail, fix);
    } else if limit == 0 {
        findings.warn(
            check,
            detail,
            "set maxmemory below the machine's memory: a Redis that is killed for memory loses more than one that refuses",
        );
    } else if used as f64 > FULL_RATIO * limit as f64 {
        findings.warn(check, detail, "raise maxmemory; a full Redis refuses events and feeds cannot be kept");
    } else {
        findings.ok(check, detail);
    }
}

fn persistence(check: &'static str, looked: &Looked, findings: &mut Findings) {
    let fix = "appendonly yes and appendfsync everysec in redis.conf: a restart would lose profiles and consents";
    if !looked.last_save_ok {
        findings.fault(check, "persistence: the last write to disk failed", "its log says why; mostly the disk is full");
    } else if looked.appendonly {
        findings.ok(check, "persistence: append-only file");
    } else {
        match looked.snapshots {
            Some(true) => findings.warn(check, "persistence: snapshots only; a crash loses all since the last one", fix),
            Some(false) => findings.fault(check, "persistence: none", fix),
            None => findings.warn(check, "persistence: no append-only file; snapshots cannot be told (CONFIG is not allowed)", fix),
        }
    }
}

fn clock(check: &'static str, looked: &Looked, findings: &mut Findings) {
    let off = looked.clock_ahead_ms;
    let side = if off < 0 { "behind" } else { "ahead of" };
    let detail = format!("clock: {:.3} s {side} this machine's", off.unsigned_abs() as f64 / 1e3);
    let fix = "run chrony or systemd-timesyncd on both machines";
    match off.abs() {
        CLOCK_FAULT_MS.. => findings.fault(check, detail, fix),
        CLOCK_WARN_MS.. => findings.warn(check, detail, fix),
        _ => findings.ok(check, detail),
    }
}

/// Reads the catalogue as a starting server does.
async fn catalogue(settings: &Settings, findings: &mut Findings) {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let store = match store::open(settings, clock) {
        Ok(store) => store,
        Err(error) => return findings.fault("store", format!("{error:#}"), "restore it from a backup, or correct the key it names"),
    };
    let dimension = settings.catalogue.dimension;
    let (mut items, mut others, mut found) = (0_usize, 0_usize, None);
    let mut sink = |records: Vec<CatalogueRecord>| {
        for record in records {
            let CatalogueRecord::Put(item) = record else { continue };
            items += 1;
            let numbers = item.embedding.as_ref().map_or(dimension, |embedding| embedding.to_f32().len());
            if numbers != dimension {
                (others, found) = (others + 1, Some(numbers));
            }
        }
    };
    let read = tokio::time::timeout(CATALOGUE_TIMEOUT, store.load_catalogue(&mut sink)).await;
    let corrupt = match read {
        Ok(Ok((_, corrupt))) => corrupt,
        Ok(Err(error)) => return findings.fault("catalogue", error.to_string(), "the server cannot start without it; see the store above"),
        Err(_) => {
            let fix = "a server will take as long to start; look at the network and the store's load";
            return findings.warn("catalogue", format!("not read within {} s", CATALOGUE_TIMEOUT.as_secs()), fix);
        }
    };
    if corrupt > 0 {
        findings.warn("catalogue", format!("{items} items, {corrupt} records cannot be read"), "send those items again");
    } else if let Some(numbers) = found {
        let detail = format!("{others} of {items} items have embeddings of {numbers} numbers; catalogue.dimension is {dimension}");
        findings.fault("catalogue", detail, format!("catalogue.dimension = {numbers}, or send the catalogue again"));
    } else if items == 0 {
        findings.warn("catalogue", "no items: feeds answer 503 until there are", "POST /v1/items, or polyphony import");
    } else {
        findings.ok("catalogue", format!("{items} items, embeddings of {dimension} numbers"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_host_of_a_url_is_looked_at() {
        assert_eq!(nodes("redis://h:1/0"), ["redis://h:1/0"]);
        assert_eq!(nodes("redis://u:p@a:1,b:2/0"), ["redis://u:p@a:1/0", "redis://u:p@b:2/0"]);
        assert_eq!(nodes("unix:///run/redis.sock"), ["unix:///run/redis.sock"]);
        assert_eq!(nodes(""), [""; 0]);
    }
}
