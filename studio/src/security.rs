//! What every request passes: limits by address, no other site's doing, and headers that keep pages to themselves.
//!
//! There are no cookies and no sessions, so that a foreign page has nobody's rights to borrow; still, what changes something
//! asks for a header that a foreign page cannot send without asking first, and that is never allowed.

use crate::{app::App, error::ApiError};
use axum::{
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::{Mutex, PoisonError},
    time::Instant,
};

/// The header that requests which do something must have.
pub const HEADER: &str = "x-tributary";
/// Addresses that are remembered; when there are more, those that rest are forgotten.
const ADDRESSES_MAX: usize = 10_000;

/// How often something may be done from one address.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    /// At once.
    pub burst: f64,
    /// Each second, in the long run.
    pub per_second: f64,
}

const READ: Rate = Rate { burst: 400.0, per_second: 60.0 };
const DO: Rate = Rate { burst: 30.0, per_second: 1.0 };
const SERVE: Rate = Rate { burst: 60.0, per_second: 5.0 };

/// Buckets by address and kind of request.
#[derive(Debug, Default)]
pub struct Limiter {
    buckets: Mutex<HashMap<(IpAddr, u8), Bucket>>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    left: f64,
    at: Instant,
}

impl Limiter {
    /// Takes one; else says after how many seconds there is one.
    fn take(&self, address: IpAddr, kind: u8, rate: Rate, now: Instant) -> Result<(), u64> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= ADDRESSES_MAX {
            buckets.retain(|_, bucket| bucket.filled(READ, now) < READ.burst);
        }
        let bucket = buckets.entry((address, kind)).or_insert(Bucket { left: rate.burst, at: now });
        *bucket = Bucket { left: bucket.filled(rate, now), at: now };
        if bucket.left < 1.0 {
            // Small and positive: a rate is not zero.
            return Err(((1.0 - bucket.left) / rate.per_second).ceil() as u64);
        }
        bucket.left -= 1.0;
        Ok(())
    }
}

impl Bucket {
    fn filled(&self, rate: Rate, now: Instant) -> f64 {
        let seconds = now.saturating_duration_since(self.at).as_secs_f64();
        (self.left + seconds * rate.per_second).min(rate.burst)
    }
}

/// Lets a request through, and puts the headers on its answer.
pub async fn guard(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path();
    let is_serving = path.starts_with("/v1/") || path == "/v1";
    let does = !matches!(*request.method(), Method::GET | Method::HEAD);
    let (kind, rate) = match (is_serving, does) {
        (true, _) => (2, SERVE),
        (false, true) => (1, DO),
        (false, false) => (0, READ),
    };
    let refused = match app.limiter().take(household(peer.ip()), kind, rate, Instant::now()) {
        Err(seconds) => Some(too_many(seconds)),
        Ok(()) if does && !is_serving => foreign(request.headers()).map(IntoResponse::into_response),
        Ok(()) => None,
    };
    let is_page = !is_serving && !path.starts_with("/api/");
    let mut response = match refused {
        Some(refused) => refused,
        None => next.run(request).await,
    };
    let headers = response.headers_mut();
    let mut set = |name: header::HeaderName, value: &'static str| {
        headers.insert(name, HeaderValue::from_static(value));
    };
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::REFERRER_POLICY, "same-origin");
    set(header::X_FRAME_OPTIONS, "DENY");
    set(header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    set(header::HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    if is_page {
        if let Ok(policy) = HeaderValue::from_str(app.policy()) {
            headers.insert(header::CONTENT_SECURITY_POLICY, policy);
        }
    } else {
        headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    }
    response
}

/// Whom an address stands for: of IPv6, whoever has the network of 64 bits has all its addresses.
fn household(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(six) => match six.to_ipv4_mapped() {
            Some(four) => four.into(),
            None => Ipv6Addr::from_bits(six.to_bits() & (u128::MAX << 64)).into(),
        },
    }
}

