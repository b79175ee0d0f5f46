//! Pages of other origins may call where the settings name them, and nowhere else.

use polyphony::settings::Settings;
use reqwest::{Method, StatusCode, header::HeaderMap};

use crate::support::app::TestApp;

const OURS: &str = "https://www.example.org";

async fn server(origins: &[&str]) -> TestApp {
    let origins: Vec<String> = origins.iter().map(ToString::to_string).collect();
    TestApp::with(move |settings: &mut Settings| settings.server.cors_origins = origins, |_| {}).await
}

async fn ask(server: &TestApp, method: Method, path: &str, origin: Option<&str>) -> (StatusCode, HeaderMap) {
    let is_preflight = method == Method::OPTIONS;
    let mut request = server.request(method, path);
    if let Some(origin) = origin {
        request = request.header("origin", origin);
    }
    if is_preflight {
        request = request.header("access-control-request-method", "POST").header("access-control-request-headers", "authorization");
    }
    let answer = request.send().await.unwrap();
    (answer.status(), answer.headers().clone())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_named_origins_may_call_and_read() {
    let server = server(&["https://other.example", OURS]).await;
    let (status, headers) = ask(&server, Method::OPTIONS, "/v1/feed", Some(OURS)).await;
    assert_eq!((status, &headers["access-control-allow-origin"]), (StatusCode::NO_CONTENT, &OURS.parse().unwrap()));
    assert!(headers["access-control-allow-methods"].to_str().unwrap().contains("POST"));
    let taken = headers["access-control-allow-headers"].to_str().unwrap();
    assert!(taken.contains("Authorization") && taken.contains("Age-Group"), "{taken}");
    assert_eq!(headers.get("access-control-allow-credentials"), None, "no cookie ever goes along");
    // Answers, problems among them, can be read, and caches keep origins apart.
    for path in ["/version", "/v1/feed?limit=0", "/nowhere"] {
        let (_, headers) = ask(&server, Method::GET, path, Some(OURS)).await;
        assert_eq!(headers["access-control-allow-origin"], OURS, "{path}");
        assert!(headers["access-control-expose-headers"].to_str().unwrap().contains("Retry-After"));
        assert!(headers.get_all("vary").iter().any(|vary| vary == "Origin"), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn others_may_not() {
    let named = server(&[OURS]).await;
    for origin in [
        "https://www.example.org.evil.example",
        "http://www.example.org",
        "https://www.example.org:8443",
        "null",
        "HTTPS://WWW.EXAMPLE.ORG",
    ] {
        let (status, headers) = ask(&named, Method::OPTIONS, "/v1/feed", Some(origin)).await;
        assert_eq!((status, headers.get("access-control-allow-origin")), (StatusCode::METHOD_NOT_ALLOWED, None), "{origin}");
        let (_, headers) = ask(&named, Method::GET, "/version", Some(origin)).await;
        assert_eq!(headers.get("access-control-allow-origin"), None, "{origin}");
        assert!(headers.get_all("vary").iter().any(|vary| vary == "Origin"));
    }
    // As shipped no page of another origin may, and answers do not depend on who asks.
    let shipped = server(&[]).await;
    let (status, headers) = ask(&shipped, Method::OPTIONS, "/v1/feed", Some(OURS)).await;
    assert_eq!((status, headers.get("access-control-allow-origin")), (StatusCode::METHOD_NOT_ALLOWED, None));
    let (_, headers) = ask(&shipped, Method::GET, "/version", Some(OURS)).await;
    assert!(headers.get_all("vary").iter().all(|vary| vary != "Origin"));
}
