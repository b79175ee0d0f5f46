//! What reading any text as a policy file promises: shared by the test beside it and the fuzzer (`fuzz/`).

use polyphony::policy::{
    Checked, Library, Text, check,
    report::{Paint, github, human, summary},
};

/// Checks `text` and everything that can be asked of the outcome. A promise that is broken is an assertion that fails.
///
/// - Every finding points into the text, at a line that is there.
/// - Without an error there is a policy; and the policy, written as a file, is the same policy again.
/// - Every report can be made.
pub fn hold(text: &Text, library: &Library) {
    let checked = check(text, library);
    let Checked { set, findings, .. } = &checked;
    assert_eq!(set.is_none(), findings.has_errors(), "{findings}");
    for place in findings.iter().filter_map(|finding| finding.place.as_ref()) {
        let line = text.text.split('\n').nth(place.line - 1).map(|line| line.trim_end_matches('\r'));
        assert_eq!(line, Some(place.text.as_str()), "{findings}");
        assert!(place.column >= 1 && place.width >= 1, "{place:?}");
    }
    assert_eq!(human(findings, Paint::default()).is_empty(), findings.is_empty());
    assert_eq!(github(&text.name, findings).lines().count(), findings.len());
    assert!(!summary(&text.name, &checked).contains('\n'));
    if let Some(set) = set {
        let again = check(&Text::new("again", set.to_toml()), library);
        assert_eq!(again.set.as_ref(), Some(set), "{}\n{}", again.findings, set.to_toml());
    }
}
