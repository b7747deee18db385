//! Long lists of revoked certificates in pages that fit a message.
//!
//! Any instance answers any page: where a page begins also says which list it is of, and how that was signed. The list is made
//! again from the ledger, and its signature shows whether it is the same one. If it is not, the caller begins anew.

use std::sync::Arc;

use data_encoding::{BASE64, HEXLOWER};
use keyledger_domain::{Rejection, Timestamp, views::Budget};
use parking_lot::Mutex;

/// Where a page of a list begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ListPlace {
    /// How many bytes of the list were given.
    pub(super) from: usize,
    /// The list's number.
    pub(super) number: u64,
    /// Its date.
    pub(super) at: Timestamp,
    /// Its signature; of one that is signed elsewhere, the SHA-256 of what is to be signed.
    pub(super) proof: Vec<u8>,
}

/// The long list that was signed last: while certificates are being revoked, it can be made again no more.
#[derive(Debug, Default)]
pub(crate) struct LastList(Mutex<Option<KeptList>>);

#[derive(Debug)]
struct KeptList {
    proof: Vec<u8>,
    der: Arc<[u8]>,
}

impl LastList {
    pub(super) fn keep(&self, proof: &[u8], der: &Arc<[u8]>) {
        *self.0.lock() = Some(KeptList {
            proof: proof.to_vec(),
            der: Arc::clone(der),
        });
    }

    pub(super) fn find(&self, proof: &[u8]) -> Option<Arc<[u8]>> {
        let kept = self.0.lock();
        let kept = kept.as_ref().filter(|kept| kept.proof == proof);
        kept.map(|kept| Arc::clone(&kept.der))
    }
}

impl ListPlace {
    /// Reads the `next` of the page before.
    pub(super) fn parse(text: &str) -> Result<Self, Rejection> {
        let read = || {
            let mut parts = text.split(':');
            let place = Self {
                from: parts.next()?.parse().ok()?,
                number: parts.next()?.parse().ok()?,
                at: Timestamp::from_seconds(parts.next()?.parse().ok()?),
                proof: HEXLOWER.decode(parts.next()?.as_bytes()).ok()?,
            };
            parts.next().is_none().then_some(place)
        };
        read().ok_or_else(|| not_one("it is not the `next` of a page of this question"))
    }

    fn text(&self) -> String {
        let (at, proof) = (self.at.seconds(), HEXLOWER.encode(&self.proof));
        format!("{}:{}:{at}:{proof}", self.from, self.number)
    }

    /// The page of `bytes` that begins here, in base64, and where the next one does.
    pub(super) fn page(
        mut self,
        bytes: &[u8],
        budget: Budget,
    ) -> Result<(String, Option<String>), Rejection> {
        let left = bytes.get(self.from..).filter(|left| !left.is_empty());
        let left = left.ok_or_else(|| not_one("it is behind the end of the list"))?;
        let part = &left[..left.len().min(budget.base64())];
        self.from += part.len();
        let next = (part.len() < left.len()).then(|| self.text());
        Ok((BASE64.encode(part), next))
    }
}

/// What is said where the list of the first page cannot be made again.
pub(super) fn changed() -> Rejection {
    not_one("certificates were revoked since the first page was signed: ask again without it")
}

fn not_one(fault: &str) -> Rejection {
    Rejection::BadValue {
        field: "after",
        fault: fault.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use keyledger_custody::authority::AuthorityKey;
    use keyledger_domain::Algorithm;
    use keyledger_pki::x509::{Issuer, Revoked, SerialNumber, check_list};

    use super::{
        super::{dates::moment, lists::List},
        *,
    };

    /// More than fit a message of 1 MiB.
    const MANY: u32 = 20_000;

    fn entries(many: u32) -> Vec<Revoked> {
        let revoked = |n: u32| Revoked {
            serial_number: SerialNumber::from_random(u128::from(n + 1).to_be_bytes()),
            revoked_at: moment(Timestamp::from_seconds(1_790_000_000)),
            reason: None,
            invalid_since: Some(moment(Timestamp::from_seconds(1_780_000_000))),
        };
        (0..many).map(revoked).collect()
    }

    fn list(many: u32) -> List {
        List::of(7, entries(many))
    }

    #[test]
    fn a_list_that_no_message_takes_is_read_page_by_page_from_any_instance() {
        let key = AuthorityKey::generate(Algorithm::P384).expect("keys are made");
        let now = Timestamp::from_seconds(1_800_000_000);
        let root = key.certify_itself("Root", now.plus_days(3_650), now);
        let root = root.expect("it is a root");
        let sign = |bytes: &[u8]| key.sign(bytes).expect("it signs");
        let issuer = Issuer::of(&root).expect("it issues");
        let draft = list(MANY).draft(&issuer, now, 7).expect("it is a list");
        let signature = sign(draft.bytes());
        let signed = draft.finish(&signature).expect("it fits");
        assert!(signed.len() > 1 << 20, "{}", signed.len());

        let (mut whole, mut pages) = (Vec::new(), 0);
        let mut place = ListPlace {
            from: 0,
            number: 7,
            at: now,
            proof: signature,
        };
        loop {
            // As an instance does that signed nothing.
            let again = list(MANY)
                .draft(&issuer, place.at, 7)
                .expect("it is a list");
            let again = again.finish(&place.proof).expect("it is the same list");
            let (page, next) = place.page(&again, Budget::default()).expect("it is there");
            assert!(page.len() < Budget::default().bytes());
            whole.extend(BASE64.decode(page.as_bytes()).expect("it is base64"));
            pages += 1;
            let Some(next) = next else { break };
            place = ListPlace::parse(&next).expect("it is a place");
        }
        assert!(pages > 1);
        assert_eq!(whole, signed);
        check_list(&whole, &root).expect("the root signed it");

        // One more is revoked: this is another list, and the old signature is none over it.
        let other = list(MANY + 1).draft(&issuer, now, 7).expect("it is a list");
        assert!(other.finish(&sign(draft.bytes())).is_err());
        whole.truncate(whole.len() - 1);
        assert!(check_list(&whole, &root).is_err());
    }

    #[test]
    fn a_place_is_what_a_page_said() {
        for bad in ["", "x", "1:2:3", "1:2:3:zz", "1:2:3:00:4", "-1:2:3:00"] {
            assert!(ListPlace::parse(bad).is_err(), "{bad}");
        }
        let place = ListPlace::parse("9:2:3:00ff").expect("it is one");
        assert_eq!(place.text(), "9:2:3:00ff");
        assert!(place.clone().page(&[0; 9], Budget::default()).is_err());
        let (page, next) = place
            .page(&[0; 10], Budget::default())
            .expect("one is left");
        assert_eq!((page.as_str(), next), ("AA==", None));
    }
}
