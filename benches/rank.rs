//! The ranking engine alone: lazy evaluation against the full scan of the same kernels, in one run.
//!
//! ```text
//! cargo bench --bench rank                       the whole grid, as markdown tables
//! cargo bench --bench rank -- quick              the rows the README quotes
//! cargo bench --bench rank -- cold               in place on a store larger than any cache
//! cargo bench --bench rank -- pool FILE          one pool from outside: see benches/peers
//! ```
//!
//! Real embeddings come from `POLYPHONY_DATA` (or `../shared/data`); without them the tables use synthetic clusters and say so.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a benchmark fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "a benchmark reads the machine's clock")]

use std::{hint::black_box, path::PathBuf, time::Instant};

use cpu_time::ThreadTime;
use half::f16;
use polyphony::{
    domain::{
        Policy,
        policy::{Aggregate, Diversify, Method},
    },
    rank::{
        View,
        diversify::{Evaluation, Problem, diversity_of, select},
    },
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A pool: unit rows and their relevance, best first.
struct Pool {
    dimension: usize,
    rows: Vec<f16>,
    relevance: Vec<f32>,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["quick"] => quick(),
        ["cold"] => cold(),
        ["pool", file] => pool_from_outside(file),
        [] => {
            quick();
            grid();
            cold();
        }
        _ => eprintln!("usage: cargo bench --bench rank -- [quick | cold | pool FILE]"),
    }
}

// ── Data ────────────────────────────────────────────────────────────────────────────────────────────────────────────

/// Rows of 384 numbers of a real text-embedding model, if the data is there.
fn real_rows() -> Option<Vec<f16>> {
    let folder = std::env::var_os("POLYPHONY_DATA").map_or_else(|| PathBuf::from("../shared/data"), PathBuf::from);
    let file = folder.join("embeddings/abp-viewpoints.f16.bin");
    let Ok(bytes) = std::fs::read(&file) else {
        println!("({} is not there: synthetic clusters instead)", file.display());
        return None;
    };
    Some(bytes.as_chunks::<2>().0.iter().map(|pair| f16::from_le_bytes(*pair)).collect())
}

/// Gaussian clusters on the sphere.
fn clustered_rows(count: usize, dimension: usize, rng: &mut ChaCha8Rng) -> Vec<f16> {
    let centre = |rng: &mut ChaCha8Rng| -> Vec<f32> { (0..dimension).map(|_| normal(rng)).collect() };
    let centres: Vec<Vec<f32>> = (0..50).map(|_| centre(rng)).collect();
    let mut rows = Vec::with_capacity(count * dimension);
    for _ in 0..count {
        let from = &centres[rng.random_range(0..centres.len())];
        let row: Vec<f32> = from.iter().map(|x| x + 0.8 * normal(rng)).collect();
        let norm = row.iter().map(|x| x * x).sum::<f32>().sqrt();
        rows.extend(row.iter().map(|x| f16::from_f32(x / norm)));
    }
    rows
}

fn normal(rng: &mut ChaCha8Rng) -> f32 {
    let radius = (-2.0 * (1.0 - rng.random::<f32>()).ln()).sqrt();
    radius * (std::f32::consts::TAU * rng.random::<f32>()).cos()
}

/// The `count` rows nearest to a random one; relevance is its rank in [0, 1], as the server has it by default.
fn nearest(rows: &[f16], dimension: usize, count: usize, rng: &mut ChaCha8Rng) -> Pool {
    let query = rng.random_range(0..rows.len() / dimension);
    let query = rows[query * dimension..(query + 1) * dimension].to_vec();
    let mut scored: Vec<(f32, &[f16])> =
        rows.chunks_exact(dimension).map(|row| (polyphony::catalogue::dot_halves(&query, row), row)).collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    scored.truncate(count);
    Pool {
        dimension,
        rows: scored.iter().flat_map(|(_, row)| row.iter().copied()).collect(),
        relevance: (0..count).map(|rank| 1.0 - rank as f32 / count.max(2) as f32).collect(),
    }
}

// ── Timing ──────────────────────────────────────────────────────────────────────────────────────────────────────────

fn diversify(method: Method, aggregate: Aggregate) -> Diversify {
    Diversify { method, aggregate, ..Policy::default().diversify }
}

fn run(pool: &Pool, diversify: &Diversify, lambda: f32, slots: usize, evaluation: Evaluation) -> Vec<(usize, f32)> {
    let view = View::of_vectors(pool.rows.chunks_exact(pool.dimension));
    let problem = Problem { view: &view, diversify, diversity: diversity_of(diversify, lambda), slate: slots, slots, evaluation };
    select(&problem, &pool.relevance, None, slots)
}

