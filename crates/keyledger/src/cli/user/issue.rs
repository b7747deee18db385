//! Issuing a user: its creds arrive sealed, are opened here, and are written to a file that only its owner can read.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use keyledger_custody::{
    CurveKey, Delivery, DeliveryError, Existing, SecretFileError, check_output, write_secret_file,
};
use keyledger_domain::{Name, Role, Timestamp, user};
use keyledger_service::trust::account_of;
use keyledger_wire::{Acknowledgement, CommandError, Sealed, creds::Holder};

use crate::{
    args::{self, Why},
    cli::{openpgp::files, send},
    exit::{Exit, Failure, is_refused_for, refusal},
    output::Output,
    session::Session,
    when::{self, Period},
};

/// Issue a NATS user: with a generated nkey, sealed to this command, or for a public nkey of your own
///
/// The creds are written to the file that --out names, which only you can read. They are never printed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keyledger user issue ada-laptop --role administrator --principal ada --out ada.creds
  keyledger user issue orders --role service --keys orders-db,orders-sig --out orders.creds
  keyledger user issue sensor --account plant --publish 'plant.temp.>' --subscribe '_INBOX.>' --out sensor.creds
  keyledger user issue vault --account orders --nkey UABC --out vault.jwt")]
pub(crate) struct Issue {
    /// The user's name: chosen once, never used again
    name: Name,
    /// The account it belongs to [default: the one of its role: admin, approvers, auditors or services]
    #[arg(long, required_unless_present = "role")]
    account: Option<Name>,
    /// Its role, if the account imports this service
    #[arg(long, value_parser = args::role())]
    role: Option<Role>,
    /// Its public nkey, if you keep the seed: the JWT is printed, or written to --out
    #[arg(long, value_name = "NKEY")]
    nkey: Option<String>,
    /// The file to write the creds to; it must not exist
    #[arg(long, value_name = "FILE", required_unless_present = "nkey")]
    out: Option<PathBuf>,
    /// The principal it stands for
    #[arg(long)]
    principal: Option<Name>,
    /// When it expires: 30d, 4w, 36h, 90m (minutes), or a date like 2027-03-01; 2 minutes to 365d [default: 90d]
    #[arg(long, value_name = "PERIOD", value_parser = when::parse_users_period, visible_alias = "expires")]
    expires_days: Option<Period>,
    /// Keys that a user of role `service` may send commands for, besides the one with its own name
    #[arg(long, value_name = "KEY", value_delimiter = ',')]
    keys: Vec<Name>,
    /// A subject it may publish to, if it has no role; may be given several times [default: every subject]
    #[arg(long, value_name = "SUBJECT")]
    publish: Vec<String>,
    /// A subject it may subscribe to, if it has no role; may be given several times [default: every subject]
    #[arg(long, value_name = "SUBJECT")]
    subscribe: Vec<String>,
    #[command(flatten)]
    why: Why,
}

impl Issue {
    /// Checks, before anything is issued, whether the result can be stored.
    pub(super) fn check_out(&self) -> anyhow::Result<()> {
        let Some(out) = &self.out else { return Ok(()) };
        let refuse = |problem: String, remedy: &str| {
            Err(Failure::new(Exit::Usage, problem).remedy(remedy).into())
        };
        match check_output(out, Existing::Kept) {
            Ok(()) => Ok(()),
            Err(SecretFileError::Exists { .. }) => refuse(
                format!("{} exists already, and nothing was issued", out.display()),
                "name another file with --out, or move it away if nobody needs it",
            ),
            Err(SecretFileError::Missing { .. }) => {
                let parent = out.parent().unwrap_or(out).display();
                refuse(
                    format!("there is no directory {parent}, and nothing was issued"),
                    "make it first",
                )
            }
            Err(error) => {
                let why = format!("{:#}", anyhow::Error::from(error));
                refuse(
                    format!("nothing was issued, because its creds cannot be written: {why}"),
                    "name a file that you can write with --out",
                )
            }
        }
    }

