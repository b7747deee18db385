//! The directory that `keyledger init` writes and `keyledger up` runs in, as the commands need it.

use std::path::Path;

use keyledger_service::trust::Organisation;

use crate::{
    context::Context,
    exit::{Exit, Failure},
};

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

/// The context of the first administrator. Its creds are those of this directory, also where the context was written before
/// the directory was moved or copied.
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
