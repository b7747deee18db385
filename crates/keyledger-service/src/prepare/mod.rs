//! What custody makes for a command before it is decided.
//!
//! Material is written before the event that names it. If the event does not come, the material is erased.

pub(crate) mod creds;
mod turns;
mod version;

use keyledger_domain::{
    Command, Facts, Ledger, Made, Name, Rejection, Timestamp, account, command::Target, key,
    name::Aggregate, operator, principal, token, user,
};
use keyledger_wire::Sealed;
use uuid::Uuid;

use self::turns::Turn;
pub(crate) use self::{turns::Turns, version::Kept};

use crate::{endpoint::Refused, handler::Failure, lanes::Sender, shared::Shared, tokens, trust};

/// What was made for a command.
pub(crate) struct Prepared {
    /// The facts for the decision.
    pub(crate) made: Made,
    /// Entries written for it.
    entries: Vec<String>,
    /// The creds, sealed to the requester.
    pub(crate) creds: Option<Sealed>,
    /// The turn to write to the key that it is for: nobody else makes a version of it meanwhile.
    _turn: Option<Turn>,
}

impl Prepared {
    pub(crate) const fn of(made: Made, entries: Vec<String>) -> Self {
        Self {
            made,
            entries,
            creds: None,
            _turn: None,
        }
    }

    /// A certificate over the key that the command is for.
    fn certificate(certified: key::Certified) -> Self {
        Self::of(Made::Certificate(Box::new(certified)), Vec::new())
    }

    pub(crate) const fn nothing() -> Self {
        Self {
            made: Made::Nothing,
            entries: Vec::new(),
            creds: None,
            _turn: None,
        }
    }

    /// Erases what was made for nothing. An event names it nevertheless where its acknowledgement was lost and it was
    /// found again.
    pub(crate) async fn discard(&self, shared: &Shared) {
        for entry in &self.entries {
            if is_named(&shared.live.ledger.read(), entry) {
                continue;
            }
            if let Err(error) = shared.materials.erase(entry).await {
                tracing::warn!(%error, %entry, "unused material was not erased");
            }
        }
    }

    /// Erases what was made for a command that certainly wrote nothing.
    pub(crate) async fn forget(&self, shared: &Shared, failure: &Failure) {
        // Where nobody knows whether the event is stored, the material that it names must stay.
        if matches!(failure, Failure::Rejected(_) | Failure::Full(_)) {
            self.discard(shared).await;
        }
    }
}

/// Makes what a command needs from custody. A command that would be rejected anyway gets nothing made.
pub(crate) async fn prepare(
    shared: &Shared,
    target: &Target,
    command: &Command,
    id: Uuid,
    sender: &Sender,
    now: Timestamp,
    kept: &mut Option<Kept>,
) -> Result<Prepared, Refused> {
    let name = &target.name;
    let asked = version::Asked {
        shared,
        target,
        command,
        id,
        sender,
        now,
    };
    if shared.live.ledger.read().remembered(&id).is_some() {
        return Ok(Prepared::nothing());
    }
    match command {
        Command::Key(key::Command::Generate(generate)) => {
            version::first(asked, generate, kept).await
        }
        Command::Key(key::Command::Register(register)) => {
            version::check_point(register.algorithm, &register.public_key)?;
            registered(shared, target, command, register, now).await
        }
        Command::Key(key::Command::Rotate(rotate)) => version::next(asked, rotate, kept).await,
        Command::User(user::Command::Issue(issue)) => {
            let Some(seal_to) = &issue.seal_to else {
                return Ok(Prepared::nothing());
            };
            creds::seal(shared, target, command, seal_to, id, now).await
        }
        Command::Account(account::Command::Create(create)) => {
            account(shared, name, create, now).await
        }
        Command::Key(key::Command::Certify(certify)) => {
            let spki = tokens::public_key(&shared.live.ledger.read(), name)?;
            let wanted = certify.certification();
            let certified = tokens::certify(shared, name, &wanted, &spki, now).await?;
            Ok(Prepared::certificate(certified))
        }
        Command::Key(key::Command::Install(install)) => {
            let spki = tokens::public_key(&shared.live.ledger.read(), name)?;
            let install = install.installation();
            let certified = tokens::installed(shared, name, &install, &spki, now)?;
            Ok(Prepared::certificate(certified))
        }
        Command::Principal(principal::Command::Publish(publish)) => {
            let published = tokens::published(shared, name, &publish.openpgp)?;
            let made = published.map_or(Made::Nothing, |p| Made::Openpgp(Box::new(p)));
            Ok(Prepared::of(made, Vec::new()))
        }
        Command::Principal(principal::Command::RecoverKey(recover)) => {
            // Refused before it is recorded that it was given.
            tokens::recover(shared, name, recover.key.as_ref(), &recover.seal_to).await?;
            Ok(Prepared::nothing())
        }
        Command::Operator(operator::Command::Trust(trust)) => {
            let authorities = tokens::to_trust(&shared.live.ledger.read(), &trust.certificates)?;
            Ok(Prepared::of(Made::Authorities(authorities), Vec::new()))
        }
        Command::Token(command) if command.task().is_some() => {
            Ok(Prepared::of(tokens::task(shared, id)?, Vec::new()))
        }
        Command::Token(token::Command::Release(release)) => {
            try_out(shared, target, command, now, Made::Nothing)?;
            // Refused before it is recorded that they were given.
            tokens::release(shared, name, &release.seal_to).await?;
            Ok(Prepared::nothing())
        }
        _ => Ok(Prepared::nothing()),
    }
}

