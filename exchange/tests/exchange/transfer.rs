//! Blobs arrive whole, over both transports, and transfers resume.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};

use tokio::sync::Notify;
use tributary_exchange::{FetchError, FetchRequest, NodeError, Progress, ProviderFault, wire};

use crate::{
    chain::Chain,
    hostile::{Evil, hostile},
    support::*,
};

async fn arrives_whole(transport: Transport) {
    let chain = Chain::new();
    let reader = reader().await;
    let sizes = [0, 1, GROUP - 1, GROUP, GROUP + 1, 5 * GROUP, 64 * GROUP + 77, 300 * GROUP];
    for (seed, size) in sizes.into_iter().enumerate() {
        let bytes = sample(size, seed as u8);
        let (provider, blob) = provider_of(&chain, transport, &bytes).await;
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&seen);
        let fetched = reader
            .node
            .fetch(&provider.addresses(), request(blob), move |progress| sink.lock().unwrap().push(progress))
            .await
            .unwrap();
        assert_eq!((fetched.bytes, fetched.resumed), (size, 0));
        assert!(fetched.faults.is_empty());
        assert_eq!(reader.store().read(&blob).unwrap(), bytes);

        let seen = std::mem::take(&mut *seen.lock().unwrap());
        assert_eq!(seen.last(), Some(&Progress { verified: size, total: size }));
        assert!(seen.is_sorted_by_key(|progress| progress.verified));
        provider.node.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn arrives_whole_over_tcp() {
    arrives_whole(Transport::Tcp).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn arrives_whole_over_quic() {
    arrives_whole(Transport::Quic).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_node_serves_and_fetches() {
    let chain = Chain::new();
    let (first, blob) = provider_of(&chain, Transport::Tcp, &sample(20 * GROUP, 1)).await;
    let folder = tempfile::tempdir().unwrap();
    let store = tributary_exchange::Store::open(folder.path(), QUOTA).unwrap();
    let middle = reader_with(store, |config| {
        config.listen = vec![Transport::Quic.any_port()];
        config.grants = Some(chain.clone());
    })
    .await;
    middle.fetch(&first.addresses(), request(blob), |_| ()).await.unwrap();
    first.node.shutdown().await;

    let last = reader().await;
    fetch(&last, &middle.addresses(), blob).await.unwrap();
    assert!(last.store().contains(&blob).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn complete_blob_is_not_fetched_again() {
    let chain = Chain::new();
    let (provider, blob) = provider_of(&chain, Transport::Tcp, &sample(3 * GROUP, 1)).await;
    let reader = reader().await;
    fetch(&reader, &provider.addresses(), blob).await.unwrap();
    let again = fetch(&reader, &[], blob).await.unwrap();
    assert_eq!((again.received, again.resumed), (0, 3 * GROUP));
}

#[tokio::test(flavor = "multi_thread")]
async fn interrupted_fetch_resumes_with_what_is_missing() {
    let chain = Chain::new();
    let bytes = sample(256 * GROUP, 2);
    let (provider, blob) = provider_of(&chain, Transport::Tcp, &bytes).await;
    let (vanishing, _peer) = hostile(&bytes, Evil::VanishAfter(40)).await;
    let reader = impatient_reader().await;
    let error = fetch(&reader, &[vanishing], blob).await.unwrap_err();
    let FetchError::AllFailed { verified, .. } = error else { panic!("{error}") };
    let kept = reader.store().partial(&blob).unwrap().unwrap();
    assert_eq!(kept.verified, verified);
    assert!(verified > 0 && verified < kept.bytes, "{verified}");

    let fetched = fetch(&reader, &provider.addresses(), blob).await.unwrap();
    assert_eq!(fetched.resumed, verified);
    // The missing groups once, and hash pairs: fewer than two per group.
    let groups_missing = (kept.bytes - verified) / GROUP;
    assert!(fetched.received >= groups_missing * GROUP);
    assert!(fetched.received < groups_missing * (GROUP + 128), "{}", fetched.received);
    assert_eq!(reader.store().read(&blob).unwrap(), bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn dropped_fetch_keeps_what_it_verified() {
    let chain = Chain::new();
    let bytes = sample(1024 * GROUP, 3);
    let (provider, blob) = provider_of(&chain, Transport::Quic, &bytes).await;
    let reader = reader().await;
    let (reached, enough) = (Arc::new(AtomicU64::new(0)), Arc::new(Notify::new()));
    let (high, notify) = (Arc::clone(&reached), Arc::clone(&enough));
    {
        let addresses = provider.addresses();
        let fetch = reader.node.fetch(&addresses, request(blob), move |progress| {
            high.fetch_max(progress.verified, Ordering::SeqCst);
            if progress.verified >= 50 * GROUP {
                notify.notify_one();
            }
        });
        tokio::select! {
            biased;
            () = enough.notified() => {}
            outcome = fetch => { outcome.unwrap(); }
        }
    }
    let fetched = fetch(&reader, &provider.addresses(), blob).await.unwrap();
    assert_eq!(fetched.resumed, reached.load(Ordering::SeqCst));
    assert!(fetched.resumed >= 50 * GROUP);
    assert_eq!(reader.store().read(&blob).unwrap(), bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_fetches_of_a_blob_download_it_once() {
    let chain = Chain::new();
    let bytes = sample(200 * GROUP, 4);
    let (provider, blob) = provider_of(&chain, Transport::Tcp, &bytes).await;
    let reader = reader().await;
    let addresses = provider.addresses();
    let (one, two) = tokio::join!(fetch(&reader, &addresses, blob), fetch(&reader, &addresses, blob));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!(one.bytes, two.bytes);
    let frames = provider.node.provider_stats().unwrap().frames;
    // 200 groups, and the last one twice if both proved the size.
    assert!((200..=202).contains(&frames), "{frames}");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_blobs_at_once_from_one_provider() {
    let chain = Chain::new();
    let provider = provider(&chain, Transport::Tcp).await;
    let blobs: Vec<_> =
        (0..24).map(|seed| provider.store().import_bytes(&sample(9 * GROUP, seed)).unwrap().hash).collect();
    for blob in &blobs {
        chain.grant(account(), SCOPE, *blob);
    }
    let reader = reader().await;
    let addresses = provider.addresses();
    let fetches = blobs.chunks(6).map(|some| {
        let (reader, addresses) = (&reader, &addresses);
        async move {
            for blob in some {
                fetch(reader, addresses, *blob).await.unwrap();
            }
        }
    });
    futures::future::join_all(fetches).await;
    assert_eq!(reader.store().list().unwrap().len(), blobs.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_provider_ends_transfers_and_says_so() {
    let chain = Chain::new();
    let (provider, blob) = provider_of(&chain, Transport::Tcp, &sample(2048 * GROUP, 5)).await;
    let mut raw = RawPeer::connect(provider.address()).await;
    let id = provider.node.peer_id();
    let mut stream = raw.open(id).await;
    let answer = RawPeer::handshake(&mut stream, raw.claim(id, blob), |_| ()).await;
    assert!(matches!(answer, wire::ProviderMessage::Granted { .. }), "{answer:?}");
    let ranges = vec![tributary_exchange::GroupRange { start: 0, end: 2048 }].try_into().unwrap();
    wire::send(&mut stream, &wire::ReaderMessage::Want { ranges }).await.unwrap();
    let _first: Option<wire::ProviderMessage> = wire::receive(&mut stream).await.unwrap();
    let stopping = tokio::spawn({
        let node = provider.node.clone();
        async move { node.shutdown().await }
    });
    let end = loop {
        match wire::receive(&mut stream).await.unwrap().unwrap() {
            wire::ProviderMessage::Data(_) => {}
            other => break other,
        }
    };
    assert_eq!(end, wire::ProviderMessage::End(wire::EndReason::Stopping));
    stopping.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_reader_ends_its_fetches() {
    let bytes = sample(50 * GROUP, 6);
    let blob = *blake3::hash(&bytes).as_bytes();
    let (silent, _peer) = hostile(&bytes, Evil::StallAfter(10)).await;
    let reader = reader().await;
    let fetch = tokio::spawn({
        let node = reader.node.clone();
        async move { node.fetch(&[silent], request(blob), |_| ()).await }
    });
    while reader.store().partial(&blob).unwrap().is_none() {
        tokio::task::yield_now().await;
    }
    reader.node.shutdown().await;
    assert!(matches!(fetch.await.unwrap(), Err(FetchError::Stopping)));
}

#[tokio::test(flavor = "multi_thread")]
async fn size_from_the_manifest_is_held_against_the_provider() {
    let chain = Chain::new();
    let (provider, blob) = provider_of(&chain, Transport::Tcp, &sample(3 * GROUP, 1)).await;
    let reader = reader().await;
    let wrong = FetchRequest { bytes: Some(GROUP), ..request(blob) };
    let error = reader.node.fetch(&provider.addresses(), wrong, |_| ()).await.unwrap_err();
    let FetchError::AllFailed { faults, .. } = error else { panic!("{error}") };
    assert!(
        matches!(faults[0].1, ProviderFault::WrongSize { claimed, known } if claimed == 3 * GROUP && known == GROUP)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn taken_port_and_missing_reader_are_said_clearly() {
    let chain = Chain::new();
    let (first, blob) = provider_of(&chain, Transport::Tcp, b"x").await;
    let mut taken = first.address();
    taken.pop();
    let folder = tempfile::tempdir().unwrap();
    let store = tributary_exchange::Store::open(folder.path(), QUOTA).unwrap();
    let mut config = tributary_exchange::NodeConfig::new(tributary_exchange::Identity::Ephemeral, store);
    config.listen = vec![taken];
    let error = tributary_exchange::Node::spawn(config).await.err().unwrap();
    assert!(matches!(error, NodeError::Listen { .. }), "{error}");
    let error = first.node.fetch(&[], request(blob), |_| ()).await.unwrap_err();
    assert!(matches!(error, FetchError::NoReader), "{error}");
}
