//! What can be asked of the operator: one file a verb, one line in this table.

use crate::table::verbs;

verbs! { Operator;
    describe => Describe,
    trust => Trust,
}
