//! The laws of merging, over folders as campaigns write them.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;

/// A folder with shards, and results beside them.
struct Place {
    root: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        Place { root: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Writes a shard as a campaign does.
    fn shard(&self, name: &str, partition: &str, lines: &[RunLine]) -> PathBuf {
        let path = self.path(name);
        let mut summary = evidence::example::summary();
        summary.environment.partition = Some(partition.to_owned());
        summary.environment.started = format!("2026-11-20T16:42:0{}Z", name.len() % 10);
        summary.undecided.clear();
        summary.failures.clear();
        summary.exit_code = 0;
        let [name, kind, about] =
            ["client-moves", "sometimes", "A client moves."].map(str::to_owned);
        let declared = evidence::DeclaredMark { name, kind, about };
        let mut coverage = Coverage::new([declared]);
        lines.iter().for_each(|line| coverage.add(line));
        write(&path.join("coverage.json"), &coverage.to_json());
        write(&path.join("seeds.jsonl"), "");
        for line in lines {
            match line.verdict {
                RunVerdict::Pass => {}
                RunVerdict::Undecided => write(&path.join(undecided_plan(line)), &plan(line)),
                RunVerdict::Fail => keep(&path, line, &mut summary),
            }
            let so_far = fs::read_to_string(path.join("seeds.jsonl")).unwrap();
            write(&path.join("seeds.jsonl"), &(so_far + &line.to_json_line()));
        }
        write(&path.join("summary.json"), &summary.to_json());
        path
    }

    /// Merges, and returns the result's folder.
    fn merge(&self, name: &str, shards: &[&Path]) -> PathBuf {
        let out = self.path(name);
        merged(shards).unwrap().write(&out).unwrap();
        out
    }
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// A plan; seeds that are multiples of four have larger ones.
fn plan(line: &RunLine) -> String {
    let filler = if line.seed.is_multiple_of(4) { " ".repeat(40) } else { String::new() };
    format!("{{\"scenario\":\"{}\",\"seed\":{}}}{filler}", line.scenario, line.seed)
}

fn keep(path: &Path, line: &RunLine, summary: &mut Summary) {
    let fingerprint = line.fingerprints[0].clone();
    if let Some(known) = summary.failures.iter_mut().find(|f| f.fingerprint == fingerprint) {
        known.count += 1;
        return;
    }
    let folder = format!("failures/{fingerprint}");
    write(&path.join(&folder).join("plan.json"), &plan(line));
    let at = path.join(&folder).display().to_string();
    let text = format!(
        "FAIL\n  said {at}\n  replay   squall replay {at}/plan.json        (build x)\n  \
         read     {at}/explanation.txt\n"
    );
    write(&path.join(&folder).join("explanation.txt"), &text);
    summary.failures.push(DistinctFailure {
        fingerprint,
        scenario: line.scenario.clone(),
        property: "linearizability".to_owned(),
        headline: "no order".to_owned(),
        seed: line.seed,
        count: 1,
        folder,
        smaller: None,
    });
}

fn merged(shards: &[&Path]) -> Result<Merged, MergeError> {
    let shards: Result<Vec<ShardFolder>, MergeError> =
        shards.iter().map(|path| read_shard(path)).collect();
    merge(&shards?)
}

fn line(seed: u64, verdict: RunVerdict) -> RunLine {
    let fingerprints = match verdict {
        RunVerdict::Fail => vec![format!("f{}", seed % 2), "later".to_owned()],
        RunVerdict::Pass | RunVerdict::Undecided => Vec::new(),
    };
    RunLine {
        seed,
        position: Some(seed),
        fingerprints,
        reason: (verdict == RunVerdict::Undecided).then(|| "nothing was checked".to_owned()),
        verdict,
        trace_hash: format!("{seed:016x}"),
        ..evidence::example::run_line()
    }
}

/// Every file of a folder with its contents, apart from `summary.md`, which may say more.
fn contents(path: &Path) -> Vec<(String, String)> {
    let mut all = Vec::new();
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap().path();
            if entry.is_dir() {
                folders.push(entry);
                continue;
            }
            let name = entry.strip_prefix(path).unwrap().display().to_string();
            // Paths within explanations are those of the result, and differ on purpose.
            let text = fs::read_to_string(&entry).unwrap();
            let is_explained = name.ends_with("explanation.txt");
            all.push((name, if is_explained { String::new() } else { text }));
        }
    }
    all.sort();
    all
}

