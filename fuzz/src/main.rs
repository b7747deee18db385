//! libFuzzer on one target, which `KEYLEDGER_FUZZ_TARGET` names: `./dev fuzz` calls it. Without that, it prints the targets and the
//! folders of their files.
//!
//! One program for all targets is linked once, and libFuzzer takes its arguments as usual.

#![no_main]

use std::sync::LazyLock;

use keyledger_fuzz::{TARGETS, Target};

static TARGET: LazyLock<&Target> = LazyLock::new(|| {
    let Some(name) = std::env::var_os("KEYLEDGER_FUZZ_TARGET") else {
        for target in &TARGETS {
            let folders = target.folders().filter(|folder| folder.is_dir());
            let folders: String = folders
                .map(|folder| format!(" {}", folder.display()))
                .collect();
            println!("{}{folders}", target.name);
        }
        std::process::exit(0);
    };
    let name = name.to_string_lossy();
    Target::named(&name).unwrap_or_else(|| {
        eprintln!("fuzz: there is no target {name}");
        std::process::exit(2);
    })
});

libfuzzer_sys::fuzz_target!(init: LazyLock::force(&TARGET), |bytes: &[u8]| {
    (TARGET.accepts)(bytes);
});
