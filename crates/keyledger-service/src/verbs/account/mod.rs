//! Of accounts.

mod create;
