//! The residual against the last `window` placed items only.
//!
//! The kernel values of a candidate with the window are kept in a ring; each round factors the window's own kernel once and
//! solves for the candidates that can still win. A single known value with an item of
//! the factor already bounds the residual: `d² ≤ 1 − k²` (Cauchy–Schwarz).

use super::{
    Shared,
    flat::{CLOSED, Gain},
    residual::{SPANNED, Volume},
};

pub(super) struct Sliding {
    volume: Volume,
    window: usize,
    /// `candidates × window`: kernel with placed item `j` at `j % window`.
    ring: Vec<f32>,
    /// Placed items compared with so far.
    upto: Vec<usize>,
    /// `window × window`, both by `j % window`: the kernel among the placed items of the window.
    among: Vec<f32>,
    /// Lower triangular factor of the window's kernel, rows one after another, and the placed items its rows stand for.
    factor: Vec<f32>,
    rows: Vec<usize>,
    /// Room for the solve.
    solved: Vec<f32>,
    scan: bool,
}

impl Sliding {
    pub fn new(volume: Volume, window: usize, candidates: usize, scan: bool) -> Self {
        let factor = Vec::with_capacity(window * (window + 1) / 2);
        let (ring, among) = (vec![0.0; candidates * window], vec![0.0; window * window]);
        Self {
            volume,
            window,
            ring,
            upto: vec![0; candidates],
            among,
            factor,
            rows: Vec::with_capacity(window),
            solved: Vec::with_capacity(window),
            scan,
        }
    }

    fn first(&self, shared: &Shared) -> usize {
        shared.placed.len().saturating_sub(self.window)
    }

    /// Solves `L·y = k` along the factor; returns `1 − ‖y‖²`. `y` is left in `solved`.
    fn residual(&self, kernel: impl Fn(usize) -> f32, solved: &mut Vec<f32>) -> f32 {
        solved.clear();
        let mut residual = 1.0;
        let mut row = 0;
        for (at, placed) in self.rows.iter().enumerate() {
            let before: f32 = self.factor[row..row + at].iter().zip(solved.iter()).map(|(l, y)| l * y).sum();
            let y = (kernel(*placed) - before) / self.factor[row + at];
            solved.push(y);
            residual -= y * y;
            row += at + 1;
        }
        residual
    }

    fn known(&self, index: usize, placed: usize) -> f32 {
        self.ring[index * self.window + placed % self.window]
    }

    fn bound(&self, shared: &Shared, index: usize) -> f32 {
        let known = self.rows.iter().filter(|placed| **placed < self.upto[index]).map(|placed| self.known(index, *placed));
        // A hair above, because the solve rounds on its own way to the same number.
        let residual = 1.0 + SPANNED - known.fold(0.0, |most, k| f32::max(most, k * k));
        self.volume.value(shared.lambda, shared.relevance[index], residual)
    }
}

impl Gain for Sliding {
    fn rebound(&mut self, shared: &Shared, bounds: &mut [f32], _: usize) {
        for (index, bound) in bounds.iter_mut().enumerate().filter(|(_, bound)| **bound != CLOSED) {
            *bound = if self.scan { self.refine(shared, index, CLOSED) } else { self.bound(shared, index) };
        }
    }

    fn refine(&mut self, shared: &Shared, index: usize, _: f32) -> f32 {
        for placed in self.upto[index].max(self.first(shared))..shared.placed.len() {
            let [kernel] = shared.view.kernels_to([&shared.placed[placed]], index);
            self.ring[index * self.window + placed % self.window] = kernel;
        }
        self.upto[index] = shared.placed.len();
        let mut solved = std::mem::take(&mut self.solved);
        let residual = self.residual(|placed| self.known(index, placed), &mut solved);
        self.solved = solved;
        self.volume.value(shared.lambda, shared.relevance[index], residual)
    }

    /// Takes the new item into the window and factors it anew, oldest first; spanned items add no row.
    fn place(&mut self, shared: &Shared, index: usize) {
        let newest = shared.placed.len() - 1;
        let first = self.first(shared);
        for placed in first..newest {
            let [kernel] = shared.view.kernels_to([&shared.placed[placed]], index);
            let (a, b) = (placed % self.window, newest % self.window);
            self.among[a * self.window + b] = kernel;
            self.among[b * self.window + a] = kernel;
        }
        self.rows.clear();
        self.factor.clear();
        let mut solved = std::mem::take(&mut self.solved);
        for placed in first..=newest {
            let residual = self.residual(|other| self.among[placed % self.window * self.window + other % self.window], &mut solved);
            if residual >= SPANNED {
                self.factor.append(&mut solved);
                self.factor.push(residual.sqrt());
                self.rows.push(placed);
            }
        }
        self.solved = solved;
    }
}
