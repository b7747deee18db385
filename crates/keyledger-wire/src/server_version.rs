//! Which versions of nats-server Keyledger works with.

use std::{fmt, str::FromStr};

/// A version of nats-server, ordered as semantic versions are: `2.15.1-RC.1` comes before `2.15.1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ServerVersion {
    major: u32,
    minor: u32,
    patch: u32,
    /// False of a release candidate and the like. Their names are not compared: no minimum is one of them.
    is_release: bool,
}

/// This text names no version of nats-server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is no version such as 2.15.1")]
pub struct NotAVersion;

/// A server that Keyledger does not work with: upgrade it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "nats-server {name} has version {version:?}, and Keyledger needs {} or later: {}; {}",
    ServerVersion::MINIMUM,
    ServerVersion::WHY,
    ServerVersion::REMEDY
)]
pub struct UnsupportedServer {
    /// The server's name.
    pub name: String,
    /// Its version, as it says.
    pub version: String,
}

impl ServerVersion {
    /// The oldest version that Keyledger works with.
    pub const MINIMUM: Self = Self {
        major: 2,
        minor: 15,
        patch: 1,
        is_release: true,
    };

    /// What older servers do to a ledger.
    pub const WHY: &'static str = "older ones can check an event of an atomic batch against another event's history, and can lose \
         acknowledged events although `sync_interval: always` is set";

    /// What to do about an older server.
    pub const REMEDY: &'static str = "upgrade every server, then start Keyledger again";

    /// True if Keyledger works with it.
    #[must_use]
    pub fn is_supported(self) -> bool {
        self >= Self::MINIMUM
    }

    /// Checks the version that a server says it has.
    ///
    /// # Errors
    ///
    /// [`UnsupportedServer`] if it is older than [`Self::MINIMUM`], or is no version at all.
    pub fn check(name: &str, version: &str) -> Result<(), UnsupportedServer> {
        match version.parse::<Self>() {
            Ok(parsed) if parsed.is_supported() => Ok(()),
            Ok(_) | Err(NotAVersion) => Err(UnsupportedServer {
                name: name.to_owned(),
                version: version.to_owned(),
            }),
        }
    }
}

impl FromStr for ServerVersion {
    type Err = NotAVersion;

    /// Reads `2.15.1`, `v2.15.1`, `2.16.0-RC.1` and `2.15.1+build`.
    fn from_str(text: &str) -> Result<Self, NotAVersion> {
        let text = text.trim();
        let text = text.strip_prefix('v').unwrap_or(text);
        let (version, _build) = text.split_once('+').unwrap_or((text, ""));
        let (numbers, is_release) = match version.split_once('-') {
            Some((numbers, _candidate)) => (numbers, false),
            None => (version, true),
        };
        let mut numbers = numbers.split('.').map(str::parse);
        let mut number = || numbers.next().and_then(Result::ok).ok_or(NotAVersion);
        let version = Self {
            major: number()?,
            minor: number()?,
            patch: number()?,
            is_release,
        };
        numbers
            .next()
            .is_none()
            .then_some(version)
            .ok_or(NotAVersion)
    }
}

impl fmt::Display for ServerVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            major,
            minor,
            patch,
            is_release,
        } = self;
        write!(f, "{major}.{minor}.{patch}")?;
        if *is_release {
            Ok(())
        } else {
            f.write_str("-pre")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_in_the_order_of_their_releases() {
        let versions = [
            "v2.9.25",
            "2.14.0",
            "2.15.0",
            "2.15.1-RC.2",
            "2.15.1+build",
            "2.15.10",
            "2.16.0-dev",
            "2.16.0",
            "10.0.0",
        ];
        let parsed = versions.map(|version| version.parse::<ServerVersion>().unwrap());
        assert!(parsed.is_sorted(), "{parsed:?}");
        let supported: Vec<_> = parsed
            .iter()
            .map(|version| version.is_supported())
            .collect();
        assert_eq!(
            supported.iter().filter(|is| !**is).count(),
            4,
            "{supported:?}"
        );
        assert_eq!("2.15.1".parse(), Ok(ServerVersion::MINIMUM));
        assert_eq!(ServerVersion::MINIMUM.to_string(), "2.15.1");
    }

    #[test]
    fn a_server_is_supported_only_if_it_says_a_version_that_is() {
        assert_eq!(ServerVersion::check("a", "2.15.3"), Ok(()));
        for version in [
            "2.15.0",
            "2.12.0",
            "2.15.1-RC.1",
            "2.15",
            "2.15.1.2",
            "new",
            "",
        ] {
            let error = ServerVersion::check("a", version).unwrap_err();
            let said = error.to_string();
            assert!(
                said.starts_with(&format!("nats-server a has version {version:?}")),
                "{said}"
            );
            assert!(said.contains("2.15.1 or later"), "{said}");
            assert!(said.contains("upgrade every server"), "{said}");
        }
    }
}
