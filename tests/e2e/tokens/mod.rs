//! YubiKeys, end to end: the real agent, the real pcscd, virtual tokens behind it.

mod evidence;
mod far_root;
mod interrupted;
mod life;
mod openpgp;
mod repair;
mod replay;
mod signed;
mod workshop;
