//! Sets up logs: text on a terminal, JSON lines otherwise, always on standard error.

use std::io::IsTerminal;

use tracing::{Level, Metadata};
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{FilterExt, filter_fn},
    fmt::format::JsonFields,
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

#[cfg(feature = "otlp")]
use tracing_subscriber::filter::LevelFilter;

use super::json_line::JsonLine;
use crate::settings::{LogFormat, Telemetry};

/// Keeps logs and traces flowing; flushes traces when dropped.
#[derive(Debug)]
#[must_use = "traces are flushed when this is dropped"]
pub struct Logs {
    #[cfg(feature = "otlp")]
    _traces: Option<super::otlp::Traces>,
}

/// The parser of HTTP, which below `info` quotes headers that it cannot read: they may be anybody's.
const QUOTES_REQUESTS: &str = "actix_http";

fn tells_no_bytes(line: &Metadata<'_>) -> bool {
    !line.target().starts_with(QUOTES_REQUESTS) || *line.level() <= Level::INFO
}

/// Installs the process's log and trace subscriber. Errors: the level cannot be read, the trace exporter cannot be made,
/// or one is installed already.
pub fn install(settings: &Telemetry) -> Result<Logs, String> {
    let filter = EnvFilter::try_new(&settings.log_level).map_err(|error| format!("`telemetry.log_level`: {error}"))?;
    let json = match settings.log_format {
        LogFormat::Json => true,
        LogFormat::Text => false,
        LogFormat::Auto => !std::io::stderr().is_terminal(),
    };
    let lines = if json {
        tracing_subscriber::fmt::layer().fmt_fields(JsonFields::new()).event_format(JsonLine).with_writer(std::io::stderr).boxed()
    } else {
        tracing_subscriber::fmt::layer().compact().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal()).boxed()
    };
    let registry = tracing_subscriber::registry().with(lines.with_filter(filter.and(filter_fn(tells_no_bytes))));

    #[cfg(feature = "otlp")]
    let (registry, traces) = {
        let traces = match settings.otlp_endpoint.as_str() {
            "" => None,
            endpoint => Some(super::otlp::Traces::to(endpoint)?),
        };
        (registry.with(traces.as_ref().map(|traces| traces.layer().with_filter(LevelFilter::INFO))), traces)
    };
    registry.try_init().map_err(|error| error.to_string())?;
    // A panic is a log line too, not text between the lines.
    std::panic::set_hook(Box::new(|panic| tracing::error!(error = %panic, "a thread panicked")));

    #[cfg(not(feature = "otlp"))]
    if !settings.otlp_endpoint.is_empty() {
        tracing::warn!("`telemetry.otlp_endpoint` is set, but this server was built without traces (cargo feature `otlp`)");
    }
    Ok(Logs {
        #[cfg(feature = "otlp")]
        _traces: traces,
    })
}
