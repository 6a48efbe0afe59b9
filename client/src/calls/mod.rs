//! One function per call of the chain that this crate uses. Each returns a [`Call`] for [`crate::Submitter::submit`];
//! nothing is sent here. What a call does, who may make it and how it can fail is the pallet's documentation.

pub mod attribution;
pub mod balances;
pub mod channels;
pub mod datanets;
pub mod grants;
pub mod jobs;
pub mod models;
pub mod sudo;
pub mod utility;

pub use crate::call::Call;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        account::Account,
        head::BlockHash,
        records::GrantOffer,
        runtime::{PALLETS, Runtime, decode_pinned, pinned},
    };
    use std::collections::BTreeSet;
    use subxt::{OfflineClient, SubstrateConfig, config::substrate::SpecVersionForRange};
    use tributary_protocol::{
        BaseModelId, ChannelId, ContentHash, ContributionId, DatanetId, GrantId, JobId, ModelId, Ppm, VersionRef,
        datanet::{AccessPolicy, Admission, Purpose, PurposeSet, SampleCommitment, Schema, Terms},
        epoch::{Against, AmountLeaf, AmountProof, EpochRoot},
        grant::{BaseModelScope, GrantTerms, VersionScope},
        job::{JobSpec, Progress, Report, Verdict},
        model::{DataUse, ModelFamily, Prices},
        recipe::{AttributionMethod, Hyperparameters, Method, Schedule, TargetLayers},
        stream::Split,
        sum_tree::{Node, SumLeaf, SumNode, SumProof},
        voucher::{SignedVoucher, Voucher},
    };

    fn text<const N: u32>(text: &str) -> bounded_collections::BoundedVec<u8, bounded_collections::ConstU32<N>> {
        text.as_bytes().to_vec().try_into().unwrap()
    }

    /// Every constructor of this module, with arguments of every variable length.
    fn every_call() -> Vec<Call> {
        let (datanet, contribution, grant, job, model) =
            (DatanetId(1), ContributionId(2), GrantId(3), JobId(4), ModelId(5));
        let channel = ChannelId(6);
        let voucher = Voucher { channel, model, input_tokens: 7, output_tokens: 8, amount: 1 << 70 };
        let amount = AmountLeaf { units: 1 << 70, ..Default::default() };
        let sibling = Node { hash: ContentHash([8; 32]), sum: 5 };
        let amount_proof = AmountProof { siblings: vec![sibling].try_into().unwrap() };
        let terms = Terms {
            price: 1,
            purposes: PurposeSet::ALL,
            royalty_floor: Ppm::from_percent(5),
            admission: Admission::Anyone,
            access: AccessPolicy::OnRequest,
            grant_blocks_max: 9,
            grant_uses_max: 8,
            licence: text("CC-BY-4.0"),
        };
        let grant_terms = GrantTerms {
            versions: VersionScope::UpTo(3),
            purpose: Purpose::Research,
            base_models: BaseModelScope::Only(BaseModelId(1)),
            uses: 2,
            expires_at: 77,
        };
        let offer = GrantOffer { datanet, grantee: Account([1; 32]), terms: grant_terms, nonce: 1, valid_until: 50 };
        let spec = JobSpec {
            base: BaseModelId(1),
            data: vec![DataUse { version: VersionRef { datanet, number: 1 }, grant }].try_into().unwrap(),
            purpose: Purpose::Research,
            method: Method::Lora,
            hyperparameters: Hyperparameters {
                rank: 8,
                alpha: 16,
                targets: TargetLayers::ALL,
                learning_rate_nano: 1_000_000,
                epochs: 3,
                batch_size: 4,
                accumulation: 1,
                sequence_tokens: 128,
                schedule: Schedule::Cosine,
                warmup: Ppm::from_percent(3),
                weight_decay_micro: 0,
                gradient_norm_max_micro: 1_000_000,
                validation: Ppm::from_percent(10),
                seed: 42,
                ..Hyperparameters::DEFAULT
            },
            attribution: AttributionMethod::TracInCp { checkpoints: 3 },
            split: Split::DEFAULT,
            price: 10,
            deadline: 1_000,
            acceptance_blocks: 20,
        };
        let proof = SumProof { siblings: vec![SumNode::default(); 3].try_into().unwrap() };
        vec![
            datanets::register(&text("a"), &text("b"), &text("c"), Schema::PromptCompletion, &terms),
            datanets::update_terms(datanet, &terms),
            datanets::set_curators(datanet, &[Account([1; 32]), Account([2; 32])]),
            datanets::retire(datanet),
            datanets::submit_contribution(datanet, &SampleCommitment::default(), &text("MIT")),
            datanets::accept(contribution),
            datanets::reject(contribution, &text("why")),
            datanets::withdraw(contribution),
            datanets::publish_version(datanet),
            grants::request(datanet, &grant_terms),
            grants::issue(grant),
            grants::deny(grant, &text("why")),
            grants::revoke(grant, &text("why")),
            grants::renounce(grant),
            grants::prune(grant),
            grants::present(&offer, [9; 64]),
            jobs::bond(1),
            jobs::unbond(1),
            jobs::post(&spec, 1),
            jobs::claim(job),
            jobs::heartbeat(job, Progress { step: 1, steps: 2 }),
            jobs::report(job, &Report::default()),
            jobs::accept(job),
            jobs::dispute(job, ContentHash([3; 32])),
            jobs::settle(job),
            jobs::cancel(job),
            jobs::stop(job, 1),
            jobs::expire(job),
            jobs::resolve(job, &Verdict::Uphold),
            jobs::forget(job),
            models::register_base(&text("a"), ModelFamily::Llama, ContentHash([4; 32]), 5, &text("MIT")),
            models::publish(model, Prices::default()),
            models::set_terms(model, Prices::default()),
            models::deploy(model, "https://example.org/v1"),
            models::undeploy(model),
            models::withdraw(model),
            attribution::fund(model, 1_000_000),
            attribution::claim(model, SumLeaf::default(), &proof),
            attribution::fund_answers(model, 1_000_000),
            attribution::publish_epoch(model, &EpochRoot::default()),
            attribution::challenge(model, Account([1; 32]), 70),
            attribution::draw(model, Account([1; 32])),
            attribution::open_leaf(model, Account([1; 32]), amount, &amount_proof, &[0, 299]),
            attribution::refute(
                model,
                Account([1; 32]),
                amount,
                &amount_proof,
                &Against::Accepted { leaf: amount, proof: amount_proof.clone() },
            ),
            attribution::resolve(model, Account([1; 32])),
            attribution::overturn(model, Account([1; 32]), ContentHash([3; 32])),
            attribution::claim_answers(model, Account([1; 32]), amount, &amount_proof),
            attribution::release(model, Account([1; 32])),
            channels::offer(model, Prices::default(), 99),
            channels::withdraw_offer(model),
            channels::open(Account([1; 32]), [2; 32], 1_000_000),
            channels::top_up(channel, 1_000_000),
            channels::redeem(&[SignedVoucher { voucher, signature: [3; 64] }; 2]),
            channels::close(channel),
            channels::finalise(channel),
            channels::force_close(channel),
            balances::transfer_keep_alive(Account([1; 32]), 1_000_000),
            utility::batch_all(vec![jobs::claim(job), jobs::bond(7)]),
            sudo::sudo(jobs::resolve(job, &Verdict::Overturn)),
        ]
    }

    #[test]
    fn every_call_reads_back_under_the_pinned_metadata() {
        let config = SubstrateConfig::builder()
            .set_metadata_for_spec_versions([(0, decode_pinned().arc())])
            .set_spec_version_for_block_ranges([SpecVersionForRange {
                block_range: 0..u64::MAX,
                spec_version: 0,
                transaction_version: 0,
            }])
            .build();
        let chain = OfflineClient::new_with_config(config).at_block(0u64).unwrap();
        for call in every_call() {
            let bytes = call.encoded(pinned()).unwrap_or_else(|error| panic!("{error}"));
            let read = chain.tx().from_call_data_bytes(&bytes).unwrap_or_else(|error| panic!("{call}: {error}"));
            assert_eq!((read.pallet_name(), read.call_name()), (call.pallet(), call.name()));
            assert_eq!(chain.tx().call_data(&read).unwrap(), bytes, "{call}");
        }
    }

    #[test]
    fn no_call_of_our_pallets_is_missing() {
        let ours: BTreeSet<String> = every_call().iter().map(Call::to_string).collect();
        for pallet in PALLETS {
            for call in pinned().pallet_by_name(pallet).unwrap().call_variants().unwrap() {
                let name = format!("{pallet}.{}", call.name);
                assert!(ours.contains(&name), "{name} has no constructor");
            }
        }
    }

    #[test]
    fn a_call_is_signed_under_the_pinned_metadata() {
        let runtime = Runtime::new(BlockHash::repeat_byte(1), 1, 1, decode_pinned());
        let birth = crate::head::Head { number: 5, hash: BlockHash::repeat_byte(2) };
        let key = crate::keys::Keypair::development("Alice").unwrap();
        let bytes = runtime.sign(&key, &jobs::bond(1), 0, birth, 64).unwrap();
        // Ends with the call.
        let call = jobs::bond(1).encoded(pinned()).unwrap();
        assert!(bytes.ends_with(&call) && bytes.len() > call.len() + 96, "{} bytes", bytes.len());
    }
}
