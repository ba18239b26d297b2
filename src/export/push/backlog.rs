//! What waits on disk for a receiver that does not answer: requests ready to be sent, oldest first, in a bounded folder
//! of its own. Files are appended to, read from the front and deleted whole:
//!
//! - `<n>.seg`, `n` counting up in 16 hexadecimal digits: records, nothing else;
//! - a record: 4 bytes length of the body, 4 bytes CRC-32 of the body (both little-endian), 1 byte state, the body.
//!   State 0: waits. State 1: on its way, or arrived.
//!
//! The state is set before a record is sent and taken back when that failed. A process that is killed in between gives
//! up that one record, so none is ever sent twice by a restart. A torn or damaged record costs the rest of its segment.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

const HEAD_BYTES: u64 = 9;
/// A segment is closed beyond this, or beyond an eighth of the bound.
const SEGMENT_BYTES: u64 = 1 << 20;
/// No request is larger; a length beyond it is damage.
const MOST_BODY_BYTES: u64 = 64 << 20;

/// The folder of one receiver.
pub struct Backlog {
    folder: PathBuf,
    most_bytes: u64,
    /// Number and bytes of each segment, oldest first.
    segments: VecDeque<(u64, u64)>,
    next: u64,
    /// The last segment, when this process began it.
    writing: Option<File>,
    /// The first segment, and how far it is read.
    reading: Option<(File, u64)>,
    /// Bytes that were given up because the folder was full.
    given_up_bytes: u64,
}

/// A record at the front, marked as on its way.
pub struct Record {
    at: u64,
    pub body: Vec<u8>,
}

impl Backlog {
    /// Opens the folder, and makes it when it is needed first.
    pub fn open(folder: &Path, most_bytes: u64) -> io::Result<Backlog> {
        let mut segments: Vec<(u64, u64)> = Vec::new();
        match fs::read_dir(folder) {
            Ok(entries) => {
                for entry in entries {
                    let entry = entry?;
                    if let Some(number) = number(&entry.file_name().to_string_lossy()) {
                        segments.push((number, entry.metadata()?.len()));
                    }
                }
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(e),
        }
        crate::order::sort(&mut segments);
        let mut backlog = Backlog {
            folder: folder.to_owned(),
            most_bytes,
            next: segments.last().map_or(0, |(n, _)| n.saturating_add(1)),
            segments: segments.into(),
            writing: None,
            reading: None,
            given_up_bytes: 0,
        };
        backlog.make_room(0);
        Ok(backlog)
    }

    /// Bytes on disk, sent ones of the first segment included.
    pub fn bytes(&self) -> u64 {
        self.segments.iter().map(|(_, bytes)| bytes).sum()
    }
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }
    pub fn given_up_bytes(&self) -> u64 {
        self.given_up_bytes
    }

    /// Puts a request at the end, giving up the oldest ones when there is no room.
    pub fn append(&mut self, body: &[u8]) -> io::Result<()> {
        let mut record = Vec::with_capacity(body.len() + HEAD_BYTES as usize);
        record.extend_from_slice(&u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes());
        record.extend_from_slice(&crc32(body).to_le_bytes());
        record.push(0);
        record.extend_from_slice(body);
        let bytes = record.len() as u64;
        if bytes > self.most_bytes {
            self.given_up_bytes += bytes;
            return Ok(());
        }
        self.make_room(bytes);
        let full = self.segments.back().is_none_or(|(_, b)| b + bytes > SEGMENT_BYTES.min(self.most_bytes / 8));
        if full || self.writing.is_none() {
            self.begin_segment()?;
        }
        let (Some(file), Some((_, end))) = (&self.writing, self.segments.back_mut()) else { return Ok(()) };
        // What a failed write left behind is written over by the next.
        file.write_all_at(&record, *end)?;
        *end += bytes;
        Ok(())
    }

    fn begin_segment(&mut self) -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(self.path(self.next))?;
        self.segments.push_back((self.next, 0));
        self.next = self.next.saturating_add(1);
        self.writing = Some(file);
        Ok(())
    }

    /// Deletes the oldest segments until `bytes` more fit.
    fn make_room(&mut self, bytes: u64) {
        while self.bytes() + bytes > self.most_bytes {
            let Some((_, lost)) = self.segments.front() else { return };
            self.given_up_bytes += lost.saturating_sub(self.reading.as_ref().map_or(0, |(_, at)| *at));
            self.drop_first();
        }
    }

    /// The oldest request that waits, now marked as on its way; `None` when nothing waits.
    pub fn take(&mut self) -> io::Result<Option<Record>> {
        while let Some((number, bytes)) = self.segments.front().copied() {
            if self.reading.is_none() {
                let file = OpenOptions::new().read(true).write(true).open(self.path(number));
                match file {
                    Ok(file) => self.reading = Some((file, 0)),
                    Err(e) if e.kind() == io::ErrorKind::NotFound => {
                        self.drop_first();
                        continue;
                    }
                    Err(e) => return Err(e),
                }
            }
            let Some((file, at)) = &mut self.reading else { return Ok(None) };
            match read(file, *at, bytes)? {
                Some((1, body)) => *at += HEAD_BYTES + body.len() as u64,
                Some((_, body)) => {
                    file.write_all_at(&[1], *at + HEAD_BYTES - 1)?;
                    return Ok(Some(Record { at: *at, body }));
                }
                None => self.drop_first(),
            }
        }
        Ok(None)
    }

    /// The record arrived, or is not wanted by the receiver.
    pub fn done(&mut self, record: &Record) {
        let end = record.at + HEAD_BYTES + record.body.len() as u64;
        if let Some((_, at)) = self.reading.as_mut().filter(|(_, at)| *at == record.at) {
            *at = end;
            if self.segments.front().is_some_and(|(_, bytes)| end >= *bytes) {
                self.drop_first();
            }
        }
    }

    /// The record did not arrive: it is the oldest again.
    pub fn put_back(&mut self, record: &Record) -> io::Result<()> {
        match &self.reading {
            Some((file, at)) if *at == record.at => file.write_all_at(&[0], record.at + HEAD_BYTES - 1),
            _ => Ok(()),
        }
    }

    fn drop_first(&mut self) {
        let Some((number, _)) = self.segments.pop_front() else { return };
        if self.segments.is_empty() {
            self.writing = None;
        }
        self.reading = None;
        // A file that stays is read again after a restart; its sent records are marked.
        let _ = fs::remove_file(self.path(number));
    }

    fn path(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{number:016x}.seg"))
    }
}

fn number(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".seg").filter(|d| d.len() == 16)?;
    u64::from_str_radix(digits, 16).ok()
}

/// State and body of the record at `at`; `None` at the end, or where nothing can be read any more.
fn read(file: &File, at: u64, end: u64) -> io::Result<Option<(u8, Vec<u8>)>> {
    if at + HEAD_BYTES > end {
        return Ok(None);
    }
    let mut head = [0; HEAD_BYTES as usize];
    file.read_exact_at(&mut head, at)?;
    let [l0, l1, l2, l3, c0, c1, c2, c3, state] = head;
    let (length, crc) = (u32::from_le_bytes([l0, l1, l2, l3]), u32::from_le_bytes([c0, c1, c2, c3]));
    if u64::from(length) > MOST_BODY_BYTES.min(end - at - HEAD_BYTES) {
        return Ok(None);
    }
    let mut body = vec![0; length as usize];
    file.read_exact_at(&mut body, at + HEAD_BYTES)?;
    Ok((crc32(&body) == crc).then_some((state, body)))
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}
