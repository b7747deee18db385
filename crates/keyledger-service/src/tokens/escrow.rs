//! Keys that decrypt, made in custody for a principal and imported into each of its tokens.

use data_encoding::BASE64;
use keyledger_custody::{
    CustodianError, SecretHalf,
    openpgp::{EscrowedKey, escrow_context},
};
use keyledger_domain::{
    Name, Rejection, Timestamp,
    key::Escrowed,
    ledger::NewEscrow,
    token::{EscrowedKeyReleased, OpenTask, OpenpgpKeyMade},
};
use keyledger_wire::Sealed;
use uuid::Uuid;

use crate::{
    refused::{Refused, custody_failed},
    shared::Shared,
};

/// Makes a key for the holder of the token of a task, and writes it sealed; nothing if the task imports none, or the holder
/// has one already.
pub(super) async fn make(
    shared: &Shared,
    open: &OpenTask,
    now: Timestamp,
) -> Result<Option<NewEscrow>, Refused> {
    let holder = open.filed.holder.as_ref().filter(|_| open.imports());
    let Some(principal) = holder.map(|holder| &holder.principal) else {
        return Ok(None);
    };
    let ledger = || shared.live.ledger.read();
    if ledger().reader().escrowed_for(principal).is_some() {
        return Ok(None);
    }
    let made = EscrowedKey::generate(now).map_err(custody_failed)?;
    let public = OpenpgpKeyMade::from(made.public());
    let key = name(&public.fingerprint);
    let sealed = shared.vault.custody()?.seal_openpgp_key(principal, &made);
    let sealed = sealed.map_err(custody_failed)?;
    let entry = format!("{key}.1.{}", Uuid::now_v7().simple());
    shared.materials.put(&entry, sealed).await?;
    Ok(Some(NewEscrow {
        escrowed: Escrowed {
            key,
            public_key: public.public_key,
            fingerprint: public.fingerprint.to_ascii_lowercase().into(),
            created_at: public.created_at,
        },
        entry: entry.as_str().into(),
    }))
}

/// Names a key by its OpenPGP key id, which is what mail programs show.
fn name(fingerprint: &str) -> Name {
    let id = fingerprint.get(24..).unwrap_or(fingerprint);
    let name = format!("openpgp-{}", id.to_ascii_lowercase());
    Name::new(&name).expect("16 digits of hex are a name")
}

/// The key that was given for the task of a token, sealed to whom it was given.
pub(crate) async fn hand_over(
    shared: &Shared,
    token: &Name,
    given: &EscrowedKeyReleased,
) -> Result<Sealed, Refused> {
    let principal = {
        let ledger = shared.live.ledger.read();
        let open = ledger.token(token).and_then(|t| t.state.task.as_ref());
        let holder = open.and_then(|open| open.filed.holder.as_ref());
        holder.map(|holder| holder.principal.clone())
    };
    let principal = principal.ok_or_else(gone)?;
    give(shared, &principal, &given.escrowed, &given.seal_to).await
}

/// A key of a principal, the newest if none is named, sealed to `receiver`.
pub(crate) async fn recover(
    shared: &Shared,
    principal: &Name,
    key: Option<&Name>,
    receiver: &str,
) -> Result<Sealed, Refused> {
    let escrowed = {
        let ledger = shared.live.ledger.read();
        let state = ledger.principal(principal).map(|e| &e.state);
        state.and_then(|p| p.escrowed_as(key).cloned())
    };
    let escrowed = escrowed.ok_or_else(|| Rejection::BadValue {
        field: "key",
        fault: format!("custody has made no such key for {principal}"),
    })?;
    give(shared, principal, &escrowed, receiver).await
}

async fn give(
    shared: &Shared,
    principal: &Name,
    escrowed: &Escrowed,
    receiver: &str,
) -> Result<Sealed, Refused> {
    let entry = {
        let ledger = shared.live.ledger.read();
        let key = ledger.key(&escrowed.key).map(|e| &e.state);
        key.and_then(|key| key.entries().next().map(str::to_owned))
    };
    let sealed = shared.materials.read(&entry.ok_or_else(gone)?).await;
    let secret = SecretHalf::Sealed(sealed?.ok_or_else(gone)?);
    let context = escrow_context(principal);
    let delivered = shared.custodian.deliver(&secret, &context, receiver).await;
    let delivered = delivered.map_err(|error| match error {
        CustodianError::Deliver(error) => Rejection::BadValue {
            field: "seal_to",
            fault: error.to_string(),
        }
        .into(),
        other => Refused::from(other),
    })?;
    // Of several that the principal had, another may lie in its place.
    let fingerprint = delivered.fingerprint.to_string();
    if !fingerprint.eq_ignore_ascii_case(&escrowed.fingerprint) {
        let said = "another key lies in custody than the ledger names";
        return Err(custody_failed(said));
    }
    let delivery = delivered.delivery;
    Ok(Sealed {
        sender: delivery.sender,
        sealed: BASE64.encode(&delivery.ciphertext),
    })
}

fn gone() -> Refused {
    custody_failed("the key that decrypts is not in custody")
}
