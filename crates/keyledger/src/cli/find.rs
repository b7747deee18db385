//! `keyledger history`: what happened, over all histories or in one of any kind.

use anyhow::Context as _;
use keyledger_domain::{
    Name, Timestamp,
    name::Aggregate,
    text::{Ticket, visible},
    views::{SearchPage, SearchQuery, SearchRow},
};

use keyledger_wire::query::Nothing;

use super::history;
use crate::{
    args,
    connect::Connection,
    output::{self, Output},
    session::Session,
    when,
};

/// Search what happened, by who and when; or show one history of any kind.
///
/// Every condition given must hold. The events come in the order in which they were stored.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keyledger history --who alice --since -7d
  keyledger history --principal ada --event revoked
  keyledger history --ticket SEC-1123
  keyledger history account orders")]
pub(crate) struct History {
    /// The kind of one history: key, principal, operator, account, user, token
    #[arg(value_parser = args::aggregate(), requires = "name")]
    aggregate: Option<Aggregate>,
    /// The name whose history is shown
    #[arg(conflicts_with_all = ["who", "principal", "since", "until", "event", "under", "all"])]
    name: Option<Name>,
    /// What this user did: its name or its public nkey
    #[arg(long, value_name = "USER")]
    who: Option<String>,
    /// What any user of this principal did
    #[arg(long, value_name = "PRINCIPAL")]
    principal: Option<Name>,
    /// Not before this time: 2026-11-21, 2026-11-21T10:00:00Z or -7d
    #[arg(long, value_name = "TIME", value_parser = when::parse_as_of, allow_hyphen_values = true)]
    since: Option<Timestamp>,
    /// Not after this time
    #[arg(long, value_name = "TIME", value_parser = when::parse_as_of, allow_hyphen_values = true)]
    until: Option<Timestamp>,
    /// Only in histories of this kind
    #[arg(long = "of", value_name = "KIND", value_parser = args::aggregate())]
    of: Option<Aggregate>,
    /// What happened, as a word: revoked, issued, described; a wrong word gets the list of all
    #[arg(long, value_name = "WORD", value_parser = args::event(), hide_possible_values = true)]
    event: Option<String>,
    /// Only under this ticket
    #[arg(long = "ticket", id = "under", value_name = "TICKET")]
    ticket: Option<Ticket>,
    /// Show everything found; without it the first 100. With --json everything is always shown
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    connection: Connection,
}

impl History {
    pub(crate) async fn run(self, out: &mut Output<'_>) -> anyhow::Result<()> {
        let session = self.connection.open().await?;
        if let (Some(aggregate), Some(name)) = (self.aggregate, &self.name) {
            return history::run(&session, out, aggregate, name).await;
        }
        let query = SearchQuery {
            who: self.who,
            principal: self.principal,
            since: self.since,
            until: self.until,
            aggregate: self.of,
            event: self.event,
            ticket: self.ticket,
            limit: None,
            after: None,
        };
        // A program cannot see that a part of an array was left out.
        let all = self.all || out.is_json();
        let (rows, more) = find(&session, query.clone(), all).await?;
        if rows.is_empty() {
            check_known(&session, &query).await?;
        }
        if out.is_json() {
            return Ok(out.json(&rows)?);
        }
        print(&rows, more, out)?;
        Ok(())
    }
}

/// Refuses a user or a principal that never existed, so that a typing error does not look like "nothing happened".
async fn check_known(session: &Session, query: &SearchQuery) -> anyhow::Result<()> {
    let who = query.who.as_ref().and_then(|who| Name::new(who).ok());
    for (tail, what, name) in [
        ("users.show", "user", who.as_ref()),
        ("principals.show", "principal", query.principal.as_ref()),
    ] {
        let Some(name) = name else { continue };
        let _: serde_json::Value = session
            .query(&format!("{tail}.{name}"), &Nothing {})
            .await
            .with_context(|| format!("nothing was found; looking up {what} {name}"))?;
    }
    Ok(())
}

/// The events found, and whether there are more.
async fn find(
    session: &Session,
    mut query: SearchQuery,
    all: bool,
) -> anyhow::Result<(Vec<SearchRow>, bool)> {
    /// The events of one page.
    const SOME: usize = 100;
    let mut rows = Vec::new();
    loop {
        let page: SearchPage = session
            .query("history.search", &query)
            .await
            .context("searching histories")?;
        rows.extend(page.rows);
        let full = !all && rows.len() >= SOME;
        match page.next {
            Some(next) if !full => query.after = Some(next),
            next => {
                let more = next.is_some() || rows.len() > SOME && full;
                if full {
                    rows.truncate(SOME);
                }
                return Ok((rows, more));
            }
        }
    }
}

fn print(rows: &[SearchRow], more: bool, out: &mut Output<'_>) -> std::io::Result<()> {
    if rows.is_empty() {
        return out.styled(output::faint(), "nothing was found");
    }
    for row in rows {
        let reason = row.reason.as_ref().map(|it| format!(": {it}"));
        let ticket = row.ticket.as_ref().map(|it| format!(" [{it}]"));
        let line = format!(
            "{}  {} {}  {}  by {}{}{}",
            when::moment(row.at),
            row.aggregate,
            row.name,
            row.event,
            history::who(&row.who),
            reason.unwrap_or_default(),
            ticket.unwrap_or_default(),
        );
        // The text was written by people, so characters that would begin another line are removed.
        out.line(visible(&line))?;
    }
    if more {
        out.styled(output::faint(), "there is more; --all shows all")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_found_is_a_line_each() {
        let row: SearchRow = serde_json::from_value(json!({
            "sequence": 23, "at": "2026-11-22T10:00:00.123Z", "aggregate": "key", "name": "orders-db", "revision": 4,
            "event": "revoked", "reason": "laptop stolen", "ticket": "SEC-1123",
            "who": { "account": "AX", "user": "UX", "name": "alice", "role": "administrator", "verified_by": "request_info" },
            "cid": "bafkr4ibpdgzdp3zuhiknhxdz4f4rysatutowxvywsfgmbyfbkyvc3snbjm" }))
        .unwrap();
        let mut text = Vec::new();
        let mut out = Output::fixed(&mut text, None, Timestamp::from_ms(0));
        print(&[row], true, &mut out).unwrap();
        print(&[], false, &mut out).unwrap();
        assert_eq!(
            String::from_utf8(text).unwrap(),
            "2026-11-22 10:00:00Z  key orders-db  revoked  by alice (administrator): laptop stolen [SEC-1123]\n\
             there is more; --all shows all\n\
             nothing was found\n"
        );
    }
}
