//! AS_PATH on the wire, with two or four bytes for each AS number, and the marriage of the two (RFC 6793).

use causeway_edge_types::Asn;

use super::{AsPath, AsPathSegment};
use crate::reader::Reader;

/// What stands for an AS number that needs four bytes where there are two (RFC 6793 section 9).
pub(crate) const AS_TRANS: Asn = Asn(23456);

const SET: u8 = 1;
const SEQUENCE: u8 = 2;
const CONFED_SEQUENCE: u8 = 3;
const CONFED_SET: u8 = 4;

/// How a path is read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// AS_PATH between two-octet speakers.
    TwoOctet,
    /// AS_PATH between four-octet speakers.
    FourOctet,
    /// AS4_PATH: segments of a confederation are passed over (RFC 6793 section 3).
    As4Path,
}

/// Reads a path; an error says why it is malformed (RFC 7606 section 7.2, RFC 7607 for AS 0, RFC 5065 section 5 for a
/// confederation that is not ours).
pub(crate) fn decode(bytes: &[u8], format: Format) -> Result<AsPath, &'static str> {
    let mut reader = Reader::new(bytes);
    let mut segments = Vec::new();
    while !reader.is_empty() {
        let (Some(kind), Some(count)) = (reader.u8(), reader.u8()) else {
            return Err("a path segment without a header");
        };
        if count == 0 {
            return Err("a path segment without AS numbers");
        }
        let width = if format == Format::TwoOctet { 2 } else { 4 };
        let numbers = reader.take(usize::from(count) * width).ok_or("a path segment that is cut off")?;
        let asns: Vec<Asn> = numbers.chunks_exact(width).map(asn_of).collect();
        if asns.contains(&Asn(0)) {
            return Err("AS 0 in a path");
        }
        match kind {
            SET => segments.push(AsPathSegment::Set(asns)),
            SEQUENCE => segments.push(AsPathSegment::Sequence(asns)),
            CONFED_SEQUENCE | CONFED_SET if format == Format::As4Path => {}
            CONFED_SEQUENCE | CONFED_SET => return Err("a confederation's path segment from outside of it"),
            _ => return Err("an unknown type of path segment"),
        }
    }
    Ok(AsPath(segments))
}

fn asn_of(bytes: &[u8]) -> Asn {
    Asn(bytes.iter().fold(0, |number, byte| number << 8 | u32::from(*byte)))
}

/// Appends a path. A segment counts its AS numbers in one byte, so a longer sequence becomes several.
pub(crate) fn encode(path: &AsPath, four_octet: bool, out: &mut Vec<u8>) {
    for segment in &path.0 {
        let (kind, asns) = match segment {
            AsPathSegment::Set(asns) => (SET, asns),
            AsPathSegment::Sequence(asns) => (SEQUENCE, asns),
        };
        for part in asns.chunks(usize::from(u8::MAX)) {
            out.push(kind);
            out.push(u8::try_from(part.len()).unwrap_or(u8::MAX));
            for asn in part {
                encode_asn(*asn, four_octet, out);
            }
        }
    }
}

/// Appends an AS number, AS_TRANS in its place when it does not fit.
pub(crate) fn encode_asn(asn: Asn, four_octet: bool, out: &mut Vec<u8>) {
    match u16::try_from(asn.0) {
        _ if four_octet => out.extend(asn.0.to_be_bytes()),
        Ok(short) => out.extend(short.to_be_bytes()),
        Err(_) => encode_asn(AS_TRANS, false, out),
    }
}

/// A two-octet speaker's AS_PATH and the AS4_PATH beside it, put together (RFC 6793 section 4.2.3): the part of AS_PATH
/// that has no counterpart, then AS4_PATH. An AS4_PATH longer than AS_PATH is ignored.
pub(crate) fn merge(path: AsPath, as4_path: AsPath) -> AsPath {
    let Some(mut missing) = path.length().checked_sub(as4_path.length()) else {
        return path;
    };
    let mut merged: Vec<AsPathSegment> = Vec::new();
    for segment in path.0 {
        if missing == 0 {
            break;
        }
        match segment {
            AsPathSegment::Set(asns) => {
                missing -= 1;
                merged.push(AsPathSegment::Set(asns));
            }
            AsPathSegment::Sequence(mut asns) => {
                asns.truncate(missing);
                missing -= asns.len();
                merged.push(AsPathSegment::Sequence(asns));
            }
        }
    }
    let mut rest = as4_path.0.into_iter();
    match (merged.last_mut(), rest.next()) {
        // A sequence cut in two is one sequence again.
        (Some(AsPathSegment::Sequence(head)), Some(AsPathSegment::Sequence(tail)))
            if head.len() + tail.len() <= 255 =>
        {
            head.extend(tail);
        }
        (_, first) => merged.extend(first),
    }
    merged.extend(rest);
    AsPath(merged)
}

impl AsPath {
    /// How long the path is when paths are compared: a set counts as one (RFC 4271 section 9.1.2.2).
    pub fn length(&self) -> usize {
        let of = |segment: &AsPathSegment| match segment {
            AsPathSegment::Sequence(asns) => asns.len(),
            AsPathSegment::Set(_) => 1,
        };
        self.0.iter().map(of).sum()
    }

    /// Every AS number in it, in order, those of sets too.
    pub fn asns(&self) -> impl Iterator<Item = Asn> + '_ {
        self.0.iter().flat_map(|segment| match segment {
            AsPathSegment::Sequence(asns) | AsPathSegment::Set(asns) => asns.iter().copied(),
        })
    }

    /// The AS that the path was heard from, unless it begins with a set or is empty.
    pub fn first(&self) -> Option<Asn> {
        match self.0.first() {
            Some(AsPathSegment::Sequence(asns)) => asns.first().copied(),
            _ => None,
        }
    }

    /// Puts an AS number before the path, `count` times (RFC 4271 section 5.1.2).
    pub fn prepend(&mut self, asn: Asn, count: usize) {
        if count == 0 {
            return;
        }
        let fits = |asns: &Vec<Asn>| asns.len() + count <= usize::from(u8::MAX);
        match self.0.first_mut() {
            Some(AsPathSegment::Sequence(asns)) if fits(asns) => {
                asns.splice(0..0, std::iter::repeat_n(asn, count));
            }
            _ => self.0.insert(0, AsPathSegment::Sequence(vec![asn; count])),
        }
    }
}

impl std::fmt::Display for AsPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let words = |asns: &[Asn]| asns.iter().map(Asn::to_string).collect::<Vec<_>>();
        let segments = self.0.iter().map(|segment| match segment {
            AsPathSegment::Sequence(asns) => words(asns).join(" "),
            AsPathSegment::Set(asns) => format!("{{{}}}", words(asns).join(",")),
        });
        f.write_str(&segments.collect::<Vec<_>>().join(" "))
    }
}
