use crate::{Error, Event, Grants, mock::*};
use codec::Encode;
use frame_support::{assert_noop, assert_ok};
use sp_core::{H256, Pair};
use sp_runtime::MultiSignature;
use tributary_protocol::{
    GrantId,
    datanet::{DatanetStatus, Purpose},
    grant::{GrantOffer, GrantStatus, GrantTerms, OFFER_CONTEXT},
};

#[test]
fn present_makes_an_active_grant_and_holds_for_both_records() {
    ExtBuilder::default().build_and_execute(|| {
        let offer = offer(Who::Ann, 7);
        assert_ok!(Permits::present(signed(Who::Ann), offer.clone(), sign(Who::Owner, &offer)));
        let record = Grants::<Test>::get(GrantId(0)).unwrap();
        assert_eq!((record.status, record.terms), (GrantStatus::Active, offer.terms));
        assert_eq!(held(Who::Ann), Permits::grant_deposit() + 2 * UNIT);
        assert_eq!(
            last_event(),
            Event::GrantIssued {
                grant: GrantId(0),
                datanet: GUARDED,
                nonce: Some(7),
                terms: terms(),
                grantee: Who::Ann.id(),
                deposit: held(Who::Ann)
            }
        );
    });
}

#[test]
fn present_takes_what_wallets_wrap() {
    ExtBuilder::default().build_and_execute(|| {
        let offer = offer(Who::Ann, 7);
        let wrapped = [b"<Bytes>", Permits::offer_payload(&offer).as_slice(), b"</Bytes>"].concat();
        let signature = MultiSignature::from(Who::Owner.pair().sign(&wrapped));
        assert_ok!(Permits::present(signed(Who::Ann), offer, signature));
    });
}

#[test]
fn the_signed_bytes_are_context_genesis_and_offer() {
    ExtBuilder::default().build_and_execute(|| {
        let offer = offer(Who::Ann, 7);
        assert_eq!(Permits::offer_payload(&offer), (OFFER_CONTEXT, [0xabu8; 32], &offer).encode());
    });
}

#[test]
fn present_fails_when_the_offer_was_presented_before() {
    ExtBuilder::default().build_and_execute(|| {
        let first = offer(Who::Ann, 7);
        assert_ok!(Permits::present(signed(Who::Ann), first.clone(), sign(Who::Owner, &first)));
        assert_noop!(
            Permits::present(signed(Who::Ann), first.clone(), sign(Who::Owner, &first)),
            Error::<Test>::OfferUsed
        );
        let same_number = offer(Who::Bob, 7);
        assert_noop!(
            Permits::present(signed(Who::Bob), same_number.clone(), sign(Who::Owner, &same_number)),
            Error::<Test>::OfferUsed
        );
        let elsewhere = GrantOffer { datanet: OPEN, ..first };
        assert_ok!(Permits::present(signed(Who::Ann), elsewhere.clone(), sign(Who::Owner, &elsewhere)));
    });
}

#[test]
fn present_fails_when_the_signature_is_for_something_else() {
    ExtBuilder::default().build_and_execute(|| {
        let ours = offer(Who::Ann, 7);
        let signature = sign(Who::Owner, &ours);
        let others = [
            GrantOffer { nonce: 8, ..ours.clone() },
            GrantOffer { datanet: OPEN, ..ours.clone() },
            GrantOffer { valid_until: 21, ..ours.clone() },
            GrantOffer { terms: GrantTerms { uses: 3, ..terms() }, ..ours.clone() },
        ];
        for changed in others {
            assert_noop!(Permits::present(signed(Who::Ann), changed, signature.clone()), Error::<Test>::BadSignature);
        }
        let stolen = GrantOffer { grantee: Who::Bob.id(), ..ours.clone() };
        assert_noop!(Permits::present(signed(Who::Bob), stolen, signature.clone()), Error::<Test>::BadSignature);
        assert_noop!(
            Permits::present(signed(Who::Ann), ours.clone(), sign(Who::Ann, &ours)),
            Error::<Test>::BadSignature
        );
        // The same offer on another chain.
        frame_system::BlockHash::<Test>::insert(0, H256([0xcd; 32]));
        assert_noop!(Permits::present(signed(Who::Ann), ours, signature), Error::<Test>::BadSignature);
    });
}

#[test]
fn present_fails_when_it_is_anothers() {
    ExtBuilder::default().build_and_execute(|| {
        let offer = offer(Who::Ann, 7);
        let signature = sign(Who::Owner, &offer);
        assert_noop!(Permits::present(signed(Who::Bob), offer, signature), Error::<Test>::NotGrantee);
    });
}

#[test]
fn present_fails_when_the_offer_is_too_old_or_too_wide() {
    ExtBuilder::default().build_and_execute(|| {
        let ours = offer(Who::Ann, 7);
        let wide = GrantOffer { terms: GrantTerms { purpose: Purpose::Evaluation, ..terms() }, ..ours.clone() };
        assert_noop!(
            Permits::present(signed(Who::Ann), wide.clone(), sign(Who::Owner, &wide)),
            Error::<Test>::PurposeNotOffered
        );
        System::set_block_number(21);
        assert_noop!(
            Permits::present(signed(Who::Ann), ours.clone(), sign(Who::Owner, &ours)),
            Error::<Test>::OfferExpired
        );
        System::set_block_number(20);
        change_datanet(GUARDED, |net| net.status = DatanetStatus::Retired);
        assert_noop!(
            Permits::present(signed(Who::Ann), ours.clone(), sign(Who::Owner, &ours)),
            Error::<Test>::DatanetRetired
        );
        change_datanet(GUARDED, |net| net.status = DatanetStatus::Active);
        assert_ok!(Permits::present(signed(Who::Ann), ours.clone(), sign(Who::Owner, &ours)));
    });
}