/// Makes or reads the certificate with which a key is registered.
async fn registered(
    shared: &Shared,
    target: &Target,
    command: &Command,
    register: &key::Register,
    now: Timestamp,
) -> Result<Prepared, Refused> {
    let name = &target.name;
    if register.certify.is_none() && register.install.is_none() {
        return Ok(Prepared::nothing());
    }
    // A name that is taken: the decision says so.
    if shared.live.ledger.read().key(name).is_some() {
        return Ok(Prepared::nothing());
    }
    let spki = key::spki::normalised(register.algorithm, &register.public_key)?;
    let spki = data_encoding::BASE64
        .decode(spki.as_bytes())
        .map_err(|e| custody_failed(&e))?;
    let certified = match (&register.certify, &register.install) {
        (Some(wanted), _) => tokens::certify(shared, name, wanted, &spki, now).await?,
        (None, Some(install)) => tokens::installed(shared, name, install, &spki, now)?,
        (None, None) => return Ok(Prepared::nothing()),
    };
    let prepared = Prepared::certificate(certified);
    try_out(shared, target, command, now, prepared.made.clone())?;
    Ok(prepared)
}

/// Decides against the ledger as it is now, with made-up facts: a command that would be rejected costs nothing.
fn try_out(
    shared: &Shared,
    target: &Target,
    command: &Command,
    now: Timestamp,
    made: Made,
) -> Result<(), Refused> {
    let decision = shared
        .live
        .ledger
        .read()
        .decide(target, command, &Facts { now, made });
    decision.map(|_| ()).map_err(Refused::from)
}

/// Makes a new account's keys, and writes their sealed seeds.
async fn account(
    shared: &Shared,
    name: &Name,
    create: &account::Create,
    now: Timestamp,
) -> Result<Prepared, Refused> {
    let target = Target::new(Aggregate::Account, name.clone());
    if shared.live.ledger.read().head(&target).is_some() {
        return Err(Rejection::NameTaken(target).into());
    }
    let made = trust::new_account(shared, name, create, now).await;
    let made = made.map_err(|e| match e {
        trust::NewAccountError::Rejected(rejection) => rejection.into(),
        trust::NewAccountError::Signer(error) => error.into(),
        unknown @ trust::NewAccountError::NoFigures => {
            Refused::Fault("not_ready", unknown.to_string())
        }
        trust::NewAccountError::Failed(said) => custody_failed(&said),
    })?;
    let mut entries = Vec::new();
    for (entry, sealed) in made.materials {
        shared.materials.put(&entry, sealed).await?;
        entries.push(entry);
    }
    Ok(Prepared {
        made: Made::Account(Box::new(made.facts)),
        entries,
        creds: None,
        _turn: None,
    })
}

/// True of an entry that an event names, or whose user an event tells of.
pub(crate) fn is_named(ledger: &Ledger, entry: &str) -> bool {
    match entry.split_once('.') {
        Some(("creds", tail)) => tail
            .rsplit_once('.')
            .is_some_and(|(_, nkey)| ledger.user_of_nkey(nkey).is_some()),
        Some(("token", tail)) => tail
            .split_once('.')
            .and_then(|(token, _)| ledger.token(&Name::new(token).ok()?))
            .is_some_and(|token| token.state.names(entry)),
        Some((key, _)) => Name::new(key)
            .ok()
            .and_then(|key| ledger.key(&key))
            .is_some_and(|key| key.state.entries().any(|named| named == entry)),
        None => false,
    }
}

pub(crate) fn custody_failed(said: &dyn std::fmt::Display) -> Refused {
    tracing::error!(%said, "custody failed");
    Refused::Fault("custody_failed", said.to_string())
}
