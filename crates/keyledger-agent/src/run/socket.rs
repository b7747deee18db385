//! The socket by which `keyledger-agent status` asks the running agent: who connects is told, and that is all.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::{
    io::AsyncWriteExt as _,
    net::{UnixListener, UnixStream},
};

use super::board::Board;

/// The socket's name in the agent's runtime directory.
pub const SOCKET: &str = "agent.sock";
/// Who does not read what it asked for within this is left alone.
const PATIENCE: Duration = Duration::from_secs(2);

/// The socket; its file is gone when this is dropped.
#[derive(Debug)]
pub(crate) struct Socket {
    listener: UnixListener,
    path: PathBuf,
}

impl Socket {
    /// Listens in `directory`, which only its owner can enter. The lock says that no other agent does.
    pub(crate) fn listen(directory: &Path) -> io::Result<Self> {
        let path = directory.join(SOCKET);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {} // left by an agent that was killed
        }
        let listener = UnixListener::bind(&path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        Ok(Self { listener, path })
    }

    /// Tells who asks, for ever.
    pub(crate) async fn serve(&self, board: &Arc<Board>) {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let board = Arc::clone(board);
                    tokio::spawn(async move {
                        let told = tokio::time::timeout(PATIENCE, tell(stream, &board)).await;
                        tracing::trace!(?told, "status");
                    });
                }
                Err(error) => {
                    tracing::warn!("the status socket: {error}");
                    tokio::time::sleep(PATIENCE).await; // too many open files, say
                }
            }
        }
    }
}

async fn tell(mut stream: UnixStream, board: &Board) -> io::Result<()> {
    let status = serde_json::to_vec(&board.read()).expect("a status has only text keys");
    stream.write_all(&status).await?;
    stream.shutdown().await
}

impl Drop for Socket {
    fn drop(&mut self) {
        drop(fs::remove_file(&self.path)); // the next start removes it otherwise
    }
}
