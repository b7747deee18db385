//! Private keys of slots: made, imported, used.

use p256::elliptic_curve::Generate as _;
use rsa::hazmat::rsa_decrypt_and_check;
use rsa::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, EncodePublicKey as _};
use rsa::traits::PublicKeyParts as _;
use rsa::{BoxedUint, RsaPrivateKey};
use serde::{Deserialize, Serialize};
use signature::hazmat::PrehashSigner as _;
use x509_cert::der::asn1::{BitString, ObjectIdentifier};
use x509_cert::der::{Decode as _, Encode as _};
use x509_cert::spki::{AlgorithmIdentifier, SubjectPublicKeyInfoOwned};
use zeroize::Zeroizing;

use crate::token::apdu::StatusWord;
use crate::token::device::Device;
use crate::token::{hex, tlv};

/// What Yubico calls the key types of PIV.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "their names say all there is")]
pub enum Algorithm {
    Rsa1024,
    Rsa2048,
    Rsa3072,
    Rsa4096,
    P256,
    P384,
    Ed25519,
    X25519,
}

impl Algorithm {
    /// The algorithm with this number, if the firmware has it.
    pub(crate) fn of(id: u8, device: &Device) -> Result<Self, StatusWord> {
        let all = [
            Self::Rsa1024,
            Self::Rsa2048,
            Self::Rsa3072,
            Self::Rsa4096,
            Self::P256,
            Self::P384,
            Self::Ed25519,
            Self::X25519,
        ];
        all.into_iter()
            .find(|algorithm| algorithm.id() == id)
            .filter(|algorithm| !algorithm.is_new() || device.is_at_least(5, 7, 0))
            .ok_or(StatusWord::WRONG_DATA)
    }

    pub(crate) fn id(self) -> u8 {
        match self {
            Self::Rsa1024 => 0x06,
            Self::Rsa2048 => 0x07,
            Self::Rsa3072 => 0x05,
            Self::Rsa4096 => 0x16,
            Self::P256 => 0x11,
            Self::P384 => 0x14,
            Self::Ed25519 => 0xe0,
            Self::X25519 => 0xe1,
        }
    }

    fn is_new(self) -> bool {
        matches!(
            self,
            Self::Rsa3072 | Self::Rsa4096 | Self::Ed25519 | Self::X25519
        )
    }

    /// The length of an RSA modulus in bits.
    fn modulus_bits(self) -> Option<u32> {
        match self {
            Self::Rsa1024 => Some(1024),
            Self::Rsa2048 => Some(2048),
            Self::Rsa3072 => Some(3072),
            Self::Rsa4096 => Some(4096),
            _ => None,
        }
    }
}

/// A private key, in the form in which it is kept: RSA as PKCS#8, all others as their scalar or seed.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct PrivateKey {
    pub(crate) algorithm: Algorithm,
    #[serde(with = "hex")]
    secret: Zeroizing<Vec<u8>>,
}

impl PrivateKey {
    pub(crate) fn generate(algorithm: Algorithm) -> Self {
        let secret = match algorithm {
            Algorithm::P256 => p256::SecretKey::generate().to_bytes().to_vec(),
            Algorithm::P384 => p384::SecretKey::generate().to_bytes().to_vec(),
            Algorithm::Ed25519 | Algorithm::X25519 => random::<32>().to_vec(),
            Algorithm::Rsa1024 | Algorithm::Rsa2048 | Algorithm::Rsa3072 | Algorithm::Rsa4096 => {
                return Self::generate_rsa(algorithm);
            }
        };
        Self {
            algorithm,
            secret: Zeroizing::new(secret),
        }
    }

    /// The primes are looked for by aws-lc, ten times as fast as `rsa` in a debug build; it knows no 1024 bits.
    fn generate_rsa(algorithm: Algorithm) -> Self {
        use aws_lc_rs::encoding::AsDer as _;
        use aws_lc_rs::rsa::{KeyPair, KeySize};

        let size = match algorithm {
            Algorithm::Rsa3072 => KeySize::Rsa3072,
            Algorithm::Rsa4096 => KeySize::Rsa4096,
            Algorithm::Rsa1024 => {
                let key = RsaPrivateKey::new(&mut rand::rng(), 1024)
                    .expect("1024 bits are enough for it");
                return Self::rsa(algorithm, &key);
            }
            _ => KeySize::Rsa2048,
        };
        let pair = KeyPair::generate(size).expect("the system has random numbers");
        let pkcs8 = pair.as_der().expect("a key just made can be written");
        Self {
            algorithm,
            secret: Zeroizing::new(pkcs8.as_ref().to_vec()),
        }
    }

