//! Requests to an authority whose key is on a machine without a network.

use std::path::Path;

use anyhow::Context as _;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use keyledger_domain::{Name, views::InventoryRow};
use keyledger_pki::{
    exchange::Octets,
    x509::exchange::{Asked, Request, ToAuthority},
};
use keyledger_wire::query::{Nothing, ToBeSigned};
use serde::Serialize;
use serde_json::json;

use super::whole;
use crate::{
    cli::{openpgp::files, shell},
    exit::{Exit, Failure},
    output::Output,
    session::Session,
    when,
};

/// Checks, before anything is made, that `issuer` signs in the way that was asked for: at once, or by a request.
pub(super) async fn check(
    session: &Session,
    issuer: &Name,
    request: Option<&Path>,
) -> anyhow::Result<()> {
    if let Some(file) = request {
        files::check_absent(file)?;
    }
    let row: InventoryRow = session
        .query(&format!("inventory.show.{issuer}"), &Nothing {})
        .await
        .with_context(|| format!("asking for the authority {issuer}"))?;
    let (problem, remedy) = match (row.custodian.is_here(), request) {
        (true, Some(_)) => ("is in custody, and signs at once", "leave --request out"),
        (false, None) => (
            "is kept elsewhere, and cannot sign here",
            "write a request with --request FILE, sign it there with `keyledger offline sign`, and read the response with `keyledger ca accept`",
        ),
        _ => return Ok(()),
    };
    let problem = format!("the authority {issuer} {problem}");
    Err(Failure::new(Exit::Rejected, problem).remedy(remedy).into())
}

/// Asks the service for the bytes to be signed, and writes the request.
pub(super) async fn write<Q: Serialize + Sync>(
    session: &Session,
    out: &mut Output<'_>,
    tail: &str,
    question: impl Fn(Option<String>) -> Q,
    asked: Asked,
    file: &Path,
) -> anyhow::Result<()> {
    files::check_absent(file)?;
    let (found, bytes): (ToBeSigned, Vec<u8>) = whole::read(session, tail, question)
        .await
        .context("asking for the bytes to sign")?;
    let issuer_certificate = STANDARD
        .decode(&found.issuer_certificate)
        .context("reading the issuer's certificate")?;
    let asked = ToAuthority {
        issuer: found.issuer.as_str().parse()?,
        asked,
        issuer_certificate: Octets(issuer_certificate),
        to_be_signed: Octets(bytes),
    };
    let nonce = keyledger_custody::nonce()?;
    let request = Request::new(asked, nonce, when::to_moment(when::now()))
        .context("reading the bytes to sign")?;
    files::write_new(file, &request.to_json())?;
    say(out, &request, file)
}

/// Asks for a certificate over the key `name`.
pub(super) fn certificate_of(name: &Name) -> anyhow::Result<Asked> {
    let key = name.as_str().parse()?;
    Ok(Asked::Certificate { key })
}

fn say(out: &mut Output<'_>, request: &Request, file: &Path) -> anyhow::Result<()> {
    if out.is_json() {
        return Ok(out.json(&json!({
            "request": file, "sha256": request.digest(), "issuer": request.content().issuer(),
        }))?);
    }
    let word = |path: &Path| shell::quoted(&path.display().to_string());
    let response = file.with_extension("response");
    let (request_word, response_word) = (word(file), word(&response));
    out.line(format!(
        "wrote the request {}, SHA-256 {}",
        file.display(),
        request.digest()
    ))?;
    out.line(format!(
        "there:      keyledger offline sign {request_word} --key {}.key --out {response_word}",
        request.content().issuer()
    ))?;
    let usual = file == response.with_extension("request");
    let which = if usual {
        String::new()
    } else {
        format!(" --request {request_word}")
    };
    out.line(format!(
        "back here:  keyledger ca accept {response_word}{which}"
    ))?;
    Ok(())
}
