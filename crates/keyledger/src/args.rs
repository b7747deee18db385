//! Arguments that several commands share, parsed into the domain's own types.

use std::{io::Read, path::Path, str::FromStr};

use anyhow::Context as _;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use keyledger_domain::{
    Algorithm, Event, Name, Purpose, Purposes, Role,
    key::{Class, Classification, Custodian, RevocationReason, State},
    name::Aggregate,
    pem,
    principal::Kind,
    private_key::{self, PrivateKey},
    record::Ids,
    text::{Labels, Reason, Ticket, Title},
};
use keyledger_wire::query::CertificateState;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::exit::{Exit, Failure, PUBLIC_HALF};

/// What is recorded with a command.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Record")]
pub(crate) struct Why {
    /// Why it is done
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<Reason>,
    #[command(flatten)]
    pub(crate) under: Under,
}

impl Why {
    /// This reason, and no ticket.
    pub(crate) const fn of(reason: Reason) -> Self {
        Self {
            reason: Some(reason),
            under: Under {
                ticket: None,
                message_id: None,
            },
        }
    }
}

/// What is recorded with a command that needs a reason.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Record")]
pub(crate) struct Reasoned {
    /// Why it is done
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Reason,
    #[command(flatten)]
    pub(crate) under: Under,
}

/// The ticket and the id of a command.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Record")]
pub(crate) struct Under {
    /// The ticket that asked for it
    #[arg(long, value_name = "TICKET")]
    pub(crate) ticket: Option<Ticket>,
    /// The command's own id: if it is sent again with the same id, it is still done only once
    #[arg(long, value_name = "UUID")]
    message_id: Option<Uuid>,
}

impl Under {
    /// The command's ids: its own, given or made now, and the same one for the conversation that it begins.
    pub(crate) fn ids(&self) -> Ids {
        Ids::root(self.message_id.unwrap_or_else(Uuid::now_v7))
    }
}

/// A parser of one of `names`, the names of values on the wire. A `-` is accepted in place of a `_`.
fn choice<T>(names: impl IntoIterator<Item = &'static str>) -> impl TypedValueParser<Value = T>
where
    T: DeserializeOwned + Clone + Send + Sync + 'static,
{
    let value = |name: &'static str| {
        let value = PossibleValue::new(name);
        if name.contains('_') {
            value.alias(name.replace('_', "-"))
        } else {
            value
        }
    };
    let values: Vec<_> = names.into_iter().map(value).collect();
    PossibleValuesParser::new(values).try_map(|name| {
        serde_json::from_value(serde_json::Value::String(name.replace('-', "_")))
            .or_else(|_| serde_json::from_value(serde_json::Value::String(name)))
    })
}

/// An algorithm.
pub(crate) fn algorithm() -> impl TypedValueParser<Value = Algorithm> {
    choice(Algorithm::ALL.map(Algorithm::as_str))
}

/// A purpose.
pub(crate) fn purpose() -> impl TypedValueParser<Value = Purpose> {
    choice(Purpose::ALL.map(Purpose::as_str))
}

/// A classification.
pub(crate) fn classification() -> impl TypedValueParser<Value = Classification> {
    choice(Classification::ALL.map(Classification::as_str))
}

/// KMIP's reasons for a revocation.
pub(crate) fn revocation_reason() -> impl TypedValueParser<Value = RevocationReason> {
    choice(RevocationReason::ALL.map(RevocationReason::as_str))
}

/// A state of a key.
pub(crate) fn state() -> impl TypedValueParser<Value = State> {
    choice(State::ALL.map(State::as_str))
}

/// A role.
pub(crate) fn role() -> impl TypedValueParser<Value = Role> {
    choice(Role::OF_CLIENTS.map(Role::as_str))
}

/// The algorithm of an authority's key.
pub(crate) fn authority_algorithm() -> impl TypedValueParser<Value = Algorithm> {
    choice([Algorithm::P256, Algorithm::P384].map(Algorithm::as_str))
}

/// The role of any user, an agent's too.
pub(crate) fn any_role() -> impl TypedValueParser<Value = Role> {
    choice(Role::ALL.map(Role::as_str))
}

/// What can have happened, as a word such as `revoked`.
pub(crate) fn event() -> impl TypedValueParser<Value = String> {
    let words = Event::types().filter_map(|(name, _)| name.rsplit('.').next());
    let words: std::collections::BTreeSet<&str> = words.collect();
    PossibleValuesParser::new(words)
}

/// A state of a certificate.
pub(crate) fn certificate_state() -> impl TypedValueParser<Value = CertificateState> {
    choice(CertificateState::ALL.map(CertificateState::as_str))
}

/// What a certificate may be used for.
pub(crate) fn usage() -> impl TypedValueParser<Value = keyledger_domain::key::CertificateUsage> {
    choice([
        "client_auth",
        "server_auth",
        "email_protection",
        "smartcard_logon",
        "code_signing",
        "document_signing",
    ])
}

