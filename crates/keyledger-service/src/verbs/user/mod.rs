//! Of users.

mod issue;
