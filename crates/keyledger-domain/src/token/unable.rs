//! What a token cannot do that is asked of it: all that can be known before anything on it is destroyed.

use super::{Announcement, Applet, Firmware, OpenpgpPlan, PinPolicy, Profile, Restriction};
use crate::algorithm::Algorithm;

/// What a token's firmware cannot do that a profile asks for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{place} needs {algorithm}, which firmware {firmware} cannot do ({since} and later can): take another token{}",
    .instead.map(|instead| format!(", or a profile with {instead} there")).unwrap_or_default()
)]
pub struct Unable {
    /// The slot.
    pub place: String,
    /// What it asks for.
    pub algorithm: Algorithm,
    /// What the token has.
    pub firmware: Firmware,
    /// What it would need at least.
    pub since: Firmware,
    /// What the profile could say instead, if this firmware can do anything there.
    pub instead: Option<&'static str>,
}

/// Why a token does not suit what is asked of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unsuited {
    /// Its firmware is too old.
    #[error(transparent)]
    Firmware(#[from] Unable),
    /// An applet is missing.
    #[error("it needs the applet {}, which the token does not show: switch it on with `ykman config usb`, or take another token", .0.as_str())]
    Applet(Applet),
    /// It is of the FIPS series.
    #[error(
        "{place} {what}, which tokens of the FIPS series refuse: take another token, or a profile with {instead}"
    )]
    Fips {
        /// The slot, or what else it is about.
        place: String,
        /// What the profile asks for.
        what: &'static str,
        /// What to write.
        instead: &'static str,
    },
    /// It has no PUK.
    #[error(
        "the token reads fingerprints: it has no PUK, and its retries cannot be set: take another token"
    )]
    Fingerprints,
    /// It cannot be reset.
    #[error(
        "its PIV cannot be reset alone, since FIDO is configured too: reset the whole token first, with `ykman config reset`"
    )]
    ResetBlocked,
}

/// From this firmware on, keys are attested with their policies: nothing can be proved of an older token.
pub const FIRMWARE_4_3: Firmware = Firmware::new(4, 3, 0);
/// From this firmware on, RSA keys that a token made cannot be factored (CVE-2017-15361).
pub const FIRMWARE_4_3_5: Firmware = Firmware::new(4, 3, 5);
/// From this firmware on, OpenPGP does elliptic curves.
pub const FIRMWARE_5_2_3: Firmware = Firmware::new(5, 2, 3);
/// From this firmware on, PIV does Ed25519, X25519 and RSA beyond 2,048 bits.
pub const FIRMWARE_5_7: Firmware = Firmware::new(5, 7, 0);

impl Profile {
    /// What a token of this firmware could not do.
    ///
    /// # Errors
    ///
    /// [`Unable`], the first thing that it cannot do.
    pub fn fits(&self, firmware: Firmware) -> Result<(), Unable> {
        let piv = self.piv.iter().map(|(slot, plan)| {
            let (since, instead) = match plan.algorithm {
                Algorithm::Ed25519 | Algorithm::X25519 => (FIRMWARE_5_7, Some("p-256 or p-384")),
                Algorithm::Rsa3072 | Algorithm::Rsa4096 => {
                    (FIRMWARE_5_7, Some("rsa-2048, p-256 or p-384"))
                }
                Algorithm::Rsa2048 => (FIRMWARE_4_3_5, Some("p-256 or p-384")),
                // No profile has AES.
                Algorithm::P256 | Algorithm::P384 | Algorithm::Aes256 => (FIRMWARE_4_3, None),
            };
            (format!("slot {slot}"), plan.algorithm, since, instead)
        });
        let openpgp = self.openpgp.iter().flat_map(OpenpgpPlan::subkeys);
        let openpgp =
            openpgp.map(|(place, plan)| (place.to_owned(), plan.algorithm, FIRMWARE_5_2_3, None));
        let mut needs = piv.chain(openpgp);
        let beyond = needs.find(|(_, _, since, _)| firmware < *since);
        beyond.map_or(Ok(()), |(place, algorithm, since, instead)| {
            Err(Unable {
                place,
                algorithm,
                firmware,
                since,
                // Before 4.3 nothing is attested, whatever a slot holds.
                instead: instead.filter(|_| firmware >= FIRMWARE_4_3),
            })
        })
    }

    /// What a token that shows this could not do: all that can be known before anything on it is destroyed.
    ///
    /// # Errors
    ///
    /// [`Unsuited`], the first thing that it cannot do.
    pub fn suits(&self, shown: &Announcement) -> Result<(), Unsuited> {
        self.fits(shown.firmware)?;
        let missing = |applet: &Applet| !shown.applets.contains(applet);
        if let Some(applet) = self.applets().find(missing) {
            return Err(Unsuited::Applet(applet));
        }
        if shown.form_factor.reads_fingerprints() {
            return Err(Unsuited::Fingerprints);
        }
        if shown.is(Restriction::Fips) {
            self.suits_fips()?;
        }
        shown.can_be_reset()
    }

    fn suits_fips(&self) -> Result<(), Unsuited> {
        let unable = |place, what, instead| {
            Err(Unsuited::Fips {
                place,
                what,
                instead,
            })
        };
        for (slot, plan) in &self.piv {
            let place = format!("slot {slot}");
            if plan.algorithm == Algorithm::X25519 {
                return unable(place, "is x25519", "p-256 or p-384 there");
            }
            if plan.pin == PinPolicy::Never {
                let instead = "pin = \"once\" or \"always\" there";
                return unable(place, "asks for no PIN", instead);
            }
        }
        if self.pin.digits < 8 {
            let place = "pin.digits".to_owned();
            return unable(place, "is less than 8", "digits = 8");
        }
        Ok(())
    }

    /// The applets that a token needs for it: PIV always, since its PIN, PUK and management key are set.
    pub fn applets(&self) -> impl Iterator<Item = Applet> {
        let piv = std::iter::once(Applet::Piv);
        piv.chain(self.openpgp.as_ref().map(|_| Applet::Openpgp))
    }
}

impl Announcement {
    /// True if it shows this restriction.
    #[must_use]
    pub fn is(&self, restriction: Restriction) -> bool {
        self.restrictions.contains(&restriction)
    }

    /// Whether its PIV can be reset.
    ///
    /// # Errors
    ///
    /// [`Unsuited::ResetBlocked`] if it says that it cannot.
    pub fn can_be_reset(&self) -> Result<(), Unsuited> {
        if self.is(Restriction::ResetBlocked) {
            return Err(Unsuited::ResetBlocked);
        }
        Ok(())
    }
}
