//! `keyledger ca certificates`: what an authority issued.

use anyhow::Context as _;
use keyledger_domain::{Name, views::Page};
use keyledger_wire::query::{CertificateState, IssuedQuery, IssuedRow};

use crate::{
    args,
    output::{self, Output},
    session::Session,
    table::{Cell, Table},
    when,
};

/// List the certificates that an authority issued: serial number, subject, names, dates, state
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keyledger ca certificates issuing-ca
  keyledger ca certificates issuing-ca --state revoked
  keyledger ca certificates issuing-ca --expiring 30d --json")]
pub(super) struct Issued {
    /// The authority's key
    authority: Name,
    /// Only those in this state
    #[arg(long, value_parser = args::certificate_state())]
    state: Option<CertificateState>,
    /// Only valid ones that end within this number of days, or by this date
    #[arg(long, value_name = "DAYS", value_parser = when::parse_days)]
    expiring: Option<u16>,
}

impl Issued {
    pub(super) async fn run(self, session: &Session, out: &mut Output<'_>) -> anyhow::Result<()> {
        let wanted = IssuedQuery {
            state: self.state,
            expiring_days: self.expiring,
            limit: Some(keyledger_domain::views::page::MAX_PAGE),
            after: None,
        };
        let rows = every(session, &self.authority, wanted).await?;
        if out.is_json() {
            return Ok(out.json(&rows)?);
        }
        if rows.is_empty() {
            return Ok(out.styled(output::faint(), "no certificates")?);
        }
        let now = out.now();
        let heads = ["SERIAL", "STATE", "SUBJECT", "NAMES", "UNTIL", "KEY"];
        let mut table = Table::new(&heads)
            .narrowing("SUBJECT", &["NAMES", "KEY"])
            .whole(&["SERIAL"]);
        for row in &rows {
            let style = match row.state {
                CertificateState::Valid => anstyle::Style::new(),
                CertificateState::Expired => output::faint(),
                CertificateState::Revoked | CertificateState::OnHold => output::fault(),
            };
            let why = row.reason.as_ref().map(|why| format!(" ({why})"));
            let state = format!("{}{}", row.state.as_str(), why.unwrap_or_default());
            table.row([
                row.serial.clone().into(),
                Cell::styled(state, style),
                row.subject.clone().into(),
                row.names.join(" ").into(),
                when::dated(row.not_after, now).into(),
                row.key.to_string().into(),
            ]);
        }
        Ok(out.table(&table)?)
    }
}

/// Reads all pages.
pub(super) async fn every(
    session: &Session,
    authority: &Name,
    mut wanted: IssuedQuery,
) -> anyhow::Result<Vec<IssuedRow>> {
    let tail = format!("authorities.issued.{authority}");
    let mut rows = Vec::new();
    loop {
        let page: Page<IssuedRow> = session
            .query(&tail, &wanted)
            .await
            .with_context(|| format!("asking for the certificates that {authority} issued"))?;
        rows.extend(page.rows);
        match page.next {
            Some(next) => wanted.after = Some(next.parse()?),
            None => return Ok(rows),
        }
    }
}
