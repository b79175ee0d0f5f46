//! Qdrant, where it is the engine that finds what is near an interest: whether it is reached in time, and its collection fits.

use super::Findings;
use crate::{
    settings::{SearchEngine, Settings},
    source::{SearchError, qdrant::look},
};

const CHECK: &str = "search";

pub(super) fn look(settings: &Settings, findings: &mut Findings) {
    if settings.catalogue.search.engine != SearchEngine::Qdrant {
        return;
    }
    let qdrant = &settings.catalogue.search.qdrant;
    let place = format!("Qdrant at {}, collection `{}`, searches within {}", qdrant.url, qdrant.collection, qdrant.timeout);
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return findings.fault(CHECK, format!("no runtime can be made to look: {error}"), "look at the process's limits"),
    };
    if !qdrant.api_key.is_empty() && qdrant.url.starts_with("http://") {
        findings.warn(CHECK, "the key is sent without TLS", "https:// in catalogue.search.qdrant.url, unless the network is yours alone");
    }
    let looked = match runtime.block_on(look::look(qdrant, settings.catalogue.dimension)) {
        Ok(looked) => looked,
        Err(error) => return findings.fault(CHECK, format!("{place}: {error}"), fix(&error)),
    };
    let points = looked.points.map_or("made at the first start".to_owned(), |points| format!("{points} points"));
    let took = looked.round_trip.as_secs_f64() * 1e3;
    let detail = format!("{place}: version {}, {points}, round trip {took:.2} ms", looked.version);
    if looked.round_trip > qdrant.timeout.as_std() {
        findings.fault(CHECK, detail, "every search would miss catalogue.search.qdrant.timeout: move it nearer, or raise both deadlines");
    } else {
        findings.ok(CHECK, detail);
    }
}

const fn fix(error: &SearchError) -> &'static str {
    match error {
        SearchError::Timeout | SearchError::Unreachable(_) => {
            "start it, or correct catalogue.search.qdrant.url (the gRPC port, mostly 6334); until then feeds are degraded"
        }
        _ => "correct catalogue.search.qdrant; until then feeds are degraded",
    }
}
