//! What `up` prints when it is ready: three commands that work as printed.

use keyledger_domain::{Ledger, Name};
use keyledger_service::trust::Organisation;
use serde_json::json;

use crate::{
    cli::shell::{self, quoted},
    output::{Output, good},
    place,
};

pub(super) fn print(
    organisation: &Organisation,
    tries: &[String],
    out: &mut Output<'_>,
) -> anyhow::Result<()> {
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
    for line in tries {
        out.line(line)?;
    }
    Ok(())
}

/// The commands to try.
pub(super) fn tries(organisation: &Organisation, ledger: &Ledger) -> Vec<String> {
    // Names are never used again, so a later start needs others.
    let key = free("orders-db", |name| ledger.key(name).is_some());
    let user = free("orders", |name| ledger.user(name).is_some());
    let dir = quoted(&organisation.directory().display().to_string());
    let context = quoted(
        &organisation
            .context(place::ADMINISTRATOR)
            .display()
            .to_string(),
    );
    let (nats, keyledger) = (shell::nats(), shell::keyledger());
    let how_to_have_it = match nats {
        Some(_) => "",
        None => " (not found here: https://github.com/nats-io/natscli)",
    };
    let nats = nats.unwrap_or_else(|| "nats".to_owned());
    let generate = organisation
        .prefix()
        .command("key", "generate", key.as_str());
    vec![
        String::new(),
        "Three things to try in another terminal:".to_owned(),
        String::new(),
        format!("  # Generate a key, with the plain nats CLI{how_to_have_it}"),
        format!(
            r#"  {nats} --context {context} req {generate} '{{"algorithm":"ed25519","activate":true}}'"#
        ),
        String::new(),
        "  # See it in the inventory".to_owned(),
        format!("  {keyledger} inventory --dir {dir}"),
        String::new(),
        "  # Issue NATS credentials for a service".to_owned(),
        format!("  {keyledger} user issue {user} --role service --out {user}.creds --dir {dir}"),
        String::new(),
        "Ctrl-C stops both.".to_owned(),
    ]
}

/// `wanted`, or with a number if the name is taken.
fn free(wanted: &str, taken: impl Fn(&Name) -> bool) -> Name {
    let numbered = (2..).map(|number| format!("{wanted}-{number}"));
    let names = std::iter::once(wanted.to_owned()).chain(numbered);
    let mut names = names.map(|name| Name::new(&name).expect("a short name with a number"));
    names
        .find(|name| !taken(name))
        .expect("numbers have no end")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_taken_is_not_offered() {
        assert_eq!(free("orders", |_| false).as_str(), "orders");
        let taken = |name: &Name| ["orders", "orders-2"].contains(&name.as_str());
        assert_eq!(free("orders", taken).as_str(), "orders-3");
    }
}
