//! A token's secrets in custody, given to who may have them.

use data_encoding::BASE64;
use keyledger_domain::{Aggregate, Event, Name, Record, Rejection, name::HistoryId, token::Token};
use keyledger_wire::Sealed;

use crate::{
    refused::{Refused, broken, custody_failed},
    shared::Shared,
};

/// How much of a token's secrets is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Given {
    /// All of them.
    Everything,
    /// The management key, and nothing else.
    ManagementKey,
}

/// A token's secrets, sealed to `receiver`: what opens it as far as is known, and behind it, likeliest first, what a task may have set
/// that never came to its end.
pub(crate) async fn release(
    shared: &Shared,
    token: &Name,
    receiver: &str,
) -> Result<Vec<Sealed>, Refused> {
    let entries = {
        let ledger = shared.live.ledger.read();
        let token = ledger.token(token).map(|e| &e.state);
        token.map(ways_in).unwrap_or_default()
    };
    let sealed = seal(shared, token, &entries, Given::Everything, receiver).await?;
    sealed.ok_or_else(|| custody_failed("the token's secrets are not in custody"))
}

/// The secrets that opened a token at a revision of its history, as [`release`] gives them: a release that is answered again gives
/// what it gave, not what was set since. Nothing if they were erased meanwhile.
pub(crate) async fn release_at(
    shared: &Shared,
    token: &Name,
    revision: u32,
    given: Given,
    receiver: &str,
) -> Result<Option<Vec<Sealed>>, Refused> {
    let entries = ways_in_at(shared, token, revision).await?;
    seal(shared, token, &entries, given, receiver).await
}

fn ways_in(token: &Token) -> Vec<Box<str>> {
    token.ways_in().cloned().collect()
}

async fn ways_in_at(shared: &Shared, name: &Name, revision: u32) -> Result<Vec<Box<str>>, Refused> {
    {
        let ledger = shared.live.ledger.read();
        let now = ledger.token(name).filter(|e| e.head.revision == revision);
        if let Some(now) = now {
            return Ok(ways_in(&now.state));
        }
    }
    let history = shared
        .prefix
        .history(&HistoryId::new(Aggregate::Token, name.clone()));
    let count = usize::try_from(revision).unwrap_or(usize::MAX);
    let events = shared.store.history(history, 0, count).await?;
    let mut token: Option<Token> = None;
    for event in events {
        let record = Record::read(&event.payload).map_err(broken)?;
        if let Event::Token(event) = &record.event {
            match &mut token {
                Some(token) => token.evolve(event, record.occurred_at),
                None => token = Token::create(event, record.occurred_at),
            }
        }
    }
    Ok(token.as_ref().map(ways_in).unwrap_or_default())
}

/// Each entry, sealed to `receiver`; nothing if there is none, or one of them was erased.
async fn seal(
    shared: &Shared,
    token: &Name,
    entries: &[Box<str>],
    given: Given,
    receiver: &str,
) -> Result<Option<Vec<Sealed>>, Refused> {
    let mut secrets = Vec::new();
    for entry in entries {
        let stored = shared.materials.read(entry).await;
        let Some(stored) = stored? else {
            return Ok(None);
        };
        let custody = shared.vault.custody()?;
        let delivery = match given {
            Given::Everything => custody.release(&stored, token, receiver),
            Given::ManagementKey => custody.release_management_key(&stored, token, receiver),
        };
        let delivery = delivery.map_err(|e| Rejection::BadValue {
            field: "seal_to",
            fault: e.to_string(),
        })?;
        secrets.push(Sealed {
            sender: delivery.sender,
            sealed: BASE64.encode(&delivery.ciphertext),
        });
    }
    Ok((!secrets.is_empty()).then_some(secrets))
}
