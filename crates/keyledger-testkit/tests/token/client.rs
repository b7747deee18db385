//! The crate `yubikey` as a client, and what it does not know how to say.

use keyledger_testkit::token::Token;
use pcsc::{Context, Protocols, Scope, ShareMode};
use yubikey::piv::{self, AlgorithmId, SlotId};
use yubikey::{MgmKey, PinPolicy, Serial, TouchPolicy, YubiKey};

pub(crate) const PIN: &[u8] = b"123456";
pub(crate) const PUK: &[u8] = b"12345678";

pub(crate) const SLOTS: [SlotId; 4] = [
    SlotId::Authentication,
    SlotId::Signature,
    SlotId::KeyManagement,
    SlotId::CardAuthentication,
];

pub(crate) fn open(token: &Token) -> YubiKey {
    // Not by serial: that looks into every reader, and resets what others do there.
    let mut context = yubikey::reader::Context::open().unwrap();
    let name = token.reader();
    let mut readers = context.iter().unwrap();
    let reader = readers.find(|reader| reader.name() == name);
    let reader = reader.unwrap_or_else(|| panic!("no {name}"));
    let client = reader.open().unwrap();
    assert_eq!(client.serial(), Serial(token.serial()));
    client
}

/// Open, with the factory's PIN verified and the factory's management key proved.
pub(crate) fn open_as_administrator(token: &Token) -> YubiKey {
    let mut client = open(token);
    client.verify_pin(PIN).unwrap();
    let key = MgmKey::get_default(&client).unwrap();
    client.authenticate(&key).unwrap();
    client
}

/// A key with the slot's own policies; its public half in DER.
pub(crate) fn generate(client: &mut YubiKey, slot: SlotId, algorithm: AlgorithmId) -> Vec<u8> {
    generate_with(
        client,
        slot,
        algorithm,
        PinPolicy::Default,
        TouchPolicy::Default,
    )
}

pub(crate) fn generate_with(
    client: &mut YubiKey,
    slot: SlotId,
    algorithm: AlgorithmId,
    pin: PinPolicy,
    touch: TouchPolicy,
) -> Vec<u8> {
    use x509_cert::der::Encode as _;
    let public = piv::generate(client, slot, algorithm, pin, touch).unwrap();
    public.to_der().unwrap()
}

/// Bytes to and from a card, for what no library says.
pub(crate) struct Raw(pcsc::Card);

impl Raw {
    pub(crate) fn open(token: &Token) -> Self {
        let context = Context::establish(Scope::User).unwrap();
        let reader = std::ffi::CString::new(token.reader()).unwrap();
        let card = context
            .connect(&reader, ShareMode::Shared, Protocols::T1)
            .unwrap();
        Self(card)
    }

    /// With PIV selected.
    pub(crate) fn piv(token: &Token) -> Self {
        let raw = Self::open(token);
        assert!(raw.ask("00a4040005a000000308").ends_with("9000"));
        raw
    }

    /// In hexadecimal digits, as is the answer with its status word.
    pub(crate) fn ask(&self, command: &str) -> String {
        self.attempt(command).unwrap()
    }

    /// The same, where the card may be gone.
    pub(crate) fn attempt(&self, command: &str) -> Result<String, pcsc::Error> {
        use data_encoding::HEXLOWER;
        let command = HEXLOWER.decode(command.as_bytes()).unwrap();
        let mut buffer = vec![0; 65_538];
        self.0
            .transmit(&command, &mut buffer)
            .map(|answer| HEXLOWER.encode(answer))
    }
}
