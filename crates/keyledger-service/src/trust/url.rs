//! Where clients connect: what stands in contexts and in `keyledger.json` from then on.

/// Why a text is not where clients connect. It is not repeated: there may be a password in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadUrl {
    /// It has none of the schemes, or no host.
    #[error(
        "it is no server's URL: write it like nats://host:4222; tls://, ws:// and wss:// will do too"
    )]
    Malformed,
    /// It says who connects too: leave that out.
    #[error(
        "there is a user, a password or a token in it: leave it out, everybody here connects with a creds file"
    )]
    Login,
}

/// Holds that a URL is one of a server, or several joined by commas.
///
/// # Errors
///
/// [`BadUrl`].
pub fn check_url(urls: &str) -> Result<(), BadUrl> {
    urls.split(',').try_for_each(check_one)
}

fn check_one(url: &str) -> Result<(), BadUrl> {
    let schemes = ["nats", "tls", "ws", "wss"];
    let known = |(scheme, _): &(&str, &str)| schemes.contains(scheme);
    let (_, rest) = url
        .split_once("://")
        .filter(known)
        .ok_or(BadUrl::Malformed)?;
    if rest
        .split('/')
        .next()
        .is_some_and(|place| place.contains('@'))
    {
        return Err(BadUrl::Login);
    }
    match url.parse::<async_nats::ServerAddr>() {
        Ok(server) if !server.host().is_empty() => Ok(()),
        _ => Err(BadUrl::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_named_by_its_scheme_and_its_host() {
        for good in [
            "nats://127.0.0.1:4222",
            "tls://nats.acme.example",
            "ws://localhost:8080",
            "wss://acme.example/nats",
            "nats://[::1]:4222",
            "nats://a:4222,nats://b:4222",
        ] {
            assert_eq!(check_url(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "garbage",
            "localhost:4222",
            "http://localhost",
            "nats://",
            "nats://:4222",
            "nats://a:port",
            "nats://a:99999",
            "nats://a b",
            "nats://a,b",
        ] {
            assert_eq!(check_url(bad), Err(BadUrl::Malformed), "{bad}");
        }
    }

    #[test]
    fn nobody_is_named_in_it() {
        for bad in [
            "nats://ada:secret@a",
            "nats://token@a:4222",
            "tls://@a",
            "nats://a,nats://b@c",
        ] {
            assert_eq!(check_url(bad), Err(BadUrl::Login), "{bad}");
        }
        assert!(!BadUrl::Login.to_string().contains("secret"));
    }
}
