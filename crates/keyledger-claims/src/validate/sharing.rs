//! Exports and imports.

use super::{ExportKind, Issues, Problem};
use crate::account::{Export, ExportType, Import, ResponseType, Sampling, ServiceLatency};
use crate::activation::{ActivationBody, ActivationClaims};
use crate::decode::decode;
use crate::nkey::NkeyKind;
use crate::subject;

impl Issues {
    pub(super) fn exports(&mut self, exports: &[Export]) {
        for (i, export) in exports.iter().enumerate() {
            self.export(&format!("exports[{i}]."), export);
            for other in exports[..i]
                .iter()
                .filter(|other| other.kind == export.kind)
            {
                let (subject, other) = (export.subject.clone(), other.subject.clone());
                let field = format!("exports[{i}].subject");
                if nests(&subject, &other) {
                    self.add(field, Problem::ExportsOverlap { subject, other });
                } else if subject::overlaps(&subject, &other) {
                    self.add(field, Problem::ExportsIntersect { subject, other });
                }
            }
        }
    }

    fn export(&mut self, prefix: &str, export: &Export) {
        self.subject(format!("{prefix}subject"), &export.subject);
        self.check(
            export.kind != ExportType::Unknown,
            format!("{prefix}type"),
            || Problem::NoType,
        );
        let stream = export.kind == ExportType::Stream;
        let known = match &export.response_type {
            ResponseType::Unset => true,
            ResponseType::Unknown(_) => false,
            _ => !stream,
        };
        self.check(known, format!("{prefix}response_type"), || {
            Problem::ResponseType {
                found: export.response_type.clone().into(),
            }
        });
        let found = export.response_threshold;
        self.check(found >= 0, format!("{prefix}response_threshold"), || {
            Problem::Range {
                found,
                least: 0,
                most: i64::MAX,
            }
        });
        for (field, is_set) in [
            ("response_threshold", found > 0),
            ("allow_trace", export.allow_trace),
            ("service_latency", export.service_latency.is_some()),
        ] {
            self.check(!(stream && is_set), format!("{prefix}{field}"), || {
                Problem::Only {
                    kind: ExportKind::Service,
                }
            });
        }
        if let Some(latency) = &export.service_latency {
            self.latency(&format!("{prefix}service_latency."), latency);
        }
        self.token_position(prefix, export);
        let revoked = export.revocations.keys();
        self.revocations(&format!("{prefix}revocations"), revoked, NkeyKind::Account);
        self.info(prefix, &export.description, &export.info_url);
    }

    fn latency(&mut self, prefix: &str, latency: &ServiceLatency) {
        if let Sampling::Percent(found) = latency.sampling {
            self.check(
                (0..=100).contains(&found),
                format!("{prefix}sampling"),
                || Problem::Range {
                    found,
                    least: 1,
                    most: 100,
                },
            );
        }
        self.publish_subject(&format!("{prefix}results"), &latency.results);
    }

    fn token_position(&mut self, prefix: &str, export: &Export) {
        let position = export.account_token_position;
        if position == 0 {
            return;
        }
        let token = usize::try_from(position - 1)
            .ok()
            .and_then(|index| export.subject.split('.').nth(index));
        self.check(
            token == Some("*"),
            format!("{prefix}account_token_position"),
            || Problem::TokenPosition {
                position,
                subject: export.subject.clone(),
            },
        );
    }

    pub(super) fn imports(&mut self, imports: &[Import], account: Option<&str>) {
        let mut services: Vec<String> = Vec::new();
        for (i, import) in imports.iter().enumerate() {
            let prefix = format!("imports[{i}].");
            if import.kind == ExportType::Service {
                let subject = seen_here(import);
                for other in services.iter().filter(|other| nests(&subject, other)) {
                    self.add(
                        format!("{prefix}subject"),
                        Problem::ImportsOverlap {
                            subject: subject.clone(),
                            other: other.clone(),
                        },
                    );
                }
                services.push(subject);
            }
            self.import(&prefix, import, account);
        }
    }

