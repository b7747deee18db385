//! The agent's settings: `agent.toml`, and the JWT beside it.

use std::{
    io,
    path::{Path, PathBuf},
};

use async_nats::ServerAddr;
use data_encoding::BASE64URL_NOPAD;
use keyledger_custody::{SecretFileError, read_secret_file, replace_secret_file};
use keyledger_domain::{Name, Timestamp};
use keyledger_wire::{Enrolment, Prefix, read_ordinary_text, subject::NotAPrefix};
use serde::Deserialize;

use crate::person::NewPin;

/// The settings' file.
pub const CONFIG_FILE: &str = "agent.toml";
/// The file of the agent's JWT.
pub const JWT_FILE: &str = "agent.jwt";
/// The largest settings that are read, in bytes.
const MAX_BYTES: u64 = 64 * 1024;

/// The agent warns of its JWT's end from this many days before it.
const WARN_DAYS: i64 = 14;

/// The agent's settings.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentConfig {
    /// This workstation.
    pub workstation: Name,
    /// URLs of the servers, joined by commas.
    pub url: String,
    /// The prefix of all subjects.
    pub prefix: String,
    /// The operator's public nkey.
    pub operator: String,
    /// The public nkeys that sign for the ledger.
    pub signers: Vec<String>,
    /// The CA that the server's certificate must come from.
    #[serde(default)]
    pub tls_ca: Option<PathBuf>,
    /// The program that asks for PINs.
    #[serde(default = "pinentry")]
    pub pinentry: String,
    /// Whether the person chooses new PINs, or the agent makes them.
    #[serde(default)]
    pub pin: NewPin,
}

fn pinentry() -> String {
    "pinentry".to_owned()
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The agent is not enrolled: do what the message says.
    #[error("this workstation is not enrolled: there is no {}", path.display())]
    NotEnrolled {
        /// The file that is missing.
        path: PathBuf,
    },
    /// The file is not valid: correct the line that the source names.
    #[error("{}", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// The prefix is not valid.
    #[error("prefix in {} is not valid", path.display())]
    Prefix {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: NotAPrefix,
    },
    /// A URL is not valid.
    #[error("url in {} is not valid", path.display())]
    Url {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: io::Error,
    },
    /// The list of the keys that sign for the ledger is empty.
    #[error(
        "signers in {}: name at least one public nkey; without one, no task is trusted",
        path.display()
    )]
    NoSigners {
        /// The file.
        path: PathBuf,
    },
    /// It cannot be read.
    #[error("{}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file cannot be read or written: the source says why.
    #[error("the agent's settings")]
    File(#[from] SecretFileError),
    /// The JWT is not this agent's.
    #[error(transparent)]
    Jwt(#[from] AgentJwtError),
}

/// Why a JWT is not this agent's.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AgentJwtError {
    /// The file holds something else.
    #[error("{} holds no JWT", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
        /// The place where it is not text.
        #[source]
        source: std::str::Utf8Error,
    },
    /// It is no JWT, or not one of a NATS user.
    #[error("it holds no JWT of a NATS user")]
    NotAUsers,
    /// It is another agent's.
    #[error("it is for the agent {theirs}, and this one is {ours}")]
    AnotherAgents {
        /// Whose it is.
        theirs: String,
        /// This agent's public nkey.
        ours: String,
    },
}

