//! The file of tangents.
//!
//! Little-endian, without gaps:
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 8 | `TRIBTANG` |
//! | 8 | 4 | format: 1 |
//! | 12 | 2 | groups, 1 to 64 |
//! | 14 | 2 | sections: 1, leaving one out; 2, that and random halves |
//! | 16 | 4 | training samples, 1 to 2^24 |
//! | 20 | 4 | parameters of a block: 256 |
//! | 24 | 8 | parameters, 1 to 2^31 |
//! | 32 | 32 | hash of the base model |
//! | 64 | 32 | hash of the adapter that the tangents start at |
//! | 96 | 32 | hash over the retrained adapters' hashes |
//! | 128 | 34 each | every training sample's hash and group, in the order of training |
//! | .. | each | for every section, for every group: the scale of every block (f32), then every parameter (i8) |
//! | end | 32 | BLAKE3 of all before |
//!
//! A parameter's value is its integer times the scale of its block.

use super::{
    Tangents,
    error::TangentError,
    rows::{BLOCK, Rows},
};
use crate::groups::Groups;
use std::{
    collections::HashSet,
    fs::{self, File},
    io::{self, Read, Write},
    path::Path,
};
use tributary_protocol::{
    ContentHash,
    answer::{GROUPS_MAX, SAMPLES_MAX},
};

const MAGIC: &[u8; 8] = b"TRIBTANG";
const FORMAT: u32 = 1;
const HEADER_BYTES: usize = 128;
const SAMPLE_BYTES: usize = 34;
const HASH_BYTES: usize = 32;
/// Above any adapter in use.
const PARAMETERS_MAX: u64 = 1 << 31;

/// What the header says, with every size in range.
struct Header {
    groups: u16,
    sections: u16,
    samples: usize,
    parameters: usize,
    base: ContentHash,
    adapter: ContentHash,
    retrains: ContentHash,
}

impl Header {
    fn parse(bytes: &[u8]) -> Result<Self, TangentError> {
        let mut reader = Reader { bytes };
        if reader.take(8)? != MAGIC {
            return Err(damaged("it is no file of tangents"));
        }
        let found = u32::from_le_bytes(reader.array()?);
        if found != FORMAT {
            return Err(TangentError::Format { found, expected: FORMAT });
        }
        let (groups, sections) = (u16::from_le_bytes(reader.array()?), u16::from_le_bytes(reader.array()?));
        let (samples, block) = (u32::from_le_bytes(reader.array()?), u32::from_le_bytes(reader.array()?));
        let parameters = u64::from_le_bytes(reader.array()?);
        let in_range = (1..=GROUPS_MAX).contains(&groups)
            && (1..=2).contains(&sections)
            && (1..=SAMPLES_MAX as u64).contains(&u64::from(samples))
            && block as usize == BLOCK
            && (1..=PARAMETERS_MAX).contains(&parameters);
        if !in_range {
            return Err(damaged("its header has sizes that are not possible"));
        }
        let mut hash = || reader.array().map(ContentHash);
        let (base, adapter, retrains) = (hash()?, hash()?, hash()?);
        Ok(Self {
            groups,
            sections,
            samples: samples as usize,
            parameters: parameters as usize,
            base,
            adapter,
            retrains,
        })
    }

    /// Bytes of the whole file. No overflow: at most 2 · 64 · 2^31 · 1.02 + 2^24 · 34.
    fn file_bytes(&self) -> usize {
        let row = self.parameters + 4 * self.parameters.div_ceil(BLOCK);
        let rows = usize::from(self.groups) * usize::from(self.sections) * row;
        HEADER_BYTES + self.samples * SAMPLE_BYTES + rows + HASH_BYTES
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], TangentError> {
        let (taken, rest) = self.bytes.split_at_checked(count).ok_or_else(|| damaged("it ends too early"))?;
        self.bytes = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], TangentError> {
        self.take(N)?.try_into().map_err(|_| damaged("it ends too early"))
    }
}

fn damaged(reason: impl Into<String>) -> TangentError {
    TangentError::Damaged { reason: reason.into() }
}

