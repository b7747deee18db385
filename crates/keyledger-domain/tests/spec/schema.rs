//! The schemas that the service publishes for its commands and questions.

use keyledger_domain::{Command, views::InventoryQuery};
use serde_json::Value;

#[test]
fn every_verb_has_a_strict_schema_with_words() {
    for verb in Command::verbs() {
        let schema = Value::from((verb.schema)());
        let (of, verb, about) = (verb.aggregate, verb.verb, verb.about);
        assert_eq!(schema["type"], "object", "{of} {verb}");
        assert_eq!(schema["additionalProperties"], false, "{of} {verb}");
        let properties = schema["properties"].as_object().unwrap();
        for field in ["reason", "ticket"] {
            assert!(properties.contains_key(field), "{of} {verb} {field}");
        }
        for (field, property) in properties {
            let words = property["description"].as_str().unwrap_or_default();
            assert!(!words.is_empty(), "{of} {verb} {field}");
        }
        assert!(
            !about.is_empty() && !about.starts_with(' '),
            "{of} {verb}: {about:?}"
        );
    }
}

#[test]
fn no_reference_leads_nowhere() {
    for verb in Command::verbs() {
        let schema = Value::from((verb.schema)());
        let text = schema.to_string();
        for reference in text.split("\"$ref\":\"#").skip(1) {
            let pointer = reference.split('"').next().unwrap();
            assert!(schema.pointer(pointer).is_some(), "{} {pointer}", verb.verb);
        }
    }
}

#[test]
fn the_inventorys_question_has_a_strict_schema() {
    let schema = Value::from(schemars::schema_for!(InventoryQuery));
    assert_eq!(schema["type"], "object");
    assert_eq!(schema["additionalProperties"], false);
    assert!(
        schema.get("required").is_none(),
        "every field may be absent"
    );
}
