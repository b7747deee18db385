//! Attestation: certificates that say a key was made on this token, and who vouches for the token.
//!
//! The names, lifetimes and extensions are Yubico's; the root is one of the test.

use std::str::FromStr as _;
use std::time::Duration;

use rsa::pkcs1v15::SigningKey;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use x509_cert::Certificate;
use x509_cert::builder::profile::BuilderProfile;
use x509_cert::builder::{Builder as _, CertificateBuilder};
use x509_cert::certificate::TbsCertificate;
use x509_cert::der::asn1::{Int, ObjectIdentifier, OctetString};
use x509_cert::der::{Decode as _, Encode as _};
use x509_cert::ext::pkix::BasicConstraints;
use x509_cert::ext::{Extension, ToExtension as _};
use x509_cert::name::Name;
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::{SubjectPublicKeyInfoOwned, SubjectPublicKeyInfoRef};
use x509_cert::time::{Time, Validity};

use super::Piv;
use super::key::{Algorithm, PrivateKey, random};
use super::state::{ATTESTATION_CERTIFICATE, ATTESTATION_SLOT, PinPolicy, Slot, TouchPolicy};
use crate::token::apdu::{CommandApdu, ResponseApdu, StatusWord};
use crate::token::device::Device;
use crate::token::fault::Fault;
use crate::token::outside::Outside;
use crate::token::{hex, tlv};

const FIRMWARE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.41482.3.3");
const SERIAL: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.41482.3.7");
const POLICIES: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.41482.3.8");
const FORM_FACTOR: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.41482.3.9");

impl Piv {
    /// ATTEST: a certificate for the key in slot P1, signed by the attestation key.
    pub(super) fn attest(&mut self, command: &CommandApdu, outside: &Outside) -> ResponseApdu {
        let number = command.p1;
        let has = |fault: &Fault| outside.has_fault(|found| found == fault);
        let slot = match self.state.slots.get(&number) {
            Some(slot) if slot.generated || has(&Fault::PosesAsGenerated { slot: number }) => {
                slot.clone()
            }
            _ => return Err(StatusWord::WRONG_DATA),
        };
        let attestation = if has(&Fault::AttestsUnderUnknownRoot) {
            self.stranger().clone()
        } else {
            self.attestation_key()?
        };
        let key = if has(&Fault::AttestsOtherKey { slot: number }) {
            PrivateKey::generate(slot.key.algorithm)
        } else {
            slot.key
        };
        let serial =
            self.device.serial + u32::from(has(&Fault::AttestsOtherSerial { slot: number }));
        let touch = if has(&Fault::AttestsWithoutTouch { slot: number }) {
            TouchPolicy::Never
        } else {
            slot.touch_policy
        };
        let statement = Statement {
            device: Device {
                serial,
                ..self.device
            },
            slot: number,
            key: key.public_key_info(),
            policies: [slot.pin_policy.id(), touch.id()],
        };
        Ok(attestation.certify(&statement))
    }

    /// An attestation key as another maker would have put it in, or Yubico later than anybody here knows.
    pub(super) fn stranger(&mut self) -> &AttestationKey {
        let stranger = || Authority::root_named("Yubico PIV Attestation Z 1").attestation_key();
        self.stranger.get_or_insert_with(stranger)
    }

    fn attestation_key(&self) -> Result<AttestationKey, StatusWord> {
        let slot = self
            .state
            .slots
            .get(&ATTESTATION_SLOT)
            .filter(|slot| slot.key.is_rsa())
            .ok_or(StatusWord::WRONG_DATA)?;
        let object = self
            .state
            .objects
            .get(&ATTESTATION_CERTIFICATE)
            .ok_or(StatusWord::WRONG_DATA)?;
        let objects = tlv::read_all(&object.0).ok_or(StatusWord::WRONG_DATA)?;
        let certificate = tlv::find(&objects, 0x70).ok_or(StatusWord::WRONG_DATA)?;
        Certificate::from_der(certificate).map_err(|_| StatusWord::WRONG_DATA)?;
        Ok(AttestationKey {
            key: slot.key.clone(),
            certificate: certificate.to_vec(),
        })
    }
}

/// What an attestation says.
struct Statement {
    device: Device,
    slot: u8,
    key: SubjectPublicKeyInfoOwned,
    policies: [u8; 2],
}

/// The key in slot f9 with its certificate in DER.
#[derive(Clone)]
pub(crate) struct AttestationKey {
    key: PrivateKey,
    pub(crate) certificate: Vec<u8>,
}

impl AttestationKey {
    /// What the factory puts into the slot.
    pub(crate) fn into_slot(self) -> (Slot, Vec<u8>) {
        let slot = Slot {
            key: self.key,
            pin_policy: PinPolicy::Never,
            touch_policy: TouchPolicy::Never,
            generated: false,
        };
        (slot, self.certificate)
    }

