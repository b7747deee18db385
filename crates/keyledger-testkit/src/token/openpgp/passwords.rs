//! PIN, admin PIN and reset code: verified, changed, unblocked, given more tries.

use super::OpenPgp;
use super::state::Password;
use crate::token::apdu::{CommandApdu, ResponseApdu, StatusWord};
use crate::token::fault::NewSecret;
use crate::token::outside::Outside;

const SIGN: u8 = 0x81;
const USER: u8 = 0x82;
const ADMIN: u8 = 0x83;

const SHORTEST_PIN: usize = 6;
const SHORTEST_ADMIN_PIN: usize = 8;

impl OpenPgp {
    /// VERIFY: with a PIN, or without to ask, or with `ff` to forget.
    pub(super) fn verify(&mut self, command: &CommandApdu) -> ResponseApdu {
        let (proved, password) = match command.p2 {
            SIGN => (&mut self.session.may_sign, &mut self.state.user),
            USER => (&mut self.session.is_user, &mut self.state.user),
            ADMIN => (&mut self.session.is_admin, &mut self.state.admin),
            _ => return Err(StatusWord::WRONG_PARAMETERS),
        };
        match (command.p1, &**command.data) {
            (0xff, []) => *proved = false,
            (0x00, []) if *proved => {}
            (0x00, []) => return Err(StatusWord::tries_left(password.tries_left())),
            (0x00, value) => {
                self.changed = true;
                let verified = password.verify(value);
                *proved = verified.is_ok();
                verified?;
            }
            _ => return Err(StatusWord::WRONG_PARAMETERS),
        }
        Ok(Vec::new())
    }

    /// CHANGE REFERENCE DATA: the old value, then the new.
    pub(super) fn change_reference(
        &mut self,
        command: &CommandApdu,
        outside: &Outside,
    ) -> ResponseApdu {
        use NewSecret::{OpenPgpAdminPin, OpenPgpPin};
        let (password, shortest, secret) = match command.p2 {
            SIGN => (&mut self.state.user, SHORTEST_PIN, OpenPgpPin),
            ADMIN => (&mut self.state.admin, SHORTEST_ADMIN_PIN, OpenPgpAdminPin),
            _ => return Err(StatusWord::WRONG_PARAMETERS),
        };
        let (old, new) = split(&command.data, password)?;
        self.changed = true;
        password.verify(old)?;
        outside.check_new(secret, new)?;
        password.set(new, shortest)?;
        Ok(Vec::new())
    }

    /// RESET RETRY COUNTER: a new PIN, after the reset code or from the admin.
    pub(super) fn reset_retry_counter(
        &mut self,
        command: &CommandApdu,
        outside: &Outside,
    ) -> ResponseApdu {
        let new = match (command.p1, command.p2) {
            (0x00, SIGN) => {
                let (code, new) = split(&command.data, &self.state.reset_code)?;
                self.changed = true;
                self.state.reset_code.verify(code)?;
                new
            }
            (0x02, SIGN) => {
                self.require_admin()?;
                &command.data
            }
            _ => return Err(StatusWord::WRONG_PARAMETERS),
        };
        outside.check_new(NewSecret::OpenPgpPin, new)?;
        self.state.user.set(new, SHORTEST_PIN)?;
        self.changed = true;
        Ok(Vec::new())
    }

    /// PUT DATA of the reset code: an empty one is none.
    pub(super) fn set_reset_code(
        &mut self,
        code: &[u8],
        outside: &Outside,
    ) -> Result<(), StatusWord> {
        if code.is_empty() {
            self.state.reset_code = Password::none(self.state.reset_code.tries);
            return Ok(());
        }
        outside.check_new(NewSecret::OpenPgpResetCode, code)?;
        self.state.reset_code.set(code, SHORTEST_ADMIN_PIN)
    }

    /// Yubico's SET PIN RETRIES: for PIN, reset code and admin PIN, which stay what they are, as on everything since the YubiKey 4.
    pub(super) fn set_retries(&mut self, command: &CommandApdu) -> ResponseApdu {
        self.require_admin()?;
        let &[user, reset_code, admin] = &command.data[..] else {
            return Err(StatusWord::WRONG_DATA);
        };
        if [user, reset_code, admin].contains(&0) {
            return Err(StatusWord::WRONG_DATA);
        }
        self.state.user.set_tries(user);
        self.state.reset_code.set_tries(reset_code);
        self.state.admin.set_tries(admin);
        self.changed = true;
        Ok(Vec::new())
    }

    pub(super) fn require_admin(&self) -> Result<(), StatusWord> {
        require(self.session.is_admin)
    }
}

pub(super) fn require(proved: bool) -> Result<(), StatusWord> {
    if proved {
        Ok(())
    } else {
        Err(StatusWord::SECURITY_NOT_SATISFIED)
    }
}

/// A value as long as the password, and the one behind it.
fn split<'a>(data: &'a [u8], password: &Password) -> Result<(&'a [u8], &'a [u8]), StatusWord> {
    data.split_at_checked(password.bytes())
        .ok_or(StatusWord::WRONG_DATA)
}
