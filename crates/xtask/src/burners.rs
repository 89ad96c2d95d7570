//! Keeps every processor busy while the tests run: one spinning thread for each. They are threads
//! of this program, so they end with it, however it ends.

use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

/// Threads that spin until this is dropped.
pub(crate) struct Burners {
    are_over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Burners {
    /// Starts one for each processor.
    pub(crate) fn start() -> Self {
        let count = thread::available_parallelism().map_or(1, NonZero::get);
        let are_over = Arc::new(AtomicBool::new(false));
        let burn = |_| {
            let are_over = Arc::clone(&are_over);
            thread::spawn(move || {
                while !are_over.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            })
        };
        Self { threads: (0..count).map(burn).collect(), are_over }
    }
}

impl Drop for Burners {
    fn drop(&mut self) {
        self.are_over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A thread that panicked has ended too.
            let _ = thread.join();
        }
    }
}
