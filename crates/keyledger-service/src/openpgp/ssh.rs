//! Who may log in by SSH as whom.

use data_encoding::BASE64;
use keyledger_custody::openpgp::{SubkeyRole, ssh::of_subkey};
use keyledger_domain::{
    Ledger, Name, Purpose, Rejection, Timestamp,
    key::{self, Custodian},
    name::{Aggregate, HistoryId},
};
use keyledger_pki::ssh;
use keyledger_wire::query::AuthorizedKeys;

use super::{is_among, read, revoked_keys};

/// The lines of `authorized_keys` for a principal: slot 9a of its tokens, and the [A] subkeys of its certificate; what the ledger
/// revoked is left out at once, whatever the certificate says yet.
///
/// # Errors
///
/// [`Rejection::NotFound`] if there is no such principal.
pub(crate) fn authorized_keys(
    ledger: &Ledger,
    name: &Name,
    now: Timestamp,
) -> Result<AuthorizedKeys, Rejection> {
    let id = HistoryId::new(Aggregate::Principal, name.clone());
    let principal = ledger
        .principal(name)
        .map(|e| &e.state)
        .ok_or(Rejection::NotFound(id))?;
    let mut lines = Vec::new();
    if principal.offboarded_at.is_none() {
        let mut keys: Vec<_> = ledger
            .keys()
            .filter(|(_, key)| key.state.owner.as_ref() == Some(name))
            .filter(|(key, entry)| authenticates(key, &entry.state))
            .collect();
        keys.sort_unstable_by_key(|(key, _)| *key);
        for (key, entry) in keys {
            let public_key = entry.state.newest().and_then(|v| v.public_key.as_deref());
            let der = public_key.and_then(|text| BASE64.decode(text.as_bytes()).ok());
            let comment = format!("{name} {key}");
            lines.extend(der.and_then(|der| ssh::line(&der, &comment).ok()));
        }
        let certificate = principal
            .openpgp
            .as_ref()
            .and_then(|o| read(&o.certificate));
        let gone = revoked_keys(ledger, name);
        let subkeys = certificate
            .iter()
            .flat_map(|c| c.usable(SubkeyRole::Authenticate, now));
        for subkey in subkeys {
            let fingerprint = subkey.fingerprint.to_string();
            if !is_among(&gone, &fingerprint) {
                lines.extend(of_subkey(&subkey.public).ok());
            }
        }
    }
    Ok(AuthorizedKeys {
        principal: name.clone(),
        lines,
        next: None,
    })
}

/// True of an active key in slot 9a of a token.
fn authenticates(name: &Name, key: &key::Key) -> bool {
    key.state == key::State::Active
        && key.custodian == Custodian::Token
        && key.purposes.has(Purpose::Authenticate)
        && name.as_str().contains("-9a-")
}
