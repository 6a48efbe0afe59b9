//! Addresses of servers, as everybody writes them: `postgres://user:password@host:port/name?parameter=value`.

use percent_encoding::percent_decode_str;
use std::{
    env, fmt,
    net::IpAddr,
    path::{Path, PathBuf},
    str::FromStr,
};

const PORT: u16 = 5_432;

/// Why a text is no address of a server. It says nothing of the text itself, which may hold a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the database's address cannot be used: {reason}\nhint: postgres://user:password@host:5432/name, parts with special characters as %XX"
)]
pub struct AddressError {
    reason: String,
}

/// A database of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Where the server listens.
    pub host: Host,
    /// Its port.
    pub port: u16,
    /// As whom.
    pub user: String,
    /// The user's password, if it is asked for.
    pub password: Option<Password>,
    /// The database.
    pub name: String,
    /// How the way is kept from others.
    pub security: Security,
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// In a folder of this machine.
    Folder(PathBuf),
    /// On a network.
    Network(String),
}

/// A password. It is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(pub String);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// How the way to a server is kept from others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Security {
    /// Not at all: the server is this machine, or the network is trusted.
    Plain,
    /// Nobody reads along; who answers is not checked.
    Encrypted,
    /// Who answers shows a certificate for its name, from an authority of the system's or of this file.
    Verified(Option<PathBuf>),
}

impl Address {
    /// Whether all that is sent stays on this machine.
    pub fn is_here(&self) -> bool {
        match &self.host {
            Host::Folder(_) => true,
            Host::Network(name) => is_here(name),
        }
    }
}

fn is_here(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

impl fmt::Display for Address {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Folder(path) => write!(f, "postgres://{}@{}/{}", self.user, path.display(), self.name),
            Host::Network(host) if host.contains(':') => {
                write!(f, "postgres://{}@[{host}]:{}/{}", self.user, self.port, self.name)
            }
            Host::Network(host) => write!(f, "postgres://{}@{host}:{}/{}", self.user, self.port, self.name),
        }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let rest = ["postgres://", "postgresql://"].iter().find_map(|scheme| text.strip_prefix(scheme));
        let rest = rest.ok_or_else(|| wrong("it does not begin with postgres://"))?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, name) = rest.split_once('/').unwrap_or((rest, ""));
        let (login, server) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (user, password) = match login.split_once(':') {
            Some((user, password)) => (user, Some(plain(password, "the password")?)),
            None => (login, None),
        };
        let (host, port) = split_port(server)?;
        let (mut host, mut user, name) = (plain(host, "the host")?, plain(user, "the user")?, plain(name, "the name")?);
        let mut parts = Parameters { port, password, ..Parameters::default() };
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let value = plain(value, "a parameter")?;
            match key {
                "host" => host = value,
                "user" => user = value,
                "password" => parts.password = Some(value),
                "port" => parts.port = Some(number(&value)?),
                "sslmode" => parts.mode = Some(value),
                "sslrootcert" => parts.authority = Some(value.into()),
                // Not named: it may be what follows a '?' in a password.
                _ => {
                    return Err(wrong(
                        "it has a parameter that is none of host, port, user, password, sslmode, sslrootcert",
                    ));
                }
            }
        }
        if host.contains(',') {
            return Err(wrong("it names several hosts"));
        }
        if user.is_empty() {
            user = env::var("USER").map_err(|_| wrong("it names no user"))?;
        }
        let name = if name.is_empty() { user.clone() } else { name };
        let security = parts.security(&host)?;
        let host = if host.starts_with('/') { Host::Folder(host.into()) } else { Host::Network(host) };
        let (port, password) = (parts.port.unwrap_or(PORT), parts.password.map(Password));
        if [&user, &name].into_iter().any(|part| part.contains('\0')) {
            return Err(wrong("it holds a zero byte"));
        }
        Ok(Self { host, port, user, password, name, security })
    }
}

#[derive(Default)]
struct Parameters {
    port: Option<u16>,
    password: Option<String>,
    mode: Option<String>,
    authority: Option<PathBuf>,
}

