//! Locating keys in the inventory by any attribute, page by page.

use std::{cmp::Ordering, collections::BTreeMap, fmt};

use serde::{Deserialize, Deserializer, Serialize};

use super::{
    inventory::{InventoryRow, row_of},
    page::{self, Budget, Filling, Page},
};
use crate::{
    algorithm::{Algorithm, Purpose},
    key::{Class, Classification, Custodian, Key, State},
    ledger::{Entry, Ledger},
    name::Name,
    rejection::Rejection,
    text::Title,
    time::Timestamp,
};

/// A page of the inventory.
pub type InventoryPage = Page<InventoryRow>;

/// Which keys, in what order. Every condition given must hold; none given is every key.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct InventoryQuery {
    /// The key with this name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
    /// Keys whose names begin so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<Name>,
    /// Keys in this state, or in one of a list of states.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<States>,
    /// Keys of this algorithm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<Algorithm>,
    /// Keys that serve this purpose, perhaps among others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purpose: Option<Purpose>,
    /// Keys that this principal answers for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<Name>,
    /// Keys that nobody answers for, or those that somebody does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub without_owner: Option<bool>,
    /// Keys that nobody answers for since this principal left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub former_owner: Option<Name>,
    /// The service's own keys, which NATS trust and the ledger stand on, or all others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<bool>,
    /// Keys of this classification.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classification: Option<Classification>,
    /// Keys whose secret half is held by this custodian.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub custodian: Option<Custodian>,
    /// Keys directly below this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<Name>,
    /// Keys of this class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<Class>,
    /// Keys that bear all these labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<BTreeMap<Name, Title>>,
    /// Keys in the archive, or those that are not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archived: Option<bool>,
    /// Keys in use whose protect-stop or rotation falls due, or whose last certificate ends, within so many days of now, or is
    /// overdue; 0 to 7,300.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expiring_days: Option<u16>,
    /// By what to sort; by name if absent. Keys without such a date come last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sort: Option<InventorySort>,
    /// The greatest or latest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub desc: Option<bool>,
    /// At most so many, 1 to 500; 100 if absent. Fewer come where they would not fit a message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u16>,
    /// Only rows after this: the `next` of the page before, of the same question.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// The inventory as it was at this moment; now if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
}

/// By what to sort the inventory.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum InventorySort {
    /// By name.
    #[default]
    Name,
    /// By the day it came to be.
    CreatedAt,
    /// By the end of its originator-usage period.
    ProtectStopAt,
    /// By the day its rotation falls due.
    RotationDueAt,
    /// By the end of the last of its certificates.
    CertifiedUntil,
    /// By its last change.
    ChangedAt,
}

/// One state, or a list of states.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct States(pub Vec<State>);

/// The keys that `query` asks for, as `ledger` has them.
///
/// Expiry is reckoned from `now`. `at` is the caller's: a question about the past is asked of the ledger of
/// that moment. Pages stay in step while the inventory changes: a key that did not change appears exactly once.
///
/// # Errors
///
/// [`Rejection::OutOfRange`] if the limit or the days are; [`Rejection::BadValue`] if `after` is no cursor of this
/// question.
pub fn inventory(
    ledger: &Ledger,
    query: &InventoryQuery,
    now: Timestamp,
    budget: Budget,
) -> Result<InventoryPage, Rejection> {
    let limit = page::limit(query.limit)?;
    let sort = query.sort.unwrap_or_default();
    let desc = query.desc.unwrap_or(false);
    let after = match &query.after {
        Some(text) => Some(Cursor::parse(text, sort, desc)?),
        None => None,
    };
    let until = expiry(query.expiring_days, now)?;
    let mut found: Vec<(Option<i64>, &Name, &Entry<Key>)> = match &query.name {
        Some(name) => ledger.key(name).map(|e| (name, e)).into_iter().collect(),
        None => ledger.keys().collect::<Vec<_>>(),
    }
    .into_iter()
    .filter(|(name, entry)| query.matches(name, &entry.state, until))
    .filter(|(name, _)| {
        query
            .system
            .is_none_or(|system| system != ledger.ends(name))
    })
    .map(|(name, entry)| (sort.value(entry), name, entry))
    .collect();
    let total = found.len();
    if let Some(cursor) = &after {
        found.retain(|(value, name, _)| {
            order(desc, (*value, name), (cursor.value, &cursor.name)) == Ordering::Greater
        });
    }
    found.sort_unstable_by(|a, b| order(desc, (a.0, a.1), (b.0, b.1)));
    let mut page = Filling::of(budget);
    let mut last = None;
    for (value, name, entry) in found.iter().take(limit) {
        if !page.add(row_of(name, entry)) {
            break;
        }
        last = Some((*value, *name));
    }
    let rows = page.rows;
    let next = last.filter(|_| rows.len() < found.len());
    let next = next.map(|(value, name)| {
        let name = name.clone();
        Cursor { value, name }.text(sort, desc)
    });
    Ok(Page { rows, next, total })
}

/// The moment until which a key counts as expiring.
fn expiry(days: Option<u16>, now: Timestamp) -> Result<Option<Timestamp>, Rejection> {
    let Some(days) = days else { return Ok(None) };
    let max = crate::key::MAX_PERIOD_DAYS;
    if days > max {
        return Err(Rejection::OutOfRange {
            field: "expiring_days",
            value: i64::from(days),
            min: 0,
            max: i64::from(max),
        });
    }
    Ok(Some(now.plus_days(i64::from(days))))
}

