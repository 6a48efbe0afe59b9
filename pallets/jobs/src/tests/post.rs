use super::*;
use crate::{Error, Event, HoldReason};
use codec::Encode;
use frame_support::assert_noop;
use sp_runtime::{DispatchError, TokenError};
use tributary_protocol::{
    BaseModelId, DatanetId, GrantId, Ppm, VersionRef,
    datanet::{DatanetStatus, Purpose},
    model::DataUse,
    recipe::{AttributionMethod, TangentWay},
};

fn tangents(groups: u8, halves: u8, coalitions: u8) -> AttributionMethod {
    AttributionMethod::GroupTangents { groups, halves, coalitions, way: TangentWay::Loss }
}

/// A specification changed by `change`.
fn changed(change: impl FnOnce(&mut JobSpec)) -> JobSpec {
    let mut spec = spec();
    change(&mut spec);
    spec
}

#[test]
fn post_takes_escrow_deposit_and_a_use_of_each_grant() {
    ExtBuilder.build_and_execute(|| {
        let second = VersionRef { number: 2, ..VERSION };
        let spec = changed(|spec| spec.data.try_push(DataUse { version: second, grant: GRANT }).unwrap());
        let deposit = UNIT + ED * Amount::try_from(spec.encoded_size()).unwrap();
        assert_ok!(post(spec.clone()));
        let expected = Job {
            requester: REQUESTER,
            spec,
            data_fees: vec![FEE, FEE].try_into().unwrap(),
            escrow: PRICE + 2 * FEE,
            deposit,
            state: JobState::Open,
            leases: 0,
            posted_at: 1,
        };
        assert_eq!(job(JobId(0)), expected);
        assert_eq!(held(HoldReason::Escrow, REQUESTER), PRICE + 2 * FEE);
        assert_eq!(held(HoldReason::Job, REQUESTER), deposit);
        assert_eq!(uses(GRANT), 2);
        assert_eq!(
            events(),
            [Event::JobPosted {
                job: JobId(0),
                requester: REQUESTER,
                base: BASE,
                price: PRICE,
                escrow: PRICE + 2 * FEE,
            }]
        );
        assert_eq!(JobMarket::next_job(), JobId(1));
    });
}

#[test]
fn post_fails_when_the_specification_is_unsound() {
    ExtBuilder.build_and_execute(|| {
        run_to(10);
        let cases = [
            (changed(|spec| spec.hyperparameters.rank = 0), Error::<Test>::RecipeRank),
            (changed(|spec| spec.hyperparameters.targets = Default::default()), Error::<Test>::RecipeTargets),
            (changed(|spec| spec.hyperparameters.learning_rate_nano = 0), Error::<Test>::RecipeLearningRate),
            (changed(|spec| spec.hyperparameters.epochs = 0), Error::<Test>::RecipeSize),
            (changed(|spec| spec.hyperparameters.sequence_tokens = 7), Error::<Test>::RecipeSequence),
            (changed(|spec| spec.hyperparameters.validation = Ppm::ONE), Error::<Test>::RecipeValidation),
            (changed(|spec| spec.hyperparameters.dropout = Ppm::ONE), Error::<Test>::RecipeDropout),
            (changed(|spec| spec.hyperparameters.lora_plus_ratio_milli = 1), Error::<Test>::RecipeLoraPlus),
            (changed(|spec| spec.hyperparameters.neftune_alpha_milli = 100_001), Error::<Test>::RecipeNeftune),
            (changed(|spec| spec.hyperparameters.patience = 1), Error::<Test>::RecipePatience),
            (changed(|spec| spec.hyperparameters.adam_epsilon_pico = 0), Error::<Test>::RecipeAdamEpsilon),
            (changed(|spec| spec.attribution = tangents(1, 0, 0)), Error::<Test>::RecipeGroups),
            (changed(|spec| spec.attribution = tangents(65, 0, 0)), Error::<Test>::RecipeGroups),
            (changed(|spec| spec.attribution = tangents(64, 193, 0)), Error::<Test>::RecipeHalves),
            (changed(|spec| spec.attribution = tangents(2, 192, 3)), Error::<Test>::RecipeCoalitions),
            (changed(|spec| spec.attribution = tangents(2, 0, 101)), Error::<Test>::RecipeCoalitions),
            (
                changed(|spec| {
                    spec.hyperparameters.validation = Ppm::ZERO;
                    spec.attribution = tangents(2, 0, 4);
                }),
                Error::<Test>::RecipeQuestions,
            ),
            (
                changed(|spec| spec.attribution = AttributionMethod::TracInCp { checkpoints: 0 }),
                Error::<Test>::RecipeCheckpoints,
            ),
            (changed(|spec| spec.split.treasury = Ppm::ZERO), Error::<Test>::SplitNotWhole),
            (changed(|spec| spec.price = UNIT - 1), Error::<Test>::PriceTooLow),
            (changed(|spec| spec.deadline = 10), Error::<Test>::DeadlineOutOfRange),
            (changed(|spec| spec.deadline = 3), Error::<Test>::DeadlineOutOfRange),
            (changed(|spec| spec.deadline = 1_011), Error::<Test>::DeadlineOutOfRange),
            (changed(|spec| spec.acceptance_blocks = 4), Error::<Test>::AcceptanceOutOfRange),
            (changed(|spec| spec.acceptance_blocks = 101), Error::<Test>::AcceptanceOutOfRange),
            (changed(|spec| spec.base = BaseModelId(9)), Error::<Test>::BaseModelUnknown),
            (changed(|spec| spec.data.clear()), Error::<Test>::NoData),
            (changed(|spec| spec.data.try_push(spec.data[0]).unwrap()), Error::<Test>::VersionTwice),
            (changed(|spec| spec.data[0].version.number = 4), Error::<Test>::VersionUnknown),
            (changed(|spec| spec.data[0].version.number = 0), Error::<Test>::VersionUnknown),
            (changed(|spec| spec.data[0].version.datanet = DatanetId(9)), Error::<Test>::VersionUnknown),
        ];
        for (spec, error) in cases {
            assert_noop!(post(spec), error);
        }
        assert_ok!(post(changed(|spec| spec.deadline = 1_010)));
    });
}

