//! Every problem has one shape, whoever made it: our handlers, the HTTP layer, or a bug.

use actix_web::{HttpRequest, HttpResponse, web};
use polyphony::{
    app::App,
    http::{
        body::{Body, Takes},
        params::Query,
        problem::{Kind, Problem},
    },
    store::StoreError,
    wire::Fault,
};
use reqwest::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::app::{TestApp, told};

const LIMIT_BYTES: usize = 64;

async fn of_kind(path: web::Path<String>) -> Result<HttpResponse, Problem> {
    let kind = Kind::ALL.iter().find(|kind| kind.slug() == path.as_str()).copied();
    let kind = kind.ok_or_else(|| Problem::not_found("no such kind"))?;
    Err(match kind {
        Kind::StoreUnavailable => StoreError::Unreachable("password=hunter2".into()).into(),
        Kind::Internal => Problem::internal("password=hunter2"),
        Kind::Overloaded => Problem::overloaded("Too much at once."),
        Kind::UnknownSurface => Problem::unknown_surface("hom", "/query/surface", ["home", "video"].into_iter()),
        Kind::RateLimited => Problem::new(kind, "Slower, please.").retry_after(30),
        Kind::InvalidBody => Problem::invalid_body(vec![Fault::new("/events/0/id", "is empty"), Fault::new("/events/1/at", "is no time")]),
        other => Problem::new(other, format!("An example of {}.", other.slug())),
    })
}

async fn reads_parameters(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let mut query = Query::new("GET /test/parameters", request.query_string());
    query.required("surface");
    query.integer("limit", 1, 100);
    query.number("diversity", 0.0, 1.0);
    query.one_of("explain", &["none", "reasons", "full"], |text| (text == "none").then_some(()));
    query.finish()?;
    Ok(HttpResponse::NoContent().finish())
}

async fn reads_body(request: HttpRequest, mut payload: web::Payload) -> Result<HttpResponse, Problem> {
    #[derive(serde::Deserialize)]
    #[expect(dead_code, reason = "only its shape is tested")]
    struct Sample {
        numbers: Vec<u32>,
    }
    let body = Body::read(&request, &mut payload, Takes::Json, LIMIT_BYTES).await?;
    body.typed::<Sample>()?;
    Ok(HttpResponse::NoContent().finish())
}

async fn panics() -> HttpResponse {
    panic!("password=hunter2");
}

async fn typed_path(_: web::Path<u32>) -> HttpResponse {
    HttpResponse::NoContent().finish()
}

async fn typed_json(_: web::Json<u32>) -> HttpResponse {
    HttpResponse::NoContent().finish()
}

async fn without_reason() -> HttpResponse {
    HttpResponse::BadGateway().finish()
}