fn verdict() -> impl Strategy<Value = RunVerdict> {
    prop::sample::select(vec![
        RunVerdict::Pass,
        RunVerdict::Pass,
        RunVerdict::Fail,
        RunVerdict::Undecided,
    ])
}

/// Lines of one shard: overlapping with those of others, contradicting them at times, and slower
/// or cut off at other times.
fn lines() -> impl Strategy<Value = Vec<RunLine>> {
    let one = (0..12u64, verdict(), 1..4u64, prop::bool::weighted(0.1), prop::bool::weighted(0.1));
    prop::collection::vec(one, 0..8).prop_map(|all| {
        let each = all.into_iter().map(|(seed, verdict, wall_ms, is_cut_off, is_otherwise)| {
            let verdict = match seed {
                // Most seeds end in one way.
                0..9 => {
                    [RunVerdict::Pass, RunVerdict::Fail, RunVerdict::Undecided][seed as usize % 3]
                }
                _ => verdict,
            };
            let mut line = RunLine { wall_ms, ..line(seed, verdict) };
            if is_otherwise {
                line.trace_hash = "otherwise".to_owned();
            }
            if is_cut_off {
                line = RunLine { trace_hash: format!("{wall_ms}"), ..cut_off(seed) };
            }
            line
        });
        each.collect()
    })
}

