//! What can be asked of an account. Configuring, rotating and deleting come with later work.

use crate::{
    command::{body, commands},
    name::Aggregate,
    text::Title,
};

commands! { Aggregate::Account;
    /// Create a NATS account with an online signing key, and push its JWT to the servers
    "create" => Create,
}

body! { optional reason;
    /// Create an account.
    Create {
        /// What people call it.
        title: Option<Title>,
        /// True if it imports this service, so that its users can command their own keys: all have the role `service`.
        imports_keyledger: Option<bool>,
        /// True if its users may store in `JetStream`, within limits.
        jetstream: Option<bool>,
        /// MiB that they may store on disk, all replicas counted: 1,024 if absent and they may store.
        jetstream_disk_mib: Option<u32>,
        /// MiB that they may store in memory, all replicas counted: none if absent.
        jetstream_memory_mib: Option<u32>,
    }
}
