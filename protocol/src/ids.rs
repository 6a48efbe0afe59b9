//! Identifiers. Each is a type of its own, so that a job's number cannot be passed where a grant's is meant.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use core::fmt;
use scale_info::TypeInfo;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash,
            Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
        )]
        #[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize))]
        pub struct $name(pub $inner);

        impl $name {
            /// The id after this one, or `None` at the end of the number space.
            pub fn next(self) -> Option<Self> {
                self.0.checked_add(1).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl From<$inner> for $name {
            fn from(value: $inner) -> Self {
                Self(value)
            }
        }
    };
}

id!(
    /// A Datanet.
    DatanetId(u32)
);
id!(
    /// A contribution; numbered over all Datanets.
    ContributionId(u64)
);
id!(
    /// A grant; numbered over all Datanets.
    GrantId(u64)
);
id!(
    /// A frozen base model.
    BaseModelId(u32)
);
id!(
    /// A model made by a job (or published by its owner). Its revenue stream has the same number.
    ModelId(u64)
);
id!(
    /// A training job.
    JobId(u64)
);
id!(
    /// A payment channel from an app to a serving operator. A number is never given twice.
    ChannelId(u64)
);

/// One immutable version of a Datanet. Versions of a Datanet count from 1.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
#[cfg_attr(feature = "std", derive(serde::Serialize, serde::Deserialize))]
pub struct VersionRef {
    /// The Datanet.
    pub datanet: DatanetId,
    /// The version's number, from 1.
    pub number: u32,
}

impl fmt::Display for VersionRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.datanet, self.number)
    }
}

/// A BLAKE3 hash of bytes, or the root of a tree over them.
#[derive(
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub struct ContentHash(pub [u8; 32]);

impl ContentHash {
    /// The BLAKE3 hash of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }
}

impl AsRef<[u8]> for ContentHash {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl From<[u8; 32]> for ContentHash {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(feature = "std")]
mod text {
    use super::ContentHash;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    impl core::str::FromStr for ContentHash {
        type Err = &'static str;

        fn from_str(text: &str) -> Result<Self, Self::Err> {
            let text = text.strip_prefix("0x").unwrap_or(text);
            let mut bytes = [0u8; 32];
            if text.len() != 64 || !text.is_ascii() {
                return Err("a content hash is 64 hexadecimal digits");
            }
            for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
                *byte = core::str::from_utf8(pair)
                    .ok()
                    .and_then(|pair| u8::from_str_radix(pair, 16).ok())
                    .ok_or("a content hash is 64 hexadecimal digits")?;
            }
            Ok(Self(bytes))
        }
    }

    impl Serialize for ContentHash {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_str(self)
        }
    }

    impl<'de> Deserialize<'de> for ContentHash {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let text = <alloc::string::String as Deserialize>::deserialize(deserializer)?;
            text.parse().map_err(D::Error::custom)
        }
    }
}
