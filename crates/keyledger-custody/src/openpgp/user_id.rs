//! User ids: `Alice <alice@example.org>`.

use std::{fmt, str::FromStr};

use keyledger_domain::text::{Line, NotALine};
use serde::{Deserialize, Serialize};

/// The owner of a certificate as mail programs show it: a name, an address, or both.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UserId(Line<255>);

/// Why a text is not a user id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotAUserId {
    /// It is no line of plain text: write one without invisible characters.
    #[error(transparent)]
    Line(#[from] NotALine),
    /// It contains no valid address: write `Name <local@domain>`.
    #[error("write a user id like `Alice Archer <alice@example.org>`, or an address alone")]
    Address,
}

impl UserId {
    /// Reads a user id of at most 255 bytes.
    ///
    /// # Errors
    ///
    /// [`NotAUserId`].
    pub fn new(text: &str) -> Result<Self, NotAUserId> {
        let line = Line::new(text)?;
        if text.trim() != text {
            return Err(NotAUserId::Address);
        }
        match address(text) {
            Some(address) if is_address(address) => Ok(Self(line)),
            None if !text.contains(['<', '>', '@']) => Ok(Self(line)),
            _ => Err(NotAUserId::Address),
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The mail address in it, as it is written.
    #[must_use]
    pub fn address(&self) -> Option<&str> {
        address(self.as_str())
    }

    /// Local part and domain of the address, as they are written.
    #[must_use]
    pub fn mailbox(&self) -> Option<(&str, &str)> {
        self.address()?.rsplit_once('@')
    }
}

fn address(text: &str) -> Option<&str> {
    match text.split_once('<') {
        Some((_, rest)) => rest.strip_suffix('>'),
        None => Some(text).filter(|text| text.contains('@')),
    }
}

fn is_address(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else {
        return false;
    };
    let local_letter = |c: char| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c);
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    !local.is_empty() && local.chars().all(local_letter) && domain.split('.').all(label)
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for UserId {
    type Err = NotAUserId;

    fn from_str(text: &str) -> Result<Self, NotAUserId> {
        Self::new(text)
    }
}

impl TryFrom<String> for UserId {
    type Error = NotAUserId;

    fn try_from(text: String) -> Result<Self, NotAUserId> {
        Self::new(&text)
    }
}

impl From<UserId> for String {
    fn from(id: UserId) -> Self {
        id.as_str().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_ids_are_names_and_addresses() {
        let mailbox = |text: &str| {
            let id = UserId::new(text).unwrap();
            id.mailbox().map(|(l, d)| (l.to_owned(), d.to_owned()))
        };
        let alice = Some(("alice".to_owned(), "example.org".to_owned()));
        assert_eq!(mailbox("Alice Archer (work) <alice@example.org>"), alice);
        assert_eq!(mailbox("alice@example.org"), alice);
        assert_eq!(mailbox("Alice Archer"), None);
        for bad in [
            "",
            " Alice",
            "Alice\u{202e}",
            "a@b@c",
            "Alice <alice>",
            "Alice <a@b> x",
            "Alice <a@../x>",
            "<a@b",
            "Alice <a b@c.d>",
            "a/@-x.org",
            "Alice <<a@b>>",
        ] {
            assert!(UserId::new(bad).is_err(), "{bad:?}");
        }
    }
}
