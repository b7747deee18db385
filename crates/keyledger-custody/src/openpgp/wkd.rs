//! A Web Key Directory: how mail programs find a certificate by its address.
//!
//! The advanced method of draft-koch-openpgp-webkey-service: `https://openpgpkey.DOMAIN/.well-known/openpgpkey/DOMAIN/hu/HASH`.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use data_encoding::{Encoding, Specification};
use keyledger_domain::Timestamp;

use super::{public::Certificate, summary::Standing, user_id::UserId};

/// The files of a directory by their relative paths, with `/`. A web server should serve these files and nothing else.
pub type Tree = BTreeMap<String, Vec<u8>>;

/// The tree of these certificates, for the domains in `domains`, or for all domains if it is empty.
///
/// Expired and revoked certificates are published too, because others learn of it in this way. Each file holds the certificates of one
/// address, the valid ones first. Each certificate has only the user id with that address.
#[must_use]
pub fn tree(certificates: &[Certificate], domains: &[String], now: Timestamp) -> Tree {
    let mut tree = Tree::new();
    let mut sorted: Vec<_> = certificates.iter().collect();
    sorted.sort_by_key(|c| {
        let is_valid = c.standing(now) == Standing::Valid;
        (!is_valid, std::cmp::Reverse(c.created()))
    });
    for certificate in sorted {
        for view in certificate.user_ids() {
            let Some(place) = place(&view.id) else {
                continue;
            };
            let wanted = domains.is_empty()
                || domains
                    .iter()
                    .any(|d| d.eq_ignore_ascii_case(&place.domain));
            let Some(slim) = certificate.with_only(&view.id).filter(|_| wanted) else {
                continue;
            };
            let file = tree.entry(place.path()).or_default();
            file.extend(slim.to_bytes());
            tree.entry(place.policy()).or_default();
        }
    }
    tree
}

/// The place of the certificate of an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    domain: String,
    hash: String,
}

/// The place of the certificate of a user id; `None` if it has no address.
#[must_use]
pub fn place(id: &UserId) -> Option<Place> {
    let (local, domain) = id.mailbox()?;
    Some(Place {
        domain: domain.to_ascii_lowercase(),
        hash: hash(local),
    })
}

impl Place {
    /// The hash of the address's local part: 32 characters.
    #[must_use]
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// The domain, in small letters.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The path of the file in the tree.
    #[must_use]
    pub fn path(&self) -> String {
        format!("{}/hu/{}", self.directory(), self.hash)
    }

    /// The path of the policy, an empty file. Without it programs ask for no certificate.
    #[must_use]
    pub fn policy(&self) -> String {
        format!("{}/policy", self.directory())
    }

    fn directory(&self) -> String {
        let domain = &self.domain;
        format!("openpgpkey.{domain}/.well-known/openpgpkey/{domain}")
    }
}

/// SHA-1 of the local part in small letters, in z-base-32 (RFC 6189 §5.1.6).
fn hash(local: &str) -> String {
    let local = local.to_ascii_lowercase();
    let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, local.as_bytes());
    z_base_32().encode(hash.as_ref())
}

fn z_base_32() -> Encoding {
    let mut specification = Specification::new();
    specification
        .symbols
        .push_str("ybndrfg8ejkmcpqxot1uwisza345h769");
    specification.encoding().expect("32 different symbols")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_draft() {
        let place = place(&UserId::new("Joe Doe <Joe.Doe@Example.ORG>").unwrap()).unwrap();
        assert_eq!(
            place.path(),
            "openpgpkey.example.org/.well-known/openpgpkey/example.org/hu/iy9q119eutrkn8s1mk4r39qejnbu3n5q"
        );
        assert_eq!(
            place.policy(),
            "openpgpkey.example.org/.well-known/openpgpkey/example.org/policy"
        );
    }
}
