//! What a certificate should come to when what is asked has been done: reckoned without the key.

use std::collections::{BTreeMap, BTreeSet};

use keyledger_domain::{Timestamp, text::Reason};

use super::{Ask, AskCertifyError};
use crate::openpgp::{Certificate, Fingerprint, Renewal, RevocationReason, SubkeyRole, UserId};

/// What a certificate says, without the moments at which it was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Expected {
    fingerprint: Fingerprint,
    expires: Option<Timestamp>,
    revoked: Option<Why>,
    user_ids: Vec<UserId>,
    subkeys: BTreeMap<Fingerprint, Subkey>,
}

/// What the end of the whole is written on.
const IDS: &str = "the user ids";

type Why = (RevocationReason, Option<Reason>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Subkey {
    role: SubkeyRole,
    expires: Option<Timestamp>,
    revoked: Option<Why>,
}

impl Expected {
    pub(super) fn of(certificate: &Certificate) -> Self {
        let subkeys = certificate.subkeys().iter().map(|view| {
            let revoked = view.revoked.as_ref();
            let subkey = Subkey {
                role: view.role,
                expires: view.expires,
                revoked: revoked.map(|r| (r.reason, r.text.clone())),
            };
            (view.fingerprint, subkey)
        });
        let revoked = certificate.revoked();
        let user_ids = certificate.user_ids().iter().map(|view| view.id.clone());
        Self {
            fingerprint: certificate.fingerprint(),
            expires: certificate.expires(),
            revoked: revoked.map(|r| (r.reason, r.text.clone())),
            user_ids: user_ids.collect(),
            subkeys: subkeys.collect(),
        }
    }

    /// What it comes to; an error if what is asked cannot be done.
    pub(super) fn after(mut self, asks: &[Ask]) -> Result<Self, AskCertifyError> {
        let mut signed = BTreeSet::new();
        for ask in asks {
            let what = match ask {
                Ask::Bind { subkey, .. } => Some(subkey.subkey().fingerprint().to_string()),
                Ask::Renew { what, .. } => Some(match what {
                    Renewal::Primary => IDS.to_owned(),
                    Renewal::Subkey(subkey) => subkey.to_string(),
                }),
                _ => None,
            };
            match what {
                Some(what) if signed.contains(&what) => {
                    return Err(AskCertifyError::Twice { what });
                }
                Some(what) => drop(signed.insert(what)),
                None if matches!(ask, Ask::AddUserId { .. }) => drop(signed.insert(IDS.to_owned())),
                None => {}
            }
            if self.revoked.is_some() {
                return Err(AskCertifyError::Revoked);
            }
            self.apply(ask)?;
        }
        Ok(self)
    }

    fn apply(&mut self, ask: &Ask) -> Result<(), AskCertifyError> {
        match ask {
            Ask::Bind { subkey, expires } => {
                let subkey = subkey.subkey();
                let fingerprint = subkey.fingerprint();
                let bound = Subkey {
                    role: subkey.role(),
                    expires: Some(whole(*expires)),
                    revoked: None,
                };
                if self.subkeys.insert(fingerprint, bound).is_some() {
                    return Err(AskCertifyError::Subkey {
                        subkey: fingerprint,
                    });
                }
            }
            Ask::Renew { what, expires } => {
                let expires = Some(whole(*expires));
                match what {
                    Renewal::Primary => self.expires = expires,
                    Renewal::Subkey(subkey) => self.living(*subkey)?.expires = expires,
                }
            }
            Ask::RevokeSubkey {
                subkey,
                reason,
                text,
            } => self.living(*subkey)?.revoked = Some((*reason, text.clone())),
            Ask::Revoke { reason, text } => self.revoked = Some((*reason, text.clone())),
            Ask::AddUserId { id } => {
                if self.user_ids.contains(id) {
                    return Err(AskCertifyError::UserId { id: id.clone() });
                }
                self.user_ids.push(id.clone());
            }
        }
        Ok(())
    }

    fn living(&mut self, subkey: Fingerprint) -> Result<&mut Subkey, AskCertifyError> {
        let found = self.subkeys.get_mut(&subkey);
        found
            .filter(|s| s.revoked.is_none())
            .ok_or(AskCertifyError::Subkey { subkey })
    }
}

/// OpenPGP counts in seconds.
fn whole(at: Timestamp) -> Timestamp {
    Timestamp::from_seconds(at.seconds())
}