impl AgentConfig {
    /// Reads the settings in `directory`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`].
    pub fn read(directory: &Path) -> Result<Self, ConfigError> {
        let path = directory.join(CONFIG_FILE);
        let text = read_ordinary_text(&path, MAX_BYTES).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => ConfigError::NotEnrolled { path: path.clone() },
            _ => ConfigError::Io {
                path: path.clone(),
                source,
            },
        })?;
        let config: Self = toml::from_str(&text).map_err(|source| ConfigError::Form {
            path: path.clone(),
            source: Box::new(source),
        })?;
        config.prefix().map_err(|source| ConfigError::Prefix {
            path: path.clone(),
            source,
        })?;
        config.servers().map_err(|source| ConfigError::Url {
            path: path.clone(),
            source,
        })?;
        if config.signers.is_empty() {
            return Err(ConfigError::NoSigners { path });
        }
        Ok(config)
    }

    /// The prefix of all subjects.
    ///
    /// # Errors
    ///
    /// If it is not valid.
    pub fn prefix(&self) -> Result<Prefix, NotAPrefix> {
        self.prefix.parse()
    }

    /// The servers to connect to.
    ///
    /// # Errors
    ///
    /// If one of them is not the URL of a server.
    pub fn servers(&self) -> io::Result<Vec<ServerAddr>> {
        self.url.split(',').map(|one| one.trim().parse()).collect()
    }

    /// Writes the settings that an enrolment names; the others stay as they were set here.
    ///
    /// # Errors
    ///
    /// [`ConfigError`]. A crash leaves either the old settings or the new ones, never a mixture.
    pub fn accept(directory: &Path, enrolment: &Enrolment) -> Result<Self, ConfigError> {
        let before = match Self::read(directory) {
            Ok(config) => Some(config),
            Err(ConfigError::NotEnrolled { .. }) => None,
            Err(error) => return Err(error),
        };
        let config = Self {
            workstation: enrolment.workstation.clone(),
            url: enrolment.url.clone(),
            prefix: enrolment.prefix.clone(),
            operator: enrolment.operator.clone(),
            signers: enrolment.signers.clone(),
            tls_ca: before.as_ref().and_then(|config| config.tls_ca.clone()),
            pinentry: before
                .as_ref()
                .map_or_else(pinentry, |c| c.pinentry.clone()),
            pin: before.map_or_else(NewPin::default, |config| config.pin),
        };
        // The JWT first: a server refuses an agent that has new settings and an old JWT.
        replace_secret_file(&directory.join(JWT_FILE), enrolment.jwt.as_bytes())?;
        replace_secret_file(&directory.join(CONFIG_FILE), config.to_toml().as_bytes())?;
        Ok(config)
    }

    fn to_toml(&self) -> String {
        // A JSON string of one line is a basic string of TOML.
        let quoted = |text: &str| serde_json::to_string(text).expect("a text is JSON");
        let signers: Vec<_> = self.signers.iter().map(|s| quoted(s)).collect();
        let tls_ca = self.tls_ca.as_ref().map_or_else(
            || "# tls_ca = \"/etc/ssl/nats-ca.pem\"".to_owned(),
            |path| format!("tls_ca = {}", quoted(&path.display().to_string())),
        );
        format!(
            "# Written by `keyledger-agent enrol --accept`. Restart the agent after a change.\n\
             workstation = {}\n\n\
             # The servers' URLs, joined by commas, and the CA that their certificates must come from.\n\
             url = {}\n{tls_ca}\n\n\
             # The prefix of all subjects.\n\
             prefix = {}\n\n\
             # The operator, and the keys that sign for its ledger: the agent ignores tasks that none of them signed.\n\
             operator = {}\n\
             signers = [{}]\n\n\
             # The program that asks for PINs.\n\
             pinentry = {}\n\
             # New PINs: \"ask\" the person, or \"generate\" and show them once.\n\
             pin = {}\n",
            quoted(self.workstation.as_str()),
            quoted(&self.url),
            quoted(&self.prefix),
            quoted(&self.operator),
            signers.join(", "),
            quoted(&self.pinentry),
            match self.pin {
                NewPin::Ask => "\"ask\"",
                NewPin::Generate => "\"generate\"",
            },
        )
    }
}

/// Reads the agent's JWT and its claims, and checks that it is for this nkey.
///
/// # Errors
///
/// [`ConfigError::Jwt`], [`ConfigError::File`].
pub fn read_jwt(directory: &Path, nkey: &str) -> Result<(String, AgentClaims), ConfigError> {
    let path = directory.join(JWT_FILE);
    let bytes = read_secret_file(&path)?;
    let text = std::str::from_utf8(bytes.expose());
    let jwt = text.map_err(|source| AgentJwtError::NotText { path, source })?;
    let jwt = jwt.trim().to_owned();
    let claims = AgentClaims::of(&jwt, nkey)?;
    Ok((jwt, claims))
}

/// The claims of its JWT that an agent reads. Verifying the signature is the server's work.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct AgentClaims {
    /// The nkey that it was issued to.
    pub sub: String,
    /// When it expires, in seconds since 1970; never, if absent.
    #[serde(default)]
    pub exp: Option<i64>,
    nats: NatsClaims,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct NatsClaims {
    #[serde(rename = "type")]
    kind: String,
}

impl AgentClaims {
    /// Reads the JWT of a NATS user, if it is that of `nkey`.
    ///
    /// # Errors
    ///
    /// [`AgentJwtError::NotAUsers`], [`AgentJwtError::AnotherAgents`].
    pub fn of(jwt: &str, nkey: &str) -> Result<Self, AgentJwtError> {
        let claims = jwt.split('.').nth(1).and_then(|claims| {
            let claims = BASE64URL_NOPAD.decode(claims.as_bytes()).ok()?;
            serde_json::from_slice::<Self>(&claims).ok()
        });
        let claims = claims.filter(|claims| claims.nats.kind == "user");
        let claims = claims.ok_or(AgentJwtError::NotAUsers)?;
        if claims.sub != nkey {
            return Err(AgentJwtError::AnotherAgents {
                theirs: claims.sub.chars().take(80).collect(),
                ours: nkey.to_owned(),
            });
        }
        Ok(claims)
    }

