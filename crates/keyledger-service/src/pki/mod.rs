//! The organisation's certificate authorities: certificates over keys in the ledger, lists of what was revoked, authorities whose
//! key is on a machine without a network.
//!
//! *Invariant:* nothing here decides, and nothing here knows the form of a certificate, which is `keyledger-pki`'s to know. What is
//! found goes to the domain as facts.

mod authority;
mod certificates;
mod dates;
mod elsewhere;
mod error;
mod issued;
mod list_pages;
mod lists;
mod requests;
#[cfg(test)]
mod same_words;
mod wanted;

pub(crate) use authority::{fingerprint, public_key};
pub(crate) use certificates::{NewKey, certify, certify_new, for_slot};
pub(crate) use dates::moment;
pub(crate) use elsewhere::{crl_to_be_signed, installed, to_be_signed};
pub use error::CertifyError;
pub(crate) use issued::{authority_list, issued};
pub(crate) use list_pages::LastList;
pub(crate) use lists::crl;
pub(crate) use wanted::placeholder;
