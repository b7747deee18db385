//! Files in JSON that say in a field `version` which version of their form they are.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// Why bytes are not of a form.
#[derive(Debug, thiserror::Error)]
pub enum NotOfForm {
    /// It is no JSON of that form: the source says where it stops to be.
    #[error("it is not of this form")]
    Malformed(#[from] serde_json::Error),
    /// It is of another version, of which nothing else is known.
    #[error("it has version {0}, which this Keyledger does not read")]
    OtherVersion(u64),
}

/// Reads version 1 of a form. How large it may be is the caller's to say, before.
///
/// # Errors
///
/// [`NotOfForm`].
pub fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, NotOfForm> {
    read_up_to(bytes, 1)
}

/// Reads a form of which there are several versions with the same fields, from the first to `newest`.
///
/// # Errors
///
/// [`NotOfForm`].
pub fn read_up_to<T: DeserializeOwned>(bytes: &[u8], newest: u64) -> Result<T, NotOfForm> {
    #[derive(Deserialize)]
    struct Versioned {
        version: u64,
    }
    // The version first: another one may have other fields.
    let Versioned { version } = serde_json::from_slice(bytes)?;
    if !(1..=newest).contains(&version) {
        return Err(NotOfForm::OtherVersion(version));
    }
    Ok(serde_json::from_slice(bytes)?)
}

/// A form as it stands in a file: in lines, the last one ended.
///
/// # Panics
///
/// If it has a map with keys that are no texts, which no form has.
#[must_use]
pub fn write(form: &impl Serialize) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(form).expect("texts and numbers are always JSON");
    bytes.push(b'\n');
    bytes
}
