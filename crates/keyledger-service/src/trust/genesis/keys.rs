//! The keys that trust stands on.

use keyledger_custody::{Custody, MaterialContext, NkeyKind, NkeySigner};
use keyledger_domain::{
    Aggregate, Event, Name, Purpose as KeyPurpose, Purposes, Role, Timestamp,
    account::{self, NkeyMade, Purpose, SigningKey, intent::Intent},
    key::Material,
    name::HistoryId,
    text::Title,
};

use crate::trust::{init_error::InitError, names};

/// A trust key that was made.
pub(in crate::trust) struct Key {
    pub(in crate::trust) made: NkeyMade,
    pub(in crate::trust) sealed: Vec<u8>,
    pub(super) signer: NkeySigner,
    title: String,
    pub(super) parent: Option<Name>,
}

impl Key {
    pub(super) fn make(
        custody: &Custody,
        key: &Name,
        kind: NkeyKind,
        offline: bool,
    ) -> Result<Self, InitError> {
        let purposes = Purposes::of(&[KeyPurpose::Certify]);
        let context = MaterialContext {
            key: key.clone(),
            version: 1,
            purposes,
        };
        let generated = custody.generate_nkey(kind, &context)?;
        let signer = custody.open_signer(&generated.sealed, &context)?;
        let entry = format!("{key}.1");
        let material = (!offline).then(|| Material::Entry(entry.into()));
        let made = NkeyMade {
            key: key.clone(),
            public: generated.public,
            material,
        };
        Ok(Self {
            made,
            sealed: generated.sealed,
            signer,
            title: String::new(),
            parent: None,
        })
    }

    pub(super) fn titled(self, title: String, parent: Option<&Self>) -> Self {
        Self {
            title,
            parent: parent.map(|p| p.made.key.clone()),
            ..self
        }
    }

    pub(super) fn nkey(&self) -> &str {
        self.signer.public_nkey()
    }

    pub(super) fn events(
        &self,
        now: Timestamp,
    ) -> impl Iterator<Item = (HistoryId, Event)> + use<> {
        let title = Title::new(&self.title).expect("the titles of the bootstrap are lines of text");
        let history = HistoryId::new(Aggregate::Key, self.made.key.clone());
        let events = self.made.events(title, self.parent.clone(), now);
        events
            .into_iter()
            .map(move |event| (history.clone(), Event::Key(event)))
    }
}

pub(super) struct AccountKeys {
    pub(super) name: &'static str,
    pub(super) purpose: Purpose,
    pub(super) identity: Key,
    pub(super) signing: Vec<(Option<Role>, Key)>,
}

impl AccountKeys {
    pub(super) fn make(
        custody: &Custody,
        account: &'static str,
        purpose: Purpose,
        roles: &[Option<Role>],
    ) -> Result<Self, InitError> {
        let make = |key: &Name| Key::make(custody, key, NkeyKind::Account, false);
        let title = |what: &str| format!("{what} of NATS account {account}");
        let identity = make(&names::identity_of(account))?.titled(title("identity"), None);
        let mut signing = Vec::new();
        for role in roles {
            let key = make(&names::signing_of(account, *role))?;
            signing.push((*role, key.titled(title("signing key"), Some(&identity))));
        }
        Ok(Self {
            name: account,
            purpose,
            identity,
            signing,
        })
    }

    pub(super) fn created(&self, issuer: &Key, intent: Intent, now: Timestamp) -> Event {
        let signing_keys = self.signing.iter().map(|(role, key)| SigningKey {
            key: key.made.key.clone(),
            nkey: key.nkey().into(),
            role: *role,
            scope: None,
        });
        Event::Account(account::Event::Created(account::Created {
            title: Title::new(self.name).expect("a name is a line of text"),
            purpose: self.purpose,
            nkey: self.identity.nkey().into(),
            key: self.identity.made.key.clone(),
            signing_keys: signing_keys.collect(),
            intent,
            issuer: issuer.nkey().into(),
            issued_at: now.seconds(),
        }))
    }
}
