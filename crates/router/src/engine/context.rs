//! What every part of the engine needs in a turn: the time, the jitter, the names of transports and the queues out.

use std::cmp::Ordering;
use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use causeway_edge_types::{AttachmentId, Moment, PeerId};

use crate::random::Random;
use crate::{Event, FibChange, Output, TransportId};

pub(crate) struct Context {
    /// The turn's time.
    pub(crate) now: Moment,
    pub(crate) random: Random,
    /// Whose each transport is. An entry goes when the transport is closed by either end, so that what a driver still
    /// says about it afterwards is not heard.
    pub(crate) owners: BTreeMap<TransportId, PeerId>,
    next_transport: u64,
    outputs: VecDeque<Output>,
    events: VecDeque<Event>,
    /// Since when, and how many, notes there were about each attachment's peers.
    notes: BTreeMap<AttachmentId, (Moment, u32)>,
}

/// At most this many notes about one attachment's peers in a period: a peer that sends nonsense as fast as it can must
/// not fill everybody's log.
const NOTES_MAX: u32 = 50;
const NOTES_PERIOD: Duration = Duration::from_secs(60);

impl Context {
    pub(crate) fn new(seed: u64) -> Context {
        Context {
            now: Moment::ZERO,
            random: Random::new(seed),
            owners: BTreeMap::new(),
            next_transport: 1,
            outputs: VecDeque::new(),
            events: VecDeque::new(),
            notes: BTreeMap::new(),
        }
    }

    /// Asks for a transport to `peer`; engine-made names are odd.
    pub(crate) fn connect(&mut self, peer: PeerId, local: IpAddr) -> TransportId {
        let transport = TransportId(self.next_transport);
        self.next_transport += 2;
        self.owners.insert(transport, peer);
        self.outputs.push_back(Output::Connect { transport, peer, local });
        transport
    }

    pub(crate) fn close(&mut self, transport: TransportId) {
        self.owners.remove(&transport);
        self.outputs.push_back(Output::Close(transport));
    }

    pub(crate) fn output(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    /// Puts a change of forwarding before everything that is not one: a flip never waits for a NOTIFICATION to be
    /// written. Among themselves, changes of forwarding keep their order.
    pub(crate) fn flip(&mut self, change: FibChange) {
        let after_last = self.outputs.iter().rposition(|o| matches!(o, Output::Fib(_))).map_or(0, |at| at + 1);
        self.outputs.insert(after_last, Output::Fib(change));
    }

    pub(crate) fn event(&mut self, event: Event) {
        self.events.push_back(event);
    }

    pub(crate) fn note(&mut self, peer: PeerId, text: impl Into<String>) {
        let (since, count) = self.notes.entry(peer.attachment).or_insert((self.now, 0));
        if self.now.since(*since) >= NOTES_PERIOD {
            (*since, *count) = (self.now, 0);
        }
        *count = count.saturating_add(1);
        let text = match (*count).cmp(&NOTES_MAX) {
            Ordering::Less => text.into(),
            Ordering::Equal => format!("nothing more is noted for {} s", NOTES_PERIOD.as_secs()),
            Ordering::Greater => return,
        };
        self.events.push_back(Event::Note { peer, text });
    }

    pub(crate) fn next_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    pub(crate) fn next_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }
}
