//! Subcommands that need no words of their own: made of a verb's schema, an option a field. Fields are texts and moments.

use std::marker::PhantomData;

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches, error::ErrorKind};
use keyledger_domain::{
    Name, Rejection,
    command::parse_payload,
    text::{Reason, Ticket},
    verb::Payload,
};
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::{
    args::{Reasoned, Under, Why},
    cli::Order,
    when::{self, MomentError},
};

/// A verb as it comes from the command line: a name, and what its payload says.
#[derive(Debug, Clone)]
pub(crate) struct Plain<V, S> {
    name: Name,
    under: Under,
    body: V,
    said: PhantomData<S>,
}

/// What is said of a verb once it is done.
pub(crate) trait Said {
    /// What its aggregate is then, in a word.
    const PAST: &'static str;
}

/// A field of a payload that is an option of its own: `reason` and `ticket` are those of every command.
struct Field {
    name: String,
    about: String,
    is_moment: bool,
    required: bool,
}

impl Field {
    fn all<V: JsonSchema>() -> Vec<Self> {
        let schema = schemars::schema_for!(V).to_value();
        let properties = schema["properties"].as_object().cloned();
        let properties = properties.into_iter().flatten();
        let own = properties.filter(|(name, _)| !["reason", "ticket"].contains(&&**name));
        own.map(|(name, property)| {
            let form = form_of(&schema, &property);
            debug_assert_eq!(
                form["type"], "string",
                "{name}: write this subcommand by hand"
            );
            Self {
                about: property["description"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned(),
                is_moment: form["format"] == "date-time",
                required: is_required(&schema, &name),
                name,
            }
        })
        .collect()
    }

    fn option(&self) -> String {
        self.name.replace('_', "-")
    }

    fn arg(&self) -> Arg {
        Arg::new(self.name.clone())
            .long(self.option())
            .help(self.about.trim_end_matches('.').to_owned())
            .value_name(if self.is_moment { "TIME" } else { "TEXT" })
            .required(self.required)
            .allow_hyphen_values(self.is_moment)
    }

    fn value(&self, matches: &ArgMatches) -> Result<Option<Value>, MomentError> {
        let Some(text) = matches.get_one::<String>(&self.name) else {
            return Ok(None);
        };
        Ok(Some(Value::String(if self.is_moment {
            when::parse_moment(text)?.to_string()
        } else {
            text.clone()
        })))
    }
}

/// What a property is, where it may be absent or is defined elsewhere.
fn form_of<'a>(schema: &'a Value, property: &'a Value) -> &'a Value {
    if let Some(name) = property["$ref"].as_str() {
        let found = schema.pointer(name.trim_start_matches('#'));
        return found.map_or(property, |it| form_of(schema, it));
    }
    let choices = property["anyOf"].as_array();
    let some = choices.and_then(|all| all.iter().find(|it| it["type"] != "null"));
    some.map_or(property, |it| form_of(schema, it))
}

fn is_required(schema: &Value, field: &str) -> bool {
    let required = schema["required"].as_array();
    required.is_some_and(|all| all.iter().any(|it| it == field))
}

fn needs_reason<V: JsonSchema>() -> bool {
    is_required(&schemars::schema_for!(V).to_value(), "reason")
}

impl<V: Payload + JsonSchema + DeserializeOwned, S> Args for Plain<V, S> {
    fn augment_args(command: Command) -> Command {
        let (aggregate, verb) = (V::AGGREGATE, V::VERB);
        let name = Arg::new("name")
            .required(true)
            .value_name("NAME")
            .value_parser(clap::value_parser!(Name))
            .help(format!("The {aggregate}'s name"));
        let fields = Field::all::<V>();
        let required = fields.iter().filter(|field| field.required);
        let mut example: String = required
            .map(|field| format!(" --{} 'looked at by security'", field.option()))
            .collect();
        let command = command.arg(name).args(fields.iter().map(Field::arg));
        let command = if needs_reason::<V>() {
            example.push_str(" --reason 'asked for by security'");
            Reasoned::augment_args(command)
        } else {
            Why::augment_args(command)
        };
        let name = aggregate.example();
        // Behind what was taken over, which has words of its own.
        command.about(V::ABOUT).long_about(None).after_help(format!(
            "Example:\n  keyledger {aggregate} {verb} {name}{example} --ticket SEC-7"
        ))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<V: Payload + JsonSchema + DeserializeOwned, S> FromArgMatches for Plain<V, S> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let bad = |said: String| clap::Error::raw(ErrorKind::ValueValidation, said + "\n");
        let (reason, under): (Option<Reason>, Under) = if needs_reason::<V>() {
            let Reasoned { reason, under } = Reasoned::from_arg_matches(matches)?;
            (Some(reason), under)
        } else {
            let Why { reason, under } = Why::from_arg_matches(matches)?;
            (reason, under)
        };
        let mut payload = Map::new();
        for field in Field::all::<V>() {
            let value = field.value(matches);
            let value = value.map_err(|e| bad(format!("--{}: {e}", field.option())))?;
            payload.extend(value.map(|value| (field.name, value)));
        }
        let reason = reason.as_ref().map(Reason::as_str);
        let ticket = under.ticket.as_ref().map(Ticket::as_str);
        for (name, value) in [("reason", reason), ("ticket", ticket)] {
            payload.extend(value.map(|value| (name.to_owned(), Value::from(value))));
        }
        let payload = Value::Object(payload).to_string();
        let body = parse_payload(payload.as_bytes()).map_err(|no| bad(in_options(&no)))?;
        let name = matches.get_one::<Name>("name").cloned();
        let name = name.ok_or_else(|| bad("name what it is for".to_owned()))?;
        Ok(Self {
            name,
            under,
            body,
            said: PhantomData,
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// What is wrong with an option, where it is wrong in a field. Nobody wrote the JSON whose line it would name.
fn in_options(rejection: &Rejection) -> String {
    match rejection {
        Rejection::Malformed { field, fault } => {
            let fault = fault.split(" at line ").next().unwrap_or_default();
            format!("--{}: {fault}", field.replace('_', "-"))
        }
        other => other.to_string(),
    }
}

impl<V: Payload + Serialize, S: Said> Order for Plain<V, S> {
    const PAST: &'static str = S::PAST;
    type Body = V;

    fn name(&self) -> &Name {
        &self.name
    }

    fn ids(&self) -> keyledger_domain::record::Ids {
        self.under.ids()
    }

    fn body(self) -> anyhow::Result<V> {
        Ok(self.body)
    }
}

/// Makes the subcommands of verbs that need no words of their own: one line a verb.
macro_rules! plain {
    ($( $verb:ident => $past:literal, $body:ty; )+) => {
        mod said {
            $(
                #[derive(Debug, Clone)]
                pub(super) struct $verb;

                impl crate::cli::plain::Said for $verb {
                    const PAST: &'static str = $past;
                }
            )+
        }

        #[derive(Debug, clap::Subcommand)]
        enum PlainVerb {
            $( $verb(crate::cli::plain::Plain<$body, said::$verb>), )+
        }

        impl PlainVerb {
            async fn run(
                self,
                session: &crate::session::Session,
                out: &mut crate::output::Output<'_>,
            ) -> anyhow::Result<()> {
                match self { $( Self::$verb(verb) => crate::cli::send(session, out, verb).await, )+ }
            }
        }
    };
}
pub(crate) use plain;

#[cfg(test)]
mod tests {
    use keyledger_domain::key;

    use super::*;

    fn read<V: Payload + JsonSchema + DeserializeOwned>(
        arguments: &[&str],
    ) -> Result<Plain<V, ()>, clap::Error> {
        let command = Plain::<V, ()>::augment_args(Command::new("verb").no_binary_name(true));
        Plain::from_arg_matches(&command.try_get_matches_from(arguments)?)
    }

    #[test]
    fn each_field_is_an_option_and_becomes_what_the_payload_says() {
        let note = read::<key::Note>(&[
            "orders",
            "--text",
            "seen in a backup",
            "--at",
            "2026-03-01",
            "--reason",
            "audit",
            "--ticket",
            "SEC-7",
        ]);
        let note = note.unwrap();
        assert_eq!(note.name.as_str(), "orders");
        assert_eq!(note.body.text.as_str(), "seen in a backup");
        let at = note.body.at.unwrap();
        assert_eq!(at.to_string(), "2026-03-01T00:00:00.000Z");
        assert_eq!(note.body.reason.unwrap().as_str(), "audit");
        assert_eq!(note.body.ticket.unwrap().as_str(), "SEC-7");
    }

    #[test]
    fn what_does_not_fit_is_told_by_its_option() {
        let long = "x".repeat(501);
        for (arguments, words) in [
            (&["orders"][..], "--text <TEXT>"),
            (&["orders", "--text", "t", "--at", "soon"], "--at: "),
            (&["orders", "--text", &long], "--text: it has 501 bytes"),
            (
                &["orders", "--text", "t", "--reason", &long],
                "'--reason <TEXT>'",
            ),
        ] {
            let said = read::<key::Note>(arguments).unwrap_err().to_string();
            assert!(said.contains(words), "{said}");
            assert!(!said.contains("at line"), "{said}");
        }
        let said = read::<key::Suspend>(&["orders"]).unwrap_err().to_string();
        assert!(said.contains("--reason <TEXT>"), "{said}");
    }

    #[test]
    fn the_help_says_what_the_verb_does() {
        let command = Plain::<key::Note, ()>::augment_args(Command::new("note"));
        assert_eq!(command.get_about().unwrap().to_string(), key::Note::ABOUT);
        let help = command.clone().render_long_help().to_string();
        assert!(help.contains(key::Note::ABOUT), "{help}");
        assert!(help.contains("Record:"), "{help}");
    }
}
