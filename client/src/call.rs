//! A call of the chain: typed arguments in, SCALE out. The constructors are in [`crate::calls`].

use codec::{Compact, Decode, Encode};
use std::{borrow::Cow, fmt};
use subxt::{
    Metadata,
    ext::scale_encode::{self, EncodeAsFields, FieldIter, TypeResolver},
    transactions::Payload,
};

/// A call: a pallet, the name of one of its calls, and its arguments.
///
/// Names, not numbers, so that a call kept in a journal survives a runtime upgrade; they become numbers when it is signed.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Call {
    pallet: Cow<'static, str>,
    name: Cow<'static, str>,
    arguments: Vec<Argument>,
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
enum Argument {
    /// SCALE of the argument.
    Value(Vec<u8>),
    /// A call in a call.
    Call(Call),
    /// A list of calls in a call.
    Calls(Vec<Call>),
}

/// The chain has no such call.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the chain has no call {pallet}.{name}\nhint: its runtime is of another version than this program")]
pub struct UnknownCall {
    /// The pallet.
    pub pallet: String,
    /// The call.
    pub name: String,
}

impl Call {
    /// A call without arguments yet.
    pub fn new(pallet: &'static str, name: &'static str) -> Self {
        Self { pallet: pallet.into(), name: name.into(), arguments: Vec::new() }
    }

    /// Adds an argument.
    #[must_use]
    pub fn with(mut self, argument: impl Encode) -> Self {
        self.arguments.push(Argument::Value(argument.encode()));
        self
    }

    /// Adds a call as an argument.
    #[must_use]
    pub fn with_call(mut self, call: Call) -> Self {
        self.arguments.push(Argument::Call(call));
        self
    }

    /// Adds a list of calls as an argument.
    #[must_use]
    pub fn with_calls(mut self, calls: Vec<Call>) -> Self {
        self.arguments.push(Argument::Calls(calls));
        self
    }

    /// The pallet.
    pub fn pallet(&self) -> &str {
        &self.pallet
    }

    /// The call's name in the pallet.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// SCALE of the call as the chain of `metadata` reads it.
    pub fn encoded(&self, metadata: &Metadata) -> Result<Vec<u8>, UnknownCall> {
        let mut out = Vec::new();
        self.encode_for(metadata, &mut out)?;
        Ok(out)
    }

    /// The call with every name inside its arguments resolved, ready to be signed.
    pub(crate) fn resolve(&self, metadata: &Metadata) -> Result<ResolvedCall<'_>, UnknownCall> {
        self.indices(metadata)?;
        let mut arguments = Vec::new();
        self.encode_arguments(metadata, &mut arguments)?;
        Ok(ResolvedCall { call: self, arguments: RawArguments(arguments) })
    }

    fn indices(&self, metadata: &Metadata) -> Result<[u8; 2], UnknownCall> {
        metadata
            .pallet_by_name(&self.pallet)
            .and_then(|pallet| Some([pallet.call_index(), pallet.call_variant_by_name(&self.name)?.index]))
            .ok_or_else(|| UnknownCall { pallet: self.pallet.to_string(), name: self.name.to_string() })
    }

    fn encode_for(&self, metadata: &Metadata, out: &mut Vec<u8>) -> Result<(), UnknownCall> {
        out.extend(self.indices(metadata)?);
        self.encode_arguments(metadata, out)
    }

    fn encode_arguments(&self, metadata: &Metadata, out: &mut Vec<u8>) -> Result<(), UnknownCall> {
        for argument in &self.arguments {
            match argument {
                Argument::Value(bytes) => out.extend(bytes),
                Argument::Call(call) => call.encode_for(metadata, out)?,
                Argument::Calls(calls) => {
                    Compact(u32::try_from(calls.len()).expect("a list of calls fits in memory")).encode_to(out);
                    for call in calls {
                        call.encode_for(metadata, out)?;
                    }
                }
            }
        }
        Ok(())
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.pallet, self.name)
    }
}

/// A call whose arguments are final bytes.
pub(crate) struct ResolvedCall<'a> {
    call: &'a Call,
    arguments: RawArguments,
}

/// Arguments that are SCALE already. That they fit the chain's types is what [`crate::runtime::check_compatible`] is for.
pub(crate) struct RawArguments(Vec<u8>);

impl EncodeAsFields for RawArguments {
    fn encode_as_fields_to<R: TypeResolver>(
        &self,
        _fields: &mut dyn FieldIter<'_, R::TypeId>,
        _types: &R,
        out: &mut Vec<u8>,
    ) -> Result<(), scale_encode::Error> {
        out.extend(&self.0);
        Ok(())
    }
}

impl Payload for ResolvedCall<'_> {
    type CallData = RawArguments;

    fn pallet_name(&self) -> &str {
        self.call.pallet()
    }

    fn call_name(&self) -> &str {
        self.call.name()
    }

    fn call_data(&self) -> &RawArguments {
        &self.arguments
    }
}
