//! `keyledger openpgp show`: what a certificate says.

use std::path::PathBuf;

use keyledger_custody::openpgp::{Certificate, Revocation, Standing, SubkeyView};
use keyledger_domain::Timestamp;
use serde_json::json;

use super::files;
use crate::{
    output::{self, Output},
    table::{Cell, Table},
    when,
};

/// Verify a certificate and show what it says
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keyledger openpgp show alice.asc
  keyledger openpgp show alice.asc --json | jq '.subkeys[] | select(.standing == \"valid\")'")]
pub(super) struct Show {
    /// The certificate
    #[arg(value_name = "FILE")]
    certificate: PathBuf,
}

impl Show {
    pub(super) fn run(self, out: &mut Output<'_>) -> anyhow::Result<()> {
        let certificate = files::certificate(&self.certificate)?;
        if out.is_json() {
            out.json(&as_json(&certificate, out.now()))?;
        } else {
            print(&certificate, out)?;
        }
        Ok(())
    }
}

fn as_json(certificate: &Certificate, now: Timestamp) -> serde_json::Value {
    let subkeys = certificate.subkeys().iter().map(|subkey| {
        let mut row = serde_json::to_value(subkey).expect("it has only text keys");
        row["standing"] = json!(subkey.standing(now));
        row
    });
    json!({
        "fingerprint": certificate.fingerprint(), "standing": certificate.standing(now),
        "created": certificate.created(), "expires": certificate.expires(),
        "revoked": certificate.revoked(), "user_ids": certificate.user_ids(),
        "subkeys": subkeys.collect::<Vec<_>>(),
    })
}

fn print(certificate: &Certificate, out: &mut Output<'_>) -> anyhow::Result<()> {
    let now = out.now();
    out.line(format!(
        "fingerprint  {}",
        certificate.fingerprint().grouped()
    ))?;
    for view in certificate.user_ids() {
        out.line(format!("user id      {}", view.id))?;
    }
    out.line(format!(
        "created      {}",
        when::dated(certificate.created(), now)
    ))?;
    out.line(format!("expires      {}", end(certificate.expires(), now)))?;
    let standing = certificate.standing(now);
    let line = format!("standing     {}", standing.as_str());
    out.styled(style(standing), &(line + &why(certificate.revoked(), now)))?;
    if certificate.subkeys().is_empty() {
        out.styled(
            output::faint(),
            "no subkeys: bind some with `keyledger openpgp bind`",
        )?;
        return Ok(());
    }
    let mut table = Table::new(&[
        "FOR",
        "STANDING",
        "ALGORITHM",
        "CREATED",
        "EXPIRES",
        "FINGERPRINT",
    ]);
    for subkey in certificate.subkeys() {
        table.row(row(subkey, now));
    }
    out.table(&table)?;
    Ok(())
}

fn row(subkey: &SubkeyView, now: Timestamp) -> [Cell; 6] {
    let standing = subkey.standing(now);
    let text = standing.as_str().to_owned() + &why(subkey.revoked.as_ref(), now);
    [
        subkey.role.as_str().into(),
        Cell::styled(text, style(standing)),
        subkey.algorithm.as_str().into(),
        when::date(subkey.created).into(),
        end(subkey.expires, now).into(),
        subkey.fingerprint.to_string().into(),
    ]
}

fn end(at: Option<Timestamp>, now: Timestamp) -> String {
    at.map_or("never".to_owned(), |at| when::dated(at, now))
}

fn why(revoked: Option<&Revocation>, now: Timestamp) -> String {
    let Some(revoked) = revoked else {
        return String::new();
    };
    let text = revoked.text.as_ref().map(|text| format!(": {text}"));
    let when = when::dated(revoked.at, now);
    format!(
        " {when}, {}{}",
        revoked.reason.as_str(),
        text.unwrap_or_default()
    )
}

const fn style(standing: Standing) -> anstyle::Style {
    match standing {
        Standing::Valid => output::good(),
        Standing::Expired => output::warning(),
        Standing::Revoked => output::fault(),
    }
}
