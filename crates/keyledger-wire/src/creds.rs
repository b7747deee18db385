//! Creds files: whose they are, and connecting under that user's own inbox.
//!
//! Answers come to an inbox, and nats-server lets a user of Keyledger listen on its own alone: `_INBOX.{its nkey}.>`. Clients
//! of NATS use `_INBOX.>` unless they are told otherwise.

use std::{
    io,
    path::{Path, PathBuf},
};

use async_nats::ConnectOptions;
use data_encoding::BASE64URL_NOPAD;
use serde::Deserialize;

use keyledger_domain::{Role, Timestamp};

use crate::{Prefix, read_ordinary_text};

/// The beginning of the tag that names the role in a user's JWT. It is for people and clients: nats-server knows the role by the
/// signing key.
pub const ROLE_TAG: &str = "role:";

/// The largest size, in bytes, of a creds file or of another file that a connection needs. Real files are far smaller.
pub const MAX_BYTES: u64 = 1024 * 1024;

/// Whose creds they are, as the JWT in them says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The user's name.
    pub name: String,
    /// The user's public nkey.
    pub nkey: String,
    /// The public nkey of the user's account.
    pub account: String,
    /// The user's role, if it has one and its JWT says so: those of earlier versions do not.
    pub role: Option<Role>,
    /// When its JWT ends; nothing if it never does.
    pub expires_at: Option<Timestamp>,
}

/// Why a client cannot connect with these creds.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CredsError {
    /// The file was not read: the source says why.
    #[error("the creds file {} cannot be read", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the file system says.
        #[source]
        source: io::Error,
    },
    /// There is no user JWT in it: `keyledger user issue` and `nsc` write files that have one.
    #[error("{} is no creds file: there is no user JWT in it", path.display())]
    NoJwt {
        /// The file.
        path: PathBuf,
    },
}

impl Holder {
    /// Reads whose creds these are; nothing if there is no user JWT in them. Verifies nothing.
    #[must_use]
    pub fn of(creds: &str) -> Option<Self> {
        let mut lines = creds.lines();
        lines.find(|line| line.contains("BEGIN NATS USER JWT"))?;
        Self::of_jwt(lines.next()?)
    }

    /// Reads whose JWT this is; nothing if it is no user's. Verifies nothing.
    #[must_use]
    pub fn of_jwt(jwt: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Claims {
            #[serde(default)]
            name: String,
            #[serde(default)]
            exp: i64,
            sub: String,
            iss: String,
            nats: Nats,
        }
        #[derive(Deserialize)]
        struct Nats {
            issuer_account: Option<String>,
            #[serde(default)]
            tags: Vec<String>,
        }
        let claims = jwt.trim().split('.').nth(1)?;
        let claims = BASE64URL_NOPAD.decode(claims.as_bytes()).ok()?;
        let claims: Claims = serde_json::from_slice(&claims).ok()?;
        let mut tags = claims.nats.tags.iter();
        let role = tags.find_map(|tag| {
            let role = tag.strip_prefix(ROLE_TAG)?;
            Role::ALL.into_iter().find(|known| known.as_str() == role)
        });
        Some(Self {
            role,
            expires_at: (claims.exp != 0).then(|| Timestamp::from_seconds(claims.exp)),
            name: claims.name,
            nkey: claims.sub,
            account: claims.nats.issuer_account.unwrap_or(claims.iss),
        })
    }

    /// What the user's inboxes begin with.
    #[must_use]
    pub fn inbox(&self) -> String {
        Prefix::inbox(&self.nkey)
    }
}

/// Options to connect with as the user of a creds file, with answers to that user's own inbox.
///
/// # Errors
///
/// [`CredsError`].
pub async fn options(creds: &Path) -> Result<ConnectOptions, CredsError> {
    let failed = |source| CredsError::Io {
        path: creds.to_owned(),
        source,
    };
    let path = creds.to_owned();
    let read = tokio::task::spawn_blocking(move || read_ordinary_text(&path, MAX_BYTES));
    let text = read.await.map_err(|e| failed(io::Error::other(e)))?;
    let text = text.map_err(failed)?;
    let holder = Holder::of(&text).ok_or_else(|| CredsError::NoJwt {
        path: creds.to_owned(),
    })?;
    let options = ConnectOptions::with_credentials(&text).map_err(failed)?;
    Ok(options.custom_inbox_prefix(holder.inbox()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn creds(claims: &str) -> String {
        let claims = BASE64URL_NOPAD.encode(claims.as_bytes());
        format!(
            "-----BEGIN NATS USER JWT-----\nhead.{claims}.signature\n------END NATS USER JWT------\n"
        )
    }

    #[test]
    fn the_inbox_follows_from_the_creds() {
        let text = creds(
            r#"{"name":"orders","sub":"UORDERS","iss":"ASIGNING","nats":{"issuer_account":"AAPPS"}}"#,
        );
        let holder = Holder::of(&text).unwrap();
        assert_eq!(holder.inbox(), "_INBOX.UORDERS");
        assert_eq!((&*holder.name, &*holder.account), ("orders", "AAPPS"));
        assert_eq!(holder.role, None, "creds of an earlier version");
        let tagged = creds(
            r#"{"sub":"UX","iss":"A","exp":1000000000,"nats":{"issuer_account":"AAPPS","tags":["key:tls","role:service"]}}"#,
        );
        let tagged = Holder::of(&tagged).unwrap();
        assert_eq!(tagged.role, Some(Role::Service));
        assert_eq!(
            tagged.expires_at,
            Some(Timestamp::from_seconds(1_000_000_000))
        );
        let own = creds(r#"{"sub":"UX","iss":"AOWN","nats":{}}"#);
        assert_eq!(Holder::of(&own).unwrap().account, "AOWN");
    }

    #[tokio::test]
    async fn a_queue_is_not_waited_for() {
        let home = tempfile::tempdir().unwrap();
        let queue = home.path().join("x.creds");
        let made = std::process::Command::new("mkfifo").arg(&queue).status();
        assert!(made.unwrap().success());
        let refused = options(&queue).await.map(drop).unwrap_err();
        assert!(matches!(refused, CredsError::Io { .. }), "{refused}");
    }

    #[test]
    fn what_holds_no_jwt_is_no_creds() {
        for text in [
            "",
            "SUAKEY",
            "-----BEGIN NATS USER JWT-----\n",
            &creds("{}"),
        ] {
            assert_eq!(Holder::of(text), None, "{text}");
        }
    }
}
