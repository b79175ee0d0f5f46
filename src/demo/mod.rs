//! The built-in synthetic catalogue: something believable to see, test and measure with, without network or data files.
//!
//! Pure and deterministic: the same seed, time and dimension make the same items on every machine. Everything is
//! invented; addresses are under `example.org`. The personas and the background are made for the catalogue of the same
//! seed and time.
//!
//! ```
//! use polyphony::{demo, domain::Time};
//! let now = Time::from_secs(1_791_533_700);
//! let items = demo::catalogue(7, now, 64);
//! assert_eq!(items.len(), demo::CATALOGUE_ITEMS);
//! let ana = &demo::personas(7, now, &items)[0];
//! assert_eq!(ana.name, "Ana");
//! ```

mod background;
mod catalogue;
mod draw;
mod people;
mod personas;
mod words;

pub use background::background;
pub use catalogue::{CATALOGUE_ITEMS, catalogue};
pub use people::{CREATORS, SOURCES};
pub use personas::{Persona, personas};

#[cfg(test)]
mod tests;
