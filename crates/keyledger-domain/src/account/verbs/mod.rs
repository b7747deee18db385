//! What can be asked of an account: one file a verb, one line in this table.

use crate::table::verbs;

verbs! { Account;
    create => Create,
    upgrade => Upgrade,
}
