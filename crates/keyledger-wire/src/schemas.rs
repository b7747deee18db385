//! The JSON Schemas of everything that is asked and answered, in one document.

use keyledger_domain::Command;
use serde_json::{Map, Value, json};

use crate::{Acknowledgement, Prefix, Refusal, questions::QUESTIONS};

/// A JSON object: the schemas of payload and answer by subject, and the schema of a refusal, which is the same for all subjects.
#[must_use]
pub fn schemas() -> Value {
    let prefix = Prefix::default();
    let mut subjects = Map::new();
    let acknowledgement = schemars::schema_for!(Acknowledgement);
    for verb in Command::verbs() {
        let subject = prefix.command(verb.aggregate.as_str(), verb.verb, "*");
        let entry = json!({ "payload": (verb.schema)(), "answer": acknowledgement });
        subjects.insert(subject, entry);
    }
    for question in QUESTIONS {
        let subject = prefix.query(question.tail);
        let entry = json!({ "payload": (question.schema)(), "answer": (question.answer)() });
        subjects.insert(subject, entry);
    }
    json!({ "subjects": subjects, "refusal": schemars::schema_for!(Refusal) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_and_every_question_has_a_schema_of_its_answer() {
        let schemas = schemas();
        let subjects = schemas["subjects"].as_object().unwrap();
        let expected = Command::verbs().count() + QUESTIONS.len();
        assert_eq!(subjects.len(), expected);
        for (subject, entry) in subjects {
            let answer = &entry["answer"];
            let says = answer.get("properties").or(answer.get("items"));
            let says = says.or(answer.get("$ref")).or(answer.get("anyOf"));
            assert!(says.is_some(), "{subject}: {answer}");
        }
    }

    /// A real answer is what its schema says: the same fields, and the same ones may be left out.
    #[test]
    fn a_refusal_is_what_its_schema_says() {
        let refusal = Refusal {
            status: crate::Status::Rejected,
            command_id: None,
            correlation_id: None,
            reason: "not_found".to_owned(),
            message: "there is no key k".to_owned(),
            code: 404,
            retry_after_ms: None,
        };
        let schema = &schemas()["refusal"];
        let value = serde_json::to_value(refusal).unwrap();
        for required in schema["required"].as_array().unwrap() {
            assert!(
                value.get(required.as_str().unwrap()).is_some(),
                "{required}"
            );
        }
        for field in value.as_object().unwrap().keys() {
            assert!(schema["properties"].get(field).is_some(), "{field}");
        }
    }
}
