//! pcscd, its readers and the tokens in them, in namespaces of their own.
//!
//! vpcd's driver listens on all interfaces, pcscd on a path that is built in: in a network and a mount namespace of
//! their own, stacks don't meet each other, nor the pcscd and the YubiKeys of the machine. A unix socket is reached by
//! its path from every network namespace, so clients stay outside and find it by `PCSCLITE_CSOCK_NAME`.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Instant;

use rustix::mount::{MountFlags, mount, mount_bind, mount_bind_recursive};
use serde::{Deserialize, Serialize};

use super::card::Memory;
use super::control;
use super::device::{Device, Firmware};
use super::openpgp;
use super::piv::{self, Authority};
use super::virtual_token::VirtualToken;
use crate::process::{PATIENCE, POLL};

/// pcscd's limit for the whole system.
pub const MOST_TOKENS: usize = 16;

/// What ykman and yubico-piv-tool know a YubiKey by.
pub const READER_NAME: &str = "Yubico YubiKey OTP+FIDO+CCID";

/// Where Debian puts vpcd's driver.
const DRIVER: &str = "/usr/lib/pcsc/drivers/serial/libifdvpcd.so";

/// Where Debian puts drivers for readers on USB: hidden, lest pcscd take a YubiKey that is really there.
const DRIVERS: &str = "/usr/lib/pcsc/drivers";

const FIRST_PORT: u16 = 35_963;

/// Where the parts of a stack lie in its directory.
#[derive(Debug, Clone)]
pub struct Places(PathBuf);

impl Places {
    /// Of the stack in `directory`.
    #[must_use]
    pub fn new(directory: &Path) -> Self {
        Self(directory.to_owned())
    }

    /// pcscd's socket: the value of `PCSCLITE_CSOCK_NAME` for clients.
    #[must_use]
    pub fn pcscd_socket(&self) -> PathBuf {
        self.run().join("pcscd.comm")
    }

    /// The socket that [`super::VirtualTokens`] speaks to.
    #[must_use]
    pub fn control_socket(&self) -> PathBuf {
        self.0.join("control")
    }

    /// Whom the tokens' attestations lead up to, in PEM.
    #[must_use]
    pub fn attestation_root(&self) -> PathBuf {
        self.0.join("attestation-root.pem")
    }

    /// The tiers between that root and what is on a token, in PEM; empty before firmware 5.7.4.
    #[must_use]
    pub fn attestation_intermediates(&self) -> PathBuf {
        self.0.join("attestation-intermediates.pem")
    }

    /// What pcscd has printed.
    #[must_use]
    pub fn pcscd_log(&self) -> PathBuf {
        self.0.join("pcscd.log")
    }

    fn run(&self) -> PathBuf {
        self.0.join("run")
    }

    fn readers(&self) -> PathBuf {
        self.0.join("reader.conf.d")
    }

    fn mounts(&self) -> PathBuf {
        self.0.join("mounts")
    }

    fn authorities(&self) -> PathBuf {
        self.0.join("authorities.json")
    }

    fn token(&self, serial: u32) -> PathBuf {
        self.0.join(format!("token-{serial}.json"))
    }
}

/// What stack is wanted.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Made if it is not there. The tokens that are in it already are used again.
    pub directory: PathBuf,
    /// 1 to [`MOST_TOKENS`].
    pub tokens: usize,
    /// Of tokens that are not there yet.
    pub firmware: Firmware,
    /// The first token's; the others follow.
    pub first_serial: u32,
    /// How the readers are called; numbers follow.
    pub reader_name: String,
    /// Whether the tokens are plugged in when the stack is ready.
    pub inserted: bool,
}

/// Runs the same program, with `arguments`, in namespaces of its own, and waits for it.
///
/// However we end, it ends: it reads from us, see [`run`]. `unshare` itself takes no notice of SIGTERM.
///
/// # Errors
///
/// If this program or `unshare` is not found.
pub fn run_in_namespaces(arguments: impl IntoIterator<Item = String>) -> io::Result<ExitStatus> {
    let mut inside = unshare(&["--net", "--mount", "--pid", "--ipc", "--mount-proc"])
        .arg(std::env::current_exe()?)
        .args(arguments)
        .stdin(Stdio::piped())
        .spawn()?;
    let _lifeline = inside.stdin.take(); // or `wait` would close it
    inside.wait()
}

