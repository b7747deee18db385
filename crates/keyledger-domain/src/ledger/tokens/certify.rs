//! Certificates over keys in the ledger: who may sign them, and over what.

use crate::{
    algorithm::{Algorithm, Purpose},
    key::{self, Certification, Certified, OfKey},
    ledger::{Deciding, Decision, Reader},
    name::{Aggregate, HistoryId, Name},
    rejection::Rejection,
    time::Timestamp,
};

/// The most certificates over a key: they stay in memory for good, and a yearly one lasts for as many years.
const MAX_CERTIFICATES: usize = 64;
/// The most names of a kind in a certificate.
const MAX_CERTIFICATE_NAMES: usize = 16;
/// The longest that a certificate holds: 20 years, a root's in the key management plan.
pub(super) const MAX_CERTIFICATE_DAYS: u16 = 7_300;
/// The most authorities below another.
const MAX_PATH_LENGTH: u8 = 4;

/// What to do where an issuer's secret half is not in custody.
pub const KEPT_ELSEWHERE: &str = "its secret half is kept elsewhere: write a request with `--request FILE`, have it signed there, and accept the response";

/// The certificate with which a key comes to be.
pub(crate) enum Born<'a> {
    /// It is made with the key.
    Certified(&'a Certification),
    /// It was signed elsewhere.
    Installed(&'a key::Installation),
}

/// Where the secret half of an issuer signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signs {
    /// In custody.
    Here,
    /// On a machine without a network, on a token, in somebody else's hands.
    Elsewhere,
}

impl Deciding<'_> {
    /// Decides on a certificate over a key in the ledger.
    pub(crate) fn certify(
        &self,
        certify: &key::Certify,
        certified: Option<&Certified>,
    ) -> Result<Decision, Rejection> {
        let wanted = certify.certification();
        let key = self.ledger.certifiable::<key::Certify>(self.name())?;
        self.ledger
            .check_certify(self.name(), key, &wanted, Signs::Here, self.now)?;
        let certified = certified.ok_or_else(|| bad("issuer", "no certificate was made"))?;
        let events = self.ledger.certified_events(key, certified, self.now)?;
        Ok(self.writes(events))
    }

    /// Decides on a key that comes to be with a certificate over it: both, or neither.
    pub(crate) fn born_certified(
        &self,
        mut events: Vec<key::Event>,
        born: &Born<'_>,
        certified: Option<&Certified>,
    ) -> Result<Decision, Rejection> {
        let (name, ledger) = (self.name(), &self.ledger);
        let key = events.first().and_then(|e| key::Key::create(e, self.now));
        let mut key = key.ok_or_else(|| bad("certify", "the key does not come to be"))?;
        for event in &events {
            key.evolve(event, self.now);
        }
        match born {
            Born::Certified(wanted) => {
                let signs = ledger.signs(name, &key, wanted.issuer.as_ref());
                ledger.check_certify(name, &key, wanted, signs, self.now)?;
                // Elsewhere it is asked for once the key is there.
                if signs == Signs::Here {
                    let certified =
                        certified.ok_or_else(|| bad("issuer", "no certificate was made"))?;
                    events.extend(ledger.certified_events(&key, certified, self.now)?);
                }
            }
            Born::Installed(install) => {
                let issuer = install.issuer.as_ref();
                events.extend(ledger.installed_events(name, &key, issuer, certified, self.now)?);
            }
        }
        Ok(self.writes(events))
    }
}

impl<'a> Reader<'a> {
    /// Where the issuer of a certificate over the key `name` signs.
    fn signs(&self, name: &Name, key: &key::Key, issuer: Option<&Name>) -> Signs {
        let other = issuer.filter(|issuer| *issuer != name);
        let custodian = match other {
            Some(issuer) => self.key(issuer).map(|e| e.state.custodian),
            None => Some(key.custodian),
        };
        match custodian.is_none_or(key::Custodian::is_here) {
            true => Signs::Here,
            false => Signs::Elsewhere,
        }
    }

    /// What a certificate over a key writes: it, and the key's own end, where that came earlier.
    pub(super) fn certified_events(
        &self,
        key: &key::Key,
        certified: &key::Certified,
        now: Timestamp,
    ) -> Result<Vec<key::Event>, Rejection> {
        let refuse = |field, value, rule| Err(Rejection::BadDate { field, value, rule });
        if certified.not_after <= now {
            let rule =
                "it would have ended already, with its authority's certificate: renew that first";
            return refuse("until", certified.not_after, rule);
        }
        if let Some(value) = key
            .process_stop_at
            .filter(|stop| *stop < certified.not_after)
        {
            let rule = "the key's recipient-usage period ends before the certificate: `schedule` a later end first, or certify it \
                        for less";
            return refuse("process_stop_at", value, rule);
        }
        if let Some(taken) = self.certified(&certified.issuer, &certified.serial) {
            return Err(Rejection::NameTaken(HistoryId::new(
                Aggregate::Key,
                taken.clone(),
            )));
        }
        let mut events = vec![key::Event::Certified(certified.clone())];
        let mut after = key.clone();
        after.evolve(&events[0], now);
        events.extend(after.extended());
        Ok(events)
    }