fn cut_off(seed: u64) -> RunLine {
    RunLine {
        reason: Some("the run was cut off: stopped from outside".to_owned()),
        ..line(seed, RunVerdict::Undecided)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn merging_is_commutative_associative_and_idempotent(a in lines(), b in lines(), c in lines()) {
        let place = Place::new();
        let a = place.shard("a", "slice:1/3", &a);
        let b = place.shard("bb", "slice:2/3", &b);
        let c = place.shard("ccc", "slice:3/3", &c);
        let all = place.merge("all", &[&a, &b, &c]);
        let expected = contents(&all);
        let ab = place.merge("ab", &[&a, &b]);
        let bc = place.merge("bc", &[&c, &b]);
        for (name, shards) in [
            ("reversed", &[&c, &b, &a][..]),
            ("left", &[&ab, &c]),
            ("right", &[&a, &bc]),
            ("twice", &[&a, &b, &b, &c, &a, &ab]),
            ("itself", &[&all]),
            ("with itself", &[&all, &all, &a]),
        ] {
            let shards: Vec<&Path> = shards.iter().map(|path| path.as_path()).collect();
            prop_assert_eq!(&contents(&place.merge(name, &shards)), &expected, "{}", name);
        }
    }
}

#[test]
fn shards_become_one_campaign() {
    let place = Place::new();
    let (pass, fail) = (RunVerdict::Pass, RunVerdict::Fail);
    let a = place.shard("a", "slice:1/2", &[line(4, fail), line(2, pass), line(0, pass)]);
    let b = place.shard("bb", "slice:2/2", &[line(6, fail), line(5, RunVerdict::Undecided)]);
    let out = place.merge("out", &[&a, &b]);
    let result = read_shard(&out).unwrap();
    let seeds: Vec<u64> = result.lines.iter().map(|line| line.seed).collect();
    assert_eq!(seeds, [0, 2, 4, 5, 6], "in the order of the campaign");
    let Summary { utilization, failures, undecided, shards, environment, .. } = result.summary;
    assert_eq!((utilization.runs.total, utilization.runs.failed), (5, 2));
    assert_eq!((utilization.operations, utilization.wall_ms), (5 * 800, 245_000));
    assert_eq!((failures.len(), failures[0].count), (1, 2));
    // Seed 4 came first, but the plan of seed 6 is smaller.
    assert_eq!((failures[0].seed, failures[0].folder.as_str()), (6, "failures/f0"));
    let kept = fs::read_to_string(out.join("failures/f0/plan.json")).unwrap();
    assert_eq!(kept, plan(&line(6, fail)));
    let explanation = fs::read_to_string(out.join("failures/f0/explanation.txt")).unwrap();
    let replay =
        format!("  replay   squall replay {}/failures/f0/plan.json        (", out.display());
    assert!(explanation.contains(&replay), "{explanation}");
    assert!(explanation.contains(&format!("said {}", b.display())), "only commands: {explanation}");
    assert_eq!(undecided[0].plan, "undecided/5-plan.json");
    assert!(out.join("undecided/5-plan.json").is_file());
    assert_eq!((shards.len(), environment.jobs), (2, 4));
    let coverage = result.coverage.unwrap();
    assert_eq!((coverage.runs, coverage.marks["primary-writes"].hits), (5, 5 * 800));
    assert_eq!(coverage.marks["primary-writes"].families["process"], 5);
    assert_eq!(result.summary.marks.unwrap().not_reached, ["client-moves"]);
    assert!(fs::read_to_string(out.join("summary.md")).unwrap().contains("| slice:1/2 | 2026-"));
}

#[test]
fn a_run_that_ended_in_two_ways_is_a_contradiction() {
    let place = Place::new();
    let first = line(7, RunVerdict::Pass);
    let slower = RunLine { wall_ms: 999, ..first.clone() };
    let a = place.shard("a", "slice:1/2", std::slice::from_ref(&first));
    let conflicts = |name: &str, other: RunLine| {
        let other = place.shard(name, "slice:2/2", &[other]);
        merged(&[&a, &other]).unwrap().conflicts
    };
    assert_eq!(conflicts("slower", slower), [""; 0]);
    let hash = conflicts("hash", RunLine { trace_hash: "9".to_owned(), ..first.clone() });
    assert_eq!(
        hash,
        ["store/register seed 7 is not deterministic: it ended with pass at trace \
          0000000000000007, and with pass at trace 9"]
    );
    let failed = line(7, RunVerdict::Fail);
    assert!(conflicts("verdict", failed)[0].contains("fail at trace 0000000000000007"));
    let plant =
        RunLine { plant: Some("x".to_owned()), trace_hash: "9".to_owned(), ..first.clone() };
    assert_eq!(conflicts("plant", plant), [""; 0], "another plan");
    let corpus = RunLine { corpus: Some("x".to_owned()), trace_hash: "9".to_owned(), ..first };
    assert_eq!(conflicts("corpus", corpus), [""; 0], "another plan");
    let mutant = RunLine {
        mutant: Some("x".to_owned()),
        trace_hash: "9".to_owned(),
        ..line(7, RunVerdict::Pass)
    };
    assert_eq!(conflicts("mutant", mutant), [""; 0], "another plan");
    // A machine that is too slow says nothing about the run.
    assert_eq!(conflicts("late", cut_off(7)), [""; 0]);
}

#[test]
fn shards_of_different_campaigns_are_refused() {
    let place = Place::new();
    let a = place.shard("a", "slice:1/2", &[line(1, RunVerdict::Pass)]);
    let b = place.shard("b", "slice:2/2", &[]);
    let complaint = |change: &dyn Fn(&mut Summary)| {
        let mut summary = read_shard(&a).unwrap().summary;
        change(&mut summary);
        write(&b.join("summary.json"), &summary.to_json());
        merged(&[&a, &b]).unwrap_err().to_string()
    };
    let seed = complaint(&|summary| summary.environment.seed = 8);
    assert!(seed.contains("the campaign's seed is 7 in "), "{seed}");
    assert!(seed.contains(", but 8 in ") && seed.ends_with("/b"), "{seed}");
    let build = complaint(&|summary| summary.environment.build = "z".to_owned());
    assert!(build.contains("the build is 0.1.0+4f2c1de in "), "{build}");
    let plant = complaint(&|summary| summary.environment.plant = Some("x".to_owned()));
    assert!(plant.contains("the planted bug is none in "), "{plant}");
    let schema = complaint(&|summary| summary.schema_version = 9);
    assert!(schema.ends_with("summary.json: schema_version 9, but this build reads 2"), "{schema}");
}

#[test]
fn a_killed_shard_is_read_as_far_as_it_came() {
    let place = Place::new();
    let lines = [line(1, RunVerdict::Pass), line(3, RunVerdict::Fail)];
    let a = place.shard("a", "slice:1/1", &lines);
    let whole = fs::read_to_string(a.join("seeds.jsonl")).unwrap();
    let mut summary = read_shard(&a).unwrap().summary;
    summary.interrupted = true;
    write(&a.join("summary.json"), &summary.to_json());
    write(&a.join("failures/f1/trace.jsonl.tmp"), "half");
    for end in [whole.len() - 1, whole.len() - 2, whole.len() / 2 + 40] {
        write(&a.join("seeds.jsonl"), &whole[..end]);
        let shard = read_shard(&a).unwrap();
        // Without its line feed the last line may be whole.
        let is_torn = end < whole.len() - 1;
        assert_eq!((shard.torn, shard.lines.len()), (is_torn, 2 - usize::from(is_torn)), "{end}");
        let result = merge(&[shard]).unwrap();
        assert_eq!(result.summary.shards[0].torn, is_torn);
        assert!(result.summary.interrupted);
        assert_eq!(result.summary.failures.len(), 1, "its evidence is there");
    }
    write(&a.join("seeds.jsonl"), &whole.replacen('{', "[", 1));
    let damaged = read_shard(&a).unwrap_err().to_string();
    assert!(damaged.contains("seeds.jsonl:1: no run: "), "{damaged}");
    fs::remove_file(a.join("seeds.jsonl")).unwrap();
    assert!(read_shard(&a).unwrap().lines.is_empty());
    // A line without evidence: the shard was killed in between.
    write(&a.join("seeds.jsonl"), &whole);
    summary.failures.clear();
    write(&a.join("summary.json"), &summary.to_json());
    let out = place.merge("out", &[&a]);
    let failures = read_shard(&out).unwrap().summary.failures;
    assert_eq!((failures[0].fingerprint.as_str(), failures[0].seed), ("f1", 3));
    assert_eq!(failures[0].folder, "failures/f1", "what the summary does not name is there");
    assert!(out.join("failures/f1/plan.json").is_file());
    assert!(!out.join("failures/f1/trace.jsonl.tmp").exists());
}

#[test]
fn files_that_a_killed_shard_did_not_write_are_not_named() {
    let place = Place::new();
    let lines = [line(3, RunVerdict::Fail), line(5, RunVerdict::Undecided)];
    let a = place.shard("a", "slice:1/1", &lines);
    let mut summary = read_shard(&a).unwrap().summary;
    summary.failures.clear();
    summary.unfinished = true;
    write(&a.join("summary.json"), &summary.to_json());
    write(&a.join("failures/f1/explanation.txt"), "FAIL store/register\n  order: it is wrong\n");
    let merged_summary = |name: &str| read_shard(&place.merge(name, &[&a])).unwrap().summary;
    let whole = merged_summary("whole");
    let failure = &whole.failures[0];
    let told = (failure.property.as_str(), failure.headline.as_str(), failure.count);
    assert_eq!(told, ("order", "it is wrong", 1));
    assert!(place.path("whole").join(&whole.undecided[0].plan).is_file());
    assert!(!whole.unfinished, "a merge is whole, whatever its shards are");
    fs::remove_dir_all(a.join("failures")).unwrap();
    fs::remove_dir_all(a.join("undecided")).unwrap();
    let bare = merged_summary("bare");
    assert_eq!((bare.failures[0].folder.as_str(), bare.failures[0].count), ("", 1));
    assert_eq!(bare.undecided[0].plan, "");
}

#[test]
fn nothing_is_written_over_and_nothing_half() {
    let place = Place::new();
    let a = place.shard("a", "slice:1/1", &[line(3, RunVerdict::Fail)]);
    let result = merged(&[&a]).unwrap();
    let out = place.path("out");
    write(&out.join("mine"), "mine");
    let error = result.write(&out).unwrap_err().to_string();
    assert!(error.ends_with("out exists already: a merge writes a new folder"), "{error}");
    fs::remove_file(out.join("mine")).unwrap();
    // An empty folder may be there; a file of a shard that vanished leaves nothing behind.
    fs::remove_dir_all(a.join("failures")).unwrap();
    assert!(result.write(&out).unwrap_err().to_string().contains("cannot read"));
    assert_eq!(fs::read_dir(&out).unwrap().count(), 0);
    assert_eq!(fs::read_dir(place.root.path()).unwrap().count(), 2);
}

#[test]
fn campaigns_are_found_in_folders_of_folders_but_not_through_links() {
    let place = Place::new();
    let a = place.shard("x/out/1", "slice:1/2", &[]);
    let b = place.shard("y/2", "slice:2/2", &[]);
    #[cfg(unix)]
    std::os::unix::fs::symlink("1", place.path("x/out/latest")).unwrap();
    assert_eq!(find_shards(place.root.path()).unwrap(), [a.clone(), b]);
    assert_eq!(find_shards(&a).unwrap(), std::slice::from_ref(&a));
    fs::create_dir(place.path("empty")).unwrap();
    let error = find_shards(&place.path("empty")).unwrap_err().to_string();
    assert!(error.contains("empty: no campaign's folder"), "{error}");
    assert!(find_shards(&place.path("nowhere")).unwrap_err().to_string().contains("nowhere"));
}