/// What pages may load: themselves, and the node's socket. No script that is not a file of ours.
pub fn policy(node: &str) -> String {
    // An origin: what stands behind the host has no meaning in a policy, and a policy ends at a semicolon.
    let node = url::Url::parse(node).ok();
    let node = node.map(|url| {
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        format!(" {}://{}{port}", url.scheme(), url.host_str().unwrap_or_default())
    });
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; \
         font-src 'self'; connect-src 'self'{}; worker-src 'self'; manifest-src 'self'; base-uri 'none'; \
         form-action 'self'; frame-ancestors 'none'",
        node.unwrap_or_default()
    )
}

fn too_many(seconds: u64) -> Response {
    let error =
        ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", "too many requests from this address")
            .hint(format!("try again in {seconds} s"));
    ([(header::RETRY_AFTER, seconds.to_string())], error).into_response()
}

/// Why a request that does something is not taken: it may come from another site.
fn foreign(headers: &HeaderMap) -> Option<ApiError> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if text(HEADER) != Some("1") {
        let error = ApiError::new(StatusCode::FORBIDDEN, "header_missing", format!("the header {HEADER} is missing"));
        return Some(error.hint(format!("send {HEADER}: 1")));
    }
    let other_site = text("sec-fetch-site").is_some_and(|site| !matches!(site, "same-origin" | "none"));
    let other_origin = text("origin").is_some_and(|origin| {
        let host = origin.split_once("://").map(|(_, host)| host);
        host.is_none() || host != text("host")
    });
    (other_site || other_origin)
        .then(|| ApiError::new(StatusCode::FORBIDDEN, "other_origin", "requests of other sites are not taken"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn an_address_that_asks_too_much_waits_and_others_do_not() {
        let limiter = Limiter::default();
        let rate = Rate { burst: 2.0, per_second: 0.5 };
        let (one, other): (IpAddr, IpAddr) = ([1, 1, 1, 1].into(), [2, 2, 2, 2].into());
        let start = Instant::now();
        assert_eq!(limiter.take(one, 0, rate, start), Ok(()));
        assert_eq!(limiter.take(one, 0, rate, start), Ok(()));
        assert_eq!(limiter.take(one, 0, rate, start), Err(2));
        assert_eq!(limiter.take(one, 1, rate, start), Ok(()));
        assert_eq!(limiter.take(other, 0, rate, start), Ok(()));
        assert_eq!(limiter.take(one, 0, rate, start + Duration::from_secs(2)), Ok(()));
        assert_eq!(limiter.take(one, 0, rate, start + Duration::from_secs(2)), Err(2));
    }

    #[test]
    fn an_ipv6_network_counts_once() {
        let of = |text: &str| household(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:10.0.0.1"), of("10.0.0.1"));
    }

    #[test]
    fn only_pages_of_the_same_origin_and_programs_do_something() {
        let headers = |pairs: &[(&'static str, &'static str)]| {
            pairs.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect()
        };
        let own = [("x-tributary", "1"), ("host", "h:1"), ("origin", "http://h:1"), ("sec-fetch-site", "same-origin")];
        assert!(foreign(&headers(&own)).is_none());
        assert!(foreign(&headers(&own[..1])).is_none());
        assert!(foreign(&headers(&own[1..])).is_some());
        for other in [("origin", "http://evil"), ("origin", "null"), ("sec-fetch-site", "cross-site")] {
            assert!(foreign(&headers(&[own[0], own[1], other])).is_some(), "{other:?}");
        }
    }

    #[test]
    fn the_policy_names_the_node_and_nothing_of_its_address_breaks_out() {
        let policy = policy("wss://node.example:9944/x;script-src *");
        assert!(policy.contains("connect-src 'self' wss://node.example:9944;"), "{policy}");
        assert_eq!(policy.matches("script-src").count(), 1);
        assert!(!policy.contains("unsafe-eval"));
    }
}
