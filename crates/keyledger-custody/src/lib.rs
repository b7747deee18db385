//! The only place where Keyledger's secret bytes exist.
//!
//! Every secret is made here, used here, and leaves only sealed. The rest of Keyledger holds public keys
//! ([`keyledger_domain::key::Public`]) and sealed material. Storing and printing both is harmless.
//!
//! ```text
//! root key (RootKey: root.sealed under a passphrase, or a file of mode 0600)
//!    └─ HKDF-SHA-256 ─► key-encryption key of a class (certificate, data, other)
//!                          └─ AES-256-GCM ─► data key, random, one a key version
//!                                              └─ AES-256-GCM ─► material, bound to name, version, purposes
//! ```
//!
//! - [`RootKey`]: the topmost key.
//! - [`SealedFile`]: a secret under a passphrase, of the root key's kind or another.
//! - [`Custody`]: generates keys, signs, rewraps; the envelope's layout stands at [`Custody`].
//! - [`Vault`]: custody in an instance, sealed or open; [`Unseal`] is a way to open it.
//! - [`Custodian`]: who makes keys and signs with them; [`SoftwareCustodian`] does so in memory, while the vault is open.
//! - [`NkeySigner`], [`Ed25519Signer`]: a signing key held open in memory.
//! - [`UserSeed`], [`seal_to`], [`CurveKey`]: delivery of a secret to the one who may have it.
//! - [`TaskKeys`], [`Custody::escrow`], [`Custody::release`], [`Custody::release_management_key`]: a token's
//!   task, and its secrets.
//! - [`Custody::seal_openpgp_key`], [`Custody::open_openpgp_key`]: keys that decrypt mail, and can be put on a person's next token.
//! - [`openpgp`]: certificates whose certify key stays offline, subkeys on cards.
//! - [`authority`]: the key of a certificate authority that is kept off all servers.
//! - [`keep_memory_to_itself`]: no core dump, and no debugger of the same user.
//! - [`check_public`]: whether bytes from somebody else are a public key.
//!
//! All cryptographic primitives come from aws-lc, RustCrypto (Argon2id) or NaCl (`crypto_box`, through `nkeys`); none is our own.
//!
//! *Invariant:* no type that holds a secret implements `Debug`, `Display`, `Clone` or `Serialize`; all of them wipe themselves when
//! dropped; no error contains a secret. One thing is not promised: memory is not locked against swapping, because no safe crate
//! offers that. Run the service with swap off or encrypted.

mod aead;
mod argon2id;
pub mod authority;
mod custodian;
mod custody;
mod dates;
mod delivery;
mod digits;
mod file;
mod file_error;
mod generate;
mod kdf;
mod mac;
mod material;
mod nkey;
mod opened;
pub mod openpgp;
mod output;
mod passphrase;
mod process;
mod public;
mod root;
mod sealed_file;
mod secret;
mod sign;
mod signer;
mod software;
mod task;
mod token_secrets;
mod under_passphrase;
mod unseal;
mod user;
mod vault;

pub use argon2id::{KdfCost, KdfError};
pub use custodian::{Custodian, CustodianError, Delivered, KeyKind, MadeKey, SecretHalf, Work};
pub use custody::Custody;
pub use delivery::{CurveKey, Delivery, DeliveryError, seal_to};
pub use file::{
    check_secret_directory, check_secret_file, read_credential_file, read_secret_file,
    replace_secret_file, write_secret_file,
};
pub use file_error::SecretFileError;
pub use generate::{GenerateError, Generated};
pub use mac::{MacKey, MacMismatch};
pub use material::{MaterialContext, OpenError, root_of};
pub use nkey::{NkeyKind, SeedError};
pub use opened::{MAX_OPEN_BYTES, MAX_OPEN_KEYS};
pub use output::{Existing, OutputFile, Readers, check_output, write_output};
pub use passphrase::{Passphrase, PassphraseError};
pub use process::keep_memory_to_itself;
pub use public::{CheckPublicError, check_public};
pub use root::{NotARootId, RootId, RootKey, RootKeyError};
pub use sealed_file::{Holds, SealedFile, SealedFileError};
pub use secret::Secret;
pub use sign::SignError;
pub use signer::{Ed25519Signer, NkeySigner};
pub use software::SoftwareCustodian;
pub use task::{EscrowError, MAX_TOKEN_SECRETS_BYTES, TaskKeys};
pub use token_secrets::{
    ManagementKeyAlgorithm, NotTokenSecrets, TokenDigits, TokenManagementKey, TokenSecrets,
};
pub use unseal::{ByLocalFile, ByPassphrase, Unseal, UnsealError};
pub use user::{CredsError, UserSeed};
pub use vault::{Vault, VaultSealed};

use keyledger_pki::exchange::Nonce;

/// The cryptographic provider failed, which does not happen on a sound machine.
///
/// It lacks memory or entropy: try again, and check the machine if it fails again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the cryptographic provider failed; the machine may be out of memory")]
pub struct ProviderFailure;

/// The nonce of a request to a machine without a network.
///
/// # Errors
///
/// [`ProviderFailure`].
pub fn nonce() -> Result<Nonce, ProviderFailure> {
    let mut random = [0; 32];
    aws_lc_rs::rand::fill(&mut random)?;
    Ok(Nonce(random))
}

impl From<aws_lc_rs::error::Unspecified> for ProviderFailure {
    fn from(_: aws_lc_rs::error::Unspecified) -> Self {
        Self
    }
}
