//! BFD control packets (RFC 5880 section 4.1).
