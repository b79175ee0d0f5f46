//! Reads a request's body: bounded, of a known type, and with the place of every fault.

use actix_web::{
    HttpRequest,
    http::header,
    web::{Bytes, BytesMut, Payload},
};
use futures_util::StreamExt;
use serde::de::DeserializeOwned;

use super::problem::{Kind, Problem};
use crate::wire::Fault;

/// Which content types a route takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    Json,
    /// Also `text/plain`, which is what `navigator.sendBeacon` sends without asking the server first.
    JsonOrText,
    /// `application/x-ndjson`: one JSON value per line; also plain JSON.
    NdJson,
    /// `application/x-www-form-urlencoded` or `multipart/form-data`: what mail providers send.
    Form,
}

/// A body that was read whole.
#[derive(Clone, Debug)]
pub struct Body(Bytes);

impl Body {
    /// Reads the body. Problems: 415 for another type or an encoding, 413 past `limit_bytes`, 400 when it breaks off.
    pub async fn read(request: &HttpRequest, payload: &mut Payload, takes: Takes, limit_bytes: usize) -> Result<Self, Problem> {
        check_type(request, takes)?;
        let announced = request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        if announced.is_some_and(|length| length > limit_bytes as u64) {
            return Err(too_large(limit_bytes));
        }
        let mut bytes = BytesMut::new();
        while let Some(chunk) = payload.next().await {
            let chunk = chunk.map_err(|error| Problem::new(Kind::BadRequest, format!("The body broke off: {error}")))?;
            if bytes.len() + chunk.len() > limit_bytes {
                return Err(too_large(limit_bytes));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(Self(bytes.freeze()))
    }

    /// A body that is there already.
    pub(super) fn of(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }

    /// The bytes as text. Problem: not UTF-8, with the place.
    pub fn text(&self) -> Result<&str, Problem> {
        std::str::from_utf8(&self.0).map_err(|error| {
            let (line, column) = line_and_column(&self.0, error.valid_up_to());
            unreadable(format!("is not UTF-8 at line {line} column {column}"))
        })
    }

    /// The body as any JSON value. Problem: not JSON, with line and column.
    pub fn value(&self) -> Result<serde_json::Value, Problem> {
        self.typed()
    }

    /// The body as a `T`. Problem: not JSON, with line and column; or not a `T`, with the pointer of what is wrong.
    pub fn typed<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        let text = self.text()?;
        if text.trim_ascii().is_empty() {
            return Err(unreadable("is empty; expected JSON".to_owned()));
        }
        let mut reader = serde_json::Deserializer::from_str(text);
        let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
            let pointer = pointer(error.path());
            let inner = error.into_inner();
            if inner.is_data() {
                Problem::invalid_body(vec![Fault { pointer, detail: without_place(&inner) }])
            } else {
                unreadable(format!("is not JSON: {inner}"))
            }
        })?;
        reader.end().map_err(|error| unreadable(format!("is not JSON: {error}")))?;
        Ok(value)
    }
}

fn check_type(request: &HttpRequest, takes: Takes) -> Result<(), Problem> {
    let encoding = request.headers().get(header::CONTENT_ENCODING).map(|value| value.as_bytes());
    if encoding.is_some_and(|encoding| !encoding.eq_ignore_ascii_case(b"identity")) {
        return Err(Problem::new(Kind::UnsupportedMediaType, "Bodies must not be compressed; leave out the Content-Encoding header."));
    }
    let given = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let json = essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"));
    let fits = match takes {
        Takes::Json => json,
        Takes::JsonOrText => json || essence == "text/plain",
        Takes::NdJson => json || matches!(essence.as_str(), "application/x-ndjson" | "application/jsonl"),
        Takes::Form => matches!(essence.as_str(), "application/x-www-form-urlencoded" | "multipart/form-data"),
    };
    if fits {
        return Ok(());
    }
    let expected = match takes {
        Takes::Json => "application/json",
        Takes::JsonOrText => "application/json or text/plain",
        Takes::NdJson => "application/x-ndjson or application/json",
        Takes::Form => "application/x-www-form-urlencoded or multipart/form-data",
    };
    let found =
        if essence.is_empty() { "no Content-Type".to_owned() } else { format!("Content-Type `{}`", super::params::shown(&essence)) };
    Err(Problem::new(Kind::UnsupportedMediaType, format!("The body has {found}; expected {expected}.")))
}

fn too_large(limit_bytes: usize) -> Problem {
    Problem::new(Kind::PayloadTooLarge, format!("The body is longer than {limit_bytes} bytes, the limit here. Send it in several parts."))
}

fn unreadable(detail: String) -> Problem {
    Problem::invalid_body(vec![Fault { pointer: String::new(), detail }])
}

/// serde_json appends the place to the message; the pointer says it better.
fn without_place(error: &serde_json::Error) -> String {
    let message = error.to_string();
    match message.rfind(" at line ") {
        Some(at) => message[..at].to_owned(),
        None => message,
    }
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut pointer = String::new();
    for segment in path.iter() {
        match segment {
            Segment::Seq { index } => pointer += &format!("/{index}"),
            Segment::Map { key } => pointer += &format!("/{}", key.replace('~', "~0").replace('/', "~1")),
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    pointer
}

fn line_and_column(bytes: &[u8], offset: usize) -> (usize, usize) {
    let before = &bytes[..offset];
    let line_start = before.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
    (before.iter().filter(|b| **b == b'\n').count() + 1, offset - line_start + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[expect(dead_code, reason = "only its shape is tested")]
    struct Sample {
        events: Vec<Inner>,
    }

    #[derive(Debug, serde::Deserialize)]
    #[expect(dead_code, reason = "only its shape is tested")]
    struct Inner {
        position: u32,
    }

    fn detail(bytes: &'static [u8]) -> String {
        Body(Bytes::from_static(bytes)).typed::<Sample>().unwrap_err().detail().to_owned()
    }

    #[test]
    fn faults_have_their_place() {
        assert_eq!(detail(b""), "The body is empty; expected JSON");
        assert_eq!(detail(b"{\n  \"a\": \xff}"), "The body is not UTF-8 at line 2 column 8");
        assert!(detail(b"{\n  \"events\": [,]}").contains("line 2 column 14"), "{}", detail(b"{\n  \"events\": [,]}"));
        assert!(detail(b"{\"events\": []} x").contains("trailing characters"));
        assert_eq!(
            detail(b"{\"events\": [{\"position\": 1}, {\"position\": -1}]}"),
            "`/events/1/position` invalid value: integer `-1`, expected u32"
        );
    }
}
