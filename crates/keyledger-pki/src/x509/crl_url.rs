//! Where lists of revoked certificates are published.

use std::{fmt, str::FromStr};

use super::profile::is_crl_url;

/// What stands in the address for the authority's name.
const PLACE: &str = "{authority}";

/// The address of an authority's list, with a place for the authority's name: `http://pki.example.org/{authority}.crl`. It is
/// written into the certificates that the authority signs, for whoever checks them; somebody must publish the lists there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrlUrl(Box<str>);

/// Why a text is no address of lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "write an address like http://pki.example.org/{PLACE}.crl, of at most 180 characters: http, since https would need a certificate to \
     check a certificate, and with {PLACE}, since each authority has a list of its own"
)]
pub struct NotACrlUrl;

impl CrlUrl {
    /// The address of the list of the authority `name`, of up to 63 letters, digits, hyphens and underscores.
    #[must_use]
    pub fn of(&self, name: &str) -> String {
        self.0.replace(PLACE, name)
    }
}

impl FromStr for CrlUrl {
    type Err = NotACrlUrl;

    fn from_str(text: &str) -> Result<Self, NotACrlUrl> {
        let tried = text.replace(PLACE, "x");
        // A name has up to 63 characters, and the whole 255.
        if text.len() <= 180 && tried != text && is_crl_url(&tried) {
            Ok(Self(text.into()))
        } else {
            Err(NotACrlUrl)
        }
    }
}

impl fmt::Display for CrlUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_place_for_the_authority() {
        let url: CrlUrl = "http://pki.example.org/{authority}.crl".parse().unwrap();
        assert_eq!(
            url.of("issuing-ca"),
            "http://pki.example.org/issuing-ca.crl"
        );
        for bad in [
            "",
            "http://pki.example.org/list.crl",
            "https://pki.example.org/{authority}.crl",
            "ldap://pki.example.org/{authority}",
            "http:///{authority}",
            "http://pki example/{authority}.crl",
            &format!("http://{}/{{authority}}", "x".repeat(180)),
        ] {
            assert_eq!(bad.parse::<CrlUrl>(), Err(NotACrlUrl), "{bad}");
        }
    }
}
