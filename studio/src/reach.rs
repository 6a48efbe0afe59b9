//! Whom the gateway may ask: whoever its operator names, but of those whom the chain names only servers of the public network.
//!
//! Anybody may write an address on the chain. The gateway must not be the way to what stands beside it.

use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use std::{
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    task::{Context, Poll},
    vec,
};
use tower_service::Service;

/// Which addresses may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// All.
    Anywhere,
    /// Those of the public network.
    Public,
}

impl Reach {
    /// Whether this address is within reach.
    fn has(self, address: IpAddr) -> bool {
        self == Self::Anywhere || is_public(address)
    }

    /// Whether the host of a URL may be: names may, until they are resolved.
    pub fn has_host(self, host: &str) -> bool {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        bare.parse().map_or(true, |address| self.has(address))
    }
}

/// Resolves names to the addresses within reach. Whoever connects gets nothing else, so that a name which leads elsewhere a
/// moment after it was looked at gains nothing.
#[derive(Clone, Debug)]
pub struct Resolver {
    system: GaiResolver,
    reach: Reach,
}

impl Resolver {
    /// By the system's resolver.
    pub fn new(reach: Reach) -> Self {
        Self { system: GaiResolver::new(), reach }
    }
}

impl Service<Name> for Resolver {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.system.poll_ready(context)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let (found, reach) = (self.system.call(name), self.reach);
        Box::pin(async move {
            let within: Vec<_> = found.await?.filter(|address| reach.has(address.ip())).collect();
            match within.is_empty() {
                true => Err(io::Error::other("its name has no public address")),
                false => Ok(within.into_iter()),
            }
        })
    }
}

/// Whether an address is one of the public network, by the registries of RFC 6890 for special purposes.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(four) => {
            let [a, b, c, _] = four.octets();
            let is_special = four.is_private()
                || four.is_loopback()
                || four.is_link_local()
                || four.is_multicast()
                || four.is_documentation()
                // This network; future use and broadcast.
                || a == 0
                || a >= 240
                // Shared by customers of a provider; protocols; benchmarks.
                || (a == 100 && b & 0xc0 == 64)
                || (a == 192 && b == 0 && c == 0)
                || (a == 198 && b & 0xfe == 18);
            !is_special
        }
        IpAddr::V6(six) => match six.to_ipv4_mapped() {
            Some(four) => is_public(four.into()),
            None => {
                let [first, second, ..] = six.segments();
                // Global unicast, without protocols (2001::/23), documentation, and 6to4, which leads to any IPv4 address.
                first & 0xe000 == 0x2000
                    && first != 0x2002
                    && !(first == 0x2001 && (second < 0x200 || second == 0xdb8))
                    && first != 0x3fff
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_are_within_public_reach() {
        let inside = [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "0.0.0.0",
            "100.64.0.1",
            "192.0.0.8",
            "198.19.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "[::1]",
            "[::]",
            "[::ffff:127.0.0.1]",
            "[fe80::1]",
            "[fd00::1]",
            "[64:ff9b::7f00:1]",
            "[2002:7f00:1::]",
            "[2001::1]",
            "[2001:db8::1]",
            "[ff02::1]",
        ];
        for host in inside {
            assert!(!Reach::Public.has_host(host), "{host}");
            assert!(Reach::Anywhere.has_host(host), "{host}");
        }
        for host in
            ["1.1.1.1", "100.128.0.1", "198.20.0.1", "[2606:4700::1111]", "[::ffff:1.1.1.1]", "models.example.org"]
        {
            assert!(Reach::Public.has_host(host), "{host}");
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_inside_is_not_resolved() {
        let name = || "localhost".parse::<Name>().unwrap();
        let refused = Resolver::new(Reach::Public).call(name()).await.unwrap_err();
        assert!(refused.to_string().contains("no public address"), "{refused}");
        assert!(Resolver::new(Reach::Anywhere).call(name()).await.unwrap().all(|address| address.ip().is_loopback()));
    }
}
