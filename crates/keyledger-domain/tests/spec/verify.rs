//! Verification finds what was done to a ledger, and names the first event that is not as it was.

use keyledger_domain::{
    Aggregate, Event, EventCid, Record, Timestamp, VerifiedBy, key, operator,
    record::Why,
    verify::{
        Broken, Claim, Fault, HeadDigest, Intact, Options, Report, Signatures, SignedHead,
        StoredEvent, Verifier, header,
    },
};

use crate::support::{
    World, active, given, history, key_pair, ledger_key, please, revoke, stamp, stored,
};

/// A ledger with a rotation of its signing key in the middle.
pub(crate) fn world() -> World {
    given([
        active("a"),
        please("suspend", "a"),
        please("rotate", "ledger-signing"),
        active("b"),
        please("resume", "a"),
        revoke("b", "key_compromise"),
        please("deactivate", "a"),
    ])
    .world()
}

pub(crate) fn head_of(events: &[StoredEvent], signer: u8) -> SignedHead {
    let mut digest = HeadDigest::new();
    events
        .iter()
        .for_each(|e| digest.push(&EventCid::of(&e.payload)));
    let pair = ledger_key(signer);
    let last = events.last().map_or(0, |e| e.sequence);
    let at = Timestamp::from_ms(1_800_000_000_000);
    let head = SignedHead::unsigned("keys", &digest, last, at, &pair.public_key());
    let signature = pair.sign(&head.message()).unwrap();
    head.with_signature(&signature.try_into().unwrap())
}

fn verify(events: &[StoredEvent], head: Option<&SignedHead>) -> Result<Report, Broken> {
    verify_with(Options::default(), events, head)
}

fn verify_with(
    options: Options,
    events: &[StoredEvent],
    head: Option<&SignedHead>,
) -> Result<Report, Broken> {
    let mut verifier = Verifier::new(options);
    events.iter().try_for_each(|event| verifier.take(event))?;
    verifier.finish(head)
}

/// It breaks at `sequence` for this reason.
#[track_caller]
fn breaks(events: &[StoredEvent], sequence: u64, reason: &str) -> Broken {
    let broken = verify(events, None).unwrap_err();
    assert_eq!(
        (broken.sequence, broken.fault.reason()),
        (sequence, reason),
        "{broken}"
    );
    broken
}

/// Gives each event the sequence of its place, as whoever holds the server can.
fn renumbered(mut events: Vec<StoredEvent>) -> Vec<StoredEvent> {
    (1..).zip(&mut events).for_each(|(n, e)| e.sequence = n);
    events
}

/// The place of the first event whose subject ends so.
fn place(events: &[StoredEvent], tail: &str) -> usize {
    events
        .iter()
        .position(|e| e.subject.ends_with(tail))
        .unwrap()
}

#[test]
fn what_the_service_wrote_verifies() {
    let world = world();
    let events = world.stored();
    let report = verify(&events, Some(&head_of(&events, 2))).unwrap();
    assert_eq!(
        (report.prefix.as_str(), report.events),
        ("keys", events.len() as u64)
    );
    assert_eq!(
        report.operator,
        key_pair(nkeys::KeyPairType::Operator, 1).public_key()
    );
    assert_eq!(report.signers.len(), 3, "the operator and two versions");
    assert_eq!(report.signers.values().sum::<u64>(), report.events);
    assert_eq!(report.histories, 17);
    assert!(report.head_verified);
    let mut verifier = Verifier::new(Options::default());
    events.iter().for_each(|e| verifier.take(e).unwrap());
    assert_eq!(verifier.ledger(), &world.ledger);
}

#[test]
fn an_altered_event_is_found() {
    let mut events = world().stored();
    let at = place(&events, "key.b.revoked");
    let text = String::from_utf8(events[at].payload.clone()).unwrap();
    events[at].payload = text.replace("key_compromise", "superseded").into_bytes();
    let broken = breaks(&events, at as u64 + 1, "altered");
    assert_eq!(&*broken.subject, "keys.events.key.b.revoked");
    assert_eq!(broken.cid, Some(EventCid::of(&events[at].payload)));
    // With a CID that fits, the signature does not.
    let cid = EventCid::of(&events[at].payload).to_string();
    events[at].headers.insert("Keyledger-Cid".into(), cid);
    breaks(&events, at as u64 + 1, "bad_signature");
}