/// A kind of aggregate.
pub(crate) fn aggregate() -> impl TypedValueParser<Value = Aggregate> {
    choice(Aggregate::ALL.map(Aggregate::as_str))
}

/// A kind of principal.
pub(crate) fn kind() -> impl TypedValueParser<Value = Kind> {
    let all = [Kind::Person, Kind::Service, Kind::Workstation, Kind::Unit];
    choice(all.map(Kind::as_str))
}

/// A custodian.
pub(crate) fn custodian() -> impl TypedValueParser<Value = Custodian> {
    choice(["software", "external", "offline", "token"])
}

/// A class of the key management plan.
pub(crate) fn class() -> impl TypedValueParser<Value = Class> {
    choice([Class::Certificate, Class::Data, Class::Other].map(Class::as_str))
}

/// An operator's public nkey.
pub(crate) fn operator_nkey(text: &str) -> Result<String, NotAnOperatorNkey> {
    let form = text.len() == 56
        && text.starts_with('O')
        && text.bytes().all(|b| matches!(b, b'A'..=b'Z' | b'2'..=b'7'));
    if form {
        Ok(text.to_owned())
    } else {
        Err(NotAnOperatorNkey)
    }
}

/// A text that is no public nkey of an operator.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("write an operator's public nkey: O and 55 more letters and digits")]
pub(crate) struct NotAnOperatorNkey;

/// A label, `name=value`.
#[derive(Debug, Clone)]
pub(crate) struct Label {
    /// Its name.
    pub(crate) name: Name,
    /// Its value.
    pub(crate) value: Title,
}

/// Why a text is no label. An error of the name or the value is shown as it is: the command line shows no sources.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LabelError {
    /// There is no `=` in it.
    #[error("write it as name=value")]
    Form,
    /// What stands before the `=`.
    #[error(transparent)]
    Name(<Name as FromStr>::Err),
    /// What stands behind it.
    #[error(transparent)]
    Value(<Title as FromStr>::Err),
}

impl FromStr for Label {
    type Err = LabelError;

    fn from_str(text: &str) -> Result<Self, LabelError> {
        let (name, value) = text.split_once('=').ok_or(LabelError::Form)?;
        Ok(Self {
            name: name.parse().map_err(LabelError::Name)?,
            value: value.parse().map_err(LabelError::Value)?,
        })
    }
}

/// The labels of a command's body; `None` if none was given.
pub(crate) fn labels(given: &[Label]) -> anyhow::Result<Option<Labels>> {
    if given.is_empty() {
        return Ok(None);
    }
    for (place, label) in given.iter().enumerate() {
        if given
            .iter()
            .take(place)
            .any(|earlier| earlier.name == label.name)
        {
            let problem = format!("--label {} is given twice", label.name);
            return Err(Failure::new(Exit::Usage, problem).into());
        }
    }
    let map = given
        .iter()
        .map(|l| (l.name.to_string(), l.value.as_str().into()));
    let map = serde_json::Value::Object(map.collect());
    let labels = serde_json::from_value(map)
        .map_err(|error| Failure::new(Exit::Usage, "--label").because(error))?;
    Ok(Some(labels))
}

/// The purposes of a command's body; `None` if none was given.
pub(crate) fn purposes(given: &[Purpose]) -> Option<Purposes> {
    (!given.is_empty()).then(|| Purposes::of(given))
}

/// A public key from a file, or from standard input if the path is `-`: PEM stays as it is, DER becomes base64.
pub(crate) fn public_key(path: &Path) -> anyhow::Result<String> {
    /// The largest file that is read, in bytes: larger than any public key.
    const MAX_BYTES: u64 = 64 * 1024;
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        std::io::stdin().take(MAX_BYTES).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(MAX_BYTES).read_to_end(&mut bytes))
    };
    read.with_context(|| format!("the public key {}", path.display()))?;
    check_public(path, &bytes)?;
    let text = pem::text_of(&bytes);
    if text.contains("-----BEGIN ") {
        return Ok(text.trim().to_owned());
    }
    Ok(match String::from_utf8(bytes) {
        Ok(text) => text.trim().to_owned(),
        Err(der) => STANDARD.encode(der.as_bytes()),
    })
}

/// A certificate's file: PEM, or ASCII armor.
pub(crate) fn certificate(path: &Path) -> anyhow::Result<String> {
    /// The largest file that is read, in bytes: more than a command can carry.
    const MAX_BYTES: u64 = 1_024 * 1_024;
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(MAX_BYTES).read_to_end(&mut bytes))
        .with_context(|| format!("reading {}", path.display()))?;
    check_public(path, &bytes)?;
    let text = pem::text_of(&bytes);
    if text.contains("-----BEGIN ") {
        return Ok(text.into_owned());
    }
    let problem = format!("{} is neither PEM nor ASCII armor", path.display());
    Err(Failure::new(Exit::Usage, problem).into())
}

