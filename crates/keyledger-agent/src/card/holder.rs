//! Who else holds a token.

use std::{
    fs,
    io::Read,
    os::unix::fs::MetadataExt,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// How long GnuPG's agent may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// The programs of this user that have loaded the smart card library, as words for people.
///
/// Which of them holds which token, only pcscd knows, and it does not tell; of other users' programs nothing can be seen.
pub(crate) fn named() -> String {
    let names = programs();
    if names.is_empty() {
        "no program of this user that uses smart cards is to be seen; look at other users' with `sudo lsof /run/pcscd/pcscd.comm`".to_owned()
    } else {
        format!("as far as is to be seen, {}", names.join(" or "))
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
        // pcscd itself, where it runs as this user, holds nothing.
        let uses = maps.contains("libpcsclite") && name != "pcscd";
        uses.then(|| format!("{name} (process {pid})"))
    });
    users.take(5).collect()
}

/// Asks the user's own scdaemon, by way of the user's own gpg-agent, to end. Neither is started for it. Says whether there was one.
///
/// scdaemon holds a card exclusively from its first use on; gpg-agent starts it again when somebody needs it.
pub(crate) fn ask_scdaemon_to_let_go() -> bool {
    // Without this question, an agent without an scdaemon would start one to hand the request on.
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
