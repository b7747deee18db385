//! Names of hosts.

/// True of a name in ASCII that DNS can have and that nobody takes for an IP address; a first label `*` stands for any.
#[must_use]
pub fn is_host(text: &str) -> bool {
    let host = text.strip_prefix("*.").unwrap_or(text);
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let is_address = host.rsplit('.').next().is_some_and(is_number);
    host.len() <= 253 && host.split('.').all(label) && !is_address
}

/// A last label that is a number makes an IP address to many readers: `1.2.3.4`, `127.1`, `0x7f000001`.
fn is_number(label: &str) -> bool {
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let hex = |text: &str| text.bytes().all(|b| b.is_ascii_hexdigit());
    let prefixed = label.strip_prefix("0x").or(label.strip_prefix("0X"));
    digits(label) || prefixed.is_some_and(hex)
}
