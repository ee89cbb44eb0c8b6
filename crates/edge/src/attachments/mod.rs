//! The host interface of each attachment: a veth pair whose one end is the data plane's (`hx<ID>`, in the edge's
//! namespace) and whose other end (`host`, in a namespace of the attachment's own) has the edge's addresses there.
//!
//! ```text
//!   wanted: [Attachment] ─┐
//!                         ├─▶ plan(..) ──▶ [Step] ──▶ carried out, each attachment by itself
//!   found: in the kernel ─┘   (pure)
//! ```
//!
//! What is found from an earlier process is adopted as it is: same namespace, same interface, same neighbours.

mod carry_out;
mod plan;

pub use carry_out::*;
pub use plan::*;
