//! Opens the store that the settings ask for.

use std::{path::Path, sync::Arc};

use anyhow::Context;

use crate::{
    clock::Clock,
    settings::{RedisTls, Secret, Settings},
    store::{
        KeyOptions, Store, StoreOptions,
        embedded::{EmbeddedOptions, EmbeddedStore},
        redis::{RedisOptions, RedisStore, TlsFiles},
        seal::MasterKeys,
    },
};

/// Redis if its URL is set, the embedded store otherwise. A Redis that is down is no error: the server heals when it is up.
pub(super) fn open(settings: &Settings, clock: Arc<dyn Clock>) -> anyhow::Result<Arc<dyn Store>> {
    let store = StoreOptions {
        profile_ttl: settings.store.profile_ttl,
        popularity_half_life: settings.policy.score.popularity_half_life,
        keys: keys(settings)?,
    };
    let redis = &settings.store.redis;
    if redis.url.is_empty() {
        let path = settings.store.embedded.path.clone();
        let options = EmbeddedOptions { path: path.clone(), store };
        let opened = EmbeddedStore::open(options, clock).with_context(|| format!("cannot open the store at {}", path.display()))?;
        return Ok(Arc::new(opened));
    }
    let options = RedisOptions {
        url: redis.url.expose().to_owned(),
        mode: redis.mode,
        sentinel: redis.sentinel.clone(),
        tls: tls_files(&redis.tls),
        key_prefix: format!("{}:", redis.key_prefix),
        timeout: redis.timeout,
        change_log_max: redis.change_log_max as usize,
        person_cache_bytes: redis.person_cache_bytes,
        store,
        ..RedisOptions::default()
    };
    Ok(Arc::new(RedisStore::new(options, clock).context("cannot use store.redis.url")?))
}

fn tls_files(tls: &RedisTls) -> TlsFiles {
    let named = |path: &Path| (!path.as_os_str().is_empty()).then(|| path.to_owned());
    TlsFiles { ca: named(&tls.ca_file), client: named(&tls.cert_file).zip(named(&tls.key_file)) }
}

/// Where people's keys are, and what wraps them.
fn keys(settings: &Settings) -> anyhow::Result<KeyOptions> {
    let privacy = &settings.privacy;
    let masters = MasterKeys::parse(privacy.master_keys.iter().map(Secret::expose)).context("privacy.master_keys")?;
    let (path, url) = (&privacy.keys.embedded.path, &privacy.keys.redis.url);
    Ok(KeyOptions {
        masters,
        path: (!path.as_os_str().is_empty()).then(|| path.clone()),
        redis_url: (!url.is_empty()).then(|| url.expose().to_owned()),
    })
}
