//! What can be asked of the operator. Its signing keys are added and rotated by later work.

use crate::{
    command::{body, commands},
    name::Aggregate,
    text::Title,
};

commands! { Aggregate::Operator;
    /// Describe the operator: its title
    "describe" => Describe,
    /// Trust further authorities that Yubico published for attestations of tokens, known by their fingerprints
    "trust" => Trust,
}

body! { optional reason;
    /// Describe the operator.
    Describe {
        /// What people call it.
        title: Title,
    }
}

body! { optional reason;
    /// Trust further authorities that sign attestations of tokens.
    Trust {
        /// Their certificates, as PEM; at most 64. Those are taken whose fingerprint the service knows.
        certificates: String,
    }
}
