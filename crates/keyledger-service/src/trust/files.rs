//! The organisation's directory, read back.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use data_encoding::HEXLOWER;
use keyledger_custody::{
    ByLocalFile, ByPassphrase, Custody, Passphrase, SecretFileError, Unseal, UnsealError,
    check_secret_directory, check_secret_file,
};
use keyledger_domain::Timestamp;
use keyledger_wire::{Prefix, read_ordinary_file};
use serde::{Deserialize, Serialize};

use crate::refused::AnyError;

/// What `init` made of an organisation, and where: everything public that `serve`, `up` and `setup` need.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Organisation {
    /// The form of this file.
    pub(super) version: u32,
    /// What people call it.
    pub title: String,
    /// What all subjects begin with.
    pub(super) prefix: String,
    /// Where clients connect.
    pub url: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// How its root key is kept.
    pub root: RootKind,
    /// The operator's identity (`O…`): pin it when you verify the ledger.
    pub operator: String,
    /// The servers' own account (`A…`).
    pub system_account: String,
    /// The account that the service lives in.
    pub service_account: String,
    /// The account of the inventory bucket.
    pub views_account: String,
    /// The public nkey of the account of the agents on workstations.
    pub agents_account: String,
    /// The account of the administrators.
    pub admin_account: String,
    /// The CID of the first genesis event.
    pub genesis: String,
    /// Authenticates all of this under the root key, in hex: where that is sealed under a passphrase.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) seal: Option<String>,
    /// Where it lies; not in the file, so that the directory can be moved.
    #[serde(skip)]
    pub(super) directory: PathBuf,
}

/// How a root key is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RootKind {
    /// Sealed under a passphrase.
    Passphrase,
    /// In clear in a local file: for development only.
    LocalFile,
}

/// The form of `keyledger.json` that is written. Form 1 has no seal.
pub(super) const VERSION: u32 = 2;

/// What the key is called that seals `keyledger.json`.
const SEAL: &str = "organisation";

/// The most bytes that are read of it: it has less than 2 KiB.
const MAX_BYTES: u64 = 1 << 20;

/// The files in an organisation's directory.
pub(super) mod file {
    pub(crate) const ORGANISATION: &str = "keyledger.json";
    pub(crate) const README: &str = "README.txt";
    pub(crate) const GENESIS: &str = "genesis.jsonl";
    pub(crate) const TRUST_CONF: &str = "server/trust.conf";
    pub(crate) const ROOT_SEALED: &str = "sealed/root.sealed";
    pub(crate) const ROOT_CLEAR: &str = "sealed/root.key";
    pub(crate) const OPERATOR_IDENTITY: &str = "offline/operator-identity.sealed";
    pub(crate) const MATERIAL: &str = "material";
    pub(crate) const CREDS: &str = "creds";
    pub(crate) const SET_UP: &str = "set-up.json";

    pub(crate) fn creds(user: &str) -> String {
        format!("{CREDS}/{user}.creds")
    }

    pub(crate) fn jwt(of: &str) -> String {
        format!("jwt/{of}.jwt")
    }

    pub(crate) fn context(user: &str) -> String {
        format!("contexts/nats/context/keyledger-{user}.json")
    }

    pub(crate) fn material(entry: &str) -> String {
        format!("{MATERIAL}/{entry}.sealed")
    }
}

/// Why a directory is not an organisation's.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OrganisationError {
    /// There is none: make one.
    #[error("{} is no organisation's directory: `keyledger init` makes one", directory.display())]
    Missing {
        /// The directory.
        directory: PathBuf,
    },
    /// Its file cannot be read: the source says why.
    #[error("{}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the file system says.
        #[source]
        source: io::Error,
    },
    /// Its file is damaged: restore it from a backup.
    #[error("{} is not what `keyledger init` wrote", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: AnyError,
    },
    /// A newer Keyledger made it: upgrade this one.
    #[error("{} has form {found}, and this version of Keyledger reads up to form {VERSION}", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// The form found.
        found: u64,
    },
}

/// Why the root key was not opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RootError {
    /// It is sealed under a passphrase: give it.
    #[error("the root key is sealed: give the passphrase")]
    NoPassphrase,
    /// It was not opened: the source says why.
    #[error(transparent)]
    Unseal(#[from] UnsealError),
    /// Somebody changed the organisation's file: restore it from a backup.
    #[error(
        "{} is not what `keyledger init` wrote: with it the service would serve somebody else's ledger, or trust somebody else's \
         servers; restore it from a backup, and find who can write there (servers that moved are named with --url)",
        path.display()
    )]
    Changed {
        /// The file.
        path: PathBuf,
    },
}

impl Organisation {
    /// True if `setup` wrote the genesis events of this organisation to some server.
    #[must_use]
    pub fn was_set_up(&self) -> bool {
        self.directory.join(file::SET_UP).exists()
    }

