//! Documents as others meet them: they read back from both encodings, hold what the platform's
//! readers require, and match their committed schemas.

#![forbid(unsafe_code)]

mod json_schemas;
mod readers;
mod round_trip;
mod strategy;
