//! The types that reads encode and decode are those of the pinned runtime, field by field.

use crate::{
    account::Account,
    records::{AnswerLedger, BaseModel, Channel, Contribution, Datanet, Grant, Job, Model, ReadRequest, Stream, Use},
    runtime::{RUNTIME_APIS, pinned},
};
use scale_info::{MetaType, meta_type};
use std::collections::BTreeSet;
use subxt::{Metadata, ext::frame_metadata::v15};
use tributary_protocol::{
    Amount, BaseModelId, ChannelId, ContributionId, DatanetId, GrantId, JobId, ModelId, VersionRef,
    channel::{Due, Offer},
    datanet::{Version, VersionEntry},
    grant::GrantRefusal,
    job::{Stage, TrainerRecord},
    model::Deployment,
    voucher::{Voucher, VoucherRefusal},
};

/// Runtime function, types of its arguments, type of its result: as the functions of this module use them.
fn functions() -> Vec<(&'static str, Vec<MetaType>, MetaType)> {
    let number = meta_type::<u32>;
    let account = meta_type::<Account>;
    vec![
        ("DatanetsApi_datanet", vec![meta_type::<DatanetId>()], meta_type::<Option<Datanet>>()),
        ("DatanetsApi_datanets", vec![meta_type::<DatanetId>(), number()], meta_type::<Vec<(DatanetId, Datanet)>>()),
        ("DatanetsApi_contribution", vec![meta_type::<ContributionId>()], meta_type::<Option<Contribution>>()),
        (
            "DatanetsApi_contributions",
            vec![meta_type::<DatanetId>(), number(), number()],
            meta_type::<Vec<(ContributionId, Contribution)>>(),
        ),
        ("DatanetsApi_version", vec![meta_type::<VersionRef>()], meta_type::<Option<Version>>()),
        ("DatanetsApi_entries", vec![meta_type::<VersionRef>()], meta_type::<Vec<(VersionEntry, Account)>>()),
        ("GrantsApi_grant", vec![meta_type::<GrantId>()], meta_type::<Option<Grant>>()),
        ("GrantsApi_grants", vec![meta_type::<GrantId>(), number()], meta_type::<Vec<(GrantId, Grant)>>()),
        ("GrantsApi_grants_of", vec![account(), number(), number()], meta_type::<Vec<(GrantId, Grant)>>()),
        (
            "GrantsApi_grants_on",
            vec![meta_type::<DatanetId>(), number(), number()],
            meta_type::<Vec<(GrantId, Grant)>>(),
        ),
        (
            "GrantsApi_allows",
            vec![meta_type::<GrantId>(), meta_type::<Use>()],
            meta_type::<Option<Result<(), GrantRefusal>>>(),
        ),
        ("JobsApi_job", vec![meta_type::<JobId>()], meta_type::<Option<Job>>()),
        (
            "JobsApi_jobs",
            vec![meta_type::<JobId>(), number(), meta_type::<Option<Stage>>()],
            meta_type::<Vec<(JobId, Job)>>(),
        ),
        ("JobsApi_next_job", vec![], meta_type::<JobId>()),
        ("JobsApi_changed_jobs", vec![], meta_type::<Vec<JobId>>()),
        ("JobsApi_trainer", vec![account()], meta_type::<Option<TrainerRecord>>()),
        ("JobsApi_bond_required", vec![meta_type::<Amount>()], meta_type::<Amount>()),
        ("JobsApi_may_read", vec![meta_type::<ReadRequest>()], meta_type::<bool>()),
        ("ModelsApi_base_model", vec![meta_type::<BaseModelId>()], meta_type::<Option<BaseModel>>()),
        (
            "ModelsApi_base_models",
            vec![meta_type::<BaseModelId>(), number()],
            meta_type::<Vec<(BaseModelId, BaseModel)>>(),
        ),
        ("ModelsApi_model", vec![meta_type::<ModelId>()], meta_type::<Option<Model>>()),
        ("ModelsApi_models", vec![meta_type::<ModelId>(), number()], meta_type::<Vec<(ModelId, Model)>>()),
        ("ModelsApi_affected_by", vec![meta_type::<VersionRef>(), number(), number()], meta_type::<Vec<ModelId>>()),
        ("ModelsApi_is_affected", vec![meta_type::<ModelId>()], meta_type::<Option<bool>>()),
        ("ModelsApi_deployments", vec![meta_type::<ModelId>(), number()], meta_type::<Vec<(Account, Deployment)>>()),
        ("AttributionApi_stream", vec![meta_type::<ModelId>()], meta_type::<Option<Stream>>()),
        (
            "AttributionApi_claimable",
            vec![meta_type::<ModelId>(), number(), meta_type::<u64>()],
            meta_type::<Option<Amount>>(),
        ),
        (
            "AttributionApi_ledger",
            vec![meta_type::<ModelId>(), meta_type::<Account>()],
            meta_type::<Option<AnswerLedger>>(),
        ),
        (
            "AttributionApi_answers_paid",
            vec![meta_type::<ModelId>(), meta_type::<Account>(), number()],
            meta_type::<Option<Amount>>(),
        ),
        ("AttributionApi_pool_account", vec![], meta_type::<Account>()),
        ("ChannelsApi_channel", vec![meta_type::<ChannelId>()], meta_type::<Option<Channel>>()),
        ("ChannelsApi_channels", vec![meta_type::<ChannelId>(), number()], meta_type::<Vec<(ChannelId, Channel)>>()),
        ("ChannelsApi_next_channel", vec![], meta_type::<ChannelId>()),
        ("ChannelsApi_offer", vec![meta_type::<ModelId>(), account()], meta_type::<Option<Offer>>()),
        ("ChannelsApi_offers", vec![meta_type::<ModelId>(), number()], meta_type::<Vec<(Account, Offer)>>()),
        ("ChannelsApi_may_serve", vec![meta_type::<ModelId>(), account()], meta_type::<bool>()),
        ("ChannelsApi_due", vec![meta_type::<Voucher>()], meta_type::<Option<Result<Due, VoucherRefusal>>>()),
    ]
}

