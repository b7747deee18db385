//! A nats-server as far as a client can tell, without anybody behind it: requests are lost, or cost the connection.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

/// It ends with the test's process.
pub(crate) struct Fake {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Fake {
    /// One that takes everything and answers nothing.
    pub(crate) fn mute() -> Self {
        Self::start(None)
    }

    /// One that answers a command with this error, or with nothing where it is empty, cuts the connection, and refuses everybody from then on.
    pub(crate) fn that_cuts(error: &'static str) -> Self {
        Self::start(Some(error))
    }

    /// The subjects of the commands and questions that came.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    fn start(error: Option<&'static str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("nats://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (all, cut) = (Arc::clone(&asked), Arc::new(AtomicBool::new(false)));
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let (asked, cut) = (Arc::clone(&all), Arc::clone(&cut));
                // A client that goes away ends its thread.
                thread::spawn(move || drop(serve(connection, error, &asked, &cut)));
            }
        });
        Self { url, asked }
    }
}

fn serve(
    mut connection: TcpStream,
    error: Option<&str>,
    asked: &Mutex<Vec<String>>,
    cut: &AtomicBool,
) -> std::io::Result<()> {
    let info = r#"{"server_id":"F","server_name":"fake","version":"2.12.0","go":"go1","host":"127.0.0.1","port":4222,"headers":true,"max_payload":1048576,"proto":1,"client_id":7,"nonce":"bm9uY2U"}"#;
    write!(connection, "INFO {info}\r\n")?;
    let mut lines = BufReader::new(connection.try_clone()?);
    let mut line = String::new();
    while lines.read_line(&mut line)? > 0 {
        let words: Vec<_> = line.split_whitespace().collect();
        match words.as_slice() {
            ["CONNECT", ..] if cut.load(Ordering::SeqCst) => {
                return cut_off(connection, lines, "Authorization Violation");
            }
            ["PING"] => write!(connection, "PONG\r\n")?,
            ["PUB" | "HPUB", subject, .., length] => {
                asked.lock().unwrap().push((*subject).to_owned());
                let mut payload = vec![0; length.parse::<usize>().unwrap() + 2];
                lines.read_exact(&mut payload)?;
                if let Some(error) = error {
                    cut.store(true, Ordering::SeqCst);
                    return cut_off(connection, lines, error);
                }
            }
            _ => {}
        }
        line.clear();
    }
    Ok(())
}

/// Says why and ends the connection. What the client had sent is read first: a socket that is closed over unread bytes is reset, and a
/// reset takes what was written away from who has not read it yet.
fn cut_off(
    mut connection: TcpStream,
    mut lines: BufReader<TcpStream>,
    error: &str,
) -> std::io::Result<()> {
    if !error.is_empty() {
        write!(connection, "-ERR '{error}'\r\n")?;
    }
    connection.shutdown(Shutdown::Write)?;
    std::io::copy(&mut lines, &mut std::io::sink())?;
    Ok(())
}
