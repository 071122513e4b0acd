//! The machine and the process, as Linux's `/proc` shows them (proc(5)).

use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use evidence::words::utc;
use reports::Machine;

/// The unit of times in `/proc/PID/stat`, per second: what Linux shows to programs everywhere.
const TICKS_PER_S: f64 = 100.0;

/// This machine now. `written` is a folder that servers write to.
pub fn machine(written: Option<&Path>) -> Machine {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let memory_kib = value_of(&read("/proc/meminfo"), "MemTotal")
        .and_then(|value| value.split_whitespace().next()?.parse::<u64>().ok());
    let load = read("/proc/loadavg");
    Machine {
        processor: value_of(&read("/proc/cpuinfo"), "model name").unwrap_or("unknown").to_owned(),
        cores: std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64),
        memory_mib: memory_kib.unwrap_or_default() / 1_024,
        kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        file_system: written.and_then(file_system).unwrap_or_default(),
        load_before: load.split(' ').next().and_then(|load| load.parse().ok()).unwrap_or_default(),
        date: utc(unix_seconds()),
        build: scenarios::build_id().to_owned(),
        profile: if cfg!(debug_assertions) { "debug" } else { "release" }.to_owned(),
    }
}

#[allow(clippy::disallowed_methods, reason = "a report says when it was measured")]
fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// The value of the first line `key: value`.
fn value_of<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name.trim() == key).then_some(value.trim())
    })
}

/// The kind of the file system that a folder lies on, by the longest mount point above it.
fn file_system(folder: &Path) -> Option<String> {
    let folder = folder.canonicalize().ok()?;
    let mounts = fs::read_to_string("/proc/mounts").ok()?;
    let fields = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        Some((fields.next()?, fields.next()?))
    });
    let above = fields.filter(|(point, _)| folder.starts_with(point));
    above.max_by_key(|(point, _)| point.len()).map(|(_, kind)| kind.to_owned())
}

/// CPU time of this process, in seconds.
///
/// # Panics
/// Where there is no `/proc`: measurements are for Linux.
pub fn process_cpu_s() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").expect("Linux shows a process its times");
    cpu_of_stat(&stat).expect("the file has Linux's form")
}

/// CPU time of a process, in seconds; none if it is gone.
pub fn cpu_s(pid: u32) -> Option<f64> {
    cpu_of_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// User and system time of all threads, from `/proc/PID/stat`.
fn cpu_of_stat(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_whitespace().skip(11);
    let (user, system): (f64, f64) = (times.next()?.parse().ok()?, times.next()?.parse().ok()?);
    Some((user + system) / TICKS_PER_S)
}

/// Resident memory of a process, in mebibytes; none if it is gone.
pub fn resident_mib(pid: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let kib: f64 = value_of(&status, "VmRSS")?.split_whitespace().next()?.parse().ok()?;
    Some(kib / 1_024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_is_read() {
        let machine = machine(Some(Path::new("/proc")));
        assert!(machine.cores > 0 && machine.memory_mib > 0 && !machine.kernel.is_empty());
        assert_eq!(machine.file_system, "proc");
        assert!(machine.date.starts_with("20") && machine.date.ends_with('Z'));
    }

    #[test]
    fn times_and_memory_of_processes_are_read() {
        let stat = "12 (a) b) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20";
        assert_eq!(cpu_of_stat(stat), Some(3.0));
        assert_eq!(cpu_of_stat("nonsense"), None);
        let own = std::process::id();
        assert!(resident_mib(own).unwrap() > 0.5);
        assert!(cpu_s(own).unwrap() >= 0.0);
        assert_eq!(cpu_s(u32::MAX), None);
    }
}
