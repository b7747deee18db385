//! What every request and every effect needs.

use std::sync::Arc;

use keyledger_custody::{Custodian, Vault};
use keyledger_domain::{Name, key::Certification, signed::RequiredSignatures, views::Budget};
use keyledger_pki::x509::{Anchors, CrlUrl};
use keyledger_wire::Prefix;

use crate::{
    allowance::Allowance,
    clock::ClockWatch,
    durability::Durability,
    effects::InventoryHealth,
    endpoint::Later,
    handler::{Clock, CurrentSigner, Handler, Live},
    lanes::Families,
    material::Materials,
    pki::LastList,
    queries::{Folds, LastPast},
    reserve::Reserve,
    signers::Signers,
    store::Store,
    trust::{TrustHealth, Watch},
    verbs::Turns,
};

impl Shared {
    /// Where the list of revoked certificates of a certificate's issuer is published.
    pub(crate) fn crl_url(&self, wanted: &Certification) -> Option<String> {
        self.crl_url_of(wanted.issuer.as_ref()?)
    }

    /// How many bytes a page may have: as many as fit a message of the server that this instance is connected to.
    pub(crate) fn budget(&self) -> Budget {
        Budget::of(self.nats.server_info().max_payload)
    }

    /// The same by the issuer.
    pub(crate) fn crl_url_of(&self, issuer: &Name) -> Option<String> {
        self.crl_url.as_ref().map(|url| url.of(issuer.as_str()))
    }
}

/// The parts of a running instance.
pub(crate) struct Shared {
    pub(crate) prefix: Prefix,
    pub(crate) clock: Clock,
    pub(crate) clock_watch: Arc<ClockWatch>,
    pub(crate) nats: async_nats::Client,
    pub(crate) live: Arc<Live>,
    pub(crate) handler: Handler,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) materials: Arc<dyn Materials>,
    /// Custody in this instance.
    pub(crate) vault: Arc<Vault>,
    /// Who makes keys here.
    pub(crate) custodian: Arc<dyn Custodian>,
    pub(crate) signers: Arc<Signers>,
    pub(crate) ledger_signer: Arc<CurrentSigner>,
    /// The roots that attestations of tokens must lead to, beside those that the ledger trusts.
    pub(crate) anchors: Anchors,
    /// How much each agent may announce and each user write.
    pub(crate) allowance: Allowance,
    /// Which commands are taken only with a signature by a key on the sender's token.
    pub(crate) require_token_signature: RequiredSignatures,
    /// How many requests of each family are worked on at once.
    pub(crate) families: Families,
    /// Counts the refusals that are sent a moment later.
    pub(crate) later: Later,
    /// States of histories that were folded on the way to a page.
    pub(crate) folds: Folds,
    /// The ledger of the past moment that was asked about last.
    pub(crate) last_past: Arc<LastPast>,
    /// The long list of revoked certificates that was signed last.
    pub(crate) last_list: LastList,
    /// Who makes a version of which key.
    pub(crate) turns: Turns,
    /// Where the lists of revoked certificates are published, if they are.
    pub(crate) crl_url: Option<CrlUrl>,
    pub(crate) durability: Durability,
    /// Room in the store for what takes trust away.
    pub(crate) reserve: Reserve,
    /// How the inventory bucket is.
    pub(crate) inventory: InventoryHealth,
    /// What is wrong with trust.
    pub(crate) trust: TrustHealth,
    /// The servers, as the resolver sees them.
    pub(crate) servers: Watch,
    pub(crate) instance: std::sync::OnceLock<String>,
}
