//! Protection of a process that holds secrets.

use std::io;

/// Protects the memory of this process: no core dump is made of it, and no other process of the same user can read it or attach to
/// it. Root still can. Programs that this process starts are not protected.
///
/// This works on Linux; on other systems the function does nothing.
///
/// # Errors
///
/// The system's error.
#[cfg_attr(
    not(target_os = "linux"),
    expect(clippy::unnecessary_wraps, reason = "Linux may refuse")
)]
pub fn keep_memory_to_itself() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    Ok(())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use rustix::process::{DumpableBehavior, dumpable_behavior};

    #[test]
    fn no_core_dump_is_made_of_it() {
        super::keep_memory_to_itself().unwrap();
        assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
    }
}
