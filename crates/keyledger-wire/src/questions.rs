//! The table of questions: one line each, and everything follows from it or does not compile.
//!
//! A line says what the question answers, on which subject, what that subject names, who may ask, the payload and the answer. The
//! endpoints, their schemas, `subjects.md` and the permissions of services come from here. The service has a handler for each question
//! (`Answering`), and does not compile without it.

use keyledger_domain::{
    Name, Role,
    key::Certify,
    name::{Aggregate, HistoryId},
    rejection::Rejection,
    verify::SignedHead,
    views::{
        AccountRow, HistoryQuery, InventoryPage, InventoryQuery, InventoryRow, ListQuery,
        OperatorRow, Page, PrincipalDetail, PrincipalRow, SearchPage, SearchQuery, TimelineEntry,
        TokenRow, UserQuery, UserRow,
    },
};
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};

use crate::query::{
    self, AccountUpgrade, AttestationAuthorities, AuthorityRow, AuthorizedKeys, Crl, CrlQuery,
    CrlWanted, EventsPage, EventsQuery, IssuedQuery, IssuedRow, LinesQuery, Nothing,
    OpenpgpCertificate, ServiceMetrics, ServiceStatus, ToBeSigned, VaultStatus,
};

/// A question: what can be asked of the service's views.
pub trait Question: 'static {
    /// What its subject names: nothing, a [`Name`], or a [`HistoryId`].
    type Of: Named;
    /// Its payload.
    type Asks: Serialize + DeserializeOwned + JsonSchema + Send + 'static;
    /// Its answer.
    type Answer: Serialize + DeserializeOwned + JsonSchema;

    /// Its subject behind `{prefix}.queries.`, with a `*` for each token that names something.
    const TAIL: &'static str;
    /// What it answers, in a sentence.
    const ABOUT: &'static str;
    /// Who may ask it.
    const ASKERS: Askers;
}

/// What is done for each question, where its types are needed.
pub trait Visit<Q> {
    /// The result.
    type Out;

    /// Visits the question.
    fn visit(self) -> Self::Out;
}

/// What the subject of a question names.
pub trait Named: Sized + Send + 'static {
    /// Reads it from the tokens that stand for the `*` of the subject.
    ///
    /// # Errors
    ///
    /// [`Rejection::BadName`].
    fn read(tokens: &[&str]) -> Result<Self, Rejection>;
}

impl Named for () {
    fn read(tokens: &[&str]) -> Result<Self, Rejection> {
        match tokens {
            [] => Ok(()),
            _ => Err(elsewhere()),
        }
    }
}

impl Named for Name {
    fn read(tokens: &[&str]) -> Result<Self, Rejection> {
        let [name] = tokens else {
            return Err(elsewhere());
        };
        Self::new(name).map_err(|e| Rejection::BadName {
            fault: e.to_string(),
        })
    }
}

impl Named for HistoryId {
    fn read(tokens: &[&str]) -> Result<Self, Rejection> {
        let [aggregate, name] = tokens else {
            return Err(elsewhere());
        };
        let aggregate = Aggregate::parse(aggregate).ok_or_else(|| {
            let all = Aggregate::ALL.map(Aggregate::as_str).join(", ");
            let fault = format!("the aggregate is one of {all}");
            Rejection::BadName { fault }
        })?;
        Ok(Self::new(aggregate, Name::read(&[*name])?))
    }
}

fn elsewhere() -> Rejection {
    Rejection::BadName {
        fault: "no view answers on this subject: see `nats micro info keyledger`".to_owned(),
    }
}

/// Who may ask a question, by role. What a role may publish follows from this, and it is checked again when the question comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Askers {
    /// Administrators, approvers and auditors.
    People,
    /// They, and services.
    AndServices,
    /// They, and services about keys of their own.
    AndServicesOfOwnKeys,
}

impl Askers {
    /// True of a role that may ask it. nats-server holds a service to its own keys.
    #[must_use]
    pub const fn include(self, role: Role) -> bool {
        match (self, role) {
            (
                Self::People | Self::AndServices | Self::AndServicesOfOwnKeys,
                Role::Administrator | Role::Approver | Role::Auditor,
            )
            | (Self::AndServices | Self::AndServicesOfOwnKeys, Role::Service) => true,
            (Self::People, Role::Service)
            | (Self::People | Self::AndServices | Self::AndServicesOfOwnKeys, Role::Agent) => false,
        }
    }

    /// Who they are, for people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::People => "administrator, approver, auditor",
            Self::AndServices => "administrator, approver, auditor, service",
            Self::AndServicesOfOwnKeys => {
                "administrator, approver, auditor, service (its own keys)"
            }
        }
    }
}

