//! The rules of ReferenceGrant.

use super::checks::Items;
use super::fields::Fields;
use super::form::{GROUP, KIND, NAMESPACE, OBJECT_NAME};

pub(super) fn spec(f: &mut Fields<'_>) {
    f.require("from");
    f.list("from", Items::some_up_to(16), |f| {
        f.require("group");
        f.text("group", &GROUP);
        f.required_text("kind", &KIND);
        f.required_text("namespace", &NAMESPACE);
    });
    f.require("to");
    f.list("to", Items::some_up_to(16), |f| {
        f.require("group");
        f.text("group", &GROUP);
        f.required_text("kind", &KIND);
        f.text("name", &OBJECT_NAME);
    });
}
