//! Any bytes whatever: never a panic, never more memory than a few times what was sent, and what is accepted can be
//! written and read again.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use causeway_wire::bgp::*;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::bytes::{EBGP, IBGP, TWO_OCTET, message, update};

/// Counts what this thread has allocated and not freed, and the most that it ever was.
struct Counting;

thread_local! {
    static LIVE: Cell<usize> = const { Cell::new(0) };
    static PEAK: Cell<usize> = const { Cell::new(0) };
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: every call is passed to the system's allocator unchanged; the counters are plain cells without destructors.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let live = LIVE.get() + layout.size();
        LIVE.set(live);
        PEAK.set(PEAK.get().max(live));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.set(LIVE.get().saturating_sub(layout.size()));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// The most bytes that were allocated at once beside what was there before.
fn peak_of(act: impl FnOnce()) -> usize {
    let before = LIVE.get();
    PEAK.set(before);
    act();
    PEAK.get().saturating_sub(before)
}

/// The smallest prefix has one byte and becomes an `IpNet`; that is the largest growth that there is.
const GROWTH_MAX: usize = 2 * size_of::<ipnet::IpNet>();
const FIXED_MAX: usize = 4096;

fn check(bytes: &[u8], options: &SessionOptions) {
    let mut result = None;
    let peak = peak_of(|| result = Some(decode(bytes, options)));
    let limit = FIXED_MAX + GROWTH_MAX * bytes.len();
    assert!(peak <= limit, "{peak} bytes for {} received", bytes.len());
    match result.expect("decoded") {
        Err(error) => {
            let notification = error.notification();
            assert!((1..=7).contains(&notification.code) && notification.data.len() <= 4075);
        }
        Ok(messages) => messages.into_iter().for_each(|message| check_message(message, options)),
    }
}

fn check_message(message: Message, options: &SessionOptions) {
    let Message::Update(update) = message else { return };
    assert_eq!(update.attributes.is_some(), !update.announced.is_empty());
    let is_withdraw = update.faults.iter().any(|fault| fault.action == FaultAction::TreatAsWithdraw);
    assert!(update.announced.is_empty() || !is_withdraw);
    let Some(attributes) = &update.attributes else { return };
    // What came in one message may need a little more when it goes on (a partial bit costs nothing, a longer AS_PATH
    // may), but it is written and read as the same thing.
    for bytes in pack_announcements(attributes, &update.announced, options).into_iter().flatten() {
        let again = decode(&bytes, options).expect("what we write is sound");
        let [Message::Update(again)] = &again[..] else { panic!("one UPDATE") };
        assert_eq!(again.faults, []);
        let partial = |attributes: &Attributes| {
            let mut attributes = attributes.clone();
            attributes.unknown_transitive.iter_mut().for_each(|unknown| unknown.flags |= 0x20);
            attributes
        };
        assert_eq!(again.attributes.as_ref().map(partial), Some(partial(attributes)));
    }
}

fn options() -> impl Strategy<Value = SessionOptions> {
    (prop_oneof![Just(EBGP), Just(IBGP), Just(TWO_OCTET)], any::<bool>())
        .prop_map(|(options, extended_message)| SessionOptions { extended_message, ..options })
}

/// An attribute that looks like one: a code that we know as often as not, its right flags as often as not, and sometimes
/// a length that lies.
fn plausible_attribute() -> impl Strategy<Value = Vec<u8>> {
    let code = prop_oneof![3 => 1..=18u8, 1 => prop_oneof![Just(25u8), Just(32), Just(35), 0..=255u8]];
    let flags = prop_oneof![Just(0x40u8), Just(0x80), Just(0xc0), any::<u8>()];
    let value = prop_oneof![vec(any::<u8>(), 0..40), vec(0..4u8, 0..20)];
    let lie = prop_oneof![9 => Just(None), 1 => any::<u8>().prop_map(Some)];
    (flags, code, value, lie).prop_map(|(flags, code, value, lie)| {
        let length = lie.unwrap_or(u8::try_from(value.len()).unwrap());
        [&[flags, code][..], if flags & 0x10 != 0 { &[0][..] } else { &[] }, &[length], &value].concat()
    })
}

fn plausible_prefixes() -> impl Strategy<Value = Vec<u8>> {
    let prefix = (0..=34u8, any::<[u8; 5]>())
        .prop_map(|(length, bits)| [&[length][..], &bits[..usize::from(length).div_ceil(8)]].concat());
    vec(prefix, 0..5).prop_map(|prefixes| prefixes.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_bytes_are_survived(bytes in vec(any::<u8>(), 0..300), options in options()) {
        let _ = frame(&bytes, &options);
        check(&bytes, &options);
    }

    #[test]
    fn any_body_is_survived(kind in 1..=5u8, body in vec(any::<u8>(), 0..600), options in options()) {
        check(&message(kind, &body), &options);
    }

    #[test]
    fn plausible_updates_are_survived(
        withdrawn in plausible_prefixes(),
        attributes in vec(plausible_attribute(), 0..12),
        announced in plausible_prefixes(),
        options in options(),
    ) {
        check(&update(&withdrawn, &attributes.concat(), &announced), &options);
    }

    /// A sound message with some bytes changed.
    #[test]
    fn spoilt_updates_are_survived(
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        options in options(),
    ) {
        let attributes = [
            &[0x80u8, 14, 26, 0, 2, 1, 16, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 32, 0x20, 1, 0xd, 0xb8][..],
            &[0x40, 1, 1, 0, 0x40, 2, 10, 2, 2, 0, 0, 0xfb, 0xf0, 0, 1, 0, 0, 0x40, 3, 4, 192, 0, 2, 1],
            &[0x80, 4, 4, 0, 0, 0, 1, 0x40, 5, 4, 0, 0, 0, 100, 0x40, 6, 0, 0xc0, 8, 8, 1, 2, 3, 4, 5, 6, 7, 8],
            &[0xc0, 32, 12, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0xc0, 99, 3, 1, 2, 3],
        ]
        .concat();
        let mut bytes = update(&[8, 10], &attributes, &[24, 198, 51, 100]);
        check(&bytes, &options);
        for (at, value) in changes {
            // The header stays, or there would be little to see.
            let at = 19 + at.index(bytes.len() - 19);
            bytes[at] = value;
        }
        check(&bytes, &options);
    }
}

/// The messages that make the most of few bytes.
#[test]
fn the_densest_messages_take_no_more_memory_than_allowed() {
    let extended = SessionOptions { extended_message: true, ..EBGP };
    let attributes = [0x40, 1, 1, 0, 0x40, 2, 0, 0x40, 3, 4, 192, 0, 2, 1];
    check(&update(&[], &attributes, &vec![0; 65_000]), &extended);
    check(&update(&vec![0; 65_000], &[], &[]), &extended);
    let faults: Vec<u8> = std::iter::repeat_n([0xc0, 222, 0], 20_000).flatten().collect();
    check(&update(&[], &faults, &[]), &extended);
    let segments: Vec<u8> = std::iter::repeat_n([1, 1, 0, 0, 0, 9], 10_000).flatten().collect();
    let length = u16::try_from(segments.len()).unwrap().to_be_bytes();
    let path = [&[0x40, 1, 1, 0, 0x50, 2][..], &length, &segments, &[0x40, 3, 4, 192, 0, 2, 1]].concat();
    check(&update(&[], &path, &[8, 10]), &extended);
    let capabilities: Vec<u8> = std::iter::repeat_n([200, 0], 2000).flatten().collect();
    let length = u16::try_from(capabilities.len()).unwrap();
    let head = [&[4, 0xfb, 0xf0, 0, 90, 192, 0, 2, 1, 255, 255][..], &(length + 3).to_be_bytes(), &[2]].concat();
    let open = message(1, &[&head[..], &length.to_be_bytes(), &capabilities].concat());
    assert!(decode(&open, &EBGP).is_ok());
    check(&open, &EBGP);
}