#[test]
fn a_removed_event_is_found() {
    let mut events = world().stored();
    let at = place(&events, "key.a.suspended");
    events.remove(at);
    let broken = breaks(&events, at as u64 + 2, "removed");
    let n = at as u64 + 1;
    assert_eq!(broken.fault, Fault::Removed { first: n, last: n });
    assert!(
        broken.to_string().contains(&format!("sequence {n}")),
        "{broken}"
    );
    // Renumbered, the gap shows in its history.
    let events = renumbered(events);
    breaks(
        &events,
        place(&events, "key.a.resumed") as u64 + 1,
        "reordered",
    );
    breaks(&events[1..], 2, "removed");
}

#[test]
fn a_reordered_event_is_found() {
    let mut events = world().stored();
    let (a, b) = (
        place(&events, "key.a.suspended"),
        place(&events, "key.a.resumed"),
    );
    events.swap(a, b);
    breaks(&events, b as u64 + 1, "removed");
    breaks(&renumbered(events), a as u64 + 1, "reordered");
    // Events of different histories do not link to each other: the signed head knows their order.
    let mut events = world().stored();
    let head = head_of(&events, 2);
    let at = place(&events, "key.b.revoked");
    events.swap(at, at + 1);
    let broken = verify(&renumbered(events), Some(&head)).unwrap_err();
    assert_eq!(broken.fault.reason(), "other_head", "{broken}");
    let said = broken.to_string();
    assert!(said.contains("was changed, moved or left out"), "{said}");
}

#[test]
fn an_event_inserted_again_is_found() {
    let mut events = world().stored();
    let at = place(&events, "key.a.suspended");
    let mut again = events[at].clone();
    again.sequence = events.len() as u64 + 1;
    events.push(again);
    let broken = breaks(&events, events.len() as u64, "reinserted");
    assert_eq!(
        broken.fault,
        Fault::Reinserted {
            first: at as u64 + 1
        }
    );
    // With an id of its own it is still a revision that was there already.
    let last = events.last_mut().unwrap();
    let mut record = Record::read(&last.payload).unwrap();
    record.id = uuid::Uuid::from_u128(7);
    last.payload = record.to_bytes();
    last.headers
        .insert("Nats-Msg-Id".into(), record.id.to_string());
    let cid = EventCid::of(&last.payload).to_string();
    last.headers.insert("Keyledger-Cid".into(), cid);
    breaks(&events, events.len() as u64, "reordered");
}

#[test]
fn a_ledger_cut_off_at_the_end_is_found() {
    let events = world().stored();
    let head = head_of(&events, 2);
    let broken = verify(&events[..events.len() - 2], Some(&head)).unwrap_err();
    let (found, expected) = (head.events - 2, head.events);
    assert_eq!(broken.fault, Fault::Truncated { found, expected });
    assert!(
        verify(&events[..events.len() - 2], None).is_ok(),
        "nothing else can show it"
    );
    let older = head_of(&events[..events.len() - 2], 2);
    let broken = verify(&events, Some(&older)).unwrap_err();
    assert_eq!(broken.fault.reason(), "beyond_head");
}

#[test]
fn an_older_export_beside_a_newer_kept_one_is_said_to_be_swapped() {
    let events = world().stored();
    let older = &events[..events.len() - 3];
    let own = head_of(older, 2);
    let mut kept = head_of(&events, 2);
    let options = |head: &SignedHead| Options {
        earlier_heads: vec![head.clone()],
        ..Options::default()
    };
    // Signed at the same moment the kept one covers more: events are missing.
    let broken = verify_with(options(&kept), older, Some(&own)).unwrap_err();
    assert_eq!(broken.fault.reason(), "truncated");
    kept.at = own.at.plus_days(1);
    let broken = verify_with(options(&kept), older, Some(&own)).unwrap_err();
    assert_eq!(broken.fault.reason(), "swapped");
    let said = broken.fault.to_string();
    assert!(said.contains("the two files are swapped"), "{said}");
    // A live ledger's head is of now: what is missing there is missing.
    let mut live = own;
    live.at = kept.at.plus_days(1);
    let broken = verify_with(options(&kept), older, Some(&live)).unwrap_err();
    assert_ne!(broken.fault.reason(), "swapped");
}

#[test]
fn a_head_kept_from_earlier_shows_that_history_was_rewritten() {
    let events = world().stored();
    let options = |head| Options {
        earlier_heads: vec![head],
        ..Options::default()
    };
    let kept = head_of(&events[..events.len() - 3], 2);
    assert!(verify_with(options(kept.clone()), &events, None).is_ok());
    // A whole history left out, everything renumbered: every event is genuine.
    let mut shorter = events.clone();
    shorter.retain(|e| !e.subject.contains(".key.b."));
    let shorter = renumbered(shorter);
    assert!(verify(&shorter, None).is_ok());
    let broken = verify_with(options(kept), &shorter, None).unwrap_err();
    assert!(
        ["other_head", "truncated"].contains(&broken.fault.reason()),
        "{broken}"
    );
}

