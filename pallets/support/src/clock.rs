use sp_runtime::traits::UniqueSaturatedInto;
use tributary_protocol::BlockNumber;

/// The height of the block being built, as the protocol counts it.
pub fn now<T: frame_system::Config>() -> BlockNumber {
    // The runtime's block number is a `u32`, so nothing is ever cut off.
    frame_system::Pallet::<T>::block_number().unique_saturated_into()
}
