//! What can be asked of the operator. Its signing keys are added and rotated by later work.

use crate::{
    command::{body, commands},
    name::Aggregate,
    text::Title,
};

commands! { Aggregate::Operator;
    /// Describe the operator: its title
    "describe" => Describe,
}

body! { optional reason;
    /// Describe the operator.
    Describe {
        /// What people call it.
        title: Title,
    }
}
