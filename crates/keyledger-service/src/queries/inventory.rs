//! The inventory: keys now, and as of a past moment.

use keyledger_domain::{
    Name, Rejection, Role,
    name::{Aggregate, HistoryId},
    views::{self, InventoryPage, InventoryQuery, InventoryRow},
};
use keyledger_wire::{
    query::{Nothing, Rebuilt},
    questions::{InventoryLocate, InventoryShow},
};
use serde::{Deserialize, de::IgnoredAny};

use super::{Answering, Asking, past};
use crate::{
    identity, lanes::Family, refused::Refused, request::Request, shared::Shared,
    thread::on_a_thread,
};

/// Clocks differ, and a moment may be written in whole seconds: one that is so many milliseconds ahead is not refused.
const GRACE_MS: i64 = 1_000;

impl Answering for InventoryLocate {
    fn family(payload: &[u8]) -> Family {
        #[derive(Deserialize)]
        struct Moment {
            #[serde(default)]
            at: Option<IgnoredAny>,
        }
        let moment = serde_json::from_slice::<Moment>(payload).ok();
        match moment.and_then(|moment| moment.at) {
            Some(_) => Family::Past,
            None => Family::Question,
        }
    }

    async fn answer(
        on: Asking<'_>,
        (): (),
        query: InventoryQuery,
    ) -> Result<InventoryPage, Refused> {
        let budget = on.budget();
        let Some(at) = query.at else {
            return Ok(views::inventory(&on.ledger(), &query, on.now, budget)?);
        };
        if at.ms() > on.now.ms() + GRACE_MS {
            return Err(Rejection::BadDate {
                field: "at",
                value: at,
                rule: "it has not come yet: ask about a moment of the past",
            }
            .into());
        }
        let past = past::as_of(on.shared, at).await?;
        let (page, past) = on_a_thread(move || {
            let page = views::inventory(&past.ledger, &query, at, budget);
            (page, past)
        })
        .await?;
        on.shared.last_past.keep(past);
        Ok(page?)
    }
}

impl Answering for InventoryShow {
    async fn answer(on: Asking<'_>, name: Name, _: Nothing) -> Result<InventoryRow, Refused> {
        let row = views::row(&on.ledger(), &name);
        Ok(row.ok_or_else(|| Rejection::NotFound(HistoryId::new(Aggregate::Key, name)))?)
    }
}

/// Rebuilds the inventory from the ledger, compares it with the live one, and swaps.
pub(crate) async fn rebuild(shared: &Shared, request: &Request<'_>) -> Result<Rebuilt, Refused> {
    let now = (shared.clock)();
    let sender = identity::identify(&shared.live.ledger.read(), request.stamp, now)?;
    let role = sender.known.role;
    if role != Role::Administrator {
        let why = format!("the role {role} does not give rebuild");
        return Err(Rejection::Unauthorised { why }.into());
    }
    if !request.subject.ends_with(".inventory") {
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