/// Refuses a file that holds a private key in any form, so that no part of it is sent.
pub(crate) fn check_public(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let says = || {
        let label = b"PRIVATE KEY";
        let mut all = bytes.windows(label.len());
        all.any(|at| at == label).then_some(PrivateKey::Pem)
    };
    let Some(what) = private_key::find(bytes).or_else(says) else {
        return Ok(());
    };
    let problem = format!("{} holds {what}, and nothing was sent", path.display());
    Err(Failure::new(Exit::Usage, problem)
        .remedy(PUBLIC_HALF)
        .into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{ffi::OsStr, fs};

    fn parses<T>(parser: impl TypedValueParser<Value = T>, text: &str) -> Option<T> {
        parser
            .parse_ref(&clap::Command::new("x"), None, OsStr::new(text))
            .ok()
    }

    #[test]
    fn every_value_of_every_vocabulary_parses() {
        for name in ["software", "external", "offline"] {
            assert!(parses(custodian(), name).is_some(), "{name}");
        }
        for algorithm_name in Algorithm::ALL.map(Algorithm::as_str) {
            assert!(
                parses(algorithm(), algorithm_name).is_some(),
                "{algorithm_name}"
            );
        }
        for state_name in State::ALL.map(State::as_str) {
            assert!(parses(state(), state_name).is_some(), "{state_name}");
        }
        for why in RevocationReason::ALL.map(RevocationReason::as_str) {
            assert!(parses(revocation_reason(), why).is_some(), "{why}");
            assert!(
                parses(revocation_reason(), &why.replace('_', "-")).is_some(),
                "{why}"
            );
        }
        assert_eq!(parses(kind(), "workstation"), Some(Kind::Workstation));
        assert_eq!(parses(class(), "data"), Some(Class::Data));
        assert_eq!(parses(role(), "auditor"), Some(Role::Auditor));
        assert_eq!(parses(purpose(), "derive"), Some(Purpose::Derive));
        assert_eq!(
            parses(classification(), "restricted"),
            Some(Classification::Restricted)
        );
        assert!(parses(algorithm(), "rsa-1024").is_none());
    }

    /// No part of a private key leaves this machine, in whichever form it was given. Public keys do.
    #[test]
    fn a_file_with_a_private_key_is_refused_before_anything_is_sent() {
        let files = |folder: &str| {
            let path = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("../keyledger-domain/tests/private_keys")
                .join(folder);
            let files = fs::read_dir(path).unwrap();
            files.map(|file| file.unwrap().path()).collect::<Vec<_>>()
        };
        let private = files("private");
        assert!(private.len() > 45, "{}", private.len());
        for file in private {
            for refused in [public_key(&file), certificate(&file)] {
                let refused = refused.unwrap_err().to_string();
                assert!(refused.contains("nothing was sent"), "{file:?}: {refused}");
            }
        }
        // A reason may mention a private key, but a file with a public key never does.
        let public = files("public").into_iter();
        for file in public.filter(|file| !file.ends_with("a-reason.txt")) {
            let text = public_key(&file).unwrap();
            let payload = serde_json::json!({ "public_key": text }).to_string();
            keyledger_wire::client::check_public(payload.as_bytes()).unwrap();
        }
    }

    #[test]
    fn labels_are_names_with_values() {
        let given: Vec<Label> = ["env=prod", "team=a=b"]
            .iter()
            .map(|l| l.parse().unwrap())
            .collect();
        let labels = labels(&given).unwrap().unwrap();
        assert_eq!(labels.value("env"), Some("prod"));
        assert_eq!(labels.value("team"), Some("a=b"));
        let twice = ["env=prod", "env=test"].map(|text| text.parse::<Label>().unwrap());
        let said = super::labels(&twice).unwrap_err().to_string();
        assert!(said.contains("--label env is given twice"), "{said}");
        for bad in ["env", "=prod", "Env=prod", "env="] {
            assert!(bad.parse::<Label>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_private_key_is_not_sent() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "-----BEGIN PRIVATE KEY-----\nMC4C\n").unwrap();
        let error = public_key(file.path()).unwrap_err();
        let said = error.to_string();
        assert!(
            said.contains("holds a PRIVATE key") && said.contains("nothing was sent"),
            "{said}"
        );
        fs::write(file.path(), [0x30, 0x2a, 0xff]).unwrap();
        assert_eq!(public_key(file.path()).unwrap(), "MCr/");
    }

    #[test]
    fn a_file_that_windows_wrote_is_sent_as_text() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let pem = "-----BEGIN PUBLIC KEY-----\r\nMCow\r\n-----END PUBLIC KEY-----";
        let text = format!("\u{feff}{pem}\r\n");
        let bytes: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        fs::write(file.path(), bytes).unwrap();
        for read in [public_key(file.path()), certificate(file.path())] {
            let read = read.unwrap();
            assert_eq!(read.trim_start_matches('\u{feff}').trim(), pem);
        }
    }
}
