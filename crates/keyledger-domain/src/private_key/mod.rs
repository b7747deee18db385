//! Private keys where public ones belong: recognised by their form, before anything is sent, and where it arrives all the same.
//!
//! *What cannot be seen:* 32 bare bytes, such as WireGuard writes them, look the same whether they are a secret or a public key.

mod der;
mod openpgp;
mod text;

use std::fmt;

use serde_json::Value;

/// How often something may be wrapped: base64 of a PEM file, as a Kubernetes secret holds it, within base64.
const MAX_DEPTH: u8 = 4;
/// How often as many bytes as are given are looked at, on all levels together: each level has several readings (hex, base64, without its
/// first lines), and a text made of base64 on every level would be read a hundred times. One that is wrapped [`MAX_DEPTH`] times is
/// found within five.
const MOST_TIMES: usize = 10;
/// No private key is written in less: an nkey's seed has 58 letters, and the base64 of an Ed25519 key in PKCS#8 64.
const LEAST_LETTERS: usize = 40;

/// The form in which a private key was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrivateKey {
    /// PKCS#8 (RFC 5958), as `openssl genpkey` writes it.
    Pkcs8,
    /// PKCS#8 under a passphrase.
    EncryptedPkcs8,
    /// PKCS#1 (RFC 8017), RSA's own, or DSA's, which looks alike.
    Pkcs1,
    /// SEC 1 (RFC 5915), of elliptic curves.
    Sec1,
    /// PKCS#12 or a Java key store: a key with its certificates.
    KeyStore,
    /// What `ssh-keygen` writes, with or without a passphrase.
    Ssh,
    /// An OpenPGP secret key or subkey.
    Openpgp,
    /// The seed of an nkey.
    Seed,
    /// A JSON Web Key with its private member.
    Jwk,
    /// Any other PEM that says it is one.
    Pem,
    /// One that Keyledger sealed under a passphrase, or its root key.
    Keyledger,
    /// An age identity.
    Age,
}

impl fmt::Display for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pkcs8 => "a PRIVATE key (PKCS#8)",
            Self::EncryptedPkcs8 => "a PRIVATE key under a passphrase (PKCS#8)",
            Self::Pkcs1 => "a PRIVATE key (PKCS#1)",
            Self::Sec1 => "a PRIVATE key (SEC 1)",
            Self::KeyStore => "a key store with a PRIVATE key (PKCS#12)",
            Self::Ssh => "a PRIVATE key of SSH",
            Self::Openpgp => "an OpenPGP SECRET key",
            Self::Seed => "the SEED of an nkey",
            Self::Jwk => "a PRIVATE key (JWK)",
            Self::Pem => "a PRIVATE key (PEM)",
            Self::Keyledger => "a PRIVATE key that Keyledger sealed",
            Self::Age => "an age SECRET key",
        })
    }
}

/// A private key in a JSON value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The path of the field that holds it: `public_key`, `certificates[1]`; or `payload`.
    pub field: String,
    /// What it is.
    pub what: PrivateKey,
}

/// Looks for a private key in the bytes of a file or a value: binary, or text in UTF-8, UTF-16 or UTF-32, also within base64 or hex.
#[must_use]
pub fn find(bytes: &[u8]) -> Option<PrivateKey> {
    Search::new(bytes).find(bytes, MAX_DEPTH)
}

/// Looks for a private key in the payload of a command or a question, whatever field it is in.
#[must_use]
pub fn find_in_payload(payload: &[u8]) -> Option<Found> {
    if !may_hold_one(payload) {
        return None;
    }
    let in_json = serde_json::from_slice::<Value>(payload)
        .ok()
        .and_then(|value| in_value(&value, &mut String::new()));
    in_json.or_else(|| {
        let field = "payload".to_owned();
        find(payload).map(|what| Found { field, what })
    })
}

/// A search, and how much it may still look at.
struct Search {
    /// In bytes, on all levels together.
    left: usize,
}

