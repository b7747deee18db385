//! A request in words: what a person reads before the certify key signs.

use std::fmt::Write as _;

use keyledger_domain::{Timestamp, text::Reason, time::DAY_MS};

use super::{Ask, Request};
use crate::openpgp::{
    Certificate, Fingerprint, ProvenSubkey, Renewal, RevocationReason, SubkeyRole, SubkeyView,
};

/// The request in words, line by line, as it would be signed at `now`. Every field that matters is in it, and no character
/// in it is invisible: what is read is what is signed.
#[must_use]
pub fn describe(request: &Request, now: Timestamp) -> String {
    let certificate = request.certificate();
    let mut text = String::new();
    let mut line = |words: String| {
        writeln!(text, "{words}").expect("a string takes everything");
    };
    line(format!(
        "Certificate  {}",
        certificate.fingerprint().grouped()
    ));
    for view in certificate.user_ids() {
        line(format!("of           {}", view.id));
    }
    line(format!("for          {}", request.user_id()));
    line(format!("created      {}", moment(certificate.created())));
    line(format!("expires      {}", end(certificate.expires(), now)));
    for view in certificate.subkeys() {
        line(format!("has          {}", standing(view, now)));
    }
    line(format!("Request      {}", moment(request.made_at())));
    if request.made_at() > now {
        line(
            "             that is later than this machine's clock: is one of the two wrong?".into(),
        );
    }
    line(format!("SHA-256      {}", request.digest()));
    line(format!("nonce        {}", request.nonce()));
    line(format!("Signed at    {}", moment(now)));
    for (place, ask) in request.asks().iter().enumerate() {
        line(String::new());
        let words = ask_in_words(certificate, ask, now);
        for (at, words) in words.into_iter().enumerate() {
            line(match at {
                0 => format!("{}. {words}", place + 1),
                _ => format!("     {words}"),
            });
        }
    }
    text
}

fn standing(view: &SubkeyView, now: Timestamp) -> String {
    let (letter, fingerprint) = (view.role.letter(), view.fingerprint.grouped());
    match &view.revoked {
        Some(revoked) => format!("{letter}  {fingerprint}  revoked {}", moment(revoked.at)),
        None => format!(
            "{letter}  {fingerprint}  expires {}",
            end(view.expires, now)
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
                format!("expires now    {}", end(before, now)),
                format!("expires then   {}", end(Some(*expires), now)),
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
        format!("made           {}", moment(subkey.created())),
        format!("expires        {}", end(Some(expires), now)),
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
        moment(whole)
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
fn moment(at: Timestamp) -> String {
    let text = at.to_string();
    let (date, time) = text.split_once('T').unwrap_or((&text, ""));
    format!("{date} {}Z", time.get(..8).unwrap_or(time))
}

fn end(at: Option<Timestamp>, now: Timestamp) -> String {
    const HOUR_MS: i64 = DAY_MS / 24;
    let Some(at) = at else {
        return "never".to_owned();
    };
    let far = match at.ms() - now.ms() {
        ..=0 => "ALREADY OVER".to_owned(),
        ms if ms < 2 * DAY_MS => format!("in {} hours", (ms + HOUR_MS / 2) / HOUR_MS),
        ms => format!("in {} days", (ms + DAY_MS / 2) / DAY_MS),
    };
    format!("{} ({far})", moment(at))
}
