//! The chain's runtime as its metadata describes it, and the check that it is the one this program was built for.

use crate::{
    call::{Call, UnknownCall},
    error::Failure,
    events::{BlockEvent, Event, EventsUnreadable},
    head::{BlockHash, Head},
    keys::Keypair,
};
use codec::Decode;
use std::sync::LazyLock;
use subxt::{
    Metadata, OfflineClient, OfflineClientAtBlock, SubstrateConfig,
    config::{DefaultExtrinsicParamsBuilder, substrate::SpecVersionForRange},
    error::{DispatchError, ExtrinsicError},
    events::Phase,
    ext::scale_value::Value,
    storage,
};

/// The metadata of the runtime that this program was built for, as `client/metadata.scale` holds it.
pub const PINNED_METADATA: &[u8] = include_bytes!("../metadata.scale");

/// The pallets whose calls this crate builds and whose events it reads.
pub const PALLETS: [&str; 6] = ["Datanets", "Grants", "Models", "Jobs", "Attribution", "Channels"];

/// The runtime APIs that this crate reads through.
pub const RUNTIME_APIS: [&str; 6] =
    ["DatanetsApi", "GrantsApi", "JobsApi", "ModelsApi", "AttributionApi", "ChannelsApi"];

/// The metadata version in which the pinned file is written: the byte after the magic number.
/// The chain's is asked for in the same one, so that the two can be compared.
pub(crate) fn pinned_metadata_version() -> u32 {
    PINNED_METADATA.get(4).copied().map_or(15, u32::from)
}

/// The pinned metadata, decoded once.
pub(crate) fn pinned() -> &'static Metadata {
    static PINNED: LazyLock<Metadata> = LazyLock::new(decode_pinned);
    &PINNED
}

pub(crate) fn decode_pinned() -> Metadata {
    Metadata::decode_from(PINNED_METADATA).expect("tests decode the pinned metadata")
}

/// Everything that the pinned metadata has of our pallets and APIs and `live` has not, or has otherwise:
/// calls, events and runtime functions by name. Empty if this program and the chain fit.
///
/// Shapes are compared (names and types of arguments), not documentation, weights or the numbers of pallets. A runtime
/// that only adds calls fits.
pub fn check_compatible(pinned: &Metadata, live: &Metadata) -> Vec<String> {
    let mut differences = Vec::new();
    for name in PALLETS {
        let Some(ours) = pinned.pallet_by_name(name) else { continue };
        let Some(theirs) = live.pallet_by_name(name) else {
            differences.push(format!("pallet {name} is absent"));
            continue;
        };
        for call in ours.call_variants().unwrap_or_default() {
            if ours.call_hash(&call.name) != theirs.call_hash(&call.name) {
                differences.push(format!("call {name}.{}", call.name));
            }
        }
        for event in ours.event_variants().unwrap_or_default() {
            let same =
                theirs.event_variants().unwrap_or_default().iter().find(|other| other.name == event.name).is_some_and(
                    |other| {
                        let hashes = |metadata: &Metadata, fields: &[_]| -> Vec<_> {
                            fields
                                .iter()
                                .map(|field: &scale_info::Field<scale_info::form::PortableForm>| {
                                    (field.name.clone(), metadata.type_hash(field.ty.id))
                                })
                                .collect()
                        };
                        hashes(pinned, &event.fields) == hashes(live, &other.fields)
                    },
                );
            if !same {
                differences.push(format!("event {name}.{}", event.name));
            }
        }
    }
    for name in RUNTIME_APIS {
        let Some(ours) = pinned.runtime_api_trait_by_name(name) else { continue };
        for method in ours.methods() {
            let theirs =
                live.runtime_api_trait_by_name(name).and_then(|api| Some(api.method_by_name(method.name())?.hash()));
            if theirs != Some(method.hash()) {
                differences.push(format!("runtime function {name}.{}", method.name()));
            }
        }
    }
    differences
}

/// One version of the chain's runtime.
#[derive(Debug)]
pub(crate) struct Runtime {
    client: OfflineClientAtBlock<SubstrateConfig>,
}

