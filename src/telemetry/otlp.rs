//! Traces to an OpenTelemetry collector over OTLP/HTTP (cargo feature `otlp`).

use opentelemetry::{
    Context,
    propagation::{Extractor, TextMapPropagator},
    trace::TracerProvider,
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

/// Makes `span` a child of the caller's span, given the `traceparent` header.
pub fn adopt(span: &Span, traceparent: &str) {
    let parent: Context = TraceContextPropagator::new().extract(&OneHeader(traceparent));
    // Fails only when no exporter is installed: nothing to join then.
    let _ = span.set_parent(parent);
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
