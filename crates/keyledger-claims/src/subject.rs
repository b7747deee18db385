//! Subjects and the patterns over them, as nats-server reads them.
//!
//! A subject is tokens joined by `.`; a token `*` stands for exactly one token, a last token `>` for one
//! or more. `*` and `>` inside a longer token (`a*`, `>b`) are ordinary characters, as in nats-server.

/// Whether `subject` is one that nats-server accepts: no empty token, no white space, `>` only at the end.
///
/// Wildcards are allowed; ask [`has_wildcard`] where they are not.
#[must_use]
pub fn is_valid(subject: &str) -> bool {
    if subject.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return false;
    }
    let mut tokens = subject.split('.').peekable();
    while let Some(token) = tokens.next() {
        if token.is_empty() || (token == ">" && tokens.peek().is_some()) {
            return false;
        }
    }
    true
}

/// Whether any token of `subject` is `*` or `>`.
#[must_use]
pub fn has_wildcard(subject: &str) -> bool {
    subject.split('.').any(|token| token == "*" || token == ">")
}

/// Whether every subject that `subject` matches is matched by `pattern` too.
///
/// `subject` may itself hold wildcards: `a.>` covers `a.*`, and `a.*` does not cover `a.>`. Nothing is
/// covered by, or covers, a subject that is not [valid](is_valid).
#[must_use]
pub fn covers(pattern: &str, subject: &str) -> bool {
    if !is_valid(pattern) || !is_valid(subject) {
        return false;
    }
    let mut wider = pattern.split('.');
    let mut narrower = subject.split('.');
    loop {
        match (wider.next(), narrower.next()) {
            (None, None) | (Some(">"), Some(_)) => return true,
            (Some("*"), Some(token)) if token != ">" => {}
            (Some(a), Some(b)) if a == b => {}
            _ => return false,
        }
    }
}

/// Whether at least one subject matches both `a` and `b`.
///
/// Two exports of an account that overlap make nats-server refuse the whole account. Nothing overlaps
/// with a subject that is not [valid](is_valid).
#[must_use]
pub fn overlaps(a: &str, b: &str) -> bool {
    if !is_valid(a) || !is_valid(b) {
        return false;
    }
    let mut left = a.split('.');
    let mut right = b.split('.');
    loop {
        match (left.next(), right.next()) {
            (None, None) | (Some(">"), Some(_)) | (Some(_), Some(">")) => return true,
            (Some("*"), Some(_)) | (Some(_), Some("*")) => {}
            (Some(a), Some(b)) if a == b => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_non_empty_tokens() {
        for good in [
            "a", "a.b", "*", ">", "a.*.c", "a.>", "$SYS.REQ", "a*", "b>.c", "ä.b",
        ] {
            assert!(is_valid(good), "{good}");
        }
        for bad in [
            "", ".", "a.", ".a", "a..b", "a b", "a.\tb", ">.a", "a.>.b", "a\n", "a\0",
        ] {
            assert!(!is_valid(bad), "{bad:?}");
        }
    }

    #[test]
    fn only_a_whole_token_is_a_wildcard() {
        assert!(has_wildcard("a.*"));
        assert!(has_wildcard(">"));
        assert!(!has_wildcard("a.b*.>c"));
    }

    #[test]
    fn a_pattern_covers_what_is_narrower() {
        for (pattern, subject) in [
            ("a", "a"),
            ("*", "a"),
            (">", "a.b.c"),
            (">", ">"),
            ("a.>", "a.b"),
            ("a.>", "a.*"),
            ("a.>", "a.*.>"),
            ("*.*", "a.*"),
            ("a.*.c", "a.b.c"),
        ] {
            assert!(covers(pattern, subject), "{pattern} {subject}");
        }
        for (pattern, subject) in [
            ("a", "b"),
            ("a", "*"),
            ("a.>", "a"),
            ("a.>", ">"),
            ("a.*", "a.>"),
            ("*", ">"),
            ("*.>", ">"),
            ("a.*", "a.b.c"),
            ("a.b", "a"),
            ("a..b", "a..b"),
        ] {
            assert!(!covers(pattern, subject), "{pattern} {subject}");
        }
    }

    #[test]
    fn patterns_overlap_when_one_subject_fits_both() {
        for (a, b) in [
            ("a", "a"),
            ("a.*", "*.b"),
            ("a.>", "*.b.c"),
            (">", "a"),
            ("*.>", ">"),
            ("a.*.c", "a.b.*"),
        ] {
            assert!(overlaps(a, b) && overlaps(b, a), "{a} {b}");
        }
        for (a, b) in [
            ("a", "b"),
            ("a.>", "a"),
            ("a.*", "a.b.c"),
            ("a.b", "*.c"),
            ("a", ""),
        ] {
            assert!(!overlaps(a, b) && !overlaps(b, a), "{a} {b}");
        }
    }
}