/// Why a call could not be signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The chain has no such call.
    #[error(transparent)]
    UnknownCall(#[from] UnknownCall),
    /// The chain wants something in a transaction that this program does not know.
    #[error(
        "the transaction cannot be built: {0}\nhint: the chain's runtime may be of another version than this program"
    )]
    Build(#[source] Box<ExtrinsicError>),
}

impl Runtime {
    pub(crate) fn new(genesis: BlockHash, spec_version: u32, transaction_version: u32, metadata: Metadata) -> Self {
        let config = SubstrateConfig::builder()
            .set_genesis_hash(genesis)
            .set_metadata_for_spec_versions([(spec_version, metadata.arc())])
            .set_spec_version_for_block_ranges([SpecVersionForRange {
                block_range: 0..u64::MAX,
                spec_version,
                transaction_version,
            }])
            .build();
        let client = OfflineClient::new_with_config(config)
            .at_block(0u64)
            .expect("the configuration has a version and its metadata for every block");
        Self { client }
    }

    pub(crate) fn metadata(&self) -> &Metadata {
        self.client.metadata_ref()
    }

    pub(crate) fn spec_version(&self) -> u32 {
        self.client.spec_version()
    }

    /// Signs `call`, valid in the `period` blocks that follow `birth`. The bytes are what a node takes and a block shows.
    pub(crate) fn sign(
        &self,
        key: &Keypair,
        call: &Call,
        nonce: u64,
        birth: Head,
        period: u32,
    ) -> Result<Vec<u8>, SignError> {
        let call = call.resolve(self.metadata())?;
        let params = DefaultExtrinsicParamsBuilder::<SubstrateConfig>::new()
            .nonce(nonce)
            .mortal_from_unchecked(period.into(), birth.number.into(), birth.hash)
            .build();
        let build = |error| SignError::Build(Box::new(error));
        let transactions = self.client.transactions();
        let mut signable = transactions.create_signable_offline(&call, params).map_err(build)?;
        Ok(signable.sign(key.signer()).map_err(build)?.into_encoded())
    }

    /// The storage key of `pallet.entry` for `keys`, or `None` if this runtime has no such entry.
    pub(crate) fn storage_key(&self, pallet: &str, entry: &str, keys: Vec<Value>) -> Option<Vec<u8>> {
        let address = storage::dynamic::<Vec<Value>, Value>(pallet, entry);
        let storage = self.client.storage();
        storage.entry(address).ok()?.fetch_key(keys).ok()
    }

    /// The events of a block, as its state keeps them.
    pub(crate) fn events(&self, bytes: Vec<u8>) -> Result<Vec<BlockEvent>, EventsUnreadable> {
        let mut events = Vec::new();
        for event in self.client.events().from_bytes(bytes).iter() {
            let event = event.map_err(|error| EventsUnreadable { reason: error.to_string() })?;
            events.push(BlockEvent {
                transaction: match event.phase() {
                    Phase::ApplyExtrinsic(index) => Some(index),
                    Phase::Initialization | Phase::Finalization => None,
                },
                event: Event {
                    pallet: event.pallet_name().to_owned(),
                    name: event.event_name().to_owned(),
                    fields: event.field_bytes().to_vec(),
                },
            });
        }
        Ok(events)
    }

    /// Why the transaction with these events did nothing, or `None` if it did what it should.
    /// Looks into `sudo` too, which reports success whatever the inner call does.
    pub(crate) fn failure(&self, events: &[Event]) -> Option<Failure> {
        events.iter().find_map(|event| match (event.pallet.as_str(), event.name.as_str()) {
            ("System", "ExtrinsicFailed") => Some(self.explain(&event.fields)),
            ("Sudo", "Sudid" | "SudoAsDone") => match event.fields.split_first() {
                Some((1, error)) => Some(self.explain(error)),
                _ => None,
            },
            _ => None,
        })
    }

    /// Names a dispatch error, at the start of `bytes`, in the words of the pallet that made it.
    fn explain(&self, bytes: &[u8]) -> Failure {
        // A dispatch error is one byte, except for its variants 3 (module: 5 more) and 7 to 9 (1 more): what follows it in
        // an event must not be mistaken for a part of it.
        let length = match bytes.first() {
            Some(3) => 6,
            Some(7..=9) => 2,
            _ => 1,
        };
        let error = bytes.get(..length).unwrap_or(bytes);
        match DispatchError::decode_from(error, self.client.metadata()) {
            Ok(DispatchError::Module(error)) => match error.details() {
                Ok(details) => Failure::Pallet {
                    pallet: details.pallet.name().to_owned(),
                    fact: details.variant.name.clone(),
                    meaning: sentence(&details.variant.docs),
                },
                Err(unknown) => Failure::Runtime(unknown.to_string()),
            },
            Ok(other) => Failure::Runtime(other.to_string()),
            Err(error) => Failure::Runtime(format!("an error that cannot be read: {error}")),
        }
    }

