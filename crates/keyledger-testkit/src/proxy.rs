//! A network in between that a test can disturb.

use std::net::Ipv4Addr;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinSet,
};

/// How many bytes are carried at once.
const BUFFER_BYTES: usize = 64 * 1024;

/// A TCP proxy on loopback, gone when dropped with every connection through it.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    course: watch::Sender<Course>,
    _serving: JoinSet<()>,
}

#[derive(Debug, Clone, Copy)]
struct Course {
    target: u16,
    is_held: bool,
}

impl Proxy {
    /// Carries connections to a port of this machine.
    ///
    /// # Panics
    ///
    /// If no port is free.
    pub async fn to(target: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.expect("a port of loopback is free");
        let address = listener.local_addr().expect("it is bound");
        let is_held = false;
        let course = watch::Sender::new(Course { target, is_held });
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, course.subscribe()));
        Self {
            port: address.port(),
            course,
            _serving: serving,
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Holds every byte back, both ways, as a network does that is cut: nobody is told. New connections wait.
    pub fn hold(&self) {
        self.course.send_modify(|course| course.is_held = true);
    }

    /// Carries on, with what was held back.
    pub fn release(&self) {
        self.course.send_modify(|course| course.is_held = false);
    }

    /// Ends every connection; those that come go to another port.
    pub fn turn_to(&self, target: u16) {
        self.course.send_modify(|course| course.target = target);
    }
}

async fn serve(listener: TcpListener, course: watch::Receiver<Course>) {
    let mut carried = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        carried.spawn(carry(client, course.clone()));
        while carried.try_join_next().is_some() {}
    }
}

async fn carry(client: TcpStream, mut course: watch::Receiver<Course>) {
    // The sender is gone with the test.
    let Ok(target) = course.wait_for(|c| !c.is_held).await.map(|c| c.target) else {
        return;
    };
    let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, target)).await else {
        return;
    };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let turned = async {
        let mut course = course.clone();
        let _ = course.wait_for(|course| course.target != target).await;
    };
    tokio::select! {
        () = copy(from_client, to_server, course.clone()) => {}
        () = copy(from_server, to_client, course.clone()) => {}
        () = turned => {}
    }
}

async fn copy(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut course: watch::Receiver<Course>,
) {
    let mut bytes = vec![0; BUFFER_BYTES];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        let open = course.wait_for(|course| !course.is_held).await.is_ok();
        if !open || to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}
