//! Small numbers for facet values, so that comparing two items' facets compares integers.
//!
//! Codes are given in order of arrival and only ever compared for equality: nothing that orders items looks at them.

use std::{collections::HashMap, sync::Arc};

use parking_lot::RwLock;

use crate::domain::{Facet, FacetValue};

/// A facet value's number, unique over all facets of one catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FacetCode(pub u32);

/// The codes of one catalogue, shared by all its snapshots. Grows only.
#[derive(Debug, Default)]
pub struct FacetCodes {
    codes: RwLock<HashMap<(Facet, FacetValue), FacetCode>>,
}

impl FacetCodes {
    /// The value's code, or `None` when no item ever had it.
    pub fn get(&self, facet: Facet, value: &FacetValue) -> Option<FacetCode> {
        self.codes.read().get(&(facet, Arc::clone(value))).copied()
    }

    /// The value's code, made if it is new.
    pub fn intern(&self, facet: Facet, value: &FacetValue) -> FacetCode {
        if let Some(code) = self.get(facet, value) {
            return code;
        }
        let mut codes = self.codes.write();
        let next = FacetCode(u32::try_from(codes.len()).unwrap_or(u32::MAX));
        *codes.entry((facet, Arc::clone(value))).or_insert(next)
    }
}
