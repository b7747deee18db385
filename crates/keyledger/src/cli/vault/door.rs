//! The door of an instance: a Unix socket on its machine, through which its vault is opened and sealed. A passphrase never goes over
//! NATS.
//!
//! A request is a word and a line feed; behind `open` the passphrase follows, to the end of what is sent. The answer is a line of JSON.
//! Only this user and root may connect: by the socket's mode, and by what the kernel says of who connected.

use std::{
    io,
    os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use keyledger_custody::Passphrase;
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{UnixListener, UnixStream},
    sync::{mpsc, oneshot},
};
use zeroize::Zeroizing;

/// The longest request, in bytes: a word and a passphrase.
const MAX_REQUEST_BYTES: u64 = 4_096;
/// The longest answer.
const MAX_ANSWER_BYTES: u64 = 65_536;
/// How long a request may take to arrive.
const ARRIVES_WITHIN: std::time::Duration = std::time::Duration::from_secs(10);

/// Where the socket lies unless `--vault-socket` says otherwise.
pub(crate) fn usual(directory: &Path) -> PathBuf {
    directory.join("vault.sock")
}

/// What is asked at the door.
pub(crate) enum Asked {
    /// Open the vault, with the passphrase of its root key where that has one.
    Open(Option<Passphrase>),
    /// Seal it.
    Seal,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    /// The vault is open now.
    Open,
    /// The vault is sealed now.
    Sealed,
    /// It is as it was: this is why.
    Refused(String),
}

/// The instance's side.
pub(crate) struct Door {
    path: PathBuf,
    asked: mpsc::Receiver<(Asked, oneshot::Sender<Answer>)>,
}

impl Door {
    /// Opens the door at `path`.
    pub(crate) async fn open(path: PathBuf) -> anyhow::Result<Self> {
        let place = || format!("the vault's socket {}", path.display());
        leave_room(&path).await.with_context(place)?;
        let listener = bind(&path).with_context(place)?;
        let (to, asked) = mpsc::channel(1);
        tokio::spawn(async move {
            loop {
                match listener.accept().await {
                    Ok((stream, _)) => drop(tokio::spawn(attend(stream, to.clone()))),
                    Err(error) => {
                        tracing::warn!(%error, "nobody can come to the vault's socket");
                        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
                    }
                }
            }
        });
        Ok(Self { path, asked })
    }

    /// Waits for somebody to ask, and gives where the answer goes.
    pub(crate) async fn next(&mut self) -> (Asked, oneshot::Sender<Answer>) {
        match self.asked.recv().await {
            Some(asked) => asked,
            // The task that listens lives as long as the program.
            None => std::future::pending().await,
        }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        // Somebody may have taken it away; and then there is nothing to do.
        drop(std::fs::remove_file(&self.path));
    }
}

/// Removes the socket of an instance that was killed. That of one that runs stays.
async fn leave_room(path: &Path) -> anyhow::Result<()> {
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.into()),
        Ok(meta) if !meta.file_type().is_socket() => anyhow::bail!("another file lies there"),
        Ok(_) => {}
    }
    anyhow::ensure!(
        UnixStream::connect(path).await.is_err(),
        "another instance listens there: give this one its own with --vault-socket"
    );
    Ok(std::fs::remove_file(path)?)
}

/// Binds a socket that nobody else can ever connect to: it comes to be under another name, in a folder of mode 0700.
fn bind(path: &Path) -> anyhow::Result<UnixListener> {
    let folder = path.parent().context("it has no folder")?;
    let hidden = folder.join(format!(".vault-{}", std::process::id()));
    std::fs::DirBuilder::new().mode(0o700).create(&hidden)?;
    let beside = hidden.join("s");
    let bind = || -> anyhow::Result<UnixListener> {
        let listener = UnixListener::bind(&beside)?;
        std::fs::set_permissions(&beside, std::fs::Permissions::from_mode(0o600))?;
        std::fs::rename(&beside, path)?;
        Ok(listener)
    };
    let bound = bind();
    // What is left in it, where something failed, goes too.
    std::fs::remove_dir_all(&hidden)?;
    bound
}

