//! `polyphony healthcheck`: asks a server on this machine whether it is ready, with nothing but a socket.

use std::{
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs},
    process::ExitCode,
    time::Duration,
};

use clap::Args;

use super::SettingsArgs;

/// For connecting, and again for the answer.
const PROBE_TIMEOUT: Duration = Duration::from_secs(3);
/// A status line and some headers; the rest of the answer is not read.
const ANSWER_BYTES_MAX: usize = 512;
const DEFAULT_PATH: &str = "/readyz";

#[derive(Debug, Args)]
pub(super) struct Healthcheck {
    /// What to ask, e.g. http://127.0.0.1:7720/livez [default: /readyz of the address the settings say]
    #[arg(value_name = "URL")]
    url: Option<String>,
    #[command(flatten)]
    settings: SettingsArgs,
}

impl Healthcheck {
    pub(super) fn run(self) -> ExitCode {
        let target = match &self.url {
            Some(url) => parse(url),
            None => match self.settings.load() {
                Ok(settings) => Ok(Target { authority: reachable(settings.server.listen).to_string(), path: DEFAULT_PATH.to_owned() }),
                Err(code) => return code,
            },
        };
        match target.and_then(|target| probe(&target)) {
            Ok(200..=299) => ExitCode::SUCCESS,
            Ok(status) => {
                eprintln!("error: the server answered {status}");
                ExitCode::FAILURE
            }
            Err(message) => {
                eprintln!("error: {message}");
                ExitCode::FAILURE
            }
        }
    }
}

/// Whether a server of this kind answers where one that listens on `listen` would.
pub(super) fn is_polyphony(listen: SocketAddr) -> bool {
    let target = Target { authority: reachable(listen).to_string(), path: "/livez".to_owned() };
    matches!(probe(&target), Ok(200))
}

#[derive(Debug, PartialEq)]
struct Target {
    authority: String,
    path: String,
}

fn parse(url: &str) -> Result<Target, String> {
    let rest = url.strip_prefix("http://").ok_or_else(|| format!("{url}: expected http://HOST:PORT/PATH"))?;
    let (authority, path) = match rest.find('/') {
        Some(at) => (&rest[..at], &rest[at..]),
        None => (rest, DEFAULT_PATH),
    };
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let authority = if has_port { authority.to_owned() } else { format!("{authority}:80") };
    Ok(Target { authority, path: path.to_owned() })
}

/// The address to reach a server that listens on `listen`: "every address" is reached by loopback.
fn reachable(mut listen: SocketAddr) -> SocketAddr {
    if listen.ip().is_unspecified() {
        let loopback = if listen.is_ipv4() { IpAddr::from(Ipv4Addr::LOCALHOST) } else { IpAddr::from(Ipv6Addr::LOCALHOST) };
        listen.set_ip(loopback);
    }
    listen
}

/// The status of the answer.
fn probe(target: &Target) -> Result<u16, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", target.authority);
    let address = target.authority.to_socket_addrs().map_err(failed)?.next().ok_or_else(|| format!("{}: no address", target.authority))?;
    let mut stream = TcpStream::connect_timeout(&address, PROBE_TIMEOUT).map_err(failed)?;
    stream.set_read_timeout(Some(PROBE_TIMEOUT)).map_err(failed)?;
    stream.set_write_timeout(Some(PROBE_TIMEOUT)).map_err(failed)?;
    write!(stream, "GET {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", target.path, target.authority).map_err(failed)?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX as u64).read_to_end(&mut answer).map_err(failed)?;
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
    status.ok_or_else(|| format!("{}: the answer is not HTTP", target.authority))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read() {
        let target = |authority: &str, path: &str| Ok(Target { authority: authority.into(), path: path.into() });
        assert_eq!(parse("http://127.0.0.1:7720/livez"), target("127.0.0.1:7720", "/livez"));
        assert_eq!(parse("http://[::1]:7720"), target("[::1]:7720", "/readyz"));
        assert_eq!(parse("http://feed"), target("feed:80", "/readyz"));
        assert!(parse("https://feed").is_err());
    }

    #[test]
    fn every_address_is_reached_by_loopback() {
        assert_eq!(reachable("0.0.0.0:7720".parse().unwrap()).to_string(), "127.0.0.1:7720");
        assert_eq!(reachable("[::]:7720".parse().unwrap()).to_string(), "[::1]:7720");
        assert_eq!(reachable("10.0.0.7:7720".parse().unwrap()).to_string(), "10.0.0.7:7720");
    }
}
