//! Moments, up to the last one that people write.

use keyledger_domain::Timestamp;

#[test]
fn the_last_second_of_the_year_9999_is_a_moment() {
    for (written, ms) in [
        ("9999-12-30T22:00:00.000Z", 253_402_207_200_000),
        ("9999-12-30T22:00:00.999Z", 253_402_207_200_999),
        ("9999-12-30T22:00:01.000Z", 253_402_207_201_000),
        ("9999-12-31T23:59:59.000Z", 253_402_300_799_000),
        ("9999-12-31T23:59:59.999Z", 253_402_300_799_999),
    ] {
        let at: Timestamp = written.parse().unwrap();
        assert_eq!((at.ms(), at.to_string().as_str()), (ms, written));
    }
    let east: Timestamp = "9999-12-31T23:59:59+02:00".parse().unwrap();
    assert_eq!(east.to_string(), "9999-12-31T21:59:59.000Z");
    assert_eq!(
        Timestamp::from_ms(i64::MAX).to_string(),
        "9999-12-31T23:59:59.999Z"
    );
}

#[test]
fn what_is_no_moment_is_none_in_that_year_either() {
    for text in [
        "9999-12-31",
        "9999-12-31T23:59:59",
        "9999-12-31T24:00:00Z",
        "9999-12-32T00:00:00Z",
        "9999-12-31T23:59:59-02:00",
        "10000-01-01T00:00:00Z",
        "never",
    ] {
        assert!(text.parse::<Timestamp>().is_err(), "{text}");
    }
}
