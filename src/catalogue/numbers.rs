//! Sets and maps by numbers that need no protection from chosen collisions: rows and facet codes are given by this
//! process, item hashes are the first bits of a cryptographic one.

use std::{
    collections::{HashMap, HashSet},
    hash::{BuildHasherDefault, Hasher},
};

pub type NumberSet<T> = HashSet<T, BuildHasherDefault<NumberHasher>>;
pub type NumberMap<K, V> = HashMap<K, V, BuildHasherDefault<NumberHasher>>;

/// One multiplication by an odd number: low bits stay different, high bits are mixed.
#[derive(Default)]
pub struct NumberHasher(u64);

/// The 64-bit golden ratio.
const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;

impl Hasher for NumberHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(u64::from(number));
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0.rotate_left(5) ^ number).wrapping_mul(SPREAD);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::Row;

    #[test]
    fn neighbours_spread_over_low_and_high_bits() {
        use std::hash::BuildHasher;
        let hash = |n: u32| BuildHasherDefault::<NumberHasher>::default().hash_one(Row(n));
        let distinct = |pick: fn(u64) -> u64| (0..1_024).map(hash).map(pick).collect::<HashSet<_>>().len();
        assert_eq!(distinct(|h| h & 1_023), 1_024, "the bits that choose a place");
        assert!(distinct(|h| h >> 57) > 100, "the bits that tell rows at a place apart");
    }
}
