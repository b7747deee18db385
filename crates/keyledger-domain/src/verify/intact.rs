//! What can be checked of a stored event without knowing any other.

use super::{Claim, Fault, header};
use crate::{cid::EventCid, record::Record};

/// An event whose bytes are those of its CID, and whose subject and headers say what the bytes say, all of it and
/// nothing else. Who signed it is only claimed so far, and what it follows is not known.
#[derive(Debug, Clone, PartialEq)]
pub struct Intact {
    /// What the bytes say.
    pub record: Record,
    /// Their CID.
    pub cid: EventCid,
    /// The public nkey that is said to have signed it.
    pub signer: Box<str>,
    /// The signature as it stands in the header.
    pub signature: Box<str>,
}

impl Intact {
    /// Reads a stored event. Its subject must begin with `prefix`, where that is known.
    ///
    /// # Errors
    ///
    /// [`Fault`] says what does not fit.
    pub fn read<'a, H>(
        subject: &str,
        headers: H,
        payload: &[u8],
        prefix: Option<&str>,
    ) -> Result<Self, Fault>
    where
        H: Iterator<Item = (&'a str, &'a str)> + Clone,
    {
        let cid = EventCid::of(payload);
        let said = required(headers.clone(), header::CID)?;
        if said != cid.to_string() {
            let said = said.chars().take(80).collect();
            return Err(Fault::Altered { said });
        }
        let record = Record::read(payload).map_err(|e| Fault::Malformed(e.to_string()))?;
        check_subject(subject, &record, prefix)?;
        check_headers(headers.clone(), &record)?;
        Ok(Self {
            signer: required(headers.clone(), header::SIGNER)?.into(),
            signature: required(headers, header::SIGNATURE)?.into(),
            record,
            cid,
        })
    }

    /// The signature that must be checked before the event is believed.
    #[must_use]
    pub fn claim(&self) -> Claim<'_> {
        Claim {
            signer: &self.signer,
            cid: self.cid,
            signature: &self.signature,
        }
    }

    /// The prefix of the subject that it was read under.
    #[must_use]
    pub fn prefix<'s>(&self, subject: &'s str) -> Option<&'s str> {
        subject.strip_suffix(&subject_tail(&self.record))
    }
}

fn subject_tail(record: &Record) -> String {
    let history = &record.history;
    let past = record.event.past();
    format!(".events.{}.{}.{past}", history.aggregate, history.name)
}

fn check_subject(subject: &str, record: &Record, prefix: Option<&str>) -> Result<(), Fault> {
    let tail = subject_tail(record);
    let found = subject.strip_suffix(&tail).filter(|p| !p.is_empty());
    if found.is_some_and(|found| prefix.is_none_or(|prefix| prefix == found)) {
        return Ok(());
    }
    let prefix = prefix.unwrap_or("{prefix}");
    Err(Fault::Misplaced {
        what: "subject",
        expected: format!("{prefix}{tail}"),
    })
}

fn required<'a>(
    mut headers: impl Iterator<Item = (&'a str, &'a str)>,
    wanted: &'static str,
) -> Result<&'a str, Fault> {
    headers
        .find_map(|(name, value)| (name == wanted).then_some(value))
        .ok_or_else(|| Fault::Malformed(format!("it has no header {wanted}")))
}

/// The headers repeat what the record says: consumers go by them, so they must say that, all of it, and each once.
///
/// Any other header is refused: servers, consumers and mirrors act on some (`Nats-Rollup`, `Nats-TTL`), and names that
/// differ only in case are one name to many clients.
fn check_headers<'a, H>(headers: H, record: &Record) -> Result<(), Fault>
where
    H: Iterator<Item = (&'a str, &'a str)> + Clone,
{
    let said = header::of_record(record);
    for (what, expected) in &said {
        if required(headers.clone(), what)? != expected {
            return Err(Fault::Misplaced {
                what,
                expected: expected.clone(),
            });
        }
    }
    // What these three say is checked where the CID and the signature are.
    let elsewhere = [header::CID, header::SIGNATURE, header::SIGNER];
    let mut before: Vec<&str> = Vec::with_capacity(16);
    for (name, _) in headers {
        let is_known = said.iter().any(|(known, _)| *known == name)
            || elsewhere.contains(&name)
            || header::OF_THE_APPEND.contains(&name);
        if !is_known {
            let name: String = name.chars().take(80).collect();
            let fault = format!("it has a header {name:?}, which no event has");
            return Err(Fault::Malformed(fault));
        }
        if before.contains(&name) {
            let fault = format!("its header {name} is there twice");
            return Err(Fault::Malformed(fault));
        }
        before.push(name);
    }
    Ok(())
}
