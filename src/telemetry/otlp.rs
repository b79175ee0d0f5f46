//! Traces to an OpenTelemetry collector over OTLP/HTTP (cargo feature `otlp`).

use opentelemetry::{
    Context,
    propagation::{Extractor, TextMapPropagator},
    trace::{TraceContextExt, TracerProvider},
};
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::{Resource, propagation::TraceContextPropagator, trace::SdkTracerProvider};
use tracing::{Span, Subscriber};
use tracing_opentelemetry::{OpenTelemetryLayer, OpenTelemetrySpanExt};
use tracing_subscriber::registry::LookupSpan;

const SERVICE_NAME: &str = "polyphony";

/// The exporter. Spans are sent in batches from a thread of its own, so a slow collector slows nothing down.
#[derive(Debug)]
pub struct Traces(SdkTracerProvider);

impl Traces {
    /// `endpoint` is the collector's traces URL, e.g. `http://localhost:4318/v1/traces`.
    pub fn to(endpoint: &str) -> Result<Self, String> {
        let exporter = SpanExporter::builder()
            .with_http()
            .with_endpoint(endpoint)
            .build()
            .map_err(|error| format!("`telemetry.otlp_endpoint`: {error}"))?;
        let resource = Resource::builder().with_service_name(SERVICE_NAME).build();
        Ok(Self(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build()))
    }

    pub(super) fn layer<S>(&self) -> OpenTelemetryLayer<S, opentelemetry_sdk::trace::SdkTracer>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        tracing_opentelemetry::layer().with_tracer(self.0.tracer(SERVICE_NAME))
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        if let Err(error) = self.0.shutdown() {
            tracing::warn!(error = %error, "the last traces were not sent");
        }
    }
}

/// A request's part of a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// 32 hex digits.
    pub trace_id: String,
    /// For the answer's `traceresponse` header: the trace, this request's span, and whether it is exported.
    pub response: String,
}

/// Makes `span` a child of the caller's span (its `traceparent` header), describes it, and says which trace it is in.
/// `None` when no exporter is installed.
pub fn join(span: &Span, traceparent: Option<&str>, route: &str, method: &'static str) -> Option<Joined> {
    if let Some(traceparent) = traceparent {
        let parent: Context = TraceContextPropagator::new().extract(&OneHeader(traceparent));
        span.set_parent(parent).ok()?;
    }
    span.set_attribute("http.route", route.to_owned());
    span.set_attribute("http.request.method", method);
    let context = span.context();
    let context = context.span().span_context().clone();
    context.is_valid().then(|| Joined {
        trace_id: context.trace_id().to_string(),
        response: format!("00-{}-{}-{:02x}", context.trace_id(), context.span_id(), context.trace_flags().to_u8()),
    })
}

struct OneHeader<'a>(&'a str);

impl Extractor for OneHeader<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        (key == "traceparent").then_some(self.0)
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent"]
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

    #[test]
    fn a_span_joins_its_callers_trace() {
        let traces = Traces(SdkTracerProvider::builder().build());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(traces.layer()), || {
            let span = tracing::error_span!("request");
            let joined = join(&span, Some(&format!("00-{TRACE}-b7ad6b7169203331-01")), "/v1/feed", "GET");
            let joined = joined.unwrap();
            assert_eq!(joined.trace_id, TRACE);
            assert!(joined.response.starts_with(&format!("00-{TRACE}-")) && joined.response.ends_with("-01"), "{}", joined.response);
            let own = join(&tracing::error_span!("request"), None, "/v1/feed", "GET").unwrap().trace_id;
            assert!(own.len() == 32 && own != TRACE, "{own}");
        });
    }

    #[test]
    fn without_an_exporter_there_is_no_trace() {
        assert_eq!(join(&tracing::error_span!("request"), None, "/v1/feed", "GET"), None);
    }
}
