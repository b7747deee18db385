//! JSON as Go's `encoding/json` writes and reads it, so that our bytes and our `jti` equal Go's.

use serde::{Deserialize, Deserializer, Serialize};

/// Reads `null` as the zero value, as Go does.
pub(crate) fn zero<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Go's `omitempty`: true if a field is left out.
pub(crate) fn is_zero<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Writes compact JSON, and escapes the characters that Go escapes because of HTML.
///
/// These characters occur only inside strings, so they can be replaced safely in the finished text.
pub(crate) fn to_string<T: Serialize>(value: &T) -> Result<String, serde_json::Error> {
    let plain = serde_json::to_string(value)?;
    let mut escaped = String::with_capacity(plain.len() + plain.len() / 16);
    for c in plain.chars() {
        match c {
            '<' => escaped.push_str("\\u003c"),
            '>' => escaped.push_str("\\u003e"),
            '&' => escaped.push_str("\\u0026"),
            '\u{2028}' => escaped.push_str("\\u2028"),
            '\u{2029}' => escaped.push_str("\\u2029"),
            other => escaped.push(other),
        }
    }
    Ok(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_is_escaped_as_in_go() {
        let text = to_string(&"a.> & <\u{2028}\u{2029}é").unwrap();
        assert_eq!(text, r#""a.\u003e \u0026 \u003c\u2028\u2029é""#);
    }
}
