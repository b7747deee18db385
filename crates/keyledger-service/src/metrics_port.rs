//! The loopback port on which Prometheus reads what is counted.

use std::{convert::Infallible, fmt, io, net::SocketAddr, str::FromStr, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode, body::Incoming, header, server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{net::TcpListener, task::JoinSet};

use crate::{metrics_text, shared::Shared};

/// How many connections are served at once. Prometheus has one.
const MAX_CONNECTIONS: usize = 8;
/// How long a connection may last.
const PATIENCE: Duration = Duration::from_secs(30);
/// The format of the answer.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// An address of this machine that no other machine reaches: the metrics have no password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoopbackAddress(SocketAddr);

/// Why a text is no [`LoopbackAddress`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no address on this machine alone, with a port: write 127.0.0.1:9464 or [::1]:9464"
)]
pub struct NotLoopback(String);

impl fmt::Display for LoopbackAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for LoopbackAddress {
    type Err = NotLoopback;

    fn from_str(text: &str) -> Result<Self, NotLoopback> {
        let address = text.parse::<SocketAddr>().ok();
        let address = address.filter(|address| address.ip().is_loopback());
        let not = || NotLoopback(text.chars().take(80).collect());
        address.map(Self).ok_or_else(not)
    }
}

/// Listens there.
///
/// # Errors
///
/// The system's, such as that another program listens there.
pub(crate) async fn listen(address: LoopbackAddress) -> io::Result<TcpListener> {
    TcpListener::bind(address.0).await
}

/// Serves whoever connects, for ever.
pub(crate) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "the port of the metrics takes no connection");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    continue;
                }
            },
            Some(_) = connections.join_next() => continue,
        };
        if connections.len() >= MAX_CONNECTIONS {
            continue; // closed at once
        }
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            let answer = service_fn(move |request| answer(Arc::clone(&shared), request));
            let served = http1::Builder::new()
                .timer(TokioTimer::new())
                .keep_alive(false)
                .serve_connection(TokioIo::new(stream), answer);
            // What goes wrong is the reader's: it sees that the connection ends.
            drop(tokio::time::timeout(PATIENCE, served).await);
        });
    }
}

async fn answer(
    shared: Arc<Shared>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let found = match (request.method(), request.uri().path()) {
        (&Method::GET, "/metrics") => {
            // It goes through all keys.
            let text = tokio::task::spawn_blocking(move || metrics_text::text(&shared)).await;
            text.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)
        }
        (_, "/metrics") => Err(StatusCode::METHOD_NOT_ALLOWED),
        _ => Err(StatusCode::NOT_FOUND),
    };
    let (status, body) = match found {
        Ok(text) => (StatusCode::OK, text),
        Err(status) => (status, "GET /metrics\n".to_owned()),
    };
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let format = match status {
        StatusCode::OK => OPENMETRICS,
        _ => "text/plain; charset=utf-8",
    };
    let format = header::HeaderValue::from_static(format);
    response.headers_mut().insert(header::CONTENT_TYPE, format);
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_reads_the_metrics() {
        for address in ["127.0.0.1:9464", "127.8.0.1:0", "[::1]:9464"] {
            assert!(address.parse::<LoopbackAddress>().is_ok(), "{address}");
        }
        for address in [
            "0.0.0.0:9464",
            "[::]:9464",
            "192.0.2.7:9464",
            "localhost:9464",
            "9464",
        ] {
            let refused = address.parse::<LoopbackAddress>().unwrap_err();
            assert!(refused.to_string().contains(address), "{refused}");
        }
    }
}