/// Hears one request out, and answers it.
async fn attend(mut stream: UnixStream, to: mpsc::Sender<(Asked, oneshot::Sender<Answer>)>) {
    let read = tokio::time::timeout(ARRIVES_WITHIN, read(&mut stream)).await;
    let answer = match read {
        Err(_) => Answer::Refused("the request did not arrive in time".to_owned()),
        Ok(Err(error)) => Answer::Refused(format!("{error:#}")),
        Ok(Ok(asked)) => {
            let (reply, answer) = oneshot::channel();
            let stopping = || Answer::Refused("this instance is stopping".to_owned());
            match to.send((asked, reply)).await {
                Ok(()) => answer.await.unwrap_or_else(|_| stopping()),
                Err(_) => stopping(),
            }
        }
    };
    let mut line = serde_json::to_vec(&answer).expect("texts are JSON");
    line.push(b'\n');
    if let Err(error) = stream.write_all(&line).await {
        tracing::debug!(%error, "who asked at the vault's socket is gone");
    }
}

async fn read(stream: &mut UnixStream) -> anyhow::Result<Asked> {
    let who = stream.peer_cred()?.uid();
    let me = rustix::process::geteuid().as_raw();
    anyhow::ensure!(who == me || who == 0, "only this service's user may ask");
    let most = usize::try_from(MAX_REQUEST_BYTES).expect("it is small");
    // With its full size from the start: a buffer that grows leaves copies in memory.
    let mut request = Zeroizing::new(Vec::with_capacity(most + 1));
    stream
        .take(MAX_REQUEST_BYTES + 1)
        .read_to_end(&mut request)
        .await?;
    anyhow::ensure!(request.len() <= most, "the request is too long");
    parse(&request)
}

fn parse(request: &[u8]) -> anyhow::Result<Asked> {
    let end = request.iter().position(|byte| *byte == b'\n');
    let (word, rest) = request.split_at(end.context("the request has no end")?);
    match (word, &rest[1..]) {
        (b"open", b"") => Ok(Asked::Open(None)),
        (b"open", passphrase) => {
            let text = std::str::from_utf8(passphrase).context("the passphrase is not text")?;
            Ok(Asked::Open(Some(Passphrase::new(text.to_owned())?)))
        }
        (b"seal", b"") => Ok(Asked::Seal),
        _ => anyhow::bail!("it is no request"),
    }
}

/// Asks the instance whose door is at `path`.
pub(super) async fn ask(path: &Path, asked: &Asked) -> anyhow::Result<Answer> {
    let mut stream = UnixStream::connect(path).await?;
    let (word, secret): (&[u8], &[u8]) = match asked {
        Asked::Open(passphrase) => {
            let passphrase = passphrase.as_ref().map(Passphrase::expose);
            (b"open\n", passphrase.unwrap_or_default())
        }
        Asked::Seal => (b"seal\n", b""),
    };
    stream.write_all(word).await?;
    stream.write_all(secret).await?;
    stream.shutdown().await?;
    let mut answer = Vec::new();
    stream
        .take(MAX_ANSWER_BYTES)
        .read_to_end(&mut answer)
        .await?;
    serde_json::from_slice(&answer).context("the instance ended before it answered: see its log")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_a_word_and_behind_open_a_passphrase() {
        assert!(matches!(parse(b"seal\n"), Ok(Asked::Seal)));
        assert!(matches!(parse(b"open\n"), Ok(Asked::Open(None))));
        let Ok(Asked::Open(Some(passphrase))) = parse(b"open\nnot a secret\nfor tests") else {
            panic!("it is a request");
        };
        assert_eq!(passphrase.expose(), b"not a secret\nfor tests");
        for bad in [
            &b""[..],
            b"open",
            b"open\nshort",
            b"open\n\xff\xff\xff\xff\xff\xff\xff\xff",
            b"seal",
            b"seal\nmore",
            b"close\n",
        ] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }

    #[tokio::test]
    async fn a_door_is_this_user_s_and_makes_room_for_one_that_runs_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = usual(folder.path());
        let mut door = Door::open(path.clone()).await.unwrap();
        let mode = path.symlink_metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(left.len(), 1, "{left:?}");

        let (answer, ()) = tokio::join!(ask(&path, &Asked::Seal), async {
            let (asked, reply) = door.next().await;
            assert!(matches!(asked, Asked::Seal));
            reply.send(Answer::Sealed).unwrap();
        });
        assert_eq!(answer.unwrap(), Answer::Sealed);

        let second = Door::open(path.clone()).await;
        let said = format!("{:#}", second.err().unwrap());
        assert!(said.contains("--vault-socket"), "{said}");
        drop(door);
        assert!(!path.exists());

        // A killed instance leaves its socket.
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        drop(Door::open(path.clone()).await.unwrap());
        std::fs::write(&path, "mine").unwrap();
        assert!(Door::open(path.clone()).await.is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"mine");
    }
}
