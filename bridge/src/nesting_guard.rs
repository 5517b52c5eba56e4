//! Ends walks through values that never end.

use std::cell::Cell;
use std::cmp::Ordering;
use std::fmt;
use std::panic::resume_unwind;
use std::sync::Arc;

use minijinja::value::{DynObject, Enumerator, Object, ObjectRepr};

/// What the walk unwinds with: the engine's traits for printing, comparing and hashing can report no error.
pub struct TooDeep;

/// A value that a template cannot tell from an empty dict. Whatever prints, compares or hashes the container that holds
/// it comes by here, on each level that holds one; if the stack has grown too much by then, it ends.
pub struct NestingGuard;

/// Far above what a template's sensible values take.
const STACK_BYTES_MAX: usize = 4 << 20;

thread_local! {
    static STACK_START: Cell<usize> = const { Cell::new(0) };
}

fn stack_position() -> usize {
    let here = 0u8;
    std::hint::black_box(&here) as *const u8 as usize
}

impl NestingGuard {
    /// Call first on each thread that templates are rendered on.
    pub fn start() {
        STACK_START.set(stack_position());
    }

    fn check() {
        if STACK_START.get().abs_diff(stack_position()) > STACK_BYTES_MAX {
            resume_unwind(Box::new(TooDeep));
        }
    }
}

impl fmt::Debug for NestingGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Self::check();
        f.write_str("{}")
    }
}

impl Object for NestingGuard {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Self::check();
        Enumerator::Empty
    }

    fn custom_cmp(self: &Arc<Self>, _: &DynObject) -> Option<Ordering> {
        Self::check();
        Some(Ordering::Equal)
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Self::check();
        f.write_str("{}")
    }
}
