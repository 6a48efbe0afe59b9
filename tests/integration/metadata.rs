//! The metadata that the client pins is that of this repository's runtime.

#[test]
fn the_pinned_metadata_is_the_runtimes() {
    let current = tributary_runtime::Runtime::metadata_at_version(15).unwrap();
    assert!(
        tributary_client::PINNED_METADATA == &current[..],
        "client/metadata.scale is out of date; hint: scripts/metadata"
    );
}