#[test]
fn a_head_is_signed_by_the_ledgers_key() {
    let events = world().stored();
    let stranger = head_of(&events, 9);
    assert_eq!(
        verify(&events, Some(&stranger)).unwrap_err().fault.reason(),
        "unknown_signer"
    );
    let mut forged = head_of(&events, 2);
    forged.at = forged.at.plus_days(1);
    assert_eq!(
        verify(&events, Some(&forged)).unwrap_err().fault.reason(),
        "bad_signature"
    );
}

/// Signs an event again with another key.
fn resigned(event: &StoredEvent, pair: &nkeys::KeyPair) -> StoredEvent {
    let mut event = event.clone();
    let signature = pair.sign(&EventCid::of(&event.payload).to_bytes()).unwrap();
    let signature = data_encoding::BASE64URL_NOPAD.encode(&signature);
    event
        .headers
        .insert("Keyledger-Signature".into(), signature);
    event
        .headers
        .insert("Keyledger-Signer".into(), pair.public_key());
    event
}

#[test]
fn only_the_ledgers_signing_key_signs_after_the_bootstrap() {
    let events = world().stored();
    let operator = key_pair(nkeys::KeyPairType::Operator, 1);
    let at = place(&events, "key.a.generated");
    for stranger in [&operator, &ledger_key(2), &ledger_key(9)] {
        let mut events = events.clone();
        events[at] = resigned(&events[at], stranger);
        breaks(&events, at as u64 + 1, "unknown_signer");
    }
    let mut unsigned = events.clone();
    unsigned[at].headers.remove("Keyledger-Signature");
    breaks(&unsigned, at as u64 + 1, "malformed");
}

#[test]
fn a_rotation_of_the_signing_key_is_signed_by_the_version_before() {
    let events = world().stored();
    let at = place(&events, "ledger-signing.rotated");
    let mut forged = events.clone();
    forged[at] = resigned(&forged[at], &ledger_key(2));
    breaks(&forged, at as u64 + 1, "unknown_signer");
    // An instance that has not yet heard of the rotation signs with the former version.
    let mut late = events;
    late[at + 1] = resigned(&late[at + 1], &ledger_key(1));
    assert!(verify(&late, None).is_ok());
}

#[test]
fn a_second_rotation_by_a_former_version_is_refused() {
    let events = given([
        please("rotate", "ledger-signing"),
        please("rotate", "ledger-signing"),
    ])
    .world()
    .stored();
    let at = events.len() - 1;
    let mut forged = events;
    forged[at] = resigned(&forged[at], &ledger_key(1));
    let broken = breaks(&forged, at as u64 + 1, "unknown_signer");
    assert!(
        broken.to_string().contains("the version it replaces"),
        "{broken}"
    );
}

#[test]
fn the_bootstrap_is_the_operators_alone_and_may_be_pinned() {
    let events = world().stored();
    let other = key_pair(nkeys::KeyPairType::Operator, 5);
    let mut forged = events.clone();
    forged[1] = resigned(&forged[1], &other);
    breaks(&forged, 2, "unknown_signer");
    let options = Options {
        expected_operator: Some(other.public_key()),
        ..Options::default()
    };
    let broken = verify_with(options, &events, None).unwrap_err();
    assert_eq!(
        (broken.sequence, broken.fault.reason()),
        (1, "other_operator")
    );
    assert_eq!(verify(&[], None).unwrap_err().fault, Fault::NoOperator);
    assert_eq!(
        verify(&events[..1], None).unwrap_err().fault,
        Fault::NoOperator
    );
}

#[test]
fn an_event_that_calls_itself_bootstrap_later_is_refused() {
    let mut world = world();
    let decision = crate::support::decision([(
        crate::support::history(keyledger_domain::Aggregate::Operator, "acme"),
        keyledger_domain::Event::Operator(keyledger_domain::operator::Event::Described(
            keyledger_domain::operator::Described {
                title: "Mine".parse().unwrap(),
            },
        )),
    )]);
    let genesis = crate::support::stamp(keyledger_domain::VerifiedBy::Genesis);
    world.write(
        decision,
        &genesis,
        &keyledger_domain::record::Why::default(),
    );
    let events = world.stored();
    breaks(&events, events.len() as u64, "unknown_signer");
}

