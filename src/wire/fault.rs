//! What is wrong with a JSON value, and where: the entries of a problem's `errors`.

use std::fmt;

use serde::Serialize;
use utoipa::ToSchema;

/// Most faults reported for one value; the rest are counted. A page of faults helps nobody.
pub const MAX_FAULTS_PER_VALUE: usize = 64;

/// One thing that is wrong in a request body or an imported line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Fault {
    /// JSON pointer (RFC 6901) to the value, below the value that was read: `/topics/2/weight`. Empty: the value itself.
    #[schema(example = "/topics/2/weight")]
    pub pointer: String,
    /// What is wrong and what is expected, to be read after the pointer.
    #[schema(example = "is 1.5; expected a number above 0 and at most 1")]
    pub detail: String,
}

impl Fault {
    pub fn new(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), detail: detail.into() }
    }

    /// The same fault seen from an enclosing value: `prefix` is the pointer to the value that was read (`/items/3`).
    pub fn under(self, prefix: &str) -> Self {
        Self { pointer: format!("{prefix}{}", self.pointer), detail: self.detail }
    }
}

impl fmt::Display for Fault {
    /// `/topics/2/weight is 1.5; expected …`; a fault of the whole value has no pointer to show.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.pointer.is_empty() { f.write_str(&self.detail) } else { write!(f, "{} {}", self.pointer, self.detail) }
    }
}

/// Collects the faults of one value, at most [`MAX_FAULTS_PER_VALUE`] of them.
#[derive(Debug, Default)]
pub struct Faults {
    list: Vec<Fault>,
    left_out: usize,
}

impl Faults {
    pub fn add(&mut self, pointer: impl Into<String>, detail: impl Into<String>) {
        if self.list.len() < MAX_FAULTS_PER_VALUE {
            self.list.push(Fault::new(pointer, detail));
        } else {
            self.left_out += 1;
        }
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The faults in the order they were found; the last one counts those left out.
    pub fn into_vec(mut self) -> Vec<Fault> {
        if self.left_out > 0 {
            self.list.push(Fault::new("", format!("and {} more faults", self.left_out)));
        }
        self.list
    }

    /// `Ok` when nothing was wrong.
    pub fn into_result(self) -> Result<(), Vec<Fault>> {
        if self.is_empty() { Ok(()) } else { Err(self.into_vec()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_bounded_and_the_rest_counted() {
        let mut faults = Faults::default();
        for n in 0..MAX_FAULTS_PER_VALUE + 3 {
            faults.add(format!("/{n}"), "is wrong");
        }
        let list = faults.into_vec();
        assert_eq!(list.len(), MAX_FAULTS_PER_VALUE + 1);
        assert_eq!(list[MAX_FAULTS_PER_VALUE].detail, "and 3 more faults");
    }

    #[test]
    fn a_fault_reads_as_a_sentence() {
        assert_eq!(Fault::new("/url", "is empty").under("/items/3").to_string(), "/items/3/url is empty");
        assert_eq!(Fault::new("", "is a number; expected an object").to_string(), "is a number; expected an object");
    }
}
