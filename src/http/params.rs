//! Reads a query string: typed getters that collect every fault, and one answer that names them all.
//!
//! ```
//! use polyphony::http::params::Query;
//!
//! let mut query = Query::new("GET /v1/feed", "surface=home&limit=20&diversty=0.3");
//! let surface: Option<String> = query.required("surface");
//! let limit: Option<u32> = query.integer("limit", 1, 100);
//! query.number("diversity", 0.0, 1.0);
//! let problem = query.finish().unwrap_err();
//! assert_eq!(problem.detail(), "`diversty` is not a parameter of GET /v1/feed. Did you mean `diversity`?");
//! ```

use std::{borrow::Cow, fmt::Display, str::FromStr};

use super::problem::{Kind, Problem, and_more};
use crate::{domain::suggest::hint, wire::Fault};

/// Most parameters read from one query string; more are a fault.
pub const PARAMETERS_MAX: usize = 64;
/// Longest name or value repeated in a message, in characters.
const SHOWN_MAX_CHARS: usize = 64;

/// A query string being read. Every getter makes its name known; [`Query::finish`] refuses the rest.
#[derive(Debug)]
pub struct Query<'a> {
    route: &'a str,
    given: Vec<Given>,
    known: Vec<&'static str>,
    faults: Vec<Told>,
}

#[derive(Debug)]
struct Given {
    name: String,
    value: String,
}

/// A fault with its sentence for `detail`.
#[derive(Debug)]
struct Told {
    sentence: String,
    fault: Fault,
}

