//! Questions to the views.

mod findings;
mod folds;
mod history;
mod last_past;
mod pages;
mod past;

use std::collections::BTreeMap;

use async_nats::Message;
use bytes::Bytes;
use keyledger_domain::{
    EventCid, Ledger, Name, Record, Rejection, Timestamp,
    command::parse_payload,
    key,
    name::{Aggregate, HistoryId},
    verify::{SignedHead, StoredEvent as Exported, export},
    views::{
        self, Budget, Filling, HistoryQuery, InventoryQuery, ListQuery, Page, Search, SearchPage,
        SearchQuery, UserQuery, page::sorted,
    },
};
use keyledger_wire::{
    Prefix, SERVICE_VERSION,
    query::{
        Certificates, CrlQuery, CrlWanted, EventsPage, EventsQuery, InventoryRemade, IssuedQuery,
        LinesQuery, Nothing, OpenpgpCertificate, Rebuilt, ServiceStatus, StreamHolds,
    },
};
use serde::Serialize;

pub(crate) use self::{folds::Folds, last_past::LastPast};
use crate::{
    identity, openpgp, pki,
    refused::{Refused, broken},
    shared::Shared,
    store::{ReadError, StoredEvent},
    streams::views_fault,
    thread::on_a_thread,
    tokens, trust,
};

/// The most bytes of an answer: a message of NATS's default size, less its frame.
const MAX_ANSWER_BYTES: usize = 900 * 1024;
/// What the headers of an answer may take of the server's largest message.
const HEADER_BYTES: usize = 256;
/// Events of a page when nobody says, and at most.
const EVENTS_PAGE: (u16, u16) = (200, 500);
/// Events that are read at once for a page.
const EVENTS_AT_ONCE: usize = 128;

/// How many unconfirmed accounts the status names.
const MAX_UNCONFIRMED: usize = 500;

/// Answers a question.
pub(crate) async fn answer(shared: &Shared, message: &Message) -> Result<Bytes, Refused> {
    let subject = Prefix::outer(&message.subject).unwrap_or(&message.subject);
    let tail = shared.prefix.split_query(subject).unwrap_or_default();
    let mut answer = ask(shared, message, tail).await;
    // What another instance acknowledged a moment ago is not unknown here.
    if answer.as_ref().is_err_and(Refused::is_of_state) && shared.handler.catch_up().await.is_ok() {
        answer = ask(shared, message, tail).await;
    }
    let room = shared.nats.server_info().max_payload;
    let most = MAX_ANSWER_BYTES.min(room.saturating_sub(HEADER_BYTES));
    let answer = answer?;
    if answer.len() > most {
        // Every list has pages that fit: this is one thing that is larger than any message.
        let what = "bytes of an answer";
        return Err(Rejection::LimitReached { what, max: most }.into());
    }
    Ok(answer)
}

