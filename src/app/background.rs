//! The work that goes on beside requests, and how it makes way for them.

use std::{future::Future, io};

use tokio::{
    runtime::{Builder, Runtime},
    task::JoinHandle,
};

/// How far threads that make way step back (nice, sched(7)): while requests want a whole core, 335 / (335 + 1,024) of it, a quarter,
/// is left for them. Enough for the catalogue to stay up to date, too little for an import to turn readers away.
#[cfg(target_os = "linux")]
const NICE: i32 = 5;

/// Tasks beside requests; dropping it stops them.
pub struct Background {
    tasks: Vec<JoinHandle<()>>,
    /// Of threads that make way. Its tasks have connections to the store of their own.
    yielding: Option<Runtime>,
}

impl Background {
    /// Errors: there can be no more threads.
    pub(super) fn new() -> io::Result<Self> {
        let mut builder = Builder::new_multi_thread();
        let yielding = builder.worker_threads(1).thread_name("beside").on_thread_start(make_way).enable_all().build()?;
        Ok(Self { tasks: Vec::new(), yielding: Some(yielding) })
    }

    /// For work that takes little of the processor, or must not wait.
    pub(super) fn run(&mut self, work: impl Future<Output = ()> + Send + 'static) {
        self.tasks.push(tokio::spawn(work));
    }

    /// For work that may take long and can wait: it runs when requests leave time for it.
    pub(super) fn run_yielding(&mut self, work: impl Future<Output = ()> + Send + 'static) {
        self.tasks.extend(self.yielding.as_ref().map(|runtime| runtime.spawn(work)));
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
        // It may be dropped where nothing may wait.
        if let Some(runtime) = self.yielding.take() {
            runtime.shutdown_background();
        }
    }
}

/// Of the thread that calls: on Linux a nice value is a thread's own, elsewhere it would be the process's.
fn make_way() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, NICE) {
        tracing::warn!(%error, "following the catalogue does not make way for requests");
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::mpsc;

    use super::*;

    #[cfg(target_os = "linux")]
    fn nice() -> i32 {
        rustix::process::getpriority_process(None).expect("a thread has a priority")
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn what_can_wait_makes_way_and_nothing_else_does() {
        let before = nice();
        let mut background = Background::new().expect("threads");
        let (told, mut heard) = mpsc::unbounded_channel();
        let tell = told.clone();
        background.run_yielding(async move {
            let blocking = tokio::task::spawn_blocking(nice).await.expect("it ends");
            tell.send((nice(), blocking)).expect("heard");
        });
        assert_eq!(heard.recv().await, Some(((before + NICE).min(19), (before + NICE).min(19))));
        background.run(async move { told.send((nice(), nice())).expect("heard") });
        assert_eq!(heard.recv().await, Some((before, before)));
    }

    #[tokio::test]
    async fn all_of_it_ends_when_it_is_dropped() {
        let mut background = Background::new().expect("threads");
        let (told, mut heard) = mpsc::unbounded_channel::<()>();
        let waits = |kept: mpsc::UnboundedSender<()>| async move {
            std::future::pending::<()>().await;
            drop(kept);
        };
        background.run(waits(told.clone()));
        background.run_yielding(waits(told));
        drop(background);
        let ended = tokio::time::timeout(Duration::from_secs(20), heard.recv()).await;
        assert_eq!(ended, Ok(None), "whoever held the channel is gone");
    }
}
