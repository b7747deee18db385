//! The directory that `keyledger init` writes and that `keyledger up` runs in.

use std::{
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use keyledger_service::trust::Organisation;

use crate::{
    context::Context,
    exit::{Exit, Failure},
};

/// Where `keyledger up` and `keyledger init` put everything unless --dir says otherwise.
pub(crate) const DEFAULT_DIR: &str = ".keyledger";
/// The user of the first administrator, whose context `init` writes.
pub(crate) const ADMINISTRATOR: &str = "admin";

/// Opens the organisation in `dir`.
pub(crate) fn organisation(dir: &Path) -> anyhow::Result<Organisation> {
    Organisation::open(dir).map_err(|error| {
        Failure::new(Exit::Usage, "this directory cannot be used")
            .because(error)
            .remedy("name its directory with --dir; `keyledger up` or `keyledger init` makes one")
            .into()
    })
}

/// True if other users than the file's owner can read it.
pub(crate) fn is_open(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|meta| meta.is_file() && meta.mode() & 0o077 != 0)
}

/// The directory `.keyledger` in `start`, or in the nearest directory above it, as git looks for its own.
///
/// A directory above is used only if it belongs to this user, because its owner decides where commands go.
pub(crate) fn found_from(start: &Path) -> Option<PathBuf> {
    let owner = |path: &Path| path.metadata().ok().map(|m| m.uid());
    let mine = owner(Path::new("/proc/self"));
    let mut above = start.ancestors().map(|dir| dir.join(DEFAULT_DIR));
    let here = above.next().filter(|dir| dir.is_dir());
    // If the directory is here, its short name is used, so that printed paths stay short.
    here.map(|_| PathBuf::from(DEFAULT_DIR)).or_else(|| {
        let mut found = above.filter(|dir| dir.is_dir());
        found.find(|dir| mine.is_some() && owner(dir) == mine)
    })
}

/// The context of the first administrator. It has the creds in this directory, even if the directory was moved or copied after the
/// context was written.
pub(crate) fn administrator_context(dir: &Path) -> anyhow::Result<Context> {
    let organisation = organisation(dir)?;
    let mut context = Context::read(&organisation.context(ADMINISTRATOR))?;
    let own = organisation.creds(ADMINISTRATOR);
    let name = Path::new("creds").join(own.file_name().unwrap_or_default());
    if Path::new(&context.creds).ends_with(name) && own.is_file() {
        context.creds = own.display().to_string();
    }
    Ok(context)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_directory_that_was_moved_is_entered_with_its_own_creds() {
        let home = tempfile::tempdir().unwrap();
        let before = home.path().join("before");
        let options = keyledger_service::trust::InitOptions {
            title: "Acme".to_owned(),
            prefix: keyledger_wire::Prefix::default(),
            directory: before.clone(),
            root: keyledger_service::trust::Root::LocalFile,
            now: crate::when::now(),
            url: "nats://127.0.0.1:4222".to_owned(),
        };
        keyledger_service::trust::initialise(options).unwrap();
        let after = home.path().join("after");
        fs::rename(&before, &after).unwrap();
        let context = administrator_context(&after).unwrap();
        let own = after.canonicalize().unwrap().join("creds/admin.creds");
        assert_eq!(Path::new(&context.creds), own);
        assert!(context.holder().is_some());
        // Creds that somebody keeps elsewhere stay where they are.
        let organisation = organisation(&after).unwrap();
        let text = serde_json::json!({ "creds": "/run/secrets/ada.creds" }).to_string();
        fs::write(organisation.context(ADMINISTRATOR), text).unwrap();
        let context = administrator_context(&after).unwrap();
        assert_eq!(context.creds, "/run/secrets/ada.creds");
    }

    #[test]
    fn the_directory_is_found_from_below() {
        let home = tempfile::tempdir().unwrap();
        let deep = home.path().join("a/b/c");
        fs::create_dir_all(&deep).unwrap();
        let at = home.path().join("a").join(DEFAULT_DIR);
        fs::create_dir(&at).unwrap();
        assert_eq!(found_from(&deep), Some(at));
        assert_eq!(found_from(&home.path().join("a")), Some(DEFAULT_DIR.into()));
        // The nearest one counts.
        let nearer = home.path().join("a/b").join(DEFAULT_DIR);
        fs::create_dir(&nearer).unwrap();
        assert_eq!(found_from(&deep), Some(nearer));
    }

    #[test]
    fn somebody_elses_directory_above_is_not_taken() {
        use std::os::unix::fs::chown;
        let home = tempfile::tempdir().unwrap();
        let deep = home.path().join("a");
        fs::create_dir(&deep).unwrap();
        let at = home.path().join(DEFAULT_DIR);
        fs::create_dir(&at).unwrap();
        assert_eq!(found_from(&deep), Some(at.clone()));
        // Only root may change the owner of a directory. Other users cannot test this.
        if chown(&at, Some(65_534), None).is_ok() {
            assert_ne!(found_from(&deep), Some(at));
        }
    }
}
