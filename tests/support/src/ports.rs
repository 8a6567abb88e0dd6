//! Free ports on 127.0.0.1 that stay ours while a server is down.
//!
//! A port found by binding to 0 lies in the range from which the kernel takes the local end of every connection, so
//! after a `kill -9` some client may sit on it when the server returns. Ports here are below that range; test processes
//! keep out of each other's way by locking one file per block, and each port is bound once before it is handed out.

use std::fs::File;
use std::net::TcpListener;
use std::sync::Mutex;

const FIRST: u16 = 10_240;
const BLOCK: u16 = 64;
const BLOCKS: u16 = 340;
const _: () = assert!(FIRST as u32 + BLOCK as u32 * BLOCKS as u32 <= 32_768, "must stay below the ephemeral range");

struct Block {
    // Held for its lock, which ends with the process.
    _lock: File,
    next: u16,
    end: u16,
}

static CURRENT: Mutex<Option<Block>> = Mutex::new(None);

/// A port nobody listens on and no other test process will be given while this one lives.
///
/// # Panics
/// When every block is taken, which means that hundreds of test processes are running.
pub fn free_port() -> u16 {
    let mut current = CURRENT.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    loop {
        let block = current.get_or_insert_with(claim_block);
        while block.next < block.end {
            let port = block.next;
            block.next += 1;
            if TcpListener::bind(("127.0.0.1", port)).is_ok() {
                return port;
            }
        }
        // The old block's lock must outlive its ports: leak the file on purpose.
        if let Some(full) = current.take() {
            std::mem::forget(full);
        }
    }
}

fn claim_block() -> Block {
    let dir = std::env::temp_dir().join("zookube-test-ports");
    std::fs::create_dir_all(&dir).expect("the directory of port locks can be made");
    let start = std::process::id() as u16 % BLOCKS;
    for step in 0..BLOCKS {
        let index = (start + step) % BLOCKS;
        let path = dir.join(index.to_string());
        let Ok(lock) = File::options().create(true).append(true).open(&path) else { continue };
        if lock.try_lock().is_ok() {
            let next = FIRST + index * BLOCK;
            return Block { _lock: lock, next, end: next + BLOCK };
        }
    }
    panic!("all {BLOCKS} blocks of test ports are in use, see {}", dir.display());
}
