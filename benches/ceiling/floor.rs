//! What a next page cannot do without that keeps this server's promises, and nothing else: the page is sealed and frozen by one script
//! in one round trip (instead of the GET), each item's track is signed, the body is put together from prepared cards, and a line of the
//! journal is written. No feed, no ranking, no checks, no explanation, no metric: none of that can make a page cheaper than this.

use std::{fs::File, io::Write, sync::mpsc, thread, time::Duration};

use actix_web::{HttpResponse, web};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce, aead::Aead};
use hmac::{Hmac, Mac};
use redis::aio::MultiplexedConnection;
use sha2::Sha256;

use super::Query;

/// Items of a page.
const ITEMS: usize = 20;
/// A page as it is stored (estimated), a line of the journal without what a draw was from (the server's own have 2,700), a track before it is
/// signed.
const PAGE_BYTES: usize = 1_400;
const LINE_BYTES: usize = 2_600;
const TRACK_BYTES: usize = 20;
const TAG_BYTES: usize = 16;
/// How long the journal gathers lines before it writes them together: as the server does.
const GATHER_FOR: Duration = Duration::from_millis(10);
/// Keeps a page where there is none.
const FREEZE: &str = "local frozen = redis.call('HGET', KEYS[1], ARGV[1]) if frozen then return {1, frozen} end \
    redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) redis.call('PEXPIRE', KEYS[1], 60000) return {1, false}";

pub struct Floor {
    redis: MultiplexedConnection,
    script: String,
    card: Vec<u8>,
    key: Hmac<Sha256>,
    cipher: XChaCha20Poly1305,
    journal: mpsc::Sender<Vec<u8>>,
}

impl Floor {
    /// `body_bytes` of a page. The journal goes to a file that has no name.
    pub async fn new(mut redis: MultiplexedConnection, body_bytes: usize) -> Self {
        let script = redis::cmd("SCRIPT").arg("LOAD").arg(FREEZE).query_async(&mut redis).await.expect("a script");
        let (journal, lines) = mpsc::channel::<Vec<u8>>();
        let mut file = tempfile::tempfile().expect("a file");
        thread::spawn(move || {
            while let Ok(first) = lines.recv() {
                write_together(&mut file, &first, &lines);
                thread::sleep(GATHER_FOR);
            }
        });
        let track_text_bytes = (TRACK_BYTES + TAG_BYTES).div_ceil(3) * 4;
        Self {
            redis,
            script,
            card: vec![b'x'; (body_bytes / ITEMS).saturating_sub(track_text_bytes)],
            key: <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(&[7; 32]).expect("a key"),
            cipher: XChaCha20Poly1305::new_from_slice(&[7; 32]).expect("a key"),
            journal,
        }
    }

    fn track(&self, item: u32) -> String {
        let mut signed = [0; TRACK_BYTES + TAG_BYTES];
        signed[..4].copy_from_slice(&item.to_le_bytes());
        let mut mac = self.key.clone();
        mac.update(&signed[..TRACK_BYTES]);
        signed[TRACK_BYTES..].copy_from_slice(&mac.finalize().into_bytes()[..TAG_BYTES]);
        URL_SAFE_NO_PAD.encode(signed)
    }
}

fn write_together(file: &mut File, first: &[u8], lines: &mpsc::Receiver<Vec<u8>>) {
    let mut together = first.to_vec();
    for line in lines.try_iter() {
        together.extend_from_slice(&line);
    }
    file.write_all(&together).expect("room on the disk");
}

pub async fn page(query: web::Query<Query>, floor: web::Data<Floor>) -> HttpResponse {
    let nonce = XNonce::from(rand::random::<[u8; 24]>());
    let sealed = floor.cipher.encrypt(&nonce, &[b'p'; PAGE_BYTES][..]).expect("a page that is not too long");
    let number: u32 = rand::random();
    let mut freeze = redis::cmd("EVALSHA");
    freeze.arg(&floor.script).arg(1).arg(format!("floor:{}:{number}", query.user)).arg("p1").arg(sealed);
    let (_, frozen): (u8, Option<Vec<u8>>) = freeze.query_async(&mut floor.redis.clone()).await.expect("Redis");
    let mut body = Vec::with_capacity(16 * 1_024);
    for item in 0..ITEMS as u32 {
        body.extend_from_slice(&floor.card);
        body.extend_from_slice(floor.track(item).as_bytes());
    }
    floor.journal.send(vec![b'j'; LINE_BYTES]).expect("the journal");
    let mut status = if frozen.is_some() { HttpResponse::Conflict() } else { HttpResponse::Ok() };
    status.content_type("application/json").body(body)
}
