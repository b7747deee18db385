//! Of tokens.

mod release;
mod report;
mod tasks;