    fn certify(&self, statement: &Statement) -> Vec<u8> {
        let Statement {
            device,
            slot,
            key,
            policies,
        } = statement;
        let issuer = Certificate::from_der(&self.certificate).expect("checked when it came in");
        let serial = Int::new(&unsigned(device.serial)).expect("four bytes fit");
        let extension = |id, value: &[u8]| Extension {
            extn_id: id,
            critical: false,
            extn_value: OctetString::new(value).expect("a few bytes fit"),
        };
        // Only the serial number is DER inside; the others are bare bytes.
        let extensions = vec![
            extension(FIRMWARE, &device.firmware.bytes()),
            extension(SERIAL, &serial.to_der().expect("a number can be written")),
            extension(POLICIES, policies),
            extension(FORM_FACTOR, &[Device::FORM_FACTOR]),
        ];
        let names = Names {
            issuer: issuer.tbs_certificate().subject().clone(),
            subject: name(&format!("YubiKey PIV Attestation {slot:02x}")),
        };
        let validity = *issuer.tbs_certificate().validity();
        sign(&self.key, names, validity, key.clone(), extensions)
    }
}

/// A certificate authority that vouches for attestation keys.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Authority {
    key: PrivateKey,
    #[serde(with = "hex")]
    pub(crate) certificate: Vec<u8>,
}

impl Authority {
    /// Trusted for being itself.
    pub(crate) fn root() -> Self {
        Self::root_named("Keyledger Test Attestation Root")
    }

    fn root_named(common_name: &str) -> Self {
        let key = PrivateKey::generate(Algorithm::Rsa2048);
        let subject = name(common_name);
        let names = Names {
            issuer: subject.clone(),
            subject,
        };
        let public = key.public_key_info();
        let certificate = sign(&key, names, validity(), public, vec![authority(3)]);
        Self { key, certificate }
    }

    /// One tier below; `tiers` more may follow below that.
    pub(crate) fn intermediate(&self, subject: &str, tiers: u8) -> Self {
        let key = PrivateKey::generate(Algorithm::Rsa2048);
        let certificate = self.issue(subject, &key, tiers);
        Self { key, certificate }
    }

    /// A key for slot f9.
    pub(crate) fn attestation_key(&self) -> AttestationKey {
        let key = PrivateKey::generate(Algorithm::Rsa2048);
        let certificate = self.issue("Yubico PIV Attestation", &key, 0);
        AttestationKey { key, certificate }
    }

    pub(crate) fn pem(&self) -> String {
        use x509_cert::der::EncodePem as _;
        Certificate::from_der(&self.certificate)
            .and_then(|certificate| certificate.to_pem(x509_cert::der::pem::LineEnding::LF))
            .expect("made here")
    }

    fn issue(&self, subject: &str, key: &PrivateKey, tiers: u8) -> Vec<u8> {
        let issuer = Certificate::from_der(&self.certificate).expect("made here");
        let names = Names {
            issuer: issuer.tbs_certificate().subject().clone(),
            subject: name(subject),
        };
        let extensions = vec![authority(tiers)];
        sign(
            &self.key,
            names,
            validity(),
            key.public_key_info(),
            extensions,
        )
    }
}

fn sign(
    key: &PrivateKey,
    names: Names,
    validity: Validity,
    subject_key: SubjectPublicKeyInfoOwned,
    extensions: Vec<Extension>,
) -> Vec<u8> {
    let mut serial = random::<16>();
    serial[0] &= 0x7f; // a positive number
    serial[0] |= 0x40; // of always the same length
    let serial = SerialNumber::new(&serial).expect("16 bytes fit");
    let profile = Profile { names, extensions };
    let signer = SigningKey::<Sha256>::new(key.to_rsa());
    CertificateBuilder::new(profile, serial, validity, subject_key)
        .and_then(|builder| builder.build(&signer))
        .and_then(|certificate| Ok(certificate.to_der()?))
        .expect("everything in it was made here")
}

struct Names {
    issuer: Name,
    subject: Name,
}

/// Just these names and these extensions.
struct Profile {
    names: Names,
    extensions: Vec<Extension>,
}

impl BuilderProfile for Profile {
    fn get_issuer(&self, _subject: &Name) -> Name {
        self.names.issuer.clone()
    }

    fn get_subject(&self) -> Name {
        self.names.subject.clone()
    }

    fn build_extensions(
        &self,
        _key: SubjectPublicKeyInfoRef<'_>,
        _issuer_key: SubjectPublicKeyInfoRef<'_>,
        _tbs: &TbsCertificate,
    ) -> x509_cert::builder::Result<Vec<Extension>> {
        Ok(self.extensions.clone())
    }
}

/// May sign certificates, and so may `tiers` below it.
fn authority(tiers: u8) -> Extension {
    let constraints = BasicConstraints {
        ca: true,
        path_len_constraint: Some(tiers),
    };
    constraints
        .to_extension(&Name::default(), &[])
        .expect("two fields can be written")
}

fn name(common_name: &str) -> Name {
    Name::from_str(&format!("CN={common_name}")).expect("letters, digits and spaces")
}

/// The lifetime of Yubico's first root: 2016-03-14 to 2052-04-17.
fn validity() -> Validity {
    let at = |seconds| {
        Time::from(
            x509_cert::der::DateTime::from_unix_duration(Duration::from_secs(seconds))
                .expect("well before the year 9999"),
        )
    };
    Validity::new(at(1_457_913_600), at(2_597_356_800))
}

/// The shortest bytes of a number, with a zero in front if it would look negative.
fn unsigned(number: u32) -> Vec<u8> {
    let bytes = [&[0][..], &number.to_be_bytes()].concat();
    let skip = bytes
        .windows(2)
        .take_while(|pair| pair[0] == 0 && pair[1] < 0x80)
        .count();
    bytes[skip..].to_vec()
}
