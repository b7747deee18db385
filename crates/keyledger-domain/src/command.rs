//! Commands: what is asked for, parsed at the edge into types that cannot be wrong in themselves.

pub use crate::name::Target;
pub(crate) use crate::payload::body;
pub use crate::payload::{MAX_COMMAND_BYTES, MAX_REPORT_BYTES, parse_payload, parse_report};
use crate::{
    ledger::{Deciding, Decision},
    name::Aggregate,
    record::{Record, Why},
    rejection::Rejection,
    stamp::Stamp,
    token,
    verb::{AnyVerb, InTable, Verb, VerbRow},
};

/// Makes the enums of all aggregates' commands: one line an aggregate, named after its module.
macro_rules! commands_of {
    ($( $(#[doc = $doc:literal])* $name:ident: $module:ident, $all:ident, $example:literal; )+) => {
        /// What is asked of an aggregate.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Command {
            $( $(#[doc = $doc])* $name(crate::$module::Command), )+
            /// Of a token, by an agent: sent as a report, not as a command.
            Report(Box<token::Reported>),
        }

        /// What is asked of an aggregate, with what was made for it.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Prepared {
            $( $(#[doc = $doc])* $name(crate::$module::Prepared), )+
            /// Of a token, by an agent.
            Report(Box<token::Reported>, <token::Reported as Verb>::Made),
        }

        impl Command {
            /// Every verb that can be sent, by aggregate.
            pub fn verbs() -> impl Iterator<Item = VerbRow> {
                [$(crate::$module::Command::VERBS,)+].into_iter().flatten().copied()
            }

            /// Reads the payload of the command `verb` of `aggregate`. An empty payload is an empty object.
            ///
            /// # Errors
            ///
            /// [`Rejection::UnknownVerb`], [`Rejection::PayloadTooLarge`] or [`Rejection::Malformed`], which names the field.
            pub fn parse(
                aggregate: Aggregate,
                verb: &str,
                payload: &[u8],
            ) -> Result<(Self, Why), Rejection> {
                let command = match aggregate {
                    $( Aggregate::$name => crate::$module::Command::parse(verb, payload).map(Self::$name)?, )+
                };
                let why = command.any().why();
                Ok((command, why))
            }

            /// The command without the type of its verb.
            #[must_use]
            pub fn any(&self) -> &dyn AnyVerb {
                match self {
                    $( Self::$name(command) => command.any(), )+
                    Self::Report(reported) => &**reported,
                }
            }

            /// Lets the visitor do what needs the type of the verb.
            pub fn visit<Out, T>(self, visitor: T) -> Out
            where
                T: VisitReport<Out = Out> $( + crate::$module::VisitEach<Out> )+,
            {
                match self {
                    $( Self::$name(command) => command.visit(visitor), )+
                    Self::Report(reported) => visitor.visit_report(reported),
                }
            }

            /// The command with nothing made for it: for most verbs that is all.
            #[must_use]
            #[allow(unreachable_code)] // where an aggregate has no verb yet
            pub fn bare(self) -> Prepared {
                match self {
                    $( Self::$name(command) => Prepared::$name(command.bare()), )+
                    Self::Report(reported) => Prepared::Report(reported, None),
                }
            }
        }

        impl Prepared {
            /// The command without the type of its verb.
            #[must_use]
            pub fn any(&self) -> &dyn AnyVerb {
                match self {
                    $( Self::$name(prepared) => prepared.any(), )+
                    Self::Report(reported, _) => &**reported,
                }
            }

            pub(crate) fn decide(&self, on: &Deciding<'_>) -> Result<Decision, Rejection> {
                match self {
                    $( Self::$name(prepared) => prepared.decide(on), )+
                    Self::Report(reported, made) => Verb::decide(&**reported, on, made),
                }
            }
        }

        $(
            impl From<crate::$module::Command> for Command {
                fn from(command: crate::$module::Command) -> Self {
                    Self::$name(command)
                }
            }

            impl From<crate::$module::Prepared> for Prepared {
                fn from(prepared: crate::$module::Prepared) -> Self {
                    Self::$name(prepared)
                }
            }
        )+
    };
}

aggregates! { commands_of }

impl<V: InTable> From<V> for Command
where
    Self: From<V::Command>,
{
    fn from(verb: V) -> Self {
        verb.into_command().into()
    }
}

impl<V: InTable> From<(V, V::Made)> for Prepared
where
    Self: From<V::Prepared>,
{
    fn from((verb, made): (V, V::Made)) -> Self {
        verb.into_prepared(made).into()
    }
}

/// What is done with an agent's report, where other commands are visited.
pub trait VisitReport {
    /// The result.
    type Out;

    /// Visits the report.
    fn visit_report(self, reported: Box<token::Reported>) -> Self::Out;
}

impl Command {
    /// The verb.
    #[must_use]
    pub fn verb(&self) -> &'static str {
        self.any().verb()
    }

    /// The kind of aggregate it is for.
    #[must_use]
    pub fn aggregate(&self) -> Aggregate {
        self.any().aggregate()
    }

    /// True if it is the command that wrote `first`, the first event under its id, and so is to be answered as it was then.
    #[must_use]
    pub fn is_retry_of(&self, first: &Record, sender: &Stamp) -> bool {
        self.any().is_retry_of(first, sender)
    }
}
