//! The reference page of every setting, made from the documented defaults and the settings' own shape.

use std::fmt::Write as _;

use toml::{Table, Value};

use super::{
    Settings,
    template::{Shape, Template},
};

const HEAD: &str = "# Configuration reference

Every key with its kind, its default and what it does. Made by `polyphony config reference` from `config/default.toml` and the settings
themselves; a test holds this page equal to what it prints. A key is set in a file (`polyphony serve --config FILE`), by an environment
variable (`server.listen` is `POLYPHONY__SERVER__LISTEN`) or by `--set server.listen=…`; the later of these wins, key by key.
`[surface.NAME]` takes every key of `[policy]`.
";

/// A key or a section as `config/default.toml` has it.
enum Line<'a> {
    Section { name: &'a str, is_list: bool, about: String },
    Key { name: &'a str, about: String },
}

/// The page. Errors: a key that is documented and not there, or there and not documented.
pub(super) fn page() -> Result<String, String> {
    let template = Template::new()?;
    let documented: Table = toml::from_str(Settings::documented()).map_err(|error| error.to_string())?;
    let mut page = HEAD.to_owned();
    let (mut section, mut list, mut keys) = (String::new(), None, Vec::new());
    for line in lines(Settings::documented()) {
        match line {
            Line::Section { name, is_list, about } => {
                let marks = if is_list { ["[[", "]]"] } else { ["[", "]"] };
                let about = if about.is_empty() { about } else { format!("\n{about}") };
                let _ = write!(page, "\n## `{}{name}{}`\n{about}", marks[0], marks[1]);
                (section, list) = (name.to_owned(), is_list.then_some(name));
            }
            Line::Key { name, about } => {
                let path = format!("{section}.{name}");
                let (kind, default) = if list.is_some() { (String::new(), String::new()) } else { of_key(&template, &documented, &path)? };
                let row = match list {
                    Some(_) => format!("`{name}`: {about}"),
                    None => format!("### `{path}`\n\n{kind}, default `{default}`. {about}"),
                };
                let _ = write!(page, "\n{row}");
                keys.push(path);
            }
        }
    }
    undocumented(&template.into_table(), &mut Vec::new(), &keys)?;
    Ok(page)
}

/// Its kind, and its default as it would be written.
fn of_key(template: &Template, documented: &Table, path: &str) -> Result<(String, String), String> {
    let parts: Vec<String> = path.split('.').map(str::to_owned).collect();
    let Shape::Leaf(leaf) = template.shape(&parts) else { return Err(format!("`{path}` is documented and is not a setting")) };
    let mut value = documented.get(&parts[0]);
    for part in &parts[1..] {
        value = value.and_then(|value| value.get(part));
    }
    let value = value.ok_or_else(|| format!("`{path}` has no documented default"))?;
    Ok((kind(leaf).to_owned(), value.to_string()))
}

fn kind(leaf: &Value) -> &'static str {
    match leaf {
        Value::String(text) if crate::domain::Span::parse(text).is_ok() => "Duration",
        Value::String(_) => "Text",
        Value::Integer(_) => "Whole number",
        Value::Float(_) => "Number",
        Value::Boolean(_) => "True or false",
        Value::Array(_) => "List",
        Value::Table(_) => "Section",
        Value::Datetime(_) => "Date",
    }
}

/// Errors: the first setting that no line documents. Surfaces are policies; constraints are documented as a list.
fn undocumented(table: &Table, path: &mut Vec<String>, keys: &[String]) -> Result<(), String> {
    for (name, value) in table {
        path.push(name.clone());
        let dotted = path.join(".");
        let is_shape_of_others = dotted == "surface" || dotted == "policy.constraint";
        match value {
            _ if is_shape_of_others => {}
            Value::Table(inner) => undocumented(inner, path, keys)?,
            _ if keys.contains(&dotted) => {}
            _ => return Err(format!("`{dotted}` is not in config/default.toml")),
        }
        path.pop();
    }
    Ok(())
}

/// Sections and keys in order, each with the comment above or beside it as Markdown.
fn lines(text: &str) -> Vec<Line<'_>> {
    let mut found = Vec::new();
    let mut comment: Vec<&str> = Vec::new();
    for line in text.lines() {
        if let Some(said) = line.strip_prefix('#') {
            if said.trim_start().starts_with('─') { comment.clear() } else { comment.push(said.strip_prefix(' ').unwrap_or(said)) }
        } else if let Some(name) = line.strip_prefix("[[").and_then(|rest| rest.split("]]").next()) {
            found.push(Line::Section { name, is_list: true, about: markdown(&std::mem::take(&mut comment)) });
        } else if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            found.push(Line::Section { name, is_list: false, about: markdown(&std::mem::take(&mut comment)) });
        } else if let Some((name, value)) = line.split_once(" = ") {
            let beside = value.rsplit_once(" # ").map(|(_, said)| said);
            let said: Vec<&str> = std::mem::take(&mut comment).into_iter().chain(beside).collect();
            found.push(Line::Key { name, about: markdown(&said) });
        } else {
            comment.clear();
        }
    }
    found
}

/// Comments as paragraphs; what is indented in them stays as it is written.
fn markdown(comment: &[&str]) -> String {
    let mut out = String::new();
    let mut is_code = false;
    for line in comment {
        let indented = line.starts_with("  ");
        if indented != is_code {
            out += if indented { "\n```text\n" } else { "```\n\n" };
            is_code = indented;
        }
        out += line.strip_prefix("  ").unwrap_or(line);
        out.push('\n');
    }
    if is_code {
        out += "```\n";
    }
    out
}
