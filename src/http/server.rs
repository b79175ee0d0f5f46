//! Runs the server until told to stop, and stops it without losing a request.

use std::{
    future::Future,
    net::{Shutdown, TcpListener},
    sync::Arc,
    time::Duration,
};

use actix_web::{HttpServer, dev::Server, middleware::from_fn, web};

use super::{backlog::Backlog, middleware::edge, mount, no_route};
use crate::app::App;

/// From the listener's end to the workers': connections that were accepted reach their worker and are read. Without it,
/// one that waits for a busy worker is closed unheard.
const SETTLE: Duration = Duration::from_millis(100);

/// Serves on `listener` until `stop` is ready, then drains: not ready any more → `server.drain_delay` → no new
/// connections → requests in flight have `server.shutdown_grace`. Returns when the last one is answered.
pub async fn serve(app: Arc<App>, listener: TcpListener, stop: impl Future<Output = ()>) -> std::io::Result<()> {
    serve_with(app, listener, stop, mount).await
}

/// [`serve`] with other routes.
pub async fn serve_with(
    app: Arc<App>,
    listener: TcpListener,
    stop: impl Future<Output = ()>,
    routes: impl Fn(&mut web::ServiceConfig) + Clone + Send + 'static,
) -> std::io::Result<()> {
    let listening = listener.try_clone()?;
    let server = start(&app, listener, routes)?;
    let handle = server.handle();
    let mut running = tokio::spawn(server);
    tokio::select! {
        ended = &mut running => return ended?,
        () = stop => {}
    }
    app.health.drain();
    let server = &app.settings.server;
    tracing::info!(drain_delay = %server.drain_delay, shutdown_grace = %server.shutdown_grace, "draining");
    tokio::time::sleep(server.drain_delay.as_std()).await;
    handle.pause().await;
    // Refused from here on, instead of left waiting for nobody. It may be closed already; either way it is over.
    let _ = socket2::SockRef::from(&listening).shutdown(Shutdown::Both);
    tokio::time::sleep(SETTLE).await;
    handle.stop(true).await;
    running.await?
}

fn start(
    app: &Arc<App>,
    listener: TcpListener,
    routes: impl Fn(&mut web::ServiceConfig) + Clone + Send + 'static,
) -> std::io::Result<Server> {
    let settings = &app.settings.server;
    let state = web::Data::from(Arc::clone(app));
    let mut server = HttpServer::new(move || {
        // Called once in each worker.
        let app = actix_web::App::new().app_data(state.clone()).app_data(Backlog::of_worker());
        app.configure(routes.clone()).default_service(web::to(no_route)).wrap(from_fn(edge))
    })
    .keep_alive(settings.keep_alive.as_std())
    .shutdown_timeout(settings.shutdown_grace.as_std().as_secs().max(1))
    .disable_signals();
    if settings.workers > 0 {
        server = server.workers(settings.workers);
    }
    Ok(server.listen(listener)?.run())
}
