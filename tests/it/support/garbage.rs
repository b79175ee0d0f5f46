//! A TCP server between a store and its Redis that passes everything on, or answers nonsense.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

/// What it says to every command: another protocol, then bytes of none.
const NONSENSE: &[u8] = b"HTTP/1.1 200 OK\r\n\r\n<html>\x00\xff\xfe$-99999999999\r\n";

pub struct Garbage {
    port: u16,
    garbled: Arc<AtomicBool>,
}

impl Garbage {
    /// Passes everything on to `target`, a loopback port, for the time being.
    pub fn before(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let garbled = Arc::new(AtomicBool::new(false));
        let shared = Arc::clone(&garbled);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(("127.0.0.1", target)) else { continue };
                answer(&client, &server, &shared);
                ask(client, server, &shared);
            }
        });
        Self { port, garbled }
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// From now on nonsense, or sense again.
    pub fn garble(&self, garbled: bool) {
        self.garbled.store(garbled, Ordering::SeqCst);
    }
}

fn ask(mut client: TcpStream, mut server: TcpStream, garbled: &Arc<AtomicBool>) {
    let garbled = Arc::clone(garbled);
    thread::spawn(move || {
        let mut bytes = [0; 16 * 1024];
        while let Ok(length @ 1..) = client.read(&mut bytes) {
            let (to, said) = if garbled.load(Ordering::SeqCst) { (&mut client, NONSENSE) } else { (&mut server, &bytes[..length]) };
            if to.write_all(said).is_err() {
                break;
            }
        }
        // Both sides learn that it is over.
        let _ = server.shutdown(std::net::Shutdown::Both);
    });
}

fn answer(client: &TcpStream, server: &TcpStream, garbled: &Arc<AtomicBool>) {
    let (mut client, mut server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    let garbled = Arc::clone(garbled);
    thread::spawn(move || {
        let mut bytes = [0; 16 * 1024];
        while let Ok(length @ 1..) = server.read(&mut bytes) {
            let said = if garbled.load(Ordering::SeqCst) { NONSENSE } else { &bytes[..length] };
            if client.write_all(said).is_err() {
                break;
            }
        }
        let _ = client.shutdown(std::net::Shutdown::Both);
    });
}