/// Runs of one form after another, so that each finds in the caches what it left there: as the libraries of `benches/peers` are run.
const IN_A_ROW: usize = 5;

/// Median microseconds of processor time of `scan` and `lazy`, a few runs of each in turns so that both meet the same machine.
fn pair(pools: &[Pool], diversify: &Diversify, lambda: f32, slots: usize) -> (f64, f64) {
    let mut times = [Vec::new(), Vec::new()];
    let started = Instant::now();
    while times[0].len() < 3 * IN_A_ROW * pools.len() || (started.elapsed().as_millis() < 400 && times[0].len() < 200) {
        for pool in pools {
            let mut slates = Vec::new();
            for (times, evaluation) in times.iter_mut().zip([Evaluation::Scan, Evaluation::Lazy]) {
                for _ in 0..IN_A_ROW {
                    let watch = ThreadTime::now();
                    slates.push(black_box(run(black_box(pool), diversify, lambda, slots, evaluation)));
                    times.push(watch.elapsed().as_secs_f64() * 1e6);
                }
            }
            assert!(slates.iter().all(|slate| *slate == slates[0]), "the lazy slate is the scan's");
        }
    }
    let [scan, lazy] = times.map(median);
    (scan, lazy)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn row(label: &str, pools: &[Pool], diversify: &Diversify, lambda: f32, slots: usize) -> f64 {
    let (scan, lazy) = pair(pools, diversify, lambda, slots);
    println!("| {label} | {lambda} | {slots} | {scan:.0} | {lazy:.0} | {:.2} |", scan / lazy);
    scan / lazy
}

const HEADER: &str = "| pool | λ | slots | scan µs | lazy µs | scan ÷ lazy |\n|---|---|---|---|---|---|";

/// Every method on one real pool size.
fn quick() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let rows = real_rows().unwrap_or_else(|| clustered_rows(24_000, 384, &mut rng));
    let pools: Vec<Pool> = (0..5).map(|_| nearest(&rows, 384, 1_000, &mut rng)).collect();
    println!("\n### Every method, n = 1000, d = 384\n\n{HEADER}");
    for (name, method, aggregate) in [
        ("mmr, max", Method::Mmr, Aggregate::Max),
        ("mmr, mean", Method::Mmr, Aggregate::Mean),
        ("dpp", Method::Dpp, Aggregate::Max),
        ("msd", Method::Msd, Aggregate::Max),
        ("ssd", Method::Ssd, Aggregate::Max),
    ] {
        for (lambda, slots) in [(0.7, 20), (0.7, 50), (0.5, 50), (0.9, 50)] {
            row(name, &pools, &diversify(method, aggregate), lambda, slots);
        }
    }
}

/// MMR and DPP over sizes, dimensions and slots.
fn grid() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let real = real_rows();
    for (name, method) in [("MMR", Method::Mmr), ("DPP", Method::Dpp)] {
        println!("\n### {name} over the grid (d = 384: real embeddings where there; others: synthetic clusters)\n\n{HEADER}");
        let mut worst = f64::MAX;
        for dimension in [64, 128, 384, 768] {
            let rows = real.clone().filter(|_| dimension == 384).unwrap_or_else(|| clustered_rows(12_000, dimension, &mut rng));
            for count in [200, 500, 1_000, 5_000, 10_000] {
                let pools: Vec<Pool> = (0..2).map(|_| nearest(&rows, dimension, count, &mut rng)).collect();
                for slots in [20, 50, 200] {
                    for lambda in [0.3, 0.7, 0.9] {
                        let label = format!("n = {count}, d = {dimension}");
                        worst = worst.min(row(&label, &pools, &diversify(method, Aggregate::Max), lambda, slots));
                    }
                }
            }
        }
        println!("\nLowest ratio of the table: {worst:.2}.");
    }
}

