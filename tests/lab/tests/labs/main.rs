//! Labs from start to end, as a person or a script uses them: through the program.
//!
//! They need root and namespaces; where these are not to be had, `up` says so and these fail.

mod answers; // what a client of the API server gets, and how fast
mod ends; // taken down, killed, again and again
mod lab; // a lab of a test
mod ways; // nodes, pods and the Gateway pool are reached
