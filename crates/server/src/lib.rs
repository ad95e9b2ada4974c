//! What an operator reaches over HTTPS: health, metrics, configuration, decisions.
//!
//! Paths, texts and rules are those of kube-scheduler's secure port. Who somebody is and what he may do is asked of the API server
//! through [`Delegate`]; what the scheduler knows is asked through [`Inspect`]. Both are implemented where everything is wired together.
//!
//! Invariants: this crate has no client of its own and decides nothing; but for the paths that are always allowed, nothing is
//! answered before the one who asks is known and has the right to ask. HTTP/1.1 alone is spoken, and TLS 1.2 and 1.3.

mod auth;
mod certificate;
mod debug;
mod health;
mod inspect;
mod pages;
mod respond;
mod routes;
mod server;
mod tls;

pub use auth::{Access, Asked, AuthOptions, Delegate, ProxyOptions, User};
pub use certificate::{CertificateError, CertificateSource};
pub use health::{Check, Checks};
pub use inspect::{Answer, DecisionQuery, Inspect, Page};
pub use routes::Parts;
pub use server::{Server, ServerError, ServerOptions};
pub use tls::TlsVersion;