/// Ranking in place on 600 MB of rows, against only fetching the candidates' rows together.
fn cold() {
    const ROWS: usize = 800_000;
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let base = real_rows().unwrap_or_else(|| clustered_rows(24_000, 384, &mut rng));
    let mut store: Vec<f16> = Vec::with_capacity(ROWS * 384);
    // The real rows many times over, each time with a little noise of its own.
    while store.len() < ROWS * 384 {
        let noise: Vec<f32> = (0..1_021).map(|_| 0.01 * normal(&mut rng)).collect();
        let left = ROWS * 384 - store.len();
        store.extend(base.iter().take(left).enumerate().map(|(at, x)| f16::from_f32(x.to_f32() + noise[at % 1_021])));
    }
    println!("\n### In place on a cold store of {} MB of rows, λ = 0.7\n", store.len() * 2 / 1_000_000);
    println!(
        "| n | slots | gather f32 µs | gather f16 µs | rank in place µs | gather f32 ÷ in place | gather f16 ÷ in place |\n|---|---|---|---|---|---|---|"
    );
    for (count, slots) in [(200, 20), (500, 20), (1_000, 20), (1_000, 50)] {
        let method = diversify(Method::Mmr, Aggregate::Max);
        let mut times = [Vec::new(), Vec::new(), Vec::new()];
        for _ in 0..60 {
            let query = rng.random_range(0..ROWS);
            let query = &store[query * 384..(query + 1) * 384];
            for (kind, times) in times.iter_mut().enumerate() {
                let mut picked: Vec<(f32, usize)> =
                    (0..count).map(|_| rng.random_range(0..ROWS)).map(|at| (relevance(query, at), at)).collect();
                picked.sort_by(|a, b| b.0.total_cmp(&a.0));
                let relevance: Vec<f32> = picked.iter().map(|(relevance, _)| *relevance).collect();
                let of = |at: usize| &store[at * 384..(at + 1) * 384];
                let watch = ThreadTime::now();
                match kind {
                    0 => _ = black_box(picked.iter().flat_map(|(_, at)| of(*at).iter().map(|x| x.to_f32())).collect::<Vec<f32>>()),
                    1 => {
                        let mut gathered = Vec::with_capacity(count * 384);
                        picked.iter().for_each(|(_, at)| gathered.extend_from_slice(of(*at)));
                        black_box(gathered);
                    }
                    _ => {
                        let view = View::of_vectors(picked.iter().map(|(_, at)| of(*at)));
                        let problem = Problem {
                            view: &view,
                            diversify: &method,
                            diversity: diversity_of(&method, 0.7),
                            slate: slots,
                            slots,
                            evaluation: Evaluation::Lazy,
                        };
                        black_box(select(&problem, &relevance, None, slots));
                    }
                }
                times.push(watch.elapsed().as_secs_f64() * 1e6);
            }
        }
        let [wide, narrow, rank] = times.map(median);
        println!("| {count} | {slots} | {wide:.0} | {narrow:.0} | {rank:.0} | {:.2} | {:.2} |", wide / rank, narrow / rank);
    }
}

/// A relevance that does not touch the row: as if it came from an earlier stage on another machine.
fn relevance(query: &[f16], at: usize) -> f32 {
    let mixed = (at as u64 ^ u64::from(query[0].to_bits())).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
    // Skewed like cosines of a large pool: few are near, most are not.
    let uniform = mixed as f32 / (1u64 << 24) as f32;
    0.1 + 0.6 * uniform.powi(4)
}

// ── A pool from outside ─────────────────────────────────────────────────────────────────────────────────────────────

/// Reads `n d slots` (u32), λ (f32), n relevances for MMR, n for DPP (f32), n·d numbers (f16), little endian; prints JSON lines.
fn pool_from_outside(file: &str) {
    let bytes = std::fs::read(file).expect("the pool file");
    let word = |at: usize| <[u8; 4]>::try_from(&bytes[at * 4..at * 4 + 4]).unwrap();
    let [count, dimension, slots] = [0, 1, 2].map(|at| u32::from_le_bytes(word(at)) as usize);
    let lambda = f32::from_le_bytes(word(3));
    let numbers = |from: usize| (from..from + count).map(|at| f32::from_le_bytes(word(at))).collect::<Vec<f32>>();
    let rows: Vec<f16> = bytes[(4 + 2 * count) * 4..].as_chunks::<2>().0.iter().map(|pair| f16::from_le_bytes(*pair)).collect();
    for (name, method, relevance) in [("mmr", Method::Mmr, numbers(4)), ("dpp", Method::Dpp, numbers(4 + count))] {
        let pool = [Pool { dimension, rows: rows.clone(), relevance }];
        let (scan, lazy) = pair(&pool, &diversify(method, Aggregate::Max), lambda, slots);
        let ids: Vec<usize> =
            run(&pool[0], &diversify(method, Aggregate::Max), lambda, slots, Evaluation::Lazy).iter().map(|s| s.0).collect();
        println!("{}", serde_json::json!({ "method": name, "scan_us": scan, "lazy_us": lazy, "ids": ids }));
    }
}
