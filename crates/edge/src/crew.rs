//! The daemon's threads. None of them ends before the daemon does: one that does, by an error or by a panic, takes the
//! daemon with it, since a daemon that lives by half (sessions without BFD, forwarding that nobody reports) looks well
//! from outside and is not. Whoever supervises the process starts it again, and forwarding goes on meanwhile.

use std::any::Any;
use std::thread::{Builder, JoinHandle};

use anyhow::{Context, anyhow};

/// A thread and what to call it.
struct Member {
    name: &'static str,
    thread: JoinHandle<anyhow::Result<()>>,
    /// The daemon waits for its end; others may be in the middle of a long request.
    is_awaited: bool,
}

/// All threads.
#[derive(Default)]
pub struct Crew {
    members: Vec<Member>,
}

impl Crew {
    /// Starts a thread that the daemon waits for when it ends.
    pub fn start(
        &mut self,
        name: &'static str,
        run: impl FnOnce() -> anyhow::Result<()> + Send + 'static,
    ) -> anyhow::Result<()> {
        self.spawn(name, true, run)
    }

    /// Starts a thread that may be left behind when the daemon ends.
    pub fn start_helper(&mut self, name: &'static str, run: impl FnOnce() + Send + 'static) -> anyhow::Result<()> {
        self.spawn(name, false, || {
            run();
            Ok(())
        })
    }

    fn spawn(
        &mut self,
        name: &'static str,
        is_awaited: bool,
        run: impl FnOnce() -> anyhow::Result<()> + Send + 'static,
    ) -> anyhow::Result<()> {
        let builder = Builder::new().name(name.to_owned());
        let thread = builder.spawn(run).with_context(|| format!("cannot start thread {name}"))?;
        self.members.push(Member { name, thread, is_awaited });
        Ok(())
    }

    /// Fails when one of them has ended.
    pub fn check(&self) -> anyhow::Result<()> {
        match self.members.iter().find(|member| member.thread.is_finished()) {
            Some(member) => Err(anyhow!("thread {} ended", member.name)),
            None => Ok(()),
        }
    }

    /// Waits for those that have been told to end, and gives the first reason of one that ended badly.
    pub fn dismiss(self) -> anyhow::Result<()> {
        let mut result = Ok(());
        for member in self.members {
            if member.is_awaited || member.thread.is_finished() {
                let name = member.name;
                let ended = match member.thread.join() {
                    Ok(ended) => ended.with_context(|| format!("thread {name} failed")),
                    Err(panic) => Err(anyhow!("thread {name} panicked: {}", words(panic.as_ref()))),
                };
                result = result.and(ended);
            }
        }
        result
    }
}

fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a word")
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::{Duration, Instant};

    use super::*;

    fn check_until_it_fails(crew: &Crew) -> String {
        let start = Instant::now();
        loop {
            match crew.check() {
                Err(error) => return error.to_string(),
                Ok(()) => assert!(start.elapsed() < Duration::from_secs(10), "nobody noticed"),
            }
            std::thread::yield_now();
        }
    }

    #[test]
    fn any_thread_that_ends_is_noticed_and_its_reason_is_given() {
        type Run = Box<dyn FnOnce() -> anyhow::Result<()> + Send>;
        let ends: [(Run, &str); 3] = [
            (Box::new(|| panic!("it broke")), "thread one panicked: it broke"),
            (Box::new(|| Err(anyhow!("no poll"))), "thread one failed: no poll"),
            (Box::new(|| Ok(())), ""),
        ];
        for (run, reason) in ends {
            let (stop, stopped) = mpsc::channel::<()>();
            let mut crew = Crew::default();
            crew.start("other", move || Ok(stopped.recv()?)).unwrap();
            crew.check().unwrap();
            crew.start("one", run).unwrap();
            assert_eq!(check_until_it_fails(&crew), "thread one ended");
            stop.send(()).unwrap();
            let result = crew.dismiss().map_or_else(|error| format!("{error:#}"), |()| String::new());
            assert_eq!(result, reason);
        }
    }

    #[test]
    fn a_helper_counts_while_the_daemon_runs_and_is_not_waited_for_at_its_end() {
        let (_stop, stopped) = mpsc::channel::<()>();
        let mut crew = Crew::default();
        crew.start_helper("helper", move || assert!(stopped.recv().is_err())).unwrap();
        crew.check().unwrap();
        crew.dismiss().unwrap();
        let mut crew = Crew::default();
        crew.start_helper("helper", || panic!("it broke")).unwrap();
        assert_eq!(check_until_it_fails(&crew), "thread helper ended");
        assert!(crew.dismiss().is_err());
    }
}
