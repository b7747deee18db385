//! Of principals.

mod publish;
mod recover_key;
