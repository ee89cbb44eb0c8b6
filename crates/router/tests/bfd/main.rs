//! BFD: two engines at the two ends of a virtual link, on virtual time; and one engine under packets made by hand.

mod link;
mod table;
mod timing;
mod world;