    pub(super) async fn run(self, session: &Session, out: &mut Output<'_>) -> anyhow::Result<()> {
        let curve = CurveKey::generate()?;
        let ids = self.why.under.ids();
        let generated = self.nkey.is_none();
        let is_default = self.account.is_none();
        let default = |role| Name::new(account_of(role)).expect("the constants are names");
        let account = self.account.or_else(|| self.role.map(default));
        let (expires_days, expires_at) = self.expires_days.map(Period::fields).unzip();
        let body = user::Issue {
            account: account.expect("clap requires --account without --role"),
            seal_to: generated.then(|| curve.public_nkey().to_owned()),
            nkey: self.nkey,
            role: self.role,
            principal: self.principal,
            expires_days: expires_days.flatten(),
            expires_at: expires_at.flatten(),
            keys: some(self.keys),
            publish: some(self.publish),
            subscribe: some(self.subscribe),
            reason: self.why.reason,
            ticket: self.why.under.ticket,
        };
        let done = session
            .command(&self.name, &body, ids)
            .await
            .map_err(|error| match generated {
                true => cut_off(
                    unanswered(error, &self.name, &body.account),
                    &self.name,
                    &body.account,
                ),
                false => error,
            })
            .map_err(|error| match is_default {
                true => no_account(error, &body.account),
                false => error,
            })
            .with_context(|| format!("issuing user {}", self.name))?;
        let file = self.out.as_deref();
        let (written, holder) = if generated {
            let file = file.expect("clap requires --out without --nkey");
            (Some(file), open(&curve, &done, file)?)
        } else {
            let holder = done.jwt.as_deref().and_then(Holder::of_jwt);
            (write_jwt(&done, file)?, holder)
        };
        let expires_at = holder.and_then(|holder| holder.expires_at);
        print(&done, written, expires_at, out)
    }
}

/// The failure if nobody knows whether the user was issued. Other commands can be repeated; this one cannot, because the creds are
/// sealed to a key that only this run has.
fn unanswered(error: anyhow::Error, name: &Name, account: &Name) -> anyhow::Error {
    match error.downcast_ref::<CommandError>() {
        Some(CommandError::NoAnswer { subject, .. } | CommandError::NotSent { subject, .. }) => {
            let problem = format!(
                "no answer on {subject}: perhaps it was issued, and then its creds are lost"
            );
            Failure::new(Exit::Unreachable, problem)
                .remedy(format!(
                    "if `keyledger user list --account {account}` shows it: `keyledger user revoke {name} --reason 'creds lost'`, \
                     and issue one under another name"
                ))
                .into()
        }
        _ => error,
    }
}

/// The failure if the name is taken: perhaps by an interrupted run of this command, and then nobody has the creds of its user.
fn cut_off(error: anyhow::Error, name: &Name, account: &Name) -> anyhow::Error {
    if !is_refused_for(&error, "name_taken") {
        return error;
    }
    // The refusal stays the source of the error: its reason is printed for programs.
    error.context(
        Failure::new(Exit::Rejected, "nothing was issued").remedy(format!(
            "choose another name; if a run of this command was cut off before (`keyledger user list --account {account}` says when), nobody \
             has those creds: revoke them with `keyledger user revoke {name} --reason 'creds lost'`"
        )),
    )
}

/// The failure if the role's account is missing, as in organisations that were made before roles had their own accounts.
fn no_account(error: anyhow::Error, account: &Name) -> anyhow::Error {
    let named = format!("account {account}");
    match refusal(&error) {
        Some(refusal) if refusal.reason == "not_found" && refusal.message.contains(&named) => {
            Failure::new(Exit::Rejected, format!("{error:#}"))
                .remedy(format!(
                    "if this organisation has no account {account}, name another with --account: `keyledger account list` shows them"
                ))
                .into()
        }
        _ => error,
    }
}

fn some<T>(given: Vec<T>) -> Option<Vec<T>> {
    (!given.is_empty()).then_some(given)
}

/// Opens the sealed creds and writes them to a new file of mode 0600; returns the user that they belong to.
fn open(curve: &CurveKey, done: &Acknowledgement, file: &Path) -> anyhow::Result<Option<Holder>> {
    let lost = |problem: &str| {
        let problem = format!("user {} was issued, but {problem}", done.id);
        Failure::new(Exit::Error, problem).remedy(format!(
            "nobody has its seed: `keyledger user revoke {} --reason 'creds lost'`, and issue one under another name",
            done.id
        ))
    };
    let Some(Sealed { sender, sealed }) = &done.creds else {
        return Err(
            lost("its creds were not delivered: only the first answer contains them").into(),
        );
    };
    let ciphertext = STANDARD
        .decode(sealed)
        .map_err(|_| lost("its creds are not base64"))?;
    let delivery = Delivery {
        sender: sender.clone(),
        ciphertext,
    };
    let creds = curve.open(&delivery).map_err(|e| match e {
        DeliveryError::Refused => lost(
            "its creds cannot be opened: they are sealed to a key that only the first run under this --message-id had",
        ),
        error => lost("its creds cannot be opened").because(error),
    })?;
    write_secret_file(file, creds.expose())
        .map_err(|error| lost("its creds cannot be written").because(error))?;
    let text = std::str::from_utf8(creds.expose()).ok();
    Ok(text.and_then(Holder::of))
}

