//! Users, and the permissions that accounts and templates give them.

use std::net::IpAddr;

use super::{Issue, Issues, Problem};
use crate::nkey::NkeyKind;
use crate::user::{Permission, UserBody, UserPermissionLimits};

impl UserBody {
    /// Everything that is wrong with the body; empty if nothing is.
    ///
    /// Time zones are not looked up: this crate has no list of them.
    #[must_use]
    pub fn validate(&self) -> Vec<Issue> {
        let mut issues = Issues::default();
        if !self.issuer_account.is_empty() {
            issues.nkey("issuer_account", &self.issuer_account, NkeyKind::Account);
        }
        issues.user_limits("", &self.limits, false);
        issues.0
    }
}

impl Issues {
    /// The checks for both user claims and templates; only templates may contain `{{…}}`.
    pub(super) fn user_limits(
        &mut self,
        prefix: &str,
        limits: &UserPermissionLimits,
        template: bool,
    ) {
        self.permissions(prefix, &limits.publish, &limits.subscribe, template);
        for (i, network) in limits.src.iter().enumerate() {
            self.check(is_network(network), format!("{prefix}src[{i}]"), || {
                Problem::Network {
                    found: network.clone(),
                }
            });
        }
        for (i, range) in limits.times.iter().enumerate() {
            for (name, time) in [("start", &range.start), ("end", &range.end)] {
                self.check(is_time(time), format!("{prefix}times[{i}].{name}"), || {
                    Problem::TimeOfDay {
                        found: time.clone(),
                    }
                });
            }
        }
        for (i, kind) in limits.allowed_connection_types.iter().enumerate() {
            let known = CONNECTION_TYPES.contains(&kind.to_uppercase().as_str());
            self.check(known, format!("{prefix}allowed_connection_types[{i}]"), || {
                Problem::Word {
                    found: kind.clone(),
                    expected: "STANDARD, WEBSOCKET, LEAFNODE, LEAFNODE_WS, MQTT, MQTT_WS, IN_PROCESS",
                }
            });
        }
    }

    pub(super) fn permissions(
        &mut self,
        prefix: &str,
        publish: &Permission,
        subscribe: &Permission,
        template: bool,
    ) {
        for (name, permission, may_queue) in [("pub", publish, false), ("sub", subscribe, true)] {
            for (list, subjects) in [("allow", &permission.allow), ("deny", &permission.deny)] {
                for (i, text) in subjects.iter().enumerate() {
                    let field = format!("{prefix}{name}.{list}[{i}]");
                    let filled = if template { fill(text) } else { text.clone() };
                    self.permission(&field, &filled, may_queue);
                }
            }
        }
    }

    /// `subject`, or `subject queue` for subscriptions.
    fn permission(&mut self, field: &str, text: &str, may_queue: bool) {
        let Some((subject, queue)) = text.split_once(' ') else {
            return self.subject(field, text);
        };
        self.subject(field, subject);
        self.subject(field, queue);
        self.check(may_queue, field, || Problem::Queue {
            subject: text.to_owned(),
        });
    }
}

/// Replaces every `{{…}}` by a token.
fn fill(text: &str) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((_, after)) = after.split_once("}}") else {
            break;
        };
        filled.push_str(before);
        filled.push('x');
        rest = after;
    }
    filled.push_str(rest);
    filled
}

fn is_network(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else {
        return false;
    };
    let Ok(address) = address.parse::<IpAddr>() else {
        return false;
    };
    let most = if address.is_ipv4() { 32 } else { 128 };
    bits.bytes().all(|b| b.is_ascii_digit()) && bits.parse::<u8>().is_ok_and(|bits| bits <= most)
}

/// `15:04:05` as Go's `time.Parse` reads it: the hour may have one digit.
fn is_time(text: &str) -> bool {
    let parts: Vec<&str> = text.split(':').collect();
    let [hour, minute, second] = parts.as_slice() else {
        return false;
    };
    let within = |part: &str, least_digits: usize, most: u8| {
        (least_digits..=2).contains(&part.len())
            && part.bytes().all(|b| b.is_ascii_digit())
            && part.parse::<u8>().is_ok_and(|number| number <= most)
    };
    within(hour, 1, 23) && within(minute, 2, 59) && within(second, 2, 59)
}

/// Go's `ConnectionType…`.
const CONNECTION_TYPES: [&str; 7] = [
    "STANDARD",
    "WEBSOCKET",
    "LEAFNODE",
    "LEAFNODE_WS",
    "MQTT",
    "MQTT_WS",
    "IN_PROCESS",
];