/// Metadata whose one runtime API has our functions with our types.
fn ours() -> Metadata {
    let methods = functions().into_iter().map(|(name, inputs, output)| v15::RuntimeApiMethodMetadata {
        name,
        inputs: inputs.into_iter().map(|ty| v15::RuntimeApiMethodParamMetadata { name: "_", ty }).collect(),
        output,
        docs: Vec::new(),
    });
    let unit = meta_type::<()>;
    let extrinsic = v15::ExtrinsicMetadata {
        version: 4,
        address_ty: unit(),
        call_ty: unit(),
        signature_ty: unit(),
        extra_ty: unit(),
        signed_extensions: Vec::new(),
    };
    let api = v15::RuntimeApiMetadata { name: "Ours", methods: methods.collect(), docs: Vec::new() };
    let enums = v15::OuterEnums { call_enum_ty: unit(), event_enum_ty: unit(), error_enum_ty: unit() };
    let custom = v15::CustomMetadata { map: Default::default() };
    v15::RuntimeMetadataV15::new(Vec::new(), extrinsic, unit(), vec![api], enums, custom).try_into().unwrap()
}

#[test]
fn our_types_are_the_runtimes() {
    let ours = ours();
    let api = ours.runtime_api_trait_by_name("Ours").unwrap();
    for (function, ..) in functions() {
        let (trait_name, method) = function.split_once('_').unwrap();
        let theirs = pinned().runtime_api_trait_by_name(trait_name).unwrap().method_by_name(method).unwrap();
        let mine = api.method_by_name(function).unwrap();
        assert_eq!(ours.type_hash(mine.output_ty()), pinned().type_hash(theirs.output_ty()), "result of {function}");
        let types = |metadata: &Metadata, ids: Vec<u32>| -> Vec<_> {
            ids.into_iter().map(|id| metadata.type_hash(id)).collect()
        };
        let mine = types(&ours, mine.inputs().map(|input| input.id).collect());
        let theirs = types(pinned(), theirs.inputs().map(|input| input.id).collect());
        assert_eq!(mine, theirs, "arguments of {function}");
    }
}

#[test]
fn no_function_of_the_runtime_is_missing() {
    let ours: BTreeSet<&str> = functions().iter().map(|(name, ..)| *name).collect();
    for api in RUNTIME_APIS {
        for method in pinned().runtime_api_trait_by_name(api).unwrap().methods() {
            let name = format!("{api}_{}", method.name());
            assert!(ours.contains(name.as_str()), "{name} has no reader");
        }
    }
}
