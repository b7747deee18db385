//! Public keys as DER `SubjectPublicKeyInfo` (RFC 5280 §4.1.2.7), held to exactly the algorithms known here.

use data_encoding::{BASE64, HEXLOWER};

use crate::{
    algorithm::Algorithm,
    private_key::{self, PrivateKey},
    rejection::Rejection,
};

/// Base64 of the DER of a public key given as base64 DER or as PEM.
///
/// The form is checked exactly (RFC 8410, RFC 5480, RFC 3279); whether a point lies on its curve is
/// custody's to check.
///
/// # Errors
///
/// [`Rejection::BadValue`] if it is neither, or is a key of another algorithm or length.
pub fn normalised(algorithm: Algorithm, text: &str) -> Result<String, Rejection> {
    let refuse = |fault: &str| Rejection::BadValue {
        field: "public_key",
        fault: fault.to_owned(),
    };
    if algorithm.is_symmetric() {
        return Err(refuse(
            "a symmetric key has no public half: only `generate` can make one",
        ));
    }
    let says = || text.contains("PRIVATE KEY").then_some(PrivateKey::Pem);
    if let Some(what) = private_key::find(text.as_bytes()).or_else(says) {
        return Err(Rejection::private("public_key", what));
    }
    let body: String = text
        .lines()
        .filter(|line| !line.starts_with("-----"))
        .flat_map(|line| line.chars().filter(|c| !c.is_ascii_whitespace()))
        .collect();
    let der = BASE64
        .decode(body.as_bytes())
        .map_err(|_| refuse("it is neither base64 of DER nor PEM (`openssl pkey -pubout`)"))?;
    let (prefix, length) = shape(algorithm);
    let prefix = HEXLOWER
        .decode(prefix.as_bytes())
        .expect("the prefixes are hex");
    if der.len() != length || !der.starts_with(&prefix) {
        return Err(refuse(&format!(
            "it is not the SubjectPublicKeyInfo of a {algorithm} key{}",
            if algorithm == Algorithm::Rsa3072 {
                " with exponent 65537"
            } else {
                ""
            }
        )));
    }
    if algorithm == Algorithm::Rsa3072 && !der.ends_with(&[2, 3, 1, 0, 1]) {
        return Err(refuse("its public exponent is not 65537"));
    }
    Ok(BASE64.encode(&der))
}

/// The hex that such a key's DER begins with, and its whole length in bytes.
const fn shape(algorithm: Algorithm) -> (&'static str, usize) {
    match algorithm {
        Algorithm::Ed25519 => ("302a300506032b6570032100", 44),
        Algorithm::X25519 => ("302a300506032b656e032100", 44),
        Algorithm::P256 => ("3059301306072a8648ce3d020106082a8648ce3d03010703420004", 91),
        Algorithm::P384 => ("3076301006072a8648ce3d020106052b8104002203620004", 120),
        Algorithm::Rsa3072 => (
            "308201a2300d06092a864886f70d01010105000382018f003082018a0282018100",
            422,
        ),
        Algorithm::Aes256 => ("", 0),
    }
}
