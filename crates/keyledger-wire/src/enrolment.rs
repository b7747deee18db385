//! An enrolment: what an administrator hands to a workstation's agent. One JSON file, without any secret.

use keyledger_domain::{
    Name,
    form::{self, NotOfForm},
};
use serde::{Deserialize, Serialize};

use crate::Prefix;

/// The longest list of servers, in bytes.
const MAX_URL_BYTES: usize = 2048;
/// The longest JWT, in bytes.
const MAX_JWT_BYTES: usize = 16 * 1024;
/// The most signers. The ledger's signing key is rotated, so a few of its versions are in use at once.
const MAX_SIGNERS: usize = 32;

/// What an agent needs to know besides its own seeds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Enrolment {
    /// [`Enrolment::VERSION`].
    pub version: u32,
    /// The workstation: the name of the agent's user.
    pub workstation: Name,
    /// Servers, joined by commas.
    pub url: String,
    /// What all subjects begin with.
    pub prefix: String,
    /// The agent's user JWT.
    pub jwt: String,
    /// The public nkeys that sign for the ledger. The agent carries out no task that another key signed.
    pub signers: Vec<String>,
    /// The operator's public nkey, `O…`.
    pub operator: String,
}

/// Why a file is no enrolment. Ask the administrator for another: `keyledger agent enrol` writes it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotAnEnrolment {
    /// It is too large.
    #[error("it has more than {} bytes", Enrolment::MAX_BYTES)]
    TooLong,
    /// It is of another version: one of the two programs is older.
    #[error("it is of version {0}, and this program reads version {version}: use one of the same version", version = Enrolment::VERSION)]
    Version(u64),
    /// It is no JSON of the form.
    #[error("it is not what `keyledger agent enrol` writes")]
    Form(#[source] serde_json::Error),
    /// A field has a value that it cannot have.
    #[error("its {field} is not {expected}")]
    Field {
        /// Which.
        field: &'static str,
        /// What it should be.
        expected: &'static str,
    },
}

impl Enrolment {
    /// The version that is written.
    pub const VERSION: u32 = 1;
    /// The largest file that is read, in bytes: a JWT has 2 KiB, and nothing here comes near.
    pub const MAX_BYTES: usize = 64 * 1024;

    /// Reads a file.
    ///
    /// # Errors
    ///
    /// [`NotAnEnrolment`] says what is wrong with it.
    pub fn read(bytes: &[u8]) -> Result<Self, NotAnEnrolment> {
        if bytes.len() > Self::MAX_BYTES {
            return Err(NotAnEnrolment::TooLong);
        }
        let enrolment: Self = form::read(bytes).map_err(|fault| match fault {
            NotOfForm::Malformed(error) => NotAnEnrolment::Form(error),
            NotOfForm::OtherVersion(found) => NotAnEnrolment::Version(found),
        })?;
        enrolment.check()?;
        Ok(enrolment)
    }

    /// Checks the fields of an enrolment that was read, or that is about to be written.
    ///
    /// # Errors
    ///
    /// [`NotAnEnrolment::Field`].
    pub fn check(&self) -> Result<(), NotAnEnrolment> {
        let hold = |is: bool, field, expected| {
            if is {
                Ok(())
            } else {
                Err(NotAnEnrolment::Field { field, expected })
            }
        };
        hold(
            is_url(&self.url),
            "url",
            "a list of servers like tls://nats.example.org:4222",
        )?;
        hold(
            self.prefix.parse::<Prefix>().is_ok(),
            "prefix",
            "names joined by dots, like keys",
        )?;
        hold(
            is_jwt(&self.jwt),
            "jwt",
            "three parts of base64url with dots between",
        )?;
        let signers = &self.signers;
        hold(
            (1..=MAX_SIGNERS).contains(&signers.len()) && signers.iter().all(|s| is_nkey(s)),
            "signers",
            "a list of 1 to 32 public nkeys",
        )?;
        hold(
            is_nkey(&self.operator) && self.operator.starts_with('O'),
            "operator",
            "a public nkey that begins with O",
        )
    }
}

