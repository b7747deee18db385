//! `keyledger init`: an organisation's trust, made offline and written into a directory.

use std::path::PathBuf;

use keyledger_custody::{Custody, KdfCost, Passphrase, RootKey, SealedFile, UserSeed};
use keyledger_domain::{
    EventCid, Ledger, Role, Timestamp, key::Material, template::TemplateVersion, text::Title,
    verify::StoredEvent,
};
use keyledger_wire::{Prefix, creds::Holder};

use super::{
    contexts,
    draft::Draft,
    files::{Organisation, RootKind, VERSION, file},
    genesis::{Genesis, USERS, UserPlan},
    init_error::InitError,
    jwt::{account_jwt, rendered, user_jwt},
    names::{self, ADMIN, AGENTS, APPROVERS, AUDITORS, SERVICE, SERVICES, SYSTEM, VIEWS, name},
    readme, templates,
    url::check_url,
};

/// What an organisation is made of.
#[expect(missing_debug_implementations, reason = "a passphrase is in it")]
pub struct InitOptions {
    /// What people call it.
    pub title: String,
    /// What all subjects begin with.
    pub prefix: Prefix,
    /// The directory to write: absent or empty.
    pub directory: PathBuf,
    /// How the root key is kept.
    pub root: Root,
    /// The time.
    pub now: Timestamp,
    /// Where clients will connect.
    pub url: String,
}

/// How a root key is to be kept.
#[expect(missing_debug_implementations, reason = "a passphrase is in it")]
pub enum Root {
    /// Sealed under a passphrase, at this cost of a guess.
    Passphrase(Passphrase, KdfCost),
    /// In clear in a local file: whoever reads it has every key. For development only.
    LocalFile,
}

/// Makes an organisation: operator, accounts, first users, and the first entries of its ledger. Needs no server.
///
/// The directory appears whole (mode 0700, files 0600), or not at all. Blocks for about a second where the root key
/// is sealed under a passphrase.
///
/// # Errors
///
/// [`InitError`]; nothing stays behind.
pub fn initialise(options: InitOptions) -> Result<Organisation, InitError> {
    initialise_with(options, templates::newest())
}

/// The same, with accounts that stand on this version of the templates: tests make organisations so as an earlier version of this
/// program made them.
///
/// # Errors
///
/// As [`initialise`].
pub fn initialise_with(
    options: InitOptions,
    template: TemplateVersion,
) -> Result<Organisation, InitError> {
    let title = Title::new(&options.title)?;
    check_url(&options.url)?;
    let InitOptions {
        prefix,
        directory,
        root,
        now,
        url,
        ..
    } = options;
    let draft = Draft::begin(&directory)?;
    let (custody, root) = open_custody(&draft, root)?;
    let genesis = Genesis::make(&custody, &prefix, title.clone(), template, now)?;
    let written = genesis.write(&prefix, now)?;

    let account = |known: &str| {
        let entry = written.ledger.account(&name(known));
        entry.expect("the bootstrap made it").state.nkey.to_string()
    };
    let mut organisation = Organisation {
        version: VERSION,
        title: title.to_string(),
        prefix: prefix.to_string(),
        url,
        created_at: now,
        root,
        operator: genesis.operator_nkey().to_owned(),
        system_account: account(SYSTEM),
        service_account: account(SERVICE),
        views_account: account(VIEWS),
        agents_account: account(AGENTS),
        admin_account: account(ADMIN),
        genesis: first_cid(&written.events),
        seal: None,
        directory: draft.target().to_owned(),
    };
    if root == RootKind::Passphrase {
        organisation.seal(&custody);
    }
    write_keys(&draft, &genesis)?;
    draft.write(file::GENESIS, &written.text)?;
    write_jwts(&draft, &genesis, &written.ledger, &prefix)?;
    for plan in &USERS {
        write_creds(&draft, &genesis, &written.ledger, plan)?;
        if let Some(text) = context(&organisation, &genesis, plan) {
            draft.write(&file::context(plan.name), text)?;
        }
    }
    draft.write(file::README, readme::text(&organisation))?;
    let mut json = serde_json::to_vec_pretty(&organisation).expect("it has only text keys");
    json.push(b'\n');
    draft.write(file::ORGANISATION, json)?;
    draft.publish()?;
    Ok(organisation)
}

