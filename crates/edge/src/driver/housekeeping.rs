//! What is done now and then: look again at what failed, ask again for neighbours, put up figures.

use std::time::Duration;

use causeway_edge_types::Moment;

use super::RouterDriver;

/// What failed and what is not resolved is looked at again this often.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Neighbours that the kernel would have to ask again are asked this often: it does not see what the data plane
/// forwards, so a host that left or got another MAC address would not be noticed.
const ASK_EVERY: Duration = Duration::from_secs(20);
/// News are put up at most this often.
const NEWS_PAUSE: Duration = Duration::from_millis(100);

/// When what is due.
#[derive(Debug)]
pub(super) struct Housekeeping {
    publish_every: Duration,
    look_at: Moment,
    ask_at: Moment,
    publish_at: Moment,
    news_at: Moment,
    linger_at: Option<Moment>,
}

impl Housekeeping {
    pub(super) fn new(publish_every: Duration) -> Housekeeping {
        let (look_at, ask_at, publish_at, news_at) = (Moment::ZERO, Moment::ZERO, Moment::ZERO, Moment::ZERO);
        Housekeeping { publish_every, look_at, ask_at, publish_at, news_at, linger_at: None }
    }

    /// When something is due next.
    pub(super) fn next(&self, has_news: bool) -> Option<Moment> {
        let news_at = has_news.then_some(self.news_at);
        [Some(self.look_at), Some(self.publish_at), news_at, self.linger_at].into_iter().flatten().min()
    }
}

impl RouterDriver {
    pub(super) fn keep_house(&mut self, now: Moment) {
        self.housekeeping.linger_at = self.transports.expire(now);
        if now >= self.housekeeping.look_at {
            self.housekeeping.look_at = now + LOOK_EVERY;
            self.look_again();
        }
        if now >= self.housekeeping.ask_at {
            self.housekeeping.ask_at = now + ASK_EVERY;
            self.ask_stale_neighbors();
        }
        let is_news = self.has_news && now >= self.housekeeping.news_at;
        if is_news || now >= self.housekeeping.publish_at {
            self.housekeeping.publish_at = now + self.housekeeping.publish_every;
            self.housekeeping.news_at = now + NEWS_PAUSE;
            self.publish(now, is_news);
            self.has_news &= !is_news;
        }
    }

    fn look_again(&mut self) {
        let Some(config) = self.config.clone() else { return };
        let has_problems = |about: &str| self.problems.get(about).is_some_and(|problems| !problems.is_empty());
        if has_problems("host interfaces") || has_problems("watches") {
            self.bring_up_hosts(&config);
            self.configure_dataplane();
            self.update_listeners(&config);
        } else if has_problems("ports") || has_problems("dataplane") {
            self.configure_dataplane();
        }
        if self.problems.get("listeners").is_some_and(|problems| !problems.is_empty()) {
            self.update_listeners(&config);
        }
        if self.bfd_sockets.is_incomplete() {
            self.update_bfd_sockets();
        }
        if !self.space.is_underlay_complete() {
            self.update_underlay();
        }
        let hops: Vec<_> = self.group_hops.values().flatten().copied().collect();
        for hop in hops {
            self.resolve(hop);
        }
    }

    fn ask_stale_neighbors(&mut self) {
        for host in self.hosts.iter_mut() {
            let stale = host.neighbors.values().filter(|neighbor| neighbor.is_stale);
            let stale: Vec<_> = stale.map(|neighbor| neighbor.address).collect();
            for address in stale {
                let _ = host.netlink.probe_neighbor(host.host_index, address);
            }
        }
        if let Some(config) = &self.config {
            self.space.refresh_neighbors(config);
        }
    }
}
