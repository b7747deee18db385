//! The files that travel to a machine without a network and back: a request goes in, a response comes out.
//!
//! ```text
//! Request::new ──► *.request ──► Request::parse, describe: a person reads, agrees
//!                                    └─ the key signs, Response::new ──► *.response ──► Response::parse, accept
//! ```
//!
//! There is one format; what is asked is of one [kind](RequestKind::KIND) of several. A kind says what its requests and responses
//! hold, checks a request whole, puts it in words, and says what a good answer comes to.
//!
//! Either file may have been changed on its way. A request is read strictly, and what is shown is what is signed: a request that
//! says anything else is refused. A response counts only for the request that it names by its SHA-256, and only if its kind
//! accepts it.

mod file;
mod key_name;
mod nonce;
mod octets;
mod request;
mod response;
mod words;

use serde::{Serialize, de::DeserializeOwned};

pub use file::{FileError, FileFormat, kind_of};
pub use key_name::{KeyName, NotAKeyName};
pub use nonce::{Nonce, NotANonce};
pub use octets::Octets;
pub use request::{Request, RequestError};
pub use response::{Response, ResponseError};
pub use words::{Words, end, moment};

/// What a request of one kind asks for, after all of it was checked.
pub trait RequestKind: Sized {
    /// The word in the field `kind`, by which files of this kind are told from others.
    const KIND: &'static str;
    /// The largest request or response, in bytes.
    const MAX_BYTES: usize;
    /// The field `asked` of a request.
    type Asked: Serialize + DeserializeOwned;
    /// The field `answer` of a response.
    type Answer: Serialize + DeserializeOwned;
    /// What a good answer comes to.
    type Outcome;
    /// Why what is asked must not be signed.
    type AskError: std::error::Error + 'static;
    /// Why an answer does not count.
    type AnswerError: std::error::Error + 'static;

    /// Checks what is asked, whole.
    ///
    /// # Errors
    ///
    /// Says what must not be signed.
    fn check(asked: Self::Asked) -> Result<Self, Self::AskError>;

    /// What is asked, as it stands in the file.
    fn asked(&self) -> &Self::Asked;

    /// Says in words, line by line, all that would be signed.
    fn describe(&self, words: &mut Words);

    /// What an answer comes to, if it is a good one.
    ///
    /// # Errors
    ///
    /// Says why the answer does not count.
    fn accept(&self, answer: &Self::Answer) -> Result<Self::Outcome, Self::AnswerError>;
}
