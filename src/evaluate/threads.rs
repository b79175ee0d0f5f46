//! The same work on many things, on all cores.

use std::{num::NonZero, panic, thread};

/// `of` each, in order, on all cores. A panic in `of` goes on in the caller.
pub fn over_threads<T: Sync, R: Send>(all: &[T], of: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let of = &of;
    thread::scope(|scope| {
        let parts: Vec<_> = all.chunks(all.len().div_ceil(threads).max(1)).collect();
        let parts: Vec<_> = parts.into_iter().map(|part| scope.spawn(move || part.iter().map(of).collect::<Vec<R>>())).collect();
        parts.into_iter().flat_map(|part| part.join().unwrap_or_else(|payload| panic::resume_unwind(payload))).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_kept() {
        let all: Vec<u32> = (0..1_001).collect();
        assert_eq!(over_threads(&all, |n| n + 1), (1..1_002).collect::<Vec<u32>>());
        assert_eq!(over_threads(&[0u8; 0], |n| *n), [0u8; 0]);
    }
}
