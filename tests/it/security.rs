//! What every answer of every route carries, and what nothing of a request may reach.

mod canary;
mod headers;
