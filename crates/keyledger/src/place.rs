//! The directory that `keyledger init` writes and `keyledger up` runs in, as the commands need it.

use std::path::{Path, PathBuf};

use keyledger_service::trust::Organisation;

use crate::exit::{Exit, Failure};

/// The user of the first administrator, whose context `init` writes.
pub(crate) const ADMINISTRATOR: &str = "admin";

/// Opens the organisation in `dir`.
pub(crate) fn organisation(dir: &Path) -> anyhow::Result<Organisation> {
    Organisation::open(dir).map_err(|error| {
        let problem = format!("{:#}", anyhow::Error::from(error));
        Failure::new(Exit::Usage, problem)
            .remedy("name its directory with --dir; `keyledger up` or `keyledger init` makes one")
            .into()
    })
}

/// The context of the first administrator.
pub(crate) fn administrator_context(dir: &Path) -> anyhow::Result<PathBuf> {
    Ok(organisation(dir)?.context(ADMINISTRATOR))
}
