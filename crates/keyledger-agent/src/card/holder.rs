//! Finds out which other program holds a token.

use std::{
    fs,
    io::Read,
    os::unix::fs::MetadataExt,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// The longest wait for an answer of GnuPG's agent.
const PATIENCE: Duration = Duration::from_secs(5);

/// Names the programs of this user that have loaded the smart card library, in words for people.
///
/// Only pcscd knows which program holds which token, and it does not tell. Other users' programs cannot be seen.
pub(crate) fn named() -> String {
    let names = programs();
    if names.is_empty() {
        "no program of this user uses smart cards; list other users' programs with `sudo lsof /run/pcscd/pcscd.comm`".to_owned()
    } else {
        format!("as far as this user can see, {}", names.join(" or "))
    }
}

fn programs() -> Vec<String> {
    let Ok(us) = fs::metadata("/proc/self") else {
        return Vec::new();
    };
    let own = std::process::id().to_string();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let processes = entries.filter_map(|entry| {
        let pid = entry.file_name().into_string().ok()?;
        let number = pid.bytes().all(|byte| byte.is_ascii_digit());
        let ours = entry.metadata().ok()?.uid() == us.uid();
        (number && ours && pid != own).then_some(pid)
    });
    let users = processes.filter_map(|pid| {
        let maps = fs::read_to_string(format!("/proc/{pid}/maps")).ok()?;
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
        let name = name.trim();
        // pcscd itself may run as this user, but holds no token.
        let uses = maps.contains("libpcsclite") && name != "pcscd";
        uses.then(|| format!("{name} (process {pid})"))
    });
    users.take(5).collect()
}

/// Asks the user's own scdaemon, through the user's own gpg-agent, to end. Starts neither of them. True if there was an scdaemon.
///
/// scdaemon holds a card exclusively from its first use on. gpg-agent starts it again when it is needed.
pub(crate) fn ask_scdaemon_to_let_go() -> bool {
    // Ask first: a gpg-agent without an scdaemon would start one just to hand on the second request.
    tell_gpg_agent("GETINFO scd_running") && tell_gpg_agent("SCD KILLSCD")
}

fn tell_gpg_agent(command: &str) -> bool {
    let spawned = Command::new("gpg-connect-agent")
        .args(["--no-autostart", command, "/bye"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut child) = spawned else {
        return false; // no GnuPG here
    };
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        match child.try_wait() {
            Ok(Some(_)) => {
                let mut said = String::new();
                let stdout = child.stdout.take();
                let read = stdout.map(|mut out| out.read_to_string(&mut said));
                return read.is_some() && said.lines().any(|line| line.starts_with("OK"));
            }
            Ok(None) => thread::sleep(Duration::from_millis(20)),
            Err(_) => break,
        }
    }
    drop(child.kill());
    drop(child.wait());
    false
}
