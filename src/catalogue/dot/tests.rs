//! Every path against the plain one.

use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn every_path_gives_the_same_numbers(
        query in prop::collection::vec(-127i8..=127, 1..200),
        noise in prop::collection::vec(-127i8..=127, 0..4_000),
        extreme in any::<bool>(),
    ) {
        let push = |x: i8| if extreme { if x < 0 { -127 } else { 127 } } else { x };
        let query: Vec<i8> = query.into_iter().map(push).collect();
        let rows: Vec<i8> = noise.iter().copied().map(push).take(noise.len() / query.len() * query.len()).collect();
        let (mut fast, mut plain) = (vec![], vec![]);
        dots(&query, &rows, &mut fast);
        dots_plain(&query, &rows, &mut plain);
        prop_assert_eq!(&fast, &plain);
        for (row, dot) in rows.chunks_exact(query.len()).zip(fast) {
            prop_assert_eq!(dots_of([&query, row], row), [dot, dot_bytes(row, row)]);
            let short = &query[..query.len() / 2];
            prop_assert_eq!(dots_of([&query, short], row), [&query, short].map(|query: &[i8]| dot_bytes(&query[..short.len()], row)));
        }
    }

    #[test]
    fn widening_a_row_is_widening_each_number(bits in prop::collection::vec(any::<u16>(), 0..90), room in 0usize..100) {
        let halves: Vec<f16> = bits.iter().copied().map(f16::from_bits).collect();
        let mut wide = vec![7.0; room];
        widen(&halves, &mut wide);
        for (at, wide) in wide.into_iter().enumerate() {
            let expected = halves.get(at).map_or(7.0, |half| half.to_f32());
            prop_assert!(wide.to_bits() == expected.to_bits() || wide.is_nan() && expected.is_nan());
        }
    }

    #[test]
    fn every_path_gives_the_same_table_sums(columns in 0usize..60, blocks in 0usize..5, seed in any::<u64>(), full in any::<bool>()) {
        let byte = |i: usize| (seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(i as u64).wrapping_mul(1_442_695_040_888_963_407) >> 56) as u8;
        let number = |i: usize| if full { TABLE_MAX } else { byte(i) & TABLE_MAX };
        let table = |at: usize| std::array::from_fn(|i| number(at * 16 + i % 16));
        let tables: Vec<Tables> = (0..columns).map(|c| [table(2 * c), table(2 * c + 1)]).collect();
        let bytes: Vec<u8> = (0..blocks * columns * BLOCK_ROWS).map(|i| byte(i + 77_777)).collect();
        let (mut fast, mut plain) = (vec![], vec![]);
        table_sums(&tables, &bytes, &mut fast);
        table_sums_plain(&tables, &bytes, &mut plain);
        prop_assert_eq!(fast, plain);
    }

    #[test]
    fn a_float_dot_product_has_the_same_bits_on_every_path(numbers in prop::collection::vec((-1.0f32..1.0, -1.0f32..1.0), 0..400)) {
        let (a, b): (Vec<f32>, Vec<f32>) = numbers.into_iter().unzip();
        prop_assert_eq!(dot(&a, &b).to_bits(), dot_plain(&a, &b).to_bits());
        prop_assert_eq!(dot(&a, &b).to_bits(), dot(&b, &a).to_bits());
        let exact: f64 = a.iter().zip(&b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum();
        prop_assert!((f64::from(dot(&a, &b)) - exact).abs() < 1e-4);
    }

    #[test]
    fn a_dot_product_of_halves_has_the_bits_of_the_widened_one(
        numbers in prop::collection::vec((-70_000.0f32..70_000.0, -1.0f32..1.0, -18i32..1), 0..400),
    ) {
        // Powers of two down to where halves are subnormal, and numbers that become infinite.
        let halves = |pick: fn(&(f32, f32, i32)) -> f32| numbers.iter().map(|n| f16::from_f32(pick(n))).collect::<Vec<f16>>();
        let (a, b) = (halves(|n| n.0 * (n.2 as f32).exp2()), halves(|n| n.1 * (n.2 as f32).exp2()));
        let wide = |halves: &[f16]| halves.iter().map(|x| x.to_f32()).collect::<Vec<f32>>();
        let expected = dot(&wide(&a), &wide(&b));
        let same = |got: f32| got.to_bits() == expected.to_bits() || got.is_nan() && expected.is_nan();
        let (first, second) = (wide(&a), wide(&b));
        let pair = dots_mixed([&first, &second], &b);
        prop_assert!(pair[1].to_bits() == dots_mixed([&second], &b)[0].to_bits() || pair[1].is_nan());
        let mixed = [dots_mixed([&first], &b)[0], dot_mixed_plain(&first, &b), pair[0]];
        for got in [dot_halves(&a, &b), dot_halves(&b, &a), dot_halves_plain(&a, &b)].into_iter().chain(mixed) {
            prop_assert!(same(got), "{got} for {expected}");
        }
    }

    #[test]
    fn numbers_past_the_shorter_row_are_left_out(long in prop::collection::vec(-1.0f32..1.0, 0..200), keep in 0usize..200) {
        let long: Vec<f16> = long.into_iter().map(f16::from_f32).collect();
        let short = &long[..keep.min(long.len())];
        prop_assert_eq!(dot_halves(&long, short).to_bits(), dot_halves(short, short).to_bits());
        let wide: Vec<f32> = long.iter().map(|x| x.to_f32()).collect();
        prop_assert_eq!(dot(&wide, &wide[..short.len()]).to_bits(), dot(&wide[..short.len()], &wide[..short.len()]).to_bits());
    }
}
