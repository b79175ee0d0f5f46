//! Just enough Rust reading for the rules: what is code, what is test code, which paths and functions it has.
//!
//! Not a parser: it knows comments, literals and balanced brackets, and that is all the rules ask.

use std::ops::Range;

/// One Rust file, read three ways. All three have the same length and the same lines.
#[derive(Debug)]
pub struct File {
    /// From the package root, with `/`.
    pub path: String,
    pub text: String,
    /// `text` with comments and literals blanked, but for the opening quotes.
    pub code: String,
    /// `code` with the test items blanked too; all blank in a test file.
    pub live: String,
}

impl File {
    pub fn new(path: &str, text: &str) -> Self {
        let code = blank_comments_and_literals(text);
        let mut live = code.clone().into_bytes();
        for range in test_items(&code) {
            blank(&mut live, range);
        }
        let live = String::from_utf8(live).expect("whole items are blanked, so no character is cut");
        Self { path: path.to_owned(), text: text.to_owned(), code, live }
    }

    /// Makes a file whose `mod` line is `#[cfg(test)]` a test file.
    pub fn mark_as_test(&mut self) {
        let mut live = std::mem::take(&mut self.live).into_bytes();
        let all = 0..live.len();
        blank(&mut live, all);
        self.live = String::from_utf8(live).expect("spaces");
    }

    /// Files, without `.rs`, that a `#[cfg(test)] mod name;` of this file names.
    pub fn test_modules(&self) -> Vec<String> {
        let folder = match self.path.rsplit_once('/') {
            Some((folder, "mod.rs" | "lib.rs" | "main.rs")) => folder.to_owned(),
            _ => self.path.trim_end_matches(".rs").to_owned(),
        };
        let names = test_items(&self.code).into_iter().filter_map(|range| {
            let item = self.code[range].trim_end();
            let name = item.strip_suffix(';')?.rsplit_once("mod ")?.1;
            name.chars().all(is_ident).then(|| format!("{folder}/{name}"))
        });
        names.collect()
    }

    /// The module path: `src/store/redis/mod.rs` is `["store", "redis"]`, the crate root is empty.
    pub fn module(&self) -> Vec<&str> {
        let inside = self.path.trim_start_matches("src/").trim_end_matches(".rs");
        let mut parts: Vec<&str> = inside.split('/').collect();
        if matches!(parts.last(), Some(&"mod")) || matches!(parts[..], ["lib" | "main"]) {
            parts.pop();
        }
        parts
    }

    /// The first part of the module path; `lib` and `main` for the crate roots.
    pub fn top(&self) -> &str {
        self.module().first().copied().unwrap_or(if self.path == "src/main.rs" { "main" } else { "lib" })
    }
}

/// 1-based line of a byte offset.
pub fn line_of(text: &str, offset: usize) -> usize {
    text[..offset].bytes().filter(|b| *b == b'\n').count() + 1
}

