//! Who may send a command.

use crate::stamp::Role;

/// Who may send a command, by role. What a role may publish follows from this, and it is asked again when the command comes in and when
/// it is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Senders {
    /// Administrators.
    Administrators,
    /// Administrators, and services of keys of their own.
    AndServices,
    /// Approvers, and nobody else. Separation of duties: who provisions tokens gets neither what opens them nor what they decrypt with.
    Approvers,
    /// Agents, as reports.
    Agents,
}

impl Senders {
    /// True of a role that may send it. A service may only where the key is its own.
    #[must_use]
    pub const fn include(self, role: Role) -> bool {
        match (self, role) {
            (Self::Administrators | Self::AndServices, Role::Administrator)
            | (Self::AndServices, Role::Service)
            | (Self::Approvers, Role::Approver)
            | (Self::Agents, Role::Agent) => true,
            (
                Self::Administrators,
                Role::Approver | Role::Auditor | Role::Service | Role::Agent,
            )
            | (Self::AndServices, Role::Approver | Role::Auditor | Role::Agent)
            | (
                Self::Approvers,
                Role::Administrator | Role::Auditor | Role::Service | Role::Agent,
            )
            | (
                Self::Agents,
                Role::Administrator | Role::Approver | Role::Auditor | Role::Service,
            ) => false,
        }
    }

    /// Who they are, for people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Administrators => "administrator",
            Self::AndServices => "administrator, service (its own keys)",
            Self::Approvers => "approver",
            Self::Agents => "agent",
        }
    }
}