    /// Whether the certificate that `certify` asks for over the key `name` may be put before an issuer whose secret half is
    /// kept elsewhere. What is signed there comes back as an `install`.
    ///
    /// # Errors
    ///
    /// The [`Rejection`] that `certify` would get of such an issuer in custody, or one that says that it is in custody.
    pub fn check_certify_elsewhere(
        &self,
        name: &Name,
        wanted: &Certification,
        now: Timestamp,
    ) -> Result<(), Rejection> {
        let key = self.certifiable::<key::Certify>(name)?;
        if wanted.issuer.is_none() && !key.is_authority() {
            return Err(bad(
                "issuer",
                "name it: a new root signs its first certificate where its key is, with `keyledger offline ca-init`",
            ));
        }
        self.check_certify(name, key, wanted, Signs::Elsewhere, now)
    }

    fn check_certify(
        &self,
        name: &Name,
        key: &key::Key,
        wanted: &Certification,
        signs: Signs,
        now: Timestamp,
    ) -> Result<(), Rejection> {
        self.check_issuer(name, key, wanted.issuer.as_ref(), signs, now)?;
        match wanted.path_length {
            Some(length) => check_authority(key, "path_length", Some(length))?,
            None if wanted.issuer.is_none() => {
                return Err(bad(
                    "path_length",
                    "a root is an authority: say how many authorities may stand below it, one under the other",
                ));
            }
            None => {}
        }
        wanted.end(now)?;
        check_lengths(wanted)?;
        check_room(key)
    }

    /// The key `name`, if it may be certified at all.
    pub(super) fn certifiable<V: OfKey>(&self, name: &Name) -> Result<&'a key::Key, Rejection> {
        let key = self.key(name).map(|e| &e.state);
        let key =
            key.ok_or_else(|| Rejection::NotFound(HistoryId::new(Aggregate::Key, name.clone())))?;
        match key.state {
            key::State::PreActive | key::State::Active => Ok(key),
            state => Err(V::not_allowed(state)),
        }
    }

    /// Whether `issuer`, or the key `name` itself, may sign a certificate over `name`, and signs there.
    pub(super) fn check_issuer(
        &self,
        name: &Name,
        key: &key::Key,
        issuer: Option<&Name>,
        signs: Signs,
        now: Timestamp,
    ) -> Result<(), Rejection> {
        if issuer == Some(name) {
            return Err(bad(
                "issuer",
                "it is the key itself: a root's own certificate is asked for without `issuer`",
            ));
        }
        let signer = issuer.unwrap_or(name);
        let key = match issuer {
            None => Some(key),
            Some(issuer) => self.key(issuer).map(|e| &e.state),
        };
        let key =
            key.ok_or_else(|| Rejection::NotFound(HistoryId::new(Aggregate::Key, signer.clone())))?;
        if issuer.is_none() {
            check_own_issuer(name, key, signs, now)?;
        } else if !self.vouches(signer, now) {
            return Err(bad(
                "issuer",
                match key.is_authority() && key.authority_at(now).is_none() {
                    true => {
                        "it is no authority, or no more: its certificate has ended or was revoked; renew it first, with `keyledger ca renew`"
                    }
                    false => "it is no authority, or no more: certify it first with `path_length`",
                },
            ));
        }
        match (signs, key.custodian.is_here()) {
            (Signs::Here, false) => Err(bad("issuer", KEPT_ELSEWHERE)),
            (Signs::Elsewhere, true) => Err(bad(
                "issuer",
                "its secret half is in custody here: use `certify`, and no request",
            )),
            _ => Ok(()),
        }
    }

    /// True of an authority in custody at `now`, if nothing above it was revoked either.
    #[must_use]
    pub fn certifies(&self, name: &Name, now: Timestamp) -> bool {
        let key = self.key(name).map(|e| &e.state);
        key.is_some_and(|key| key.custodian.is_here()) && self.vouches(name, now)
    }

    /// True of an authority at `now`, wherever it signs, if nothing above it was revoked either.
    #[must_use]
    pub fn issues(&self, name: &Name, now: Timestamp) -> bool {
        self.vouches(name, now)
    }

    fn vouches(&self, name: &Name, now: Timestamp) -> bool {
        /// More than any path length allows.
        const MAX_ABOVE: usize = 8;
        let Some(key) = self.key(name).map(|e| &e.state) else {
            return false;
        };
        if !issues(key, now) {
            return false;
        }
        let mut below = name;
        let mut above = key.authority_at(now).map(|c| &c.issuer);
        for _ in 0..MAX_ABOVE {
            let Some(issuer) = above.filter(|issuer| *issuer != below) else {
                return true;
            };
            let key = self.key(issuer).map(|e| &e.state);
            let Some(key) = key.filter(|key| key.revocation.is_none()) else {
                return false;
            };
            below = issuer;
            above = key.authority_at(now).map(|c| &c.issuer);
        }
        false
    }
}

