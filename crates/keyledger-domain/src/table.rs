//! The tables of the aggregates' verbs.

/// Makes the table of an aggregate's verbs, in the order in which `subjects.md` shows them: one line a verb, each in the module of this
/// name. `writes` names the event that the verb's file defines; the others stand in the aggregate's table of events.
macro_rules! verbs {
    ($aggregate:ident; $( $module:ident => $name:ident $(writes $event:ident)?, )*) => {
        $( mod $module; )*
        $( pub use $module::*; )*

        /// What is asked for.
        #[derive(Debug, Clone, PartialEq)]
        #[allow(clippy::large_enum_variant)] // a command lives for one decision
        pub enum Command {
            $( #[allow(missing_docs)] $name($name), )*
        }

        /// What is asked for, with what was made for it.
        #[derive(Debug, Clone, PartialEq)]
        #[allow(clippy::large_enum_variant)] // a command lives for one decision
        pub enum Prepared {
            $( #[allow(missing_docs)] $name($name, <$name as crate::verb::Verb>::Made), )*
        }

        /// Visits each verb of this aggregate.
        pub trait VisitEach<Out>: $( crate::verb::Visit<$name, Out = Out> + )* {}

        impl<Out, T> VisitEach<Out> for T where T: $( crate::verb::Visit<$name, Out = Out> + )* {}

        impl Command {
            /// Every verb, with its schema.
            pub const VERBS: &'static [crate::verb::VerbRow] = &[
                $( crate::verb::VerbRow::of::<$name>(), )*
            ];

            /// Reads the payload of `verb`.
            ///
            /// # Errors
            ///
            /// See [`crate::Command::parse`].
            #[allow(unused_imports, unused_variables, clippy::match_single_binding)] // where there is no verb yet
            pub fn parse(
                verb: &str,
                payload: &[u8],
            ) -> Result<Self, crate::rejection::Rejection> {
                use crate::verb::Payload;
                match verb {
                    $( <$name as Payload>::VERB =>
                        crate::payload::parse_payload(payload).map(Self::$name), )*
                    _ => Err(crate::rejection::Rejection::UnknownVerb {
                        aggregate: crate::name::Aggregate::$aggregate,
                        verb: verb.chars().take(80).collect(),
                    }),
                }
            }

            /// The verb without its type.
            #[must_use]
            pub const fn any(&self) -> &dyn crate::verb::AnyVerb {
                match *self { $( Self::$name(ref verb) => verb, )* }
            }

            /// Lets the visitor do what needs the type of the verb.
            #[allow(unused_variables)] // where there is no verb yet
            pub fn visit<Out, T: VisitEach<Out>>(self, visitor: T) -> Out {
                match self { $( Self::$name(verb) => crate::verb::Visit::visit(visitor, verb), )* }
            }

            /// The verb with nothing made for it.
            #[must_use]
            pub fn bare(self) -> Prepared {
                match self { $( Self::$name(verb) => Prepared::$name(verb, Default::default()), )* }
            }
        }

        impl Prepared {
            /// The verb without its type.
            #[must_use]
            pub const fn any(&self) -> &dyn crate::verb::AnyVerb {
                match *self { $( Self::$name(ref verb, _) => verb, )* }
            }

            #[allow(unused_variables)] // where there is no verb yet
            pub(crate) fn decide(
                &self,
                on: &crate::ledger::Deciding<'_>,
            ) -> Result<crate::ledger::Decision, crate::rejection::Rejection> {
                match *self { $( Self::$name(ref verb, ref made) => crate::verb::Verb::decide(verb, on, made), )* }
            }
        }

        /// The events that the files of verbs define.
        #[derive(Debug, Clone, PartialEq)]
        pub enum VerbEvents {
            $( $( #[allow(missing_docs)] $event($event), )? )*
        }

        impl VerbEvents {
            /// Their types, with what they mean.
            pub const TYPES: &'static [(&'static str, &'static str)] = &[
                $( $( (
                    <$event as crate::event::VerbEvent<super::$aggregate>>::TYPE,
                    <$event as crate::event::VerbEvent<super::$aggregate>>::ABOUT,
                ), )? )*
            ];

            /// Which of them it is. There is one of each, since an event is one of a verb only by standing in this table.
            #[must_use]
            pub fn of(_event: &crate::event::OfVerb<super::$aggregate>) -> Option<Self> {
                $( $( if let Some(event) = _event.downcast::<$event>() {
                    return Some(Self::$event(event.clone()));
                } )? )*
                None
            }

            /// Reads a stored body; nothing if the type is none of this table.
            pub(crate) fn read(
                _type_name: &str,
                _body: &[u8],
            ) -> Option<Result<super::Event, crate::event::Unreadable>> {
                $( $(
                    if _type_name == <$event as crate::event::VerbEvent<super::$aggregate>>::TYPE {
                        let event = crate::event::read_body::<$event>(_type_name, _body);
                        return Some(event.map(|event| {
                            super::Event::OfVerb(crate::event::OfVerb::new(event))
                        }));
                    }
                )? )*
                None
            }
        }

        $( $(
            impl crate::event::InTable for $event {
                fn into_event(self) -> crate::Event {
                    let event = crate::event::OfVerb::new(self);
                    crate::Event::$aggregate(super::Event::OfVerb(event))
                }
            }
        )? )*

        $(
            impl crate::verb::InTable for $name {
                type Command = Command;
                type Prepared = Prepared;

                fn into_command(self) -> Command {
                    Command::$name(self)
                }

                fn into_prepared(self, made: Self::Made) -> Prepared {
                    Prepared::$name(self, made)
                }
            }
        )*
    };
}
pub(crate) use verbs;