fn open_custody(draft: &Draft, root: Root) -> Result<(Custody, RootKind), InitError> {
    match root {
        Root::Passphrase(passphrase, cost) => {
            let root = RootKey::generate()?;
            let sealed = SealedFile::of_root_key(&root, &passphrase, cost)?;
            sealed.write(&draft.place(file::ROOT_SEALED)?)?;
            Ok((Custody::open(root), RootKind::Passphrase))
        }
        Root::LocalFile => {
            let root = RootKey::generate_file(&draft.place(file::ROOT_CLEAR)?)?;
            Ok((Custody::open(root), RootKind::LocalFile))
        }
    }
}

/// The sealed keys: the operator's identity apart, all others to be uploaded.
fn write_keys(draft: &Draft, genesis: &Genesis) -> Result<(), InitError> {
    for key in genesis.keys() {
        let file = match &key.made.material {
            Some(Material::Entry(entry)) => file::material(entry),
            Some(Material::Handle(_)) | None => file::OPERATOR_IDENTITY.to_owned(),
        };
        draft.write(&file, &key.sealed)?;
    }
    Ok(())
}

/// The JWTs, one a file, and what servers are told of them.
fn write_jwts(
    draft: &Draft,
    genesis: &Genesis,
    ledger: &Ledger,
    prefix: &Prefix,
) -> Result<(), InitError> {
    let (_, operator) = ledger.operator().expect("the bootstrap made it");
    let operator = &operator.state;
    draft.write(&file::jwt("operator"), &*operator.jwt)?;
    let mut conf = format!(
        "# The trust of {}: written by `keyledger init`, included by keyledger.conf.\n\
         # Accounts are preloaded for the first start only; newer JWTs on the server's disk stay.\n\
         operator: \"{}\"\n\
         system_account: {}\n\
         resolver_preload: {{\n",
        operator.title, operator.jwt, operator.system_account
    );
    for known in [
        SYSTEM, SERVICE, VIEWS, AGENTS, ADMIN, APPROVERS, AUDITORS, SERVICES,
    ] {
        let account = &ledger
            .account(&name(known))
            .expect("the bootstrap made it")
            .state;
        let rendered = rendered(account, prefix, ledger)?;
        let signer = genesis.operator_signing();
        let jwt = account_jwt(account, rendered, signer, |key| genesis.signer(key))?;
        draft.write(&file::jwt(known), &jwt)?;
        conf += &format!("    # {known}\n    {}: \"{jwt}\"\n", account.nkey);
    }
    conf += "}\n";
    Ok(draft.write(file::TRUST_CONF, conf)?)
}

fn write_creds(
    draft: &Draft,
    genesis: &Genesis,
    ledger: &Ledger,
    plan: &UserPlan,
) -> Result<(), InitError> {
    let user_name = name(plan.name);
    let user = &ledger
        .user(&user_name)
        .expect("the bootstrap made it")
        .state;
    let account = &ledger
        .account(&user.account)
        .expect("the bootstrap made it")
        .state;
    let jwt = user_jwt(
        &user_name,
        user,
        account,
        genesis.signing(plan.account, plan.role),
    )?;
    let seed: &UserSeed = genesis.seed(plan.name);
    Ok(seed.write_creds(&jwt, &draft.place(&file::creds(plan.name))?)?)
}

/// A context of the `nats` CLI, for those who use it.
fn context(organisation: &Organisation, genesis: &Genesis, plan: &UserPlan) -> Option<String> {
    let prefix = organisation.prefix();
    let creds = organisation.creds(plan.name);
    let mut context = serde_json::json!({
        "description": format!("{}: {}", organisation.title, plan.about),
        "url": organisation.url,
        "creds": creds,
    });
    let nkey = genesis.seed(plan.name).public_nkey();
    match plan.account {
        names::ADMIN => {
            let holder = Holder {
                name: plan.name.to_owned(),
                nkey: nkey.to_owned(),
                account: organisation.admin_account.clone(),
                role: Some(Role::Administrator),
                expires_at: None,
            };
            contexts::fit(&mut context, &creds, &holder, &prefix);
        }
        names::SYSTEM => context["inbox_prefix"] = Prefix::inbox(nkey).into(),
        _ => return None,
    }
    Some(format!("{context:#}\n"))
}

fn first_cid(events: &[StoredEvent]) -> String {
    let first = events.first().expect("the bootstrap writes events");
    EventCid::of(&first.payload).to_string()
}
