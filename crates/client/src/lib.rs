//! A blocking, typed client of the API, for the edges, the operator's commands and the lab.
//!
//! ```text
//!   Credentials + ca.pem ──▶ Client ──▶ token (fetched once, renewed before it expires)
//!                                  └──▶ request ──▶ operation polled until it is done ──▶ the resource, or the API's error
//! ```
//!
//! A path may be written without `api-version`; the client adds the one that fits its namespace. What the API refuses
//! comes back as [`Error::Api`] with its code, message and every detail; what never reached the API as another
//! variant, so that a caller can tell "no" from "nobody there".

mod client;
mod credentials;
mod error;
mod node;
mod operation;
mod transport;

pub use client::Client;
pub use credentials::{ClientsFile, Credentials, PartyCredentials, Secretive};
pub use error::{ApiError, ApiErrorDetail, Error};
pub use transport::Response;
