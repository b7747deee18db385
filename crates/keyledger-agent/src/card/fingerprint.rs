//! Fingerprints of OpenPGP keys, version 4 (RFC 9580 §5.5.4.2), as every OpenPGP program computes them. The card stores what it is told.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use keyledger_domain::{Algorithm, token::OpenpgpRole};

/// The object identifiers of the curves, in DER without tag and length (RFC 9580 §9.2).
const ED25519_LEGACY: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x0f, 0x01];
const CURVE25519_LEGACY: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x97, 0x55, 0x01, 0x05, 0x01];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];

/// The parameters for wrapping a session key (RFC 9580 §11.5): version 1, SHA-256, AES-128, as GnuPG writes them for these curves.
const KDF: [u8; 4] = [3, 1, 8, 7];

/// The number of the public key algorithm (RFC 9580 §9.1).
pub(super) const fn number(role: OpenpgpRole, algorithm: Algorithm) -> Option<u8> {
    match (role, algorithm) {
        (OpenpgpRole::Encrypt, Algorithm::X25519 | Algorithm::P256) => Some(18), // ECDH
        (OpenpgpRole::Sign | OpenpgpRole::Authenticate, Algorithm::P256) => Some(19), // ECDSA
        (OpenpgpRole::Sign | OpenpgpRole::Authenticate, Algorithm::Ed25519) => Some(22), // EdDSALegacy
        _ => None,
    }
}

pub(super) const fn curve(algorithm: Algorithm) -> Option<&'static [u8]> {
    match algorithm {
        Algorithm::Ed25519 => Some(ED25519_LEGACY),
        Algorithm::X25519 => Some(CURVE25519_LEGACY),
        Algorithm::P256 => Some(P256),
        _ => None,
    }
}

/// The fingerprint of a key with this public point, in the card's form. Nothing if the role cannot have the algorithm.
pub(crate) fn fingerprint(
    role: OpenpgpRole,
    algorithm: Algorithm,
    point: &[u8],
    created_at: u32,
) -> Option<[u8; 20]> {
    let curve = curve(algorithm)?;
    let mut body = vec![4];
    body.extend(created_at.to_be_bytes());
    body.push(number(role, algorithm)?);
    body.push(u8::try_from(curve.len()).ok()?);
    body.extend(curve);
    // Points of the 25519 curves are written with 40 in front; others already begin with 04.
    let prefix: &[u8] = match algorithm {
        Algorithm::P256 => &[],
        _ => &[0x40],
    };
    let number = [prefix, point].concat();
    let bits = 8 * number.len() - number.first()?.leading_zeros() as usize;
    body.extend(u16::try_from(bits).ok()?.to_be_bytes());
    body.extend(number);
    if role == OpenpgpRole::Encrypt {
        body.extend(KDF);
    }
    let mut packet = vec![0x99];
    packet.extend(u16::try_from(body.len()).ok()?.to_be_bytes());
    packet.extend(body);
    let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, &packet);
    hash.as_ref().try_into().ok()
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::*;

    /// RFC 9580 appendix A.1: a version 4 Ed25519Legacy key.
    #[test]
    fn rfc_9580_appendix_a_1() {
        let point = HEXLOWER
            .decode(b"3f098994bdd916ed4053197934e4a87c80733a1280d62f8010992e43ee3b2406")
            .unwrap();
        let print = fingerprint(OpenpgpRole::Sign, Algorithm::Ed25519, &point, 0x53f3_5f0b);
        assert_eq!(
            HEXLOWER.encode(&print.unwrap()),
            "c959bdbafa32a2f89a153b678cfde12197965a9a"
        );
    }

    #[test]
    fn a_role_has_no_algorithm_that_cannot_do_it() {
        let point = [1; 32];
        let of = |role, algorithm| fingerprint(role, algorithm, &point, 1);
        assert_eq!(of(OpenpgpRole::Encrypt, Algorithm::Ed25519), None);
        assert_eq!(of(OpenpgpRole::Sign, Algorithm::X25519), None);
        assert_eq!(of(OpenpgpRole::Sign, Algorithm::P384), None);
    }
}
