//! "Did you mean": the known name that a wrong one is probably a slip of.

/// Jaro-Winkler similarity from which a name counts as a slip of another.
const SLIP_SIMILARITY_MIN: f64 = 0.8;

/// The name nearest to `text`, if it is near enough to be a slip.
pub fn closest<'a>(text: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    names
        .into_iter()
        .map(|name| (strsim::jaro_winkler(text, name), name))
        .filter(|(similarity, _)| *similarity >= SLIP_SIMILARITY_MIN)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

/// The nearest name as the end of a message: ` Did you mean …?`, or nothing.
pub fn hint<'a>(text: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    closest(text, names).map(|name| format!(" Did you mean `{name}`?")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_guesses_are_not_made() {
        let names = ["cursor", "diversity", "limit"];
        assert_eq!(closest("diversty", names), Some("diversity"));
        assert_eq!(closest("limits", names), Some("limit"));
        assert_eq!(closest("colour", names), None);
        assert_eq!(hint("cursr", names), " Did you mean `cursor`?");
        assert_eq!(hint("zzz", names), "");
    }
}
