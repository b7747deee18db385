//! Command lines that people copy and paste.

use std::{env, ffi::OsStr, path::PathBuf};

/// `text` as one word of a shell.
pub(crate) fn quoted(text: &str) -> String {
    keyledger_domain::text::shell_word(text)
}

/// How to call this program: by its name if `PATH` finds it, or else by its whole path.
pub(super) fn keyledger() -> String {
    let name = "keyledger";
    match env::current_exe().and_then(|exe| exe.canonicalize()) {
        Ok(exe)
            if on_path(name).and_then(|found| found.canonicalize().ok()) == Some(exe.clone()) =>
        {
            name.to_owned()
        }
        Ok(exe) => quoted(&exe.display().to_string()),
        Err(_) => name.to_owned(),
    }
}

/// How to call the `nats` CLI: by its name if `PATH` finds it, as `$KEYLEDGER_NATS`, or as `.tools/bin/nats`; `None` if there is none.
pub(super) fn nats() -> Option<String> {
    let name = "nats";
    if on_path(name).is_some() {
        return Some(name.to_owned());
    }
    let named = env::var_os("KEYLEDGER_NATS").map(PathBuf::from);
    named
        .filter(|path| path.is_file())
        .or_else(|| in_tools(name))
        .map(|path| quoted(&path.display().to_string()))
}

/// The first file `name` on `PATH`.
pub(super) fn on_path(name: &str) -> Option<PathBuf> {
    all_on_path(name).into_iter().next()
}

/// Every file `name` on `PATH`.
pub(super) fn all_on_path(name: &str) -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .map(|dir| dir.join(name))
        .filter(|file| file.is_file())
        .collect()
}

/// A program that `./dev` installed in `.tools/bin` of the repository, which is above this program or above the current directory.
pub(super) fn in_tools(name: impl AsRef<OsStr>) -> Option<PathBuf> {
    let name = name.as_ref();
    let starts = [env::current_exe().ok(), env::current_dir().ok()];
    let mut above = starts.iter().flatten().flat_map(|start| start.ancestors());
    above.find_map(|dir| Some(dir.join(".tools/bin").join(name)).filter(|file| file.is_file()))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_word_of_a_shell_stays_one() {
        assert_eq!(quoted("/srv/key-ledger_1.0"), "/srv/key-ledger_1.0");
        assert_eq!(quoted("/srv/my keys"), "'/srv/my keys'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
        assert_eq!(quoted("$HOME"), "'$HOME'");
    }
}
