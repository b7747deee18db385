use keyledger_claims::{AccountBody, AccountClaims, KeyPairSigner, Signer as _, subject};
use keyledger_domain::{Role, ledger::SERVICE_VERBS};
use keyledger_wire::Prefix;
use nkeys::KeyPair;

use super::*;
