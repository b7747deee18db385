//! Provisioning profiles: what a kind of holder gets on a token, as data.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize, Serializer, ser::SerializeStruct as _};

use super::number::number;
use super::{MAX_SUBJECT_PARTS, OpenpgpRole, PinPolicy, Slot, SubjectPart, TouchPolicy};
use crate::{algorithm::Algorithm, key::CertificateUsage, name::Name, text::Title};

/// What a kind of holder gets on a token. A TOML file outside, part of a task's event inside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// What it is called.
    pub name: Name,
    /// What it is for.
    pub about: Title,
    /// The rules of PIN and PUK.
    #[serde(default)]
    pub pin: PinRules,
    /// The PIV keys, by slot; at most 24.
    #[serde(default)]
    pub piv: BTreeMap<Slot, SlotPlan>,
    /// The OpenPGP keys.
    #[serde(default)]
    pub openpgp: Option<OpenpgpPlan>,
}

/// The rules of PIN and PUK.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PinRules {
    /// The least number of digits, 6 to 8: PIV allows no more than 8.
    #[serde(default = "eight", deserialize_with = "number::<6, 8, _, _>")]
    pub digits: u8,
    /// Wrong PINs until it is blocked, 1 to 15.
    #[serde(default = "five", deserialize_with = "number::<1, 15, _, _>")]
    pub retries: u8,
    /// Wrong PUKs until it is blocked, 1 to 15.
    #[serde(default = "five", deserialize_with = "number::<1, 15, _, _>")]
    pub puk_retries: u8,
}

const fn eight() -> u8 {
    8
}

const fn five() -> u8 {
    5
}

impl Default for PinRules {
    fn default() -> Self {
        Self {
            digits: eight(),
            retries: five(),
            puk_retries: five(),
        }
    }
}

/// A PIV key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SlotPlan {
    /// The algorithm; generated on the token, always.
    pub algorithm: Algorithm,
    /// When it asks for the PIN.
    pub pin: PinPolicy,
    /// When it asks to be touched.
    pub touch: TouchPolicy,
    /// The certificate over it.
    #[serde(default)]
    pub certificate: Option<CertificatePlan>,
}

/// A certificate over a key in a slot, for the principal the token is assigned to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CertificatePlan {
    /// Its subject, the most specific part first: at most 12 parts, such as `CN={title}`, `OU=Keys`; places to fill in are
    /// `{title}`, `{principal}`, `{email}` and `{serial}`. `CN={title}`, then `UID={principal}`, if absent.
    #[serde(default)]
    pub subject: Vec<SubjectPart>,
    /// What it may be used for: 1 to 6, each once.
    pub usages: Vec<CertificateUsage>,
    /// Days until it expires, 1 to 3,650.
    #[serde(deserialize_with = "number::<1, 3_650, _, _>")]
    pub days: u16,
}

impl Serialize for CertificatePlan {
    /// Without the subject where there is none, as it was written before there were subjects; a snapshot has every field.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let absent = self.subject.is_empty() && serializer.is_human_readable();
        let fields = 3 - usize::from(absent);
        let mut plan = serializer.serialize_struct("CertificatePlan", fields)?;
        if !absent {
            plan.serialize_field("subject", &self.subject)?;
        }
        plan.serialize_field("usages", &self.usages)?;
        plan.serialize_field("days", &self.days)?;
        plan.end()
    }
}

/// The three OpenPGP keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OpenpgpPlan {
    /// Signs.
    pub sign: SubkeyPlan,
    /// Decrypts.
    pub encrypt: SubkeyPlan,
    /// Authenticates: ssh.
    pub authenticate: SubkeyPlan,
    /// Wrong PINs until it is blocked, 1 to 15.
    #[serde(default = "five", deserialize_with = "number::<1, 15, _, _>")]
    pub retries: u8,
}

/// An OpenPGP key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SubkeyPlan {
    /// `ed25519` or `p-256`; `x25519` or `p-256` of the one that decrypts.
    pub algorithm: Algorithm,
    /// Days until it expires, 1 to 3,650.
    #[serde(deserialize_with = "number::<1, 3_650, _, _>")]
    pub days: u16,
    /// Whether it asks to be touched before each use.
    pub touch: bool,
    /// Made in custody, kept there sealed, and imported: the only way to read old mail with a new token.
    #[serde(default)]
    pub escrow: bool,
}

