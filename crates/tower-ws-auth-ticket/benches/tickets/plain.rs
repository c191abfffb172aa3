//! What the store is compared with.

use std::collections::HashMap;
use std::sync::Mutex;

use sha2::{Digest as _, Sha256};

/// The same without expiry, caps or subjects: keys of 16 bytes by digest, in 512 maps.
pub(crate) struct Plain(Vec<Shard>);

type Shard = Mutex<HashMap<[u8; 16], Vec<u8>>>;

impl Plain {
    pub(crate) fn filled(tickets: usize) -> Self {
        let plain = Self((0..512).map(|_| Mutex::default()).collect());
        for n in 0..tickets {
            let (map, key) = plain.at(n);
            map.lock().unwrap().insert(key, vec![7; 16]);
        }
        plain
    }

    pub(crate) fn take(&self, n: usize) -> Option<Vec<u8>> {
        let (map, key) = self.at(n);
        map.lock().unwrap().remove(&key)
    }

    fn at(&self, n: usize) -> (&Shard, [u8; 16]) {
        // What the bench's keys digest, in one piece.
        let mut input = [0; 29];
        input[7] = 5;
        input[8..13].copy_from_slice(b"bench");
        input[20] = 8;
        input[21..].copy_from_slice(&n.to_be_bytes());
        let digest = Sha256::digest(input);
        let mut key = [0; 16];
        key.copy_from_slice(&digest[..16]);
        let shard = usize::from(u16::from_be_bytes([key[14], key[15]]));
        (&self.0[shard & 511], key)
    }
}
