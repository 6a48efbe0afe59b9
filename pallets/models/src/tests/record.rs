use crate::{Adapters, Error, Event, NextModel, mock::*};
use frame_support::{assert_err, assert_noop, assert_ok, storage::with_storage_layer};
use pallet_support::{ModelRegistry, NewModel};
use sp_runtime::{DispatchError, bounded_vec};
use tributary_protocol::{
    BaseModelId, DatanetId, JobId, ModelId, Ppm,
    job::JOB_VERSIONS_MAX,
    model::ModelStatus,
    stream::{Parties, Split},
};

#[test]
fn record_makes_a_private_model_with_a_stream() {
    ExtBuilder.build_and_execute(|| {
        assert_ok!(register(BASE_OWNER, "base"));
        let new = made_by(6);
        assert_eq!(ModelsPallet::record(new.clone()), Ok(ModelId(0)));
        let model = model(ModelId(0));
        assert_eq!((model.owner, model.adapter, &model.lineage), (OWNER, new.adapter, &new.lineage));
        assert_eq!((model.status, model.deployments, model.created_at), (ModelStatus::Private, 0, 1));
        assert_eq!((model.metrics, model.split), (new.metrics, new.split));
        let parties = Parties {
            base_owner: BASE_OWNER,
            trainer: TRAINER,
            model_owner: OWNER,
            datanet_owners: bounded_vec![(DatanetId(0), datanet_owner(0)), (DatanetId(1), datanet_owner(1))],
        };
        assert_eq!(Streams::get()[&ModelId(0)], (JobId(6), parties, new.split, new.contributions));
        assert_eq!(
            last_event(),
            Event::ModelRecorded {
                model: ModelId(0),
                first_with_adapter: None,
                adapter: new.adapter,
                lineage: new.lineage,
                metrics: new.metrics,
                accuracy: new.accuracy,
                split: new.split,
                owner: OWNER,
            }
        );
    });
}

#[test]
fn record_lists_the_model_under_each_version() {
    ExtBuilder.build_and_execute(|| {
        recorded();
        assert_eq!(ModelsPallet::record(made_by(1)), Ok(ModelId(1)));
        let full = (0..JOB_VERSIONS_MAX).map(|n| data(n % 5, n + 1, 90)).collect::<Vec<_>>();
        let mut new = made_by(2);
        new.lineage.data = full.try_into().unwrap();
        assert_eq!(ModelsPallet::record(new), Ok(ModelId(2)));
        assert_eq!(ModelsPallet::affected_by(version(0, 1), 0, 10), [ModelId(0), ModelId(1), ModelId(2)]);
        assert_eq!(ModelsPallet::affected_by(version(1, 2), 0, 10), [ModelId(0), ModelId(1), ModelId(2)]);
        assert_eq!(ModelsPallet::affected_by(version(2, 3), 0, 10), [ModelId(2)]);
        assert_eq!(ModelsPallet::affected_by(version(2, 4), 0, 10), []);
    });
}

#[test]
fn record_succeeds_for_a_repeated_adapter_and_names_the_first() {
    ExtBuilder.build_and_execute(|| {
        let first = recorded();
        let again = NewModel { adapter: made_by(0).adapter, ..made_by(1) };
        let second = ModelsPallet::record(again.clone()).unwrap();
        assert_ne!(first, second);
        assert_eq!(Adapters::<Test>::get(again.adapter), Some(first));
        assert!(matches!(
            last_event(),
            Event::ModelRecorded { model, first_with_adapter: Some(earlier), .. } if (model, earlier) == (second, first)
        ));
    });
}

#[test]
fn record_fails_when_the_base_is_unknown() {
    ExtBuilder.build_and_execute(|| {
        let mut new = made_by(0);
        new.lineage.base = BaseModelId(9);
        assert_noop!(ModelsPallet::record(new), Error::<Test>::UnknownBase);
    });
}

#[test]
fn record_fails_when_a_datanet_is_unknown() {
    ExtBuilder.build_and_execute(|| {
        assert_ok!(register(BASE_OWNER, "base"));
        let mut new = made_by(0);
        new.lineage.data = bounded_vec![data(5, 1, 0)];
        assert_noop!(ModelsPallet::record(new), Error::<Test>::UnknownDatanet);
    });
}

#[test]
fn record_leaves_nothing_when_the_stream_is_refused() {
    ExtBuilder.build_and_execute(|| {
        assert_ok!(register(BASE_OWNER, "base"));
        let new = NewModel { split: Split { treasury: Ppm::ZERO, ..Split::DEFAULT }, ..made_by(0) };
        // As within a call, which is rolled back as a whole.
        let done: Result<ModelId, DispatchError> = with_storage_layer(|| ModelsPallet::record(new));
        assert_err!(done, DispatchError::Other("not whole"));
        assert_eq!(NextModel::<Test>::get(), ModelId(0));
    });
}