    /// Reads what IMPORT carries: primes of RSA, or scalar or seed, each under a tag of its own.
    pub(crate) fn import(algorithm: Algorithm, parts: &[(u16, &[u8])]) -> Result<Self, StatusWord> {
        let part = |tag| tlv::find(parts, tag).ok_or(StatusWord::WRONG_DATA);
        let secret = match algorithm {
            Algorithm::P256 => {
                let scalar = part(0x06)?;
                p256::SecretKey::from_slice(scalar).map_err(|_| StatusWord::WRONG_DATA)?;
                scalar
            }
            Algorithm::P384 => {
                let scalar = part(0x06)?;
                p384::SecretKey::from_slice(scalar).map_err(|_| StatusWord::WRONG_DATA)?;
                scalar
            }
            Algorithm::Ed25519 => part(0x07)?,
            Algorithm::X25519 => part(0x08)?,
            _ => {
                let prime = |tag| part(tag).map(BoxedUint::from_be_slice_vartime);
                let key =
                    RsaPrivateKey::from_p_q(prime(0x01)?, prime(0x02)?, BoxedUint::from(65_537u32))
                        .map_err(|_| StatusWord::WRONG_DATA)?;
                if Some(key.n().bit_width()) != algorithm.modulus_bits() {
                    return Err(StatusWord::WRONG_DATA);
                }
                return Ok(Self::rsa(algorithm, &key));
            }
        };
        if matches!(algorithm, Algorithm::Ed25519 | Algorithm::X25519) && secret.len() != 32 {
            return Err(StatusWord::WRONG_DATA);
        }
        Ok(Self {
            algorithm,
            secret: Zeroizing::new(secret.to_vec()),
        })
    }

    /// Signs, or decrypts with RSA: the padded block, the digest, or with Ed25519 the message itself.
    pub(crate) fn sign(&self, input: &[u8]) -> Result<Vec<u8>, StatusWord> {
        match self.algorithm {
            Algorithm::P256 => {
                let key = p256::ecdsa::SigningKey::from(self.p256());
                let signature: p256::ecdsa::Signature = key
                    .sign_prehash(&*digest::<32>(input)?)
                    .map_err(|_| StatusWord::WRONG_DATA)?;
                Ok(signature.to_der().as_bytes().to_vec())
            }
            Algorithm::P384 => {
                let key = p384::ecdsa::SigningKey::from(self.p384());
                let signature: p384::ecdsa::Signature = key
                    .sign_prehash(&*digest::<48>(input)?)
                    .map_err(|_| StatusWord::WRONG_DATA)?;
                Ok(signature.to_der().as_bytes().to_vec())
            }
            Algorithm::Ed25519 => {
                use ed25519_dalek::Signer as _;
                Ok(self.ed25519().sign(input).to_bytes().to_vec())
            }
            Algorithm::X25519 => Err(StatusWord::WRONG_DATA),
            Algorithm::Rsa1024 | Algorithm::Rsa2048 | Algorithm::Rsa3072 | Algorithm::Rsa4096 => {
                self.exponentiate(input)
            }
        }
    }

    /// The shared secret with the public key of another: its point, or its 32 bytes for X25519.
    pub(crate) fn agree(&self, other: &[u8]) -> Result<Vec<u8>, StatusWord> {
        let wrong = StatusWord::WRONG_DATA;
        match self.algorithm {
            Algorithm::P256 => {
                let other = p256::PublicKey::from_sec1_bytes(other).map_err(|_| wrong)?;
                Ok(self
                    .p256()
                    .diffie_hellman(&other)
                    .raw_secret_bytes()
                    .to_vec())
            }
            Algorithm::P384 => {
                let other = p384::PublicKey::from_sec1_bytes(other).map_err(|_| wrong)?;
                Ok(self
                    .p384()
                    .diffie_hellman(&other)
                    .raw_secret_bytes()
                    .to_vec())
            }
            Algorithm::X25519 => {
                let other: [u8; 32] = other.try_into().map_err(|_| wrong)?;
                let shared = self.x25519().diffie_hellman(&other.into());
                Ok(shared.as_bytes().to_vec())
            }
            _ => Err(wrong),
        }
    }

    /// The public half as GENERATE answers it and metadata holds it, without an outer tag.
    pub(crate) fn public_template(&self) -> Vec<u8> {
        match self.algorithm {
            Algorithm::P256 => tlv::object(0x86, self.p256().public_key().to_sec1_bytes().as_ref()),
            Algorithm::P384 => tlv::object(0x86, self.p384().public_key().to_sec1_bytes().as_ref()),
            Algorithm::Ed25519 => tlv::object(0x86, self.ed25519().verifying_key().as_bytes()),
            Algorithm::X25519 => {
                let public = x25519_dalek::PublicKey::from(&self.x25519());
                tlv::object(0x86, public.as_bytes())
            }
            _ => {
                let key = self.to_rsa();
                let mut out = tlv::object(0x81, &key.n_bytes());
                tlv::put(&mut out, 0x82, &key.e_bytes());
                out
            }
        }
    }

