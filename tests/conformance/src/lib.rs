//! The official Gateway API conformance suite against a lab: `make conformance`.
//!
//! The suite is a Go module of its makers (`suite/`), compiled unchanged. What is here prepares a
//! cluster for it, starts it, and tells what came of it.

#![forbid(unsafe_code)]

pub mod cluster; // a lab, or a cluster that is there, and kubectl on it
pub mod evidence; // what a failure leaves
pub mod programs; // what is built from Go modules
pub mod progress; // what the suite says while it runs
pub mod report; // its report, and the table
pub mod run; // one run from beginning to end
pub mod status; // an object's status for people
pub mod witness; // statuses of objects that are gone
