//! Lines for `authorized_keys`, made of subkeys.

use keyledger_domain::Timestamp;
use keyledger_pki::ssh::{NoSshKey, line};

use super::{
    public::Certificate,
    subkey::{PublicSubkey, SubkeyRole},
};

/// The lines of a certificate's `[A]` subkeys that may be used at `now`, the newest first, as `gpg --export-ssh-key` writes them:
/// the comment is `openpgp:0x` and the last eight digits of the subkey's fingerprint.
#[must_use]
pub fn of_certificate(certificate: &Certificate, now: Timestamp) -> Vec<String> {
    certificate
        .usable(SubkeyRole::Authenticate, now)
        .filter_map(|view| of_subkey(&view.public).ok())
        .collect()
}

/// The line of one subkey.
///
/// # Errors
///
/// [`NoSshKey::Algorithm`] if the subkey only decrypts.
pub fn of_subkey(subkey: &PublicSubkey) -> Result<String, NoSshKey> {
    if subkey.role() == SubkeyRole::Encrypt {
        return Err(NoSshKey::Algorithm);
    }
    let fingerprint = subkey.fingerprint().to_string();
    line(
        &subkey.to_spki(),
        &format!("openpgp:0x{}", &fingerprint[32..]),
    )
}
