//! Commands that make a key or a new version.

use std::path::PathBuf;

use keyledger_domain::{Algorithm, Name, key};

use super::attributes::Attributes;
use crate::{
    args::{self, Why},
    cli::order,
};

/// Generate a key whose secret half never leaves custody
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keyledger key generate orders-db --algorithm ed25519 --activate
  keyledger key generate backups --algorithm aes-256 --purpose encrypt,wrap --owner ada --rotation-period-days 90d")]
pub(crate) struct Generate {
    /// The key's name: chosen once, never used again
    name: Name,
    /// The algorithm and length
    #[arg(long, value_parser = args::algorithm())]
    algorithm: Algorithm,
    #[command(flatten)]
    attributes: Attributes,
    #[command(flatten)]
    why: Why,
}

order!(Generate => "generated", key::Generate, |this| key::Generate {
    algorithm: this.algorithm,
    purposes: args::purposes(&this.attributes.purposes),
    parent: this.attributes.parent,
    activate: this.attributes.activate.then_some(true),
    labels: args::labels(&this.attributes.description.labels)?,
    title: this.attributes.description.title,
    owner: this.attributes.description.owner,
    classification: this.attributes.description.classification,
    usage: this.attributes.description.usage,
    handling: this.attributes.description.handling,
    disposal: this.attributes.description.disposal,
    activation_at: this.attributes.dates.activation_at,
    protect_stop_at: this.attributes.dates.protect_stop_at,
    process_stop_at: this.attributes.dates.process_stop_at,
    rotation_period_days: this.attributes.dates.rotation_period_days,
    certify: None,
    reason: this.why.reason,
    ticket: this.why.under.ticket,
});

/// Register a public key whose secret half is kept elsewhere
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keyledger key register partner-sig --algorithm p-256 --public-key partner.pem --activate
  openssl pkey -in key.pem -pubout | keyledger key register legacy --algorithm rsa-2048 --public-key -")]
pub(crate) struct Register {
    /// The key's name: chosen once, never used again
    name: Name,
    /// The algorithm and length
    #[arg(long, value_parser = args::algorithm())]
    algorithm: Algorithm,
    /// The public key, in PEM or DER; - reads standard input
    #[arg(long, value_name = "FILE|-")]
    public_key: PathBuf,
    #[command(flatten)]
    attributes: Attributes,
    #[command(flatten)]
    why: Why,
}

order!(Register => "registered", key::Register, |this| key::Register {
    algorithm: this.algorithm,
    public_key: args::public_key(&this.public_key)?,
    purposes: args::purposes(&this.attributes.purposes),
    parent: this.attributes.parent,
    activate: this.attributes.activate.then_some(true),
    labels: args::labels(&this.attributes.description.labels)?,
    title: this.attributes.description.title,
    owner: this.attributes.description.owner,
    classification: this.attributes.description.classification,
    usage: this.attributes.description.usage,
    handling: this.attributes.description.handling,
    disposal: this.attributes.description.disposal,
    activation_at: this.attributes.dates.activation_at,
    protect_stop_at: this.attributes.dates.protect_stop_at,
    process_stop_at: this.attributes.dates.process_stop_at,
    rotation_period_days: this.attributes.dates.rotation_period_days,
    certify: None,
    install: None,
    reason: this.why.reason,
    ticket: this.why.under.ticket,
});

/// Rotate an active key to a new version; older versions only process
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  keyledger key rotate orders-db
  keyledger key rotate partner-sig --public-key partner-2027.pem")]
pub(crate) struct Rotate {
    /// The key's name
    name: Name,
    /// The new version's public key, for a key whose secret half is kept elsewhere; - reads standard input
    #[arg(long, value_name = "FILE|-")]
    public_key: Option<PathBuf>,
    #[command(flatten)]
    why: Why,
}

order!(Rotate => "rotated", key::Rotate, |this| key::Rotate {
    public_key: this.public_key.as_deref().map(args::public_key).transpose()?,
    reason: this.why.reason,
    ticket: this.why.under.ticket,
});
