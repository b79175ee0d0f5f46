//! A Redis that speaks TLS, with an authority and certificates of the test's own.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use super::redis::{RedisServer, free_port};

/// Makes `ca.pem`, and for the server and for a client `<name>.pem` and `<name>.key`, in `folder`.
pub fn certificates(folder: &Path) {
    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    let run = |arguments: &[&str]| {
        let ran = Command::new("openssl").args(arguments).current_dir(folder).output().expect("these tests need `openssl`");
        assert!(ran.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&ran.stderr));
    };
    let ask = |more: &[&str]| run(&[&["req"], &key[..], more].concat());
    ask(&["-x509", "-days", "30", "-subj", "/CN=a test's authority", "-keyout", "ca.key", "-out", "ca.pem"]);
    std::fs::write(folder.join("names"), "subjectAltName=IP:127.0.0.1,DNS:localhost\n").unwrap();
    for name in ["server", "client"] {
        let (certificate, private, request) = (format!("{name}.pem"), format!("{name}.key"), format!("{name}.csr"));
        ask(&["-subj", &format!("/CN={name}"), "-keyout", &private, "-out", &request]);
        let signed = ["x509", "-req", "-in", &request, "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "30"];
        run(&[&signed[..], &["-extfile", "names", "-out", &certificate]].concat());
    }
}

pub struct TlsServer {
    _server: RedisServer,
    port: u16,
    folder: PathBuf,
}

impl TlsServer {
    /// A server with the certificates in `folder`, which asks for one of ours if `asks`.
    pub fn start_new(folder: &Path, asks: bool) -> Self {
        let file = |name: &str| folder.join(name).display().to_string();
        let (certificate, key, ca) = (file("server.pem"), file("server.key"), file("ca.pem"));
        let port = free_port();
        let text = port.to_string();
        let tls = ["--tls-port", &text, "--tls-cert-file", &certificate, "--tls-key-file", &key, "--tls-ca-cert-file", &ca];
        let more = ["--tls-auth-clients", if asks { "yes" } else { "no" }, "--save", ""];
        Self { _server: RedisServer::with(&[&tls[..], &more[..]].concat()), port, folder: folder.to_owned() }
    }

    pub fn url(&self) -> String {
        format!("rediss://127.0.0.1:{}", self.port)
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}
