//! What happens to an account, and what that makes of it.

use super::{
    Account, Confirmed, Created, DriftRepaired, Renewed, Revocation, RevocationAdded, Revocations,
    RevocationsCollapsed, RevocationsExpired, State, TemplateAdopted,
};
use crate::{
    event::events,
    folded::{Folded, Indexed},
    group::Group,
    time::Timestamp,
};

events! { of Account;
    /// It was created.
    "account.v1.created" => Created(Created),
    /// It stands on another version of the templates.
    "account.v1.template_adopted" => TemplateAdopted(TemplateAdopted),
    /// A user's JWTs issued until a moment are refused from now on.
    "account.v1.revocation_added" => RevocationAdded(RevocationAdded),
    /// What refuses only JWTs that have expired left its revocation list.
    "account.v1.revocations_expired" => RevocationsExpired(RevocationsExpired),
    /// One entry of its revocation list refuses what many did before.
    "account.v1.revocations_collapsed" => RevocationsCollapsed(RevocationsCollapsed),
    /// Its JWT is signed anew, newer than one that a server holds or lost.
    "account.v1.renewed" => Renewed(Renewed),
    /// Every server that answered holds this JWT.
    "account.v1.confirmed" => Confirmed(Confirmed),
    /// A server was found with another JWT, and was pushed to again.
    "account.v1.drift_repaired" => DriftRepaired(DriftRepaired),
}

impl Account {
    /// The account as its first event makes it; nothing if that is not its creation.
    #[must_use]
    pub fn create(event: &Event, at: Timestamp) -> Option<Self> {
        let Event::Created(created) = event else {
            return None;
        };
        let created = created.clone();
        let mut account = Self {
            title: created.title,
            purpose: created.purpose,
            nkey: created.nkey,
            key: created.key,
            signing_keys: created.signing_keys,
            intent: created.intent,
            issuer: created.issuer,
            revocations: Revocations::default(),
            issued_at: created.issued_at,
            confirmed: None,
            intended_at: created.issued_at,
            claims_bytes: 0,
            created_at: at,
            changed_at: at,
        };
        account.claims_bytes = account.weigh();
        Some(account)
    }

    /// Takes in what happened at `at`.
    pub fn evolve(&mut self, event: &Event, at: Timestamp) {
        match event {
            Event::OfVerb(event) => event.evolve(self),
            Event::Created(_) | Event::DriftRepaired(_) => {}
            Event::TemplateAdopted(adopted) => {
                self.intent.template = adopted.template;
                self.intended_at = adopted.issued_at;
                self.reissue(adopted.issued_at, at);
            }
            Event::RevocationAdded(r) => {
                let entry = Revocation {
                    until: r.until,
                    jwt_issued_at: r.jwt_issued_at.unwrap_or(r.until),
                    expires_at: r.expires_at,
                };
                self.revocations.add(&r.nkey, entry);
                self.reissue(r.issued_at, at);
            }
            Event::RevocationsExpired(e) => {
                self.revocations.drop_expired(e.before);
                self.reissue(e.issued_at, at);
            }
            Event::RevocationsCollapsed(c) => {
                self.revocations.collapse(c.until);
                self.reissue(c.issued_at, at);
            }
            Event::Renewed(r) => self.reissue(r.issued_at, at),
            Event::Confirmed(c) => self.confirmed = self.confirmed.max(Some(c.issued_at)),
        }
    }

    fn reissue(&mut self, issued_at: i64, at: Timestamp) {
        self.issued_at = issued_at;
        self.changed_at = at;
    }
}

impl Folded for Account {
    type Event = Event;
    type State = State;

    fn begin(event: &Event, at: Timestamp) -> Option<Self> {
        Self::create(event, at)
    }

    fn fold(&mut self, event: &Event, at: Timestamp) {
        self.evolve(event, at);
    }

    fn state(&self) -> State {
        State::Active
    }

    fn indexed(event: &Event) -> Vec<Indexed<'_>> {
        let Event::Created(created) = event else {
            return Vec::new();
        };
        let keys = created.signing_keys.iter().map(|signing| &signing.key);
        let keys = std::iter::once(&created.key).chain(keys);
        std::iter::once(Indexed::Account(&created.nkey))
            .chain(keys.map(Indexed::TrustOn))
            .collect()
    }
}

impl Event {
    /// The groups that its history is in from then on, if it was not before.
    #[must_use]
    pub fn joins(&self) -> Vec<Group> {
        match self {
            Self::Created(_)
            | Self::TemplateAdopted(_)
            | Self::RevocationAdded(_)
            | Self::RevocationsExpired(_)
            | Self::RevocationsCollapsed(_)
            | Self::Renewed(_)
            | Self::Confirmed(_)
            | Self::DriftRepaired(_) => Vec::new(),
            Self::OfVerb(event) => event.joins(),
        }
    }
}