/// Whether a key may certify itself, there.
fn check_own_issuer(
    name: &Name,
    key: &key::Key,
    signs: Signs,
    now: Timestamp,
) -> Result<(), Rejection> {
    let here = signs == Signs::Elsewhere || key.custodian.is_here();
    if !can_certify(key) || !here {
        return Err(bad(
            "issuer",
            match signs {
                Signs::Here => {
                    "a key that certifies itself must be active, in custody, p-256 or p-384, of purpose certify; install the certificate of one that is kept elsewhere"
                }
                Signs::Elsewhere => {
                    "a key that certifies itself must be active, p-256 or p-384, of purpose certify"
                }
            },
        ));
    }
    if key.authority_at(now).is_some_and(|c| c.issuer != *name) {
        return Err(bad(
            "issuer",
            "another key vouches for it: name that one, or make a new root",
        ));
    }
    Ok(())
}

/// Whether a key may be an authority of this path length.
pub(super) fn check_authority(
    key: &key::Key,
    field: &'static str,
    path_length: Option<u8>,
) -> Result<(), Rejection> {
    if !key.purposes.has(Purpose::Certify) {
        return Err(bad(
            field,
            "only a key of purpose certify can be an authority",
        ));
    }
    match path_length.filter(|length| *length > MAX_PATH_LENGTH) {
        Some(length) => Err(Rejection::OutOfRange {
            field,
            value: i64::from(length),
            min: 0,
            max: i64::from(MAX_PATH_LENGTH),
        }),
        None => Ok(()),
    }
}

/// Whether there is room for one more certificate over a key.
pub(super) fn check_room(key: &key::Key) -> Result<(), Rejection> {
    if key.certificates().count() < MAX_CERTIFICATES {
        return Ok(());
    }
    Err(Rejection::LimitReached {
        what: "certificates over a key",
        max: MAX_CERTIFICATES,
    })
}

pub(super) fn bad(field: &'static str, fault: &str) -> Rejection {
    Rejection::BadValue {
        field,
        fault: fault.to_owned(),
    }
}

/// True of a key that may sign certificates now, wherever it does.
fn can_certify(key: &key::Key) -> bool {
    key.state == key::State::Active
        && key.purposes.has(Purpose::Certify)
        && matches!(key.algorithm, Algorithm::P256 | Algorithm::P384)
}

/// True of an authority at `now`: one of its certificates says so, and holds.
fn issues(key: &key::Key, now: Timestamp) -> bool {
    can_certify(key) && key.authority_at(now).is_some()
}

fn check_lengths(wanted: &Certification) -> Result<(), Rejection> {
    fn count<T>(all: Option<&Vec<T>>) -> usize {
        all.map_or(0, Vec::len)
    }
    let names = MAX_CERTIFICATE_NAMES;
    for (what, count, max) in [
        ("usages of a certificate", count(wanted.usages.as_ref()), 6),
        (
            "names of a certificate",
            count(wanted.dns_names.as_ref()),
            names,
        ),
        (
            "names of a certificate",
            count(wanted.ip_addresses.as_ref()),
            names,
        ),
        (
            "names of a certificate",
            count(wanted.emails.as_ref()),
            names,
        ),
    ] {
        if count > max {
            return Err(Rejection::LimitReached { what, max });
        }
    }
    Ok(())
}

impl Certification {
    /// When the certificate is to end.
    ///
    /// # Errors
    ///
    /// [`Rejection::BadValue`] if it names both days and a moment, or neither; [`Rejection::OutOfRange`] and
    /// [`Rejection::BadDate`] if it is not within 7,300 days.
    pub fn end(&self, now: Timestamp) -> Result<Timestamp, Rejection> {
        let max = i64::from(MAX_CERTIFICATE_DAYS);
        let latest = now.plus_days(max);
        match (self.days, self.until) {
            (Some(_), Some(_)) => Err(bad("until", "give `days` or `until`, not both")),
            (None, None) => Err(bad("days", "give `days`, or `until` with a moment")),
            (Some(days), None) if !(1..=MAX_CERTIFICATE_DAYS).contains(&days) => {
                Err(Rejection::OutOfRange {
                    field: "days",
                    value: i64::from(days),
                    min: 1,
                    max,
                })
            }
            (Some(days), None) => Ok(now.plus_days(i64::from(days))),
            (None, Some(value)) if value <= now => Err(Rejection::BadDate {
                field: "until",
                value,
                rule: "it is not in the future",
            }),
            (None, Some(value)) if value > latest => Err(Rejection::BadDate {
                field: "until",
                value,
                rule: "it is more than 7,300 days (twenty years) away",
            }),
            (None, Some(until)) => Ok(until),
        }
    }
}
