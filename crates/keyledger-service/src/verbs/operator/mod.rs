//! Of the operator.

mod trust;
