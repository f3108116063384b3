//! A clip as clips.py makes it, sent over and over.

use std::time::{Duration, Instant};

use str0m::media::{Frequency, MediaTime};

use crate::Outcome;

/// Which frame is due, from the clip's beginning on where a key frame is asked for.
pub struct Player {
    frames: Vec<Vec<u8>>,
    rate: u64,
    clock: Frequency,
    began: Option<Instant>,
    at: usize,
    pub sent: u64,
    pub asked: u64,
}

impl Player {
    pub fn open(path: &str, clock: u32) -> Outcome<Player> {
        let data = std::fs::read(path)?;
        if data.len() < 32 || &data[..4] != b"DKIF" {
            return Err(format!("{path} is no IVF file").into());
        }
        let number = |at: usize| u32::from_le_bytes(data[at..at + 4].try_into().expect("four octets"));
        let mut frames = Vec::new();
        let mut at = 32;
        while at + 12 <= data.len() {
            let size = number(at) as usize;
            frames.push(data[at + 12..at + 12 + size].to_vec());
            at += 12 + size;
        }
        let clock = Frequency::new(clock).ok_or("a clock that stands")?;
        Ok(Player { frames, rate: number(16) as u64, clock, began: None, at: 0, sent: 0, asked: 0 })
    }

    pub fn restart(&mut self) {
        self.asked += 1;
        self.at = 0;
    }

    /// The next frame and its time, if it is due.
    pub fn next(&mut self, now: Instant) -> Option<(Vec<u8>, MediaTime)> {
        let began = *self.began.get_or_insert(now);
        if now < began + Duration::from_micros(self.sent * 1_000_000 / self.rate) {
            return None;
        }
        let frame = self.frames[self.at].clone();
        let ticks = self.sent * self.clock.get() as u64 / self.rate;
        self.at = (self.at + 1) % self.frames.len();
        self.sent += 1;
        Some((frame, MediaTime::new(ticks, self.clock)))
    }
}
