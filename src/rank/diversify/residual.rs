//! Objectives of the residual: what of a candidate the placed items do not span.
//!
//! With the kernel `K` of [`View::kernels_to`](crate::rank::View) (`K_ii = 1`), the residual of `i` given the placed set `S` is
//! `d² = 1 − k_iS K_SS⁻¹ k_Si`, in [0, 1]: the squared distance from the span of `S`. It is kept by an incremental Cholesky
//! factor, one number per candidate and placed item, computed when asked for. A residual only falls, so a stale one bounds
//! the objective (Hemmi et al., NeurIPS 2022, without the heap).

use super::{
    Shared,
    flat::{CLOSED, Effort, Gain},
};
use crate::catalogue::{LANES, dot};

/// Residual below which an item counts as spanned by the placed ones: above the noise of half-precision embeddings.
pub const SPANNED: f32 = 1e-3;

/// How the residual counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Volume {
    /// `λr + (1−λ)·ln d²`: the greedy gain of `λ·Σr + (1−λ)·log det K_S` (greedy MAP of a DPP: Chen et al., NeurIPS 2018).
    Log,
    /// `λr + (1−λ)·d` (sliding spectrum decomposition: Huang et al., KDD 2021).
    Root,
}

impl Volume {
    #[inline]
    pub fn value(self, lambda: f32, relevance: f32, residual: f32) -> f32 {
        let open = residual.max(SPANNED);
        let volume = match self {
            Self::Log => open.ln(),
            Self::Root => open.sqrt(),
        };
        lambda * relevance + (1.0 - lambda) * volume
    }

    /// About the residual at which the objective is `floor`: saves a logarithm for every comparison.
    fn residual_at(self, lambda: f32, relevance: f32, floor: f32) -> f32 {
        let volume = (floor - lambda * relevance) / (1.0 - lambda);
        match self {
            Self::Log => volume.exp(),
            Self::Root if volume > 0.0 => volume * volume,
            Self::Root => 0.0,
        }
    }
}

pub(super) struct Residual {
    volume: Volume,
    /// `candidates × stride`: coordinates on the basis of the placed items; 0 where not yet asked for and past the last slot.
    coordinates: Vec<f32>,
    slots: usize,
    /// `slots`, up to a whole number of [`LANES`].
    stride: usize,
    residual: Vec<f32>,
    /// Basis vectors taken into account so far.
    upto: Vec<u32>,
    basis: Vec<Basis>,
    /// Also set when the slate nears the rank of the kernel: then every bound is stale and none is idle.
    scan: bool,
    effort: Effort,
}

/// A placed item that added to the span.
struct Basis {
    /// Index among the placed items.
    placed: usize,
    /// Its coordinates on the basis before it, with zeros up to a whole number of [`LANES`].
    coordinates: Vec<f32>,
    /// Square root of its residual.
    height: f32,
}

impl Basis {
    /// Writes the coordinate of a candidate on this one, the `at`-th, after the earlier ones in `own`.
    #[inline]
    fn coordinate_of(&self, kernel: f32, own: &mut [f32], at: usize) -> f32 {
        // Both end in zeros up to a whole number of lanes.
        let coordinate = (kernel - dot(own, &self.coordinates)) / self.height;
        own[at] = coordinate;
        coordinate
    }
}

impl Residual {
    /// For at most `slots` placed items.
    pub fn new(volume: Volume, candidates: usize, slots: usize, scan: bool) -> Self {
        let stride = slots.next_multiple_of(LANES);
        Self {
            volume,
            coordinates: vec![0.0; candidates * stride],
            slots,
            stride,
            residual: vec![1.0; candidates],
            upto: vec![0; candidates],
            basis: Vec::with_capacity(slots),
            scan,
            effort: Effort::default(),
        }
    }
}

impl Gain for Residual {
    fn rebound(&mut self, shared: &Shared, bounds: &mut [f32], open: usize) {
        self.scan |= self.effort.round(open);
        if self.scan {
            for (index, bound) in bounds.iter_mut().enumerate().filter(|(_, bound)| **bound != CLOSED) {
                *bound = self.refine(shared, index, CLOSED);
            }
        }
    }

    fn refine(&mut self, shared: &Shared, index: usize, floor: f32) -> f32 {
        let mut upto = self.upto[index] as usize;
        let mut residual = self.residual[index];
        let relevance = shared.relevance[index];
        let own = &mut self.coordinates[index * self.stride..(index + 1) * self.stride];
        let mut enough = self.volume.residual_at(shared.lambda, relevance, floor);
        let value = loop {
            while residual >= enough {
                let placed = |basis: &Basis| &shared.placed[basis.placed];
                match &self.basis[upto..] {
                    [] => break,
                    [last] => {
                        let [kernel] = shared.view.kernels_to([placed(last)], index);
                        residual -= last.coordinate_of(kernel, own, upto).powi(2);
                        upto += 1;
                    }
                    [next, after, ..] => {
                        let [first, second] = shared.view.kernels_to([placed(next), placed(after)], index);
                        residual -= next.coordinate_of(first, own, upto).powi(2);
                        residual -= after.coordinate_of(second, own, upto + 1).powi(2);
                        upto += 2;
                    }
                }
            }
            let value = self.volume.value(shared.lambda, relevance, residual);
            if upto == self.basis.len() || value < floor {
                break value;
            }
            // The threshold was rounded the wrong way: the value decides.
            enough = f32::NEG_INFINITY;
        };
        self.effort.compared(upto - self.upto[index] as usize);
        self.upto[index] = upto as u32;
        self.residual[index] = residual;
        value
    }

    fn place(&mut self, shared: &Shared, index: usize) {
        // Its own comparison comes last: the item itself is already among the placed.
        self.refine(shared, index, CLOSED);
        let residual = self.residual[index];
        if residual >= SPANNED && self.basis.len() < self.slots {
            let coordinates = self.coordinates[index * self.stride..][..self.basis.len().next_multiple_of(LANES)].to_vec();
            self.basis.push(Basis { placed: shared.placed.len() - 1, coordinates, height: residual.sqrt() });
        }
    }
}
