//! The subpackets of each kind of signature that we make.

use pgp::{
    crypto::{hash::HashAlgorithm, public_key::PublicKeyAlgorithm, sym::SymmetricKeyAlgorithm},
    packet::{
        Features, KeyFlags, Signature, SignatureConfig, SignatureType, Subpacket, SubpacketData,
    },
    types::{CompressionAlgorithm, Duration, KeyDetails, Timestamp as PgpTime},
};

use super::{reason::RevocationReason, subkey::SubkeyRole};

/// The hash of what the certify key signs.
pub(super) const CERTIFY_HASH: HashAlgorithm = HashAlgorithm::Sha512;
/// The hash of what cards sign: ECDSA on P-256 needs 32 bytes, and every card accepts 32 bytes for Ed25519.
pub(super) const CARD_HASH: HashAlgorithm = HashAlgorithm::Sha256;

/// A signature of `typ` by `issuer`, made `at`.
///
/// GnuPG 2.2 looks for the issuer's key id, and ignores a binding without it.
pub(super) fn config(
    typ: SignatureType,
    issuer: &impl KeyDetails,
    hash: HashAlgorithm,
    at: PgpTime,
) -> SignatureConfig {
    let mut config = SignatureConfig::v4(typ, issuer.algorithm(), hash);
    config.hashed_subpackets = vec![
        regular(SubpacketData::SignatureCreationTime(at)),
        regular(SubpacketData::IssuerFingerprint(issuer.fingerprint())),
    ];
    config.unhashed_subpackets = vec![regular(SubpacketData::IssuerKeyId(issuer.legacy_key_id()))];
    config
}

/// The certification of a user id: what the primary key may do (only certify), until when, and which algorithms mail programs should
/// use.
pub(super) fn certification(
    issuer: &impl KeyDetails,
    at: PgpTime,
    lasts: Duration,
    is_primary: bool,
) -> SignatureConfig {
    use SymmetricKeyAlgorithm::{AES128, AES192, AES256};
    /// For key servers: only its owner changes it.
    const NO_MODIFY: u8 = 0x80;
    let mut flags = KeyFlags::default();
    flags.set_certify(true);
    let mut features = Features::new();
    features.set_seipd_v1(true);
    let hashes = [
        HashAlgorithm::Sha512,
        HashAlgorithm::Sha384,
        HashAlgorithm::Sha256,
    ];
    let compressions = [
        CompressionAlgorithm::ZLIB,
        CompressionAlgorithm::ZIP,
        CompressionAlgorithm::Uncompressed,
    ];
    let mut config = config(SignatureType::CertPositive, issuer, CERTIFY_HASH, at);
    config.hashed_subpackets.extend([
        critical(SubpacketData::KeyFlags(flags)),
        critical(SubpacketData::KeyExpirationTime(lasts)),
        regular(SubpacketData::PreferredSymmetricAlgorithms(
            [AES256, AES192, AES128].into_iter().collect(),
        )),
        regular(SubpacketData::PreferredHashAlgorithms(
            hashes.into_iter().collect(),
        )),
        regular(SubpacketData::PreferredCompressionAlgorithms(
            compressions.into_iter().collect(),
        )),
        regular(SubpacketData::KeyServerPreferences(
            [NO_MODIFY].into_iter().collect(),
        )),
        regular(SubpacketData::Features(features)),
    ]);
    if is_primary {
        config
            .hashed_subpackets
            .push(regular(SubpacketData::IsPrimary(true)));
    }
    config
}

/// The binding of a subkey: what it may do, until when, and the agreement of a signing subkey.
pub(super) fn binding(
    issuer: &impl KeyDetails,
    at: PgpTime,
    role: SubkeyRole,
    lasts: Duration,
    back: Option<Signature>,
) -> SignatureConfig {
    let mut config = config(SignatureType::SubkeyBinding, issuer, CERTIFY_HASH, at);
    config.hashed_subpackets.extend([
        critical(SubpacketData::KeyFlags(flags(role))),
        critical(SubpacketData::KeyExpirationTime(lasts)),
    ]);
    if let Some(back) = back {
        config
            .hashed_subpackets
            .push(regular(SubpacketData::EmbeddedSignature(Box::new(back))));
    }
    config
}

/// A revocation of the whole certificate or of a subkey.
pub(super) fn revocation(
    typ: SignatureType,
    issuer: &impl KeyDetails,
    at: PgpTime,
    reason: RevocationReason,
    text: &str,
) -> SignatureConfig {
    let mut config = config(typ, issuer, CERTIFY_HASH, at);
    config
        .hashed_subpackets
        .push(regular(SubpacketData::RevocationReason(
            reason.code(),
            text.as_bytes().to_vec().into(),
        )));
    config
}

pub(super) fn flags(role: SubkeyRole) -> KeyFlags {
    let mut flags = KeyFlags::default();
    match role {
        SubkeyRole::Sign => flags.set_sign(true),
        SubkeyRole::Encrypt => {
            flags.set_encrypt_comms(true);
            flags.set_encrypt_storage(true);
        }
        SubkeyRole::Authenticate => flags.set_authentication(true),
    }
    flags
}

/// True if a signature of ours may have this hash.
pub(super) const fn is_sound(hash: HashAlgorithm) -> bool {
    matches!(
        hash,
        HashAlgorithm::Sha256 | HashAlgorithm::Sha384 | HashAlgorithm::Sha512
    )
}

/// True if a certify key of ours may have this algorithm.
pub(super) fn is_certify(algorithm: PublicKeyAlgorithm) -> bool {
    algorithm == PublicKeyAlgorithm::EdDSALegacy
}

pub(super) fn regular(data: SubpacketData) -> Subpacket {
    Subpacket::regular(data).expect("it is shorter than 4 GiB")
}

fn critical(data: SubpacketData) -> Subpacket {
    Subpacket::critical(data).expect("it is shorter than 4 GiB")
}
