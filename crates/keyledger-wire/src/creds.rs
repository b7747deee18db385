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

use crate::Prefix;

/// Whose creds they are, as the JWT in them says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The user's name.
    pub name: String,
    /// The user's public nkey.
    pub nkey: String,
    /// The public nkey of the user's account.
    pub account: String,
}

/// Why creds cannot be connected with.
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
        #[derive(Deserialize)]
        struct Claims {
            #[serde(default)]
            name: String,
            sub: String,
            iss: String,
            nats: Nats,
        }
        #[derive(Deserialize)]
        struct Nats {
            issuer_account: Option<String>,
        }
        let mut lines = creds.lines();
        lines.find(|line| line.contains("BEGIN NATS USER JWT"))?;
        let claims = lines.next()?.trim().split('.').nth(1)?;
        let claims = BASE64URL_NOPAD.decode(claims.as_bytes()).ok()?;
        let claims: Claims = serde_json::from_slice(&claims).ok()?;
        Some(Self {
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
    let text = tokio::fs::read_to_string(creds).await.map_err(failed)?;
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
        let own = creds(r#"{"sub":"UX","iss":"AOWN","nats":{}}"#);
        assert_eq!(Holder::of(&own).unwrap().account, "AOWN");
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
