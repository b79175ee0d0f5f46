//! A TCP proxy that can lose the other side of its connections: they stay open, and nothing comes through any more.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

#[derive(Default)]
struct Counts {
    accepted: AtomicU64,
    /// Connections below this number are lost.
    lost: AtomicU64,
}

pub struct Proxy {
    port: u16,
    counts: Arc<Counts>,
}

impl Proxy {
    /// Passes everything on to `target`, a loopback port.
    pub fn to(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let counts = Arc::new(Counts::default());
        let shared = counts.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let number = shared.accepted.fetch_add(1, Ordering::SeqCst);
                let Ok(server) = TcpStream::connect(("127.0.0.1", target)) else { continue };
                pass(number, &client, &server, &shared);
                pass(number, &server, &client, &shared);
            }
        });
        Self { port, counts }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// As if the host behind every connection so far had vanished. New connections work.
    pub fn lose_connections(&self) {
        self.counts.lost.store(self.counts.accepted.load(Ordering::SeqCst), Ordering::SeqCst);
    }
}

fn pass(number: u64, from: &TcpStream, to: &TcpStream, counts: &Arc<Counts>) {
    let (mut from, mut to) = (from.try_clone().expect("a socket"), to.try_clone().expect("a socket"));
    let counts = counts.clone();
    thread::spawn(move || {
        let mut bytes = [0; 16 * 1024];
        while let Ok(length @ 1..) = from.read(&mut bytes) {
            let is_lost = number < counts.lost.load(Ordering::SeqCst);
            if !is_lost && to.write_all(&bytes[..length]).is_err() {
                break;
            }
        }
    });
}