#[test]
fn subject_and_headers_say_what_the_bytes_say() {
    let events = world().stored();
    let at = place(&events, "key.a.suspended");
    for header in [
        "Nats-Msg-Id",
        "CIM-Event-Type",
        "CIM-Aggregate-Id",
        "CIM-Correlation-Id",
        "CIM-Causation-Id",
        "CIM-Schema-Version",
    ] {
        let mut forged = events.clone();
        forged[at]
            .headers
            .insert(header.into(), "key.v1.resumed".into());
        breaks(&forged, at as u64 + 1, "misplaced");
    }
    for subject in [
        "keys.events.key.b.suspended",
        "other.events.key.a.suspended",
        ".events.key.a.suspended",
    ] {
        let mut forged = events.clone();
        forged[at].subject = subject.to_owned();
        breaks(&forged, at as u64 + 1, "misplaced");
    }
    let options = Options {
        prefix: Some("acme.keys".to_owned()),
        ..Options::default()
    };
    let broken = verify_with(options, &events, None).unwrap_err();
    assert_eq!(broken.fault.reason(), "misplaced");
}

#[test]
fn every_header_is_there_and_no_other() {
    let events = world().stored();
    let at = place(&events, "key.a.suspended");
    assert_eq!(events[at].headers.len(), 9);
    for header in events[at].headers.keys() {
        let mut forged = events.clone();
        forged[at].headers.remove(header);
        let broken = breaks(&forged, at as u64 + 1, "malformed");
        assert!(broken.to_string().contains(header), "{broken}");
    }
    for header in [
        "Nats-Rollup",
        "keyledger-cid",
        "nats-msg-id",
        "CIM-Message-Id",
        "",
    ] {
        let mut forged = events.clone();
        forged[at].headers.insert(header.into(), "all".into());
        let broken = breaks(&forged, at as u64 + 1, "malformed");
        assert!(
            broken.to_string().contains(&format!("{header:?}")),
            "{broken}"
        );
    }
}

/// A stream has these headers, and nobody signed them: an export in which they stand was not written by Keyledger.
#[test]
fn what_the_server_keeps_of_an_append_stands_in_a_stream_and_in_no_export() {
    let events = world().stored();
    for name in header::OF_THE_APPEND {
        let mut events = events.clone();
        let last = events.last_mut().unwrap();
        last.headers.insert(name.into(), "7".into());
        let headers = last.headers.iter();
        let headers = headers.map(|(name, value)| (name.as_str(), value.as_str()));
        let intact = Intact::read(&last.subject, headers, &last.payload, None);
        assert!(intact.is_ok(), "{name}: {intact:?}");
        breaks(&events, events.len() as u64, "malformed");
    }
}

#[test]
fn a_backdated_event_is_found_even_if_it_is_signed() {
    let mut world = world();
    let last = world.written.last_mut().unwrap();
    last.sealed.record.occurred_at = Timestamp::from_ms(0);
    last.sealed.bytes = last.sealed.record.to_bytes();
    last.sealed.cid = EventCid::of(&last.sealed.bytes);
    let last = stored(world.written.len() as u64, world.written.last().unwrap());
    let mut events = world.stored();
    *events.last_mut().unwrap() = resigned(&last, &ledger_key(2));
    breaks(&events, events.len() as u64, "backdated");
}

/// Changes the record of an event, and gives it a CID and a signature that fit.
fn forged(
    event: &StoredEvent,
    pair: &nkeys::KeyPair,
    change: impl FnOnce(&mut Record),
) -> StoredEvent {
    let mut event = event.clone();
    let mut record = Record::read(&event.payload).unwrap();
    change(&mut record);
    event.payload = record.to_bytes();
    let cid = EventCid::of(&event.payload).to_string();
    event.headers.insert("Keyledger-Cid".into(), cid);
    resigned(&event, pair)
}

#[test]
fn an_event_that_links_to_another_past_is_found_even_if_it_is_signed() {
    let mut events = world().stored();
    let at = place(&events, "key.a.suspended");
    events[at] = forged(&events[at], &ledger_key(1), |r| {
        r.prev = Some(EventCid::of(b"{}"))
    });
    breaks(&events, at as u64 + 1, "unchained");
}

#[test]
fn an_operator_that_did_not_sign_the_bootstrap_is_refused() {
    let mut events = world().stored();
    let at = place(&events, "operator.acme.created");
    let other = key_pair(nkeys::KeyPairType::Operator, 5).public_key();
    let operator = key_pair(nkeys::KeyPairType::Operator, 1);
    events[at] = forged(&events[at], &operator, |record| {
        if let Event::Operator(operator::Event::Created(created)) = &mut record.event {
            created.nkey = other.into();
        }
    });
    let broken = breaks(&events, at as u64 + 1, "unknown_signer");
    assert!(broken.to_string().contains("another nkey"), "{broken}");
}

