//! What the machine says about its memory.

use std::path::Path;

/// Bytes of memory that this process uses now; `None` where the system does not say.
pub(crate) fn resident_bytes() -> Option<u64> {
    status_bytes("VmRSS:")
}

/// Bytes of memory that new allocations can get before the system starts to kill: what it calls available, and what the
/// limits of the process's control groups leave. `None` where the system does not say.
pub fn available_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let available = kilobytes(&text, "MemAvailable:")?;
    Some(control_group_room().map_or(available, |room| room.min(available)))
}

/// The value of a line such as `VmRSS:     1234 kB` of this process.
fn status_bytes(key: &str) -> Option<u64> {
    kilobytes(&std::fs::read_to_string("/proc/self/status").ok()?, key)
}

fn kilobytes(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

/// What the control groups of this process leave, versions 1 and 2; the smallest over all its groups.
fn control_group_room() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let mut rooms = Vec::new();
    for line in text.lines() {
        // 4:memory:/some/group, or 0::/some/group for version 2.
        let mut parts = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(group)) = (parts.next(), parts.next(), parts.next()) else { continue };
        let (root, limit, usage) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max", "memory.current"),
            _ if controllers.split(',').any(|name| name == "memory") => {
                ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes")
            }
            _ => continue,
        };
        // Every group above limits, too. Inside a container the group may be mounted as the root.
        let mut folder = Some(Path::new(group.trim_start_matches('/')));
        while let Some(inner) = folder {
            rooms.extend(room(&Path::new(root).join(inner), limit, usage));
            folder = inner.parent();
        }
    }
    rooms.into_iter().min()
}

/// Limit less usage of one group; `None` without a limit.
fn room(folder: &Path, limit: &str, usage: &str) -> Option<u64> {
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).ok()?.trim().parse::<u64>().ok();
    let (limit, usage) = (read(limit)?, read(usage)?);
    // Pages of files count as used and are given back when somebody needs them.
    let stat = std::fs::read_to_string(folder.join("memory.stat")).unwrap_or_default();
    let of_files = |key: &str| {
        let line = stat.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
        line.and_then(|value| value.trim().parse::<u64>().ok()).unwrap_or(0)
    };
    Some(limit.saturating_sub(usage.saturating_sub(of_files("inactive_file"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_that_of_the_process_and_its_groups() {
        let text = "Name:\tx\nVmRSS:\t    1234 kB\n";
        assert_eq!((kilobytes(text, "VmRSS:"), kilobytes(text, "VmHWM:")), (Some(1234 * 1024), None));
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        write("memory.max", "1000\n");
        write("memory.current", "700\n");
        assert_eq!(room(dir.path(), "memory.max", "memory.current"), Some(300));
        write("memory.stat", "anon 100\ninactive_file 200\n");
        assert_eq!(room(dir.path(), "memory.max", "memory.current"), Some(500));
        write("memory.max", "max\n");
        assert_eq!(room(dir.path(), "memory.max", "memory.current"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn linux_says_both() {
        assert!(resident_bytes().unwrap() > 0 && available_bytes().unwrap() > 0);
    }
}
