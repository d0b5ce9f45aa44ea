//! A pack weighed before git sees it: how many objects it has, and how large they are inflated.
//!
//! Read as a stream, with a fixed amount of memory beside one number for each object. What an object says of its size is
//! compared with what comes out of it, byte by byte, so that nothing is larger than it says; of a delta what counts is
//! the result that it says it makes (git refuses one that makes another). Nothing else is judged here: checksums, bases
//! and contents are git's to check.

use std::io::{self, BufRead, Read};

use flate2::{Decompress, FlushDecompress, Status};

use super::ImportLimits;
use super::refusal::ImportRefusal;

/// What a pack weighs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weight {
    /// The pack with its checksum, in bytes.
    pub pack_bytes: u64,
    /// All of its objects inflated, deltas and what they make, in bytes.
    pub inflated_bytes: u64,
    /// The largest object, in bytes.
    pub largest: u64,
    /// The number of its objects.
    pub objects: u64,
}

const BROKEN: ImportRefusal = ImportRefusal::BadPack("it cannot be inflated");

/// Reads a pack to its end, which must be the end of what is read. `id_bytes`: 20 with SHA-1, 32 with SHA-256. Fails
/// with what is too much, or with what is no pack; and with [`ImportRefusal::Truncated`] where reading fails.
pub fn weigh(pack: impl BufRead, id_bytes: usize, limits: &ImportLimits) -> Result<Weight, ImportRefusal> {
    let mut scale = Scale { input: pack, at: 0, limits, weight: Weight::default(), out: vec![0; 64 * 1024] };
    let mut head = [0; 12];
    scale.exactly(&mut head)?;
    if &head[..4] != b"PACK" {
        return Err(ImportRefusal::BadPack("it does not begin as one"));
    }
    let number = |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    if number(4) != 2 {
        return Err(ImportRefusal::BadPack("its version is not 2"));
    }
    let objects = u64::from(number(8));
    if objects > limits.objects {
        return Err(ImportRefusal::TooManyObjects { objects, limit: limits.objects });
    }
    // One for each object that was seen, not for each that is promised.
    let mut starts = Vec::new();
    for _ in 0..objects {
        let start = scale.at;
        scale.object(&starts, id_bytes)?;
        starts.push(start);
    }
    let mut checksum = [0; 32];
    scale.exactly(&mut checksum[..id_bytes.min(32)])?;
    if !scale.input.fill_buf().map_err(|_| ImportRefusal::Truncated)?.is_empty() {
        return Err(ImportRefusal::Trailing);
    }
    scale.weight.objects = objects;
    scale.weight.pack_bytes = scale.at;
    Ok(scale.weight)
}

struct Scale<'a, R> {
    input: R,
    /// How many bytes of the pack were read.
    at: u64,
    limits: &'a ImportLimits,
    weight: Weight,
    /// Where bytes are inflated to, to be thrown away.
    out: Vec<u8>,
}