    /// The names of a hold's reason: its pallet, and its name in the pallet.
    pub(crate) fn hold_reason(&self, id: [u8; 2]) -> Option<(String, String)> {
        let types = self.metadata().types();
        let reasons = types
            .types
            .iter()
            .find(|entry| entry.ty.path.segments.last().is_some_and(|name| name == "RuntimeHoldReason"))?;
        let variants = |definition: &scale_info::TypeDef<scale_info::form::PortableForm>, index: u8| match definition {
            scale_info::TypeDef::Variant(variants) => variants.variants.iter().find(|v| v.index == index).cloned(),
            _ => None,
        };
        let [pallet, reason] = id;
        let pallet = variants(&reasons.ty.type_def, pallet)?;
        let inner = types.resolve(pallet.fields.first()?.ty.id)?;
        Some((pallet.name, variants(&inner.type_def, reason)?.name))
    }
}

/// Documentation lines as one sentence without its full stop.
fn sentence(lines: &[String]) -> String {
    let text = lines.iter().map(|line| line.trim()).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
    text.strip_suffix('.').unwrap_or(&text).to_owned()
}

/// The answer to `Metadata_metadata_at_version`.
pub(crate) fn decode_metadata(answer: &[u8]) -> Result<Metadata, String> {
    let bytes = Option::<Vec<u8>>::decode(&mut &*answer)
        .map_err(|error| error.to_string())?
        .ok_or_else(|| format!("the chain has no metadata of version {}", pinned_metadata_version()))?;
    Metadata::decode_from(&bytes).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use codec::Encode;

    fn runtime() -> Runtime {
        Runtime::new(BlockHash::repeat_byte(1), 1, 1, decode_pinned())
    }

    #[test]
    fn pinned_metadata_has_all_that_this_crate_uses() {
        for name in PALLETS {
            assert!(pinned().pallet_by_name(name).is_some(), "{name}");
        }
        for name in RUNTIME_APIS {
            assert!(pinned().runtime_api_trait_by_name(name).is_some(), "{name}");
        }
        assert_eq!(check_compatible(pinned(), pinned()), Vec::<String>::new());
    }

    #[test]
    fn every_storage_entry_this_crate_reads_has_a_key() {
        let account = || vec![Value::from_bytes([7u8; 32])];
        let key = runtime().storage_key("System", "Account", account()).unwrap();
        // Two 16-byte names, then Blake2_128Concat of the account.
        assert_eq!(key.len(), 32 + 16 + 32);
        assert!(key.ends_with(&[7; 32]));
        assert!(runtime().storage_key("Balances", "Holds", account()).is_some());
        assert!(runtime().storage_key("Balances", "TotalIssuance", Vec::new()).is_some());
        assert!(runtime().storage_key("System", "Events", Vec::new()).is_some());
        assert!(runtime().storage_key("System", "Nothing", Vec::new()).is_none());
    }

    #[test]
    fn a_pallets_error_is_told_in_its_own_words() {
        let grants = pinned().pallet_by_name("Grants").unwrap();
        let variant = grants.error_variants().unwrap().first().unwrap();
        let error = (3u8, grants.error_index(), [variant.index, 0, 0, 0]).encode();
        let event =
            |pallet: &str, name: &str, fields: Vec<u8>| Event { pallet: pallet.into(), name: name.into(), fields };
        // A failed transaction's event goes on with the weight used; sudo's result is wrapped in `Err`.
        let failed = event("System", "ExtrinsicFailed", [error.clone(), vec![0x11; 5]].concat());
        let sudid = event("Sudo", "Sudid", [vec![1], error].concat());
        for event in [failed, sudid] {
            let failure = runtime().failure(&[event]).unwrap();
            assert!(failure.is("Grants", &variant.name), "{failure}");
            let words = variant.docs.first().unwrap().trim().trim_end_matches('.');
            assert!(failure.to_string().contains(words), "{failure}");
        }
        let fine = [event("Sudo", "Sudid", vec![0]), event("System", "ExtrinsicSuccess", vec![0; 5])];
        assert_eq!(runtime().failure(&fine), None);
    }

    #[test]
    fn whoever_is_refused_reads_what_is_wrong() {
        for (pallet, fact, words) in [
            // To post without a grant, or with one that does not open the data any more, or not for this.
            ("Grants", "NoSuchGrant", "There is no grant of this number"),
            ("Grants", "NotIssued", "its owner has not decided, or has refused"),
            ("Grants", "Expired", "The grant's last block has passed. Ask for another"),
            ("Grants", "Revoked", "The owner took the grant back. Ask for another"),
            ("Grants", "OtherPurpose", "The grant is for another purpose"),
            // To claim without bond.
            ("Jobs", "NotBonded", "The account has no bond. Bond first"),
            ("Jobs", "BondShort", "Too little of the bond is free to answer for this job. Bond more"),
            // To report too late, or again.
            ("Jobs", "LeaseLapsed", "The lease ran out. Claim the job again"),
            ("Jobs", "NotLeased", "The job is not leased: it waits for a trainer, has been reported, or is over"),
            // To claim with a proof that is for another leaf, stream or chain.
            ("Attribution", "NotTheContributor", "The leaf belongs to another account"),
            ("Attribution", "ProofLengthWrong", "The proof is longer or shorter than"),
            ("Attribution", "ProofTotalWrong", "The proof's units do not add up"),
            ("Attribution", "ProofRootWrong", "it is for another leaf, stream or chain"),
        ] {
            let errors = pinned().pallet_by_name(pallet).unwrap();
            let variants = errors.error_variants().unwrap();
            let index = variants.iter().find(|variant| variant.name == fact).unwrap().index;
            let fields = (3u8, errors.error_index(), [index, 0, 0, 0], [0x11u8; 5]).encode();
            let failed = Event { pallet: "System".into(), name: "ExtrinsicFailed".into(), fields };
            let failure = runtime().failure(&[failed]).unwrap();
            let text = failure.to_string();
            assert!(failure.is(pallet, fact) && text.starts_with(&format!("{pallet}.{fact}: ")), "{text}");
            assert!(text.contains(words), "{text}");
        }
    }

    #[test]
    fn errors_of_the_runtime_itself_are_told_too() {
        let failed =
            |bytes: &[u8]| Event { pallet: "System".into(), name: "ExtrinsicFailed".into(), fields: bytes.to_vec() };
        let text = |bytes: &[u8]| runtime().failure(&[failed(bytes)]).unwrap().to_string();
        assert_eq!(text(&[2, 0, 0]), "Bad origin.");
        assert_eq!(text(&[7, 0, 0, 0]), "Token error: Funds are unavailable.");
    }

    #[test]
    fn every_hold_of_our_pallets_has_a_name() {
        let mut names = Vec::new();
        for pallet in 0..=u8::MAX {
            for reason in 0..8 {
                names.extend(runtime().hold_reason([pallet, reason]));
            }
        }
        assert!(names.contains(&("Jobs".to_owned(), "Escrow".to_owned())), "{names:?}");
    }

    #[test]
    fn a_changed_type_is_a_difference_wherever_it_is_used() {
        let mut changed = decode_pinned();
        // Every `u64` becomes a `u32`: a change that any runtime API or call with an id shows.
        let wide = changed.types().types.iter().position(|entry| {
            matches!(entry.ty.type_def, scale_info::TypeDef::Primitive(scale_info::TypeDefPrimitive::U64))
        });
        changed.types_mut().types[wide.unwrap()].ty.type_def =
            scale_info::TypeDef::Primitive(scale_info::TypeDefPrimitive::U32);
        let differences = check_compatible(pinned(), &changed);
        assert!(differences.contains(&"call Jobs.claim".to_owned()), "{differences:?}");
        assert!(differences.contains(&"runtime function JobsApi.job".to_owned()), "{differences:?}");
        assert!(!differences.contains(&"call Jobs.bond".to_owned()), "{differences:?}");
    }
}