    /// When it expires.
    #[must_use]
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.exp.map(Timestamp::from_seconds)
    }

    /// A warning in words if, at `now`, it has expired or will do so soon.
    #[must_use]
    pub fn end_is_near(expires_at: Option<Timestamp>, now: Timestamp) -> Option<String> {
        let expires_at = expires_at.filter(|at| *at < now.plus_days(WARN_DAYS))?;
        let end = if expires_at <= now {
            "expired"
        } else {
            "expires"
        };
        Some(format!(
            "this agent's JWT {end} at {expires_at}: enrol under a new name with `keyledger-agent enrol --name NEW-NAME` \
             when no task is open"
        ))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn enrolment() -> Enrolment {
        Enrolment {
            version: 1,
            workstation: "alice-laptop".parse().unwrap(),
            url: "tls://a.example.org:4222,tls://b.example.org:4222".to_owned(),
            prefix: "keys".to_owned(),
            jwt: "eyJ0.eyJz.c2ln".to_owned(),
            signers: vec!["A1".to_owned(), "A2".to_owned()],
            operator: "O1".to_owned(),
        }
    }

    #[test]
    fn what_is_accepted_is_read_and_own_settings_stay() {
        let home = tempfile::tempdir().unwrap();
        let accepted = AgentConfig::accept(home.path(), &enrolment()).unwrap();
        assert_eq!(AgentConfig::read(home.path()).unwrap(), accepted);
        assert_eq!(accepted.servers().unwrap().len(), 2);
        let path = home.path().join(CONFIG_FILE);
        let text = fs::read_to_string(&path).unwrap();
        let text = text
            .replace("# tls_ca =", "tls_ca =")
            .replace("\"ask\" ", "")
            .replace("pin = \"ask\"", "pin = \"generate\"")
            .replace("= \"pinentry\"", "= \"/usr/bin/pinentry-gnome3\"");
        fs::write(&path, text).unwrap();
        let renewed = Enrolment {
            url: "nats://c:4222".to_owned(),
            ..enrolment()
        };
        let config = AgentConfig::accept(home.path(), &renewed).unwrap();
        assert_eq!(AgentConfig::read(home.path()).unwrap(), config);
        assert_eq!(config.url, "nats://c:4222");
        assert_eq!(config.pin, NewPin::Generate);
        assert_eq!(config.pinentry, "/usr/bin/pinentry-gnome3");
        assert_eq!(config.tls_ca.unwrap(), Path::new("/etc/ssl/nats-ca.pem"));
    }

    #[test]
    fn the_end_of_a_jwt_is_spoken_of_in_time() {
        let now = Timestamp::from_seconds(1_790_000_000);
        let near = |at| AgentClaims::end_is_near(at, now);
        assert_eq!(near(None), None);
        assert_eq!(near(Some(now.plus_days(15))), None);
        assert!(
            near(Some(now.plus_days(13)))
                .unwrap()
                .contains("expires at")
        );
        assert!(
            near(Some(now.plus_days(-1)))
                .unwrap()
                .contains("expired at")
        );
    }

    #[test]
    fn a_slip_in_the_settings_is_named() {
        let home = tempfile::tempdir().unwrap();
        let read = |text: &str| {
            fs::write(home.path().join(CONFIG_FILE), text).unwrap();
            let error = AgentConfig::read(home.path()).unwrap_err();
            format!("{:#}", anyhow::Error::from(error))
        };
        let missing = AgentConfig::read(&home.path().join("nowhere")).unwrap_err();
        assert!(missing.to_string().contains("not enrolled"), "{missing}");
        assert!(read("workstation = 1").contains("workstation"));
        let good =
            "workstation = \"a\"\nurl = \"nats://a:4222\"\nprefix = \"keys\"\noperator = \"O\"\n";
        assert!(read(&format!("{good}signers = []")).contains("signers in"));
        assert!(read(&format!("{good}signers = [\"A\"]\npni = \"x\"")).contains("pni"));
        assert!(read(&format!("{good}signers = [\"A\"]\npin = \"x\"")).contains("generate"));
        let broken = good.replace("prefix = \"keys\"", "prefix = \"Keys\"");
        assert!(read(&format!("{broken}signers = [\"A\"]")).contains("prefix in"));
    }
}
