//! Creds files: a user's JWT and seed in one file, as every NATS client reads it.

use zeroize::Zeroizing;

use crate::decode::{DecodeError, decode};
use crate::nkey::NkeyKind;
use crate::seed::{Seed, SeedError};
use crate::user::{UserBody, UserClaims};

/// The content of a creds file. Secret: it holds the seed.
#[derive(Debug)]
pub struct Creds {
    jwt: String,
    seed: Seed,
}

impl Creds {
    /// Joins a user's JWT and its seed.
    ///
    /// # Errors
    ///
    /// [`CredsError::Jwt`] if `jwt` is no user JWT, [`CredsError::NotUser`] if the seed is no user's,
    /// [`CredsError::Mismatch`] if they belong to two users.
    pub fn new(jwt: impl Into<String>, seed: Seed) -> Result<Self, CredsError> {
        let jwt = jwt.into().trim().to_owned();
        let claims = decode::<UserBody>(&jwt).map_err(CredsError::Jwt)?;
        let found = seed.public_nkey().kind();
        if found != NkeyKind::User {
            return Err(CredsError::NotUser { found });
        }
        if claims.sub != seed.public_nkey().as_str() {
            return Err(CredsError::Mismatch {
                jwt: claims.sub,
                seed: seed.public_nkey().to_string(),
            });
        }
        Ok(Self { jwt, seed })
    }

    /// Reads a creds file, with Unix or Windows line ends and any text around the two blocks.
    ///
    /// # Errors
    ///
    /// [`CredsError`]; a block that is missing or cut off is [`CredsError::NoBlock`].
    pub fn parse(text: &str) -> Result<Self, CredsError> {
        let jwt = block(text, JWT)?;
        let seed =
            Seed::new(Zeroizing::new(block(text, SEED)?.to_owned())).map_err(CredsError::Seed)?;
        Self::new(jwt, seed)
    }

    /// Writes the file, byte for byte as `nsc` does. Wiped when dropped.
    #[must_use]
    pub fn format(&self) -> Zeroizing<String> {
        let seed = self.seed.expose();
        // With its full size from the start: a buffer that grows leaves an unwiped copy in memory.
        let mut text = Zeroizing::new(String::with_capacity(self.jwt.len() + seed.len() + 1024));
        for part in [
            "-----BEGIN NATS USER JWT-----\n",
            &self.jwt,
            "\n------END NATS USER JWT------\n\n",
            WARNING,
            "-----BEGIN USER NKEY SEED-----\n",
            seed,
            "\n------END USER NKEY SEED------\n\n",
            "*************************************************************\n",
        ] {
            text.push_str(part);
        }
        text
    }

    /// The user's JWT.
    #[must_use]
    pub fn jwt(&self) -> &str {
        &self.jwt
    }

    /// The user's claims.
    #[must_use]
    pub fn claims(&self) -> UserClaims {
        decode(&self.jwt).expect("it was read when the creds were made")
    }

    /// The user's seed.
    #[must_use]
    pub fn seed(&self) -> &Seed {
        &self.seed
    }
}

const JWT: &str = "NATS USER JWT";
const SEED: &str = "USER NKEY SEED";

const WARNING: &str = "\
************************* IMPORTANT *************************
NKEY Seed printed below can be used to sign and prove identity.
NKEYs are sensitive and should be treated as secrets.

";

/// The one line between `-----BEGIN label-----` and `------END label------`, with 3 or more dashes.
fn block<'a>(text: &'a str, label: &'static str) -> Result<&'a str, CredsError> {
    let marks = |line: &str, word: &str| {
        let line = line.trim();
        line.starts_with("---")
            && line.ends_with("---")
            && line
                .trim_matches('-')
                .strip_prefix(word)
                .is_some_and(|rest| rest.trim() == label)
    };
    let mut lines = text.lines().skip_while(|line| !marks(line, "BEGIN "));
    lines.next();
    let (content, end) = (lines.next(), lines.next());
    match (content, end) {
        (Some(content), Some(end)) if marks(end, "END ") => Ok(content.trim()),
        _ => Err(CredsError::NoBlock { label }),
    }
}

/// Why a text is no creds file. It never contains the seed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CredsError {
    /// A block is missing or cut off: copy all of the file.
    #[error("no whole block -----BEGIN {label}-----: copy all of the creds file")]
    NoBlock {
        /// Which block.
        label: &'static str,
    },
    /// The JWT is no user JWT.
    #[error("the JWT of the creds is no user JWT")]
    Jwt(#[source] DecodeError),
    /// The seed is no seed.
    #[error("the seed of the creds is no seed")]
    Seed(#[source] SeedError),
    /// The seed does not belong to a user: remove it from the file.
    #[error("the seed is that of a {found}: creds hold a user's seed only")]
    NotUser {
        /// The kind of the seed.
        found: NkeyKind,
    },
    /// JWT and seed belong to two users: use the seed of the JWT's user.
    #[error("the JWT is about {jwt}, the seed is of {seed}: issue the creds again")]
    Mismatch {
        /// `sub` of the JWT.
        jwt: String,
        /// Public half of the seed.
        seed: String,
    },
}
