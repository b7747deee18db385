//! What can be asked of a principal: one file a verb, one line in this table.

use crate::table::verbs;

verbs! { Principal;
    register => Register,
    describe => Describe,
    publish => Publish,
    recover_key => RecoverKey,
    offboard => Offboard,
}
