//! The machine: port, files, free space, open files.

use std::{
    io::ErrorKind,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
};

use super::Findings;
use crate::{cli::healthcheck, settings::Settings};

/// Below this a store or journal is about to stop.
const FREE_BYTES_MIN: u64 = 64 * 1024 * 1024;
/// Below this somebody should make room.
const FREE_BYTES_USUAL: u64 = 1024 * 1024 * 1024;
/// Files and sockets besides connections: store, journal, listeners.
const OWN_FILES: u64 = 64;
/// Idle connections are kept, so there are more of them than requests.
const CONNECTIONS_PER_REQUEST: u64 = 4;

/// Whether the address can be listened on. `true`: a server answers there already.
pub(super) fn port(listen: SocketAddr, findings: &mut Findings) -> bool {
    let error = match TcpListener::bind(listen) {
        Ok(_) => {
            findings.ok("port", format!("{listen} is free"));
            return false;
        }
        Err(error) => error,
    };
    let fix = match error.kind() {
        ErrorKind::AddrInUse if healthcheck::is_polyphony(listen) => {
            findings.ok("port", format!("a server answers on {listen}"));
            return true;
        }
        ErrorKind::AddrInUse => format!("another program has it: `ss -ltnp 'sport = :{}'` says which; or set server.listen", listen.port()),
        ErrorKind::PermissionDenied => "ports below 1024 need rights: take a higher one for server.listen".to_owned(),
        _ => "server.listen must be an address of this machine: `ip addr` lists them".to_owned(),
    };
    findings.fault("port", format!("cannot listen on {listen}: {error}"), fix);
    false
}

/// Where store and journal write: permission and space.
pub(super) fn files(settings: &Settings, findings: &mut Findings) {
    if settings.store.redis.url.is_empty() {
        folder("store folder", &parent(&settings.store.embedded.path), findings);
    }
    if settings.journal.enabled {
        folder("journal", &settings.journal.path, findings);
    }
}

fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// The folder, or the nearest that is there: the server makes those below.
fn existing(path: &Path) -> PathBuf {
    let found = path.ancestors().find(|folder| folder.exists() && *folder != Path::new(""));
    found.map_or_else(|| PathBuf::from("."), Path::to_owned)
}

fn folder(check: &'static str, path: &Path, findings: &mut Findings) {
    let there = existing(path);
    let shown = there.display();
    if !there.is_dir() {
        return findings.fault(check, format!("{shown} is not a folder"), "name another one, or move the file away");
    }
    // Asking for permission bits would not see read-only mounts and quotas: try.
    if let Err(error) = tempfile::tempfile_in(&there) {
        let fix = format!("chown it to the user that runs the server, or mount it writable: {shown}");
        return findings.fault(check, format!("nothing can be written in {shown}: {error}"), fix);
    }
    let Ok(disk) = rustix::fs::statvfs(&there) else {
        return findings.warn(check, format!("{shown}: its free space cannot be told"), "look with `df`");
    };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let detail = format!("{}: writable, {} free", path.display(), mebibytes(free));
    if free < FREE_BYTES_MIN {
        findings.fault(check, detail, format!("make room: below {} writes are about to fail", mebibytes(FREE_BYTES_MIN)));
    } else if free < FREE_BYTES_USUAL {
        findings.warn(check, detail, "make room, or shorten journal.retention");
    } else {
        findings.ok(check, detail);
    }
}

pub(super) fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes / (1024 * 1024))
}

/// Files the process may have open: each connection is one.
pub(super) fn limits(settings: &Settings, findings: &mut Findings) {
    let requests = settings.server.max_inflight_requests as u64;
    let (needed, usual) = (requests + OWN_FILES, requests * CONNECTIONS_PER_REQUEST + OWN_FILES);
    let fix = format!("`ulimit -n {}` before the start, or LimitNOFILE= in the systemd unit", usual.next_power_of_two());
    match rustix::process::getrlimit(rustix::process::Resource::Nofile).current {
        Some(limit) if limit < needed => {
            let detail = format!("{limit} may be open; server.max_inflight_requests = {requests} alone needs {needed}");
            findings.fault("open files", detail, fix);
        }
        Some(limit) if limit < usual => {
            findings.warn("open files", format!("{limit} may be open; with idle connections {usual} are needed"), fix);
        }
        Some(limit) => findings.ok("open files", format!("{limit} may be open")),
        None => findings.ok("open files", "no limit"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_folder_is_found() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(existing(&folder.path().join("a/b")), folder.path());
        assert_eq!(existing(Path::new("no-such-folder/x")), Path::new("."));
        assert_eq!(parent(Path::new("polyphony.redb")), Path::new("."));
        assert_eq!(parent(Path::new("data/polyphony.redb")), Path::new("data"));
    }
}