async fn ask(shared: &Shared, message: &Message, tail: &str) -> Result<Bytes, Refused> {
    let now = (shared.clock)();
    identity::identify(
        &shared.live.ledger.read(),
        identity::request_info(message),
        now,
    )?;
    let payload = &message.payload;
    let budget = shared.budget();
    let tokens: Vec<_> = tail.split('.').collect();
    Ok(match tokens[..] {
        ["inventory", "locate"] => {
            let query: InventoryQuery = parse_payload(payload)?;
            match query.at {
                // A second of grace: clocks differ, and a moment may be written in whole seconds.
                Some(at) if at.ms() > now.ms() + 1_000 => {
                    return Err(Rejection::BadDate {
                        field: "at",
                        value: at,
                        rule: "it has not come yet: ask about a moment of the past",
                    }
                    .into());
                }
                Some(at) => {
                    let past = past::as_of(shared, at).await?;
                    let (page, past) = on_a_thread(move || {
                        let page = views::inventory(&past.ledger, &query, at, budget);
                        (page, past)
                    })
                    .await?;
                    shared.last_past.keep(past);
                    json(&page?)
                }
                None => json(&views::inventory(
                    &shared.live.ledger.read(),
                    &query,
                    now,
                    budget,
                )?),
            }
        }
        ["inventory", "show", name] => {
            let _: Nothing = parse_payload(payload)?;
            let id = HistoryId::new(Aggregate::Key, parse_name(name)?);
            let row = views::row(&shared.live.ledger.read(), &id.name);
            json(&row.ok_or(Rejection::NotFound(id))?)
        }
        ["history", "search"] => json(&search(shared, &parse_payload(payload)?).await?),
        ["principals", "show", name] => {
            let _: Nothing = parse_payload(payload)?;
            let id = HistoryId::new(Aggregate::Principal, parse_name(name)?);
            let detail = views::principals::detail(&shared.live.ledger.read(), &id.name, now);
            json(&detail.ok_or(Rejection::NotFound(id))?)
        }
        ["users"] => {
            let query: UserQuery = parse_payload(payload)?;
            json(&views::credentials::all_users(
                &shared.live.ledger.read(),
                &query,
                now,
                budget,
            )?)
        }
        ["users", "show", name] => {
            let _: Nothing = parse_payload(payload)?;
            let id = HistoryId::new(Aggregate::User, parse_name(name)?);
            let row = views::credentials::user(&shared.live.ledger.read(), &id.name, now);
            json(&row.ok_or(Rejection::NotFound(id))?)
        }
        ["history", aggregate, name] => {
            let query: HistoryQuery = parse_payload(payload)?;
            let aggregate = Aggregate::parse(aggregate).ok_or_else(|| Rejection::BadName {
                fault: "the aggregate is one of key, principal, operator, account, user, token"
                    .to_owned(),
            })?;
            let id = HistoryId::new(aggregate, parse_name(name)?);
            json(&history::page(shared, &id, &query).await?)
        }
        ["principals"] => {
            let query: ListQuery = parse_payload(payload)?;
            json(&views::principals::principals(
                &shared.live.ledger.read(),
                &query,
                budget,
            )?)
        }
        ["operator"] => {
            let _: Nothing = parse_payload(payload)?;
            let row = views::credentials::operator(&shared.live.ledger.read());
            json(&row.ok_or_else(|| {
                Refused::Fault("not_ready", "there is no operator yet".to_owned())
            })?)
        }
        ["tokens"] => {
            let query: ListQuery = parse_payload(payload)?;
            json(&views::tokens::tokens(
                &shared.live.ledger.read(),
                &query,
                budget,
            )?)
        }
        ["tokens", "trust"] => {
            let _: Nothing = parse_payload(payload)?;
            json(&tokens::authorities(shared))
        }
        ["tokens", "show", name] => {
            let _: Nothing = parse_payload(payload)?;
            let id = HistoryId::new(Aggregate::Token, parse_name(name)?);
            let row = views::tokens::token(&shared.live.ledger.read(), &id.name);
            json(&row.ok_or(Rejection::NotFound(id))?)
        }
        ["ssh", "authorized_keys", name] => {
            let query: LinesQuery = parse_payload(payload)?;
            let name = parse_name(name)?;
            let lines = openpgp::authorized_keys(&shared.live.ledger.read(), &name, now)?;
            json(&pages::lines(lines, query, budget))
        }
        ["openpgp"] => {
            let query: ListQuery = parse_payload(payload)?;
            json(&openpgp(&shared.live.ledger.read(), &query, budget)?)
        }
        ["openpgp", "show", name] => {
            let _: Nothing = parse_payload(payload)?;
            let id = HistoryId::new(Aggregate::Principal, parse_name(name)?);
            json(&openpgp::certificate_of(&shared.live.ledger.read(), id)?)
        }
        ["certificates", "crl", issuer] => {
            let query: CrlQuery = parse_payload(payload)?;
            json(&pki::crl(shared, &parse_name(issuer)?, &query, now).await?)
        }
        ["certificates", "to_be_signed", key] => {
            let certify: key::Certify = parse_payload(payload)?;
            json(&pki::to_be_signed(
                shared,
                &parse_name(key)?,
                &certify,
                now,
            )?)
        }
        ["certificates", "crl", "to_be_signed", issuer] => {
            let wanted: CrlWanted = parse_payload(payload)?;
            let issuer = parse_name(issuer)?;
            json(&pki::crl_to_be_signed(shared, &issuer, &wanted, now)?)
        }
        ["certificates", key] => {
            let query: ListQuery = parse_payload(payload)?;
            let all = certificates(&shared.live.ledger.read(), parse_name(key)?, now)?;
            json(&pages::certificates(all, &query, budget)?)
        }
        ["authorities"] => {
            let query: ListQuery = parse_payload(payload)?;
            json(&pki::authority_list(shared, &query, now)?)
        }
        ["authorities", "issued", issuer] => {
            let query: IssuedQuery = parse_payload(payload)?;
            let issuer = parse_name(issuer)?;
            json(&pki::issued(
                &shared.live.ledger.read(),
                &issuer,
                &query,
                now,
                budget,
            )?)
        }
        ["accounts"] => {
            let query: ListQuery = parse_payload(payload)?;
            json(&views::credentials::accounts(
                &shared.live.ledger.read(),
                &query,
                budget,
            )?)
        }
        ["credentials", account] => {
            let query: ListQuery = parse_payload(payload)?;
            let account = parse_name(account)?;
            json(&views::credentials::users(
                &shared.live.ledger.read(),
                &account,
                &query,
                now,
                budget,
            )?)
        }
        ["ledger", "head"] => {
            let _: Nothing = parse_payload(payload)?;
            // It covers everything that was acknowledged before it was asked for, by whichever instance.
            shared.handler.catch_up().await?;
            json(&head(shared, now))
        }
        ["ledger", "events"] => json(&events(shared, parse_payload(payload)?).await?),
        ["status"] => {
            let _: Nothing = parse_payload(payload)?;
            json(&status(shared, now).await?)
        }
        _ => {
            let fault = "no view answers on this subject: see `nats micro info keyledger`";
            return Err(Rejection::BadName {
                fault: fault.to_owned(),
            }
            .into());
        }
    })
}

