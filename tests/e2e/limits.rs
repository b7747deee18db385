//! Limits and bad input.
