//! Given what happened, when a command comes, then this is written or refused.

use keyledger_domain::{Aggregate, Ledger, Rejection, Timestamp, ledger::Outcome, name::HistoryId};
use serde_json::{Value, json};

use super::{Told, World, history, name, spki};

/// Something that is done to a ledger.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// A command, as it would come over the wire.
    Command {
        target: HistoryId,
        verb: &'static str,
        json: Value,
    },
    /// What the service itself reports.
    Outcome(Outcome),
    /// What an agent reports of a token.
    Told(Told),
    /// Days pass.
    Later(i64),
    /// The scheduler looks.
    Tick,
}

pub(crate) fn command(aggregate: Aggregate, verb: &'static str, id: &str, json: Value) -> Step {
    Step::Command {
        target: history(aggregate, id),
        verb,
        json,
    }
}

pub(crate) fn key(verb: &'static str, id: &str, json: Value) -> Step {
    command(Aggregate::Key, verb, id, json)
}

/// A pre-active Ed25519 key.
pub(crate) fn generate(id: &str) -> Step {
    key("generate", id, json!({ "algorithm": "ed25519" }))
}

/// An active Ed25519 key.
pub(crate) fn active(id: &str) -> Step {
    key(
        "generate",
        id,
        json!({ "algorithm": "ed25519", "activate": true }),
    )
}

/// A public key that is kept elsewhere.
pub(crate) fn register(id: &str) -> Step {
    key(
        "register",
        id,
        json!({ "algorithm": "ed25519", "public_key": spki(7_000) }),
    )
}

/// Installs a certificate that was signed elsewhere, an authority's for a year unless `said` says otherwise.
pub(crate) fn install(id: &str, issuer: Option<&str>, said: Value) -> Step {
    let mut certificate = json!({ "serial": "c0ffee", "from": 0, "until": 365, "authority": true });
    let said = said.as_object().unwrap().clone();
    certificate.as_object_mut().unwrap().extend(said);
    let mut body = json!({ "certificate": certificate.to_string() });
    if let Some(issuer) = issuer {
        body["issuer"] = json!(issuer);
    }
    key("install", id, body)
}

/// A verb that needs nothing more than a reason.
pub(crate) fn please(verb: &'static str, id: &str) -> Step {
    key(verb, id, json!({ "reason": "because" }))
}

pub(crate) fn revoke(id: &str, why: &str) -> Step {
    key(
        "revoke",
        id,
        json!({ "reason": "because", "revocation_reason": why }),
    )
}

pub(crate) fn person(id: &str) -> Step {
    command(
        Aggregate::Principal,
        "register",
        id,
        json!({ "kind": "person", "title": id }),
    )
}

pub(crate) fn offboard(id: &str) -> Step {
    command(
        Aggregate::Principal,
        "offboard",
        id,
        json!({ "reason": "left" }),
    )
}

/// A user of an account, with a generated nkey.
pub(crate) fn issue(id: &str, account: &str, json: Value) -> Step {
    let mut body = json!({ "account": account, "seal_to": super::curve_key() });
    let Value::Object(more) = json else {
        panic!("an object")
    };
    body.as_object_mut().unwrap().extend(more);
    command(Aggregate::User, "issue", id, body)
}

pub(crate) fn revoke_user(id: &str) -> Step {
    command(
        Aggregate::User,
        "revoke",
        id,
        json!({ "reason": "because" }),
    )
}

pub(crate) fn upgrade_account(id: &str, template: u16) -> Step {
    let body = json!({ "template": template });
    command(Aggregate::Account, "upgrade", id, body)
}

pub(crate) fn create_account(id: &str) -> Step {
    command(Aggregate::Account, "create", id, json!({}))
}

pub(crate) fn erased(id: &str) -> Step {
    Step::Outcome(Outcome::Erased(name(id)))
}

/// Steps, and then others.
pub(crate) fn then(mut steps: Vec<Step>, more: impl IntoIterator<Item = Step>) -> Vec<Step> {
    steps.extend(more);
    steps
}

/// A ledger in which something happened.
#[derive(Clone)]
pub(crate) struct Given(World);

/// What came of the last step.
pub(crate) struct Then {
    pub(crate) world: World,
    result: Result<Vec<String>, Rejection>,
}

/// A fresh organisation in which `steps` were done; each of them must have been allowed.
pub(crate) fn given(steps: impl IntoIterator<Item = Step>) -> Given {
    Given(World::organisation()).and(steps)
}

impl Given {
    pub(crate) fn when(mut self, step: Step) -> Then {
        let result = self.0.run(&step).map(|records| {
            let said = |r: &keyledger_domain::Record| format!("{} {}", r.history, r.event.past());
            records.iter().map(said).collect()
        });
        Then {
            world: self.0,
            result,
        }
    }

    pub(crate) fn world(self) -> World {
        self.0
    }

    /// What the world is, to look at.
    pub(crate) const fn world_ref(&self) -> &World {
        &self.0
    }

    /// A world that was made by hand.
    pub(crate) const fn of(world: World) -> Self {
        Self(world)
    }

    /// And then these were done; each of them must have been allowed.
    pub(crate) fn and(mut self, steps: impl IntoIterator<Item = Step>) -> Self {
        for step in steps {
            let done = self.0.run(&step);
            done.unwrap_or_else(|no| panic!("{step:?}: {no}"));
        }
        self
    }

    /// And now it is this time.
    pub(crate) const fn at(mut self, now: Timestamp) -> Self {
        self.0.now = now;
        self
    }
}

impl Then {
    /// Exactly these were written: `key orders revoked`.
    #[track_caller]
    pub(crate) fn then<const N: usize>(self, written: [&str; N]) -> Self {
        assert_eq!(self.result.as_deref(), Ok(&written.map(str::to_owned)[..]));
        self
    }

    /// It was accepted, and there was nothing to write.
    #[track_caller]
    pub(crate) fn then_nothing(self) -> Self {
        self.then([])
    }

    /// It was refused for this reason, in a sentence that has `words` in it.
    #[track_caller]
    pub(crate) fn then_rejected(self, reason: &str, words: &str) -> Self {
        match &self.result {
            Ok(written) => panic!("{reason} was expected, and this was written: {written:?}"),
            Err(no) => {
                assert_eq!(no.reason(), reason, "{no}");
                assert!(
                    no.to_string().contains(words),
                    "{no:?} does not say {words:?}: {no}"
                );
            }
        }
        self
    }

    /// Then the key is in this state.
    #[track_caller]
    pub(crate) fn and_state(self, id: &str, state: &str) -> Self {
        assert_eq!(self.world.state(id).as_str(), state);
        self
    }

    /// Then this holds of the ledger.
    #[track_caller]
    pub(crate) fn and(self, holds: impl FnOnce(&Ledger)) -> Self {
        holds(&self.world.ledger);
        self
    }

    /// Goes on from there.
    pub(crate) fn given(self) -> Given {
        Given(self.world)
    }
}