/// A question without its types: a row of the table.
#[derive(Debug, Clone, Copy)]
pub struct QuestionRow {
    /// See [`Question::TAIL`].
    pub tail: &'static str,
    /// See [`Question::ABOUT`].
    pub about: &'static str,
    /// Who may ask it.
    pub askers: Askers,
    /// The JSON Schema of its payload.
    pub schema: fn() -> schemars::Schema,
    /// The JSON Schema of its answer.
    pub answer: fn() -> schemars::Schema,
}

impl QuestionRow {
    /// The row of a question.
    #[must_use]
    pub const fn of<Q: Question>() -> Self {
        Self {
            tail: Q::TAIL,
            about: Q::ABOUT,
            askers: Q::ASKERS,
            schema: || schemars::schema_for!(Q::Asks),
            answer: || schemars::schema_for!(Q::Answer),
        }
    }

    /// The name of its endpoint: `inventory-show` of `inventory.show.*`.
    #[must_use]
    pub fn name(&self) -> String {
        let words = self.tail.split('.').filter(|token| *token != "*");
        words.collect::<Vec<_>>().join("-").replace('_', "-")
    }

    /// Those of a subject's tokens that stand for a `*`. `tail` is what stands behind `{prefix}.queries.`.
    ///
    /// # Errors
    ///
    /// [`Rejection::BadName`] if it is the subject of another question.
    pub fn named<'a>(&self, tail: &'a str) -> Result<Vec<&'a str>, Rejection> {
        let mut named = Vec::new();
        let (mut pattern, mut tokens) = (self.tail.split('.'), tail.split('.'));
        loop {
            match (pattern.next(), tokens.next()) {
                (None, None) => return Ok(named),
                (Some("*"), Some(token)) => named.push(token),
                (Some(word), Some(token)) if word == token => {}
                (Some(_) | None, _) => return Err(elsewhere()),
            }
        }
    }

    /// What it asks about one key, where a `*` of its subject is an aggregate and the next a name.
    #[must_use]
    pub fn tail_of_key(&self, key: &str) -> String {
        let key = format!("{}.{key}", Aggregate::Key);
        self.tail.replacen("*.*", &key, 1)
    }
}

/// Writes the table: a type for each line, the row of each, and the way to visit all of them.
macro_rules! questions {
    ($(
        #[doc = $about:literal]
        $question:ident = $tail:literal of $of:ty, $askers:ident: $asks:ty => $answer:ty;
    )+) => {
        $(
            #[doc = $about]
            #[derive(Debug, Clone, Copy)]
            pub enum $question {}

            impl Question for $question {
                type Of = $of;
                type Asks = $asks;
                type Answer = $answer;

                const TAIL: &'static str = $tail;
                const ABOUT: &'static str = $about.trim_ascii();
                const ASKERS: Askers = Askers::$askers;
            }
        )+

        /// Every question.
        pub const QUESTIONS: &[QuestionRow] = &[$(QuestionRow::of::<$question>()),+];

        /// Visits every question, in the order of the table.
        ///
        /// A visitor that lacks a question does not compile:
        ///
        /// ```compile_fail,E0277
        /// use keyledger_wire::questions::{Status, Visit, visit_each};
        ///
        /// #[derive(Clone, Copy)]
        /// struct AnswersStatusOnly;
        ///
        /// impl Visit<Status> for AnswersStatusOnly {
        ///     type Out = ();
        ///     fn visit(self) {}
        /// }
        ///
        /// visit_each::<_, ()>(AnswersStatusOnly);
        /// ```
        pub fn visit_each<V, Out>(visitor: V) -> Vec<Out>
        where
            V: Copy $(+ Visit<$question, Out = Out>)+,
        {
            vec![$(<V as Visit<$question>>::visit(visitor)),+]
        }
    };
}