/// Says one line to the stack in `directory`, and returns what it answers.
///
/// # Errors
///
/// If no stack runs there.
pub fn tell(directory: &Path, line: &str) -> io::Result<String> {
    control::tell(&Places::new(directory).control_socket(), line)
}

/// A command, still to be named, in namespaces of its own; it ends with `unshare`, and everything in them with it.
pub(crate) fn unshare(namespaces: &[&str]) -> Command {
    let mut command = Command::new("unshare");
    command.args(namespaces).args(["--fork", "--kill-child"]);
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command.arg("--");
    command
}

/// Brings the stack up in these namespaces, says so on standard output, and serves until pcscd or standard input ends.
///
/// # Errors
///
/// If something the stack needs is missing or does not come up; with what and where.
pub fn run(wanted: &Wanted) -> anyhow::Result<()> {
    use anyhow::{Context as _, bail, ensure};

    ensure!(
        (1..=MOST_TOKENS).contains(&wanted.tokens),
        "pcscd can have 1 to {MOST_TOKENS} tokens, not {}",
        wanted.tokens
    );
    std::thread::spawn(|| {
        // Nothing is ever written to it: it ends when who started us does.
        let _ = io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    let places = Places::new(&wanted.directory);
    DirBuilder::new()
        .recursive(true)
        .mode(0o700) // keys lie in it, though only of tests
        .create(&wanted.directory)
        .with_context(|| format!("making {}", wanted.directory.display()))?;
    write_readers(&places, wanted).context("writing pcscd's configuration")?;
    bring_loopback_up()?;
    hide_the_system(&places).context("mounting over /run: is this in a namespace of its own?")?;
    let tokens = tokens(&places, wanted)?;
    let mut pcscd =
        start_pcscd(&places).context("starting pcscd (Debian: apt-get install pcscd)")?;
    serve_tokens(&tokens);
    if wanted.inserted {
        for token in tokens.iter() {
            token.outside.insert();
        }
        let deadline = Instant::now() + PATIENCE;
        for token in tokens.iter() {
            let left = deadline.saturating_duration_since(Instant::now());
            if !token.outside.wait_until_seen(left) {
                bail!(
                    "pcscd does not see the tokens: {}",
                    places.pcscd_log().display()
                );
            }
        }
    }
    // It looks into its readers before it listens to clients.
    let deadline = Instant::now() + PATIENCE;
    while UnixStream::connect(places.pcscd_socket()).is_err() {
        ensure!(
            Instant::now() < deadline,
            "pcscd does not listen: {}",
            places.pcscd_log().display()
        );
        std::thread::sleep(POLL);
    }
    let socket = places.control_socket();
    if socket.exists() {
        fs::remove_file(&socket)?; // of an earlier stack in the same directory
    }
    let listener = UnixListener::bind(&socket)
        .with_context(|| format!("listening on {}", socket.display()))?;
    let served = Arc::clone(&tokens);
    std::thread::spawn(move || control::serve(&listener, &served));
    println!(
        "ready: PCSCLITE_CSOCK_NAME={}",
        places.pcscd_socket().display()
    );
    let status = pcscd.wait()?;
    bail!(
        "pcscd ended with {status}: {}",
        places.pcscd_log().display()
    );
}

/// One reader has two places; a driver knows one reader only, hence a copy for each.
fn write_readers(places: &Places, wanted: &Wanted) -> io::Result<()> {
    let directory = places.readers();
    if directory.exists() {
        fs::remove_dir_all(&directory)?;
    }
    fs::create_dir_all(&directory)?;
    for (reader, port) in (0..wanted.tokens.div_ceil(2)).zip((FIRST_PORT..).step_by(2)) {
        let driver = places.0.join(format!("driver-{reader}.so"));
        fs::copy(DRIVER, &driver).map_err(|error| {
            io::Error::new(
                error.kind(),
                format!("{DRIVER}: {error} (Debian: apt-get install vsmartcard-vpcd)"),
            )
        })?;
        let text = format!(
            "FRIENDLYNAME \"{}\"\nDEVICENAME /dev/null:{port}\nLIBPATH {}\nCHANNELID {port}\n",
            reader_name(&wanted.reader_name, reader),
            driver.display()
        );
        fs::write(directory.join(format!("reader-{reader}")), text)?;
    }
    Ok(())
}

/// pcscd numbers readers of one driver only, and these have each their own.
pub(crate) fn reader_name(name: &str, reader: usize) -> String {
    match reader {
        0 => name.to_owned(),
        _ => format!("{name} {reader:02}"),
    }
}

fn bring_loopback_up() -> anyhow::Result<()> {
    use anyhow::{Context as _, ensure};
    let status = Command::new("ip")
        .args(["link", "set", "lo", "up"])
        .status()
        .context("running ip (Debian: apt-get install iproute2)")?;
    ensure!(status.success(), "`ip link set lo up` failed: {status}");
    Ok(())
}

/// Nothing of the machine's own /run is left, and pcscd's part of it is ours.
fn hide_the_system(places: &Places) -> io::Result<()> {
    let (run, mounts) = (places.run(), places.mounts());
    fs::create_dir_all(&run)?;
    fs::create_dir_all(&mounts)?;
    let none = MountFlags::empty();
    // Put together aside: the stack's directory may itself lie in /run.
    mount("tmpfs", &mounts, "tmpfs", none, None)?;
    fs::create_dir(mounts.join("pcscd"))?;
    mount_bind(&run, mounts.join("pcscd"))?;
    if Path::new(DRIVERS).exists() {
        mount("tmpfs", DRIVERS, "tmpfs", none, None)?;
    }
    mount_bind_recursive(&mounts, "/run")?;
    Ok(())
}

fn start_pcscd(places: &Places) -> io::Result<Child> {
    // Of an earlier stack in the same directory, killed: pcscd would take it for a running one.
    for leftover in ["pcscd.comm", "pcscd.pid"] {
        let path = places.run().join(leftover);
        if path.exists() {
            fs::remove_file(path)?;
        }
    }
    let log = File::create(places.pcscd_log())?;
    Command::new(pcscd())
        .args(["--foreground", "--error", "--config"])
        .arg(places.readers())
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
}

/// Debian's place, which is on root's PATH only.
fn pcscd() -> &'static str {
    const SBIN: &str = "/usr/sbin/pcscd";
    if Path::new(SBIN).exists() {
        SBIN
    } else {
        "pcscd"
    }
}

fn tokens(places: &Places, wanted: &Wanted) -> anyhow::Result<Arc<[VirtualToken]>> {
    use anyhow::Context as _;
    let authorities = Authorities::open(places, wanted.firmware)?;
    (0..)
        .take(wanted.tokens)
        .map(|index| {
            let serial = wanted.first_serial + index;
            let device = Device {
                serial,
                firmware: wanted.firmware,
            };
            let file = places.token(serial);
            VirtualToken::open(file.clone(), device, || {
                let (slot, certificate) = authorities.issuer().attestation_key().into_slot();
                Memory {
                    piv: piv::State::factory(&device, slot, certificate),
                    openpgp: openpgp::State::factory(),
                }
            })
            .with_context(|| format!("reading or making {}", file.display()))
        })
        .collect()
}

fn serve_tokens(tokens: &Arc<[VirtualToken]>) {
    for (index, port) in (0..tokens.len()).zip(FIRST_PORT..) {
        let tokens = Arc::clone(tokens);
        std::thread::spawn(move || tokens[index].serve(port));
    }
}

/// Who vouches for the attestation keys, from the root downwards.
#[derive(Serialize, Deserialize)]
struct Authorities(Vec<Authority>);

impl Authorities {
    fn open(places: &Places, firmware: Firmware) -> anyhow::Result<Self> {
        let file = places.authorities();
        if file.exists() {
            return Ok(serde_json::from_slice(&fs::read(file)?)?);
        }
        let made = Self::make(firmware);
        fs::write(file, serde_json::to_vec(&made)?)?;
        let (root, below) = made.0.split_first().expect("there is a root");
        fs::write(places.attestation_root(), root.pem())?;
        let below: String = below.iter().map(Authority::pem).collect();
        fs::write(places.attestation_intermediates(), below)?;
        Ok(made)
    }

    /// From 5.7.4, two tiers stand between the root and what is on the token.
    fn make(firmware: Firmware) -> Self {
        let root = Authority::root();
        if firmware < Firmware(5, 7, 4) {
            return Self(vec![root]);
        }
        let intermediate = root.intermediate("Keyledger Test Attestation Intermediate A 1", 2);
        let piv = intermediate.intermediate("Keyledger Test PIV Attestation A 1", 1);
        Self(vec![root, intermediate, piv])
    }

    fn issuer(&self) -> &Authority {
        self.0.last().expect("there is a root")
    }
}
