//! Base models, models and where they are offered.

use crate::call::Call;
use codec::Compact;
use tributary_protocol::{
    ContentHash, ModelId,
    datanet::Name,
    model::{ModelFamily, Prices},
};

const PALLET: &str = "Models";

/// Registers a base model by the hash of its folder.
pub fn register_base(name: &Name, family: ModelFamily, content: ContentHash, parameters: u64, licence: &Name) -> Call {
    Call::new(PALLET, "register_base").with(name).with(family).with(content).with(Compact(parameters)).with(licence)
}

/// Offers a model at these prices.
pub fn publish(model: ModelId, prices: Prices) -> Call {
    Call::new(PALLET, "publish").with(model).with(prices)
}

/// Changes a model's prices.
pub fn set_terms(model: ModelId, prices: Prices) -> Call {
    Call::new(PALLET, "set_terms").with(model).with(prices)
}

/// Says that the signer serves a model at `endpoint`, a URL.
pub fn deploy(model: ModelId, endpoint: &str) -> Call {
    Call::new(PALLET, "deploy").with(model).with(endpoint.as_bytes())
}

/// Says that the signer no longer serves a model.
pub fn undeploy(model: ModelId) -> Call {
    Call::new(PALLET, "undeploy").with(model)
}

/// Stops offering a model. Its record and its stream stay.
pub fn withdraw(model: ModelId) -> Call {
    Call::new(PALLET, "withdraw").with(model)
}
