//! The socket through which programs of the same user ask the running agent for its status, its tokens, or a signature.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use keyledger_wire::local::{AgentReply, AgentRequest, MAX_REQUEST_BYTES, SOCKET, Sign};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines, Take},
    net::{
        UnixListener, UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::mpsc,
    time::timeout,
};

use super::{board::Board, signing::CommandSigning};

/// A program that does not ask, or does not read the answer, within this time is dropped.
const PATIENCE: Duration = Duration::from_secs(2);

/// The socket. Its file is removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Socket {
    listener: UnixListener,
    path: PathBuf,
}

impl Socket {
    /// Listens in `directory`, which only its owner can enter. The lock guarantees that no other agent listens there.
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

    /// Answers programs for ever.
    pub(crate) async fn serve(&self, board: &Arc<Board>, signing: &Arc<CommandSigning>) {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let (board, signing) = (Arc::clone(board), Arc::clone(signing));
                    tokio::spawn(async move {
                        let answered = answer(stream, &board, signing).await;
                        tracing::trace!(?answered, "asked");
                    });
                }
                Err(error) => {
                    tracing::warn!("the agent's socket: {error}");
                    tokio::time::sleep(PATIENCE).await; // for example, too many open files
                }
            }
        }
    }
}

type Asked = Lines<BufReader<Take<OwnedReadHalf>>>;

async fn answer(stream: UnixStream, board: &Board, signing: Arc<CommandSigning>) -> io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut asked = BufReader::new(reader.take(MAX_REQUEST_BYTES)).lines();
    let request = match timeout(PATIENCE, asked.next_line()).await {
        Ok(Ok(Some(line))) => serde_json::from_str(&line),
        Ok(Ok(None)) | Err(_) => Ok(AgentRequest::Status),
        Ok(Err(error)) => return Err(error),
    };
    match request {
        Ok(AgentRequest::Status) => {
            let status = serde_json::to_vec(&board.read()).expect("a status has only text keys");
            timeout(PATIENCE, writer.write_all(&status)).await??;
        }
        Ok(AgentRequest::Tokens) => {
            let seen = board.read().tokens;
            let shown = seen.iter().filter_map(|token| token.shows.as_ref());
            let serials = shown.map(|shows| shows.serial).collect();
            say(&mut writer, &AgentReply::Tokens { serials }).await?;
        }
        Ok(AgentRequest::Sign(sign)) => sign_for(*sign, asked, &mut writer, signing).await?,
        Err(error) => {
            let why = format!("the agent does not understand what it is asked: {error}");
            say(&mut writer, &AgentReply::Refused { why }).await?;
        }
    }
    writer.shutdown().await
}

/// Signs, and says on the way what the person must do. The program that asked may go away before the end.
async fn sign_for(
    sign: Sign,
    mut asked: Asked,
    writer: &mut OwnedWriteHalf,
    signing: Arc<CommandSigning>,
) -> io::Result<()> {
    let (told, mut words) = mpsc::unbounded_channel();
    let waits = Arc::new(AtomicBool::new(true));
    let still = Arc::clone(&waits);
    // Use a new thread, not the runtime's pool: a window that nobody answers would block the journal.
    std::thread::Builder::new()
        .name("signing".to_owned())
        .spawn(move || signing.sign(&sign, &told, &still))?;
    loop {
        tokio::select! {
            word = words.recv() => match word {
                Some(word) => say(writer, &word).await?,
                None => return Ok(()),
            },
            _ = asked.next_line(), if waits.load(Ordering::Relaxed) => {
                waits.store(false, Ordering::Relaxed);
            }
        }
    }
}

async fn say(writer: &mut OwnedWriteHalf, word: &AgentReply) -> io::Result<()> {
    let mut line = serde_json::to_vec(word).expect("a word has only text keys");
    line.push(b'\n');
    timeout(PATIENCE, writer.write_all(&line)).await?
}

impl Drop for Socket {
    fn drop(&mut self) {
        drop(fs::remove_file(&self.path)); // if this fails, the next start removes the file
    }
}
