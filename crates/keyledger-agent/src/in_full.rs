//! Errors in one line, for people.

use std::error::Error;

/// An error and its causes, joined by colons. A cause that the text before it already ends with is left out: some libraries repeat theirs.
pub(crate) fn in_full(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.ends_with(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Level {
        text: &'static str,
        source: Option<Box<Self>>,
    }

    #[test]
    fn each_cause_is_said_once() {
        let of = |text, source: Option<Level>| Level {
            text,
            source: source.map(Box::new),
        };
        let disk = of("no room", None);
        let repeats = of("the journal: no room", Some(disk));
        let top = of("the task cannot be taken", Some(repeats));
        assert_eq!(
            in_full(&top),
            "the task cannot be taken: the journal: no room"
        );
    }
}
