//! `user.issue`: a user's creds and JWT, made for it, and given with its acknowledgement.

use data_encoding::BASE64;
use keyledger_custody::UserSeed;
use keyledger_domain::{
    Event, Name, Rejection,
    user::{GeneratedUser, Issue, User},
    verb::Credentials,
};
use keyledger_wire::Sealed;
use uuid::Uuid;

use crate::{
    delivery::Delivery,
    refused::{Refused, RequestError, custody_failed},
    shared::Shared,
    trust,
    verbs::{Beside, GiveFor, Giving, MakeFor, Making, Ready},
};

/// Generates a user and seals its creds to the requester; the seed is never anywhere in clear.
impl MakeFor<Issue> for Option<GeneratedUser> {
    async fn make<'a>(verb: &'a Issue, on: Making<'a>) -> Result<Ready<Self>, Refused> {
        let Some(seal_to) = &verb.seal_to else {
            return Ok(Ready::nothing());
        };
        let (shared, target) = (on.shared, on.target);
        let seed = UserSeed::generate().map_err(custody_failed)?;
        let made = Some(GeneratedUser {
            nkey: seed.public_nkey().to_owned(),
            issued_at: on.now,
        });
        let ledger = || shared.live.ledger.read();
        let decision = ledger().decide_verb(target, verb, &made, on.now).result?;
        let issued = decision.events.iter().find_map(|(_, event)| {
            let Event::User(event) = event else {
                return None;
            };
            User::create(event)
        });
        let Some(user) = issued else {
            return Ok(Ready::nothing());
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
        let entry = creds_entry(on.id, seed.public_nkey());
        let stored = serde_json::to_vec(&creds).map_err(custody_failed)?;
        shared.materials.put(&entry, stored).await?;
        let beside = Beside {
            creds: Some(creds),
            ..Beside::wrote(vec![entry])
        };
        Ok(Ready { made, beside })
    }
}

impl GiveFor<Issue> for Credentials {
    async fn give<'a>(verb: &'a Issue, on: Giving<'a>) -> Result<Delivery, Refused> {
        let (shared, name) = (on.shared, &on.done.history.name);
        let mut delivery = Delivery::default();
        match (&verb.seal_to, on.done.fresh) {
            (None, _) => delivery.jwt = Some(jwt(shared, name).await?),
            (Some(_), true) => delivery.creds = on.beside.creds,
            (Some(_), false) => delivery.creds = Some(again(shared, name, on.id).await?),
        }
        Ok(delivery)
    }
}

/// The creds that were sealed when the command came first: they lie in the bucket.
async fn again(shared: &Shared, name: &Name, id: Uuid) -> Result<Sealed, Refused> {
    let nkey = {
        let ledger = shared.live.ledger.read();
        let user = ledger.user(name).map(|e| e.state.nkey.clone());
        user.unwrap_or_default()
    };
    let entry = creds_entry(id, &nkey);
    let stored = shared.materials.read(&entry).await?;
    let stored = stored.ok_or_else(|| {
        custody_failed("the sealed creds are gone: revoke the user and issue another")
    })?;
    serde_json::from_slice(&stored).map_err(custody_failed)
}

/// The JWT of a user in the ledger: a function of its events and its account's signing key.
async fn jwt(shared: &Shared, name: &Name) -> Result<String, Refused> {
    let user = shared
        .live
        .ledger
        .read()
        .user(name)
        .map(|e| e.state.clone());
    let user = user.ok_or_else(|| RequestError::UserNotFolded(name.clone()))?;
    sign_user(shared, name, &user).await
}

async fn sign_user(shared: &Shared, name: &Name, user: &User) -> Result<String, Refused> {
    let (account, key) = {
        let ledger = shared.live.ledger.read();
        let account = ledger.account(&user.account).map(|e| e.state.clone());
        let account = account.ok_or_else(|| custody_failed("its account is not folded"))?;
        let key = account.signing_keys.iter().find(|k| k.nkey == user.issuer);
        let key = key.ok_or_else(|| custody_failed("its issuer is not a key of its account"))?;
        let key = key.key.clone();
        (account, key)
    };
    let signer = shared.signers.signer(&key).await?;
    let draft = trust::user_draft(name, user, &account, signer.public_nkey());
    let draft = draft.map_err(custody_failed)?;
    Ok(signer.sign_claims(draft).await?)
}

/// Where a command's sealed creds lie: by the user that was generated too, since a command that comes twice at once is
/// prepared twice.
fn creds_entry(id: Uuid, nkey: &str) -> String {
    format!("creds.{}.{nkey}", id.simple())
}
