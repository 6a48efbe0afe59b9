//! Archives of plain files: the part of ustar (POSIX.1-1988) that a bundle needs, written without clock, owner or mode, so
//! that the same files give the same bytes. `tar` lists and unpacks them.

use std::collections::BTreeMap;

/// Size of a block, to which everything is padded.
const BLOCK: usize = 512;
/// Longest name: what fits the header's first field.
const NAME_BYTES_MAX: usize = 100;

/// Files by name, which is also their order in the archive.
pub type Files = BTreeMap<String, Vec<u8>>;

/// Why bytes are no archive of plain files.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The bytes end in the middle.
    #[error("the archive is cut off at byte {at}")]
    CutOff {
        /// Where something is missing.
        at: usize,
    },
    /// A header is damaged or of another kind.
    #[error("the archive's header at byte {at} is not that of a plain file: {reason}")]
    Header {
        /// Where it stands.
        at: usize,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A file has no place in a bundle.
    #[error("the archive holds {name:?}, which has no place in it")]
    Unexpected {
        /// Its name.
        name: String,
    },
    /// A name is too long to be written.
    #[error("the name {name:?} is longer than {NAME_BYTES_MAX} bytes")]
    NameTooLong {
        /// The name.
        name: String,
    },
}

/// The bytes of an archive of `files`.
pub fn write(files: &Files) -> Result<Vec<u8>, ArchiveError> {
    let mut bytes = Vec::with_capacity(files.values().map(|content| content.len() + 2 * BLOCK).sum());
    for (name, content) in files {
        bytes.extend_from_slice(&header(name, content.len())?);
        bytes.extend_from_slice(content);
        bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
    }
    // Two empty blocks end an archive.
    bytes.resize(bytes.len() + 2 * BLOCK, 0);
    Ok(bytes)
}

/// The files of an archive whose names are `expected`. Sizes are bounded by the bytes at hand: nothing is allocated on an
/// archive's word alone.
pub fn read(bytes: &[u8], expected: impl Fn(&str) -> bool) -> Result<Files, ArchiveError> {
    let mut files = Files::new();
    let mut at = 0;
    loop {
        let header = bytes.get(at..at + BLOCK).ok_or(ArchiveError::CutOff { at })?;
        if header.iter().all(|byte| *byte == 0) {
            return Ok(files);
        }
        let wrong = |reason| ArchiveError::Header { at, reason };
        if octal(&header[148..156]).ok_or_else(|| wrong("no checksum"))? != u64::from(checksum(header)) {
            return Err(wrong("wrong checksum"));
        }
        if header[156] != b'0' || header[345] != 0 {
            return Err(wrong("another type, or a name of several parts"));
        }
        let name = header[..NAME_BYTES_MAX].split(|byte| *byte == 0).next().unwrap_or_default();
        let name = std::str::from_utf8(name).map_err(|_| wrong("a name that is not UTF-8"))?;
        if !expected(name) || files.contains_key(name) {
            return Err(ArchiveError::Unexpected { name: name.to_owned() });
        }
        let size =
            octal(&header[124..136]).and_then(|size| usize::try_from(size).ok()).ok_or_else(|| wrong("no size"))?;
        let from = at + BLOCK;
        let until = from.checked_add(size).filter(|until| *until <= bytes.len()).ok_or(ArchiveError::CutOff { at })?;
        files.insert(name.to_owned(), bytes[from..until].to_vec());
        at = until.next_multiple_of(BLOCK);
    }
}

fn header(name: &str, size: usize) -> Result<[u8; BLOCK], ArchiveError> {
    if name.len() > NAME_BYTES_MAX {
        return Err(ArchiveError::NameTooLong { name: name.to_owned() });
    }
    let mut header = [0u8; BLOCK];
    header[..name.len()].copy_from_slice(name.as_bytes());
    for (range, text) in [
        (100..108, "0000644\0".to_owned()),
        (108..116, "0000000\0".to_owned()),
        (116..124, "0000000\0".to_owned()),
        // Eleven octal digits: sizes up to 8 GiB, far above any bundle.
        (124..136, format!("{size:011o}\0")),
        (136..148, "00000000000\0".to_owned()),
        (156..157, "0".to_owned()),
        (257..265, "ustar\u{0}00".to_owned()),
    ] {
        header[range].copy_from_slice(text.as_bytes());
    }
    let sum = format!("{:06o}\0 ", checksum(&header));
    header[148..156].copy_from_slice(sum.as_bytes());
    Ok(header)
}

/// The sum of a header's bytes, those of the checksum itself counted as spaces.
fn checksum(header: &[u8]) -> u32 {
    let of = |(index, byte): (usize, &u8)| if (148..156).contains(&index) { 32 } else { u32::from(*byte) };
    header.iter().enumerate().map(of).sum()
}

fn octal(field: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(field).ok()?.trim_matches(['\0', ' ']);
    u64::from_str_radix(text, 8).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files() -> Files {
        Files::from([
            ("a.json".to_owned(), b"{}".to_vec()),
            ("b/c".to_owned(), vec![7; 1_000]),
            ("empty".to_owned(), Vec::new()),
        ])
    }

    #[test]
    fn what_is_written_reads_back_and_is_always_the_same() {
        let bytes = write(&files()).unwrap();
        assert_eq!(bytes, write(&files()).unwrap());
        assert_eq!(bytes.len() % BLOCK, 0);
        assert_eq!(read(&bytes, |_| true).unwrap(), files());
    }

    #[test]
    fn the_tar_of_the_system_unpacks_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bundle.tar");
        std::fs::write(&path, write(&files()).unwrap()).unwrap();
        let Ok(status) = std::process::Command::new("tar").arg("xf").arg(&path).current_dir(folder.path()).status()
        else {
            println!("skipped: no tar");
            return;
        };
        assert!(status.success());
        for (name, content) in files() {
            assert_eq!(std::fs::read(folder.path().join(name)).unwrap(), content);
        }
    }

    #[test]
    fn damaged_archives_are_refused() {
        let bytes = write(&files()).unwrap();
        for end in (0..bytes.len() - 2 * BLOCK).step_by(97) {
            assert!(read(&bytes[..end], |_| true).is_err(), "{end}");
        }
        let mut other = bytes.clone();
        other[0] ^= 1;
        assert!(matches!(read(&other, |_| true), Err(ArchiveError::Header { at: 0, .. })));
        assert!(matches!(read(&bytes, |name| name != "b/c"), Err(ArchiveError::Unexpected { .. })));
        let long = Files::from([("x".repeat(101), Vec::new())]);
        assert!(matches!(write(&long), Err(ArchiveError::NameTooLong { .. })));
    }
}
