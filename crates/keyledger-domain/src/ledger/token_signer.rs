//! Whose commands a key on a token signs.

use super::{Known, Ledger, Reader};
use crate::{
    key::{Custodian, Key, State},
    name::Name,
    rejection::Rejection,
    signed::SIGNING_SLOTS,
    time::Timestamp,
    token::Phase,
};

/// A key on a token that signs commands of the person who holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenSigner {
    /// The key.
    pub key: Name,
    /// The token it lies on.
    pub token: Name,
    /// Base64 of its DER `SubjectPublicKeyInfo`.
    pub public_key: Box<str>,
}

impl Reader<'_> {
    /// Checks that a key signs commands of this sender now: it is active, lies in a signing slot of a provisioned token, and key and token
    /// are the sender's own. Whether a signature is the key's is for who does cryptography to find out.
    ///
    /// # Errors
    ///
    /// [`Rejection::BadSignature`] with what is not so.
    pub fn token_signer(
        &self,
        sender: &Known,
        key: &Name,
        now: Timestamp,
    ) -> Result<TokenSigner, Rejection> {
        let refuse = |why: String| Err(Rejection::BadSignature { why });
        let (_, person) = self.issued_for(&sender.user);
        let Some(person) = person else {
            let user = &sender.user;
            return refuse(format!(
                "user {user} stands for no principal whose token could sign: issue one with `--principal`"
            ));
        };
        let Some(state) = self.key(key).map(|e| &e.state) else {
            return refuse(format!("there is no key {key}"));
        };
        if state.custodian != Custodian::Token {
            return refuse(format!("key {key} lies on no token"));
        }
        if state.owner.as_ref() != Some(person) {
            return refuse(format!("key {key} is not {person}'s"));
        }
        if state.state != State::Active {
            return refuse(format!("key {key} is {}", state.state));
        }
        // The ledger says so a moment later than it is so.
        if state.protect_stop_at.is_some_and(|end| end <= now) {
            return refuse(format!(
                "key {key} no longer signs: its originator-usage period is over"
            ));
        }
        // A key on a token is named after it; that it is on it, the token's history says.
        let named = key
            .as_str()
            .split('-')
            .next()
            .and_then(|serial| Name::new(serial).ok());
        let found = named.and_then(|name| {
            let token = &self.token(&name)?.state;
            let on_it = token.keys.iter().find(|on_it| on_it.key == *key)?;
            Some((name, token, on_it))
        });
        let Some((name, token, on_it)) = found else {
            return refuse(format!(
                "key {key} is on no token that was proved to hold it"
            ));
        };
        if token.phase != Phase::Provisioned {
            return refuse(format!("token {name} is {}", token.phase));
        }
        if token.principal.as_ref() != Some(person) {
            return refuse(format!("token {name} is not {person}'s"));
        }
        if !SIGNING_SLOTS
            .iter()
            .any(|slot| slot.place() == *on_it.place)
        {
            let place = &on_it.place;
            return refuse(format!(
                "key {key} lies in {place}, and commands are signed in piv.9c or piv.9a"
            ));
        }
        if public_key_on_token(state) != Some(&*on_it.public_key) {
            return refuse(format!("key {key} is not the one that token {name} proved"));
        }
        Ok(TokenSigner {
            key: key.clone(),
            token: name,
            public_key: on_it.public_key.clone(),
        })
    }
}

impl Ledger {
    /// Base64 of the DER `SubjectPublicKeyInfo` of a key on a token, whatever has become of either.
    #[must_use]
    pub fn token_public_key(&self, key: &Name) -> Option<&str> {
        public_key_on_token(&self.key(key)?.state)
    }
}

fn public_key_on_token(key: &Key) -> Option<&str> {
    let newest = key.newest().filter(|_| key.custodian == Custodian::Token)?;
    newest.public_key.as_deref()
}
