//! The rules of GatewayClass.

use super::fields::Fields;
use super::form::{Form, Text};
use super::refs;

const CONTROLLER: Text = Text {
    min: 1,
    max: 253,
    form: Form::ControllerName,
};
const DESCRIPTION: Text = Text {
    min: 0,
    max: 64,
    form: Form::Any,
};

pub(super) fn spec(f: &mut Fields<'_>) {
    f.required_text("controllerName", &CONTROLLER);
    f.text("description", &DESCRIPTION);
    f.object("parametersRef", refs::anywhere);
}
