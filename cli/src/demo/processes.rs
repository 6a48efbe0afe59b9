//! The processes of the story. None outlives its owner, unless it is told to.

use anyhow::{Context as _, bail};
use std::{
    ffi::OsStr,
    fs::{self, File},
    io::Write as _,
    net::TcpListener,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// Lines of each log that are shown when the story fails.
const TAIL_LINES: usize = 8;

/// A running program with its log.
struct Process {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

/// The processes, in the order of their start. Dropping this kills them all.
pub struct Processes {
    folder: PathBuf,
    running: Vec<Process>,
}

impl Processes {
    /// None yet; logs go to `folder`.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, running: Vec::new() }
    }

    /// Starts a program. Its output goes to `NAME.log`; a secret belongs into its `environment`, where no other user sees it.
    pub fn start<S: AsRef<OsStr>>(
        &mut self,
        name: &'static str,
        program: &Path,
        arguments: impl IntoIterator<Item = S>,
        environment: &[(&str, &str)],
    ) -> anyhow::Result<()> {
        let log = self.folder.join(format!("{name}.log"));
        let output = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .with_context(|| format!("cannot write {}", log.display()))?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            // A group of its own: Ctrl-C reaches this program alone, which then ends the others.
            .process_group(0);
        for variable in ["TRIBUTARY_NODE", "TRIBUTARY_KEY_FILE", crate::args::KEY_VARIABLE] {
            command.env_remove(variable);
        }
        command.envs(environment.iter().copied());
        let child = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        self.running.push(Process { name, child, log });
        Ok(())
    }

    /// Kills a process as a power cut would: no signal that it could catch.
    pub fn kill(&mut self, name: &str) -> anyhow::Result<()> {
        let place = self
            .running
            .iter()
            .position(|process| process.name == name)
            .with_context(|| format!("{name} does not run"))?;
        let mut process = self.running.remove(place);
        process.child.kill()?;
        process.child.wait()?;
        Ok(())
    }

    /// Fails if a process has ended by itself.
    pub fn check(&mut self) -> anyhow::Result<()> {
        for process in &mut self.running {
            if let Some(status) = process.child.try_wait()? {
                bail!("{} ended unexpectedly: {status}", process.name);
            }
        }
        Ok(())
    }

    /// The last lines of each log, for people.
    pub fn log_tails(&self) -> String {
        let tail = |process: &Process| {
            let log = fs::read(&process.log).unwrap_or_default();
            let log = String::from_utf8_lossy(&log).into_owned();
            let lines: Vec<&str> = log.lines().collect();
            format!("--- {}\n{}", process.log.display(), lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n"))
        };
        self.running.iter().map(tail).collect::<Vec<_>>().join("\n")
    }

    /// Lets the processes outlive this program, and writes a script that stops them.
    pub fn leave_running(mut self) -> anyhow::Result<()> {
        let ids: Vec<String> = self.running.iter().map(|process| process.child.id().to_string()).collect();
        let path = stop_script(&self.folder);
        let mut script = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
        writeln!(script, "#!/bin/sh\n# Stops the processes of this demonstration.\nkill {}", ids.join(" "))?;
        script.set_permissions(fs::Permissions::from_mode(0o755))?;
        // A `Child` that is dropped runs on.
        self.running.clear();
        Ok(())
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        // The last started first: a trainer without a node would only complain.
        for process in self.running.iter_mut().rev() {
            // Already ended is as good as ended now.
            let _ = process.child.kill();
            let _ = process.child.wait();
        }
    }
}

/// The script that stops processes left running.
pub fn stop_script(folder: &Path) -> PathBuf {
    folder.join("stop")
}

/// A TCP port of the loopback address that nobody listens on.
pub fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// The node's program: the one named, or beside this program, or on the path.
pub fn node_binary(named: Option<&Path>) -> anyhow::Result<PathBuf> {
    const NAME: &str = "tributary-node";
    if let Some(path) = named {
        return path.canonicalize().with_context(|| format!("no node's program: {}", path.display()));
    }
    let beside = std::env::current_exe().ok().and_then(|own| Some(own.parent()?.join(NAME)));
    let on_path =
        std::env::var_os("PATH").into_iter().flat_map(|path| std::env::split_paths(&path).collect::<Vec<_>>());
    beside
        .into_iter()
        .chain(on_path.map(|folder| folder.join(NAME)))
        .find(|path| path.is_file())
        .with_context(|| format!("{NAME} is neither beside this program nor on the path\nhint: --node-binary FILE"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sleeper(processes: &mut Processes) -> u32 {
        processes.start("sleep", Path::new("/bin/sleep"), ["600"], &[(crate::args::KEY_VARIABLE, "//Secret")]).unwrap();
        processes.running[0].child.id()
    }

    fn lives(id: u32) -> bool {
        fs::read_to_string(format!("/proc/{id}/stat")).is_ok_and(|stat| !stat.contains(") Z"))
    }

    #[test]
    fn no_process_outlives_its_owner_even_if_it_panics() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_owned();
        let mut id = 0;
        let owner = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let mut processes = Processes::new(path);
            id = sleeper(&mut processes);
            assert!(lives(id));
            panic!("the story fails");
        }));
        assert!(owner.is_err() && !lives(id));
    }

    #[test]
    fn a_secret_is_in_the_environment_and_not_in_the_arguments() {
        let folder = tempfile::tempdir().unwrap();
        let mut processes = Processes::new(folder.path().to_owned());
        let id = sleeper(&mut processes);
        assert!(!fs::read_to_string(format!("/proc/{id}/cmdline")).unwrap().contains("Secret"));
        processes.kill("sleep").unwrap();
        assert!(!lives(id) && processes.kill("sleep").is_err());
    }

    #[test]
    fn what_is_left_running_is_stopped_by_its_script() {
        let folder = tempfile::tempdir().unwrap();
        let mut processes = Processes::new(folder.path().to_owned());
        let id = sleeper(&mut processes);
        processes.leave_running().unwrap();
        assert!(lives(id));
        assert!(Command::new(stop_script(folder.path())).status().unwrap().success());
        // This process is still its parent, so it stays as a zombie, which `lives` counts as dead.
        while lives(id) {
            std::thread::yield_now();
        }
    }
}
