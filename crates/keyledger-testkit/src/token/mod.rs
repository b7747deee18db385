//! Virtual tokens: YubiKeys of our own behind the real pcscd, for tests.
//!
//! [`VirtualTokens`] starts the binary `virtual-token`, in which the tokens, pcscd and vpcd's driver run in
//! namespaces of their own. Whatever speaks PC/SC reaches them if it is started with [`VirtualTokens::env`].

mod apdu;
mod card;
mod control;
mod device;
mod factory_card;
mod fault;
mod harness;
mod hex;
mod in_hand;
mod openpgp;
mod outside;
mod piv;
mod small_applets;
pub mod stack;
mod tlv;
mod virtual_token;
mod wire;

pub use device::{Firmware, NoFirmware};
pub use factory_card::FactoryCard;
pub use fault::{Fault, NewSecret, Touch, When};
pub use harness::VirtualTokens;
pub use in_hand::Token;
pub use openpgp::TouchFlag;
pub use piv::{Algorithm, ManagementAlgorithm, PinPolicy, TouchPolicy};
pub use wire::{OpenPgpKeyState, OpenPgpState, SlotState, TokenState};
