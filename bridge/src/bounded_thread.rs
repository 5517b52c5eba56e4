//! Work that may turn out to have no end, on threads that can be left alone.
//!
//! Fuel bounds what a template's instructions do, not what the engine does within one: adding lists that were added to
//! themselves 33 times fills any memory, comparing lists that hold themselves twice, forty levels deep, takes years. Nothing
//! can end such a thread from outside, and an allocation may neither unwind nor, without ending the program, fail. So the
//! allocator counts what each of these threads holds and how long it has run; past its bounds the thread stops in its next
//! allocation, for good, and keeps what it holds. RUNAWAYS_MAX such threads, and no further work is begun.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::{mpsc, Mutex};
use std::thread;
use std::time::Duration;

use crate::nesting_guard::{NestingGuard, TooDeep};
use crate::Failure;

/// Address space, not memory: pages are taken when they are touched. A template can put lists into lists for 1.5 fuel
/// each, and printing or freeing them takes up to 550 bytes of stack for each: enough for chat_template's FUEL_MAX, below
/// what the NestingGuard lets by.
const STACK_BYTES: usize = 1 << 30;
/// Threads of the whole program that nobody waits for any more. Most end by themselves soon after.
const RUNAWAYS_MAX: usize = 4;
/// Of its own time a thread may use so many times what its caller waits for: whatever else the machine does, that is no
/// rendering that was merely slow.
const CPU_TIMES_WAIT: u32 = 4;
/// Reading the clock takes as long as some ten allocations.
const ALLOCATIONS_PER_LOOK_AT_CLOCK: u32 = 1024;

static RUNAWAYS: Mutex<Vec<thread::JoinHandle<()>>> = Mutex::new(Vec::new());

enum Answer<T> {
    Done(Result<T, Failure>),
    RanAway(&'static str),
}

/// Runs `work` on a thread of its own, whose stack no template within its limits exhausts, and waits. `settle` is called
/// on that thread with the result, and with the bytes that the thread then holds, the result's own among them: what is
/// beyond those can never be freed. Failures: exhausted (`wait` is over; more memory than allow_memory(); a value nested
/// too deep; too many runaways).
pub fn run<T: Send + 'static>(
    wait: Duration,
    work: impl Fn() -> Result<T, Failure> + Send + 'static,
    settle: impl FnOnce(&Result<T, Failure>, isize) + Send + 'static,
) -> Result<T, Failure> {
    refuse_if_too_many_runaways()?;
    let (sender, receiver) = mpsc::sync_channel(1);
    let run = move || {
        NestingGuard::start();
        let last_words = sender.clone();
        let report: Box<Report> = Box::new(move |why| drop(last_words.send(Answer::RanAway(why))));
        let metered = Metered::start(&*report, wait * CPU_TIMES_WAIT);
        let result = catch_unwind(AssertUnwindSafe(&work)).unwrap_or_else(|payload| {
            Err(if payload.is::<TooDeep>() {
                Failure::exhausted("a value is nested too deep")
            } else {
                Failure::panic(payload)
            })
        });
        let held_bytes = metered.end();
        settle(&result, held_bytes);
        let _ = sender.send(Answer::Done(result)); // nobody may wait any more
    };
    let thread = match thread::Builder::new().stack_size(STACK_BYTES).spawn(run) {
        Ok(thread) => thread,
        Err(error) => return Err(Failure::exhausted(format!("no thread to work on: {error}"))),
    };
    let why = match receiver.recv_timeout(wait) {
        Ok(Answer::Done(result)) => return result,
        Ok(Answer::RanAway(why)) => why.to_string(),
        Err(_) => format!("it takes longer than {} ms", wait.as_millis()),
    };
    RUNAWAYS.lock().unwrap().push(thread);
    Err(Failure::exhausted(why))
}

/// From here on the calling thread, one of run(), may hold so many bytes more than now.
pub fn allow_memory(bytes: usize) {
    METER.with(|meter| meter.held_max.set(meter.held.get().saturating_add_unsigned(bytes)));
}

fn refuse_if_too_many_runaways() -> Result<(), Failure> {
    let mut runaways = RUNAWAYS.lock().unwrap();
    runaways.retain(|thread| !thread.is_finished());
    if runaways.len() < RUNAWAYS_MAX {
        return Ok(());
    }
    Err(Failure::exhausted(format!("{RUNAWAYS_MAX} that took too much time or memory have not ended yet")))
}

type Report = dyn Fn(&'static str);

/// What the allocator knows of a thread. Nothing in it is dropped, so that it can be used as long as the thread lives.
struct Meter {
    held: Cell<isize>,
    held_max: Cell<isize>,
    allocations: Cell<u32>,
    cpu_max: Cell<Duration>,
    /// None: not on a thread of run(), or no longer under bounds.
    report: Cell<Option<*const Report>>,
}

thread_local! {
    static METER: Meter = const {
        Meter {
            held: Cell::new(0),
            held_max: Cell::new(isize::MAX),
            allocations: Cell::new(0),
            cpu_max: Cell::new(Duration::MAX),
            report: Cell::new(None),
        }
    };
}

/// While it lives, the thread is under bounds.
struct Metered<'a>(std::marker::PhantomData<&'a Report>);

impl<'a> Metered<'a> {
    fn start(report: &'a Report, cpu_max: Duration) -> Self {
        METER.with(|meter| {
            meter.held.set(0);
            meter.cpu_max.set(cpu_max);
            meter.report.set(Some(report));
        });
        Metered(std::marker::PhantomData)
    }

    /// The bytes allocated since start() that were not freed.
    fn end(self) -> isize {
        METER.with(|meter| {
            meter.report.set(None);
            meter.held.get()
        })
    }
}

impl Meter {
    fn freed(&self, bytes: usize) {
        self.held.set(self.held.get().wrapping_sub_unsigned(bytes));
    }

    fn allocating(&self, bytes: usize) {
        self.held.set(self.held.get().wrapping_add_unsigned(bytes));
        let Some(report) = self.report.get() else { return };
        self.allocations.set(self.allocations.get().wrapping_add(1));
        let why = if self.held.get() > self.held_max.get() {
            "it takes too much memory"
        } else if self.allocations.get().is_multiple_of(ALLOCATIONS_PER_LOOK_AT_CLOCK)
            && thread_cpu_time() > self.cpu_max.get()
        {
            "it takes too long"
        } else {
            return;
        };
        if thread::panicking() {
            return; // the panic's message holds a lock while it is written
        }
        self.report.set(None); // what follows may allocate
                               // Safety: run() keeps the report alive until it has taken it out of the meter, which this thread never does now.
        unsafe { (*report)(why) };
        loop {
            thread::park();
        }
    }
}

fn thread_cpu_time() -> Duration {
    // Safety: the pointer is to a local that outlives the call.
    unsafe {
        let mut time: libc::timespec = std::mem::zeroed();
        libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time);
        Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    }
}

struct MeteringAllocator;

#[global_allocator]
static ALLOCATOR: MeteringAllocator = MeteringAllocator;

// Safety: System's, unchanged. Counting neither unwinds nor uses what is about to be allocated.
unsafe impl GlobalAlloc for MeteringAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        METER.with(|meter| meter.allocating(layout.size()));
        System.alloc(layout)
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        METER.with(|meter| meter.allocating(layout.size()));
        System.alloc_zeroed(layout)
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        METER.with(|meter| {
            meter.allocating(new_size);
            meter.freed(layout.size());
        });
        System.realloc(old, layout, new_size)
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        METER.with(|meter| meter.freed(layout.size()));
        System.dealloc(pointer, layout)
    }
}
