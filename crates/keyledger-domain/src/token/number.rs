//! Numbers that people write, and what to say when one is none.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{Error, Unexpected, Visitor},
};

/// Reads a number; what cannot be one from `MIN` to `MAX` is told that range, and not how it is kept. Whether it lies in it, says
/// [`super::Profile::check`].
pub(super) fn number<'de, const MIN: i64, const MAX: i64, D, T>(
    deserializer: D,
) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: TryFrom<i64> + Deserialize<'de>,
{
    if deserializer.is_human_readable() {
        deserializer.deserialize_i64(Number::<MIN, MAX, T>(PhantomData))
    } else {
        T::deserialize(deserializer)
    }
}

struct Number<const MIN: i64, const MAX: i64, T>(PhantomData<T>);

impl<const MIN: i64, const MAX: i64, T: TryFrom<i64>> Visitor<'_> for Number<MIN, MAX, T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a number from {MIN} to {MAX}")
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
        T::try_from(number).map_err(|_| E::invalid_value(Unexpected::Signed(number), &self))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<T, E> {
        let kept = i64::try_from(number).ok().and_then(|n| T::try_from(n).ok());
        kept.ok_or_else(|| E::invalid_value(Unexpected::Unsigned(number), &self))
    }
}
