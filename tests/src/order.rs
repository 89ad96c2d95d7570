//! The order of the tests: a new one in every run, and the same one for the same seed.

use std::hash::{BuildHasher, RandomState};

/// A random seed.
#[must_use]
pub fn seed() -> u64 {
    // Short enough to type.
    RandomState::new().hash_one(()) % 1_000_000
}

/// Puts the items into the order of this seed (Fisher and Yates).
pub fn shuffle<T>(items: &mut [T], seed: u64) {
    let mut state = seed;
    for last in (1..items.len()).rev() {
        let below = u64::try_from(last).unwrap_or(u64::MAX) + 1;
        items.swap(last, usize::try_from(next(&mut state) % below).unwrap_or(last));
    }
}

/// The next number of `SplitMix64`.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shuffled(seed: u64) -> Vec<usize> {
        let mut items: Vec<_> = (0..100).collect();
        shuffle(&mut items, seed);
        items
    }

    #[test]
    fn every_item_is_there_once_and_a_seed_has_one_order() {
        let mut sorted = shuffled(7);
        assert_eq!(sorted, shuffled(7));
        assert_ne!(sorted, shuffled(8));
        sorted.sort_unstable();
        assert_eq!(sorted, (0..100).collect::<Vec<_>>());
        shuffle::<u8>(&mut [], 7);
    }
}
