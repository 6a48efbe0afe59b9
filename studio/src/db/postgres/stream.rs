//! The way to a server: a socket of this machine, TCP, or TLS over TCP.

use super::{
    address::{Address, Host, Security, socket},
    error::Error,
};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme, StreamOwned,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject as _},
};
use std::{
    io::{self, Read, Write},
    net::{TcpStream, ToSocketAddrs as _},
    os::unix::net::UnixStream,
    path::Path,
    sync::Arc,
    time::Duration,
};

/// How long a connection may take.
const CONNECT_TIME: Duration = Duration::from_secs(10);
/// How long a server may be silent: longer than it lets any statement run.
const SILENCE_TIME: Duration = Duration::from_secs(90);
/// What asks a server for TLS instead of beginning a session.
const TLS_PLEASE: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// The way to a server.
#[derive(Debug)]
pub enum Stream {
    /// On this machine.
    Unix(UnixStream),
    /// As it is.
    Tcp(TcpStream),
    /// Encrypted.
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Stream {
    /// A way to the server at an address.
    pub fn open(address: &Address) -> Result<Self, Error> {
        match &address.host {
            Host::Folder(folder) => {
                let path = socket(folder, address.port);
                let stream =
                    UnixStream::connect(&path).map_err(|error| Error::Away(format!("{}: {error}", path.display())))?;
                stream.set_read_timeout(Some(SILENCE_TIME))?;
                stream.set_write_timeout(Some(SILENCE_TIME))?;
                Ok(Self::Unix(stream))
            }
            Host::Network(host) => {
                let tcp = connect(host, address.port)?;
                match &address.security {
                    Security::Plain => Ok(Self::Tcp(tcp)),
                    Security::Encrypted => Self::encrypted(tcp, host, unverified()?),
                    Security::Verified(authority) => Self::encrypted(tcp, host, verified(authority.as_deref())?),
                }
            }
        }
    }

    fn encrypted(mut tcp: TcpStream, host: &str, config: ClientConfig) -> Result<Self, Error> {
        tcp.write_all(&TLS_PLEASE)?;
        // One byte and no more: what came in plain behind it must never be taken for encrypted.
        let mut answer = [0];
        tcp.read_exact(&mut answer)?;
        if answer != *b"S" {
            return Err(Error::Unsafe("the server has no TLS".into()));
        }
        let name = ServerName::try_from(host.to_owned()).map_err(|error| Error::Unsafe(error.to_string()))?;
        let tls = ClientConnection::new(Arc::new(config), name).map_err(|error| Error::Unsafe(error.to_string()))?;
        Ok(Self::Tls(Box::new(StreamOwned::new(tls, tcp))))
    }

    /// Whether nobody between here and there can read along.
    pub fn is_encrypted(&self) -> bool {
        matches!(self, Self::Tls(_))
    }
}

fn connect(host: &str, port: u16) -> Result<TcpStream, Error> {
    let mut failed = None;
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, CONNECT_TIME) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(SILENCE_TIME))?;
                stream.set_write_timeout(Some(SILENCE_TIME))?;
                return Ok(stream);
            }
            Err(error) => failed = Some(error),
        }
    }
    Err(failed.map_or_else(|| Error::Away("its name has no address".into()), Error::from))
}

fn config() -> Result<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>, Error> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    builder.with_safe_default_protocol_versions().map_err(|error| Error::Unsafe(error.to_string()))
}

fn verified(authority: Option<&Path>) -> Result<ClientConfig, Error> {
    let mut roots = RootCertStore::empty();
    match authority {
        Some(path) => {
            let fault = |error: &dyn std::fmt::Display| Error::Unsafe(format!("{}: {error}", path.display()));
            for certificate in CertificateDer::pem_file_iter(path).map_err(|error| fault(&error))? {
                let certificate = certificate.map_err(|error| fault(&error))?;
                roots.add(certificate).map_err(|error| fault(&error))?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    if roots.is_empty() {
        return Err(Error::Unsafe("there is no certificate of an authority to trust".into()));
    }
    Ok(config()?.with_root_certificates(roots).with_no_client_auth())
}

fn unverified() -> Result<ClientConfig, Error> {
    let verifier = Arc::new(Anybody(ring::default_provider()));
    Ok(config()?.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth())
}

/// Takes any certificate of whoever has its key: `sslmode=require`.
#[derive(Debug)]
struct Anybody(CryptoProvider);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Unix(stream) => stream.read(buffer),
            Self::Tcp(stream) => stream.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self {
            Self::Unix(stream) => stream.write(buffer),
            Self::Tcp(stream) => stream.write(buffer),
            Self::Tls(stream) => stream.write(buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Unix(stream) => stream.flush(),
            Self::Tcp(stream) => stream.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}
