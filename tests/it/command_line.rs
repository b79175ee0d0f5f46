//! The binary as an operator meets it.

use std::process::{Command, Output};

use crate::support::app::TestApp;

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
    assert!(text(&output.stdout).contains("email_digest, home, video"));
}

#[test]
fn documents_are_printed() {
    assert_eq!(text(&polyphony(&["config", "default"]).stdout), polyphony::settings::Settings::documented());
    assert_eq!(text(&polyphony(&["openapi"]).stdout), format!("{}\n", polyphony::http::openapi::json()));
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
