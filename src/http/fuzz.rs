//! Every reader of what comes over the network, as a function of bytes: for `fuzz/` and for the test that runs its corpus.
//!
//! Each holds what it reads to its promises and panics where one is broken; none of it is called by the server.

use actix_web::{
    HttpRequest,
    http::header::{HeaderName, HeaderValue},
    test::TestRequest,
};
use serde_json::Value;

use super::{auth, body::Body, events, feed, gpc, items, language::Language, me, policies::sweep};
use crate::{
    app::App,
    auth::Caller,
    domain::{ItemId, feed::Owner, profile::Mode},
    store::codec,
    wire::{Faults, event, item, rerank},
};

/// A reader's name and what it makes of bytes.
pub type Reader = (&'static str, fn(&App, &[u8]));

/// All of them.
pub const READERS: [Reader; 15] = [
    ("events", events),
    ("items", items),
    ("rerank", rerank),
    ("feed", feed),
    ("query", query),
    ("cursor", cursor),
    ("preferences", preferences),
    ("consent", consent),
    ("import", import),
    ("sweep", sweep),
    ("authorization", authorization),
    ("headers", headers),
    ("stored", stored),
    ("csv", csv),
    ("ndjson", ndjson),
];

/// The body as JSON; `None`: it is none, which was said.
fn json(bytes: &[u8]) -> Option<Value> {
    Body::of(bytes.to_vec()).value().ok()
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// Whatever is refused is refused with a pointer into what was sent and a sentence.
fn told(faults: Faults) {
    if let Err(faults) = faults.into_result() {
        assert!(faults.iter().all(|fault| fault.pointer.is_empty() || fault.pointer.starts_with('/')), "{faults:?}");
        assert!(faults.iter().all(|fault| !fault.detail.is_empty()), "{faults:?}");
    }
}

fn events(app: &App, bytes: &[u8]) {
    let Some(mut value) = json(bytes) else { return };
    let Ok((values, user)) = events::batch(&mut value, &Caller::Server) else { return };
    for value in &values {
        if let Ok(read) = event::read(value, user.as_ref(), true, app.now()) {
            assert!(read.event.at <= app.now().plus(crate::domain::event::MAX_CLOCK_AHEAD), "{read:?}");
        }
    }
}

/// What is taken is written and read again as the same item.
fn items(app: &App, bytes: &[u8]) {
    for is_lines in [false, true] {
        let values = items::values(&Body::of(bytes.to_vec()), is_lines).unwrap_or_default();
        for read in values.into_iter().flatten().filter_map(|value| item::read(&value, app.dimension()).ok()) {
            let again =
                serde_json::to_value(item::ItemForm::with_embedding(&read)).ok().and_then(|form| item::read(&form, app.dimension()).ok());
            assert_eq!(again.map(|item| item.id), Some(read.id));
        }
    }
}

fn rerank(app: &App, bytes: &[u8]) {
    let Some(value) = json(bytes) else { return };
    let mut faults = Faults::default();
    let candidates = rerank::read_candidates(value, app.dimension(), &mut faults);
    assert!(candidates.len() <= rerank::MAX_CANDIDATES);
    assert!(candidates.iter().all(|(_, relevance)| relevance.is_finite()));
    told(faults);
}

fn feed(_: &App, bytes: &[u8]) {
    let Some(value) = json(bytes) else { return };
    let mut faults = Faults::default();
    feed::read_body(&value, &mut faults);
    told(faults);
}

fn query(_: &App, bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    let _ = feed::from_query(text);
}

/// Nobody can make one up.
fn cursor(app: &App, bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    let signer = &app.feed.signer;
    assert!(signer.read_cursor(text, &Owner::Nobody, "home", Mode::Profile).is_none(), "{text}");
    let item = ItemId::new("itm_1").ok();
    assert!(item.is_none_or(|item| signer.read_track(text, &item).is_none()), "{text}");
}

fn preferences(_: &App, bytes: &[u8]) {
    let Some(value) = json(bytes) else { return };
    let mut faults = Faults::default();
    me::preferences::read_preferences(&value, "", &mut faults);
    told(faults);
}

fn consent(app: &App, bytes: &[u8]) {
    let Some(value) = json(bytes) else { return };
    let mut faults = Faults::default();
    let (_, notice) = me::consent::read_form(app, &value, &mut faults);
    assert!(app.notices.at(&notice).is_some(), "{notice}");
    told(faults);
}

fn import(_: &App, bytes: &[u8]) {
    let Some(value) = json(bytes) else { return };
    let mut faults = Faults::default();
    me::import::read_given(&value, &mut faults);
    told(faults);
}

fn sweep(app: &App, bytes: &[u8]) {
    let Some(value) = json(bytes) else { return };
    let _ = sweep::Asked::read(app, &value);
}

/// A request that has the bytes as a header; `None`: they cannot be one.
fn with_header(name: &'static str, bytes: &[u8]) -> Option<HttpRequest> {
    let value = HeaderValue::from_bytes(bytes).ok()?;
    Some(TestRequest::default().insert_header((HeaderName::from_static(name), value)).to_http_request())
}

/// Keys and tokens are not guessed: whoever gets in is somebody's subject or has a key.
fn authorization(app: &App, bytes: &[u8]) {
    for name in ["authorization", "x-api-key"] {
        let Some(request) = with_header(name, bytes) else { continue };
        let caller = auth::credential(&request).ok().and_then(|credential| app.auth.caller(credential, app.now()).ok());
        assert!(!matches!(caller, Some(Caller::Server | Caller::Admin)), "{bytes:?}");
    }
    // As the credential itself: past the scheme.
    let caller = text(bytes).and_then(|text| app.auth.caller(Some(text), app.now()).ok());
    assert!(!matches!(caller, Some(Caller::Server | Caller::Admin)), "{bytes:?}");
}

/// The signal is exactly `1`, alone or merged with others by a proxy.
fn headers(_: &App, bytes: &[u8]) {
    if let Some(request) = with_header("sec-gpc", bytes) {
        let signals = bytes.split(|byte| *byte == b',').any(|part| part.trim_ascii() == b"1");
        assert_eq!(gpc::signals_opt_out(&request), signals && bytes.is_ascii(), "{bytes:?}");
    }
    if let Some(request) = with_header("accept-language", bytes) {
        let _ = Language::of(&request);
    }
    if let Some(text) = text(bytes) {
        let _ = super::middleware::trace_id(text);
    }
}

/// The first byte chooses what the rest is read as. What is read is written and read again as the same.
fn stored(_: &App, bytes: &[u8]) {
    let Some((kind, rest)) = bytes.split_first() else { return };
    match kind % 6 {
        0 => again(rest, codec::profile::decode, codec::profile::encode),
        1 => again(rest, codec::item::decode, codec::item::encode),
        2 => again(rest, codec::consent::decode, |log| codec::consent::encode(log)),
        3 => again(rest, codec::feed::decode, codec::feed::encode),
        4 => again(rest, codec::feed::decode_page, codec::feed::encode_page),
        _ => {
            let _ = codec::popularity::decode(rest);
        }
    }
}

fn again<T: std::fmt::Debug, E>(bytes: &[u8], decode: impl Fn(&[u8]) -> Result<T, E>, encode: impl Fn(&T) -> Result<Vec<u8>, E>) {
    let Ok(value) = decode(bytes) else { return };
    let Ok(written) = encode(&value) else { return };
    // Compared as text: what is not a number is not equal to itself.
    assert_eq!(decode(&written).ok().map(|again| format!("{again:?}")), Some(format!("{value:?}")));
}

fn csv(app: &App, bytes: &[u8]) {
    crate::import::read_csv(bytes.to_vec(), app.dimension());
}

fn ndjson(app: &App, bytes: &[u8]) {
    crate::import::read_ndjson(bytes.to_vec(), app.dimension());
}
