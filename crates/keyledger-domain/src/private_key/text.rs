//! Private keys as text: what says that it is one, and what is one within base64 or hex.

use serde_json::Value;

use super::{LEAST_LETTERS, PrivateKey, Search};

/// The length of an nkey's seed.
const SEED: usize = 58;
/// How many times a word is tried: one that is made of `S` costs no more than another.
const MAX_SEEDS: usize = 64;
/// How many lines before the base64 may look like a part of it: a word alone on its line.
const LEADING_LINES: usize = 3;

/// What a text says of itself, wherever in it.
const MARKS: [(&str, PrivateKey); 6] = [
    ("PuTTY-User-Key-File-", PrivateKey::Ssh),
    ("AGE-SECRET-KEY-1", PrivateKey::Age),
    ("keyledger-root-key-v1", PrivateKey::Keyledger),
    // As gpg-agent keeps them.
    ("Key: (private-key", PrivateKey::Openpgp),
    ("11:private-key", PrivateKey::Openpgp),
    ("21:protected-private-key", PrivateKey::Openpgp),
];

/// One in a text, or within what it encodes.
pub(super) fn find(bytes: &[u8], depth: u8, search: &mut Search) -> Option<PrivateKey> {
    let text = String::from_utf8_lossy(bytes);
    labelled(&text)
        .or_else(|| seed(&text))
        .or_else(|| {
            let value = serde_json::from_str::<Value>(text.trim()).ok()?;
            is_private_json(&value)
        })
        .or_else(|| encoded(&text, depth, search))
}

/// An object that is a private key as JSON: a JSON Web Key, or a file of Keyledger's own.
pub(super) fn is_private_json(value: &Value) -> Option<PrivateKey> {
    let word = |name: &str| value.get(name).and_then(Value::as_str);
    if word("kty").is_some() && (word("d").is_some() || word("k").is_some()) {
        return Some(PrivateKey::Jwk);
    }
    (word("format") == Some("keyledger-sealed")).then_some(PrivateKey::Keyledger)
}

/// What a line such as `-----BEGIN RSA PRIVATE KEY-----` says.
fn labelled(text: &str) -> Option<PrivateKey> {
    for (mark, what) in MARKS {
        if text.contains(mark) {
            return Some(what);
        }
    }
    let mut rest = text;
    while let Some(place) = rest.find("BEGIN ") {
        let is_label = rest[..place].trim_end().ends_with("--");
        rest = &rest[place + "BEGIN ".len()..];
        let label = rest
            .split(['-', '\n', '\r', '\\'])
            .next()
            .unwrap_or_default();
        if !is_label || label.len() > 64 {
            continue;
        }
        let says = |word: &str| label.contains(word);
        let is_private = says("PRIVATE KEY") || says("SECRET KEY") || says("SEED");
        if !is_private {
            continue;
        }
        return Some(if says("SEED") {
            PrivateKey::Seed
        } else if says("PGP") {
            PrivateKey::Openpgp
        } else if says("SSH") {
            PrivateKey::Ssh
        } else if says("RSA") || says("DSA") {
            PrivateKey::Pkcs1
        } else if says("EC ") {
            PrivateKey::Sec1
        } else if says("ENCRYPTED") {
            PrivateKey::EncryptedPkcs8
        } else if label.trim() == "PRIVATE KEY" {
            PrivateKey::Pkcs8
        } else {
            PrivateKey::Pem
        });
    }
    None
}

/// An nkey's seed, by its own checksum.
fn seed(text: &str) -> Option<PrivateKey> {
    let is_letter = |c: char| matches!(c, 'A'..='Z' | '2'..='7');
    let is_seed = |word: &[u8]| {
        std::str::from_utf8(word).is_ok_and(|word| {
            nkeys::decode_seed(word).is_ok() || nkeys::XKey::from_seed(word).is_ok()
        })
    };
    text.split(|c| !is_letter(c))
        .filter(|word| word.len() >= SEED)
        .any(|word| {
            let mut windows = word.as_bytes().windows(SEED);
            let mut seeds = windows.by_ref().filter(|it| it.first() == Some(&b'S'));
            seeds.by_ref().take(MAX_SEEDS).any(is_seed)
        })
        .then_some(PrivateKey::Seed)
}

/// One within base64 or hex: in lines of it, or in a word.
fn encoded(text: &str, depth: u8, search: &mut Search) -> Option<PrivateKey> {
    let is_letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '-' | '_' | '=');
    let mut block: Vec<&str> = Vec::new();
    for line in text.lines().chain([":"]) {
        let line = line.trim();
        // A line of dashes opens or closes a block, also where its label is not what it should be.
        if !line.is_empty() && !line.starts_with("--") && line.chars().all(is_letter) {
            block.push(line);
            continue;
        }
        if line.is_empty() && !block.is_empty() {
            continue;
        }
        let found = (0..block.len().min(LEADING_LINES + 1))
            .find_map(|from| decoded(&block[from..].concat(), depth, search));
        if found.is_some() {
            return found;
        }
        block.clear();
        let found = line
            .split(|c| !is_letter(c))
            .find_map(|word| decoded(word, depth, search));
        if found.is_some() {
            return found;
        }
    }
    // A text in one piece, whatever white space is in it.
    let whole: String = text.split_whitespace().collect();
    whole
        .chars()
        .all(is_letter)
        .then(|| decoded(&whole, depth, search))
        .flatten()
}

fn decoded(word: &str, depth: u8, search: &mut Search) -> Option<PrivateKey> {
    if word.len() < LEAST_LETTERS {
        return None;
    }
    let hex = data_encoding::HEXLOWER_PERMISSIVE.decode(word.as_bytes());
    let mut within = |bytes: Vec<u8>| search.find(&bytes, depth);
    hex.ok()
        .and_then(&mut within)
        .or_else(|| within(base64(word)?))
}

/// The bytes of base64 in either alphabet, with or without its end; nothing of what is none.
fn base64(word: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(word.len() * 3 / 4);
    let (mut bits, mut count) = (0_u32, 0);
    for letter in word.trim_end_matches('=').bytes() {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            let [.., byte] = (bits >> count).to_be_bytes();
            bytes.push(byte);
        }
    }
    Some(bytes)
}
