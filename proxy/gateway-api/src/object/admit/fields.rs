//! The vocabulary in which the rules of a kind are written: a walk over one object that sets
//! defaults, checks fields and prunes what the kind does not know.
//!
//! A rule names each field of an object exactly once; whatever is not named is unknown. Rules
//! that compare fields come last in a body, when defaults are set and children were visited.

use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use super::checks::{Items, check_choice, check_integer, check_text};
use super::form::Text;
use super::report::{Path, Report};

/// The fields of one object under inspection.
pub(super) struct Fields<'a> {
    map: &'a mut Map<String, Value>,
    at: &'a Path<'a>,
    report: &'a mut Report,
    known: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    /// Walks `value`, which must be an object, by the rules in `body`; then prunes.
    pub(super) fn visit(
        value: &mut Value,
        at: &Path<'_>,
        report: &mut Report,
        body: impl FnOnce(&mut Fields<'_>),
    ) {
        let Value::Object(map) = value else {
            report.wrong_type(at, value, "an object");
            return;
        };
        let mut fields = Fields {
            map,
            at,
            report,
            known: Vec::new(),
        };
        body(&mut fields);
        let Fields {
            map,
            at,
            report,
            known,
        } = fields;
        map.retain(|name, _| {
            let keep = known.contains(&name.as_str());
            if !keep {
                report.prune(at, name);
            }
            keep
        });
    }

    /// Walks `value` as [`Self::visit`] does, but keeps fields that no rule names: the typed
    /// struct of the kind knows them.
    pub(super) fn visit_open(
        value: &mut Value,
        at: &Path<'_>,
        report: &mut Report,
        body: impl FnOnce(&mut Fields<'_>),
    ) {
        let Value::Object(map) = value else {
            report.wrong_type(at, value, "an object");
            return;
        };
        body(&mut Fields {
            map,
            at,
            report,
            known: Vec::new(),
        });
    }

    /// Whether the field is there.
    pub(super) fn has(&self, name: &str) -> bool {
        self.map.contains_key(name)
    }

    /// The field's text, if it is one.
    pub(super) fn str(&self, name: &str) -> Option<&str> {
        self.map.get(name).and_then(Value::as_str)
    }

    /// The field's number, if it is an integer.
    pub(super) fn int(&self, name: &str) -> Option<i64> {
        self.map.get(name).and_then(Value::as_i64)
    }

    /// The field's value, whatever it is.
    pub(super) fn child(&self, name: &str) -> Option<&Value> {
        self.map.get(name)
    }

    /// The field's list; empty if there is none.
    pub(super) fn items(&self, name: &str) -> &[Value] {
        self.map
            .get(name)
            .and_then(Value::as_array)
            .map_or(&[], Vec::as_slice)
    }

    /// Whether the field is the object or list that holds nothing, or is absent.
    pub(super) fn is_empty(&self, name: &str) -> bool {
        match self.map.get(name) {
            Some(Value::Array(items)) => items.is_empty(),
            Some(Value::Object(map)) => map.is_empty(),
            other => other.is_none(),
        }
    }

    /// Refuses the field, quoting its value.
    pub(super) fn refuse(&mut self, name: &str, what: impl Into<String>, fix: impl Into<String>) {
        let value = self.map.get(name);
        self.report.refuse(&self.at.field(name), value, what, fix);
    }

    /// Sets the field if it is absent.
    pub(super) fn default(&mut self, name: &str, value: impl Into<Value>) {
        if !self.has(name) {
            self.map.insert(name.to_owned(), value.into());
        }
    }

    /// Removes the field, whatever it holds.
    pub(super) fn drop(&mut self, name: &str) {
        self.map.remove(name);
    }

    /// Puts a label on the object whose metadata these are, unless its labels are malformed.
    pub(super) fn label(&mut self, key: &str, value: &str) {
        self.default("labels", Value::Object(Map::new()));
        self.insert_into("labels", key.to_owned(), Value::from(value));
    }

    /// Sets an entry of the field, if it is an object.
    pub(super) fn insert_into(&mut self, name: &str, key: String, value: Value) {
        if let Some(Value::Object(map)) = self.map.get_mut(name) {
            map.insert(key, value);
        }
    }

    /// Demands that the field is there.
    pub(super) fn require(&mut self, name: &'static str) {
        if !self.has(name) {
            self.report.missing(&self.at.field(name));
        }
    }

    /// Takes a field that is of no concern here, whatever it holds.
    pub(super) fn accept(&mut self, name: &'static str) {
        self.known.push(name);
    }

    /// A text of the given rule.
    pub(super) fn text(&mut self, name: &'static str, rule: &Text) {
        self.known.push(name);
        if let Some(value) = self.map.get(name) {
            check_text(value, &self.at.field(name), self.report, rule);
        }
    }

    /// A text that must be there.
    pub(super) fn required_text(&mut self, name: &'static str, rule: &Text) {
        self.require(name);
        self.text(name, rule);
    }

    /// One of a closed set of texts.
    pub(super) fn choice(&mut self, name: &'static str, choices: &[&str]) {
        self.known.push(name);
        if let Some(value) = self.map.get(name) {
            check_choice(value, &self.at.field(name), self.report, choices);
        }
    }

    /// An integer within bounds.
    pub(super) fn integer(&mut self, name: &'static str, bounds: RangeInclusive<i64>) {
        self.known.push(name);
        if let Some(value) = self.map.get(name) {
            check_integer(value, &self.at.field(name), self.report, &bounds);
        }
    }

    /// One of a closed set of numbers.
    pub(super) fn number(&mut self, name: &'static str, choices: &[i64]) {
        self.known.push(name);
        let Some(value) = self.map.get(name) else {
            return;
        };
        if !value
            .as_i64()
            .is_some_and(|number| choices.contains(&number))
        {
            let fix = format!("use one of {choices:?}");
            self.report.refuse(
                &self.at.field(name),
                Some(value),
                "is not a known value",
                fix,
            );
        }
    }

    /// A boolean.
    pub(super) fn boolean(&mut self, name: &'static str) {
        self.known.push(name);
        if let Some(value) = self.map.get(name)
            && !value.is_boolean()
        {
            self.report
                .wrong_type(&self.at.field(name), value, "a boolean");
        }
    }

    /// An object with rules of its own.
    pub(super) fn object(&mut self, name: &'static str, body: impl FnOnce(&mut Fields<'_>)) {
        self.known.push(name);
        if let Some(value) = self.map.get_mut(name) {
            Fields::visit(value, &self.at.field(name), self.report, body);
        }
    }

    /// An object whose other fields the typed struct knows.
    pub(super) fn open_object(&mut self, name: &'static str, body: impl FnOnce(&mut Fields<'_>)) {
        if let Some(value) = self.map.get_mut(name) {
            Fields::visit_open(value, &self.at.field(name), self.report, body);
        }
    }

    /// A list of objects whose other fields the typed struct knows.
    pub(super) fn open_list(
        &mut self,
        name: &'static str,
        bounds: Items,
        body: impl Fn(&mut Fields<'_>),
    ) {
        self.each(name, bounds, |value, at, report| {
            Fields::visit_open(value, at, report, &body)
        });
    }

    /// A list of objects.
    pub(super) fn list(
        &mut self,
        name: &'static str,
        bounds: Items,
        body: impl Fn(&mut Fields<'_>),
    ) {
        self.each(name, bounds, |value, at, report| {
            Fields::visit(value, at, report, &body)
        });
    }

    /// A list of objects in which `key` is unique, as a list of type map demands.
    pub(super) fn keyed_list(
        &mut self,
        name: &'static str,
        key: &'static str,
        bounds: Items,
        body: impl Fn(&mut Fields<'_>),
    ) {
        self.list(name, bounds, body);
        let path = self.at.field(name);
        let items = self.items(name);
        let repeated = (1..items.len()).filter_map(|index| {
            let value = items[index].get(key)?;
            items[..index]
                .iter()
                .any(|other| other.get(key) == Some(value))
                .then_some((index, value))
        });
        let repeated: Vec<(usize, Value)> = repeated.map(|(i, value)| (i, value.clone())).collect();
        for (index, value) in repeated {
            let what = format!("the {key} comes twice in the list");
            self.report.refuse(
                &path.item(index).field(key),
                Some(&value),
                what,
                format!("keep one item per {key}"),
            );
        }
    }

    /// A list of texts.
    pub(super) fn texts(&mut self, name: &'static str, bounds: Items, rule: &Text) {
        self.each(name, bounds, |value, at, report| {
            check_text(value, at, report, rule)
        });
    }

    /// A list of texts of a closed set.
    pub(super) fn choices(&mut self, name: &'static str, bounds: Items, choices: &[&str]) {
        self.each(name, bounds, |value, at, report| {
            check_choice(value, at, report, choices)
        });
    }

    /// A list of integers within bounds.
    pub(super) fn integers(
        &mut self,
        name: &'static str,
        bounds: Items,
        range: RangeInclusive<i64>,
    ) {
        self.each(name, bounds, |value, at, report| {
            check_integer(value, at, report, &range)
        });
    }

    /// A map of free keys to texts, with a rule for each side.
    pub(super) fn pairs(&mut self, name: &'static str, max: usize, key: &Text, value_rule: &Text) {
        self.known.push(name);
        let Some(value) = self.map.get(name) else {
            return;
        };
        let at = self.at.field(name);
        let Value::Object(pairs) = value else {
            self.report.wrong_type(&at, value, "an object");
            return;
        };
        if pairs.len() > max {
            let what = format!("holds {} entries, at most {max} are allowed", pairs.len());
            self.report.refuse(&at, None, what, "remove entries");
        }
        for (name, value) in pairs {
            let at = at.key(name);
            if !key.form.admits(name) {
                let fix = format!("use {}", key.form.describe());
                self.report
                    .refuse(&at, None, "the key has not the right form", fix);
            }
            check_text(value, &at, self.report, value_rule);
        }
    }

    fn each(
        &mut self,
        name: &'static str,
        bounds: Items,
        mut check: impl FnMut(&mut Value, &Path<'_>, &mut Report),
    ) {
        self.known.push(name);
        let Some(value) = self.map.get_mut(name) else {
            return;
        };
        let at = self.at.field(name);
        let Value::Array(items) = value else {
            self.report.wrong_type(&at, value, "a list");
            return;
        };
        if items.len() < bounds.min || items.len() > bounds.max {
            let what = format!(
                "holds {} items, allowed are {} to {}",
                items.len(),
                bounds.min,
                bounds.max
            );
            self.report.refuse(&at, None, what, "add or remove items");
        }
        // Beyond the limit only the count is of interest; the rest would take time to no end.
        for (index, item) in items.iter_mut().take(bounds.max).enumerate() {
            check(item, &at.item(index), self.report);
        }
        if bounds.set {
            for index in 1..items.len().min(bounds.max) {
                if items[..index].contains(&items[index]) {
                    let item = Some(&items[index]);
                    self.report
                        .refuse(&at.item(index), item, "comes twice", "keep one of them");
                }
            }
        }
    }
}