pub fn is_ident(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Spaces over everything but line ends.
fn blank(bytes: &mut [u8], range: Range<usize>) {
    for byte in &mut bytes[range] {
        if *byte != b'\n' {
            *byte = b' ';
        }
    }
}

/// Blanks comments, and literals after their opening quote.
fn blank_comments_and_literals(text: &str) -> String {
    let source = text.as_bytes();
    let mut out = source.to_vec();
    let mut at = 0;
    while at < source.len() {
        let rest = &source[at..];
        let after_word = at > 0 && (source[at - 1].is_ascii_alphanumeric() || source[at - 1] == b'_');
        let (skip, blanked) = if rest.starts_with(b"//") {
            let end = rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
            (end, 0..end)
        } else if rest.starts_with(b"/*") {
            let end = block_comment(rest);
            (end, 0..end)
        } else if let Some((start, end)) = raw_string(rest).filter(|_| !after_word) {
            (end, start..end)
        } else if rest[0] == b'"' {
            let end = quoted(rest, b'"');
            (end, 1..end)
        } else if let Some(end) = char_literal(rest) {
            (end, 1..end)
        } else {
            (1, 0..0)
        };
        blank(&mut out, at + blanked.start..at + blanked.end);
        at += skip;
    }
    String::from_utf8(out).expect("whole literals and comments are blanked, so no character is cut")
}

/// Length of a `/* … */`, which nests.
fn block_comment(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0usize, 0);
    while at < rest.len() {
        if rest[at..].starts_with(b"/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest[at..].starts_with(b"*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

/// `r"…"`, `br#"…"#`, `cr"…"`: where the inside starts and the literal ends.
fn raw_string(rest: &[u8]) -> Option<(usize, usize)> {
    let prefix = [&b"r"[..], b"br", b"cr"].into_iter().find(|p| rest.starts_with(p))?.len();
    let hashes = rest[prefix..].iter().take_while(|b| **b == b'#').count();
    let start = prefix + hashes + 1;
    if rest.get(start - 1) != Some(&b'"') {
        return None;
    }
    let close = [&b"\""[..], &b"#".repeat(hashes)].concat();
    let inside = rest[start..].windows(close.len()).position(|w| w == close);
    let end = inside.map_or(rest.len(), |n| start + n + close.len());
    Some((start, end))
}

/// Length of a literal between two `quote`s, with escapes.
fn quoted(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != quote {
        at += if rest[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}

/// Length of a `'x'` or `'\n'`; a lifetime is none.
fn char_literal(rest: &[u8]) -> Option<usize> {
    if rest[0] != b'\'' || rest.len() < 3 {
        return None;
    }
    if rest[1] == b'\\' {
        return Some(quoted(rest, b'\''));
    }
    let width = match rest[1] {
        0..0x80 => 1,
        0x80..0xe0 => 2,
        0xe0..0xf0 => 3,
        _ => 4,
    };
    (rest.get(1 + width) == Some(&b'\'')).then_some(width + 2)
}

/// Where the `#[cfg(test)]` and `#[test]` items are, attributes included.
fn test_items(code: &str) -> Vec<Range<usize>> {
    if code.trim_start().starts_with("#![cfg(test)]") {
        return std::iter::once(0..code.len()).collect();
    }
    let mut found: Vec<Range<usize>> = Vec::new();
    for mark in ["#[cfg(test)]", "#[cfg(all(test", "#[test]", "#[tokio::test", "#[actix_web::test", "#[bench]"] {
        for (start, _) in code.match_indices(mark) {
            found.push(start..item_end(code, start));
        }
    }
    found.sort_by_key(|range| range.start);
    found
}

/// End of the item that the attributes at `start` belong to.
fn item_end(code: &str, start: usize) -> usize {
    let bytes = code.as_bytes();
    let mut at = start;
    loop {
        at += code[at..].len() - code[at..].trim_start().len();
        if !code[at..].starts_with("#[") {
            break;
        }
        at = matching(bytes, at + 1);
    }
    let head: Vec<&str> = code[at..].split(|c: char| !is_ident(c)).filter(|w| !w.is_empty()).take(4).collect();
    let item = ["fn", "mod", "impl", "struct", "enum", "trait", "union", "macro_rules", "extern"];
    let ends_with_body = code[at..].starts_with('{') || head.iter().any(|w| item.contains(w));
    let statement = ["use", "const", "static", "type", "let"].iter().any(|w| head.contains(w)) && !head.contains(&"fn");
    while at < bytes.len() {
        match bytes[at] {
            b';' => return at + 1,
            b'{' if ends_with_body && !statement => return matching(bytes, at),
            b'(' | b'[' | b'{' => at = matching(bytes, at),
            // A field, a variant, an arm.
            b',' if !ends_with_body && !statement => return at + 1,
            b')' | b']' | b'}' => return at,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// The offset after the bracket that closes the one at `open`.
fn matching(bytes: &[u8], open: usize) -> usize {
    let mut depth = 0usize;
    for (n, byte) in bytes[open..].iter().enumerate() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => continue,
        }
        if depth == 0 {
            return open + n + 1;
        }
    }
    bytes.len()
}

/// A word of code and its offset; `::` is a word, other punctuation is one character each.
fn words(code: &str) -> Vec<(usize, &str)> {
    let mut words = Vec::new();
    let mut rest = code.char_indices().peekable();
    while let Some((start, c)) = rest.next() {
        let mut end = start + c.len_utf8();
        if is_ident(c) {
            while let Some((at, c)) = rest.next_if(|(_, c)| is_ident(*c)) {
                end = at + c.len_utf8();
            }
        } else if code[start..].starts_with("::") {
            rest.next();
            end += 1;
        } else if c.is_whitespace() {
            continue;
        }
        words.push((start, &code[start..end]));
    }
    words
}

/// Every identifier and keyword with its offset.
pub fn idents(code: &str) -> impl Iterator<Item = (usize, &str)> {
    words(code).into_iter().filter(|(_, w)| w.starts_with(is_ident))
}

/// Every path with its offset; the groups of `use` trees are flattened: `use a::{b, c::d}` has `a::b` and `a::c::d`.
pub fn paths(code: &str) -> Vec<(usize, Vec<&str>)> {
    let words = words(code);
    let mut paths = Vec::new();
    let mut at = 0;
    while at < words.len() {
        let (offset, word) = words[at];
        if word == "use" && words.get(at + 1).is_some_and(|(_, w)| *w != "<") {
            at = use_tree(&words, at + 1, &[], &mut paths);
        } else if word.starts_with(is_ident) {
            let mut path = vec![word];
            while let (Some((_, "::")), Some((_, next))) = (words.get(at + 1), words.get(at + 2))
                && next.starts_with(is_ident)
            {
                path.push(next);
                at += 2;
            }
            paths.push((offset, path));
            at += 1;
        } else {
            at += 1;
        }
    }
    paths
}

/// Reads one tree of a `use`; returns where it ends.
fn use_tree<'a>(words: &[(usize, &'a str)], mut at: usize, prefix: &[&'a str], paths: &mut Vec<(usize, Vec<&'a str>)>) -> usize {
    let start = words.get(at).map_or(0, |(offset, _)| *offset);
    let mut path = prefix.to_vec();
    while let Some((_, word)) = words.get(at) {
        match *word {
            "{" => {
                at += 1;
                while words.get(at).is_some_and(|(_, w)| *w != "}") {
                    at = use_tree(words, at, &path, paths);
                    if words.get(at).is_some_and(|(_, w)| *w == ",") {
                        at += 1;
                    }
                }
                return at + 1;
            }
            ";" | "," | "}" => break,
            // The new name is no part of the path.
            "as" => at += 1,
            "::" | "*" => {}
            name => path.push(name),
        }
        at += 1;
    }
    paths.push((start, path));
    at
}

/// A function with a body.
#[derive(Debug, PartialEq, Eq)]
pub struct Function<'a> {
    pub name: &'a str,
    /// 1-based line of the `fn`.
    pub line: usize,
    /// From the `fn` to the closing brace.
    pub lines: usize,
}

/// Every function that has a body, nested ones too.
pub fn functions(code: &str) -> Vec<Function<'_>> {
    let bytes = code.as_bytes();
    let words: Vec<(usize, &str)> = idents(code).collect();
    let pairs = words.windows(2).filter(|pair| pair[0].1 == "fn");
    let functions = pairs.filter_map(|pair| {
        let (start, (mut at, name)) = (pair[0].0, pair[1]);
        // A pointer type, `fn(u8)`, has no name.
        if !code[start + 2..at].trim().is_empty() {
            return None;
        }
        loop {
            match bytes.get(at)? {
                b';' => return None,
                b'{' => break,
                b'(' | b'[' => at = matching(bytes, at),
                _ => at += 1,
            }
        }
        let (line, last) = (line_of(code, start), line_of(code, matching(bytes, at) - 1));
        Some(Function { name, line, lines: last - line + 1 })
    });
    functions.collect()
}

#[test]
fn comments_and_literals_are_not_code() {
    let blanked = |text| blank_comments_and_literals(text).split_whitespace().collect::<Vec<_>>().join(" ");
    for (text, code) in [
        ("a // b\nc", "a c"),
        ("a /* b /* c */ d */ e", "a e"),
        (r#"f("x", "\"y", '"', 'z')"#, r#"f(" , " , ' , ' )"#),
        ("r#\"a \" b\"# c", "r#\" c"),
        ("br\"\\\" c", "br\" c"),
        ("fn f<'a>(x: &'a str) -> &'a str", "fn f<'a>(x: &'a str) -> &'a str"),
        ("'é' '日' '\\'' b'\\\\' 'a", "' ' ' b' 'a"),
        ("for_r\"x\"", "for_r\""),
        ("\"http://x\" y", "\" y"),
        ("/// `x.unwrap()`\nfn f() {}", "fn f() {}"),
        ("\"\" y", "\" y"),
    ] {
        assert_eq!(blanked(text), code, "{text}");
    }
    for torn in ["\"", "/*", "'\\", "r#\"", "é\"é", "b'", "\"\\"] {
        assert_eq!(blank_comments_and_literals(torn).len(), torn.len(), "{torn}");
    }
}

#[test]
fn test_items_are_not_live() {
    let live = |text| File::new("src/x.rs", text).live.split_whitespace().collect::<Vec<_>>().join(" ");
    for (text, rest) in [
        ("fn a() {}\n#[cfg(test)]\nmod tests { fn b() { {} } }\nfn c() {}", "fn a() {} fn c() {}"),
        ("#[cfg(test)] use a::{b, c}; fn d() {}", "fn d() {}"),
        ("#[cfg(test)]\n#[allow(x)]\npub(crate) fn f(a: [u8; 2]) -> u8 { 1 } const A: u8 = 1;", "const A: u8 = 1;"),
        ("#[cfg(test)] const A: X = X { a: 1 }; fn b() {}", "fn b() {}"),
        ("struct S { #[cfg(test)] a: Vec<u8>, b: u8 }", "struct S { b: u8 }"),
        ("struct S { a: u8, #[cfg(test)] b: u8 }", "struct S { a: u8, }"),
        ("fn f() { #[cfg(test)] { x(); } y() }", "fn f() { y() }"),
        ("#[cfg(all(test, unix))] impl A { } struct B;", "struct B;"),
        ("#[test] fn f() {} #[tokio::test(start_paused = true)] async fn g() {} fn h() {}", "fn h() {}"),
        ("#[cfg(not(test))] fn f() {}", "#[cfg(not(test))] fn f() {}"),
        ("#![cfg(test)] fn f() {}", ""),
        ("#[cfg(test)]", ""),
    ] {
        assert_eq!(live(text), rest, "{text}");
    }
    assert_eq!(File::new("src/a/mod.rs", "#[cfg(test)]\nmod tests;").test_modules(), ["src/a/tests"]);
    assert_eq!(File::new("src/a.rs", "#[cfg(test)] pub(crate) mod fakes;").test_modules(), ["src/a/fakes"]);
    assert!(File::new("src/a.rs", "#[cfg(test)] mod tests {} mod b;").test_modules().is_empty());
}

#[test]
fn paths_are_flattened() {
    let all = |code| paths(code).into_iter().map(|(_, path)| path.join("::")).collect::<Vec<_>>().join(" ");
    for (code, found) in [
        ("use a::{b, c::{self, d as e}, f::*};", "a::b a::c::self a::c::d a::f"),
        ("use a::{b,}; c::d()", "a::b c::d"),
        ("pub(crate) use ::a::b;", "pub crate a::b"),
        ("x(a::b::<c::d>::e())", "x a::b c::d e"),
        ("fn f() -> impl Fn() + use<'a> {}", "fn f impl Fn use a"),
    ] {
        assert_eq!(all(code), found, "{code}");
    }
}

#[test]
fn functions_are_measured() {
    let code = "trait T { fn a(&self) -> [u8; 3]; }\npub async fn b<T>(f: fn(u8) -> u8)\nwhere\n    T: X,\n{\n    fn c() {}\n}\n";
    let found = functions(code);
    assert_eq!(found, [Function { name: "b", line: 2, lines: 6 }, Function { name: "c", line: 6, lines: 1 }]);
}
