//! NATS trust: the organisation's bootstrap, JWTs as a view of the ledger, and their way to the servers.

mod jwt;
mod resolver;

pub use jwt::{ByCustody, JwtError, account_claims, account_jwt, user_claims, user_jwt};
pub use resolver::Resolver;
