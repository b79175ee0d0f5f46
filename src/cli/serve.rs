//! `polyphony serve`: runs the server until SIGTERM or SIGINT.

use std::{future::Future, net::TcpListener, process::ExitCode, sync::Arc};

use anyhow::Context;
use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use super::{EXIT_USAGE, SettingsArgs};
use crate::{
    app::{App, VERSION},
    clock::SystemClock,
    http::server,
    settings::Settings,
    store::Store,
    telemetry::logs,
};

#[derive(Debug, Args)]
pub(super) struct Serve {
    #[command(flatten)]
    settings: SettingsArgs,
    /// Listen on an address that others can reach although no keys are set: anyone may then read and change every profile
    #[arg(long)]
    insecure: bool,
}

impl Serve {
    pub(super) fn run(self) -> ExitCode {
        let settings = match self.settings.load() {
            Ok(settings) => settings,
            Err(code) => return code,
        };
        if !self.insecure
            && let Err(faults) = settings.check_exposure()
        {
            eprintln!("error: {faults}");
            return ExitCode::from(EXIT_USAGE);
        }
        let _logs = match logs::install(&settings.telemetry) {
            Ok(logs) => logs,
            Err(message) => {
                eprintln!("error: {message}");
                return ExitCode::from(EXIT_USAGE);
            }
        };
        match run(settings) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "the server stopped");
                ExitCode::FAILURE
            }
        }
    }
}

fn run(settings: Settings) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        // Before anything else, so that no signal is missed while the catalogue loads.
        let stop = stop_signal()?;
        let listener = listen(&settings)?;
        let store = open_store(&settings).await?;
        let app = Arc::new(App::new(settings, Arc::new(SystemClock), store)?);
        tracing::info!(version = VERSION, listen = %listener.local_addr()?, store = app.store.kind(), "listening");
        server::serve(app, listener, stop).await?;
        tracing::info!("stopped");
        Ok(())
    })
}

fn listen(settings: &Settings) -> anyhow::Result<TcpListener> {
    let address = settings.server.listen;
    TcpListener::bind(address).with_context(|| format!("cannot listen on {address}"))
}

/// The store the settings ask for.
async fn open_store(settings: &Settings) -> anyhow::Result<Arc<dyn Store>> {
    let kind = if settings.store.redis.url.is_empty() { "embedded" } else { "Redis" };
    anyhow::bail!("this build has no {kind} store")
}

/// Ready at the first SIGTERM or SIGINT: both end the server without losing a request.
fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
