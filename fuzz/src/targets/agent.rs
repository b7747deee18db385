//! Answers of a smart card.

use keyledger_agent::card;

/// Answers, each after its length in two bytes, to everything that the agent reads from a card.
pub(crate) fn apdu(bytes: &[u8]) -> bool {
    let (read, _) = card::read_answers(answers(bytes));
    read.is_ok()
}

fn answers(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut answers = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk() {
        // A short answer has 256 bytes and the status at most.
        let length = usize::from(u16::from_be_bytes(*length)).min(258);
        let (answer, rest) = rest.split_at(length.min(rest.len()));
        answers.push(answer.to_vec());
        bytes = rest;
    }
    answers
}
