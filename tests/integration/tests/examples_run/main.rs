//! `rauta run` on the Gateway API's own examples, unmodified, with the overlay: what programs that
//! people use get for an answer.

mod asked; // the examples, what is asked of them and what comes
mod chromium; // a browser over TLS
mod curl; // all of what is asked
mod grpc; // an origin for gRPC of few lines
mod grpcurl; // gRPC, with a server of gRPC's own makers
mod h2load; // many streams at once
mod left_out; // the examples that nothing can be asked of
mod stage; // a gateway started on examples
mod tool; // outside programs and their limits
mod websocket; // messages over an upgraded connection
