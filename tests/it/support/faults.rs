//! A TCP proxy before Redis with the faults of a network: every answer late by so much, or cut off in the middle by a reset.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

#[derive(Default)]
struct Dials {
    late_ms: AtomicU64,
    /// Every so manieth answer is cut; 0: none.
    cut_every: AtomicU64,
    answers: AtomicU64,
    cuts: AtomicU64,
}

pub struct Faults {
    port: u16,
    dials: Arc<Dials>,
}

impl Faults {
    /// Passes everything on to `target`, a loopback port, for the time being.
    pub fn before(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let dials = Arc::new(Dials::default());
        let shared = Arc::clone(&dials);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(("127.0.0.1", target)) else { continue };
                let (questions, answers) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                thread::spawn(move || ask(questions, server));
                let dials = Arc::clone(&shared);
                thread::spawn(move || answer(answers, client, &dials));
            }
        });
        Self { port, dials }
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// From now on every answer comes so much later.
    pub fn delay(&self, late: Duration) {
        self.dials.late_ms.store(late.as_millis() as u64, Ordering::SeqCst);
    }

    /// From now on every `n`th answer stops half-way and its connection is reset; 0: none.
    pub fn cut_every(&self, n: u64) {
        self.dials.cut_every.store(n, Ordering::SeqCst);
    }

    /// Answers that were cut so far.
    pub fn cuts(&self) -> u64 {
        self.dials.cuts.load(Ordering::SeqCst)
    }
}

fn ask(mut client: TcpStream, mut server: TcpStream) {
    let mut bytes = [0; 16 * 1024];
    while let Ok(length @ 1..) = client.read(&mut bytes) {
        if server.write_all(&bytes[..length]).is_err() {
            break;
        }
    }
    let _ = server.shutdown(std::net::Shutdown::Both);
}

fn answer(mut server: TcpStream, mut client: TcpStream, dials: &Dials) {
    let mut bytes = [0; 16 * 1024];
    while let Ok(length @ 1..) = server.read(&mut bytes) {
        thread::sleep(Duration::from_millis(dials.late_ms.load(Ordering::SeqCst)));
        let (number, every) = (dials.answers.fetch_add(1, Ordering::SeqCst), dials.cut_every.load(Ordering::SeqCst));
        if every > 0 && number % every == every - 1 {
            let _ = client.write_all(&bytes[..length / 2]);
            dials.cuts.fetch_add(1, Ordering::SeqCst);
            // Closed with what is unsent dropped: the other side sees a reset.
            let _ = socket2::SockRef::from(&client).set_linger(Some(Duration::ZERO));
            let _ = client.shutdown(std::net::Shutdown::Read);
            break;
        }
        if client.write_all(&bytes[..length]).is_err() {
            break;
        }
    }
    let _ = server.shutdown(std::net::Shutdown::Both);
    let _ = client.shutdown(std::net::Shutdown::Both);
}
