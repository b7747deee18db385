//! The subject of a certificate, filled in for the holder of a token.

use super::{
    Holder,
    subject_part::{SubjectAttribute, SubjectPart, filled},
};
use crate::{name::Name, rejection::Rejection};

/// The subject of a certificate for a holder's token, the most specific part first. Of an empty plan: `CN={title}`, then
/// `UID={principal}`.
///
/// # Errors
///
/// [`Rejection::BadValue`] if the holder has no e-mail address where one is filled in, or what comes out fits no certificate.
pub fn subject(
    plan: &[SubjectPart],
    holder: &Holder,
    token: &Name,
) -> Result<Vec<(SubjectAttribute, String)>, Rejection> {
    let filling = Filling { holder, token };
    let usual = [
        (SubjectAttribute::CommonName, "{title}"),
        (SubjectAttribute::UserId, "{principal}"),
    ]
    .map(|(attribute, value)| SubjectPart {
        attribute,
        value: value.into(),
    });
    let parts = if plan.is_empty() { &usual } else { plan };
    parts.iter().map(|part| part.fill(&filling)).collect()
}

/// What is filled in.
struct Filling<'a> {
    holder: &'a Holder,
    token: &'a Name,
}

impl Filling<'_> {
    fn place(&self, place: &str) -> Option<&str> {
        match place {
            "title" => Some(self.holder.title.as_str()),
            "principal" => Some(self.holder.principal.as_str()),
            "email" => self.holder.email.as_ref().map(|email| email.as_str()),
            "serial" => Some(self.token.as_str()),
            _ => None,
        }
    }
}

impl SubjectPart {
    fn fill(&self, filling: &Filling<'_>) -> Result<(SubjectAttribute, String), Rejection> {
        let attribute = self.attribute;
        let known = |place: &str| filling.place(place).map(str::to_owned);
        let value = filled(&self.value, known).ok_or_else(|| Rejection::BadValue {
            field: "profile",
            fault: format!(
                "the subject's {self} needs an e-mail address, and principal {} has none: give it with `principal describe`, \
                 or with the command",
                filling.holder.principal
            ),
        })?;
        if attribute.fits(&value) {
            return Ok((attribute, value));
        }
        Err(Rejection::BadValue {
            field: "title",
            fault: format!(
                "the subject's {self} comes to {value:?}, and no certificate can carry that ({} has up to {} printable \
                 characters): describe principal {} otherwise, or take another profile",
                attribute.as_str(),
                attribute.most(),
                filling.holder.principal
            ),
        })
    }
}
