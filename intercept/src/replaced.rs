//! The functions that take the place of libc's.
//!
//! A definition in the program comes before that of a shared library (ELF's rule of symbol
//! resolution), for the program's own calls and, because libc defines the names too, for look-ups by
//! dlsym(3).

use libc::{c_int, c_uint, c_void, clockid_t, size_t, ssize_t, time_t, timespec, timeval};

use crate::{real, run};

const SECOND_NS: u64 = 1_000_000_000;
/// The most bytes that getentropy(3) gives.
const ENTROPY_BYTES_MAX: size_t = 256;

/// What a clock shows to the host that runs here; none for the real one.
fn simulated_ns(clock: clockid_t) -> Option<u64> {
    match clock {
        libc::CLOCK_REALTIME | libc::CLOCK_REALTIME_COARSE | libc::CLOCK_TAI => run::wall_ns(),
        libc::CLOCK_MONOTONIC
        | libc::CLOCK_MONOTONIC_COARSE
        | libc::CLOCK_MONOTONIC_RAW
        | libc::CLOCK_BOOTTIME => run::monotonic_ns(),
        // Time of the processor, of other processes, of devices.
        _ => None,
    }
}

/// clock_gettime(3).
///
/// # Safety
/// As libc's: `into` is valid for writing.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn clock_gettime(clock: clockid_t, into: *mut timespec) -> c_int {
    let Some(ns) = simulated_ns(clock) else {
        // SAFETY: the caller's promise is passed on.
        return unsafe { real::clock_gettime(clock, into) };
    };
    let shown =
        timespec { tv_sec: (ns / SECOND_NS) as time_t, tv_nsec: (ns % SECOND_NS) as libc::c_long };
    // SAFETY: the caller promises that `into` is valid for writing.
    unsafe { into.write(shown) };
    0
}

/// gettimeofday(3).
///
/// # Safety
/// As libc's: `into` is null or valid for writing.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn gettimeofday(into: *mut timeval, _zone: *mut c_void) -> c_int {
    let mut now = timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is valid for writing.
    let result = unsafe { clock_gettime(libc::CLOCK_REALTIME, &raw mut now) };
    if result == 0 && !into.is_null() {
        let shown = timeval { tv_sec: now.tv_sec, tv_usec: now.tv_nsec / 1_000 };
        // SAFETY: it is not null, and the caller promises that it is valid for writing then.
        unsafe { into.write(shown) };
    }
    result
}

/// time(2).
///
/// # Safety
/// As libc's: `into` is null or valid for writing.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn time(into: *mut time_t) -> time_t {
    let mut now = timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is valid for writing.
    unsafe { clock_gettime(libc::CLOCK_REALTIME, &raw mut now) };
    if !into.is_null() {
        // SAFETY: it is not null, and the caller promises that it is valid for writing then.
        unsafe { into.write(now.tv_sec) };
    }
    now.tv_sec
}

/// getrandom(2).
///
/// # Safety
/// As libc's: `into` is valid for writing `len` bytes.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn getrandom(
    into: *mut c_void,
    len: size_t,
    flags: c_uint,
) -> ssize_t {
    if into.is_null() || len == 0 {
        // SAFETY: nothing is written; the kernel says what is wrong, if anything.
        return unsafe { real::getrandom(into, len, flags) };
    }
    // Zeros first, because a slice must not be of what nobody wrote.
    // SAFETY: the caller promises that `into` is valid for writing `len` bytes.
    unsafe { into.cast::<u8>().write_bytes(0, len) };
    // SAFETY: `into` is valid for `len` bytes, which were written just now, and they are the caller's
    // alone for the time of this call.
    let bytes = unsafe { std::slice::from_raw_parts_mut(into.cast::<u8>(), len) };
    if run::fill(bytes) {
        return len as ssize_t;
    }
    // SAFETY: the caller's promise is passed on.
    unsafe { real::getrandom(into, len, flags) }
}

/// getentropy(3).
///
/// # Safety
/// As libc's: `into` is valid for writing `len` bytes.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn getentropy(into: *mut c_void, len: size_t) -> c_int {
    if len > ENTROPY_BYTES_MAX {
        // SAFETY: the address of the thread's errno is always valid.
        unsafe { *libc::__errno_location() = libc::EIO };
        return -1;
    }
    let mut done = 0;
    while done < len {
        // SAFETY: `done` is less than `len`, so that what follows is valid as the caller promises.
        let rest = unsafe { into.cast::<u8>().add(done) };
        // SAFETY: as above, for the bytes that are left.
        let filled = unsafe { getrandom(rest.cast(), len - done, 0) };
        match usize::try_from(filled) {
            Ok(filled) => done += filled,
            Err(_) => return -1,
        }
    }
    0
}
