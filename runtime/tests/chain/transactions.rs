//! The transaction format, and what a transaction costs.

use crate::common::{account, begin_block, end_block, ext, signed};
use codec::{Decode, Encode};
use frame_support::traits::{PalletInfoAccess, fungible::Inspect};
use sp_keyring::Sr25519Keyring as Person;
use sp_runtime::{
    traits::TransactionExtension,
    transaction_validity::{InvalidTransaction, TransactionValidityError},
};
use tributary_protocol::amount::TRIB;
use tributary_runtime::{
    Attribution, Authorship, Babe, Balances, Datanets, Executive, Grandpa, Grants, Hash, Jobs, Models, Runtime,
    RuntimeCall, Session, Sudo, System, Timestamp, TransactionPayment, TxExtension, UncheckedExtrinsic, Utility,
    configs::balances::TreasuryAccount,
    constants::{MILLI_TRIB, SESSION_SLOTS},
};

fn transfer(to: Person, value: u128) -> RuntimeCall {
    RuntimeCall::Balances(pallet_balances::Call::transfer_keep_alive { dest: account(to).into(), value })
}

#[test]
fn the_extensions_stand_in_their_order_on_the_wire() {
    let extensions: Vec<_> = <TxExtension as TransactionExtension<RuntimeCall>>::metadata()
        .into_iter()
        .map(|extension| extension.identifier)
        .collect();
    assert_eq!(
        extensions,
        [
            "AuthorizeCall",
            "CheckNonZeroSender",
            "CheckSpecVersion",
            "CheckTxVersion",
            "CheckGenesis",
            "CheckMortality",
            "CheckNonce",
            "CheckWeight",
            "ChargeTransactionPayment",
            "CheckMetadataHash",
            "WeightReclaim",
        ]
    );
}

#[test]
fn the_pallets_keep_their_numbers() {
    let indices = [
        (System::index(), 0),
        (Timestamp::index(), 1),
        (Babe::index(), 2),
        (Grandpa::index(), 3),
        (Session::index(), 4),
        (Authorship::index(), 5),
        (Balances::index(), 6),
        (TransactionPayment::index(), 7),
        (Utility::index(), 8),
        (Sudo::index(), 9),
        (Datanets::index(), 20),
        (Grants::index(), 21),
        (Models::index(), 22),
        (Jobs::index(), 23),
        (Attribution::index(), 24),
    ];
    for (index, expected) in indices {
        assert_eq!(index, expected);
    }
}

#[test]
fn metadata_comes_in_the_versions_that_clients_read() {
    assert_eq!(
        Runtime::metadata_versions().into_iter().filter(|version| *version < 17).collect::<Vec<_>>(),
        [14, 15, 16]
    );
    let metadata = Runtime::metadata_at_version(15).unwrap();
    for api in ["DatanetsApi", "GrantsApi", "JobsApi", "ModelsApi", "AttributionApi"] {
        assert!(metadata.windows(api.len()).any(|window| window == api.as_bytes()), "{api} is missing");
    }
}

#[test]
fn a_transfer_costs_a_few_thousandths() {
    ext("development").execute_with(|| {
        begin_block(1, Hash::zero());
        let transaction = signed(Person::Alice, 0, transfer(Person::Bob, TRIB));
        let bytes = u32::try_from(transaction.encoded_size()).unwrap();
        let fee = TransactionPayment::query_info(transaction, bytes).partial_fee;
        assert!((MILLI_TRIB..=10 * MILLI_TRIB).contains(&fee), "a transfer costs {fee}");
    });
}

#[test]
fn a_signed_transaction_is_applied_and_its_fee_goes_to_the_treasury() {
    ext("development").execute_with(|| {
        let issuance = Balances::total_issuance();
        let treasury = Balances::balance(&TreasuryAccount::get());
        let (alice, bob) = (Balances::balance(&account(Person::Alice)), Balances::balance(&account(Person::Bob)));

        begin_block(1, Hash::zero());
        Executive::apply_extrinsic(signed(Person::Alice, 0, transfer(Person::Bob, TRIB))).unwrap().unwrap();
        let fee = alice - TRIB - Balances::balance(&account(Person::Alice));
        assert!(fee >= MILLI_TRIB);
        assert_eq!(Balances::balance(&account(Person::Bob)), bob + TRIB);
        assert_eq!(Balances::balance(&TreasuryAccount::get()), treasury + fee);
        assert_eq!(Balances::total_issuance(), issuance);
        end_block();
    });
}

#[test]
fn a_transaction_is_applied_once() {
    ext("development").execute_with(|| {
        begin_block(1, Hash::zero());
        let transaction = signed(Person::Alice, 0, transfer(Person::Bob, TRIB));
        Executive::apply_extrinsic(transaction.clone()).unwrap().unwrap();
        assert_eq!(
            Executive::apply_extrinsic(transaction),
            Err(TransactionValidityError::Invalid(InvalidTransaction::Stale))
        );
    });
}

#[test]
fn a_changed_transaction_is_refused() {
    ext("development").execute_with(|| {
        begin_block(1, Hash::zero());
        let transaction = signed(Person::Alice, 0, transfer(Person::Bob, TRIB));
        let mut bytes = transaction.encode();
        *bytes.last_mut().unwrap() ^= 1;
        let changed = UncheckedExtrinsic::decode(&mut &bytes[..]).unwrap();
        assert_eq!(
            Executive::apply_extrinsic(changed),
            Err(TransactionValidityError::Invalid(InvalidTransaction::BadProof))
        );
    });
}

#[test]
fn blocks_follow_each_other_through_a_change_of_session() {
    ext("local_testnet").execute_with(|| {
        let mut parent = Hash::zero();
        let session = Session::current_index();
        for number in 1..=u32::try_from(SESSION_SLOTS).unwrap() + 2 {
            begin_block(number, parent);
            parent = end_block();
        }
        assert!(Session::current_index() > session);
        assert_eq!(Session::validators().len(), 4, "the validators of genesis go on");
    });
}
