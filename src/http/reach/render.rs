//! A digest as plain text and as HTML, and the pages behind its unsubscribe link: no pictures, no scripts, no styles, nothing from
//! elsewhere.

use std::fmt::Write;

use crate::{
    feed::Served,
    http::{language::Language, slate::FeedBody},
};

/// What a mail shows.
pub struct Mail<'a> {
    pub items: Vec<MailItem>,
    unsubscribe_url: &'a str,
    language: Language,
}

/// One item of it.
pub struct MailItem {
    pub title: String,
    url: Option<String>,
    why: Vec<String>,
}

impl<'a> Mail<'a> {
    /// The items of a page that are still in the catalogue.
    pub fn new(served: &Served, feed: &FeedBody, unsubscribe_url: &'a str, language: Language) -> Self {
        let entries = served.rows.iter().map(|row| row.and_then(|row| served.snapshot.entry(row)));
        let items = entries.zip(&feed.items).filter_map(|(entry, placed)| {
            let item = &entry?.item;
            let why = placed.reasons.iter().map(|reason| reason.text.to_string()).collect();
            Some(MailItem { title: item.title.clone(), url: item.url.clone(), why })
        });
        Self { items: items.collect(), unsubscribe_url, language }
    }
}

const fn unsubscribe_word(language: Language) -> &'static str {
    match language {
        Language::English => "Unsubscribe",
        Language::German => "Abbestellen",
        Language::French => "Se désabonner",
    }
}

/// The mail as plain text.
pub fn text(mail: &Mail) -> String {
    let mut out = String::new();
    for MailItem { title, url, why } in &mail.items {
        // Writing to a string does not fail.
        let _ = writeln!(out, "{title}");
        for line in url.iter().chain(why) {
            let _ = writeln!(out, "  {line}");
        }
        out.push('\n');
    }
    let _ = writeln!(out, "-- \n{}: {}", unsubscribe_word(mail.language), mail.unsubscribe_url);
    out
}

/// The mail as HTML.
pub fn html(mail: &Mail) -> String {
    let mut body = String::from("<ul>\n");
    for MailItem { title, url, why } in &mail.items {
        let title = escaped(title);
        let linked = url.as_ref().map(|url| format!("<a href=\"{}\">{title}</a>", escaped(url)));
        let _ = write!(body, "<li>{}", linked.unwrap_or(title));
        for line in why {
            let _ = write!(body, "<br><small>{}</small>", escaped(line));
        }
        body.push_str("</li>\n");
    }
    let _ = write!(body, "</ul>\n<p><a href=\"{}\">{}</a></p>", escaped(mail.unsubscribe_url), unsubscribe_word(mail.language));
    document(mail.language, &body)
}

/// What a person sees who follows the link: nothing has happened yet.
pub fn question(language: Language) -> String {
    let (asks, note) = match language {
        Language::English => ("Get no more of these mails?", "You can agree to them again at any time."),
        Language::German => ("Keine dieser Mails mehr erhalten?", "Sie können ihnen jederzeit wieder zustimmen."),
        Language::French => ("Ne plus recevoir ces e-mails ?", "Vous pouvez les accepter à nouveau à tout moment."),
    };
    let form = format!(
        "<p>{asks}</p>\n<form method=\"post\">\n<input type=\"hidden\" name=\"List-Unsubscribe\" value=\"One-Click\">\n\
         <button>{}</button>\n</form>\n<p>{note}</p>",
        unsubscribe_word(language)
    );
    document(language, &form)
}

/// What a person sees who unsubscribed.
pub fn done(language: Language) -> String {
    let said = match language {
        Language::English => "You get no more of these mails.",
        Language::German => "Sie erhalten keine dieser Mails mehr.",
        Language::French => "Vous ne recevrez plus ces e-mails.",
    };
    document(language, &format!("<p>{said}</p>"))
}

fn document(language: Language, body: &str) -> String {
    let (tag, title) = (language.tag(), unsubscribe_word(language));
    format!(
        "<!doctype html>\n<html lang=\"{tag}\">\n<head><meta charset=\"utf-8\"><title>{title}</title></head>\n<body>\n{body}\n</body>\n</html>\n"
    )
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_items_say_stays_text() {
        assert_eq!(escaped("<b onclick='x'>&\"</b>"), "&lt;b onclick=&#39;x&#39;&gt;&amp;&quot;&lt;/b&gt;");
    }
}
