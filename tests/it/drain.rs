//! Stopping loses no request.

use std::time::Duration;

use actix_web::{HttpResponse, web};
use polyphony::domain::Span;
use reqwest::Method;

use crate::support::app::TestApp;

async fn slow() -> HttpResponse {
    tokio::time::sleep(Duration::from_millis(600)).await;
    HttpResponse::NoContent().finish()
}

#[tokio::test]
async fn a_request_in_flight_is_answered_and_readiness_goes_first() {
    let mut app = TestApp::with(
        |settings| settings.server.drain_delay = Span::millis(250),
        |config| {
            config.route("/test/slow", web::get().to(slow));
        },
    )
    .await;
    let in_flight = tokio::spawn(app.request(Method::GET, "/test/slow").send());
    while !app.app.metrics.encode().unwrap().contains("feed_http_inflight_requests 1\n") {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    app.begin_stop();
    while !app.app.health.is_draining() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let ready = app.get("/readyz").await;
    assert_eq!(ready.status(), 503, "still reachable within the delay, but not ready");
    assert_eq!(ready.json::<serde_json::Value>().await.unwrap()["status"], "draining");
    let address = app.address;
    app.stopped().await;
    assert_eq!(in_flight.await.unwrap().unwrap().status(), 204);
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "nobody listens any more");
}
