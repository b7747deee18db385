//! OpenPGP certificates whose certify-only primary key stays offline.
//!
//! ```text
//! CertifyKey (offline, sealed under a passphrase)          a card, or custody
//!    └─ certifies user ids, binds ──────────────────────►  [S] [E] [A] subkeys
//! ```
//!
//! - [`Certificate`]: the verified public part: user ids, subkeys, expirations, revocations.
//! - [`CertifyKey`]: makes, renews and revokes certificates. On disk it is a [`SealedFile`](crate::SealedFile).
//! - [`Bind`]: a card's half of a binding, in two phases: the data to sign, and the proof. It needs no secret.
//! - [`EscrowedKey`]: a decryption key made here, so that it can be imported into a second card.
//! - [`offline`]: the files that travel to the machine with the certify key and back.
//! - [`ssh`], [`wkd`]: views for `authorized_keys` and for a Web Key Directory.
//!
//! All keys are of version 4 (RFC 4880, RFC 9580), with the curves that GnuPG 2.2 knows under their older names, because people's
//! programs must be able to read them. The time is always an argument.
//!
//! ```
//! use keyledger_custody::openpgp::{CertifyKey, EscrowedKey, SubkeyRole, UserId};
//! use keyledger_domain::Timestamp;
//!
//! let now = Timestamp::from_seconds(1_795_600_000); // the caller reads it from the clock
//! let ids = [UserId::new("Alice Archer <alice@example.org>")?];
//! let made = CertifyKey::generate(&ids, now, now.plus_days(1825))?;
//!
//! let escrowed = EscrowedKey::generate(now)?;
//! let subkeys = [(escrowed.to_bind(), now.plus_days(730))];
//! let certificate = made.key.bind(&made.certificate, &subkeys, now)?;
//! let usable = certificate.usable(SubkeyRole::Encrypt, now).next();
//! assert_eq!(usable.map(|subkey| subkey.fingerprint), Some(escrowed.fingerprint()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! *Invariant:* only `certify`, `certify_key`, `escrow` and `sealed` hold a secret. A test checks that no other module here uses one
//! of them.

mod bind;
mod birth;
mod certificate_error;
mod certify;
mod certify_error;
mod certify_key;
mod escrow;
pub(crate) mod fingerprint;
pub mod offline;
mod public;
mod reason;
mod renewal;
mod sealed;
mod self_signature;
mod spki;
pub mod ssh;
mod subkey;
mod summary;
mod time;
mod user_id;
pub mod wkd;

pub use bind::{Bind, BindError, ProvenSubkey, ToSign};
pub use certificate_error::CertificateError;
pub use certify_error::CertifyError;
pub use certify_key::{CertifyKey, NewCertifyKey};
pub use escrow::{EscrowedKey, escrow_context};
pub use fingerprint::{Fingerprint, NotAFingerprint};
pub use public::Certificate;
pub use reason::{Revocation, RevocationReason};
pub use renewal::Renewal;
pub use subkey::{NotASubkey, PublicSubkey, SubkeyAlgorithm, SubkeyRole};
pub use summary::{Standing, SubkeyView, UserIdView};
pub use time::OutOfRange;
pub use user_id::{NotAUserId, UserId};
