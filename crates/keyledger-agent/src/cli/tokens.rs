//! `keyledger-agent tokens`: what is plugged in.

use crate::{
    output::{Output, fault, warning},
    place::Place,
    run::TokenSeen,
};

use super::running;

/// List the tokens that are plugged in, as the running agent sees them
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keyledger-agent tokens
  keyledger-agent tokens --json | jq '.[].shows.serial'")]
pub(crate) struct List {}

impl List {
    pub(super) fn run(&self, place: &Place, out: &mut Output<'_>) -> anyhow::Result<()> {
        let status = running::status(place)?;
        if out.is_json() {
            return Ok(out.json(&status.tokens)?);
        }
        if let Some(readers) = &status.readers {
            out.styled(fault(), format!("tokens cannot be seen: {readers}"))?;
        } else if status.tokens.is_empty() {
            out.line("no token is plugged in")?;
        }
        for token in &status.tokens {
            show(token, out)?;
        }
        Ok(())
    }
}

fn show(token: &TokenSeen, out: &mut Output<'_>) -> std::io::Result<()> {
    let Some(shows) = &token.shows else {
        let trouble = token.trouble.as_deref().unwrap_or("it says nothing");
        return out.styled(warning(), format!("{}: {trouble}", token.reader));
    };
    let slots: Vec<_> = shows.slots.iter().map(|s| s.slot.to_string()).collect();
    let slots = if slots.is_empty() {
        "no keys".to_owned()
    } else {
        format!("keys in {}", slots.join(" "))
    };
    let tries = |name: &str, tries: Option<u8>| {
        tries.map_or(String::new(), |left| {
            format!(", {left} {name}s may be tried")
        })
    };
    out.line(format!(
        "{}  firmware {}, {slots}{}{}  ({})",
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
