//! JSON on several lines, with its fields in the stored order: a map would sort them.

/// `json`, indented by two spaces a level. Text that is no JSON is printed harmlessly too.
pub(super) fn indented(json: &str) -> String {
    let mut text = String::with_capacity(json.len() * 2);
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    let mut letters = json.chars().peekable();
    while let Some(letter) = letters.next() {
        if in_string {
            text.push(letter);
            in_string = escaped || letter != '"';
            escaped = !escaped && letter == '\\';
            continue;
        }
        match letter {
            '{' | '[' => {
                text.push(letter);
                if let Some(close) = letters.next_if(|next| matches!(next, '}' | ']')) {
                    text.push(close);
                } else {
                    depth += 1;
                    line(&mut text, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                line(&mut text, depth);
                text.push(letter);
            }
            ',' => {
                text.push(letter);
                line(&mut text, depth);
            }
            ':' => text.push_str(": "),
            blank if blank.is_whitespace() => {}
            other => {
                in_string = other == '"';
                text.push(other);
            }
        }
    }
    text
}

fn line(text: &mut String, depth: usize) {
    text.push('\n');
    text.extend(std::iter::repeat_n("  ", depth));
}

#[cfg(test)]
mod tests {
    use super::indented;

    #[test]
    fn the_order_stays() {
        let json = r#"{"id":"a\"{,","b":[1,{"c":{}},[]],"a":null}"#;
        let expected = "{\n  \"id\": \"a\\\"{,\",\n  \"b\": [\n    1,\n    {\n      \"c\": {}\n    },\n    []\n  ],\n  \"a\": null\n}";
        assert_eq!(indented(json), expected);
    }

    #[test]
    fn it_says_the_same() {
        let json = r#"{"b":{"x":"\\","y":[true,-1.5e3]},"a":" : "}"#;
        let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(read(&indented(json)), read(json));
    }
}
