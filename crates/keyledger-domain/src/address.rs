//! What a certificate may name besides its subject: hosts, IP addresses, e-mail addresses. Read at the edge, so that what is wrong
//! names its own field.

use std::{fmt, net::IpAddr, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, de::Error};

use crate::text::Title;

/// The most bytes of an e-mail address: what a title has, since that is how it is kept.
const MAX_EMAIL_BYTES: usize = 128;

/// A host's name in ASCII (RFC 1123), in lower case; a first label `*` stands for any.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct HostName(#[schemars(length(min = 1, max = 253))] Box<str>);

/// An e-mail address in ASCII, `local@domain`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct EmailAddress(#[schemars(length(min = 3, max = 128))] Box<str>);

/// An IP address, of version 4 or 6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct IpAddress(#[schemars(with = "String")] IpAddr);

/// Why a text is no address of its kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAnAddress {
    /// A host's name is asked for, and this is an IP address.
    #[error("{0} is an IP address, not a host name; use ip_addresses")]
    IpAddress(String),
    /// A host's name is asked for, and this is none.
    #[error("{0:?} is not a host name like www.example.org or *.example.org")]
    Host(String),
    /// A host's name is asked for, and this one is not in ASCII.
    #[error("{0:?} is not in ASCII: write the name as DNS has it, which begins with xn--")]
    NotAscii(String),
    /// An IP address is asked for, and this is none.
    #[error(
        "{0:?} is not an IP address like 192.0.2.1 or 2001:db8::1; names of hosts go into dns_names"
    )]
    Ip(String),
    /// An e-mail address is asked for, and this is none.
    #[error("{0:?} is not an e-mail address in ASCII like ada@example.org")]
    Email(String),
}

impl HostName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for HostName {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        if text.parse::<IpAddr>().is_ok() {
            return Err(NotAnAddress::IpAddress(shortened(text)));
        }
        if !text.is_ascii() {
            return Err(NotAnAddress::NotAscii(shortened(text)));
        }
        if !is_host(text) {
            return Err(NotAnAddress::Host(shortened(text)));
        }
        Ok(Self(text.to_ascii_lowercase().into()))
    }
}

impl EmailAddress {
    /// The address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<EmailAddress> for Title {
    /// As events keep it, which were written before addresses had a type.
    fn from(address: EmailAddress) -> Self {
        Self::new(&address.0).expect("printable ASCII of at most 128 bytes is a title")
    }
}

impl FromStr for EmailAddress {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        let sound = text.split_once('@').is_some_and(|(local, domain)| {
            !local.is_empty() && !domain.is_empty() && !domain.contains('@')
        });
        let plain = text
            .bytes()
            .all(|b| b.is_ascii_graphic() && !b"<>,;\"".contains(&b));
        if sound && plain && text.len() <= MAX_EMAIL_BYTES {
            Ok(Self(text.into()))
        } else {
            Err(NotAnAddress::Email(shortened(text)))
        }
    }
}

impl IpAddress {
    /// The address.
    #[must_use]
    pub const fn get(self) -> IpAddr {
        self.0
    }
}

impl FromStr for IpAddress {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        let address = text
            .parse()
            .map_err(|_| NotAnAddress::Ip(shortened(text)))?;
        Ok(Self(address))
    }
}

macro_rules! read_as_text {
    ($($name:ident),+) => {$(
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(Error::custom)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    )+};
}
read_as_text!(HostName, EmailAddress, IpAddress);

/// True of a name that DNS can have and that nobody takes for an address.
#[must_use]
pub fn is_host(text: &str) -> bool {
    let host = text.strip_prefix("*.").unwrap_or(text);
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let is_address = host.rsplit('.').next().is_some_and(is_number);
    host.len() <= 253 && host.split('.').all(label) && !is_address
}

/// What ends in a number is no host's name, but an IP address to whoever takes it for one (`1.2.3.4`, `127.1`, `0x7f000001`).
fn is_number(label: &str) -> bool {
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let hex = |text: &str| text.bytes().all(|b| b.is_ascii_hexdigit());
    let prefixed = label.strip_prefix("0x").or(label.strip_prefix("0X"));
    digits(label) || prefixed.is_some_and(hex)
}

fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}
