//! Tests of X.509: real attestations, forged ones, the `openssl` CLI as the judge, hostile bytes.

mod attestation;
