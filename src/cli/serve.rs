//! `polyphony serve`: runs the server until SIGTERM or SIGINT.

use std::{future::Future, net::TcpListener, process::ExitCode, sync::Arc};

use anyhow::Context;
use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{EXIT_USAGE, SettingsArgs, store};
use crate::{
    app::{App, VERSION},
    clock::{Clock, SystemClock},
    http::server,
    settings::Settings,
    store::seal::IS_UNSEALED,
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
        if IS_UNSEALED && !settings.server.listen.ip().is_loopback() {
            eprintln!("error: this server was built without sealing, for measurements; it only listens on 127.0.0.1");
            return ExitCode::from(EXIT_USAGE);
        }
        run_with(settings, |app| async move {
            if app.settings.privacy.master_keys.is_empty() {
                tracing::warn!("privacy.master_keys is empty: the master key is kept beside the keys that it wraps (docs/erasure.md)");
            }
            Ok(())
        })
    }
}

/// Serves until told to stop. `before` runs before the first request is answered; its failure stops the server.
pub(super) fn run_with<F, Fut>(settings: Settings, before: F) -> ExitCode
where
    F: FnOnce(Arc<App>) -> Fut,
    Fut: Future<Output = anyhow::Result<()>>,
{
    let _logs = match logs::install(&settings.telemetry) {
        Ok(logs) => logs,
        Err(message) => {
            eprintln!("error: {message}");
            return ExitCode::from(EXIT_USAGE);
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: the runtime cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(settings, before)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "the server stopped");
            ExitCode::FAILURE
        }
    }
}

async fn run<F, Fut>(mut settings: Settings, before: F) -> anyhow::Result<()>
where
    F: FnOnce(Arc<App>) -> Fut,
    Fut: Future<Output = anyhow::Result<()>>,
{
    // Before anything else, so that no signal is missed while the catalogue loads.
    let stop = stop_signal()?;
    let listener = listen(&settings)?;
    // Port 0 asks for any free one: from here on the settings name the one that was given.
    settings.server.listen = listener.local_addr()?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let store = store::open(&settings, Arc::clone(&clock))?;
    let app = Arc::new(App::new(settings, clock, store)?);
    let background = app.start().context("the work beside requests cannot start")?;
    let reloads = tokio::spawn(reload_on_hang_up(Arc::clone(&app), signal(SignalKind::hangup())?));
    tracing::info!(version = VERSION, listen = %app.settings.server.listen, store = app.store.kind(), "listening");
    // The listener is open: who connects now is answered as soon as this is done.
    before(Arc::clone(&app)).await?;
    server::serve(Arc::clone(&app), listener, stop).await?;
    drop(background);
    reloads.abort();
    // Workers may hold the journal a moment longer than this process lives.
    app.feed.journal.close();
    tracing::info!("stopped");
    Ok(())
}

/// SIGHUP: the policy file is read again.
async fn reload_on_hang_up(app: Arc<App>, mut hang_up: Signal) {
    while hang_up.recv().await.is_some() {
        app.reload_policy().await;
    }
}

fn listen(settings: &Settings) -> anyhow::Result<TcpListener> {
    let address = settings.server.listen;
    TcpListener::bind(address).with_context(|| format!("cannot listen on {address}"))
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
