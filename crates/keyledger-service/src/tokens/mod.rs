//! What tokens need of the service: keys of a task, what cryptography finds in an agent's report, certificates.
//!
//! *Invariant:* nothing here decides. What is found goes to the domain as facts, and the domain's rules let it pass or not.

mod authorities;
mod certificates;
mod elsewhere;
mod escrow;
mod findings;
mod issued;
mod list_pages;
mod lists;
mod openpgp;
mod prepare;
mod requests;
mod secrets;
mod wanted;

pub(crate) use authorities::{authorities, to_trust};
pub use certificates::CertifyError;
pub(crate) use certificates::{NewKey, certify, certify_new, public_key};
pub(crate) use elsewhere::{crl_to_be_signed, installed, to_be_signed};
pub(crate) use escrow::{hand_over, recover};
pub(crate) use issued::{authority_list, issued};
pub(crate) use list_pages::LastList;
pub(crate) use lists::crl;
pub(crate) use openpgp::{
    authorized_keys, certificate as openpgp_certificate, certificate_of, published,
};
pub(crate) use prepare::{report, task};
pub(crate) use secrets::{Given, release, release_at};
pub use wanted::new_root;
pub(crate) use wanted::placeholder;