/// Rebuilds a view from the ledger, compares it with the live one, and swaps.
pub(crate) async fn rebuild(shared: &Shared, message: &Message) -> Result<Bytes, Refused> {
    rebuild_now(shared, message)
        .await
        .map(|rebuilt| json(&rebuilt))
}

async fn rebuild_now(shared: &Shared, message: &Message) -> Result<Rebuilt, Refused> {
    let now = (shared.clock)();
    let known = identity::identify(
        &shared.live.ledger.read(),
        identity::request_info(message),
        now,
    )?
    .known;
    if known.role != keyledger_domain::Role::Administrator {
        let why = format!("the role {} does not give rebuild", known.role);
        return Err(Rejection::Unauthorised { why }.into());
    }
    let subject = Prefix::outer(&message.subject).unwrap_or(&message.subject);
    if !subject.ends_with(".inventory") {
        let fault = "the view that can be rebuilt is `inventory`".to_owned();
        return Err(Rejection::BadName { fault }.into());
    }
    let rebuilt = shared.handler.rebuild().await?;
    Ok(Rebuilt {
        events: rebuilt.events,
        keys: rebuilt.keys,
        equal: rebuilt.equal,
    })
}

/// The certificates of all principals that have one and act, by name.
fn openpgp(
    ledger: &Ledger,
    query: &ListQuery,
    budget: Budget,
) -> Result<Page<OpenpgpCertificate>, Rejection> {
    let has_one = ledger
        .principals()
        .filter(|(_, p)| p.state.openpgp.is_some());
    let mut names: Vec<_> = has_one.map(|(name, _)| name).collect();
    names.sort_unstable();
    let found = names.into_iter();
    let found = found.filter_map(|name| openpgp::certificate(ledger, name));
    let found: Vec<_> = found.collect();
    sorted(
        &found,
        query,
        budget,
        |found| &found.principal,
        Clone::clone,
    )
}

fn json<T: Serialize>(value: &T) -> Bytes {
    let payload = serde_json::to_vec(value).expect("answers are JSON with text keys");
    payload.into()
}

fn parse_name(text: &str) -> Result<Name, Rejection> {
    Name::new(text).map_err(|e| Rejection::BadName {
        fault: e.to_string(),
    })
}

