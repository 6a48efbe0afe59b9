//! A PostgreSQL server of a test's own, from Debian's package `postgresql`.

use std::{
    fs,
    net::TcpListener,
    os::unix::{fs::chown, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// How long a server may take to start on a busy machine.
const START_TIME: Duration = Duration::from_secs(60);
/// The password of the role `tributary`, with what must be written as %XX in an address.
pub const PASSWORD: &str = "p@ss: wört/%";

/// A server. It ends with this, and leaves nothing.
pub struct Cluster {
    folder: TempDir,
    programs: PathBuf,
    owner: Option<(u32, u32)>,
    port: u16,
    server: Option<Child>,
}

impl Cluster {
    /// A server with a role `tributary`; `None` where PostgreSQL is not installed.
    pub fn start() -> Option<Self> {
        let programs = programs()?;
        // Not below a long path: the name of a socket ends after a hundred characters.
        let folder = tempfile::Builder::new().prefix("pg").tempdir_in("/tmp").unwrap();
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let mut cluster = Self { folder, programs, owner: owner(), port, server: None };
        if let Some((user, group)) = cluster.owner {
            chown(cluster.folder.path(), Some(user), Some(group)).unwrap();
        }
        let data = cluster.data();
        let made = cluster
            .command("initdb")
            .args(["--username=postgres", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8", "-D"])
            .arg(&data)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        fs::write(data.join("pg_hba.conf"), "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n").unwrap();
        cluster.run();
        cluster.ask("postgres", &format!("CREATE ROLE tributary LOGIN PASSWORD '{PASSWORD}'"));
        Some(cluster)
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A program that runs as the user whose files these are: no server runs as root.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        if let Some((user, group)) = self.owner {
            command.uid(user).gid(group);
        }
        command
    }

    /// Starts the server, and waits until it answers.
    pub fn run(&mut self) {
        let log = fs::File::create(self.folder.path().join("log")).unwrap();
        let server = self
            .command("postgres")
            .arg("-D")
            .arg(self.data())
            .arg("-k")
            .arg(self.folder.path())
            .args(["-p", &self.port.to_string(), "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"])
            .args(["-c", "shared_buffers=16MB", "-c", "max_connections=40"])
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.server = Some(server);
        let begun = Instant::now();
        let ready = || {
            let mut asking = self.command("pg_isready");
            asking.arg("-q").arg("-h").arg(self.folder.path()).args(["-p", &self.port.to_string()]);
            asking.status().unwrap().success()
        };
        while !ready() {
            let log = || fs::read_to_string(self.folder.path().join("log")).unwrap();
            assert!(begun.elapsed() < START_TIME, "{}", log());
            sleep(Duration::from_millis(50));
        }
    }

    /// Stops the server; sessions are cut off.
    pub fn stop(&mut self) {
        if let Some(mut server) = self.server.take() {
            // Already ended is as good as ended now.
            let _ = Command::new("kill").args(["-QUIT", &server.id().to_string()]).status();
            let _ = server.wait();
        }
    }

    /// Has the server answer with TLS; the certificate for `localhost` lies at the path given back. `None` without openssl.
    #[allow(dead_code, reason = "not every test that has this file asks for it")]
    pub fn certify(&self) -> Option<PathBuf> {
        let (certificate, key) = (self.data().join("server.crt"), self.data().join("server.key"));
        let mut making = Command::new("openssl");
        making.args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
        ]);
        making.args(["-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE"]);
        making.arg("-keyout").arg(&key).arg("-out").arg(&certificate);
        making.output().ok().filter(|made| made.status.success())?;
        if let Some((user, group)) = self.owner {
            chown(&key, Some(user), Some(group)).unwrap();
            chown(&certificate, Some(user), Some(group)).unwrap();
        }
        self.ask("postgres", "ALTER SYSTEM SET ssl = on");
        self.ask("postgres", "SELECT pg_reload_conf()");
        while self.ask("postgres", "SHOW ssl").trim() != "on" {
            sleep(Duration::from_millis(50));
        }
        Some(certificate)
    }

    /// Makes a database that the role `tributary` owns.
    pub fn create(&self, name: &str) {
        self.ask("postgres", &format!("CREATE DATABASE {name} OWNER tributary"));
    }

    /// A database's address, over the socket.
    pub fn url(&self, name: &str) -> String {
        format!("postgres://tributary@/{name}?host={}&port={}", self.folder.path().display(), self.port)
    }

    /// A database's address over the network, with the password in it.
    #[allow(dead_code, reason = "not every test that has this file asks for it")]
    pub fn network_url(&self, name: &str, password: &str) -> String {
        let password: String = password.bytes().map(|byte| format!("%{byte:02X}")).collect();
        format!("postgres://tributary:{password}@localhost:{}/{name}", self.port)
    }

    /// What another client than the gateway's own says: the rows of a statement, columns with tabs between.
    pub fn try_ask(&self, name: &str, statement: &str) -> Result<String, String> {
        let mut asking = self.command("psql");
        asking.args(["-XAtq", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", name, "-c", statement]);
        let said = asking.arg("-h").arg(self.folder.path()).args(["-p", &self.port.to_string()]).output().unwrap();
        match said.status.success() {
            true => Ok(String::from_utf8(said.stdout).unwrap()),
            false => Err(String::from_utf8_lossy(&said.stderr).into_owned()),
        }
    }

    /// As [`Self::try_ask`], of what cannot fail.
    pub fn ask(&self, name: &str, statement: &str) -> String {
        self.try_ask(name, statement).unwrap()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Where the server's programs are: Debian has a folder for each version.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let mut folders: Vec<PathBuf> = versions.filter_map(|entry| Some(entry.ok()?.path().join("bin"))).collect();
    folders.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let elsewhere = std::env::split_paths(&path).collect::<Vec<_>>();
    let is_whole = |folder: &Path| {
        ["initdb", "postgres", "pg_isready", "psql"].iter().all(|program| folder.join(program).is_file())
    };
    folders.into_iter().rev().chain(elsewhere).find(|folder| is_whole(folder))
}

/// Who a server of root's runs as: the package's own user.
fn owner() -> Option<(u32, u32)> {
    let id = |arguments: &[&str]| -> Option<u32> {
        let said = Command::new("id").args(arguments).output().ok().filter(|said| said.status.success())?;
        String::from_utf8(said.stdout).ok()?.trim().parse().ok()
    };
    (id(&["-u"])? == 0).then(|| (id(&["-u", "postgres"]).unwrap(), id(&["-g", "postgres"]).unwrap()))
}
