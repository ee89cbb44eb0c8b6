//! A lab: one topology file makes a whole on-ramp on this machine.

pub mod topology;
