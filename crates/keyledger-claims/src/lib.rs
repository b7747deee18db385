//! NATS JWT v2 claims and nkeys: a codec.
//!
//! It writes the same bytes as Go's `github.com/nats-io/jwt/v2`, reads what that writes, and keeps fields that it does not know. It uses
//! no clock, no socket and no store.
//!
//! ```
//! use keyledger_claims::{KeyPairSigner, UserBody, UserClaims, decode, encode};
//!
//! let account = KeyPairSigner::new(nkeys::KeyPair::new_account());
//! let mut claims = UserClaims::new(nkeys::KeyPair::new_user().public_key(), 1_700_000_000);
//! claims.name = "ada".to_owned();
//! claims.nats.limits.publish.allow.push("orders.>".to_owned());
//!
//! let token = encode(&claims, &account)?;
//! let read = decode::<UserBody>(&token)?;
//! read.check_times(1_700_000_001)?;
//! assert_eq!(read.nats, claims.nats);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod account;
pub mod activation;
pub mod claims;
pub mod creds;
pub mod decode;
pub mod encode;
pub mod generic;
mod go_json;
pub mod nkey;
pub mod operator;
mod rules;
pub mod seed;
pub mod signer;
pub mod subject;
pub mod user;
pub mod validate;

pub use account::{AccountBody, AccountClaims, SigningKey, UserScope};
pub use activation::{ActivationBody, ActivationClaims};
pub use claims::{Body, Claims, TimesError};
pub use creds::{Creds, CredsError};
pub use decode::{DecodeError, decode};
pub use encode::{Draft, EncodeError, MAX_TOKEN_BYTES, encode};
pub use generic::{GenericBody, GenericClaims};
pub use nkey::{NkeyError, NkeyKind, PublicNkey};
pub use operator::{OperatorBody, OperatorClaims};
pub use rules::IssuerError;
pub use seed::{Seed, SeedError};
pub use signer::{KeyPairSigner, SignError, Signer};
pub use user::{UserBody, UserClaims, UserPermissionLimits};
pub use validate::{Issue, Problem};
