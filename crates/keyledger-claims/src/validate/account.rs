//! Accounts.

use std::collections::{BTreeMap, BTreeSet};

use super::{Issue, Issues, Problem};
use crate::account::{
    AccountBody, AccountClaims, AccountLimits, ExternalAuthorization, JetStreamLimits,
    MessageTrace, SigningKey, WeightedMapping,
};
use crate::nkey::{NkeyKind, is_public};
use crate::subject;

impl AccountClaims {
    /// Everything that is wrong with the account, including what depends on its own nkey and its issuer.
    #[must_use]
    pub fn validate(&self) -> Vec<Issue> {
        let mut issues = self.nats.issues(Some(&self.sub));
        if is_public(&self.iss, NkeyKind::Account) && self.nats.limits != AccountLimits::default() {
            issues.add("limits", Problem::SelfSignedLimits);
        }
        issues.0
    }
}

impl AccountBody {
    /// Everything that is wrong with the body; empty if nothing is.
    ///
    /// Only [`AccountClaims::validate`] checks that activations are for *this* account. Neither checks times, or whether the signers of the
    /// activations are still trusted.
    #[must_use]
    pub fn validate(&self) -> Vec<Issue> {
        self.issues(None).0
    }

    fn issues(&self, account: Option<&str>) -> Issues {
        let mut issues = Issues::default();
        issues.imports(&self.imports, account);
        issues.exports(&self.exports);
        issues.limits(self);
        issues.signing_keys(&self.signing_keys);
        let permissions = &self.default_permissions;
        issues.permissions(
            "default_permissions.",
            &permissions.publish,
            &permissions.subscribe,
            false,
        );
        issues.revocations("revocations", self.revocations.keys(), NkeyKind::User);
        issues.mappings(&self.mappings);
        issues.authorization(&self.authorization);
        if let Some(trace) = &self.trace {
            issues.trace(trace);
        }
        let traffic = &self.cluster_traffic;
        issues.check(
            ["", "system", "owner"].contains(&traffic.as_str()),
            "cluster_traffic",
            || Problem::Word {
                found: traffic.clone(),
                expected: "system, owner",
            },
        );
        issues.info("", &self.description, &self.info_url);
        issues
    }
}

impl Issues {
    fn limits(&mut self, body: &AccountBody) {
        let limits = &body.limits;
        if !limits.tiered_limits.is_empty() {
            let known = JetStreamLimits {
                extra: BTreeMap::new(), // unknown limits may be of any kind
                ..limits.jetstream.clone()
            };
            let flat = known != JetStreamLimits::default();
            self.check(!flat, "limits.tiered_limits", || Problem::TiersAndFlat);
            let blank = limits.tiered_limits.contains_key("");
            self.check(!blank, "limits.tiered_limits", || Problem::TierName);
        }
        for (field, found, limit) in [
            ("imports", body.imports.len(), limits.imports),
            ("exports", body.exports.len(), limits.exports),
        ] {
            let allowed = limit == -1 || usize::try_from(limit).is_ok_and(|limit| found <= limit);
            self.check(allowed, field, || Problem::TooMany { found, limit });
        }
        if limits.exports != -1 && !limits.wildcards {
            for (i, export) in body.exports.iter().enumerate() {
                let plain = !subject::has_wildcard(&export.subject);
                self.check(plain, format!("exports[{i}].subject"), || {
                    Problem::Wildcard {
                        subject: export.subject.clone(),
                    }
                });
            }
        }
    }

    fn signing_keys(&mut self, keys: &[SigningKey]) {
        let mut seen = BTreeSet::new();
        for (i, key) in keys.iter().enumerate() {
            let field = format!("signing_keys[{i}]");
            self.nkey(&field, key.key(), NkeyKind::Account);
            self.check(seen.insert(key.key()), &field, || Problem::DuplicateKey {
                key: key.key().to_owned(),
            });
            if let Some(scope) = key.scope() {
                self.user_limits(&format!("{field}.template."), &scope.template, true);
            }
        }
    }

    /// Checks the nkeys: a mistyped one would silently revoke nobody.
    pub(super) fn revocations<'a>(
        &mut self,
        field: &str,
        nkeys: impl Iterator<Item = &'a String>,
        kind: NkeyKind,
    ) {
        for nkey in nkeys.filter(|nkey| *nkey != "*") {
            self.nkey(format!("{field}[{nkey:?}]"), nkey, kind);
        }
    }

    fn mappings(&mut self, mappings: &BTreeMap<String, Vec<WeightedMapping>>) {
        for (from, places) in mappings {
            let field = format!("mappings[{from:?}]");
            self.subject(&field, from);
            let mut percent_by_cluster: BTreeMap<&str, u32> = BTreeMap::new();
            for (i, place) in places.iter().enumerate() {
                self.subject(format!("{field}[{i}].subject"), &place.subject);
                // As in Go, a missing weight is 100 only if no cluster is named.
                let weight = match (place.weight, place.cluster.as_str()) {
                    (0, "") => 100,
                    (weight, _) => u32::from(weight),
                };
                *percent_by_cluster.entry(&place.cluster).or_default() += weight;
            }
            for percent in percent_by_cluster.into_values() {
                self.check(percent <= 100, &field, || Problem::Weights { percent });
            }
        }
    }

    fn authorization(&mut self, authorization: &ExternalAuthorization) {
        let ExternalAuthorization {
            auth_users,
            allowed_accounts,
            xkey,
            ..
        } = authorization;
        let answered = allowed_accounts.is_empty() || !auth_users.is_empty();
        self.check(answered, "authorization.allowed_accounts", || {
            Problem::NoAuthUsers
        });
        for (i, user) in auth_users.iter().enumerate() {
            self.nkey(
                format!("authorization.auth_users[{i}]"),
                user,
                NkeyKind::User,
            );
        }
        for (i, account) in allowed_accounts.iter().enumerate() {
            let field = format!("authorization.allowed_accounts[{i}]");
            if account == "*" {
                self.check(allowed_accounts.len() == 1, field, || Problem::AnyAccount);
            } else {
                self.nkey(field, account, NkeyKind::Account);
            }
        }
        if !xkey.is_empty() {
            self.nkey("authorization.xkey", xkey, NkeyKind::Curve);
        }
    }

    fn trace(&mut self, trace: &MessageTrace) {
        self.publish_subject("trace.dest", &trace.dest);
        let found = trace.sampling;
        self.check((0..=100).contains(&found), "trace.sampling", || {
            Problem::Range {
                found,
                least: 0,
                most: 100,
            }
        });
    }
}
