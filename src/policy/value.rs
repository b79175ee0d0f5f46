//! Checks one value of a policy file against what its key takes.

use std::ops::Range;

use toml::{Spanned, Value, de::DeValue};

use super::{
    code::Code,
    library::{did_you_mean, is_name, shown},
    text::Text,
};
use crate::{
    domain::{
        Span,
        facet::MAX_FACET_VALUE_BYTES,
        policy::{
            MAX_CAP_TOPICS,
            knob::{FieldKind, Kind, Size},
        },
    },
    settings::is_surface_name,
};

/// What is wrong with a value: to be read after the key.
#[derive(Debug, PartialEq)]
pub(super) struct Wrong {
    pub code: Code,
    pub detail: String,
    pub help: String,
}

impl Wrong {
    pub fn new(code: Code, detail: String) -> Self {
        Self { code, detail, help: String::new() }
    }
}

/// A value as it stands in the file.
pub(super) struct Written<'a> {
    pub value: &'a DeValue<'a>,
    /// The source text, for messages.
    source: &'a str,
}

impl<'a> Written<'a> {
    pub fn new(value: &'a Spanned<DeValue<'a>>, text: &'a Text) -> Self {
        let source = text.text.get(value.span()).unwrap_or_default();
        Self { value: value.get_ref(), source }
    }

    fn shown(&self) -> String {
        shown(self.source)
    }

    /// The value as the knob takes it. Lists are read elsewhere.
    pub fn of_kind(&self, kind: &Kind) -> Result<Value, Wrong> {
        match kind {
            Kind::Number(..) => self.number(kind),
            Kind::Whole(..) => self.whole(kind),
            Kind::Duration(..) => self.duration(kind),
            Kind::Choice(names) => self.choice(names),
            Kind::Id => self.id(),
            Kind::Range => self.range(),
            Kind::Flag => self.flag(),
            Kind::Durations(most, low, high) => self.durations(kind, *most, &Kind::Duration(*low, *high)),
            Kind::Texts(most) => self.texts(kind, *most),
            Kind::List(_) => Err(self.other_kind("a list of tables")),
        }
    }

    /// The value as the field of a list's table takes it.
    pub fn of_field(&self, kind: FieldKind) -> Result<Value, Wrong> {
        match kind {
            FieldKind::Text => self.facet_value(),
            FieldKind::Number(low, high) => self.number(&Kind::Number(low, high)),
            FieldKind::Whole(low, high) => self.whole(&Kind::Whole(low, high)),
            FieldKind::Choice(names) => self.choice(names),
            FieldKind::Name => self.id(),
            FieldKind::Duration(low, high) => self.duration(&Kind::Duration(low, high)),
            FieldKind::Range => self.range(),
            FieldKind::Surfaces => self.surfaces(),
            FieldKind::Texts => self.texts(&Kind::Texts(MAX_CAP_TOPICS), MAX_CAP_TOPICS),
            FieldKind::Flag => self.flag(),
            FieldKind::List(_) => Err(self.other_kind("a list of tables")),
        }
    }