/// Events of all histories that fit a question. A request reads no more than so many: where little is found, its answer says
/// from where to go on.
async fn search(shared: &Shared, query: &SearchQuery) -> Result<SearchPage, Refused> {
    const AT_ONCE: usize = 1_000;
    const READINGS: usize = 10;
    let users = {
        let ledger = shared.live.ledger.read();
        let of = |principal: &Name| {
            let users = ledger.users();
            let users = users.filter(|(_, u)| u.state.principal.as_ref() == Some(principal));
            users.map(|(_, u)| u.state.nkey.clone()).collect()
        };
        query.principal.as_ref().map(of).unwrap_or_default()
    };
    let mut search = Search::new(query, users, shared.budget())?;
    let last = shared.live.position().sequence;
    let mut after = match (query.after, query.since) {
        (Some(after), _) => after,
        (None, Some(since)) => first_near(shared, since, last).await?,
        (None, None) => 0,
    };
    for _ in 0..READINGS {
        let events = shared.store.read(after, AT_ONCE).await?;
        let Some(newest) = events.last() else {
            return Ok(search.finish(true));
        };
        after = newest.sequence;
        for event in events {
            let record = Record::read(&event.payload).map_err(|e| broken(&e))?;
            if !search.take(&record, EventCid::of(&event.payload), event.sequence) {
                return Ok(search.finish(false));
            }
        }
        if after >= last {
            return Ok(search.finish(true));
        }
    }
    Ok(search.finish(false))
}

/// A sequence behind which all is that happened since a moment: found by halving, since the stream is in the order of time but for
/// what clocks differ.
async fn first_near(shared: &Shared, since: Timestamp, last: u64) -> Result<u64, Refused> {
    const CLOCKS_DIFFER_MS: i64 = 300_000;
    let since = since.plus_ms(-CLOCKS_DIFFER_MS);
    let (mut before, mut behind) = (0, last);
    while behind - before > 64 {
        let middle = before + (behind - before) / 2;
        let event = shared.store.read(middle, 1).await?;
        let Some(event) = event.first() else { break };
        let record = Record::read(&event.payload).map_err(|e| broken(&e))?;
        if record.occurred_at < since {
            before = middle;
        } else {
            behind = middle;
        }
    }
    Ok(before)
}

fn head(shared: &Shared, now: Timestamp) -> SignedHead {
    let position = shared.live.position();
    let signer = shared.ledger_signer.current();
    let head = SignedHead::unsigned(
        shared.prefix.as_str(),
        &position.digest,
        position.sequence,
        now,
        signer.nkey(),
    );
    let signature = signer.sign(&head.message());
    head.with_signature(&signature)
}

/// Up to `limit` stored events. What is folded is known to be stored: that goes on while the cluster elects a leader.
async fn read(shared: &Shared, after: u64, limit: usize) -> Result<Vec<StoredEvent>, ReadError> {
    let folded = shared.live.position().sequence.saturating_sub(after);
    let folded = usize::try_from(folded).unwrap_or(usize::MAX);
    if folded >= limit {
        return shared.store.known(after, limit).await;
    }
    match shared.store.read(after, limit).await {
        Err(ReadError::Unavailable(_)) if folded > 0 => shared.store.known(after, folded).await,
        read => read,
    }
}

/// Stored events, exactly as they are, in lines of the export's form.
async fn events(shared: &Shared, query: EventsQuery) -> Result<EventsPage, Refused> {
    let (usual, most) = EVENTS_PAGE;
    let limit = query.limit.unwrap_or(usual);
    if !(1..=most).contains(&limit) {
        return Err(Rejection::OutOfRange {
            field: "limit",
            value: i64::from(limit),
            min: 1,
            max: i64::from(most),
        }
        .into());
    }
    let mut lines = Filling::of(shared.budget());
    let (mut after, mut left) = (query.after, usize::from(limit));
    while left > 0 {
        // As many as may fit, and no more in memory than a few pages of the largest.
        let events = read(shared, after, left.min(EVENTS_AT_ONCE)).await?;
        if events.is_empty() {
            break;
        }
        for event in events {
            after = event.sequence;
            left -= 1;
            if !lines.add(export::write_line(&export::Line::Event(exported(event)))) {
                return Ok(EventsPage { lines: lines.rows });
            }
        }
    }
    Ok(EventsPage { lines: lines.rows })
}

