//! Tokens on this machine, through PC/SC: finding, watching, commanding them.
//!
//! | module | what |
//! |---|---|
//! | [`reader`](readers) | which tokens are plugged in, and when that changes |
//! | `looks` | what was seen in each reader, and is not looked at again |
//! | `service` | the smart card service, and its readers |
//! | `line` | one connection and one transaction, held by a thread of its own |
//! | `apdu`, `tlv` | commands and answers (ISO 7816-4) |
//! | `piv`, `key`, `management_key` | the PIV applet (NIST SP 800-73-4, and Yubico's instructions) |
//! | `features` | the management applet: what a token is, and its serial number |
//! | `openpgp`, `fingerprint` | the OpenPGP applet (OpenPGP smart card application 3.4) |
//! | `holder` | who else holds a token |
//!
//! PIV is spoken here and not by the crate `yubikey`: that one writes each command with its PIN to the log, keeps the PIN in
//! memory unwiped, begins a transaction for each command (so that another program comes between PIN and signature), and folds
//! a withheld touch, a missing PIN and a broken answer into one error. OpenPGP is spoken here too, over the same
//! line: `openpgp-card` as well logs commands with their PINs, and answers with deciphered secrets, from memory that nobody wipes.
//!
//! *Invariant:* no byte that is sent to a token or comes from it is logged; a PIN or a key that is sent is wiped; whoever opens a
//! token has seen its serial number in the same transaction.

mod announcement;
mod apdu;
mod error;
mod features;
mod fingerprint;
mod holder;
mod key;
mod line;
mod management_key;
mod openpgp;
mod piv;
mod reader;
mod seen;
mod service;
mod tlv;

pub use error::{CardError, Reference};
pub use reader::{ReaderWatch, TokenFound, readers};

pub(crate) use announcement::{all_slots, announcement};
pub(crate) use holder::ask_scdaemon_to_let_go;
pub(crate) use management_key::ManagementKey;
pub(crate) use openpgp::{FACTORY_ADMIN_PIN, Openpgp, OpenpgpImport, OpenpgpKey, PinPurpose};
pub(crate) use piv::{FACTORY_PIN, FACTORY_PUK, Piv, ReferenceTries};
pub(crate) use reader::open;
pub(crate) use seen::walked;