    /// The public half as a SubjectPublicKeyInfo (RFC 5280).
    pub(crate) fn public_key_info(&self) -> SubjectPublicKeyInfoOwned {
        const X25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.110"); // RFC 8410
        let der = match self.algorithm {
            Algorithm::P256 => self.p256().public_key().to_public_key_der(),
            Algorithm::P384 => self.p384().public_key().to_public_key_der(),
            Algorithm::Ed25519 => self.ed25519().verifying_key().to_public_key_der(),
            Algorithm::X25519 => {
                let public = x25519_dalek::PublicKey::from(&self.x25519());
                return SubjectPublicKeyInfoOwned {
                    algorithm: AlgorithmIdentifier {
                        oid: X25519,
                        parameters: None,
                    },
                    subject_public_key: BitString::from_bytes(public.as_bytes())
                        .expect("32 bytes fit"),
                };
            }
            _ => self.to_rsa().to_public_key().to_public_key_der(),
        };
        let der = der.expect("a public key can be written");
        SubjectPublicKeyInfoOwned::from_der(der.as_bytes()).expect("it was just written")
    }

    /// The same in DER.
    pub(crate) fn public_key_der(&self) -> Vec<u8> {
        self.public_key_info()
            .to_der()
            .expect("a public key can be written")
    }

    /// The RSA key in this slot.
    ///
    /// # Panics
    ///
    /// If it is of another algorithm.
    pub(crate) fn to_rsa(&self) -> RsaPrivateKey {
        RsaPrivateKey::from_pkcs8_der(&self.secret).expect("an RSA key is kept as PKCS#8")
    }

    fn rsa(algorithm: Algorithm, key: &RsaPrivateKey) -> Self {
        let der = key.to_pkcs8_der().expect("a private key can be written");
        Self {
            algorithm,
            secret: Zeroizing::new(der.as_bytes().to_vec()),
        }
    }

    /// The length of an RSA modulus; 0 for other keys.
    pub(crate) fn modulus_bytes(&self) -> usize {
        let bits = self.algorithm.modulus_bits().unwrap_or(0);
        usize::try_from(bits / 8).expect("a few hundred")
    }

    pub(crate) fn is_rsa(&self) -> bool {
        self.algorithm.modulus_bits().is_some()
    }

    fn exponentiate(&self, input: &[u8]) -> Result<Vec<u8>, StatusWord> {
        let key = self.to_rsa();
        if input.len() != key.size() {
            return Err(StatusWord::WRONG_DATA);
        }
        let input = BoxedUint::from_be_slice(input, key.n_bits_precision())
            .map_err(|_| StatusWord::WRONG_DATA)?;
        let output = rsa_decrypt_and_check(&key, Some(&mut rand::rng()), &input)
            .map_err(|_| StatusWord::WRONG_DATA)?;
        let bytes = output.to_be_bytes();
        Ok(bytes[bytes.len() - key.size()..].to_vec())
    }

    fn p256(&self) -> p256::SecretKey {
        p256::SecretKey::from_slice(&self.secret).expect("checked when it came in")
    }

    fn p384(&self) -> p384::SecretKey {
        p384::SecretKey::from_slice(&self.secret).expect("checked when it came in")
    }

    fn ed25519(&self) -> ed25519_dalek::SigningKey {
        ed25519_dalek::SigningKey::from_bytes(&self.seed())
    }

    fn x25519(&self) -> x25519_dalek::StaticSecret {
        self.seed().into()
    }

    fn seed(&self) -> [u8; 32] {
        (**self.secret).try_into().expect("checked when it came in")
    }
}

/// A digest as the card takes it: shorter ones are numbers with zeros in front.
fn digest<const LENGTH: usize>(input: &[u8]) -> Result<Zeroizing<[u8; LENGTH]>, StatusWord> {
    let start = LENGTH
        .checked_sub(input.len())
        .ok_or(StatusWord::WRONG_DATA)?;
    let mut digest = Zeroizing::new([0; LENGTH]);
    digest[start..].copy_from_slice(input);
    Ok(digest)
}

/// Random bytes.
pub(crate) fn random<const LENGTH: usize>() -> [u8; LENGTH] {
    use rand::Rng as _;
    let mut bytes = [0; LENGTH];
    rand::rng().fill_bytes(&mut bytes);
    bytes
}