impl<R: BufRead> Scale<'_, R> {
    fn read(&mut self, bytes: u64) -> Result<(), ImportRefusal> {
        self.at += bytes;
        if self.at > self.limits.pack_bytes {
            return Err(ImportRefusal::PackTooLarge { limit: self.limits.pack_bytes });
        }
        Ok(())
    }

    fn exactly(&mut self, into: &mut [u8]) -> Result<(), ImportRefusal> {
        self.input.read_exact(into).map_err(|_| ImportRefusal::Truncated)?;
        self.read(into.len() as u64)
    }

    fn byte(&mut self) -> Result<u8, ImportRefusal> {
        let mut byte = [0];
        self.exactly(&mut byte)?;
        Ok(byte[0])
    }

    /// One object: kind and size, for a delta its base, then the deflated bytes.
    fn object(&mut self, starts: &[u64], id_bytes: usize) -> Result<(), ImportRefusal> {
        let start = self.at;
        let mut byte = self.byte()?;
        let kind = (byte >> 4) & 7;
        let mut size = u64::from(byte & 15);
        let mut shift = 4;
        while byte & 0x80 != 0 {
            byte = self.byte()?;
            size = size_bits(size, byte, shift)?;
            shift += 7;
        }
        match kind {
            1..=4 => {}
            6 => {
                let back = self.offset()?;
                let base = start.checked_sub(back);
                if base.is_none_or(|base| starts.binary_search(&base).is_err()) {
                    return Err(ImportRefusal::BadPack("a delta's base is no object before it"));
                }
            }
            7 => {
                let mut base = [0; 32];
                self.exactly(&mut base[..id_bytes.min(32)])?;
            }
            _ => return Err(ImportRefusal::BadPack("a kind of object that there is not")),
        }
        self.count(size)?;
        let first = self.inflate(size)?;
        if kind >= 6 {
            let made = delta_makes(&first)?;
            self.count(made)?;
        }
        Ok(())
    }

    /// Counts what is said before any of it is inflated.
    fn count(&mut self, size: u64) -> Result<(), ImportRefusal> {
        if size > self.limits.object_bytes {
            return Err(ImportRefusal::ObjectTooLarge { bytes: size, limit: self.limits.object_bytes });
        }
        self.weight.largest = self.weight.largest.max(size);
        self.weight.inflated_bytes = self.weight.inflated_bytes.saturating_add(size);
        if self.weight.inflated_bytes > self.limits.inflated_bytes {
            return Err(ImportRefusal::InflatesTooFar { limit: self.limits.inflated_bytes });
        }
        Ok(())
    }

    /// How far back a base lies: seven bits a byte, each but the last counting one more.
    fn offset(&mut self) -> Result<u64, ImportRefusal> {
        let mut byte = self.byte()?;
        let mut back = u64::from(byte & 0x7f);
        while byte & 0x80 != 0 {
            byte = self.byte()?;
            if back >= 1 << 56 {
                return Err(ImportRefusal::BadPack("an offset that no pack has"));
            }
            back = ((back + 1) << 7) | u64::from(byte & 0x7f);
        }
        Ok(back)
    }

    /// Inflates one object of exactly this size, and gives its first bytes.
    fn inflate(&mut self, size: u64) -> Result<Vec<u8>, ImportRefusal> {
        let mut stream = Decompress::new(true);
        let mut first = Vec::new();
        loop {
            let input = self.input.fill_buf().map_err(|_| ImportRefusal::Truncated)?;
            let empty = input.is_empty();
            let (had, made) = (stream.total_in(), stream.total_out());
            let status =
                stream.decompress(input, &mut self.out, FlushDecompress::None).map_err(|_| BROKEN)?;
            let used = stream.total_in() - had;
            let made = usize::try_from(stream.total_out() - made).unwrap_or(usize::MAX);
            self.input.consume(usize::try_from(used).unwrap_or(usize::MAX));
            self.read(used)?;
            if first.len() < DELTA_HEAD {
                let more = made.min(DELTA_HEAD - first.len());
                first.extend_from_slice(&self.out[..more]);
            }
            if stream.total_out() > size {
                return Err(ImportRefusal::BadPack("an object is larger than it says"));
            }
            match status {
                Status::StreamEnd if stream.total_out() == size => return Ok(first),
                Status::StreamEnd => return Err(ImportRefusal::BadPack("an object is smaller than it says")),
                _ if empty && made == 0 => return Err(ImportRefusal::Truncated),
                _ if used == 0 && made == 0 => return Err(BROKEN),
                _ => {}
            }
        }
    }
}

/// The two sizes at the beginning of a delta are at most so long together.
const DELTA_HEAD: usize = 20;

/// The size of what a delta makes: the second of the two numbers that it begins with.
fn delta_makes(first: &[u8]) -> Result<u64, ImportRefusal> {
    let mut bytes = first.iter();
    let mut number = || {
        let (mut size, mut shift) = (0, 0);
        loop {
            let byte = *bytes.next().ok_or(ImportRefusal::BadPack("a delta without its sizes"))?;
            size = size_bits(size, byte, shift)?;
            shift += 7;
            if byte & 0x80 == 0 {
                return Ok(size);
            }
        }
    };
    number()?;
    number()
}

/// Seven more bits of a size.
fn size_bits(size: u64, byte: u8, shift: u32) -> Result<u64, ImportRefusal> {
    let bits = u64::from(byte & 0x7f);
    if shift > 63 || (bits << shift) >> shift != bits {
        return Err(ImportRefusal::BadPack("a size that no object has"));
    }
    Ok(size | (bits << shift))
}

/// Reads at most so many bytes, and no more where its end is reached: what follows a header in a file.
pub(super) fn after(mut file: std::fs::File, header: usize) -> io::Result<io::BufReader<std::fs::File>> {
    use std::io::Seek;
    file.seek(io::SeekFrom::Start(header as u64))?;
    Ok(io::BufReader::with_capacity(256 * 1024, file))
}

/// The first bytes of a file, as many as a header may have.
pub(super) fn beginning(file: &std::fs::File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(super::MOST_HEADER as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}