questions! {
    /// Locate keys by any attribute, page by page, now or as of a past moment
    InventoryLocate = "inventory.locate" of (), AndServices: InventoryQuery => InventoryPage;

    /// One key of the inventory
    InventoryShow = "inventory.show.*" of Name, AndServices: Nothing => InventoryRow;

    /// The timeline of one aggregate, page by page: who, when, why, and what changed
    History = "history.*.*" of HistoryId, AndServicesOfOwnKeys: HistoryQuery => Vec<TimelineEntry>;

    /// All principals
    Principals = "principals" of (), People: ListQuery => Page<PrincipalRow>;

    /// All NATS accounts with their signing keys
    Accounts = "accounts" of (), People: ListQuery => Page<AccountRow>;

    /// The accounts that stand on an older version of the templates, with what the newest changes
    AccountsUpgrade = "accounts.upgrade" of (), People: ListQuery => Page<AccountUpgrade>;

    /// The users of one account
    Credentials = "credentials.*" of Name, People: ListQuery => Page<UserRow>;

    /// Events of all histories, by who, when and what, page by page
    HistorySearch = "history.search" of (), People: SearchQuery => SearchPage;

    /// One principal, with its users, its tokens, and what it answers for
    PrincipalsShow = "principals.show.*" of Name, People: Nothing => PrincipalDetail;

    /// Users of all accounts: by account, principal, role, state
    Users = "users" of (), People: UserQuery => Page<UserRow>;

    /// One NATS user
    UsersShow = "users.show.*" of Name, People: Nothing => UserRow;

    /// The NATS operator
    Operator = "operator" of (), People: Nothing => OperatorRow;

    /// All tokens: where each stands, who holds it, what is on it
    Tokens = "tokens" of (), People: ListQuery => Page<TokenRow>;

    /// One token, by its serial number
    TokensShow = "tokens.show.*" of Name, People: Nothing => TokenRow;

    /// The authorities whose attestations of tokens are believed
    TokensTrust = "tokens.trust" of (), People: Nothing => AttestationAuthorities;

    /// The lines of authorized_keys for one principal: of its tokens' keys and its OpenPGP certificate, without what was revoked
    SshAuthorizedKeys = "ssh.authorized_keys.*" of Name, People: LinesQuery => AuthorizedKeys;

    /// The OpenPGP certificates of all principals that have one and act, by name, page by page
    Openpgp = "openpgp" of (), People: ListQuery => Page<OpenpgpCertificate>;

    /// The OpenPGP certificate of one principal, and those of its subkeys that the ledger knows to be revoked
    OpenpgpShow = "openpgp.show.*" of Name, People: Nothing => OpenpgpCertificate;

    /// The certificates over one key, newest first, with those above the newest up to its root
    Certificates = "certificates.*" of Name, People: ListQuery => query::Certificates;

    /// The list of the certificates of one authority that were revoked, signed now; of a long list a page
    CertificatesCrl = "certificates.crl.*" of Name, People: CrlQuery => Crl;

    /// The bytes of a certificate over one key, for an authority whose secret half is kept elsewhere; `install` takes the certificate
    CertificatesToBeSigned = "certificates.to_be_signed.*" of Name, People: Certify => ToBeSigned;

    /// The bytes of the list of revoked certificates, for an authority whose secret half is kept elsewhere
    CertificatesCrlToBeSigned = "certificates.crl.to_be_signed.*" of Name, People: CrlWanted => ToBeSigned;

    /// The organisation's authorities: where each stands, until when it holds, how much it issued
    Authorities = "authorities" of (), People: ListQuery => Page<AuthorityRow>;

    /// The certificates that one authority issued, by serial number: for whom, until when, and how each stands
    AuthoritiesIssued = "authorities.issued.*" of Name, People: IssuedQuery => Page<IssuedRow>;

    /// The signed head of the ledger: count, sequence and digest of all events
    LedgerHead = "ledger.head" of (), People: Nothing => SignedHead;

    /// Stored events, exactly as they are stored, page by page
    LedgerEvents = "ledger.events" of (), People: EventsQuery => EventsPage;

    /// Whether the vault of the instance that answers is sealed, and what is open in it
    Vault = "vault" of (), People: Nothing => VaultStatus;

    /// How this instance and its servers are
    Status = "status" of (), People: Nothing => ServiceStatus;

    /// What this instance counts about itself, in the text format that Prometheus reads
    Metrics = "metrics" of (), People: Nothing => ServiceMetrics;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_read_by_the_row_whose_pattern_it_fits() {
        let fits = |tail: &str| {
            let rows = QUESTIONS.iter().filter(|row| row.named(tail).is_ok());
            rows.map(QuestionRow::name).collect::<Vec<_>>()
        };
        assert_eq!(fits("inventory.show.orders"), ["inventory-show"]);
        assert_eq!(fits("history.search"), ["history-search"]);
        assert_eq!(fits("certificates.crl"), ["certificates"]);
        assert_eq!(fits("certificates.crl.root"), ["certificates-crl"]);
        assert!(fits("inventory").is_empty());
        assert!(fits("inventory.show.a.b").is_empty());
        let history = QuestionRow::of::<History>();
        assert_eq!(
            history.named("history.key.orders").unwrap(),
            ["key", "orders"]
        );
        assert_eq!(history.tail_of_key("orders"), "history.key.orders");
    }

    #[test]
    fn what_a_subject_names_is_read_into_its_type() {
        assert!(<() as Named>::read(&[]).is_ok());
        assert_eq!(Name::read(&["orders"]).unwrap().as_str(), "orders");
        assert_eq!(Name::read(&["Orders"]).unwrap_err().reason(), "bad_name");
        let id = HistoryId::read(&["key", "orders"]).unwrap();
        assert_eq!((id.aggregate, id.name.as_str()), (Aggregate::Key, "orders"));
        let said = HistoryId::read(&["lock", "orders"])
            .unwrap_err()
            .to_string();
        assert!(said.contains("the aggregate is one of"), "{said}");
    }
}
