//! Places at which a test has the program panic, to see what becomes of what was acknowledged. In release builds there are none.

use keyledger_domain::Name;

/// Panics where `KEYLEDGER_FAULT_POINT` is `PLACE:NAME`, in a debug build: at this place, over what bears this name.
#[cfg(debug_assertions)]
pub(crate) fn fault_point(place: &str, name: &Name) {
    use std::sync::LazyLock;

    static WANTED: LazyLock<Option<String>> =
        LazyLock::new(|| std::env::var("KEYLEDGER_FAULT_POINT").ok());
    let is_wanted = WANTED
        .as_deref()
        .and_then(|wanted| wanted.split_once(':'))
        .is_some_and(|wanted| wanted == (place, name.as_str()));
    assert!(!is_wanted, "fault point {place}, over {name}");
}

/// Nothing.
#[cfg(not(debug_assertions))]
pub(crate) const fn fault_point(_place: &str, _name: &Name) {}
