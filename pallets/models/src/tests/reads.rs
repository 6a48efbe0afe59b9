use crate::mock::*;
use frame_support::assert_ok;
use pallet_support::ModelRegistry;
use tributary_protocol::{BaseModelId, GrantId, ModelId, grant::GrantRefusal};

#[test]
fn pages_start_where_asked_and_end_at_their_limit() {
    ExtBuilder.build_and_execute(|| {
        for n in 0..120u64 {
            assert_ok!(register(1 + n % 9, &format!("base {n}")));
            assert_eq!(ModelsPallet::record(made_by(n)), Ok(ModelId(n)));
        }
        let bases = |from, limit| {
            let page = ModelsPallet::base_models(BaseModelId(from), limit);
            page.into_iter().map(|(id, _)| id.0).collect::<Vec<_>>()
        };
        assert_eq!(bases(0, 3), [0, 1, 2]);
        assert_eq!(bases(118, 10), [118, 119]);
        assert!(bases(120, 10).is_empty());
        assert_eq!(bases(0, u32::MAX).len(), 100);
        assert!(bases(u32::MAX, u32::MAX).is_empty());
        let models = |from, limit| {
            let page = ModelsPallet::models(ModelId(from), limit);
            page.into_iter().map(|(id, _)| id.0).collect::<Vec<_>>()
        };
        assert_eq!(models(119, 5), [119]);
        assert_eq!(models(0, u32::MAX).len(), 100);
        assert!(models(u64::MAX, 1).is_empty());
        assert_eq!(ModelsPallet::affected_by(version(0, 1), 100, 50).len(), 20);
        assert_eq!(ModelsPallet::affected_by(version(0, 1), 0, u32::MAX).len(), 100);
        assert_eq!(ModelsPallet::affected_by(version(0, 1), 7, 1), [ModelId(7)]);
    });
}

#[test]
fn is_affected_only_by_a_revoked_grant() {
    ExtBuilder.build_and_execute(|| {
        let id = recorded();
        assert_eq!(ModelsPallet::is_affected(id), Some(false));
        for refusal in [GrantRefusal::Expired, GrantRefusal::Renounced, GrantRefusal::UsedUp] {
            refuse(GrantId(0), refusal);
            assert_eq!(ModelsPallet::is_affected(id), Some(false));
        }
        refuse(GrantId(0), GrantRefusal::Revoked);
        assert_eq!(ModelsPallet::is_affected(id), Some(true));
        assert_eq!(ModelsPallet::is_affected(ModelId(99)), None);
    });
}

#[test]
fn deployments_are_listed_up_to_the_limit() {
    ExtBuilder.build_and_execute(|| {
        let id = published();
        for operator in 1..8 {
            let endpoint = b"http://a".to_vec().try_into().unwrap();
            assert_ok!(ModelsPallet::deploy(RuntimeOrigin::signed(operator), id, endpoint));
        }
        assert_eq!(ModelsPallet::deployments(id, 100).len(), 7);
        assert_eq!(ModelsPallet::deployments(id, 3).len(), 3);
        assert_eq!(ModelsPallet::deployments(ModelId(9), 3), []);
        assert_eq!(ModelsPallet::first_with_adapter(made_by(0).adapter), Some(id));
    });
}
