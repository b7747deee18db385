//! A user's creds and JWT: made for an issue, and given with its acknowledgement.

use data_encoding::BASE64;
use keyledger_custody::UserSeed;
use keyledger_domain::{
    Command, Event, Facts, Made, Name, Rejection, Timestamp, command::Target, user::User,
};
use keyledger_wire::Sealed;
use uuid::Uuid;

use super::{Prepared, custody_failed};
use crate::{endpoint::Refused, shared::Shared, trust};

/// Generates a user and seals its creds to the requester; the seed is never anywhere in clear.
pub(super) async fn seal(
    shared: &Shared,
    target: &Target,
    command: &Command,
    seal_to: &str,
    id: Uuid,
    now: Timestamp,
) -> Result<Prepared, Refused> {
    let seed = UserSeed::generate().map_err(|e| custody_failed(&e))?;
    let made = Made::User(seed.public_nkey().to_owned(), now);
    let facts = Facts {
        now,
        made: made.clone(),
    };
    let decision = shared.live.ledger.read().decide(target, command, &facts)?;
    let issued = decision.events.iter().find_map(|(_, event)| match event {
        Event::User(event) => User::create(event),
        _ => None,
    });
    let Some(user) = issued else {
        return Ok(Prepared::nothing());
    };
    let jwt = sign_user(shared, &target.name, &user).await?;
    let delivery = seed
        .seal_creds(&jwt, seal_to)
        .map_err(|e| Rejection::BadValue {
            field: "seal_to",
            fault: e.to_string(),
        })?;
    let creds = Sealed {
        sender: delivery.sender,
        sealed: BASE64.encode(&delivery.ciphertext),
    };
    let entry = creds_entry(id, seed.public_nkey());
    let stored = serde_json::to_vec(&creds).map_err(|e| custody_failed(&e))?;
    shared.materials.put(&entry, stored).await?;
    Ok(Prepared {
        creds: Some(creds),
        ..Prepared::of(made, vec![entry])
    })
}

/// The creds that were sealed when the command came first: they lie in the bucket.
pub(crate) async fn again(shared: &Shared, name: &Name, id: Uuid) -> Result<Sealed, Refused> {
    let nkey = {
        let ledger = shared.live.ledger.read();
        let user = ledger.user(name).map(|e| e.state.nkey.clone());
        user.unwrap_or_default()
    };
    let entry = creds_entry(id, &nkey);
    let stored = shared.materials.read(&entry).await?;
    let stored = stored.ok_or_else(|| {
        Refused::Fault(
            "custody_failed",
            "the sealed creds are gone: revoke the user and issue another".to_owned(),
        )
    })?;
    serde_json::from_slice(&stored).map_err(|e| custody_failed(&e))
}

/// The JWT of a user in the ledger: a function of its events and its account's signing key.
pub(crate) async fn jwt(shared: &Shared, name: &Name) -> Result<String, Refused> {
    let user = shared
        .live
        .ledger
        .read()
        .user(name)
        .map(|e| e.state.clone());
    let user =
        user.ok_or_else(|| Refused::Fault("not_ready", format!("user {name} is not folded")))?;
    sign_user(shared, name, &user).await
}

async fn sign_user(shared: &Shared, name: &Name, user: &User) -> Result<String, Refused> {
    let (account, key) = {
        let ledger = shared.live.ledger.read();
        let account = ledger.account(&user.account).map(|e| e.state.clone());
        let account = account.ok_or_else(|| custody_failed(&"its account is not folded"))?;
        let key = account.signing_keys.iter().find(|k| k.nkey == user.issuer);
        let key = key.ok_or_else(|| custody_failed(&"its issuer is not a key of its account"))?;
        let key = key.key.clone();
        (account, key)
    };
    let signer = shared.signers.signer(&key).await?;
    trust::user_jwt(name, user, &account, &signer).map_err(|e| custody_failed(&e))
}

/// Where a command's sealed creds lie: by the user that was generated too, since a command that comes twice at once is
/// prepared twice.
fn creds_entry(id: Uuid, nkey: &str) -> String {
    format!("creds.{}.{nkey}", id.simple())
}