    fn import(&mut self, prefix: &str, import: &Import, account: Option<&str>) {
        self.subject(format!("{prefix}subject"), &import.subject);
        self.nkey(
            format!("{prefix}account"),
            &import.account,
            NkeyKind::Account,
        );
        self.check(
            import.kind != ExportType::Unknown,
            format!("{prefix}type"),
            || Problem::NoType,
        );
        let is = |kind| import.kind == kind;
        for (field, wrong, kind) in [
            (
                "share",
                import.share && is(ExportType::Stream),
                ExportKind::Service,
            ),
            (
                "allow_trace",
                import.allow_trace && is(ExportType::Service),
                ExportKind::Stream,
            ),
        ] {
            self.check(!wrong, format!("{prefix}{field}"), || Problem::Only {
                kind,
            });
        }
        if !import.to.is_empty() {
            self.add(format!("{prefix}to"), Problem::Deprecated);
            let both = !import.local_subject.is_empty();
            self.check(!both, format!("{prefix}to"), || Problem::ToAndLocal);
        }
        if !import.local_subject.is_empty() {
            self.local_subject(&format!("{prefix}local_subject"), import);
        }
        if !import.token.is_empty() {
            let field = format!("{prefix}token");
            match decode::<ActivationBody>(&import.token) {
                Ok(activation) => self.activation(&field, import, &activation, account),
                Err(error) => self.add(field, Problem::Token(error)),
            }
        }
    }

    fn local_subject(&mut self, field: &str, import: &Import) {
        let Import {
            subject,
            local_subject,
            ..
        } = import;
        self.subject(field, local_subject);
        let is_tail = |subject: &str| subject == ">" || subject.ends_with(".>");
        let alike = is_tail(subject) == is_tail(local_subject);
        self.check(alike, field, || Problem::LocalTail);
        let expected = subject.split('.').filter(|token| *token == "*").count();
        let mut found = 0;
        let mut dangling = false;
        for token in local_subject.split('.') {
            match reference(token) {
                _ if token == "*" => found += 1,
                Some(number) if number <= expected => found += 1,
                Some(_) => dangling = true,
                None => {}
            }
        }
        self.check(found == expected && !dangling, field, || {
            Problem::LocalReferences { expected }
        });
    }

    fn activation(
        &mut self,
        field: &str,
        import: &Import,
        activation: &ActivationClaims,
        account: Option<&str>,
    ) {
        let (issuer, vouches) = (&activation.iss, activation.issuer_account());
        let matches = *issuer == import.account || vouches == import.account;
        self.check(matches, field, || Problem::TokenIssuer {
            found: vouches.to_owned(),
            expected: import.account.clone(),
        });
        if let Some(account) = account {
            self.check(activation.sub == account, field, || Problem::TokenSubject {
                found: activation.sub.clone(),
                expected: account.to_owned(),
            });
        }
        if let Some(expected) = ExportKind::of(import.kind) {
            let same = activation.nats.kind == import.kind;
            self.check(same, field, || Problem::TokenType { expected });
        }
        let wanted = match import.kind {
            ExportType::Service if !import.to.is_empty() => &import.to,
            _ => &import.subject,
        };
        let granted = &activation.nats.subject;
        self.subject(field, granted);
        self.check(subject::covers(granted, wanted), field, || {
            Problem::TokenReach {
                granted: granted.clone(),
                wanted: wanted.clone(),
            }
        });
    }
}

/// The subject on which the importing account reaches a service, with references as wildcards.
fn seen_here(import: &Import) -> String {
    if !import.to.is_empty() {
        return import.to.clone();
    }
    if import.local_subject.is_empty() {
        return import.subject.clone();
    }
    let tokens = import.local_subject.split('.');
    let tokens: Vec<&str> = tokens
        .map(|token| reference(token).map_or(token, |_| "*"))
        .collect();
    tokens.join(".")
}

/// `$1` is 1.
fn reference(token: &str) -> Option<usize> {
    token.strip_prefix('$')?.parse().ok()
}

/// True if nats-server considers one subject to be inside the other. It is stricter than [`subject::covers`]: it also considers a last
/// `>` to be inside `*`.
fn nests(a: &str, b: &str) -> bool {
    let inside = |inner: &str, outer: &str| {
        let inner: Vec<&str> = inner.split('.').collect();
        let outer: Vec<&str> = outer.split('.').collect();
        let tail = outer.last() == Some(&">");
        if inner.len() < outer.len() || (inner.len() > outer.len() && !tail) {
            return false;
        }
        outer
            .iter()
            .zip(&inner)
            .enumerate()
            .all(|(i, (wide, narrow))| {
                wide == narrow || *wide == "*" || (*wide == ">" && i + 1 == outer.len())
            })
    };
    inside(a, b) || inside(b, a)
}
