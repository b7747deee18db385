//! Golden files: what people see, held letter by letter.

use std::{env, fs, path::Path};

/// Holds `text` against `tests/golden/NAME`. With `KEYLEDGER_BLESS=1` it writes the file: look at the difference then.
#[track_caller]
pub(crate) fn assert(name: &str, text: &[u8]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name);
    let text = std::str::from_utf8(text).unwrap();
    if env::var_os("KEYLEDGER_BLESS").is_some() {
        fs::write(&path, text).unwrap();
    }
    let golden = fs::read_to_string(&path).unwrap();
    assert!(golden == text, "{name} was\n{golden}\nand is now\n{text}");
}