fn exported(event: StoredEvent) -> Exported {
    let mut headers = BTreeMap::<String, String>::new();
    for (name, value) in event.headers {
        // One that stands twice is shown as both: a verifier finds that it says something else than the bytes.
        headers
            .entry(name)
            .and_modify(|first| *first = format!("{first}, {value}"))
            .or_insert(value);
    }
    Exported {
        sequence: event.sequence,
        subject: event.subject,
        headers,
        payload: event.payload.to_vec(),
    }
}

/// What is wrong with the settings of a stream or a bucket, and what it holds.
async fn stream_fault(shared: &Shared) -> Option<(StreamHolds, String)> {
    if let Err(error) = shared.store.examine().await {
        return Some((StreamHolds::Ledger, error.to_string()));
    }
    if let Err(error) = shared.materials.examine().await {
        return Some((StreamHolds::SealedKeys, error.to_string()));
    }
    let fault = views_fault(&shared.nats, &shared.prefix).await?;
    Some((StreamHolds::View, fault))
}

async fn status(shared: &Shared, now: Timestamp) -> Result<ServiceStatus, Refused> {
    let position = shared.live.position();
    let clock_ahead_ms = shared.clock_watch.measure().await;
    let (stream_fault_of, stream_fault) = stream_fault(shared).await.unzip();
    let findings = findings::all(shared, now).await;
    let soon = InventoryQuery {
        expiring_days: Some(30),
        limit: Some(1),
        ..InventoryQuery::default()
    };
    let ledger = shared.live.ledger.read();
    let expiring = views::inventory(&ledger, &soon, now, shared.budget())?.total;
    let unconfirmed = ledger
        .accounts()
        .filter(|(_, a)| a.state.confirmed != Some(a.state.issued_at))
        .map(|(name, _)| name.to_string());
    let mut unconfirmed_accounts: Vec<_> = unconfirmed.collect();
    unconfirmed_accounts.sort_unstable();
    let unconfirmed = unconfirmed_accounts.len();
    unconfirmed_accounts.truncate(MAX_UNCONFIRMED);
    let info = shared.nats.server_info();
    Ok(ServiceStatus {
        instance: shared.instance.get().cloned().unwrap_or_default(),
        version: SERVICE_VERSION.to_owned(),
        prefix: shared.prefix.to_string(),
        server: format!("{} {}", info.server_name, info.version),
        clock_ahead_ms,
        events: position.digest.events(),
        sequence: position.sequence,
        keys: ledger.keys().count(),
        durability: shared.durability.describe(),
        stream_fault,
        stream_fault_of,
        servers: shared.durability.servers(),
        reserve: (shared.reserve.held(), shared.reserve.wanted()),
        unlimited_accounts: trust::unlimited_accounts(&ledger),
        unconfirmed_accounts,
        unconfirmed,
        inventory_fault: shared.inventory.fault(),
        inventory_remade: shared
            .inventory
            .remade()
            .map(|(times, at)| InventoryRemade { times, at }),
        older_templates: trust::older_templates(&ledger, &shared.prefix),
        expiring_within_30_days: expiring,
        token_signature_required: shared.require_token_signature.iter().collect(),
        findings,
    })
}

/// The most authorities above a certificate.
const MAX_CHAIN: usize = 8;

fn certificates(ledger: &Ledger, name: Name, now: Timestamp) -> Result<Certificates, Rejection> {
    let key = ledger.key(&name).map(|e| &e.state);
    let key = key.ok_or(Rejection::NotFound(HistoryId::new(
        Aggregate::Key,
        name.clone(),
    )))?;
    let mut certificates: Vec<_> = key.certificates().rev().cloned().collect();
    let ended = |c: &key::Certified| c.not_after <= now || key.revocation_of(c).is_some();
    certificates.sort_by_key(ended);
    let mut chain = Vec::new();
    let mut at = certificates.first().map(|c| (name, c.issuer.clone()));
    while let Some((below, issuer)) = at.take() {
        if issuer == below || chain.len() >= MAX_CHAIN {
            break;
        }
        let above = ledger.key(&issuer).and_then(|e| e.state.lists_under(now));
        if let Some(above) = above {
            at = Some((issuer, above.issuer.clone()));
            chain.push(above.clone());
        }
    }
    Ok(Certificates {
        certificates,
        chain,
        next: None,
    })
}
