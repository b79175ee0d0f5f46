//! `polyphony policy activate`, `rollback`, `log`, and `experiment results`: the real binary against the real binary.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use serde_json::Value;

use super::{bad_file, file};
use crate::support::process::{Process, Recipe, eventually, items};

/// What a command said and how it ended.
struct Said {
    code: i32,
    out: String,
    error: String,
}

fn polyphony(server: &Process, arguments: &[&str]) -> Said {
    let url = format!("http://{}", server.address());
    let mut command = Command::new(env!("CARGO_BIN_EXE_polyphony"));
    let Output { status, stdout, stderr } = command.args(arguments).env_clear().env("POLYPHONY_SERVER", url).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Said { code: status.code().unwrap(), out: text(stdout), error: text(stderr) }
}

fn written(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[tokio::test]
async fn a_policy_is_rolled_out_by_command() {
    let folder = tempfile::tempdir().unwrap();
    let server = Recipe::demo().ready().await;
    let run = |arguments: &[&str]| polyphony(&server, arguments);
    let good = written(folder.path(), "good.toml", &file(2, "[diversify]\ndiversity = 0.45\n"));
    let begun = run(&["policy", "activate", &good, "--reason", "more breadth", "--canary", "25%", "--actor", "team-feed"]);
    assert_eq!(begun.code, 0, "{}", begun.error);
    for told in [
        "#1 ",
        "25 % of people get mine v2",
        "by team-feed (no key) (operator): more breadth",
        "   diversify.diversity on email_digest, home, push: 0.35 → 0.45",
        "tried on home: relevance kept 0.",
    ] {
        assert!(begun.out.contains(told), "{told}: {}", begun.out);
    }
    let again = run(&["policy", "activate", &good, "--reason", "again", "--canary", "0.25"]);
    assert_eq!((again.code, again.out.as_str()), (0, "It is so already; nothing was changed.\n"));
    let bad = run(&["policy", "activate", &written(folder.path(), "bad.toml", &bad_file(3)), "--reason", "worse"]);
    assert!(bad.code == 2 && bad.error.contains("P0502") && bad.error.contains("relevance_kept_min"), "{}", bad.error);
    let wrong =
        run(&["policy", "activate", &written(folder.path(), "wrong.toml", &file(3, "[diversify]\ndiversty = 1\n")), "--reason", "r"]);
    assert!(wrong.code == 1 && wrong.out.contains("did you mean `diversity`"), "{}", wrong.out);
    let all = run(&["policy", "activate", &good, "--reason", "it holds", "--to", "all"]);
    assert!(all.out.contains("everybody gets mine v2"), "{}{}", all.out, all.error);
    let back = run(&["policy", "rollback", "--reason", "complaints", "--format", "json"]);
    assert_eq!(serde_json::from_str::<Value>(&back.out).unwrap()["entry"]["action"], "rollback", "{}", back.error);
    let refused = run(&["policy", "rollback", "--reason", "once more"]);
    assert!(refused.code == 2 && refused.error.contains("nothing to roll back to"), "{}", refused.error);

    let log = run(&["policy", "log"]);
    let order: Vec<usize> = ["everybody    ", "#3 ", "#2 ", "#1 "].map(|told| log.out.find(told).unwrap()).into();
    assert!(order.is_sorted(), "{}", log.out);
    let verified = run(&["policy", "log", "verify"]);
    assert!(verified.code == 0 && verified.out.starts_with("3 entries, each as it was written"), "{}{}", verified.out, verified.error);
    let raw = run(&["policy", "log", "--raw"]).out;
    let kept = written(folder.path(), "log", &raw);
    let last = verified.out.trim().rsplit(' ').next().unwrap();
    assert_eq!(run(&["policy", "log", "verify", &kept, "--hash", last]).code, 0);
    // One bit of the second entry.
    let mut bytes = raw.into_bytes();
    let at = bytes.iter().position(|byte| *byte == b'\n').unwrap() + 200;
    bytes[at] ^= 1;
    let flipped = folder.path().join("flipped");
    fs::write(&flipped, bytes).unwrap();
    let found = run(&["policy", "log", "verify", flipped.to_str().unwrap()]);
    assert!(found.code == 1 && found.error.contains("breaks at entry 2: its text"), "{}", found.error);
}

#[tokio::test]
async fn results_are_read_from_journals_and_from_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let experiment = "[[experiment]]\nid = \"breadth\"\nsurfaces = [\"home\"]\n\
        arms = [{ policy = \"mine\", weight = 1 }, { policy = \"arm\", weight = 1 }]\n";
    let own = written(folder.path(), "mine.toml", &file(2, experiment));
    written(folder.path(), "arm.toml", &file(2, "[diversify]\ndiversity = 0.6\n"));
    let recipe = Recipe::serve();
    let server = recipe.ready().await;
    server.put_items(&items(60)).await;
    let done = polyphony(&server, &["policy", "activate", &own, "--reason", "r", "--to", "all", "--skip", "canary", "--skip", "preview"]);
    assert!(done.code == 0 && done.out.contains("experiment breadth begun: mine 1 / arm 1 on home"), "{}{}", done.out, done.error);
    for person in 0..40 {
        assert_eq!(server.feed(&format!("user=u{person}&limit=5")).await["experiment"]["id"], "breadth");
    }
    let exposed = |said: &Said| -> u64 {
        let results: Value = serde_json::from_str(&said.out).unwrap_or_else(|_| panic!("{}{}", said.out, said.error));
        results["arms"].as_array().unwrap().iter().map(|arm| arm["exposed_units"].as_u64().unwrap()).sum()
    };
    let asked = async || {
        let said = polyphony(&server, &["experiment", "results", "breadth", "--format", "json"]);
        (exposed(&said) == 40).then_some(())
    };
    eventually("the journal is written", asked).await;
    let told = polyphony(&server, &["experiment", "results", "breadth"]);
    assert!(told.code == 0 && told.out.contains("People came into the arms as they should"), "{}", told.out);
    let journal = recipe.data().join("journal");
    let here = ["experiment", "results", "breadth", "--policy", &own, "--journal", journal.to_str().unwrap(), "--format", "json"];
    assert_eq!(exposed(&polyphony(&server, &here)), 40);
    let unknown = polyphony(&server, &["experiment", "results", "bredth"]);
    assert!(unknown.code == 2 && unknown.error.contains("Did you mean `breadth`?"), "{}", unknown.error);
}