impl Tangents {
    /// The file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let sections: Vec<&Rows> = [Some(&self.leave_one_out), self.halves.as_ref()].into_iter().flatten().collect();
        let mut bytes = Vec::new();
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&FORMAT.to_le_bytes());
        bytes.extend_from_slice(&(self.groups.count() as u16).to_le_bytes());
        bytes.extend_from_slice(&(sections.len() as u16).to_le_bytes());
        bytes.extend_from_slice(&(self.groups.ids().len() as u32).to_le_bytes());
        bytes.extend_from_slice(&(BLOCK as u32).to_le_bytes());
        bytes.extend_from_slice(&(self.parameters as u64).to_le_bytes());
        [self.base, self.adapter, self.retrains].iter().for_each(|hash| bytes.extend_from_slice(&hash.0));
        for (id, group) in self.groups.ids().iter().zip(self.groups.of_sample()) {
            bytes.extend_from_slice(&id.0);
            bytes.extend_from_slice(&group.to_le_bytes());
        }
        for row in sections.iter().flat_map(|rows| rows.iter()) {
            bytes.extend(row.scales.iter().flat_map(|scale| scale.to_le_bytes()));
            bytes.extend(row.values.iter().map(|value| value.cast_unsigned()));
        }
        let hash = blake3::hash(&bytes);
        bytes.extend_from_slice(hash.as_bytes());
        bytes
    }

    /// BLAKE3 of the file.
    pub fn hash(&self) -> ContentHash {
        ContentHash::of(&self.to_bytes())
    }

    /// Reads a file.
    ///
    /// Errors: a length, size, hash or number that is not possible; nothing is allocated before the sizes are checked.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TangentError> {
        let header = Header::parse(bytes)?;
        if bytes.len() != header.file_bytes() {
            return Err(damaged(format!("it has {} bytes, and should have {}", bytes.len(), header.file_bytes())));
        }
        let (content, hash) = bytes.split_at(bytes.len() - HASH_BYTES);
        if blake3::hash(content).as_bytes() != hash {
            return Err(damaged("its content does not have the hash that it names"));
        }
        let mut reader = Reader { bytes: &content[HEADER_BYTES..] };
        let mut samples = Vec::with_capacity(header.samples);
        for _ in 0..header.samples {
            samples.push((ContentHash(reader.array()?), u16::from_le_bytes(reader.array()?)));
        }
        let different: HashSet<ContentHash> = samples.iter().map(|(id, _)| *id).collect();
        if different.len() != samples.len() {
            return Err(damaged("a sample is in it twice"));
        }
        let groups = Groups::of_samples(&samples, header.groups)?;
        let blocks = header.parameters.div_ceil(BLOCK);
        let mut section = || {
            let mut rows = Rows::default();
            for _ in 0..header.groups {
                let scales: Vec<f32> =
                    reader.take(4 * blocks)?.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
                let values: Vec<i8> = reader.take(header.parameters)?.iter().map(|byte| byte.cast_signed()).collect();
                rows.push(scales, values).ok_or_else(|| damaged("a scale or a value in it is not possible"))?;
            }
            Ok::<_, TangentError>(rows)
        };
        let leave_one_out = section()?;
        let halves = if header.sections == 2 { Some(section()?) } else { None };
        let Header { parameters, base, adapter, retrains, .. } = header;
        Ok(Self { base, adapter, retrains, groups, parameters, leave_one_out, halves })
    }

    /// Writes the file, and returns its hash. A crash leaves the old file or the new one.
    pub fn write(&self, path: &Path) -> Result<ContentHash, TangentError> {
        let bytes = self.to_bytes();
        write_atomically(path, &bytes).map_err(|source| TangentError::File { path: path.to_owned(), source })?;
        Ok(ContentHash::of(&bytes))
    }

    /// Reads the file at `path`, whose length is compared with what its header says before the rest of it is read.
    pub fn read(path: &Path) -> Result<Self, TangentError> {
        let access = |source: io::Error| TangentError::File { path: path.to_owned(), source };
        let mut file = File::open(path).map_err(access)?;
        let length = file.metadata().map_err(access)?.len();
        let mut bytes = Vec::new();
        (&mut file).take(HEADER_BYTES as u64).read_to_end(&mut bytes).map_err(access)?;
        let header = Header::parse(&bytes)?;
        if length != header.file_bytes() as u64 {
            return Err(damaged(format!("it has {length} bytes, and should have {}", header.file_bytes())));
        }
        bytes.reserve_exact(header.file_bytes() - bytes.len());
        file.take(length).read_to_end(&mut bytes).map_err(access)?;
        Self::from_bytes(&bytes)
    }
}

/// Writes `bytes` to `path` so that a crash leaves either the old file or the new one.
pub(super) fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let name = path.file_name().ok_or_else(|| io::Error::other("not a file name"))?.to_string_lossy();
    let temporary = folder.join(format!(".{name}.{}.tmp", std::process::id()));
    let written = File::create(&temporary).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    if let Err(error) = written.and_then(|()| fs::rename(&temporary, path)) {
        // The first error is the one to report; a left-over temporary file is harmless.
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    File::open(folder)?.sync_all()
}
