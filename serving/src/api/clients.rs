//! How much one client may ask for at the same time.

use super::error::ApiError;
use crate::door::Credentials;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// By what clients are told apart: their key, else their voucher's channel is not known yet, so their address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Client {
    /// BLAKE3 of the key: keys themselves are kept nowhere.
    Key([u8; 32]),
    Address(Option<IpAddr>),
}

/// Requests in progress.
#[derive(Clone, Default)]
pub(super) struct Clients(Arc<Mutex<Counts>>);

#[derive(Default)]
struct Counts {
    all: usize,
    of: HashMap<Client, usize>,
}

/// A place among the requests in progress, until it is dropped.
pub(super) struct Place {
    clients: Clients,
    client: Client,
}

impl Clients {
    /// A place for one more request.
    ///
    /// Errors: the client, or all together, have as many as they may.
    pub fn enter(
        &self,
        credentials: &Credentials,
        address: Option<IpAddr>,
        of_one_max: usize,
        all_max: usize,
    ) -> Result<Place, ApiError> {
        let client = match &credentials.bearer {
            Some(key) => Client::Key(*blake3::hash(key.as_bytes()).as_bytes()),
            None => Client::Address(address),
        };
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let own = counts.of.get(&client).copied().unwrap_or(0);
        if own >= of_one_max {
            let message =
                format!("{own} requests of this client are in progress already, which is the most; hint: wait");
            return Err(ApiError::limited("too_many_concurrent_requests", message));
        }
        if counts.all >= all_max {
            let message = format!("{} requests are in progress, which is the most; hint: try again later", counts.all);
            return Err(ApiError::limited("server_busy", message));
        }
        counts.all += 1;
        counts.of.insert(client, own + 1);
        Ok(Place { clients: self.clone(), client })
    }

    /// Requests in progress.
    pub fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).all
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.clients.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.all = counts.all.saturating_sub(1);
        if let Some(own) = counts.of.get_mut(&self.client) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                counts.of.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_limited_for_each_and_for_all_and_come_back() {
        let clients = Clients::default();
        let key = |key: &str| Credentials { bearer: Some(key.into()), voucher: None };
        let enter = |credentials: &Credentials| clients.enter(credentials, None, 2, 3);
        let first = enter(&key("a")).unwrap();
        let _second = enter(&key("a")).unwrap();
        assert!(enter(&key("a")).is_err());
        let _third = enter(&Credentials::default()).unwrap();
        assert!(enter(&key("b")).is_err(), "all places are taken");
        drop(first);
        assert!(enter(&key("a")).is_ok());
        assert_eq!(clients.count(), 2);
    }
}
