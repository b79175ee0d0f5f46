//! A folder of wrong policies, each with what is said of it.

use std::collections::BTreeSet;

use polyphony::{
    feed::verdict,
    policy::{
        Code,
        report::{Paint, human, summary},
    },
};

use super::{StoreKind, checked, world};

/// Readers sampled for the policy that the demo's catalogue cannot keep.
const READERS: usize = 20;

fn files(folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<String> = entries.map(|entry| entry.unwrap().path().to_str().unwrap().to_owned()).collect();
    files.sort();
    files
}

/// As the command prints it, of files named from the repository's root, where tests run.
#[test]
fn every_wrong_policy_is_told_with_its_place() {
    let mut met = BTreeSet::new();
    let files = files("tests/it/corpus/policies");
    assert!(files.len() >= 25, "the corpus is there");
    for file in files {
        let checked = checked(&file);
        assert!(!checked.findings.is_empty(), "{file} is not wrong");
        met.extend(checked.findings.iter().map(|finding| finding.code));
        let name = file.rsplit('/').next().unwrap().trim_end_matches(".toml").to_owned();
        let told = format!("{}{}\n", human(&checked.findings, Paint::default()), summary(&file, &checked));
        insta::assert_snapshot!(format!("policy_{name}"), told);
    }
    let unmet: Vec<&Code> = Code::ALL.iter().filter(|code| !code.needs_catalogue() && !met.contains(code)).collect();
    assert!(unmet.is_empty(), "no wrong policy shows {unmet:?}");
}

/// Errors of one place do not hide those of another, and everything has a place.
#[test]
fn every_finding_of_a_readable_file_has_its_place() {
    for file in files("tests/it/corpus/policies") {
        for finding in checked(&file).findings.iter().filter(|finding| finding.code != Code::Unreadable) {
            let place = finding.place.as_ref().unwrap_or_else(|| panic!("{file}: {finding}"));
            let text = std::fs::read(&place.file).unwrap();
            let line = String::from_utf8_lossy(&text).lines().nth(place.line - 1).unwrap_or_default().to_owned();
            assert_eq!(place.text, line.trim_end_matches('\r'), "{finding}");
            assert!(place.column + place.width <= place.text.chars().count() + 2, "{finding}");
        }
    }
}

/// What needs a catalogue: the code and key of every finding on the demo's, and the file's line it points at.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_catalogue_cannot_keep_is_told() {
    let world = world(StoreKind::Embedded).await;
    let file = "tests/it/corpus/policies_live/infeasible.toml";
    let checked = checked(file);
    assert!(checked.findings.is_empty(), "on paper nothing is wrong: {}", checked.findings);
    let set = checked.set.clone().unwrap();
    let sampled = world.app.feed.sample(&set, READERS, std::time::Duration::MAX).await.unwrap();
    let again = world.app.feed.sample(&set, READERS, std::time::Duration::MAX).await.unwrap();
    let checked = checked.and(verdict::findings(&set, &sampled, None));
    assert!(checked.set.is_none());
    let told: Vec<String> = checked.findings.iter().map(|f| format!("{} {} {}", f.severity.name(), f.code.as_str(), f.key)).collect();
    assert_eq!(
        told,
        // Surface by surface, in the order of their names; what the file promises as a whole comes last.
        [
            "error P0402 surface.email_digest.constraint[0]",
            "warning P0403 surface.email_digest.constraint[1]",
            "error P0402 surface.home.constraint[0]",
            "error P0404 surface.video.constraint[0]",
            "warning P0404 surface.video.constraint[1]",
            "error P0502 guardrails.relevance_kept_min",
            "error P0502 guardrails.ild_min",
        ],
        "{}",
        checked.findings
    );
    let of = |key: &str| checked.findings.iter().find(|finding| finding.key == key).unwrap().message.clone();
    assert_eq!(
        of("surface.home.constraint[0]"),
        "`min_distinct language 9/10` gives way on 100 % of the sampled pages of home: it needs 9 values of language per 10 positions; \
         sampled pools have a median of 4"
    );
    assert!(of("guardrails.ild_min").contains(" on home, "), "{}", of("guardrails.ild_min"));
    for (a, b) in sampled.iter().zip(&again) {
        assert_eq!((a.pages, &a.metrics, &a.constraints), (READERS, &b.metrics, &b.constraints), "the same readers again");
    }
}
