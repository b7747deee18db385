//! A request to a certify key in words.

use keyledger_domain::{Timestamp, text::Reason};
use keyledger_pki::exchange::{Words, end, moment};

use super::{Ask, CertifyRequest};
use crate::{
    dates,
    openpgp::{
        Certificate, Fingerprint, ProvenSubkey, Renewal, RevocationReason, SubkeyRole, SubkeyView,
    },
};

/// The certificate as it is, and all that would be done to it.
pub(super) fn describe(request: &CertifyRequest, words: &mut Words) {
    let certificate = request.certificate();
    let now = dates::timestamp(words.now());
    words.line("Certificate", certificate.fingerprint().grouped());
    for view in certificate.user_ids() {
        words.line("of", view.id.to_string());
    }
    words.line("for", request.user_id().to_string());
    words.line("created", shown(certificate.created()));
    words.line("expires", shown_end(certificate.expires(), now));
    for view in certificate.subkeys() {
        words.line("has", standing(view, now));
    }
    for (place, ask) in request.asks().iter().enumerate() {
        words.blank();
        for (at, said) in ask_in_words(certificate, ask, now).into_iter().enumerate() {
            words.plain(match at {
                0 => format!("{}. {said}", place + 1),
                _ => format!("     {said}"),
            });
        }
    }
}

fn standing(view: &SubkeyView, now: Timestamp) -> String {
    let (letter, fingerprint) = (view.role.letter(), view.fingerprint.grouped());
    match &view.revoked {
        Some(revoked) => format!("{letter}  {fingerprint}  revoked {}", shown(revoked.at)),
        None => format!(
            "{letter}  {fingerprint}  expires {}",
            shown_end(view.expires, now)
        ),
    }
}

fn ask_in_words(certificate: &Certificate, ask: &Ask, now: Timestamp) -> Vec<String> {
    match ask {
        Ask::Bind { subkey, expires } => bind(certificate, subkey, *expires, now),
        Ask::Renew {
            what: renewal,
            expires,
        } => {
            let (what, before) = match renewal {
                Renewal::Primary => ("the whole certificate".to_owned(), certificate.expires()),
                Renewal::Subkey(subkey) => (
                    named(certificate, *subkey),
                    certificate.subkey(*subkey).and_then(|view| view.expires),
                ),
            };
            let mut words = vec![
                format!("RENEW {what}"),
                format!("expires now    {}", shown_end(before, now)),
                format!("expires then   {}", shown_end(Some(*expires), now)),
            ];
            if matches!(renewal, Renewal::Subkey(_)) {
                words.extend(outlives(certificate, *expires));
            }
            words
        }
        Ask::RevokeSubkey {
            subkey,
            reason,
            text,
        } => {
            let what = format!("REVOKE FOR GOOD {}", named(certificate, *subkey));
            vec![what, why(*reason, text.as_ref())]
        }
        Ask::Revoke { reason, text } => vec![
            "REVOKE FOR GOOD the whole certificate and all its subkeys".to_owned(),
            why(*reason, text.as_ref()),
        ],
        Ask::AddUserId { id } => vec![format!("ADD user id {id}")],
    }
}

fn bind(
    certificate: &Certificate,
    proven: &ProvenSubkey,
    expires: Timestamp,
    now: Timestamp,
) -> Vec<String> {
    let subkey = proven.subkey();
    let role = subkey.role();
    let mut words = vec![
        format!(
            "BIND a subkey to {} ({}), {}",
            role.as_str(),
            role.letter(),
            subkey.algorithm().as_str()
        ),
        format!("fingerprint    {}", subkey.fingerprint().grouped()),
        format!("made           {}", shown(subkey.created())),
        format!("expires        {}", shown_end(Some(expires), now)),
    ];
    words.extend(outlives(certificate, expires));
    if role == SubkeyRole::Sign {
        words.push("agreed         its holder signed that it wants to be bound".to_owned());
    }
    words
}

/// What lives longer than the whole does not.
fn outlives(certificate: &Certificate, expires: Timestamp) -> Option<String> {
    let whole = certificate.expires().filter(|whole| *whole < expires)?;
    Some(format!(
        "               that is after the certificate, until {}",
        shown(whole)
    ))
}

fn named(certificate: &Certificate, subkey: Fingerprint) -> String {
    let role = certificate.subkey(subkey).map(|view| view.role);
    let role = role.map_or(String::new(), |r| {
        format!(" to {} ({})", r.as_str(), r.letter())
    });
    format!("the subkey{role} {}", subkey.grouped())
}

fn why(reason: RevocationReason, text: Option<&Reason>) -> String {
    let reason = reason.as_str();
    match text {
        Some(text) => format!("reason         {reason}: {text}"),
        None => format!("reason         {reason}"),
    }
}

/// `2026-11-25 10:00:00Z`.
fn shown(at: Timestamp) -> String {
    moment(dates::moment(at))
}

fn shown_end(at: Option<Timestamp>, now: Timestamp) -> String {
    let far = |at| end(dates::moment(at), dates::moment(now));
    at.map_or_else(|| "never".to_owned(), far)
}