#[test]
fn a_compromised_signing_key_signs_nothing_more() {
    let mut world = world();
    let now = world.now;
    // No command can do this; a ledger in which it stands ends there.
    let revoked = key::Event::Revoked(key::Revoked {
        revocation_reason: key::RevocationReason::KeyCompromise,
        revoked_at: now,
        compromise_occurred_at: None,
        compromise_detected_at: None,
    });
    let id = history(Aggregate::Key, keyledger_domain::LEDGER_SIGNING_KEY);
    let decision = crate::support::decision([(id, Event::Key(revoked))]);
    world.write(decision, &stamp(VerifiedBy::RequestInfo), &Why::default());
    assert!(verify(&world.stored(), None).is_ok());
    world.run(&active("late")).unwrap();
    let broken = breaks(
        &world.stored(),
        world.written.len() as u64 - 1,
        "unknown_signer",
    );
    assert!(
        broken.to_string().contains("compromised before"),
        "{broken}"
    );
}

#[test]
fn the_digest_is_the_documented_one() {
    let cid = EventCid::of(b"{}");
    let mut digest = HeadDigest::new();
    assert_eq!(digest.to_string(), "0".repeat(64));
    digest.push(&cid);
    let expected = blake3::hash(&[&[0; 32][..], cid.digest()].concat());
    assert_eq!((digest.events(), digest.bytes()), (1, expected.as_bytes()));
    digest.push(&cid);
    let expected = blake3::hash(&[&expected.as_bytes()[..], cid.digest()].concat());
    assert_eq!((digest.events(), digest.bytes()), (2, expected.as_bytes()));
}

#[test]
fn a_version_that_is_not_the_next_is_refused_even_if_it_is_signed() {
    let events = world().stored();
    for (key, signer) in [("ledger-signing", 1), ("c", 2)] {
        let events = if key == "c" {
            given([
                active("c"),
                please("rotate", "ledger-signing"),
                please("rotate", "c"),
            ])
            .world()
            .stored()
        } else {
            events.clone()
        };
        let at = place(&events, &format!("{key}.rotated"));
        for version in [0, 1, 3, u32::MAX] {
            let mut events = events.clone();
            events[at] = forged(&events[at], &ledger_key(signer), |record| {
                if let Event::Key(key::Event::Rotated(rotated)) = &mut record.event {
                    rotated.version = version;
                }
            });
            let broken = breaks(&events, at as u64 + 1, "unchained");
            let said = broken.to_string();
            assert!(said.contains("version 2 was expected"), "{said}");
        }
    }
}

#[test]
fn many_signatures_are_checked_as_each_alone() {
    let events = world().stored();
    let claims = |events: &[StoredEvent]| -> Vec<(String, EventCid, String)> {
        let of = |e: &StoredEvent, name: &str| e.headers[name].clone();
        let claim = |e: &StoredEvent| {
            let cid = EventCid::of(&e.payload);
            (of(e, "Keyledger-Signer"), cid, of(e, "Keyledger-Signature"))
        };
        events.iter().map(claim).collect()
    };
    let check = |claims: &[(String, EventCid, String)]| -> Vec<Result<(), Fault>> {
        let claims: Vec<_> = claims
            .iter()
            .map(|(signer, cid, signature)| Claim {
                signer,
                cid: *cid,
                signature,
            })
            .collect();
        let together = Signatures::default().check_all(&claims);
        let mut alone = Signatures::default();
        let alone = claims
            .iter()
            .map(|c| alone.check(c.signer, c.cid, c.signature));
        assert_eq!(together, alone.collect::<Vec<_>>());
        together
    };
    let good = claims(&events);
    assert!(check(&good).iter().all(Result::is_ok));
    assert!(check(&[]).is_empty());
    for at in [0, good.len() / 2, good.len() - 1] {
        let mut one = good.clone();
        one[at].1 = EventCid::of(b"{}");
        let found = check(&one);
        let bad: Vec<_> = (0..one.len()).filter(|n| found[*n].is_err()).collect();
        assert_eq!(bad, [at]);
        for bad in ["", "AAAA", "not base64!"] {
            let mut one = good.clone();
            bad.clone_into(&mut one[at].2);
            assert!(check(&one)[at].is_err());
        }
        let mut one = good.clone();
        "UNOBODY".clone_into(&mut one[at].0);
        assert_eq!(
            check(&one)[at].as_ref().unwrap_err().reason(),
            "unknown_signer"
        );
    }
}