/// Writes the JWT to the given file, or prints it; it is no secret.
fn write_jwt<'a>(
    done: &Acknowledgement,
    file: Option<&'a Path>,
) -> anyhow::Result<Option<&'a Path>> {
    let (Some(file), Some(jwt)) = (file, &done.jwt) else {
        return Ok(None);
    };
    files::write_new(file, format!("{jwt}\n").as_bytes())?;
    Ok(Some(file))
}

fn print(
    done: &Acknowledgement,
    file: Option<&Path>,
    expires_at: Option<Timestamp>,
    out: &mut Output<'_>,
) -> anyhow::Result<()> {
    if out.is_json() {
        let mut said = serde_json::to_value(done)?;
        // Only the key of this run can open it, and that key is lost when this run ends.
        if let Some(fields) = said.as_object_mut() {
            fields.remove("creds");
        }
        said["file"] = serde_json::to_value(file)?;
        said["expires_at"] = serde_json::to_value(expires_at)?;
        return Ok(out.json(&said)?);
    }
    if let (None, Some(jwt)) = (file, &done.jwt) {
        return Ok(out.line(jwt)?);
    }
    let file = file.map(|file| format!(": {}", file.display()));
    out.line(format!(
        "issued {} at revision {}{}",
        done.id,
        done.revision,
        file.unwrap_or_default()
    ))?;
    if let Some(at) = expires_at {
        let (at, ahead) = (when::moment(at), when::relative(at, out.now()));
        out.line(format!("expires {at} ({ahead})"))?;
    }
    Ok(send::remarks(out, done)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyledger_custody::seal_to;
    use keyledger_domain::EventCid;
    use keyledger_wire::Status;
    use std::{fs, os::unix::fs::PermissionsExt as _};
    use uuid::Uuid;

    fn acknowledged(creds: Option<Sealed>) -> Acknowledgement {
        Acknowledgement {
            status: Status::Accepted,
            command_id: Uuid::nil(),
            correlation_id: Uuid::nil(),
            id: "orders".to_owned(),
            revision: 1,
            cid: EventCid::of(b"{}"),
            state: "issued".to_owned(),
            durable: true,
            jwt: None,
            creds,
            secrets: Vec::new(),
            remarks: Vec::new(),
            certificate: None,
        }
    }

    #[test]
    fn sealed_creds_go_into_a_file_for_its_owner_only() {
        let curve = CurveKey::generate().unwrap();
        let sealed = seal_to(curve.public_nkey(), b"the creds").unwrap();
        let sealed = Sealed {
            sender: sealed.sender,
            sealed: STANDARD.encode(sealed.ciphertext),
        };
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("orders.creds");
        let done = acknowledged(Some(sealed));
        open(&curve, &done, &file).unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"the creds");
        assert_eq!(
            fs::metadata(&file).unwrap().permissions().mode() & 0o7777,
            0o600
        );
        let mut text = Vec::new();
        let mut out = Output::fixed(&mut text, None, crate::when::now());
        print(&done, Some(&file), None, &mut out).unwrap();
        assert!(!String::from_utf8(text).unwrap().contains("the creds"));
        let again = open(&curve, &done, &file).unwrap_err();
        assert!(format!("{again:#}").contains("exists already"), "{again:#}");
    }

    #[test]
    fn creds_of_an_earlier_run_are_said_to_be_lost() {
        let first = CurveKey::generate().unwrap();
        let sealed = seal_to(first.public_nkey(), b"the creds").unwrap();
        let done = acknowledged(Some(Sealed {
            sender: sealed.sender,
            sealed: STANDARD.encode(sealed.ciphertext),
        }));
        let second = CurveKey::generate().unwrap();
        let error = open(&second, &done, Path::new("/nowhere")).unwrap_err();
        assert!(error.to_string().contains("the first run"), "{error}");
        let remedy = crate::exit::remedy(&error).unwrap();
        assert!(remedy.contains("user revoke orders"), "{remedy}");
    }

    #[test]
    fn creds_that_did_not_come_are_said_to_be_lost() {
        let curve = CurveKey::generate().unwrap();
        let error = open(&curve, &acknowledged(None), Path::new("/nowhere")).unwrap_err();
        assert!(error.to_string().contains("were not delivered"), "{error}");
    }
}