impl<'a> Query<'a> {
    /// `route` names the operation in messages: `"GET /v1/feed"`.
    pub fn new(route: &'a str, query: &str) -> Self {
        let mut this = Self { route, given: Vec::new(), known: Vec::new(), faults: Vec::new() };
        for (index, pair) in query.split('&').filter(|pair| !pair.is_empty()).enumerate() {
            if index == PARAMETERS_MAX {
                this.fault("", "has more than 64 parameters".to_owned(), format!("expected at most {PARAMETERS_MAX} parameters"));
                break;
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match (decode(name), decode(value)) {
                (Ok(name), Ok(value)) => this.given.push(Given { name, value }),
                (Err(why), _) => this.fault(name, format!("is not a name: {why}"), why.to_owned()),
                (Ok(name), Err(why)) => {
                    this.fault(&name, format!("cannot be decoded: {why}"), why.to_owned());
                    // Known to be given, so that a required parameter is not reported as missing too.
                    this.given.push(Given { name, value: String::new() });
                }
            }
        }
        this
    }

    /// The text of a parameter; an empty one counts as given.
    pub fn optional(&mut self, name: &'static str) -> Option<String> {
        self.known.push(name);
        if self.is_faulty(name) {
            return None;
        }
        let mut values = self.given.iter().filter(|given| given.name == name).map(|given| given.value.clone());
        let first = values.next();
        let more = values.count();
        if more > 0 {
            self.fault(name, format!("is given {} times; give it once", more + 1), "given more than once".to_owned());
            return None;
        }
        first
    }

    /// The text of a parameter that must be there and not be empty.
    pub fn required(&mut self, name: &'static str) -> Option<String> {
        let value = self.optional(name);
        if value.as_ref().is_some_and(|text| !text.is_empty()) || self.is_faulty(name) {
            return value;
        }
        self.fault(name, format!("is a required parameter of {}", self.route), "required".to_owned());
        None
    }

    /// A whole number within `low..=high`.
    pub fn integer(&mut self, name: &'static str, low: u32, high: u32) -> Option<u32> {
        self.ranged(name, low, high, "a whole number")
    }

    /// A finite number within `low..=high`.
    pub fn number(&mut self, name: &'static str, low: f32, high: f32) -> Option<f32> {
        // Looked at before it is rounded into single precision, as in bodies.
        self.ranged(name, f64::from(low), f64::from(high), "a number").map(|number| number as f32)
    }

    /// One name of a closed list.
    pub fn one_of<T>(&mut self, name: &'static str, names: &[&str], parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        let text = self.optional(name)?;
        let value = parse(&text);
        if value.is_none() {
            let hint = hint(&text, names.iter().copied());
            let expected = format!("expected one of {}", names.join(", "));
            self.fault(name, format!("is `{}`; {expected}.{hint}", shown(&text)), expected);
        }
        value
    }

    /// `true`, `1` or just the name is on; `false` or `0` is off; absent is off.
    pub fn flag(&mut self, name: &'static str) -> bool {
        match self.optional(name).as_deref() {
            None | Some("false" | "0") => false,
            Some("true" | "1" | "") => true,
            Some(other) => {
                let expected = "expected true or false".to_owned();
                self.fault(name, format!("is `{}`; {expected}", shown(other)), expected);
                false
            }
        }
    }

    /// Any other check: `read` gets the text and says what is wrong with it.
    pub fn checked<T, E: Display>(&mut self, name: &'static str, read: impl FnOnce(&str) -> Result<T, E>) -> Option<T> {
        let text = self.optional(name)?;
        match read(&text) {
            Ok(value) => Some(value),
            Err(why) => {
                self.fault(name, why.to_string(), why.to_string());
                None
            }
        }
    }

    /// All faults at once, or `Ok` when every parameter was known and sound.
    pub fn finish(mut self) -> Result<(), Problem> {
        self.refuse_unknown();
        let Some(first) = self.faults.first() else { return Ok(()) };
        let detail = and_more(first.sentence.clone(), self.faults.len());
        Err(Problem::new(Kind::InvalidParameter, detail).with_errors(self.faults.into_iter().map(|told| told.fault).collect()))
    }

    fn refuse_unknown(&mut self) {
        self.known.sort_unstable();
        let mut unknown: Vec<&str> = self.given.iter().map(|given| given.name.as_str()).filter(|name| !self.known.contains(name)).collect();
        unknown.sort_unstable();
        unknown.dedup();
        let told: Vec<Told> = unknown
            .into_iter()
            .map(|name| {
                let hint = hint(name, self.known.iter().copied());
                let expected = match self.known.as_slice() {
                    [] => "unknown; there are no parameters here".to_owned(),
                    known => format!("unknown; expected one of {}", known.join(", ")),
                };
                Told {
                    sentence: format!("`{}` is not a parameter of {}.{hint}", shown(name), self.route),
                    fault: Fault { pointer: pointer(name), detail: expected },
                }
            })
            .collect();
        self.faults.extend(told);
    }

    fn ranged<T: FromStr + PartialOrd + Display>(&mut self, name: &'static str, low: T, high: T, what: &str) -> Option<T> {
        let text = self.optional(name)?;
        match text.parse::<T>() {
            // Not-a-number is within no range.
            Ok(value) if value >= low && value <= high => Some(value),
            _ => {
                let expected = format!("expected {what}, {low} to {high}");
                self.fault(name, format!("is `{}`; {expected}", shown(&text)), expected);
                None
            }
        }
    }

    fn fault(&mut self, name: &str, sentence: String, detail: String) {
        let sentence = if name.is_empty() { format!("The query {sentence}") } else { format!("`{}` {sentence}", shown(name)) };
        self.faults.push(Told { sentence, fault: Fault { pointer: pointer(name), detail } });
    }

    fn is_faulty(&self, name: &str) -> bool {
        self.faults.iter().any(|told| told.fault.pointer == pointer(name))
    }
}

/// JSON pointer of a query parameter (RFC 6901 escapes).
fn pointer(name: &str) -> String {
    if name.is_empty() { "/query".to_owned() } else { format!("/query/{}", shown(name).replace('~', "~0").replace('/', "~1")) }
}

/// `text` as it may be repeated in a message: not too long.
pub(super) fn shown(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(SHOWN_MAX_CHARS) {
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
        None => Cow::Borrowed(text),
    }
}

/// Percent-decodes; `+` is a space, as forms write it.
fn decode(text: &str) -> Result<String, &'static str> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digits = [rest.next(), rest.next()];
                let [Some(high), Some(low)] = digits.map(|digit| digit.and_then(|d| char::from(d).to_digit(16))) else {
                    return Err("a `%` must be followed by two hexadecimal digits (write `%25` for a percent sign)");
                };
                bytes.push((high * 16 + low) as u8);
            }
            other => bytes.push(other),
        }
    }
    String::from_utf8(bytes).map_err(|_| "the bytes are not UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detail(query: Query<'_>) -> String {
        query.finish().unwrap_err().detail().to_owned()
    }

    #[test]
    fn sound_parameters_are_read() {
        let mut query = Query::new("GET /x", "a=1+%2B%20%C3%A9&n=7&f=0.5&on&kind=two");
        assert_eq!(query.required("a").as_deref(), Some("1 + é"));
        assert_eq!(query.integer("n", 1, 10), Some(7));
        assert_eq!(query.number("f", 0.0, 1.0), Some(0.5));
        assert!(query.flag("on"));
        assert!(!query.flag("off"));
        let parse = |text: &str| ["one", "two"].iter().position(|name| *name == text);
        assert_eq!(query.one_of("kind", &["one", "two"], parse), Some(1));
        assert_eq!(query.finish(), Ok(()));
    }

    #[test]
    fn every_fault_is_told_at_once() {
        let mut query = Query::new("GET /x", "n=0&f=NaN&bad=%zz&twice=1&twice=2&diversty=1&kind=tow&utf=%FF");
        query.required("missing");
        query.integer("n", 1, 10);
        query.number("f", 0.0, 1.0);
        query.required("bad");
        query.optional("utf");
        query.optional("twice");
        query.optional("diversity");
        query.one_of("kind", &["one", "two"], |_| None::<()>);
        let problem = query.finish().unwrap_err();
        assert!(problem.detail().ends_with("(and 7 more; see `errors`)"), "{}", problem.detail());
    }

    #[test]
    fn each_message_names_what_is_expected() {
        let mut query = Query::new("GET /x", "n=11");
        query.integer("n", 1, 10);
        assert_eq!(detail(query), "`n` is `11`; expected a whole number, 1 to 10");

        let mut query = Query::new("GET /x", "");
        query.required("surface");
        assert_eq!(detail(query), "`surface` is a required parameter of GET /x");

        let mut query = Query::new("GET /x", "twice=1&twice=2");
        query.optional("twice");
        assert_eq!(detail(query), "`twice` is given 2 times; give it once");

        let query = Query::new("GET /x", "what=1");
        assert_eq!(detail(query), "`what` is not a parameter of GET /x.");

        let long = "x".repeat(1_000);
        let query = Query::new("GET /x", &long);
        assert!(detail(query).len() < 200);
    }
}