fn is_url(url: &str) -> bool {
    let is_one = |one: &str| {
        // As clients read it, the scheme may be left out.
        let (scheme, rest) = one.split_once("://").unwrap_or(("nats", one));
        let rest = ["nats", "tls", "ws", "wss"]
            .contains(&scheme)
            .then_some(rest);
        rest.is_some_and(|rest| {
            // No user and no password: an agent logs in by its JWT.
            !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_graphic() && b != b'@')
        })
    };
    url.len() <= MAX_URL_BYTES && url.split(',').all(is_one)
}

fn is_jwt(jwt: &str) -> bool {
    let is_part = |part: &str| {
        let in_alphabet = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        !part.is_empty() && part.bytes().all(in_alphabet)
    };
    jwt.len() <= MAX_JWT_BYTES && jwt.split('.').count() == 3 && jwt.split('.').all(is_part)
}

/// Checks the form of a public nkey. Its checksum is checked where it is used.
fn is_nkey(text: &str) -> bool {
    let in_alphabet = |b: u8| matches!(b, b'A'..=b'Z' | b'2'..=b'7');
    text.len() == 56 && text.starts_with(['O', 'A', 'U']) && text.bytes().all(in_alphabet)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn valid() -> Value {
        json!({
            "version": 1, "workstation": "alice-laptop",
            "url": "tls://a.example.org:4222,tls://b.example.org:4222", "prefix": "acme.keys",
            "jwt": "eyJ0.eyJz.c2ln", "signers": [format!("A{}", "A".repeat(55))],
            "operator": format!("O{}", "A".repeat(55)),
        })
    }

    #[test]
    fn what_is_written_is_read() {
        let enrolment = Enrolment::read(valid().to_string().as_bytes()).unwrap();
        let again = serde_json::to_vec(&enrolment).unwrap();
        assert_eq!(Enrolment::read(&again).unwrap(), enrolment);
    }

    #[test]
    fn every_wrong_field_is_named() {
        let many = vec![format!("A{}", "A".repeat(55)); 33];
        for (field, wrong) in [
            ("url", json!("")),
            ("url", json!("http://a")),
            ("url", json!("nats://")),
            ("url", json!("nats://user:password@a")),
            ("url", json!("nats://a\nb")),
            ("url", json!(format!("nats://{}", "a".repeat(2048)))),
            ("prefix", json!("svc.keys")),
            ("jwt", json!("a.b")),
            ("jwt", json!("a.b.c d")),
            ("jwt", json!("a".repeat(17_000))),
            ("signers", json!([])),
            ("signers", json!(["AAAA"])),
            ("signers", json!(many)),
            ("operator", json!(format!("A{}", "A".repeat(55)))),
        ] {
            let mut file = valid();
            file[field] = wrong.clone();
            let error = Enrolment::read(file.to_string().as_bytes()).unwrap_err();
            let named = matches!(error, NotAnEnrolment::Field { field: f, .. } if f == field);
            assert!(named, "{field} {wrong}: {error}");
        }
    }

    #[test]
    fn another_version_is_told_apart_from_rubbish() {
        let newer = json!({ "version": 2, "anything": true }).to_string();
        assert!(matches!(
            Enrolment::read(newer.as_bytes()),
            Err(NotAnEnrolment::Version(2))
        ));
        let mut more = valid();
        more["seed"] = json!("SU");
        for rubbish in [more.to_string(), "{}".to_owned(), "-----".to_owned()] {
            let read = Enrolment::read(rubbish.as_bytes());
            assert!(matches!(read, Err(NotAnEnrolment::Form(_))), "{rubbish}");
        }
        assert!(matches!(
            Enrolment::read(&vec![b' '; Enrolment::MAX_BYTES + 1]),
            Err(NotAnEnrolment::TooLong)
        ));
    }
}
