//! Who gets what when people are split: the same person always the same, by weights that can change without a reshuffle.

/// A person or a visit, as a split sees it: 64 bits of its id. Hashed once a request; every split mixes in its own salt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Unit(pub u64);

impl Unit {
    /// First 8 bytes, little-endian, of BLAKE3: the same on every machine and release.
    pub fn new(id: &str) -> Self {
        Self(hash(id))
    }
}

fn hash(text: &str) -> u64 {
    let mut first = [0; 8];
    first.copy_from_slice(&blake3::hash(text.as_bytes()).as_bytes()[..8]);
    u64::from_le_bytes(first)
}

/// The finaliser of SplitMix64 (Steele, Lea & Flood 2014): every bit of the answer depends on every bit of `value`.
const fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// In (0, 1).
fn uniform(bits: u64) -> f64 {
    ((bits >> 11) as f64 + 0.5) / (1u64 << 53) as f64
}

/// A place in [0, 1) for every unit, evenly: for splits whose parts are stated as ranges. Units fall independently under
/// different salts.
#[derive(Clone, Copy, Debug)]
pub struct Places {
    salt: u64,
}

impl Places {
    pub fn new(salt: &str) -> Self {
        Self { salt: hash(salt) }
    }

    pub fn of(&self, unit: Unit) -> f64 {
        uniform(mix(unit.0 ^ self.salt))
    }
}

/// A split of units among named options by weight: weighted rendezvous hashing (Schindelhauer & Schomaker, "Weighted
/// distributed hash tables", SPAA 2005). Option `i` waits `−ln(uᵢ) / wᵢ`, with `uᵢ` a hash of unit, salt and the option's
/// name; the first to come wins, which is `i` with probability `wᵢ / Σw`.
///
/// Changed weights move a unit only to an option whose weight grew against the one it leaves, and with one option growing or
/// shrinking against all others exactly the share that has to move. Names decide, not order: options may be listed anew.
#[derive(Clone, Debug)]
pub struct Lottery {
    salt: u64,
    /// Hash of the name, and weight, of every option.
    options: Vec<(u64, f64)>,
}

impl Lottery {
    /// Units fall independently under different salts. Weights: 0 (nobody) or more, not all 0.
    pub fn new<'a>(salt: &str, options: impl IntoIterator<Item = (&'a str, f64)>) -> Self {
        Self { salt: hash(salt), options: options.into_iter().map(|(name, weight)| (hash(name), weight)).collect() }
    }

    /// Index of the unit's option; 0 where there is no weight at all.
    pub fn draw(&self, unit: Unit) -> usize {
        let salted = mix(unit.0 ^ self.salt);
        // `libm`: the same bits on every machine.
        let wait = |(name, weight): &(u64, f64)| -libm::log(uniform(mix(salted ^ name))) / weight;
        let waits = self.options.iter().map(wait).enumerate().filter(|(_, wait)| wait.is_finite());
        waits.min_by(|a, b| a.1.total_cmp(&b.1)).map_or(0, |(index, _)| index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNITS: usize = 20_000;

    fn units() -> impl Iterator<Item = Unit> {
        (0..UNITS).map(|n| Unit::new(&format!("user-{n}")))
    }

    /// Share of units for which `holds`.
    fn share(holds: impl Fn(Unit) -> bool) -> f64 {
        units().filter(|unit| holds(*unit)).count() as f64 / UNITS as f64
    }

    /// Three standard errors of a share of 20,000.
    fn near(found: f64, expected: f64) {
        assert!((found - expected).abs() <= 3.0 * (expected * (1.0 - expected) / UNITS as f64).sqrt() + 1e-12, "{found}, {expected}");
    }

    #[test]
    fn options_get_their_weights() {
        let lottery = Lottery::new("s", [("a", 50.0), ("b", 30.0), ("c", 20.0), ("d", 0.0)]);
        for (option, expected) in [0.5, 0.3, 0.2, 0.0].into_iter().enumerate() {
            near(share(|unit| lottery.draw(unit) == option), expected);
        }
        assert_eq!(Lottery::new("s", [("a", 0.0)]).draw(Unit(1)), 0);
        assert_eq!(Lottery::new("s", []).draw(Unit(1)), 0);
    }

    #[test]
    fn a_unit_stays_where_it_is() {
        let (one, two) = (Lottery::new("s", [("a", 1.0), ("b", 1.0)]), Lottery::new("s", [("b", 7.0), ("a", 7.0)]));
        assert_eq!(share(|unit| one.draw(unit) + two.draw(unit) == 1), 1.0, "order and scale do not matter");
        // Pinned: a release that draws otherwise would reshuffle everybody's experiments.
        let drawn: Vec<usize> = units().take(12).map(|unit| one.draw(unit)).collect();
        assert_eq!(drawn, [1, 0, 0, 0, 1, 1, 0, 1, 0, 1, 0, 1]);
    }

    /// Shares that moved, by (from, to).
    fn moved(before: [f64; 3], after: [f64; 3]) -> Vec<((usize, usize), f64)> {
        let lottery = |weights: [f64; 3]| Lottery::new("s", ["a", "b", "c"].into_iter().zip(weights));
        let (before, after) = (lottery(before), lottery(after));
        let pairs = (0..3).flat_map(|from| (0..3).map(move |to| (from, to))).filter(|(from, to)| from != to);
        let share_of = |(from, to)| share(|unit| before.draw(unit) == from && after.draw(unit) == to);
        pairs.map(|pair| (pair, share_of(pair))).filter(|(_, share)| *share > 0.0).collect()
    }

    #[test]
    fn only_the_moved_share_changes_arms() {
        let moves = moved([90.0, 10.0, 0.0], [80.0, 20.0, 0.0]);
        assert_eq!(moves.len(), 1);
        assert_eq!(moves[0].0, (0, 1));
        near(moves[0].1, 0.1);
        // One shrinks against all others: what it loses is all that moves.
        let moves = moved([50.0, 25.0, 25.0], [40.0, 30.0, 30.0]);
        assert_eq!(moves.iter().map(|(pair, _)| *pair).collect::<Vec<_>>(), [(0, 1), (0, 2)]);
        moves.iter().for_each(|(_, share)| near(*share, 0.05));
        // A new arm takes from the others what it gets, and nobody changes between them.
        let moves = moved([50.0, 50.0, 0.0], [50.0, 50.0, 25.0]);
        assert_eq!(moves.iter().map(|(pair, _)| *pair).collect::<Vec<_>>(), [(0, 2), (1, 2)]);
        moves.iter().for_each(|(_, share)| near(*share, 0.1));
    }

    #[test]
    fn places_are_even_and_independent_of_other_splits() {
        let (places, lottery) = (Places::new("s"), Lottery::new("s", [("a", 1.0), ("b", 1.0)]));
        near(share(|unit| places.of(unit) < 0.25), 0.25);
        near(share(|unit| (0.25..0.75).contains(&places.of(unit))), 0.5);
        near(share(|unit| places.of(unit) < 0.25 && lottery.draw(unit) == 0), 0.125);
        assert!(units().all(|unit| (0.0..1.0).contains(&places.of(unit))));
    }

    #[test]
    fn salts_are_independent() {
        let lottery = |salt: &str| Lottery::new(salt, [("a", 3.0), ("b", 7.0)]);
        let (one, two) = (lottery("one"), lottery("two"));
        near(share(|unit| one.draw(unit) == 0 && two.draw(unit) == 0), 0.09);
        near(share(|unit| one.draw(unit) == 1 && two.draw(unit) == 1), 0.49);
    }
}
