//! What can be asked of an account: one file a verb, one line in this table.

use crate::verb::verbs;

verbs! { Account;
    create => Create,
}
