//! `keyledger-agent tokens`: lists the tokens that are plugged in.

use crate::{
    directories::Directories,
    exit::{CliError, Exit},
    output::{Output, warning},
    run::AgentStatus,
    tokens::TokenSeen,
};

use super::running;

/// List the tokens that are plugged in, as the running agent sees them
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keyledger-agent tokens
  keyledger-agent tokens --json | jq '.[].shows.serial'")]
pub(crate) struct ListTokens {}

impl ListTokens {
    pub(super) fn run(
        &self,
        directories: &Directories,
        out: &mut Output<'_>,
    ) -> anyhow::Result<()> {
        list(&running::status(directories)?, out)
    }
}

/// Lists the tokens. If the agent cannot see any, that is an error and not an empty list.
fn list(status: &AgentStatus, out: &mut Output<'_>) -> anyhow::Result<()> {
    if let Some(readers) = &status.readers {
        let problem = format!("tokens cannot be seen: {readers}");
        return Err(CliError::new(Exit::Unreachable, problem).into());
    }
    if out.is_json() {
        return Ok(out.json(&status.tokens)?);
    }
    if status.tokens.is_empty() {
        out.line("no token is plugged in")?;
    }
    for token in &status.tokens {
        show(token, out)?;
    }
    Ok(())
}

fn show(token: &TokenSeen, out: &mut Output<'_>) -> std::io::Result<()> {
    let Some(shows) = &token.shows else {
        let trouble = token.trouble.as_deref().unwrap_or("it shows nothing");
        return out.styled(warning(), format!("{}: {trouble}", token.reader));
    };
    let slots: Vec<_> = shows.slots.iter().map(|s| s.slot.to_string()).collect();
    let slots = if slots.is_empty() {
        "no keys".to_owned()
    } else {
        format!("keys in {}", slots.join(" "))
    };
    let tries = |name: &str, tries: Option<u8>| {
        tries.map_or(String::new(), |left| format!(", {left} {name} tries left"))
    };
    let seen_at = token.seen_at;
    let seen_at = seen_at.map_or(String::new(), |at| format!(", as of {at}"));
    out.line(format!(
        "{}  firmware {}, {slots}{}{}  ({}{seen_at})",
        shows.serial,
        shows.firmware,
        tries("PIN", shows.pin_tries),
        tries("PUK", shows.puk_tries),
        token.reader
    ))?;
    if shows.factory_pin == Some(true) {
        out.styled(warning(), "  it has the factory's PIN")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_that_cannot_be_seen_are_not_said_to_be_none() {
        let status: AgentStatus = serde_json::from_value(serde_json::json!({
            "version": "0.1.0", "agent": "UAGENT", "workstation": "alice-laptop", "prefix": "keys", "pid": 7,
            "started_at": "2026-11-25T10:00:00.000Z", "expires_at": null, "announcements": 0, "tasks": [], "ended": [],
            "connection": { "url": "nats://a:4222", "state": "online", "since": "2026-11-25T10:00:01.000Z", "trouble": null },
            "refused": [], "tokens": [], "readers": "pcscd is not there",
        }))
        .unwrap();
        let mut text = Vec::new();
        let refused = list(&status, &mut Output::plain(&mut text)).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "tokens cannot be seen: pcscd is not there"
        );
        let failure: &CliError = refused.downcast_ref().unwrap();
        assert_eq!(failure.exit, Exit::Unreachable);
        assert!(text.is_empty());
    }
}
