//! A request in words: what a person reads before the authority's key signs.

use std::fmt::Write as _;

use data_encoding::HEXLOWER;
use keyledger_domain::{Timestamp, text::visible, time::DAY_MS};

use super::{Asked, CertificateContent, Content, Request};
use crate::x509::{AlternativeName, ListContent, certificate::sha256};

/// The request in words, line by line, as it would be signed at `now`. All that the bytes say is in it, and no character in
/// it is invisible: what is read is what is signed.
#[must_use]
pub fn describe(request: &Request, now: Timestamp) -> String {
    let issuer = request.issuer_certificate();
    let mut lines = vec![
        (
            "Authority",
            format!("{} ({})", issuer.subject(), request.issuer()),
        ),
        ("its key", public_key(issuer.spki())),
    ];
    if issuer.issuer() != issuer.subject() {
        lines.push(("under", issuer.issuer()));
    }
    lines.push(("Request", moment(request.made_at())));
    if request.made_at() > now {
        let warning = "that is later than this machine's clock: is one of the two wrong?";
        lines.push(("", warning.to_owned()));
    }
    lines.push(("SHA-256", request.digest().to_owned()));
    lines.push(("Signed at", moment(now)));
    lines.push(("", String::new()));
    if request.is_renewal() {
        let whose = format!(
            "ITSELF, key {}: the root's own next certificate",
            request.issuer()
        );
        lines.push(("CERTIFY", whose));
    } else if let Asked::Certificate { key } = request.asked() {
        lines.push(("CERTIFY", format!("key {key}")));
    }
    lines.extend(match request.content() {
        Content::Certificate(content) => certificate(content, now),
        Content::Crl(list) => crl(list, now),
    });
    let mut text = String::new();
    for (what, words) in lines {
        let line = format!("{what:<13}{}", visible(&words));
        writeln!(text, "{}", line.trim_end()).expect("a string takes everything");
    }
    text
}

fn certificate(content: &CertificateContent, now: Timestamp) -> Vec<(&'static str, String)> {
    let certificate = &content.certificate;
    let authority = match (certificate.is_ca(), certificate.path_length()) {
        (false, _) => "no".to_owned(),
        (true, None) => "YES, with any number of authorities below it".to_owned(),
        (true, Some(0)) => "YES, with no authority below it".to_owned(),
        (true, Some(length)) => format!("YES, with {length} below it, one under the other"),
    };
    let mut lines = vec![
        ("subject", certificate.subject()),
        ("public key", public_key(certificate.spki())),
        ("authority", authority),
        ("serial", certificate.serial_number().to_string()),
        ("from", moment(certificate.not_before())),
        ("until", end(certificate.not_after(), now)),
    ];
    for usage in &content.key_usages {
        lines.push(("key usage", word(usage)));
    }
    for usage in &content.extended_key_usages {
        lines.push(("for", word(usage)));
    }
    for name in &content.names {
        lines.push(match name {
            AlternativeName::Email(text) => ("e-mail", text.clone()),
            AlternativeName::Dns(text) => ("DNS", text.clone()),
            AlternativeName::Ip(address) => ("IP address", address.to_string()),
            AlternativeName::Uri(text) => ("URI", text.clone()),
            AlternativeName::Upn(text) => ("logon as", text.clone()),
        });
    }
    for url in &content.crl_urls {
        lines.push(("its list at", url.clone()));
    }
    let extensions = content.extensions.iter().map(|(name, critical)| {
        let critical = if *critical { " (critical)" } else { "" };
        format!("{name}{critical}")
    });
    lines.push(("extensions", extensions.collect::<Vec<_>>().join(", ")));
    lines
}

fn crl(list: &ListContent, now: Timestamp) -> Vec<(&'static str, String)> {
    let entries = match list.entries.len() {
        0 => "none".to_owned(),
        1 => "1 certificate".to_owned(),
        many => format!("{many} certificates"),
    };
    let mut lines = vec![
        ("REVOKED", entries),
        ("list number", list.number.to_string()),
        ("from", moment(list.this_update)),
        ("until", end(list.next_update, now)),
        (
            "extensions",
            "crl_number, authority_key_id; of an entry: reason, invalidity_date; none is critical"
                .to_owned(),
        ),
    ];
    for entry in &list.entries {
        let reason = entry
            .reason
            .map_or("no reason given".to_owned(), |reason| word(&reason));
        let mut line = format!(
            "{} at {}, {reason}",
            entry.serial_number,
            moment(entry.revoked_at)
        );
        if let Some(since) = entry.invalid_since {
            write!(line, ", not to be trusted since {}", moment(since))
                .expect("a string takes everything");
        }
        lines.push(("revoked", line));
    }
    lines
}

fn public_key(spki: &[u8]) -> String {
    format!("SHA-256 {}", HEXLOWER.encode(&sha256(spki)))
}

/// A name as it stands in JSON: `key_cert_sign`.
fn word(usage: &impl serde::Serialize) -> String {
    let word = serde_json::to_value(usage).ok();
    let word = word.and_then(|word| word.as_str().map(str::to_owned));
    word.expect("usages are words")
}

/// `2026-11-25 10:00:00Z`.
fn moment(at: Timestamp) -> String {
    let text = at.to_string();
    let (date, time) = text.split_once('T').unwrap_or((&text, ""));
    format!("{date} {}Z", time.get(..8).unwrap_or(time))
}

fn end(at: Timestamp, now: Timestamp) -> String {
    let far = match at.ms() - now.ms() {
        ..=0 => "ALREADY OVER".to_owned(),
        ms => format!("in {} days", (ms + DAY_MS / 2) / DAY_MS),
    };
    format!("{} ({far})", moment(at))
}
