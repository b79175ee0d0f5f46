//! Import: turns files of other systems and data sets into items and events, and hands them over in batches.
//!
//! ```text
//! file ─► lines / records ─► draft or wire form ─► Row ─► batches ─► ImportSink
//!         numbered, bounded   checked, per line          500 items     the store, or nothing in a dry run
//!                                                        1,000 events
//! ```
//!
//! A wrong line never stops the import: it is reported with file and number, and the good ones go on. An interrupted
//! import continues where it stopped ([`checkpoint`]). No bytes make it panic.

pub mod checkpoint;
mod collect;
mod csv;
mod dates;
mod draft;
mod embeddings;
mod jsonl;
mod lines;
mod mapping;
mod mind;
mod movielens;
mod report;
mod row;
mod run;
mod source;

pub use collect::{Collected, collect};
pub use embeddings::EmbeddingFiles;
pub use mapping::Mapping;
pub use mind::{HISTORY_STEP, TIMELESS_START};
pub use report::{LineFault, MAX_FAULTS_SHOWN, Summary};
pub use run::{ImportError, ImportSink, LeftOut, MAX_EVENTS_PER_BATCH, MAX_ITEMS_PER_BATCH, Options, check, run};
pub use source::{OpenError, Source};

/// Reads bytes as a CSV file without a mapping, line by line, and drops it: for the fuzzer. Rows number their lines upwards.
#[doc(hidden)]
pub fn read_csv(bytes: Vec<u8>, dimension: usize) {
    let Ok(rows) = csv::rows_of(std::io::Cursor::new(bytes), Mapping::default(), dimension) else { return };
    read_on(rows);
}

/// The same as JSON lines.
#[doc(hidden)]
pub fn read_ndjson(bytes: Vec<u8>, dimension: usize) {
    read_on(jsonl::rows_of(std::io::Cursor::new(bytes), Mapping::default(), dimension));
}

fn read_on(rows: row::Rows) {
    let mut end = 0;
    for row in rows {
        assert!(row.end >= end, "rows go on");
        end = row.end;
    }
}
