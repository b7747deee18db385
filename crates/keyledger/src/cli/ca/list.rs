//! `keyledger ca list` and `show`: the organisation's authorities.

use anyhow::Context as _;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use keyledger_domain::{Name, key::Custodian, views::ListQuery};
use keyledger_pki::x509::Certificate;
use keyledger_wire::query::{AuthorityRow, Certificates};

use crate::{
    cli::pages,
    exit::{Exit, Failure},
    output::{self, Output},
    session::Session,
    table::{Cell, Table},
    when,
};

/// Show an authority: its state, the authority above it, its end, how many certificates it issued
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  keyledger ca show issuing-ca\n  keyledger ca show issuing-ca --json"
)]
pub(super) struct Show {
    /// The authority's key
    name: Name,
}

impl Show {
    pub(super) async fn run(self, session: &Session, out: &mut Output<'_>) -> anyhow::Result<()> {
        let row = row(session, &self.name).await?;
        if out.is_json() {
            return Ok(out.json(&row)?);
        }
        let now = out.now();
        let mut table = Table::new(&["", ""]);
        let length = row.path_length;
        for (what, value) in [
            ("name", row.name.to_string()),
            ("state", standing(&row).to_owned()),
            ("subject", row.subject.clone()),
            ("above it", above(&row)),
            ("key", custodian(row.custodian).to_owned()),
            ("serial", row.serial.clone()),
            ("SHA-256", row.sha256.clone()),
            ("from", when::dated(row.not_before, now)),
            ("until", when::dated(row.not_after, now)),
            (
                "authorities below it",
                length.map_or("any number".to_owned(), |length| length.to_string()),
            ),
            ("certificates that hold", row.holding.to_string()),
            ("on its list", row.listed.to_string()),
            ("its list is at", row.crl_url.clone().unwrap_or_default()),
        ] {
            if !value.is_empty() {
                table.row([Cell::styled(what, output::faint()), value.into()]);
            }
        }
        Ok(out.table(&table)?)
    }
}

/// Prints every authority.
pub(super) async fn list(session: &Session, out: &mut Output<'_>) -> anyhow::Result<()> {
    let rows = rows(session).await?;
    if out.is_json() {
        return Ok(out.json(&rows)?);
    }
    if rows.is_empty() {
        out.styled(
            output::faint(),
            "no authorities: `keyledger ca create` makes one",
        )?;
        return Ok(());
    }
    let now = out.now();
    let mut table = Table::new(&[
        "NAME", "STATE", "SUBJECT", "ISSUER", "UNTIL", "IN DATE", "REVOKED",
    ])
    .narrowing("SUBJECT", &["REVOKED", "IN DATE", "ISSUER"]);
    for row in &rows {
        let style = match row.issues {
            true => output::state(row.state),
            false => output::warning(),
        };
        table.row([
            row.name.to_string().into(),
            Cell::styled(standing(row), style),
            row.subject.clone().into(),
            above(row).into(),
            when::dated(row.not_after, now).into(),
            row.holding.into(),
            row.listed.into(),
        ]);
    }
    Ok(out.table(&table)?)
}

async fn rows(session: &Session) -> anyhow::Result<Vec<AuthorityRow>> {
    pages::every(session, "authorities")
        .await
        .context("listing the authorities")
}

/// The authority `name`.
pub(super) async fn row(session: &Session, name: &Name) -> anyhow::Result<AuthorityRow> {
    let found = rows(session).await?;
    let found = found.into_iter().find(|row| row.name == *name);
    Ok(found.ok_or_else(|| {
        Failure::new(Exit::Rejected, format!("{name} is no authority"))
            .remedy("`keyledger ca list` lists the authorities")
    })?)
}

/// The certificate of an authority.
pub(super) async fn certificate(
    session: &Session,
    authority: &AuthorityRow,
) -> anyhow::Result<Certificate> {
    let tail = format!("certificates.{}", authority.name);
    let mut query = ListQuery::default();
    loop {
        let page: Certificates = session.query(&tail, &query).await?;
        let mut found = page.certificates.iter();
        if let Some(found) = found.find(|c| *c.serial == *authority.serial) {
            let der = STANDARD.decode(found.certificate.as_bytes())?;
            return Ok(Certificate::from_der(&der)?);
        }
        let Some(next) = page.next else {
            let problem = format!("the certificate of {} is not in the ledger", authority.name);
            return Err(Failure::new(Exit::Rejected, problem).into());
        };
        query.after = Some(Name::new(&next)?);
    }
}

/// The key's state, or why its certificates keep it from issuing.
fn standing(row: &AuthorityRow) -> &'static str {
    match (row.state, row.issues) {
        (keyledger_domain::key::State::Active, false) => "issues no more",
        (state, _) => state.as_str(),
    }
}

fn above(row: &AuthorityRow) -> String {
    match row.issuer == row.name {
        true => "itself".to_owned(),
        false => row.issuer.to_string(),
    }
}

const fn custodian(custodian: Custodian) -> &'static str {
    match custodian {
        Custodian::Software => "in custody",
        Custodian::External | Custodian::Offline => "kept elsewhere",
        Custodian::Token => "on a token",
    }
}
