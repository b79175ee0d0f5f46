//! The one integration binary.

mod import;
mod import_data;
