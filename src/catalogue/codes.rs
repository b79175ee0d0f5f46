//! Small numbers for facet values, so that comparing two items' facets compares integers.
//!
//! Codes are given in order of arrival and only ever compared for equality: nothing that orders items looks at them.

use std::{collections::HashMap, num::NonZeroU32, sync::Arc};

use parking_lot::{RwLock, RwLockReadGuard};

use foldhash::fast::RandomState;

use crate::domain::{Facet, FacetValue};

/// A facet value's number, unique over all facets of one catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FacetCode(NonZeroU32);

impl FacetCode {
    /// The `n`-th code that was given, from 0.
    fn nth(n: usize) -> Self {
        let number = u32::try_from(n).unwrap_or(u32::MAX).saturating_add(1);
        Self(NonZeroU32::new(number).unwrap_or(NonZeroU32::MAX))
    }

    /// How many codes were given before it.
    pub(super) fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// The codes of one catalogue, shared by all its snapshots. Grows only.
#[derive(Debug, Default)]
pub struct FacetCodes {
    codes: RwLock<Codes>,
}

#[derive(Debug, Default)]
struct Codes {
    /// By [`Facet`].
    of: [HashMap<FacetValue, FacetCode, RandomState>; Facet::ALL.len()],
    given: usize,
}

/// Looks up many values at once: the codes do not change while it lives.
pub struct FacetReader<'a>(RwLockReadGuard<'a, Codes>);

impl FacetReader<'_> {
    /// The value's code, or `None` when no item ever had it.
    pub fn get(&self, facet: Facet, value: &str) -> Option<FacetCode> {
        self.0.of[facet as usize].get(value).copied()
    }
}

impl FacetCodes {
    /// Keeps new codes waiting until it is dropped.
    pub fn read(&self) -> FacetReader<'_> {
        FacetReader(self.codes.read())
    }

    /// The value's code, or `None` when no item ever had it.
    pub fn get(&self, facet: Facet, value: &str) -> Option<FacetCode> {
        self.read().get(facet, value)
    }

    /// How many values of the facet any item ever had.
    pub fn count(&self, facet: Facet) -> usize {
        self.read().0.of[facet as usize].len()
    }

    /// Whether any item ever had a value of the facet that is such.
    pub fn any(&self, facet: Facet, is: impl FnMut(&FacetValue) -> bool) -> bool {
        self.read().0.of[facet as usize].keys().any(is)
    }

    /// The value's code, made if it is new.
    pub fn intern(&self, facet: Facet, value: &FacetValue) -> FacetCode {
        if let Some(code) = self.get(facet, value) {
            return code;
        }
        let codes = &mut *self.codes.write();
        let given = &mut codes.given;
        *codes.of[facet as usize].entry(Arc::clone(value)).or_insert_with(|| {
            *given += 1;
            FacetCode::nth(*given - 1)
        })
    }
}