    /// Reads an organisation's directory.
    ///
    /// # Errors
    ///
    /// [`OrganisationError`].
    pub fn open(directory: &Path) -> Result<Self, OrganisationError> {
        let path = directory.join(file::ORGANISATION);
        let io = |source| OrganisationError::Io {
            path: path.clone(),
            source,
        };
        let text = match read_ordinary_file(&path, MAX_BYTES) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                return Err(OrganisationError::Missing {
                    directory: directory.to_owned(),
                });
            }
            Err(source) => return Err(io(source)),
        };
        let damaged = |source: AnyError| OrganisationError::Damaged {
            path: path.clone(),
            source,
        };
        let value: serde_json::Value =
            serde_json::from_slice(&text).map_err(|e| damaged(e.into()))?;
        match value.get("version").and_then(serde_json::Value::as_u64) {
            Some(found) if found > u64::from(VERSION) => {
                return Err(OrganisationError::Newer {
                    path: path.clone(),
                    found,
                });
            }
            _ => {}
        }
        let mut organisation: Self =
            serde_json::from_value(value).map_err(|e| damaged(e.into()))?;
        organisation
            .prefix
            .parse::<Prefix>()
            .map_err(|e| damaged(e.into()))?;
        organisation.directory = directory.canonicalize().map_err(io)?;
        Ok(organisation)
    }

    /// What all subjects begin with.
    #[must_use]
    pub fn prefix(&self) -> Prefix {
        self.prefix.parse().expect("it was read as a prefix")
    }

    /// Opens custody with the root key; the passphrase is not looked at where that lies in a local file.
    ///
    /// Whoever may write here has not the root key, and must not have the service work for another ledger or another server with
    /// it: this file, which names both, must be the one that was sealed with the root key.
    ///
    /// Blocks for about a second where there is a passphrase.
    ///
    /// # Errors
    ///
    /// [`RootError`].
    pub fn custody(&self, passphrase: Option<&Passphrase>) -> Result<Custody, RootError> {
        let path = &self.root_file();
        match (self.root, passphrase) {
            (RootKind::LocalFile, _) => self.unseal(&ByLocalFile { path }),
            (RootKind::Passphrase, None) => Err(RootError::NoPassphrase),
            (RootKind::Passphrase, Some(passphrase)) => {
                self.unseal(&ByPassphrase { path, passphrase })
            }
        }
    }

    /// Opens custody with the root key that `method` gives.
    fn unseal(&self, method: &dyn Unseal) -> Result<Custody, RootError> {
        let custody = Custody::open(method.root_key()?);
        match self.root {
            // Whoever can change this file can read the root key beside it too.
            RootKind::LocalFile => {}
            RootKind::Passphrase => self.check_seal(&custody)?,
        }
        tracing::info!(method = method.name(), root = %custody.root(), "custody is open");
        Ok(custody)
    }

    /// Seals what stands in it under the root key.
    pub(super) fn seal(&mut self, custody: &Custody) {
        let tag = custody.mac_key(SEAL).tag(&self.sealed_bytes());
        self.seal = Some(HEXLOWER.encode(&tag));
    }

    fn check_seal(&self, custody: &Custody) -> Result<(), RootError> {
        let seal = self.seal.as_deref().unwrap_or_default();
        let tag = HEXLOWER.decode(seal.as_bytes()).unwrap_or_default();
        let checked = custody.mac_key(SEAL).verify(&self.sealed_bytes(), &tag);
        checked.map_err(|_| RootError::Changed {
            path: self.directory.join(file::ORGANISATION),
        })
    }

    /// Everything but the seal, field by field: a later version adds what it adds behind these.
    fn sealed_bytes(&self) -> Vec<u8> {
        let Self {
            version,
            title,
            prefix,
            url,
            created_at,
            root,
            operator,
            system_account,
            service_account,
            views_account,
            agents_account,
            admin_account,
            genesis,
            seal: _,
            directory: _,
        } = self;
        let fields = (
            (version, title, prefix, url, created_at, root, operator),
            (system_account, service_account, views_account),
            (agents_account, admin_account, genesis),
        );
        serde_json::to_vec(&fields).expect("texts and numbers are always JSON")
    }

    /// Holds that nobody else can read what lies here in clear: the creds of the service, and of whoever was not yet
    /// given theirs. The root key is looked after where it is read.
    ///
    /// # Errors
    ///
    /// [`SecretFileError`] names the file or directory, and says what to do.
    pub fn check_private(&self) -> Result<(), SecretFileError> {
        let creds = self.directory.join(file::CREDS);
        let entries = match fs::read_dir(&creds) {
            Ok(entries) => entries,
            // They were all taken elsewhere.
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(source) => {
                return Err(SecretFileError::Io {
                    path: creds,
                    source,
                });
            }
        };
        check_secret_directory(&self.directory)?;
        check_secret_directory(&creds)?;
        for entry in entries {
            let path = entry
                .map_err(|source| SecretFileError::Io {
                    path: creds.clone(),
                    source,
                })?
                .path();
            if path.extension().is_some_and(|end| end == "creds") {
                check_secret_file(&path)?;
            }
        }
        Ok(())
    }

    /// Its directory, absolute.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The root key's file, sealed or in clear.
    #[must_use]
    pub fn root_file(&self) -> PathBuf {
        self.directory.join(match self.root {
            RootKind::Passphrase => file::ROOT_SEALED,
            RootKind::LocalFile => file::ROOT_CLEAR,
        })
    }

    /// The creds of `service`, `setup`, `system` or `admin`.
    #[must_use]
    pub fn creds(&self, user: &str) -> PathBuf {
        self.directory.join(file::creds(user))
    }

    /// The `nats` CLI's context of `admin` or `system`.
    #[must_use]
    pub fn context(&self, user: &str) -> PathBuf {
        self.directory.join(file::context(user))
    }

    /// What `XDG_CONFIG_HOME` is to be for the `nats` CLI to find the contexts.
    #[must_use]
    pub fn contexts(&self) -> PathBuf {
        self.directory.join("contexts")
    }

    /// What a server's configuration includes.
    #[must_use]
    pub fn trust_conf(&self) -> PathBuf {
        self.directory.join(file::TRUST_CONF)
    }

    /// The first entries of the ledger, in the form of an export.
    #[must_use]
    pub fn genesis_file(&self) -> PathBuf {
        self.directory.join(file::GENESIS)
    }

    /// The operator identity's sealed key: to be taken away from here.
    #[must_use]
    pub fn operator_identity(&self) -> PathBuf {
        self.directory.join(file::OPERATOR_IDENTITY)
    }
}