/// Why a profile is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// It cannot be read: the place and the fault are named.
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    /// A number is out of its range.
    #[error("{field} is {value}: {min} to {max} are allowed")]
    OutOfRange {
        /// Which number.
        field: &'static str,
        /// What it is.
        value: u16,
        /// The least.
        min: u16,
        /// The most.
        max: u16,
    },
    /// A key cannot do what is asked of it.
    #[error("{place} cannot be {algorithm}: {remedy}")]
    Algorithm {
        /// The slot, or the OpenPGP key.
        place: String,
        /// What was asked.
        algorithm: Algorithm,
        /// What to write.
        remedy: &'static str,
    },
    /// A key is to take a fingerprint.
    #[error(
        "slot {slot}: no profile asks for fingerprints: write pin = \"never\", \"once\" or \"always\""
    )]
    Fingerprint {
        /// Where.
        slot: Slot,
    },
    /// A use of a certificate stands twice.
    #[error("slot {slot}: a use of its certificate stands there twice")]
    UsageTwice {
        /// Where.
        slot: Slot,
    },
    /// A part of a certificate's subject is not what it seems.
    #[error(
        "slot {slot}: the subject of its certificate holds an invisible character: write it anew"
    )]
    Invisible {
        /// Where.
        slot: Slot,
    },
    /// A key of custody would be given to who cannot show that the token is there.
    #[error(
        "openpgp.encrypt has escrow = true, and no key under [piv] signs: with such a key the token proves that it is there before it is \
         given the one of custody; add one, such as [piv.9a] with algorithm = \"p-256\", pin = \"once\", touch = \"never\""
    )]
    NobodyVouches,
    /// Nothing is to be put on the token.
    #[error("it puts nothing on the token: name at least one slot under [piv], or [openpgp]")]
    Empty,
}

/// The profiles that are shipped, by name.
const SHIPPED: [(&str, &str); 4] = [
    ("person", include_str!("profiles/person.toml")),
    ("administrator", include_str!("profiles/administrator.toml")),
    ("service", include_str!("profiles/service.toml")),
    ("offline-root", include_str!("profiles/offline-root.toml")),
];

impl Profile {
    /// The names of the shipped profiles.
    pub fn shipped_names() -> impl Iterator<Item = &'static str> {
        SHIPPED.iter().map(|(name, _)| *name)
    }

    /// The TOML of a shipped profile, with its comments; nothing if there is none of that name.
    #[must_use]
    pub fn shipped_toml(name: &str) -> Option<&'static str> {
        SHIPPED
            .iter()
            .find(|(shipped, _)| *shipped == name)
            .map(|(_, toml)| *toml)
    }

    /// A shipped profile.
    #[must_use]
    pub fn shipped(name: &str) -> Option<Self> {
        Self::read(Self::shipped_toml(name)?).ok()
    }

    /// Reads a profile from TOML, and checks it.
    ///
    /// # Errors
    ///
    /// [`ProfileError`], which names the place and what is expected.
    pub fn read(text: &str) -> Result<Self, ProfileError> {
        if text.len() > 64 * 1024 {
            return Err(ProfileError::Unreadable(
                "it is larger than 65,536 bytes".to_owned(),
            ));
        }
        let profile: Self = toml::from_str(text)
            .map_err(|e| ProfileError::Unreadable(e.to_string().trim_end().to_owned()))?;
        profile.check()?;
        Ok(profile)
    }

    /// Checks what no type can hold.
    ///
    /// # Errors
    ///
    /// [`ProfileError`], which names the place and what is expected.
    pub fn check(&self) -> Result<(), ProfileError> {
        within("pin.digits", u16::from(self.pin.digits), 6, 8)?;
        within("pin.retries", u16::from(self.pin.retries), 1, 15)?;
        within("pin.puk_retries", u16::from(self.pin.puk_retries), 1, 15)?;
        if self.piv.is_empty() && self.openpgp.is_none() {
            return Err(ProfileError::Empty);
        }
        for (slot, plan) in &self.piv {
            if plan.algorithm.is_symmetric() {
                return Err(ProfileError::Algorithm {
                    place: format!("slot {slot}"),
                    algorithm: plan.algorithm,
                    remedy: "write p-256, p-384, ed25519, x25519, rsa-2048, rsa-3072 or rsa-4096",
                });
            }
            if plan.pin.takes_fingerprint() {
                return Err(ProfileError::Fingerprint { slot: *slot });
            }
            let Some(certificate) = &plan.certificate else {
                continue;
            };
            let usages = u16::try_from(certificate.usages.len()).unwrap_or(u16::MAX);
            within("certificate.usages", usages, 1, 6)?;
            let once: BTreeSet<_> = certificate.usages.iter().collect();
            if once.len() < certificate.usages.len() {
                return Err(ProfileError::UsageTwice { slot: *slot });
            }
            within("certificate.days", certificate.days, 1, 3_650)?;
            let parts = u16::try_from(certificate.subject.len()).unwrap_or(u16::MAX);
            within("certificate.subject", parts, 0, MAX_SUBJECT_PARTS as u16)?;
            if !certificate.subject.iter().all(SubjectPart::is_visible) {
                return Err(ProfileError::Invisible { slot: *slot });
            }
            if plan.algorithm == Algorithm::X25519 {
                return Err(ProfileError::Algorithm {
                    place: format!("slot {slot} with a certificate"),
                    algorithm: plan.algorithm,
                    remedy: "a key that cannot sign cannot ask for one; write p-256, or leave the certificate out",
                });
            }
        }
        self.openpgp.as_ref().map_or(Ok(()), OpenpgpPlan::check)?;
        if self.escrows() && self.vouches().is_none() {
            return Err(ProfileError::NobodyVouches);
        }
        Ok(())
    }
}

