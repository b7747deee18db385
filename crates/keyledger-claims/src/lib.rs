//! NATS JWT v2 claims and nkeys: a codec.

pub mod subject;
