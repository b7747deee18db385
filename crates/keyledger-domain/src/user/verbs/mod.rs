//! What can be asked of a user: one file a verb, one line in this table.

use crate::table::verbs;

verbs! { User;
    issue => Issue,
    revoke => Revoke,
}
