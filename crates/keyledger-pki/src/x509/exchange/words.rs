//! A request to an authority in words.

use std::fmt::Write as _;

use data_encoding::HEXLOWER;

use super::{Asked, AuthorityRequest, CertificateContent, Content};
use crate::{
    exchange::{Words, end, moment},
    x509::{AlternativeName, ListContent, certificate::sha256},
};

/// All that the bytes say, line by line.
pub(super) fn describe(request: &AuthorityRequest, words: &mut Words) {
    let issuer = request.issuer_certificate();
    words.line(
        "Authority",
        format!("{} ({})", issuer.subject(), request.issuer()),
    );
    words.line("its key", public_key(issuer.spki()));
    if issuer.issuer() != issuer.subject() {
        words.line("under", issuer.issuer());
    }
    words.blank();
    if request.is_renewal() {
        let whose = format!(
            "ITSELF, key {}: the root's own next certificate",
            request.issuer()
        );
        words.line("CERTIFY", whose);
    } else if let Asked::Certificate { key } = request.asked_for() {
        words.line("CERTIFY", format!("key {key}"));
    }
    match request.content() {
        Content::Certificate(content) => certificate(content, words),
        Content::Crl(list) => crl(list, words),
    }
}

fn certificate(content: &CertificateContent, words: &mut Words) {
    let now = words.now();
    let certificate = &content.certificate;
    let authority = match (certificate.is_ca(), certificate.path_length()) {
        (false, _) => "no".to_owned(),
        (true, None) => "YES, with any number of authorities below it".to_owned(),
        (true, Some(0)) => "YES, with no authority below it".to_owned(),
        (true, Some(length)) => format!("YES, with {length} below it, one under the other"),
    };
    words.line("subject", certificate.subject());
    words.line("public key", public_key(certificate.spki()));
    words.line("authority", authority);
    words.line("serial", certificate.serial_number().to_string());
    words.line("from", moment(certificate.not_before()));
    words.line("until", end(certificate.not_after(), now));
    for usage in &content.key_usages {
        words.line("key usage", word(usage));
    }
    for usage in &content.extended_key_usages {
        words.line("for", word(usage));
    }
    for name in &content.names {
        let label = match name {
            AlternativeName::Email(_) => "e-mail",
            AlternativeName::Dns(_) => "DNS",
            AlternativeName::Ip(_) => "IP address",
            AlternativeName::Uri(_) => "URI",
            AlternativeName::Upn(_) => "logon as",
        };
        words.line(label, name.to_string());
    }
    for url in &content.crl_urls {
        words.line("its list at", url);
    }
    let extensions = content.extensions.iter().map(|(name, critical)| {
        let critical = if *critical { " (critical)" } else { "" };
        format!("{name}{critical}")
    });
    words.line("extensions", extensions.collect::<Vec<_>>().join(", "));
}

fn crl(list: &ListContent, words: &mut Words) {
    let now = words.now();
    let entries = match list.entries.len() {
        0 => "none".to_owned(),
        1 => "1 certificate".to_owned(),
        many => format!("{many} certificates"),
    };
    words.line("REVOKED", entries);
    words.line("list number", list.number.to_string());
    words.line("from", moment(list.this_update));
    words.line("until", end(list.next_update, now));
    words.line(
        "extensions",
        "crl_number, authority_key_id; of an entry: reason, invalidity_date; none is critical",
    );
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
        words.line("revoked", line);
    }
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
