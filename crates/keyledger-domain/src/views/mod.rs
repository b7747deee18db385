//! Views: answers folded from the ledger, never stored, never the truth.
//!
//! Each is a pure function of a [`Ledger`](crate::Ledger) and a question; a question about the past is asked of the
//! ledger as it was then.

pub mod credentials;
mod ending;
pub mod history;
pub mod inventory;
mod locate;
pub mod page;
pub mod principals;
pub mod search;
pub mod tokens;

pub use credentials::{AccountRow, OperatorRow, UserQuery, UserRow, UserState};
pub use ending::{Ending, EndingKind, NobodyCommands, Stuck, ending, last_administrator, stuck};
pub use history::{Change, HistoryFold, HistoryQuery, TimelineEntry, TimelinePage, timeline};
pub use inventory::{InventoryRow, NewestCertificate, row};
pub use locate::{InventoryPage, InventoryQuery, InventorySort, States, inventory};
pub use page::{Budget, Filling, ListQuery, Page};
pub use principals::{PrincipalDetail, PrincipalRow};
pub use search::{Search, SearchPage, SearchQuery, SearchRow};
pub use tokens::TokenRow;
