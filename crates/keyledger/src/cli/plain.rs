//! Subcommands that need no words of their own: made of a verb's schema, an option a field.

use std::marker::PhantomData;

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, error::ErrorKind};
use keyledger_domain::{Name, command::parse_payload, name::Aggregate, verb::Payload};
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::{args::Under, cli::Order, when};

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

/// How the text of an option becomes the value of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// A moment, or a distance from now.
    Moment,
    /// A number.
    Number,
    /// True where the option is there.
    Flag,
    /// A text.
    Text,
    /// JSON: what no option can spell.
    Json,
}

/// Why the text of an option is no value of its field.
#[derive(Debug, thiserror::Error)]
enum ValueError {
    /// It is no moment.
    #[error(transparent)]
    Moment(#[from] when::MomentError),
    /// It is no number, or no JSON.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

/// A field of a payload.
struct Field {
    name: String,
    about: String,
    form: Form,
    required: bool,
}

impl Field {
    /// The fields of a payload that are options of their own. The ticket stands with the command's id.
    fn all<V: JsonSchema>() -> Vec<Self> {
        let schema = schemars::schema_for!(V).to_value();
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        let properties = schema["properties"].as_object().cloned();
        let properties = properties.into_iter().flatten();
        let own = properties.filter(|(name, _)| name != "ticket");
        own.map(|(name, property)| Self {
            about: property["description"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
            form: Form::of(&schema, &property),
            required: required.iter().any(|it| *it == name.as_str()),
            name,
        })
        .collect()
    }

    fn option(&self) -> String {
        self.name.replace('_', "-")
    }

    fn arg(&self) -> Arg {
        let arg = Arg::new(self.name.clone()).long(self.option());
        let arg = arg.help(self.about.trim_end_matches('.').to_owned());
        let value_name = match self.form {
            Form::Flag => return arg.action(ArgAction::SetTrue),
            Form::Moment => "TIME",
            Form::Number => "NUMBER",
            Form::Text => "TEXT",
            Form::Json => "JSON",
        };
        arg.value_name(value_name)
            .required(self.required)
            .allow_hyphen_values(self.form == Form::Moment)
    }

    fn value(&self, matches: &ArgMatches) -> Result<Option<Value>, ValueError> {
        if self.form == Form::Flag {
            return Ok(matches.get_flag(&self.name).then_some(Value::Bool(true)));
        }
        let Some(text) = matches.get_one::<String>(&self.name) else {
            return Ok(None);
        };
        Ok(Some(match self.form {
            Form::Moment => Value::String(when::parse_moment(text)?.to_string()),
            Form::Number | Form::Json => serde_json::from_str(text)?,
            Form::Text | Form::Flag => Value::String(text.clone()),
        }))
    }
}

/// A name as an example shows it.
const fn example_name(aggregate: Aggregate) -> &'static str {
    match aggregate {
        Aggregate::Key => "orders-db",
        Aggregate::Principal | Aggregate::User => "ada",
        Aggregate::Operator => "acme",
        Aggregate::Account => "orders",
        Aggregate::Token => "12345678",
    }
}

impl Form {
    fn of(schema: &Value, property: &Value) -> Self {
        if let Some(name) = property["$ref"].as_str() {
            let pointer = name.trim_start_matches('#');
            return schema
                .pointer(pointer)
                .map_or(Self::Json, |it| Self::of(schema, it));
        }
        let choices = property["anyOf"]
            .as_array()
            .or(property["oneOf"].as_array());
        if let Some(choices) = choices {
            let mut some = choices.iter().filter(|it| it["type"] != "null");
            return some.next().map_or(Self::Json, |it| Self::of(schema, it));
        }
        let is = |wanted: &str| match &property["type"] {
            Value::String(one) => one == wanted,
            Value::Array(several) => several.iter().any(|it| it == wanted),
            _ => false,
        };
        match () {
            () if is("string") && property["format"] == "date-time" => Self::Moment,
            () if is("string") => Self::Text,
            () if is("integer") => Self::Number,
            () if is("boolean") => Self::Flag,
            () => Self::Json,
        }
    }
}

impl<V: Payload + JsonSchema + DeserializeOwned, S> Args for Plain<V, S> {
    fn augment_args(command: Command) -> Command {
        let aggregate = V::AGGREGATE;
        let command = command.about(V::ABOUT);
        let name = Arg::new("name").required(true).value_name("NAME");
        let command = command.arg(
            name.value_parser(clap::value_parser!(Name))
                .help(format!("The {aggregate}'s name")),
        );
        let fields = Field::all::<V>();
        let example = fields.iter().filter(|field| field.required);
        let example: String = example
            .map(|field| format!(" --{} '…'", field.option()))
            .collect();
        let verb = V::VERB;
        let command = command.after_help(format!(
            "Example:\n  keyledger {aggregate} {verb} {}{example}",
            example_name(aggregate)
        ));
        Under::augment_args(command.args(fields.iter().map(Field::arg)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<V: Payload + JsonSchema + DeserializeOwned, S> FromArgMatches for Plain<V, S> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let bad = |said: String| clap::Error::raw(ErrorKind::ValueValidation, said + "\n");
        let under = Under::from_arg_matches(matches)?;
        let mut payload = Map::new();
        for field in Field::all::<V>() {
            let value = field.value(matches);
            let value = value.map_err(|said| bad(format!("--{}: {said}", field.option())))?;
            payload.extend(value.map(|value| (field.name, value)));
        }
        if let Some(ticket) = &under.ticket {
            payload.insert("ticket".to_owned(), Value::String(ticket.to_string()));
        }
        let payload = Value::Object(payload).to_string();
        let body = parse_payload(payload.as_bytes()).map_err(|no| bad(no.to_string()))?;
        let name = matches.get_one::<Name>("name").cloned();
        let name = name.ok_or_else(|| bad("name what it is for".to_owned()))?;
        let said = PhantomData;
        Ok(Self {
            name,
            under,
            body,
            said,
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
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
    use keyledger_domain::{key, user};

    use super::*;

    fn read<V: Payload + JsonSchema + DeserializeOwned>(
        arguments: &[&str],
    ) -> Result<Plain<V, ()>, String> {
        let command = Plain::<V, ()>::augment_args(Command::new("verb").no_binary_name(true));
        let matches = command.try_get_matches_from(arguments);
        let matches = matches.map_err(|e| e.to_string())?;
        Plain::from_arg_matches(&matches).map_err(|e| e.to_string())
    }

    #[test]
    fn each_field_is_an_option_and_becomes_what_the_payload_says() {
        let schedule = read::<key::Schedule>(&[
            "orders",
            "--protect-stop-at",
            "2027-03-01",
            "--rotation-period-days",
            "30",
            "--ticket",
            "SEC-7",
        ]);
        let schedule = schedule.unwrap();
        let stop = schedule.body.protect_stop_at.unwrap();
        assert_eq!(stop.to_string(), "2027-03-01T00:00:00.000Z");
        assert_eq!(schedule.body.rotation_period_days, Some(30));
        assert_eq!(schedule.body.ticket.unwrap().as_str(), "SEC-7");
        let generate = read::<key::Generate>(&["orders", "--algorithm", "ed25519", "--activate"]);
        assert_eq!(generate.unwrap().body.activate, Some(true));
        let issue = read::<user::Issue>(&["ada", "--account", "staff", "--keys", r#"["a","b"]"#]);
        assert_eq!(issue.unwrap().body.keys.unwrap().len(), 2);
    }

    #[test]
    fn what_does_not_fit_is_told_by_its_option() {
        let said = read::<key::Suspend>(&["orders"]).unwrap_err();
        assert!(said.contains("--reason <TEXT>"), "{said}");
        let said = read::<key::Schedule>(&["orders", "--protect-stop-at", "soon"]).unwrap_err();
        assert!(said.contains("--protect-stop-at: "), "{said}");
        let said = read::<key::Schedule>(&["orders", "--rotation-period-days", "x"]).unwrap_err();
        assert!(said.contains("--rotation-period-days: "), "{said}");
        let said = read::<key::Generate>(&["orders", "--algorithm", "des"]).unwrap_err();
        assert!(said.contains("field algorithm: "), "{said}");
    }
}
