//! Reads the lists of tables of a policy file: constraints, a surface's topics, an editorial mix.

use std::{collections::BTreeMap, ops::Range};

use toml::{
    Spanned, Table, Value,
    de::{DeTable, DeValue},
};

use super::{
    code::Code,
    finding::{Finding, Findings, Severity},
    library::{did_you_mean, shown},
    text::Text,
    value::{Written, Wrong},
};
use crate::domain::policy::{
    Constraint,
    knob::{Field, FieldKind, Form, LISTS},
};

/// The key that says which kind of table it is.
const TAG: &str = "kind";

pub(super) struct Reader<'a, 'f> {
    pub text: &'a Text,
    pub spans: &'f mut BTreeMap<String, Range<usize>>,
    pub findings: &'f mut Findings,
}

impl<'a> Reader<'a, '_> {
    /// The list as far as it is sound. Findings of its tables are added; an error is about the list itself.
    pub fn read(&mut self, full: &str, list: &str, value: &'a Spanned<DeValue<'a>>) -> Result<Value, Wrong> {
        let forms: Vec<&Form> = LISTS.iter().filter(|form| form.list == list).collect();
        let Some(entries) = value.get_ref().as_array() else {
            let expected = match forms.first().and_then(|form| form.tag) {
                Some(_) => format!("a list of tables: write [[{full}]] and its keys below"),
                None => "a list of tables, e.g. [{ … }, { … }]".to_owned(),
            };
            return Err(Written::new(value, self.text).other_kind(&expected));
        };
        let before = self.findings.len();
        let mut read = Vec::with_capacity(entries.len());
        for (index, entry) in entries.iter().enumerate() {
            let key = format!("{full}[{index}]");
            self.spans.insert(key.clone(), entry.span());
            match entry.get_ref().as_table() {
                Some(table) => read.extend(self.entry(&key, &forms, table, entry.span()).map(Value::Table)),
                None => {
                    let wrong = Written::new(entry, self.text).other_kind("a table, { … }");
                    self.wrong(&key, entry.span(), wrong);
                }
            }
        }
        // A list with a hole would say something else; the values that are left out here are found to be wrong.
        if self.findings.len() > before { Ok(Value::Array(Vec::new())) } else { Ok(Value::Array(read)) }
    }

    fn entry(&mut self, key: &str, forms: &[&'static Form], table: &'a DeTable<'a>, span: Range<usize>) -> Option<Table> {
        let mut read = Table::new();
        let form = match forms {
            [form] if form.tag.is_none() => form,
            _ => {
                let form = self.form(key, forms, table, &span)?;
                read.insert(TAG.to_owned(), Value::String(form.tag?.to_owned()));
                form
            }
        };
        for (name, value) in table.iter().filter(|(name, _)| form.tag.is_none() || *name.get_ref() != TAG) {
            let field_key = format!("{key}.{}", name.get_ref());
            self.spans.insert(field_key.clone(), value.span());
            match form.required.iter().chain(form.optional).find(|field| field.name == *name.get_ref()) {
                None => self.unknown(&field_key, name.get_ref(), form, name.span()),
                Some(field) => match self.field(&field_key, field.kind, value) {
                    Ok(value) => {
                        read.insert(field.name.to_owned(), value);
                    }
                    Err(wrong) => self.wrong(&field_key, value.span(), wrong),
                },
            }
        }
        for field in form.required.iter().filter(|field| !table.keys().any(|name| *name.get_ref() == field.name)) {
            let message = format!("`{key}` has no `{}`", field.name);
            let finding =
                Finding::new(Severity::Error, Code::Missing, key, message).help(format!("{} takes {}", named(form), fields(form)));
            self.add(finding, span.clone());
        }
        self.constraint(key, forms, &read, span);
        Some(read)
    }

    fn field(&mut self, key: &str, kind: FieldKind, value: &'a Spanned<DeValue<'a>>) -> Result<Value, Wrong> {
        match kind {
            FieldKind::List(list) => self.read(key, list, value),
            _ => Written::new(value, self.text).of_field(kind),
        }
    }

    /// The numbers of a constraint must fit each other.
    fn constraint(&mut self, key: &str, forms: &[&'static Form], read: &Table, span: Range<usize>) {
        let is_constraint = forms.iter().any(|form| form.list == "constraint");
        let constraint = Value::Table(read.clone()).try_into::<Constraint>().ok().filter(|_| is_constraint);
        if let Some((constraint, fault)) = constraint.and_then(|constraint| Some((constraint.kind(), constraint.fault()?))) {
            let message = format!("`{key}` ({constraint}): {fault}");
            self.add(Finding::new(Severity::Error, Code::Constraint, key, message), span);
        }
    }

    /// The form that the table's `kind` names.
    fn form(&mut self, key: &str, forms: &[&'static Form], table: &'a DeTable<'a>, span: &Range<usize>) -> Option<&'static Form> {
        let names: Vec<&str> = forms.iter().filter_map(|form| form.tag).collect();
        let Some((_, value)) = table.iter().find(|(name, _)| *name.get_ref() == TAG) else {
            let message = format!("`{key}` has no `{TAG}`");
            self.add(
                Finding::new(Severity::Error, Code::Missing, key, message).help(format!("expected {}", names.join(", "))),
                span.clone(),
            );
            return None;
        };
        let field_key = format!("{key}.{TAG}");
        self.spans.insert(field_key.clone(), value.span());
        let text = match Written::new(value, self.text).text() {
            Ok(text) => text,
            Err(wrong) => {
                self.wrong(&field_key, value.span(), wrong);
                return None;
            }
        };
        let form = forms.iter().find(|form| form.tag == Some(text)).copied();
        if form.is_none() {
            let detail = format!("is \"{}\"; expected {}", shown(text), names.join(", "));
            let wrong = Wrong { code: Code::Choice, detail, help: did_you_mean(text, names.iter().copied()) };
            self.wrong(&field_key, value.span(), wrong);
        }
        form
    }

    fn unknown(&mut self, key: &str, name: &str, form: &Form, span: Range<usize>) {
        let known = form.required.iter().chain(form.optional).map(|field| field.name);
        let meant = did_you_mean(name, known);
        let help = if meant.is_empty() { format!("{} takes {}", named(form), fields(form)) } else { meant };
        self.add(Finding::new(Severity::Error, Code::UnknownKey, key, format!("unknown key `{}`", shown(name))).help(help), span);
    }

    fn wrong(&mut self, key: &str, span: Range<usize>, wrong: Wrong) {
        let message = format!("`{key}` {}", wrong.detail);
        self.add(Finding::new(Severity::Error, wrong.code, key, message).help(wrong.help), span);
    }

    fn add(&mut self, finding: Finding, span: Range<usize>) {
        self.findings.add(finding.at(Some(self.text.place(span))));
    }
}

fn named(form: &Form) -> &'static str {
    form.tag.unwrap_or("an entry")
}

/// `facet, max, per; perhaps value, top`.
pub(super) fn fields(form: &Form) -> String {
    let names = |fields: &[Field]| fields.iter().map(|field| field.name).collect::<Vec<_>>().join(", ");
    if form.optional.is_empty() { names(form.required) } else { format!("{}; perhaps {}", names(form.required), names(form.optional)) }
}
