//! The language of sentences for people: the first of the caller's `Accept-Language` (RFC 9110, 12.5.4) that there is.

use actix_web::{
    HttpRequest,
    http::header::{AcceptLanguage, Header},
};

/// A language that sentences are written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    #[default]
    English,
    German,
    French,
}

impl Language {
    pub const ALL: [Self; 3] = [Self::English, Self::German, Self::French];

    /// Its primary subtag (BCP 47).
    pub const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
            Self::French => "fr",
        }
    }

    /// The one the caller likes best; English where it names none of them.
    pub fn of(request: &HttpRequest) -> Self {
        if !request.headers().contains_key(AcceptLanguage::name()) {
            return Self::default();
        }
        let ranked = AcceptLanguage::parse(request).map(|accepted| accepted.ranked()).unwrap_or_default();
        let tags = ranked.iter().filter_map(|preferred| preferred.item());
        tags.filter_map(|tag| Self::ALL.into_iter().find(|language| language.tag() == tag.primary_language())).next().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn the_best_liked_language_that_there_is() {
        let of = |header: &str| Language::of(&TestRequest::default().insert_header(("accept-language", header)).to_http_request());
        for (header, language) in [
            ("de", Language::German),
            ("fr-CA, en;q=0.8", Language::French),
            ("it, en;q=0.5, de;q=0.9", Language::German),
            ("it", Language::English),
            ("*", Language::English),
            ("de;q=x, ;;", Language::English),
        ] {
            assert_eq!(of(header), language, "{header}");
        }
        assert_eq!(Language::of(&TestRequest::default().to_http_request()), Language::English);
    }
}