#[test]
fn post_fails_when_the_royalty_floor_is_not_met() {
    ExtBuilder.build_and_execute(|| {
        change_datanet(DATANET, |datanet| datanet.terms.royalty_floor = Ppm::new(500_001).unwrap());
        assert_noop!(post(spec()), Error::<Test>::RoyaltyBelowFloor);
    });
}

#[test]
fn post_fails_when_a_datanet_is_retired() {
    ExtBuilder.build_and_execute(|| {
        change_datanet(DATANET, |datanet| datanet.status = DatanetStatus::Retired);
        assert_noop!(post(spec()), Error::<Test>::DatanetRetired);
    });
}

#[test]
fn post_fails_when_a_grant_refuses() {
    ExtBuilder.build_and_execute(|| {
        let no_grant = changed(|spec| spec.data[0].grant = GrantId(9));
        assert_noop!(post(no_grant), DispatchError::Other("NotIssued"));
        let other_purpose = changed(|spec| spec.purpose = Purpose::Research);
        assert_noop!(post(other_purpose), DispatchError::Other("OtherPurpose"));
        assert_noop!(
            send(STRANGER, Call::post { spec: spec(), data_fees_max: FEE }),
            DispatchError::Other("OtherGrantee")
        );
        revoke(GRANT);
        assert_noop!(post(spec()), DispatchError::Other("Revoked"));
    });
}

#[test]
fn post_fails_when_the_grant_has_expired() {
    ExtBuilder.build_and_execute(|| {
        // The mock's grants run until block 10,000, its last one included.
        System::set_block_number(10_001);
        let spec = changed(|spec| spec.deadline = 10_100);
        assert_noop!(post(spec.clone()), DispatchError::Other("Expired"));
        assert_eq!(uses(GRANT), 0);
        System::set_block_number(10_000);
        assert_ok!(post(spec));
    });
}

#[test]
fn post_fails_when_a_later_grant_refuses_and_takes_no_use() {
    ExtBuilder.build_and_execute(|| {
        let second = DataUse { version: VersionRef { number: 2, ..VERSION }, grant: GrantId(9) };
        assert_noop!(post(changed(|spec| spec.data.try_push(second).unwrap())), DispatchError::Other("NotIssued"));
        assert_eq!(uses(GRANT), 0);
    });
}

#[test]
fn post_fails_when_the_data_costs_more_than_agreed() {
    ExtBuilder.build_and_execute(|| {
        let post = |spec, data_fees_max| send(REQUESTER, Call::post { spec, data_fees_max });
        let second = VersionRef { number: 2, ..VERSION };
        let two = changed(|spec| spec.data.try_push(DataUse { version: second, grant: GRANT }).unwrap());
        assert_noop!(post(two.clone(), 2 * FEE - 1), Error::<Test>::DataFeesAboveMax);
        // The owner raises the price while the call is on its way.
        change_datanet(DATANET, |datanet| datanet.terms.price = FEE + 1);
        assert_noop!(post(two.clone(), 2 * FEE), Error::<Test>::DataFeesAboveMax);
        assert_ok!(post(two, 2 * FEE + 2));
        assert_eq!(held(HoldReason::Escrow, REQUESTER), PRICE + 2 * FEE + 2);
    });
}

#[test]
fn post_fails_when_the_money_is_not_there() {
    ExtBuilder.build_and_execute(|| {
        assert_noop!(post(changed(|spec| spec.price = ENDOWMENT)), TokenError::FundsUnavailable);
    });
}

#[test]
fn post_fails_when_the_escrow_overflows() {
    ExtBuilder.build_and_execute(|| {
        let spec = changed(|spec| spec.price = Amount::MAX);
        assert_noop!(post(spec), sp_runtime::ArithmeticError::Overflow);
    });
}
