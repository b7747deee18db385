//! The crate `yubikey` as a client.

use keyledger_testkit::token::Token;
use yubikey::{MgmKey, Serial, YubiKey};

pub(crate) const PIN: &[u8] = b"123456";

pub(crate) fn open(token: &Token) -> YubiKey {
    YubiKey::open_by_serial(Serial(token.serial())).unwrap()
}

/// Open, with the factory's PIN verified and the factory's management key proved.
pub(crate) fn open_as_administrator(token: &Token) -> YubiKey {
    let mut client = open(token);
    client.verify_pin(PIN).unwrap();
    let key = MgmKey::get_default(&client).unwrap();
    client.authenticate(&key).unwrap();
    client
}
