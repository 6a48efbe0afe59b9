//! Who is let in, what the others learn, and what revocation stops.

use std::{sync::Arc, time::Duration};

use futures::AsyncReadExt;
use libp2p::PeerId;
use tributary_exchange::{
    AccountSigner, FetchError, GroupRange, ProviderFault, ProviderLimits, ReadClaim, Reader, Scope, Sr25519Signer,
    wire::{self, EndReason, ProviderMessage, ReaderMessage},
};

use crate::{chain::Chain, support::*};

/// A change to the claim that is signed.
type Tamper = fn(&mut ReadClaim);

/// All that a refused reader gets after its proof.
async fn bytes_after_proof(node: &TestNode, claim: ReadClaim, raw: &mut RawPeer) -> Vec<u8> {
    let mut stream = raw.open(node.node.peer_id()).await;
    let provider_nonce = RawPeer::hello(&mut stream, &claim).await;
    let signature = signer().sign(&ReadClaim { provider_nonce, ..claim }.message());
    wire::send(&mut stream, &ReaderMessage::Proof { signature }).await.unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn absent_and_forbidden_are_the_same() {
    let chain = Chain::new();
    let node = provider(&chain, Transport::Tcp).await;
    let id = node.node.peer_id();
    let forbidden = node.store().import_bytes(&sample(GROUP, 1)).unwrap().hash;
    let absent = [0xaa; 32];
    let permitted_but_absent = [0xbb; 32];
    chain.grant(account(), SCOPE, permitted_but_absent);

    let mut raw = RawPeer::connect(node.address()).await;
    let mut answers = Vec::new();
    for blob in [forbidden, absent, permitted_but_absent] {
        let asked = chain.times_asked();
        let bytes = bytes_after_proof(&node, raw.claim(id, blob), &mut raw).await;
        answers.push((bytes, chain.times_asked() - asked));
    }
    let refused = (wire::encode_frame(&ProviderMessage::Refused), 1);
    assert_eq!(answers, vec![refused; 3]);
    assert_eq!(node.node.provider_stats().unwrap().refused, 3);

    let reader = reader().await;
    for blob in [forbidden, absent] {
        let error = fetch(&reader, &node.addresses(), blob).await.unwrap_err();
        assert!(error.is_access_denied(), "{error}");
        assert_eq!(reader.store().partial(&blob).unwrap(), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn grant_is_for_one_account_scope_and_blob() {
    let chain = Chain::new();
    let (node, blob) = provider_of(&chain, Transport::Tcp, &sample(2 * GROUP, 1)).await;
    let reader = reader().await;
    let other_scope = tributary_exchange::FetchRequest { scope: Scope::Bundle { job: 3 }, ..request(blob) };
    let error = reader.node.fetch(&node.addresses(), other_scope, |_| ()).await.unwrap_err();
    assert!(error.is_access_denied(), "{error}");

    let folder = tempfile::tempdir().unwrap();
    let store = tributary_exchange::Store::open(folder.path(), QUOTA).unwrap();
    let stranger = reader_with(store, |config| {
        let signer = Arc::new(Sr25519Signer::from_seed(&[99; 32]));
        config.reader = Some(Reader { signer, genesis: crate::chain::GENESIS });
    })
    .await;
    let error = stranger.fetch(&node.addresses(), request(blob), |_| ()).await.unwrap_err();
    assert!(error.is_access_denied(), "{error}");
    fetch(&reader, &node.addresses(), blob).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn proof_for_another_handshake_is_refused() {
    let chain = Chain::new();
    let (node, blob) = provider_of(&chain, Transport::Tcp, &sample(2 * GROUP, 1)).await;
    let id = node.node.peer_id();
    let mut raw = RawPeer::connect(node.address()).await;
    let claim = raw.claim(id, blob);

    let tampers: [(&str, Tamper); 6] = [
        ("another reader's peer", |claim| claim.reader = PeerId::random()),
        ("another provider's peer", |claim| claim.provider = PeerId::random()),
        ("another chain", |claim| claim.genesis = [0; 32]),
        ("an old provider nonce", |claim| claim.provider_nonce = [1; 32]),
        ("another scope", |claim| claim.scope = Scope::Bundle { job: 1 }),
        ("another blob", |claim| claim.blob = [1; 32]),
    ];
    for (what, tamper) in tampers {
        let mut stream = raw.open(id).await;
        let answer = RawPeer::handshake(&mut stream, claim, tamper).await;
        assert_eq!(answer, ProviderMessage::Refused, "{what}");
    }
    let mut stream = raw.open(id).await;
    let answer = RawPeer::handshake(&mut stream, claim, |_| ()).await;
    assert_eq!(answer, ProviderMessage::Granted { bytes: 2 * GROUP });

    // The same words, recorded and said again by another peer to the same provider.
    let mut first = raw.open(id).await;
    let nonce = RawPeer::hello(&mut first, &claim).await;
    let signature = signer().sign(&ReadClaim { provider_nonce: nonce, ..claim }.message());
    let mut thief = RawPeer::connect(node.address()).await;
    let mut second = thief.open(id).await;
    RawPeer::hello(&mut second, &claim).await;
    wire::send(&mut second, &ReaderMessage::Proof { signature }).await.unwrap();
    let answer = wire::receive(&mut second).await.unwrap();
    assert_eq!(answer, Some(ProviderMessage::Refused));
}

#[tokio::test(flavor = "multi_thread")]
async fn reader_on_another_chain_is_refused() {
    let chain = Chain::new();
    let (node, blob) = provider_of(&chain, Transport::Quic, &sample(GROUP, 1)).await;
    let folder = tempfile::tempdir().unwrap();
    let store = tributary_exchange::Store::open(folder.path(), QUOTA).unwrap();
    let elsewhere = reader_with(store, |config| {
        config.reader = Some(Reader { signer: signer(), genesis: [0x43; 32] });
    })
    .await;
    let error = elsewhere.fetch(&node.addresses(), request(blob), |_| ()).await.unwrap_err();
    assert!(error.is_access_denied(), "{error}");
}

/// Starts a transfer of 2048 groups by hand, and reads the first frame of it.
async fn begin_transfer(node: &TestNode, raw: &mut RawPeer, blob: [u8; 32]) -> libp2p::Stream {
    let id = node.node.peer_id();
    let mut stream = raw.open(id).await;
    let answer = RawPeer::handshake(&mut stream, raw.claim(id, blob), |_| ()).await;
    assert!(matches!(answer, ProviderMessage::Granted { .. }), "{answer:?}");
    let ranges = vec![GroupRange { start: 0, end: 2048 }].try_into().unwrap();
    wire::send(&mut stream, &ReaderMessage::Want { ranges }).await.unwrap();
    let first = wire::receive(&mut stream).await.unwrap();
    assert!(matches!(first, Some(ProviderMessage::Data(_))), "{first:?}");
    stream
}

async fn read_to_the_end(stream: &mut libp2p::Stream) -> ProviderMessage {
    loop {
        match wire::receive(stream).await.unwrap().unwrap() {
            ProviderMessage::Data(_) => {}
            other => return other,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn revoked_grant_stops_the_transfer_at_the_next_group() {
    for transport in [Transport::Tcp, Transport::Quic] {
        let chain = Chain::new();
        let (node, blob) = provider_of(&chain, Transport::Tcp, &sample(2048 * GROUP, 1)).await;
        let mut raw = RawPeer::connect(node.address()).await;
        let mut stream = begin_transfer(&node, &mut raw, blob).await;
        chain.revoke(account(), SCOPE, blob);
        let frames = node.node.provider_stats().unwrap().frames;
        let end = read_to_the_end(&mut stream).await;
        assert_eq!(end, ProviderMessage::End(EndReason::Revoked));
        let stats = node.node.provider_stats().unwrap();
        // One frame may have passed the check and not been counted when the block came.
        assert!(stats.frames <= frames + 1, "{} after {frames}", stats.frames);
        assert_eq!(stats.revoked, 1);

        // The same through a node: the partial blob is kept, and goes on once there is a grant again.
        let (node, blob) = provider_of(&chain, transport, &sample(2048 * GROUP, 2)).await;
        let reader = reader().await;
        let revoker = Arc::clone(&chain);
        let outcome = reader
            .node
            .fetch(&node.addresses(), request(blob), move |progress| {
                if progress.verified >= 10 * GROUP {
                    revoker.revoke(account(), SCOPE, blob);
                }
            })
            .await;
        let error = outcome.unwrap_err();
        assert!(error.is_access_denied(), "{error}");
        let FetchError::AllFailed { faults, verified, .. } = error else { unreachable!() };
        assert!(matches!(faults[0].1, ProviderFault::Revoked), "{faults:?}");
        assert!((10 * GROUP..2048 * GROUP).contains(&verified), "{verified}");
        assert!(fetch(&reader, &node.addresses(), blob).await.unwrap_err().is_access_denied());

        chain.grant(account(), SCOPE, blob);
        let fetched = fetch(&reader, &node.addresses(), blob).await.unwrap();
        assert_eq!(fetched.resumed, verified);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn grant_that_holds_is_asked_for_again_at_each_block() {
    let chain = Chain::new();
    let (node, blob) = provider_of(&chain, Transport::Tcp, &sample(2048 * GROUP, 1)).await;
    let mut raw = RawPeer::connect(node.address()).await;
    let mut stream = begin_transfer(&node, &mut raw, blob).await;
    let asked = chain.times_asked();
    chain.finalise();
    assert_eq!(read_to_the_end(&mut stream).await, ProviderMessage::End(EndReason::Complete));
    assert_eq!(chain.times_asked(), asked + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn provider_that_cannot_ask_stops() {
    let chain = Chain::new();
    let (node, blob) = provider_of(&chain, Transport::Tcp, &sample(2048 * GROUP, 1)).await;
    let mut raw = RawPeer::connect(node.address()).await;
    let mut stream = begin_transfer(&node, &mut raw, blob).await;
    chain.set_down(true);
    chain.finalise();
    assert_eq!(read_to_the_end(&mut stream).await, ProviderMessage::End(EndReason::Failed));

    let reader = reader().await;
    assert!(fetch(&reader, &node.addresses(), blob).await.unwrap_err().is_access_denied());
    chain.set_down(false);
    fetch(&reader, &node.addresses(), blob).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_per_peer_are_limited() {
    let chain = Chain::new();
    let limits = ProviderLimits { streams_per_peer: 2, ..ProviderLimits::default() };
    let node = provider_with(&chain, Transport::Tcp, limits).await;
    let blob = node.store().import_bytes(b"blob").unwrap().hash;
    chain.grant(account(), SCOPE, blob);
    let id = node.node.peer_id();
    let mut raw = RawPeer::connect(node.address()).await;
    let claim = raw.claim(id, blob);
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut stream = raw.open(id).await;
        RawPeer::hello(&mut stream, &claim).await;
        held.push(stream);
    }
    let mut third = raw.open(id).await;
    assert_eq!(wire::receive(&mut third).await.unwrap(), Some(ProviderMessage::Busy));
    // Another peer still finds room.
    let reader = reader().await;
    fetch(&reader, &node.addresses(), blob).await.unwrap();
    assert_eq!(node.node.provider_stats().unwrap().busy, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_and_rude_readers_are_cut() {
    let chain = Chain::new();
    let limits = ProviderLimits {
        handshake_timeout: Duration::from_millis(200),
        idle_timeout: Duration::from_millis(200),
        ..ProviderLimits::default()
    };
    let node = provider_with(&chain, Transport::Tcp, limits).await;
    let blob = node.store().import_bytes(&sample(3 * GROUP, 1)).unwrap().hash;
    chain.grant(account(), SCOPE, blob);
    let id = node.node.peer_id();
    let mut raw = RawPeer::connect(node.address()).await;

    // Says nothing at all: the streams are opened with the first bytes, so it says half a frame.
    let mut silent = raw.open(id).await;
    futures::AsyncWriteExt::write_all(&mut silent, &[1]).await.unwrap();
    futures::AsyncWriteExt::flush(&mut silent).await.unwrap();
    assert!(wire::receive::<ProviderMessage>(&mut silent).await.is_ok_and(|end| end.is_none()));

    // Says that a frame of 4 GiB follows.
    let mut boasting = raw.open(id).await;
    futures::AsyncWriteExt::write_all(&mut boasting, &[0xff; 64]).await.unwrap();
    futures::AsyncWriteExt::flush(&mut boasting).await.unwrap();
    assert!(!matches!(wire::receive::<ProviderMessage>(&mut boasting).await, Ok(Some(_))));

    // Asks for what is not there, or for nothing after the handshake.
    for ranges in [vec![GroupRange { start: 0, end: 4 }], vec![GroupRange { start: 1, end: 1 }], vec![]] {
        let mut stream = raw.open(id).await;
        let answer = RawPeer::handshake(&mut stream, raw.claim(id, blob), |_| ()).await;
        assert!(matches!(answer, ProviderMessage::Granted { .. }), "{answer:?}");
        let ranges = ranges.try_into().unwrap();
        wire::send(&mut stream, &ReaderMessage::Want { ranges }).await.unwrap();
        assert!(!matches!(wire::receive::<ProviderMessage>(&mut stream).await, Ok(Some(_))));
    }
    let mut idle = raw.open(id).await;
    RawPeer::handshake(&mut idle, raw.claim(id, blob), |_| ()).await;
    assert!(!matches!(wire::receive::<ProviderMessage>(&mut idle).await, Ok(Some(_))));

    let mut again = raw.open(id).await;
    let answer = RawPeer::handshake(&mut again, raw.claim(id, blob), |_| ()).await;
    assert!(matches!(answer, ProviderMessage::Granted { .. }), "it still serves: {answer:?}");
}