impl OpenpgpPlan {
    /// The three keys, with what they are called.
    #[must_use]
    pub const fn subkeys(&self) -> [(&'static str, &SubkeyPlan); 3] {
        [
            ("openpgp.sign", &self.sign),
            ("openpgp.encrypt", &self.encrypt),
            ("openpgp.authenticate", &self.authenticate),
        ]
    }

    /// The plan of the key of a role.
    #[must_use]
    pub const fn subkey(&self, role: OpenpgpRole) -> &SubkeyPlan {
        match role {
            OpenpgpRole::Sign => &self.sign,
            OpenpgpRole::Encrypt => &self.encrypt,
            OpenpgpRole::Authenticate => &self.authenticate,
        }
    }

    fn check(&self) -> Result<(), ProfileError> {
        within("openpgp.retries", u16::from(self.retries), 1, 15)?;
        for (place, plan) in self.subkeys() {
            within("openpgp days", plan.days, 1, 3_650)?;
            let decrypts = place == "openpgp.encrypt";
            let able = match plan.algorithm {
                Algorithm::P256 => true,
                Algorithm::Ed25519 => !decrypts,
                Algorithm::X25519 => decrypts,
                Algorithm::P384
                | Algorithm::Rsa2048
                | Algorithm::Rsa3072
                | Algorithm::Rsa4096
                | Algorithm::Aes256 => false,
            };
            if !able {
                return Err(ProfileError::Algorithm {
                    place: place.to_owned(),
                    algorithm: plan.algorithm,
                    remedy: "write ed25519 (x25519 of the one that decrypts) or p-256",
                });
            }
            if plan.escrow && decrypts && plan.algorithm != Algorithm::X25519 {
                return Err(ProfileError::Algorithm {
                    place: format!("{place} with escrow"),
                    algorithm: plan.algorithm,
                    remedy: "custody makes x25519",
                });
            }
            if plan.escrow && !decrypts {
                return Err(ProfileError::Algorithm {
                    place: format!("{place} with escrow"),
                    algorithm: plan.algorithm,
                    remedy: "only the key that decrypts is kept in custody",
                });
            }
        }
        Ok(())
    }
}

fn within(field: &'static str, value: u16, min: u16, max: u16) -> Result<(), ProfileError> {
    if (min..=max).contains(&value) {
        Ok(())
    } else {
        Err(ProfileError::OutOfRange {
            field,
            value,
            min,
            max,
        })
    }
}
