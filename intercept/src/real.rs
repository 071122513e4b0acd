//! The real functions, by system calls: their names are taken.

use libc::{c_int, c_long, c_uint, c_void, clockid_t, size_t, ssize_t, timespec};

/// clock_gettime(2).
///
/// # Safety
/// `into` is valid for writing, or the kernel answers with EFAULT.
pub(crate) unsafe fn clock_gettime(clock: clockid_t, into: *mut timespec) -> c_int {
    // SAFETY: the arguments are those of the system call, and what `into` must be is the caller's to
    // see to.
    let result: c_long = unsafe { libc::syscall(libc::SYS_clock_gettime, clock, into) };
    result as c_int
}

/// getrandom(2).
///
/// # Safety
/// `into` is valid for writing `len` bytes, or the kernel answers with EFAULT.
pub(crate) unsafe fn getrandom(into: *mut c_void, len: size_t, flags: c_uint) -> ssize_t {
    // SAFETY: the arguments are those of the system call, and what `into` must be is the caller's to
    // see to.
    unsafe { libc::syscall(libc::SYS_getrandom, into, len, flags) as ssize_t }
}