async fn needs_store(app: web::Data<App>) -> Result<HttpResponse, Problem> {
    app.store.policy("digest").await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn app() -> TestApp {
    TestApp::with(
        |_| {},
        |config| {
            config
                .route("/test/kind/{slug}", web::get().to(of_kind))
                .route("/test/parameters", web::get().to(reads_parameters))
                .route("/v1/test/body", web::post().to(reads_body))
                .route("/test/panic", web::get().to(panics))
                .route("/test/path/{number}", web::get().to(typed_path))
                .route("/test/json", web::post().to(typed_json))
                .route("/test/bare", web::get().to(without_reason))
                .route("/test/store", web::get().to(needs_store));
        },
    )
    .await
}

#[tokio::test]
async fn every_kind() {
    let app = app().await;
    for kind in Kind::ALL {
        let response = app.get(&format!("/test/kind/{}", kind.slug())).await;
        assert_eq!(response.status().as_u16(), kind.status());
        insta::assert_snapshot!(format!("kind_{}", kind.slug()), told(response).await);
    }
}

#[tokio::test]
async fn every_case() {
    let app = app().await;
    let long = "x".repeat(LIMIT_BYTES + 1);
    let json = "application/json";
    type Content<'a> = Option<(&'a str, &'a [u8])>;
    let cases: Vec<(&str, Method, &str, Content<'_>)> = vec![
        ("unknown_route", Method::GET, "/v1/fed", None),
        ("unknown_route_with_hint", Method::GET, "/version/", None),
        ("wrong_method", Method::POST, "/livez", None),
        ("odd_method", Method::from_bytes(b"BREW").unwrap(), "/livez", None),
        ("unknown_parameter", Method::GET, "/readyz?verbos=1", None),
        ("parameters", Method::GET, "/test/parameters?limit=0&limit=2&diversty=0.3&diversity=NaN&explain=reason&%zz=1", None),
        ("parameter_missing", Method::GET, "/test/parameters?limit=10", None),
        ("body_not_json", Method::POST, "/v1/test/body", Some((json, b"{\n  \"numbers\": [1,,2]\n}"))),
        ("body_not_utf8", Method::POST, "/v1/test/body", Some((json, b"{\"numbers\": \"\xff\"}"))),
        ("body_empty", Method::POST, "/v1/test/body", Some((json, b""))),
        ("body_wrong_shape", Method::POST, "/v1/test/body", Some((json, b"{\"numbers\": [1, \"two\"]}"))),
        ("body_too_long", Method::POST, "/v1/test/body", Some((json, long.as_bytes()))),
        ("body_of_a_form", Method::POST, "/v1/test/body", Some(("application/x-www-form-urlencoded", b"a=b"))),
        ("body_without_type", Method::POST, "/v1/test/body", None),
        ("panic", Method::GET, "/test/panic", None),
        ("path_of_another_type", Method::GET, "/test/path/seven", None),
        ("json_of_another_type", Method::POST, "/test/json", Some((json, b"\"seven\""))),
        ("a_status_without_a_reason", Method::GET, "/test/bare", None),
        ("store_away", Method::GET, "/test/store", None),
    ];
    for (name, method, path, body) in cases {
        let mut request = app.request(method, path);
        if let Some((content_type, bytes)) = body {
            request = request.header("content-type", content_type).body(bytes.to_vec());
        }
        // Whether the rest of a body had come when it was answered decides if the connection stays.
        let text = told(request.send().await.unwrap()).await.replace("connection: close\n", "");
        assert!(text.contains("content-type: application/problem+json"), "{name}: {text}");
        assert!(!text.contains("hunter2"), "{name}: {text}");
        insta::assert_snapshot!(format!("case_{name}"), text);
    }
}

#[tokio::test]
async fn a_chunked_body_is_limited_too() {
    let app = app().await;
    let mut stream = tokio::net::TcpStream::connect(app.address).await.unwrap();
    let head = "POST /v1/test/body HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    for _ in 0..LIMIT_BYTES {
        stream.write_all(b"2\r\n  \r\n").await.unwrap();
    }
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
}

#[tokio::test]
async fn a_compressed_body_is_refused() {
    let app = app().await;
    let request = app.request(Method::POST, "/v1/test/body").header("content-type", "application/json").header("content-encoding", "gzip");
    assert_eq!(request.body("x").send().await.unwrap().status(), 415);
}

#[tokio::test]
async fn a_panic_does_not_end_a_worker() {
    let app = TestApp::with(
        |settings| settings.server.workers = 1,
        |config| {
            config.route("/test/panic", web::get().to(panics));
        },
    )
    .await;
    for _ in 0..5 {
        assert_eq!(app.get("/test/panic").await.status(), 500);
    }
    assert_eq!(app.get("/livez").await.status(), 200);
    let metrics = app.get("/metrics").await.text().await.unwrap();
    let counted = r#"_count{http_route="/test/panic",http_request_method="GET",http_response_status_code="500"} 5"#;
    assert!(metrics.contains(counted), "{metrics}");
    assert!(metrics.contains("feed_http_inflight_requests 1\n"), "only the scrape itself is being served: {metrics}");
}

