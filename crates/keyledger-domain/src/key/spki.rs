//! Public keys as DER `SubjectPublicKeyInfo` (RFC 5280 §4.1.2.7), held to exactly the algorithms known here.

use data_encoding::{BASE64, HEXLOWER};

use crate::{
    algorithm::Algorithm,
    group::Fingerprint,
    pem::{self, NotPem},
    private_key::{self, PrivateKey},
    rejection::Rejection,
};

/// The fingerprint of a public key as a command carries it; nothing if it cannot be read.
pub(crate) fn fingerprint(algorithm: Algorithm, text: &str) -> Option<Fingerprint> {
    let public = normalised(algorithm, text).ok()?;
    Fingerprint::of_public_key(&public)
}

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
    let (label, der) = pem::one_of(text, &["PUBLIC KEY", "RSA PUBLIC KEY"]).map_err(|no| match no {
        NotPem::Other { found, .. } if found.ends_with("CERTIFICATE") => {
            refuse("that is a certificate: take its key out with `openssl x509 -in FILE -pubkey -noout`")
        }
        NotPem::Private | NotPem::Other { .. } | NotPem::Several { .. } => refuse(&no.to_string()),
        NotPem::Malformed { .. } => {
            refuse("it is neither base64 of DER nor PEM (`openssl pkey -pubout`)")
        }
    })?;
    let (prefix, length) = shape(algorithm);
    let prefix = HEXLOWER
        .decode(prefix.as_bytes())
        .expect("the prefixes are hex");
    // PKCS#1 is the inner half of what is asked for.
    let der = if label == "RSA PUBLIC KEY" && algorithm.rsa_bits().is_some() {
        let head = prefix.len().saturating_sub(PKCS1_HEAD_BYTES);
        [&prefix[..head], &der].concat()
    } else {
        der
    };
    if let Some(remedy) = remedy(&der) {
        return Err(refuse(remedy));
    }
    if der.len() != length || !der.starts_with(&prefix) {
        return Err(refuse(&format!(
            "it is not the SubjectPublicKeyInfo of a {algorithm} key{}",
            if algorithm.rsa_bits().is_some() {
                " with exponent 65537"
            } else {
                ""
            }
        )));
    }
    if algorithm.rsa_bits().is_some() && !der.ends_with(&[2, 3, 1, 0, 1]) {
        return Err(refuse("its public exponent is not 65537"));
    }
    Ok(BASE64.encode(&der))
}

/// How many bytes of the shape of an RSA key are those of PKCS#1: the heads of its sequence and of its modulus.
const PKCS1_HEAD_BYTES: usize = 9;

/// How to convert a key of an elliptic curve that is written otherwise than RFC 5480 has it.
fn remedy(der: &[u8]) -> Option<&'static str> {
    const EC: &[u8] = &[6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
    // By the name of the curve: what follows it is a BIT STRING with a point.
    const CURVES: [(&[u8], usize); 2] = [
        (&[6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7], 33),
        (&[6, 5, 0x2b, 0x81, 4, 0, 0x22], 49),
    ];
    let behind = |part: &[u8], of: &[u8]| {
        let at = of.windows(part.len()).position(|window| window == part)?;
        Some(of[at + part.len()..].to_vec())
    };
    let parameters = behind(EC, der.get(..der.len().min(32))?)?;
    if parameters.first() == Some(&0x30) {
        return Some(
            "it spells out its curve, and a curve is named: convert it with `openssl ec -pubin -in FILE -pubout -param_enc \
             named_curve`",
        );
    }
    let compressed = CURVES.iter().any(|(curve, bytes)| {
        let point = behind(curve, der);
        point.is_some_and(|point| point.len() == 3 + bytes && matches!(point[3], 2 | 3))
    });
    compressed.then_some(
        "its point is compressed: convert it with `openssl ec -pubin -in FILE -pubout -conv_form uncompressed`",
    )
}

/// The hex that such a key's DER begins with, and its whole length in bytes.
const fn shape(algorithm: Algorithm) -> (&'static str, usize) {
    match algorithm {
        Algorithm::Ed25519 => ("302a300506032b6570032100", 44),
        Algorithm::X25519 => ("302a300506032b656e032100", 44),
        Algorithm::P256 => ("3059301306072a8648ce3d020106082a8648ce3d03010703420004", 91),
        Algorithm::P384 => ("3076301006072a8648ce3d020106052b8104002203620004", 120),
        Algorithm::Rsa2048 => (
            "30820122300d06092a864886f70d01010105000382010f003082010a0282010100",
            294,
        ),
        Algorithm::Rsa3072 => (
            "308201a2300d06092a864886f70d01010105000382018f003082018a0282018100",
            422,
        ),
        Algorithm::Rsa4096 => (
            "30820222300d06092a864886f70d01010105000382020f003082020a0282020100",
            550,
        ),
        Algorithm::Aes256 => ("", 0),
    }
}
