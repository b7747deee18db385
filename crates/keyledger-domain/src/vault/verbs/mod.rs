//! What can be asked of a vault: nothing yet.

use crate::table::verbs;

verbs! { Vault; }