/// By value, then by name, so that no two rows are equal; without a value comes last either way.
fn order(desc: bool, a: (Option<i64>, &Name), b: (Option<i64>, &Name)) -> Ordering {
    let turn = |o: Ordering| if desc { o.reverse() } else { o };
    match (a.0, b.0) {
        (Some(x), Some(y)) => turn(x.cmp(&y)),
        (x, y) => y.is_some().cmp(&x.is_some()),
    }
    .then_with(|| turn(a.1.cmp(b.1)))
}

impl InventoryQuery {
    fn matches(&self, name: &Name, key: &Key, expiring_until: Option<Timestamp>) -> bool {
        fn is<T: PartialEq>(asked: Option<&T>, found: &T) -> bool {
            asked.is_none_or(|asked| asked == found)
        }
        let prefix = |p: &Name| name.as_str().starts_with(p.as_str());
        let labels = |asked: &BTreeMap<Name, Title>| {
            asked
                .iter()
                .all(|(name, value)| key.labels.value(name.as_str()) == Some(value.as_str()))
        };
        self.prefix.as_ref().is_none_or(prefix)
            && self.state.as_ref().is_none_or(|s| s.0.contains(&key.state))
            && is(self.algorithm.as_ref(), &key.algorithm)
            && self.purpose.is_none_or(|p| key.purposes.has(p))
            && (self.owner.is_none() || self.owner == key.owner)
            && is(self.without_owner.as_ref(), &key.owner.is_none())
            && (self.former_owner.is_none() || self.former_owner == key.former_owner)
            && is(self.classification.as_ref(), &key.classification)
            && is(self.custodian.as_ref(), &key.custodian)
            && (self.parent.is_none() || self.parent == key.parent)
            && is(self.class.as_ref(), &Class::of(key.algorithm, key.purposes))
            && self.label.as_ref().is_none_or(labels)
            && is(self.archived.as_ref(), &key.archived)
            && expiring_until.is_none_or(|until| expires_by(key, until))
    }
}

/// True of a key in use whose protect-stop or rotation falls due by `until`, or whose last certificate ends.
fn expires_by(key: &Key, until: Timestamp) -> bool {
    matches!(
        key.state,
        State::PreActive | State::Active | State::Suspended
    ) && [
        key.protect_stop_at,
        key.rotation_due(),
        key.certified_until(),
    ]
    .into_iter()
    .flatten()
    .any(|at| at <= until)
}

impl InventorySort {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::CreatedAt => "created_at",
            Self::ProtectStopAt => "protect_stop_at",
            Self::RotationDueAt => "rotation_due_at",
            Self::CertifiedUntil => "certified_until",
            Self::ChangedAt => "changed_at",
        }
    }

    fn value(self, entry: &Entry<Key>) -> Option<i64> {
        let at = match self {
            Self::Name => None,
            Self::CreatedAt => Some(entry.state.created_at),
            Self::ProtectStopAt => entry.state.protect_stop_at,
            Self::RotationDueAt => entry.state.rotation_due(),
            Self::CertifiedUntil => entry.state.certified_until(),
            Self::ChangedAt => Some(entry.head.at),
        };
        at.map(Timestamp::ms)
    }
}

/// Where a page ended: `created_at:desc:1763769600000:orders-db`.
struct Cursor {
    value: Option<i64>,
    name: Name,
}

impl Cursor {
    fn text(&self, sort: InventorySort, desc: bool) -> String {
        let direction = if desc { "desc" } else { "asc" };
        let value = self.value.map(|v| v.to_string()).unwrap_or_default();
        format!("{}:{direction}:{value}:{}", sort.as_str(), self.name)
    }

    fn parse(text: &str, sort: InventorySort, desc: bool) -> Result<Self, Rejection> {
        let read = || {
            let direction = if desc { "desc:" } else { "asc:" };
            let rest = text.strip_prefix(sort.as_str())?.strip_prefix(':')?;
            let (value, name) = rest.strip_prefix(direction)?.split_once(':')?;
            let value = match value {
                "" => None,
                ms => Some(ms.parse().ok()?),
            };
            Some(Self {
                value,
                name: Name::new(name).ok()?,
            })
        };
        read().ok_or_else(|| Rejection::BadValue {
            field: "after",
            fault: "it is not the `next` of a page of this question, in this order".to_owned(),
        })
    }
}

impl<'de> Deserialize<'de> for States {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMany;
        impl<'de> serde::de::Visitor<'de> for OneOrMany {
            type Value = States;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a state or a list of states")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<States, E> {
                let one = serde::de::value::StrDeserializer::new(text);
                State::deserialize(one).map(|state| States(vec![state]))
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, seq: A) -> Result<States, A::Error> {
                let many = serde::de::value::SeqAccessDeserializer::new(seq);
                Vec::deserialize(many).map(States)
            }
        }
        deserializer.deserialize_any(OneOrMany)
    }
}

impl schemars::JsonSchema for States {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "States".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let one = generator.subschema_for::<State>();
        schemars::json_schema!({ "anyOf": [one, { "type": "array", "items": one }] })
    }
}
