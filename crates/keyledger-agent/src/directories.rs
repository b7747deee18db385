//! The directories of the agent's files, by the XDG base directory specification.

use std::{
    env,
    ffi::OsString,
    fs, io,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use keyledger_custody::SecretFileError;
use keyledger_wire::local::DIRECTORY as NAME;

/// The agent's directories.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directories {
    /// `agent.toml`, `agent.jwt` and the seeds: `$XDG_CONFIG_HOME/keyledger-agent`.
    pub config: PathBuf,
    /// The journal and the lock: `$XDG_STATE_HOME/keyledger-agent`.
    pub state: PathBuf,
    /// The socket: `$XDG_RUNTIME_DIR/keyledger-agent`, or the state's directory if that variable is not set. Clients find it by
    /// `keyledger_wire::local::socket_path`.
    pub runtime: PathBuf,
}

/// Why the agent's directories cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DirectoriesError {
    /// Neither `$HOME` nor the XDG variable names a directory: set one of them.
    #[error("there is neither $HOME nor ${0}: set one of them")]
    NoHome(&'static str),
    /// Other users can read it: do what the message says.
    #[error(transparent)]
    Open(#[from] SecretFileError),
    /// It belongs to another user.
    #[error("{} belongs to another user: run the agent as that user", path.display())]
    AnotherUsers {
        /// The directory.
        path: PathBuf,
    },
    /// It cannot be made: the source says why.
    #[error("{}", path.display())]
    Io {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl Directories {
    /// The directories that the environment names.
    ///
    /// # Errors
    ///
    /// [`DirectoriesError::NoHome`].
    pub fn of_environment() -> Result<Self, DirectoriesError> {
        Self::of(|name| env::var_os(name))
    }

    fn of(variable: impl Fn(&str) -> Option<OsString>) -> Result<Self, DirectoriesError> {
        // The specification says to ignore a relative path in such a variable.
        let set = |name| {
            let path = variable(name).map(PathBuf::from);
            path.filter(|path| path.is_absolute())
        };
        let base = |name: &'static str, default: &str| {
            let home = || set("HOME").map(|home| home.join(default));
            let base = set(name)
                .or_else(home)
                .ok_or(DirectoriesError::NoHome(name))?;
            Ok::<_, DirectoriesError>(base.join(NAME))
        };
        let state = base("XDG_STATE_HOME", ".local/state")?;
        Ok(Self {
            config: base("XDG_CONFIG_HOME", ".config")?,
            runtime: set("XDG_RUNTIME_DIR").map_or_else(|| state.clone(), |base| base.join(NAME)),
            state,
        })
    }

    /// Makes the directories that are missing, with mode 0700.
    ///
    /// # Errors
    ///
    /// [`DirectoriesError::Open`] if one is there and others can look into it; [`DirectoriesError::Io`].
    pub fn make(&self) -> Result<(), DirectoriesError> {
        for path in [&self.config, &self.state, &self.runtime] {
            make(path)?;
        }
        Ok(())
    }
}

fn make(path: &Path) -> Result<(), DirectoriesError> {
    let failed = |source| DirectoriesError::Io {
        path: path.to_owned(),
        source,
    };
    let mut directory = fs::DirBuilder::new();
    directory.recursive(true).mode(0o700);
    directory.create(path).map_err(failed)?;
    let metadata = fs::metadata(path).map_err(failed)?;
    let mode = metadata.permissions().mode() & 0o7777;
    // Only the owner may use the socket and the journal, or replace them.
    if mode & 0o077 != 0 {
        let path = path.to_owned();
        return Err(SecretFileError::OpenDirectory { path, mode }.into());
    }
    let ours = rustix::process::geteuid().as_raw();
    if metadata.uid() != ours {
        return Err(DirectoriesError::AnotherUsers {
            path: path.to_owned(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(set: &[(&str, &str)]) -> Result<Directories, DirectoriesError> {
        Directories::of(|name| {
            let found = set.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| (*value).into())
        })
    }

    #[test]
    fn the_environment_says_where() {
        let place = of(&[("HOME", "/home/ada")]).unwrap();
        assert_eq!(place.config, Path::new("/home/ada/.config/keyledger-agent"));
        let state = Path::new("/home/ada/.local/state/keyledger-agent");
        assert_eq!((&*place.state, &*place.runtime), (state, state));
        let found =
            keyledger_wire::local::socket_path(|name| (name == "HOME").then(|| "/home/ada".into()));
        assert_eq!(
            found,
            Some(place.runtime.join(keyledger_wire::local::SOCKET))
        );
        let place = of(&[
            ("HOME", "/home/ada"),
            ("XDG_CONFIG_HOME", "relative/is/ignored"),
            ("XDG_STATE_HOME", "/s"),
            ("XDG_RUNTIME_DIR", "/run/user/1000"),
        ])
        .unwrap();
        assert_eq!(place.config, Path::new("/home/ada/.config/keyledger-agent"));
        assert_eq!(place.state, Path::new("/s/keyledger-agent"));
        assert_eq!(place.runtime, Path::new("/run/user/1000/keyledger-agent"));
        assert!(matches!(
            of(&[]),
            Err(DirectoriesError::NoHome("XDG_STATE_HOME"))
        ));
    }

    #[test]
    fn an_open_directory_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a/b");
        make(&path).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o700
        );
        make(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o750)).unwrap();
        let refused = make(&path).unwrap_err().to_string();
        assert!(refused.contains("chmod 700"), "{refused}");
    }
}