#[tokio::test]
async fn past_the_limit_requests_are_refused_at_once_but_probes_are_not() {
    use std::{sync::Arc, time::Duration};
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let open = gate.clone();
    let app = TestApp::with(
        |settings| settings.server.max_inflight_requests = 2,
        move |config| {
            let gate = gate.clone();
            let slow = move || {
                let gate = gate.clone();
                async move {
                    let _ = gate.acquire().await;
                    HttpResponse::NoContent().finish()
                }
            };
            config.route("/test/slow", web::get().to(slow));
        },
    )
    .await;
    let slow: Vec<_> = (0..2).map(|_| tokio::spawn(app.request(Method::GET, "/test/slow").send())).collect();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while !app.app.metrics.encode().unwrap().contains("feed_http_inflight_requests 2\n") {
        assert!(tokio::time::Instant::now() < deadline, "the slow requests did not arrive");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    insta::assert_snapshot!("case_over_the_limit", told(app.get("/docs/").await).await);
    for probe in ["/livez", "/readyz", "/version", "/metrics"] {
        assert_eq!(app.get(probe).await.status(), 200, "{probe}");
    }
    open.add_permits(2);
    for request in slow {
        assert_eq!(request.await.unwrap().unwrap().status(), 204);
    }
    assert_eq!(app.get("/docs/").await.status(), 200);
    assert!(app.get("/metrics").await.text().await.unwrap().contains("feed_shed_total 1\n"));
}

#[tokio::test]
async fn a_request_id_is_never_taken_from_the_client() {
    let app = TestApp::start().await;
    let response = app.request(Method::GET, "/livez").header("x-request-id", "mine").send().await.unwrap();
    assert_ne!(response.headers()["x-request-id"], "mine");
    let ids: std::collections::HashSet<_> = [app.get("/livez").await, app.get("/livez").await]
        .map(|response| response.headers()["x-request-id"].to_str().unwrap().to_owned())
        .into();
    assert_eq!(ids.len(), 2);
}

#[tokio::test]
async fn labels_are_patterns_never_paths() {
    let app = app().await;
    app.get("/test/path/77").await;
    app.get("/nobody/has/this").await;
    app.request(Method::from_bytes(b"BREW").unwrap(), "/livez").send().await.unwrap();
    let metrics = app.get("/metrics").await.text().await.unwrap();
    assert!(metrics.contains("http_route=\"/test/path/{number}\""), "{metrics}");
    assert!(metrics.contains("http_route=\"unmatched\""), "{metrics}");
    assert!(metrics.contains("http_request_method=\"_OTHER\""), "{metrics}");
    assert!(!metrics.contains("/77") && !metrics.contains("nobody") && !metrics.contains("BREW"), "{metrics}");
}

#[tokio::test]
async fn what_is_no_http_is_refused_without_harm() {
    let app = TestApp::start().await;
    for broken in ["nonsense\r\n\r\n", "GET /livez HTTP/1.1\r\nbad header\r\n\r\n", "GET http://[::bad HTTP/1.1\r\n\r\n"] {
        let mut stream = tokio::net::TcpStream::connect(app.address).await.unwrap();
        stream.write_all(broken.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 400"), "{broken:?}: {answer:?}");
    }
    assert_eq!(app.get("/livez").await.status(), 200);
}

/// A parameter is obeyed or refused, never ignored: not by one operation of the document.
#[tokio::test]
async fn no_operation_ignores_a_parameter() {
    let app = TestApp::start().await;
    let document: serde_json::Value = app.get("/openapi.json").await.json().await.unwrap();
    let mut asked = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        for method in operations
            .as_object()
            .unwrap()
            .keys()
            .filter(|_| path.starts_with("/v1/") && !path.contains("unsubscribe") && *path != "/v1/me/preferences/preview")
        {
            let path: String = path.split('/').map(|part| if part.starts_with('{') { "x" } else { part }).collect::<Vec<_>>().join("/");
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let answer = app.request(method.clone(), &format!("{path}?zzz=1")).header("content-type", "application/json").body("{}").send();
            let answer = answer.await.unwrap();
            assert_eq!(answer.status(), 400, "{method} {path}");
            let problem: serde_json::Value = answer.json().await.unwrap();
            let pointers: Vec<&str> = problem["errors"].as_array().unwrap().iter().map(|e| e["pointer"].as_str().unwrap()).collect();
            assert!(pointers.contains(&"/query/zzz"), "{method} {path}: {problem}");
            asked += 1;
        }
    }
    assert!(asked > 50, "{asked}");
}