    pub fn text(&self) -> Result<&'a str, Wrong> {
        match self.value {
            DeValue::String(text) => Ok(text),
            _ => Err(self.other_kind("a text in quotes")),
        }
    }

    pub fn other_kind(&self, expected: &str) -> Wrong {
        let is = match self.value {
            DeValue::Table(_) => "is a section".to_owned(),
            DeValue::Array(_) => "is a list".to_owned(),
            _ => format!("is {}", self.shown()),
        };
        Wrong::new(Code::Kind, format!("{is}; expected {expected}"))
    }

    fn out_of_range(&self, expected: &str) -> Wrong {
        Wrong::new(Code::Range, format!("is {}; expected {expected}", self.shown()))
    }

    fn number(&self, kind: &Kind) -> Result<Value, Wrong> {
        let number = match self.value {
            DeValue::Float(float) => float.as_str().parse::<f64>().ok(),
            DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix()).ok().map(|whole| whole as f64),
            _ => return Err(self.other_kind("a number")),
        };
        let number = number.ok_or_else(|| self.out_of_range(&kind.to_string()))?;
        match kind.fault(Size::Number(number as f32)) {
            None => Ok(Value::Float(number)),
            Some(expected) => Err(self.out_of_range(&expected)),
        }
    }

    fn whole(&self, kind: &Kind) -> Result<Value, Wrong> {
        let DeValue::Integer(integer) = self.value else { return Err(self.other_kind("a whole number")) };
        let number = i64::from_str_radix(integer.as_str(), integer.radix()).ok().and_then(|whole| u32::try_from(whole).ok());
        match number {
            Some(number) if kind.fault(Size::Whole(number)).is_none() => Ok(Value::Integer(i64::from(number))),
            _ => Err(self.out_of_range(&kind.to_string())),
        }
    }

    fn duration(&self, kind: &Kind) -> Result<Value, Wrong> {
        const FORMS: &str = "e.g. \"250ms\", \"90s\", \"5m\", \"36h\", \"14d\" or \"forever\"";
        let DeValue::String(text) = self.value else {
            return Err(self.other_kind(&format!("a duration in quotes, {FORMS}")));
        };
        let duration =
            Span::parse(text).map_err(|_| Wrong::new(Code::Duration, format!("is \"{}\"; expected a duration, {FORMS}", shown(text))))?;
        match kind.fault(Size::Duration(duration)) {
            None => Ok(Value::String(text.to_string())),
            Some(expected) => Err(self.out_of_range(&expected)),
        }
    }

    fn choice(&self, names: &'static [&'static str]) -> Result<Value, Wrong> {
        let text = self.text()?;
        if names.contains(&text) {
            return Ok(Value::String(text.to_owned()));
        }
        let detail = format!("is \"{}\"; expected {}", shown(text), Kind::Choice(names));
        Err(Wrong { code: Code::Choice, detail, help: did_you_mean(text, names.iter().copied()) })
    }

    fn id(&self) -> Result<Value, Wrong> {
        let text = self.text()?;
        if is_name(text) {
            return Ok(Value::String(text.to_owned()));
        }
        Err(Wrong::new(Code::Name, format!("is \"{}\"; expected {}", shown(text), Kind::Id)))
    }

    fn facet_value(&self) -> Result<Value, Wrong> {
        let text = self.text()?;
        match text.len() {
            1..=MAX_FACET_VALUE_BYTES => Ok(Value::String(text.to_owned())),
            length => Err(Wrong::new(Code::Range, format!("has {length} bytes; expected 1 to {MAX_FACET_VALUE_BYTES}"))),
        }
    }

    fn surfaces(&self) -> Result<Value, Wrong> {
        let expected = "a list of surfaces, e.g. [\"home\"]";
        let DeValue::Array(names) = self.value else { return Err(self.other_kind(expected)) };
        let names: Option<Vec<Value>> = names
            .iter()
            .map(|name| match name.get_ref() {
                DeValue::String(text) if is_surface_name(text) => Some(Value::String(text.to_string())),
                _ => None,
            })
            .collect();
        names.map(Value::Array).ok_or_else(|| self.other_kind(expected))
    }

    fn flag(&self) -> Result<Value, Wrong> {
        match self.value {
            DeValue::Boolean(flag) => Ok(Value::Boolean(*flag)),
            _ => Err(self.other_kind(&Kind::Flag.to_string())),
        }
    }

    /// The entries of a list of at most `most`; `kind` says what is expected.
    fn entries(&self, kind: &Kind, most: usize) -> Result<Vec<Self>, Wrong> {
        let DeValue::Array(entries) = self.value else { return Err(self.other_kind(&format!("a list, {kind}"))) };
        if entries.len() > most {
            return Err(Wrong::new(Code::Range, format!("has {} entries; expected {kind}", entries.len())));
        }
        Ok(entries.iter().map(|entry| Self { value: entry.get_ref(), source: self.source }).collect())
    }

    fn durations(&self, kind: &Kind, most: usize, each: &Kind) -> Result<Value, Wrong> {
        let read = self.entries(kind, most)?.iter().map(|entry| entry.duration(each)).collect::<Result<Vec<Value>, Wrong>>()?;
        let spans: Vec<Span> = read.iter().filter_map(|value| Span::parse(value.as_str()?).ok()).collect();
        if !spans.is_sorted_by(|a, b| a < b) {
            return Err(Wrong::new(Code::Ends, format!("is {}; expected {kind}", self.shown())));
        }
        Ok(Value::Array(read))
    }

    fn texts(&self, kind: &Kind, most: usize) -> Result<Value, Wrong> {
        self.entries(kind, most)?.iter().map(Self::facet_value).collect::<Result<Vec<Value>, Wrong>>().map(Value::Array)
    }

    fn range(&self) -> Result<Value, Wrong> {
        let DeValue::Array(ends) = self.value else { return Err(self.other_kind(&format!("a list of two numbers, {}", Kind::Range))) };
        let ends: Vec<f64> = ends.iter().filter_map(|end| number_of(end.get_ref())).collect();
        let [low, high] = ends[..] else { return Err(self.other_kind(&format!("two numbers, {}", Kind::Range))) };
        let unit = 0.0..=1.0;
        if !unit.contains(&low) || !unit.contains(&high) {
            return Err(self.out_of_range(&Kind::Range.to_string()));
        }
        if low > high {
            return Err(Wrong::new(Code::Ends, format!("is {}; expected {}", self.shown(), Kind::Range)));
        }
        Ok(Value::Array(vec![Value::Float(low), Value::Float(high)]))
    }
}

fn number_of(value: &DeValue<'_>) -> Option<f64> {
    match value {
        DeValue::Float(float) => float.as_str().parse().ok(),
        DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix()).ok().map(|whole| whole as f64),
        _ => None,
    }
}

/// Where the value stands; a section's header is its key.
pub(super) fn span_of(key: &Range<usize>, value: &Spanned<DeValue<'_>>) -> Range<usize> {
    if value.get_ref().is_table() { key.clone() } else { value.span() }
}
