//! States in words.

/// The states that an aggregate can be in, each with its word on the wire.
pub trait Word: Copy + PartialEq + 'static {
    /// All of them, in a fixed order: only ever added to.
    const ALL: &'static [Self];

    /// Its name on the wire.
    fn as_str(self) -> &'static str;
}

/// Makes the enum of an aggregate's states, in the order of a life, with their words.
macro_rules! states {
    ($(#[doc = $about:literal])+ $name:ident { $( $(#[doc = $doc:literal])+ $state:ident => $word:literal, )+ }) => {
        $(#[doc = $about])+
        #[derive(
            Debug,
            Clone,
            Copy,
            PartialEq,
            Eq,
            PartialOrd,
            Ord,
            Hash,
            serde::Serialize,
            serde::Deserialize,
            schemars::JsonSchema,
        )]
        pub enum $name {
            $( $(#[doc = $doc])+ #[serde(rename = $word)] $state, )+
        }

        impl $name {
            /// All of them, in the order of a life.
            pub const ALL: [Self; [$($word),+].len()] = [$(Self::$state),+];

            /// Its name on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $( Self::$state => $word, )+
                }
            }
        }

        impl crate::word::Word for $name {
            const ALL: &'static [Self] = &Self::ALL;

            fn as_str(self) -> &'static str {
                self.as_str()
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}
pub(crate) use states;
