//! The binary as an operator meets it.

use std::{
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{
    app::TestApp,
    process::{Recipe, eventually, ids},
};

fn polyphony(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_polyphony")).args(arguments).env_clear().current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn wrong_settings_are_told_whole_and_end_with_2() {
    for command in ["config check --config", "serve --config"] {
        let mut arguments: Vec<&str> = command.split(' ').collect();
        arguments.push("tests/it/corpus/config/unknown_keys.toml");
        let output = polyphony(&arguments);
        assert_eq!(output.status.code(), Some(2), "{command}");
        let told = text(&output.stderr);
        assert!(told.starts_with("error: the settings have "), "{told}");
        assert!(told.contains("tests/it/corpus/config/unknown_keys.toml:"), "{told}");
    }
}

#[test]
fn a_public_address_without_keys_is_refused() {
    let output = polyphony(&["serve", "--listen", "0.0.0.0:0"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("--insecure"));
    assert_eq!(polyphony(&["config", "check", "--listen", "0.0.0.0:0"]).status.code(), Some(2));
    assert_eq!(polyphony(&["config", "check", "--listen", "0.0.0.0:0", "--insecure"]).status.code(), Some(0));
}

#[test]
fn sound_settings_are_confirmed() {
    let output = polyphony(&["config", "check", "config/redis.toml"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("email_digest, home, push, video"));
}

#[test]
fn documents_are_printed() {
    assert_eq!(text(&polyphony(&["config", "default"]).stdout), polyphony::settings::Settings::documented());
    assert_eq!(text(&polyphony(&["openapi"]).stdout), format!("{}\n", polyphony::http::openapi::json()));
}

#[test]
fn who_stops_reading_ends_it_quietly() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_polyphony"));
    command.arg("openapi").env_clear().stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
}

#[tokio::test]
async fn the_health_check_asks_a_running_server() {
    let app = TestApp::start().await;
    let check = |url: String| tokio::task::spawn_blocking(move || polyphony(&["healthcheck", &url]).status.code());
    let base = format!("http://{}", app.address);
    assert_eq!(check(base.clone()).await.unwrap(), Some(0));
    assert_eq!(check(format!("{base}/livez")).await.unwrap(), Some(0));
    assert_eq!(check(format!("{base}/nothing")).await.unwrap(), Some(1));
    app.app.health.drain();
    assert_eq!(check(base.clone()).await.unwrap(), Some(1));
    app.stopped().await;
    assert_eq!(check(base).await.unwrap(), Some(1));
}

/// Runs it with `input` on standard input.
fn polyphony_reading(arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_polyphony"));
    command.args(arguments).env_clear().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[tokio::test]
async fn everything_the_demo_suggests_works() {
    let demo = Recipe::demo().set("telemetry.log_level", "warn").start();
    let banner = eventually("the banner", async || Some(demo.output()).filter(|output| output.contains("Stop with Ctrl-C."))).await;
    let base = format!("http://{}", demo.address());
    let links: Vec<&str> =
        banner.lines().take_while(|line| !line.starts_with("Try")).filter_map(|line| line.split_once("http://")).map(|l| l.1).collect();
    assert_eq!(links.len(), 4, "{banner}");
    for link in links {
        let (_, path) = link.split_once('/').unwrap();
        assert!(format!("http://{link}").starts_with(&base), "{link} is not {base}");
        assert_eq!(demo.get(&format!("/{path}")).await.status(), 200, "{link}");
    }
    let mut item = String::new();
    let commands: Vec<&str> = banner.lines().filter_map(|line| line.trim().strip_prefix("curl -s ")).collect();
    assert_eq!(commands.len(), 5, "{banner}");
    for command in commands {
        let (_, rest) = command.split_once(&base).unwrap_or_else(|| panic!("{command} is not about {base}"));
        if let Some((path, rest)) = rest.split_once(" --json ") {
            let body: Value = serde_json::from_str(&rest.trim_matches('\'').replace("ITEM", &item)).unwrap();
            let answer = demo.post(path, &body).await;
            assert_eq!(answer.status(), 202, "{command}");
            assert_eq!(answer.json::<Value>().await.unwrap()["accepted"], 1, "{command}");
            continue;
        }
        let (path, shown_by) = rest.split_once("' | ").unwrap();
        let (program, shown_by) = shown_by.split_once(' ').unwrap();
        assert_eq!(program, env!("CARGO_BIN_EXE_polyphony"), "a fresh clone has no `polyphony` on its PATH: {command}");
        let page = demo.get(path).await;
        assert_eq!(page.status(), 200, "{command}");
        let body = page.text().await.unwrap();
        let page: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(ids(&page).len(), 20, "{command}");
        assert_eq!(page.get("degraded"), None, "{command}");
        assert_eq!(page["personalised"], path.contains("user="), "{command}");
        item = ids(&page).remove(0);
        let shown = polyphony_reading(&[shown_by], &body);
        assert_eq!(shown.status.code(), Some(0), "{command}: {}", text(&shown.stderr));
        assert!(text(&shown.stdout).lines().count() >= 22, "{command}: {}", text(&shown.stdout));
        assert_eq!(text(&shown.stdout).contains("intra-list diversity"), path.contains("include=metrics"), "{command}");
        assert_eq!(text(&shown.stdout).contains("nearest above"), path.contains("explain=full"), "{command}");
    }
    assert_eq!(demo.terminate().await.code(), Some(0));
}

#[test]
fn what_is_no_feed_is_not_shown() {
    for (input, told) in [
        ("", "not a feed's JSON"),
        ("<html>", "not a feed's JSON"),
        ("{\"items\": [", "not a feed's JSON"),
        ("{}", "not the JSON of a feed"),
        ("[1, 2]", "not the JSON of a feed"),
        ("null", "not the JSON of a feed"),
        ("{\"items\": 3}", "not the JSON of a feed"),
        ("{\"detail\": \"There is no surface `x`.\", \"status\": 400}", "There is no surface `x`."),
    ] {
        let output = polyphony_reading(&["show"], input);
        assert_eq!(output.status.code(), Some(1), "{input}");
        let said = text(&output.stdout) + &text(&output.stderr);
        assert!(said.starts_with("error: ") && said.contains(told), "{input}: {said}");
    }
    // Odd, and still a feed.
    let output = polyphony_reading(&["show"], "{\"items\": [{}, 7, null, {\"item\": {\"topics\": [{}]}}]}");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
}

/// A part of MovieLens 100K, small enough to be quick.
fn some_movies() -> Option<TempDir> {
    let whole = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/movielens-100k");
    if !whole.exists() {
        eprintln!("skipped: {} is not there", whole.display());
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("u.item"), std::fs::read(whole.join("u.item")).unwrap()).unwrap();
    let ratings = std::fs::read_to_string(whole.join("u.data")).unwrap();
    let some: String = ratings.lines().take(200).map(|line| format!("{line}\n")).collect();
    std::fs::write(folder.path().join("u.data"), some).unwrap();
    Some(folder)
}

#[tokio::test]
async fn an_import_is_served() {
    let Some(movies) = some_movies() else { return };
    let movies = movies.path().to_str().unwrap();
    let recipe = Recipe::serve();
    let data = recipe.data();
    let import = |more: &[&str]| {
        let arguments: Vec<&str> =
            ["import", "--data", data.to_str().unwrap(), "movielens", movies].into_iter().chain(more.iter().copied()).collect();
        polyphony(&arguments)
    };

    let dry = import(&["--dry-run"]);
    assert_eq!(dry.status.code(), Some(0), "{}{}", text(&dry.stdout), text(&dry.stderr));
    assert!(text(&dry.stdout).contains("nothing was written"));
    let left: Vec<_> = std::fs::read_dir(data.parent().unwrap()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");

    let done = import(&[]);
    assert_eq!(done.status.code(), Some(0), "{}{}", text(&done.stdout), text(&done.stderr));
    // Nobody in the file was asked, and consent is asked for as shipped.
    let told = text(&done.stdout);
    assert!(
        told.contains("× events left out: the person has not consented (see consent.default)") && told.contains(", 0 events,"),
        "{told}"
    );
    let server = recipe.ready().await;
    assert!(server.metric("feed_catalogue_items").await > 1_600.0);
    let page = server.feed("user=196").await;
    assert_eq!(ids(&page).len(), 20, "{page}");
    assert_eq!(page.get("degraded"), None, "{page}");

    // The file belongs to the server now.
    let refused = import(&["--restart"]);
    assert_eq!(refused.status.code(), Some(1));
    let told = text(&refused.stderr);
    assert!(told.starts_with("error: cannot open the store at ") && told.contains("another process"), "{told}");
    assert_eq!(server.feed("user=196").await.get("degraded"), None);
    assert_eq!(server.terminate().await.code(), Some(0));
}
