//! What `up` says once it serves: three commands that work as they are printed.

use keyledger_service::trust::Organisation;
use serde_json::json;

use crate::{
    cli::shell::{self, quoted},
    output::{Output, good},
    place,
};

pub(super) fn print(organisation: &Organisation, out: &mut Output<'_>) -> anyhow::Result<()> {
    let Organisation { url, title, .. } = organisation;
    let (dir, prefix) = (organisation.directory(), organisation.prefix());
    let context = organisation.context(place::ADMINISTRATOR);
    if out.is_json() {
        out.json_line(&json!({
            "serving": true, "url": url, "prefix": prefix.as_str(), "directory": dir, "context": context,
            "operator": organisation.operator,
        }))?;
        return Ok(());
    }
    out.styled(
        good(),
        &format!(
            "{title} serves at {url} under {prefix}, from {}",
            dir.display()
        ),
    )?;
    for line in tries(organisation) {
        out.line(line)?;
    }
    Ok(())
}

fn tries(organisation: &Organisation) -> Vec<String> {
    let dir = quoted(&organisation.directory().display().to_string());
    let context = quoted(
        &organisation
            .context(place::ADMINISTRATOR)
            .display()
            .to_string(),
    );
    let (nats, keyledger) = (shell::nats(), shell::keyledger());
    let generate = organisation
        .prefix()
        .command("key", "generate", "orders-db");
    vec![
        String::new(),
        "Three things to try in another terminal:".to_owned(),
        String::new(),
        "  # Generate a key, with the plain nats CLI".to_owned(),
        format!(
            r#"  {nats} --context {context} req {generate} '{{"algorithm":"ed25519","activate":true}}'"#
        ),
        String::new(),
        "  # See it in the inventory".to_owned(),
        format!("  {keyledger} inventory --dir {dir}"),
        String::new(),
        "  # Issue NATS credentials for a service".to_owned(),
        format!(
            "  {keyledger} user issue orders --account admin --role service --out orders.creds --dir {dir}"
        ),
        String::new(),
        "Ctrl-C stops both.".to_owned(),
    ]
}
