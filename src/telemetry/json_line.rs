//! One log line as one JSON object: `ts`, `level`, `msg`, `target`, the request's fields, then the event's own.

use std::fmt::{self, Write as _};

use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields, format::JsonFields, format::Writer},
    registry::LookupSpan,
};

use crate::clock::{Clock, SystemClock};

/// Formats events as JSON lines. Spans must use [`JsonFields`], whose output is spliced in.
#[derive(Clone, Copy, Debug, Default)]
pub struct JsonLine;

impl<S> FormatEvent<S, JsonFields> for JsonLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    JsonFields: for<'a> FormatFields<'a>,
{
    fn format_event(&self, context: &FmtContext<'_, S, JsonFields>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut own = Fields::default();
        event.record(&mut own);
        let level = event.metadata().level().as_str().to_ascii_lowercase();
        write!(writer, "{{\"ts\":\"{}\",\"level\":\"{level}\",\"msg\":{}", now(), json(&own.message))?;
        write!(writer, ",\"target\":{}", json(event.metadata().target()))?;
        for span in context.event_scope().into_iter().flat_map(|scope| scope.from_root()) {
            let extensions = span.extensions();
            let Some(fields) = extensions.get::<FormattedFields<JsonFields>>() else { continue };
            let inner = fields.fields.trim().trim_start_matches('{').trim_end_matches('}');
            if !inner.is_empty() {
                write!(writer, ",{inner}")?;
            }
        }
        writer.write_str(&own.rest)?;
        writer.write_str("}\n")
    }
}

/// RFC 3339, UTC, milliseconds.
fn now() -> String {
    jiff::Timestamp::from_millisecond(SystemClock.now().0).map(|time| format!("{time:.3}")).unwrap_or_default()
}

fn json(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The message, and the other fields as `,"name":value` in the order they were given.
#[derive(Default)]
struct Fields {
    message: String,
    rest: String,
}

impl Fields {
    fn put(&mut self, field: &Field, value: impl fmt::Display) {
        let _ = write!(self.rest, ",{}:{value}", json(field.name()));
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, serde_json::Value::from(value));
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.message = value.to_owned();
        } else {
            self.put(field, json(value));
        }
    }
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}");
        if field.name() == "message" {
            self.message = text;
        } else {
            self.put(field, json(&text));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parking_lot::Mutex;
    use tracing_subscriber::{fmt::MakeWriter, layer::SubscriberExt};

    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Sink {
        type Writer = Self;
        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    #[test]
    fn a_line_is_one_json_object_with_the_spans_fields() {
        let sink = Sink::default();
        let layer = tracing_subscriber::fmt::layer().fmt_fields(JsonFields::new()).event_format(JsonLine).with_writer(sink.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            let _span = tracing::error_span!("request", request_id = "rq_1", trace_id = tracing::field::Empty).entered();
            tracing::info!(status = 200u16, dur_ms = 1.5, quote = "a\"b\n", "served");
        });
        let text = String::from_utf8(sink.0.lock().clone()).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}");
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["msg"], "served");
        assert_eq!(line["level"], "info");
        assert_eq!(line["request_id"], "rq_1");
        assert_eq!(line["status"], 200);
        assert_eq!(line["dur_ms"], 1.5);
        assert_eq!(line["quote"], "a\"b\n");
        assert!(line["ts"].as_str().unwrap().ends_with('Z'));
        assert!(line.get("trace_id").is_none(), "absent means absent");
    }
}
