//! Bytes as lower-case hexadecimal digits in JSON.

use data_encoding::HEXLOWER;
use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};
use zeroize::Zeroizing;

pub(crate) fn serialize<S: Serializer>(
    bytes: &impl AsRef<[u8]>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&Zeroizing::new(HEXLOWER.encode(bytes.as_ref())))
}

pub(crate) fn deserialize<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: From<Vec<u8>>,
{
    let text = Zeroizing::new(String::deserialize(deserializer)?);
    HEXLOWER
        .decode(text.as_bytes())
        .map(T::from)
        .map_err(|error| D::Error::custom(format!("no hexadecimal digits: {error}")))
}