impl Search {
    fn new(bytes: &[u8]) -> Self {
        Self {
            left: bytes.len().saturating_mul(MOST_TIMES),
        }
    }

    fn find(&mut self, bytes: &[u8], depth: u8) -> Option<PrivateKey> {
        let depth = depth.checked_sub(1)?;
        self.left = self.left.checked_sub(bytes.len())?;
        let found = der::find(bytes)
            .or_else(|| openpgp::find(bytes))
            .or_else(|| text::find(bytes, depth, self));
        if found.is_some() || !bytes.contains(&0) {
            return found;
        }
        // Of UTF-16 and UTF-32 in either order, letters without their zeros and the mark before them.
        let narrow: Vec<u8> = bytes
            .iter()
            .copied()
            .filter(|b| !matches!(b, 0 | 0xfe | 0xff))
            .collect();
        text::find(&narrow, depth, self)
    }
}

fn in_value(value: &Value, path: &mut String) -> Option<Found> {
    let found = |what, path: &str| Found {
        field: if path.is_empty() { "payload" } else { path }.to_owned(),
        what,
    };
    let length = path.len();
    match value {
        Value::String(text) => {
            let what = may_hold_one(text.as_bytes()).then(|| find(text.as_bytes()));
            what.flatten().map(|what| found(what, path))
        }
        Value::Array(items) => items.iter().enumerate().find_map(|(place, item)| {
            path.push_str(&format!("[{place}]"));
            let found = in_value(item, path);
            path.truncate(length);
            found
        }),
        Value::Object(_) if text::is_private_json(value).is_some() => {
            text::is_private_json(value).map(|what| found(what, path))
        }
        Value::Object(fields) => fields.iter().find_map(|(name, field)| {
            let dot = if path.is_empty() { "" } else { "." };
            path.push_str(dot);
            path.extend(name.chars().take(64));
            let found = in_value(field, path);
            path.truncate(length);
            found
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

/// False of nearly all payloads, at the cost of one look at each byte: a private key is long, or says what it is.
fn may_hold_one(payload: &[u8]) -> bool {
    let is_text = payload.trim_ascii_start().first() == Some(&b'{');
    let mut run = 0;
    let long = payload.iter().any(|byte| {
        let letter =
            byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'=');
        let between = byte.is_ascii_whitespace() || *byte == b'\\';
        run = if letter {
            run + 1
        } else {
            run * usize::from(between)
        };
        run >= LEAST_LETTERS
    });
    let says = |what: &[u8]| payload.windows(what.len()).any(|at| at == what);
    long || says(b"BEGIN") || says(b"\"d\"") || (!is_text && payload.len() >= LEAST_LETTERS)
}

#[cfg(test)]
mod tests {
    use data_encoding::BASE64;

    use super::*;

    /// Base64 of base64 of …, in lines that are base64 each: every reading of it has as many again.
    fn wrapped(inner: &str) -> String {
        (0..MAX_DEPTH).fold(inner.to_owned(), |text, _| {
            let text = BASE64.encode(text.as_bytes());
            format!(
                "{}\n{}\n{}\n{}",
                &text[..4],
                &text[4..8],
                &text[8..12],
                &text[12..]
            )
        })
    }

    #[test]
    fn a_text_with_many_readings_is_not_read_on_and_on() {
        let text = wrapped(&"D".repeat(2_000));
        let mut search = Search::new(text.as_bytes());
        assert_eq!(search.find(text.as_bytes(), MAX_DEPTH), None);
        assert!(search.left < text.len(), "{} bytes are left", search.left);
    }

    #[test]
    fn what_is_wrapped_is_found_all_the_same() {
        let seed = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";
        let mut text = seed.to_owned();
        for _ in 1..MAX_DEPTH {
            text = BASE64.encode(text.as_bytes());
            assert_eq!(find(text.as_bytes()), Some(PrivateKey::Seed), "{text}");
        }
    }
}
