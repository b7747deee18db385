//! Tokens on this machine, through PC/SC: finding them, watching them, and sending them commands.
//!
//! | module | what |
//! |---|---|
//! | [`reader`](readers) | which tokens are plugged in, and when that changes |
//! | `seen` | what was seen in each reader, so that it need not be read again |
//! | `announcement` | what a token shows to anybody |
//! | `service` | the smart card service, and its readers |
//! | `line` | one connection and one transaction, held by a thread of its own |
//! | `apdu`, `tlv` | commands and answers (ISO 7816-4) |
//! | `piv`, `key`, `management_key` | the PIV applet (NIST SP 800-73-4, and Yubico's instructions) |
//! | `features` | the management applet: the token's model, its abilities and its serial number |
//! | `openpgp`, `fingerprint` | the OpenPGP applet (OpenPGP smart card application 3.4) |
//! | `holder` | which other program holds a token |
//! | `answers` | everything that is read from a card, for the fuzzer: a card may answer anything |
//!
//! This module speaks PIV itself instead of using the crate `yubikey`. That crate writes each command with its PIN to the log, does not
//! wipe the PIN from memory, begins a transaction for each command (so another program can come between PIN and signature), and reports
//! a withheld touch, a missing PIN and a broken answer as the same error. It also speaks OpenPGP itself: `openpgp-card` logs commands
//! with their PINs, and does not wipe deciphered secrets from memory.
//!
//! *Invariant:* no byte that is sent to a token or comes from it is logged. A PIN or key is wiped after it was sent. An open token has
//! shown its serial number in the same transaction.

mod announcement;
mod answers;
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

pub use answers::read_answers;
pub use error::{CardError, Reference};
pub use reader::{ReaderWatch, TokenFound, readers};

pub(crate) use announcement::{all_slots, announcement};
pub(crate) use holder::ask_scdaemon_to_let_go;
pub(crate) use management_key::ManagementKey;
pub(crate) use openpgp::{FACTORY_ADMIN_PIN, Openpgp, OpenpgpImport, OpenpgpKey, PinPurpose};
pub(crate) use piv::{FACTORY_PIN, FACTORY_PUK, Piv, ReferenceTries};
pub(crate) use reader::open;
pub(crate) use seen::walked;