impl Parameters {
    /// As asked for; else a way that leaves this machine is verified.
    fn security(&self, host: &str) -> Result<Security, AddressError> {
        let authority = || self.authority.clone();
        match self.mode.as_deref() {
            _ if host.is_empty() => Err(wrong("it names no host")),
            None if authority().is_none() && (host.starts_with('/') || is_here(host)) => Ok(Security::Plain),
            Some(mode) if mode != "disable" && host.starts_with('/') => Err(wrong("sslmode is for networks")),
            Some("disable") => Ok(Security::Plain),
            Some("require") if authority().is_none() => Ok(Security::Encrypted),
            None | Some("require" | "verify-full") => Ok(Security::Verified(authority())),
            Some(_) => Err(wrong("its sslmode is none of disable, require, verify-full")),
        }
    }
}

fn split_port(server: &str) -> Result<(&str, Option<u16>), AddressError> {
    let (host, port) = match server.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']').ok_or_else(|| wrong("a bracket is not closed"))?;
            (host, rest.strip_prefix(':'))
        }
        None => match server.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (server, None),
        },
    };
    let port = port.filter(|port| !port.is_empty());
    Ok((host, port.map(number).transpose()?))
}

fn number(text: &str) -> Result<u16, AddressError> {
    text.parse()
        .map_err(|_| wrong("its port is no number; is there an '@' or ':' in the password that is not written as %XX?"))
}

fn plain(text: &str, what: &str) -> Result<String, AddressError> {
    let plain = percent_decode_str(text).decode_utf8().map_err(|_| wrong(format!("{what} is not UTF-8")))?;
    Ok(plain.into_owned())
}

fn wrong(reason: impl Into<String>) -> AddressError {
    AddressError { reason: reason.into() }
}

/// The socket of a server that listens in `folder`.
pub fn socket(folder: &Path, port: u16) -> PathBuf {
    folder.join(format!(".s.PGSQL.{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        text.parse().unwrap()
    }

    #[test]
    fn addresses_are_read_as_everybody_writes_them() {
        let full = address("postgres://ann:p%40ss%2Fw@db.example:5433/index?sslmode=verify-full&sslrootcert=/a.pem");
        assert_eq!((full.user.as_str(), full.name.as_str(), full.port), ("ann", "index", 5433));
        assert_eq!(full.password, Some(Password("p@ss/w".into())));
        assert_eq!(full.security, Security::Verified(Some("/a.pem".into())));
        assert_eq!(full.to_string(), "postgres://ann@db.example:5433/index");
        let short = address("postgresql://ann@[::1]");
        assert_eq!((short.name.as_str(), short.port, short.security.clone()), ("ann", 5432, Security::Plain));
        assert_eq!(short.to_string(), "postgres://ann@[::1]:5432/ann");
        for socket in ["postgres://ann@/index?host=/run/pg&port=1", "postgres://ann@%2Frun%2Fpg:1/index"] {
            let socket = address(socket);
            assert_eq!((&socket.host, socket.port), (&Host::Folder("/run/pg".into()), 1));
            assert_eq!(socket.to_string(), "postgres://ann@/run/pg/index");
        }
    }

    #[test]
    fn a_way_that_leaves_the_machine_is_verified_unless_it_is_said_otherwise() {
        let security = |text: &str| address(text).security;
        assert_eq!(security("postgres://a@db.example/x"), Security::Verified(None));
        assert_eq!(security("postgres://a@db.example/x?sslmode=require"), Security::Encrypted);
        assert_eq!(security("postgres://a@db.example/x?sslmode=disable"), Security::Plain);
        assert_eq!(security("postgres://a@127.0.0.1/x"), Security::Plain);
        assert_eq!(security("postgres://a@localhost/x?sslmode=verify-full"), Security::Verified(None));
    }

    #[test]
    fn no_error_and_no_debug_text_shows_a_password() {
        for text in [
            "postgres://ann:hunter2@host:port/x",
            "postgres://ann:hunter2@/x",
            "postgres://ann:hun@ter2:7@h:x",
            "mysql://ann:hunter2@host/x",
            "postgres://ann:hunter2@host/x?sslmode=hunter2",
            "postgres://ann:hunter2@host/x?speed=hunter2",
            "postgres://ann:hunter2@a,b/x",
            "postgres://ann:7?hunter2@host/x",
        ] {
            let error = text.parse::<Address>().unwrap_err();
            assert!(!format!("{error} {error:?}").contains("ter2"), "{error}");
        }
        assert!(!format!("{:?}", address("postgres://ann:hunter2@host/x")).contains("hunter2"));
    }
}
